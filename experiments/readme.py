"""Write the results table of README.md from experiments/results/*.csv.

  python -m experiments.readme             # rewrite the table
  python -m experiments.readme --check     # only say whether it is up to date

Each experiment names the rows that matter in `HEADLINES`.
"""

import importlib
import pathlib
import sys

from absl import app, flags

import iclr22
from iclr22 import record, report

ROOT = pathlib.Path(__file__).parents[1]
START, END = "<!-- results -->", "<!-- end of results -->"


def table() -> str:
    """Markdown table: one line per headline of every method with results."""
    lines = [
        "| method | what | data | ours | paper | command |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for method in iclr22.available():
        path = ROOT / "experiments" / "results" / f"{method}.csv"
        if not path.exists():
            continue
        experiment = importlib.import_module(f"experiments.{method}")
        means = {
            (s.dataset, s.setting, s.variant, s.metric): s
            for s in record.summarise(record.read_results(path))
        }
        for what, key, paper in experiment.HEADLINES:
            if key not in means:
                continue  # not measured (yet); nothing is shown in its place
            summary = means[key]
            ours = report.number(summary.mean, summary.interval)
            command = f"`python -m experiments.{method} --dataset={summary.dataset}`"
            data = f"{summary.dataset}, {summary.setting}"
            lines.append(
                f"| {method} | {what} | {data} | {ours} | {paper} | {command} |"
            )
    return "\n".join(lines)


def main(argv) -> None:
    """Replace what stands between the two marks of the README."""
    path = ROOT / "README.md"
    text = path.read_text()
    head, rest = text.split(START)
    tail = rest.split(END)[1]
    new = f"{head}{START}\n{table()}\n{END}{tail}"
    del argv
    if flags.FLAGS.check:
        sys.exit(0 if new == text else "README.md: the results table is out of date")
    path.write_text(new)
    print(f"wrote the results table of {path.name}")


if __name__ == "__main__":
    flags.DEFINE_bool("check", False, "write nothing; fail if the table is out of date")
    app.run(main)
