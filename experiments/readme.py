"""Write the tables of the README files from experiments/<method>/results.csv.

  python -m experiments.readme             # rewrite the tables
  python -m experiments.readme --check     # only say whether they are up to date

Each paper names the rows that matter in `HEADLINES`, the first for the front page.
"""

import pathlib
import sys
from collections.abc import Callable

from absl import app, flags

import iclr22
from experiments import paper, verdicts
from experiments.paper import Headline
from iclr22 import record, report

ROOT = pathlib.Path(__file__).parents[1]
START, END = "<!-- results -->", "<!-- end of results -->"


def _means(method: str) -> dict[paper.Key, record.Summary]:
    return {
        (s.dataset, s.setting, s.variant, s.metric): s
        for s in record.summarise(paper.results(method))
    }


def results_table(method: str) -> str:
    """Markdown: one line per headline of a method that was measured."""
    lines = ["| what | data | ours | paper | command |", "| --- " * 5 + "|"]
    means = _means(method)
    for line in paper.of(method).HEADLINES:
        if line.key not in means:
            continue  # not measured (yet); nothing is shown in its place
        data = ", ".join(line.key[:2])
        ours = _number(means[line.key])
        command = f"`{paper.command(method, line.arguments)}`"
        cells = (line.what, data, ours, str(line.published), command)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def front_table() -> str:
    """Markdown: a line for each of the ten methods."""
    head = ("method", "for whom", "what", "ours", "paper", "claims", "command")
    lines = [f"| {' | '.join(head)} |", "| --- " * len(head) + "|"]
    for method, about in iclr22.METHODS.items():
        if method not in paper.there():
            lines.append(f"| {about} | | | | | to come | |")
            continue
        found = verdicts.verdict(method, paper.results(method))
        first: Headline = paper.of(method).HEADLINES[0]
        mean = _means(method).get(first.key)
        cells = (
            f"[{about}](experiments/{method}/README.md)",
            paper.of(method).NEED,
            f"{first.what}, {first.key[0]}",
            _number(mean) if mean else "",
            str(first.published),
            f"{found.text}: {found.reason}",
            f"`{paper.command(method)}`",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _number(summary: record.Summary) -> str:
    return report.number(summary.mean, summary.interval)


def files() -> dict[pathlib.Path, Callable[[], str]]:
    """Every README with a table, and who makes it."""
    found: dict[pathlib.Path, Callable[[], str]] = {ROOT / "README.md": front_table}
    for method in paper.there():
        path = paper.ROOT / method / "README.md"
        found[path] = lambda method=method: results_table(method)
    return found


def renewed(text: str, table: str) -> str:
    """The text with another table between its marks."""
    head, rest = text.split(START)
    return f"{head}{START}\n{table}\n{END}{rest.split(END)[1]}"


def main(argv) -> None:
    """Replace what stands between the two marks of every README."""
    del argv
    stale = []
    for path, make in files().items():
        text = path.read_text(encoding="utf-8")
        new = renewed(text, make())
        if new != text:
            stale.append(str(path.relative_to(ROOT)))
            if not flags.FLAGS.check:
                path.write_text(new, encoding="utf-8")
    if flags.FLAGS.check:
        sys.exit(f"out of date: {', '.join(stale)}" if stale else 0)
    print(f"rewritten: {', '.join(stale) or 'nothing; all tables are up to date'}")


if __name__ == "__main__":
    flags.DEFINE_bool("check", False, "write nothing; fail if a table is out of date")
    app.run(main)
