"""Write the tables of the README files from experiments/<method>/results.csv.

  python -m experiments.readme             # rewrite the tables
  python -m experiments.readme --check     # only say whether they are up to date

Each paper names the rows that matter in `HEADLINES`, the first for the front page.
"""

import pathlib
import re
import sys

from absl import app, flags

import iclr22
from experiments import paper, verdicts
from iclr22 import errors, record, report

ROOT = pathlib.Path(__file__).parents[1]
START, END = "<!-- results -->", "<!-- end of results -->"


def results_table(method: str) -> str:
    """Markdown: one line per headline of a method that was measured."""
    lines = ["| what | data | ours | paper | command |", "| --- " * 5 + "|"]
    means = paper.means(paper.results(method))
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
    """Markdown: a line for each of the ten methods, and for those added to them."""
    head = ("method", "for whom", "what", "ours", "paper", "claims", "command")
    lines = [f"| {' | '.join(head)} |", "| --- " * len(head) + "|"]
    for method, about in iclr22.index().items():
        if method in paper.there():
            lines.append(f"| {' | '.join(_front_cells(method, about))} |")
        else:
            lines.append(f"| {about} | | | | | to come | |")
    return "\n".join(lines)


def _front_cells(method: str, about: str) -> tuple[str, ...]:
    rows, first = paper.results(method), paper.of(method).HEADLINES[0]
    verdict, mean = verdicts.verdict(method, rows), paper.means(rows).get(first.key)
    return (
        f"[{about}](experiments/{method}/README.md)",
        paper.of(method).NEED,
        f"{first.what}, {first.key[0]}",
        _number(mean) if mean else "",
        str(first.published),
        f"{verdict.text}: {verdict.reason}",
        f"`{paper.command(method)}`",
    )


def _number(summary: record.Summary) -> str:
    return report.number(summary.mean, summary.interval)


def files() -> dict[pathlib.Path, str]:
    """The table of every README."""
    found = {
        paper.ROOT / name / "README.md": results_table(name) for name in paper.there()
    }
    return {ROOT / "README.md": front_table()} | found


def renewed(text: str, table: str) -> str:
    """The text with another table between its marks.

    Raises:
      errors.InputError: there are no marks, or several.
    """
    parts = re.fullmatch(f"(.*{START}\n).*({END}.*)", text, re.DOTALL)
    if not parts or text.count(START) != 1 or text.count(END) != 1:
        raise errors.InputError(f"expected one {START} and, below it, one {END}")
    return f"{parts[1]}{table}\n{parts[2]}"


def main(argv) -> None:
    """Replace what stands between the two marks of every README."""
    del argv
    stale = []
    for path, table in files().items():
        name = str(path.relative_to(ROOT))
        try:
            text = path.read_text(encoding="utf-8")
            new = renewed(text, table)
        except (OSError, errors.InputError) as error:
            sys.exit(f"error: {name}: {error}")
        if new != text:
            stale.append(name)
            if not flags.FLAGS.check:
                path.write_text(new, encoding="utf-8")
    if flags.FLAGS.check:
        sys.exit(f"out of date: {', '.join(stale)}" if stale else 0)
    print(f"rewritten: {', '.join(stale) or 'nothing; all tables are up to date'}")


if __name__ == "__main__":
    flags.DEFINE_bool("check", False, "write nothing; fail if a table is out of date")
    app.run(main)
