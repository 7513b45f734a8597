"""Run all benchmarks and write their numbers into one table.

  python -m experiments.benchmarks.__main__                    # three quarters of an hour
  python -m experiments.benchmarks.__main__ --quick            # small sizes, some minutes
  python -m experiments.benchmarks.__main__ --only=diva,grda

Each runs in a process of its own and prints as it does alone; then comes one table of all
numbers, in the file --csv with device, commit and date. One that fails does not stop the
others; the program then ends with an error.
"""

import json
import pathlib
import subprocess
import sys
import tempfile
from typing import NamedTuple

from absl import app, flags

from experiments import run as runner
from iclr22 import errors, record

COLUMNS = ("benchmark", "what", "size", "value", "unit", "device", "commit", "date")
FLAGS = flags.FLAGS


class Benchmark(NamedTuple):
    """A module of this package, and what it is called with."""

    name: str
    full: tuple[str, ...] = ()
    quick: tuple[str, ...] = ()
    also: tuple[tuple[str, ...], ...] = ()  # further calls, not in quick ones


_SMALL = "--csv=runs/benchmarks/message_passing_small.csv"
BENCHMARKS = (
    Benchmark("diva", (), ("--cases=primal,autodiff", "--largest=1250")),
    Benchmark(
        *("message_passing", (), ("--small", "--runs=1", _SMALL)),
        (("--small", _SMALL),),
    ),
    Benchmark("cold_brew", (), ("--repeat=1",), (("--scale",),)),
    Benchmark("grda", (), ("--hidden=64", "--repeat=1")),
    Benchmark("recurrent_intensity", (), ("--scale=0.01", "--repeat=1")),
    Benchmark("trajectory_shapley", (), ("--windows=16", "--repeat=1")),
    Benchmark("streaming", (), ("--quick",)),
    Benchmark("scaling", (), ("--size=32", "--calls=1", "--only=diva")),
)


def calls(only: list[str], quick: bool) -> list[tuple[str, tuple[str, ...]]]:
    """`(module, arguments)` in order.

    Raises:
      errors.InputError: an unknown name.
    """
    known = [benchmark.name for benchmark in BENCHMARKS]
    for name in only:
        if name not in known:
            raise errors.nearest(name, known, "benchmark")
    found = []
    for benchmark in BENCHMARKS:
        if not only or benchmark.name in only:
            options = (benchmark.quick,) if quick else (benchmark.full, *benchmark.also)
            found += [(benchmark.name, arguments) for arguments in options]
    return found


def run_one(name: str, arguments, folder: pathlib.Path) -> tuple[int, list[dict]]:
    """Exit status and numbers of one call."""
    path = folder / f"{len(list(folder.iterdir()))}.jsonl"
    path.touch()
    words = [sys.executable, "-m", f"experiments.benchmarks.{name}", *arguments]
    code = subprocess.run([*words, f"--numbers={path}"], check=False).returncode
    lines = path.read_text(encoding="utf-8").splitlines()
    return code, [{"benchmark": name} | json.loads(line) for line in lines]


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
        for number, (name, arguments) in enumerate(todo, start=1):
            title = " ".join((name, *arguments))
            print(f"[{number}/{len(todo)}] {title}", flush=True)
            code, found = run_one(name, arguments, pathlib.Path(folder))
            rows += found
            failed += [f"{title} (exit status {code})"] if code else []
            lines = [[row[name] for name in COLUMNS] for row in rows]
            record.write_csv(FLAGS.csv, COLUMNS, lines)  # what is there so far
    devices = ", ".join(sorted({row["device"] for row in rows}))
    print(f"\n{table(rows)}\n\n{devices}, commit {runner.commit() or 'unknown'}")
    print(f"{len(rows)} numbers in {FLAGS.csv}")
    if failed:
        sys.exit(f"error: failed: {'; '.join(failed)}")


if __name__ == "__main__":
    flags.DEFINE_bool("quick", False, "small sizes, to see that they work")
    flags.DEFINE_list("only", [], "benchmarks; all if empty")
    flags.DEFINE_string("csv", "runs/benchmarks/benchmarks.csv", "written there")
    app.run(main)
