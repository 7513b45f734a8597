"""Run all benchmarks and write their numbers into one table.

  python -m experiments.benchmarks                    # three quarters of an hour
  python -m experiments.benchmarks --quick            # small sizes, some minutes
  python -m experiments.benchmarks --only=diva,streaming

They are those of the methods, `experiments.<method>.benchmark`, and those of this package.
Each runs in a process of its own and prints as it does alone; then comes one table of all
numbers, in the file --csv with device, commit and date. One that fails does not stop the
others; the program then ends with an error.
"""

import importlib
import json
import pathlib
import subprocess
import sys
import tempfile
from typing import NamedTuple

from absl import app, flags

from experiments import origin, paper
from iclr22 import errors, record

COLUMNS = ("benchmark", "what", "size", "value", "unit", "device", "commit", "date")
SHARED = ("message_passing", "streaming", "scaling")  # that belong to no method
FLAGS = flags.FLAGS


class Call(NamedTuple):
    """A benchmark, as a command."""

    benchmark: str  # a method, or one of SHARED
    module: str
    arguments: tuple[str, ...]

    @property
    def title(self) -> str:
        """For people."""
        return " ".join((self.benchmark, *self.arguments))


def modules() -> dict[str, str]:
    """Modules by name of the benchmark; each has `CALLS`, the arguments of every call of
    a full run, and `QUICK`, those of its one call in a quick run."""
    methods = [name for name in paper.there() if paper.has(name, "benchmark")]
    found = {name: f"experiments.{name}.benchmark" for name in methods}
    return found | {name: f"experiments.benchmarks.{name}" for name in SHARED}


def calls(only: list[str], quick: bool) -> list[Call]:
    """All of them, or those with these names, in order.

    Raises:
      errors.InputError: an unknown name.
    """
    known = modules()
    for name in only:
        if name not in known:
            raise errors.nearest(name, known, "benchmark")
    found = []
    for name, module in known.items():
        if not only or name in only:
            benchmark = importlib.import_module(module)
            several = (benchmark.QUICK,) if quick else benchmark.CALLS
            found += [Call(name, module, arguments) for arguments in several]
    return found


def run_one(call: Call, folder: pathlib.Path) -> tuple[int, list[dict]]:
    """Exit status and numbers of one call."""
    path = folder / f"{len(list(folder.iterdir()))}.jsonl"
    path.touch()
    words = [sys.executable, "-m", call.module, *call.arguments, f"--numbers={path}"]
    code = subprocess.run(words, check=False).returncode
    lines = path.read_text(encoding="utf-8").splitlines()
    return code, [{"benchmark": call.benchmark} | json.loads(line) for line in lines]


def table(rows: list[dict]) -> str:
    """Markdown."""
    lines = ["| benchmark | what | size | value |", "| --- " * 4 + "|"]
    for row in rows:
        value = f"{row['value']:.4g} {row['unit']}"
        texts = [row["benchmark"], row["what"], row["size"], value]
        lines.append(f"| {' | '.join(texts)} |")
    return "\n".join(lines)


def main(argv) -> None:
    """All calls, then the table."""
    del argv
    try:
        todo = calls(FLAGS.only, FLAGS.quick)
    except errors.InputError as error:
        sys.exit(f"error: {error}")
    rows, failed = [], []
    with tempfile.TemporaryDirectory() as folder:
        for number, call in enumerate(todo, start=1):
            print(f"[{number}/{len(todo)}] {call.title}", flush=True)
            code, found = run_one(call, pathlib.Path(folder))
            rows += found
            if code:
                failed.append(f"{call.title} (exit status {code})")
            lines = [[row[name] for name in COLUMNS] for row in rows]
            record.write_csv(FLAGS.csv, COLUMNS, lines)  # what is there so far
    devices = ", ".join(sorted({row["device"] for row in rows}))
    print(f"\n{table(rows)}\n\n{devices}, commit {origin.commit() or 'unknown'}")
    print(f"{len(rows)} numbers in {FLAGS.csv}")
    if failed:
        sys.exit(f"error: failed: {'; '.join(failed)}")


if __name__ == "__main__":
    flags.DEFINE_bool("quick", False, "small sizes, to see that they work")
    flags.DEFINE_list("only", [], "benchmarks; all if empty")
    flags.DEFINE_string("csv", "runs/benchmarks/benchmarks.csv", "written there")
    app.run(main)
