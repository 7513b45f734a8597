"""Records of a run: metrics by step, and one row per measured number."""

import csv
import io
import json
import pathlib
import re
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from iclr22 import checkpoint, errors, metrics, parallel

FORMULA = re.compile(r"[=+\-@\t\r]|'+[=+\-@\t\r]")  # and what is escaped already
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?|[+-]?(inf|nan)", re.IGNORECASE)


class Result(NamedTuple):
    """One measured number, one row of results.csv.

    Metric names are `split/quantity`. Accuracies, precisions and recalls are in percent,
    AUC and F1 in 0..1. `published` is the paper's number for the same thing, or empty.
    """

    method: str
    dataset: str
    variant: str
    setting: str
    seed: int
    metric: str
    value: float
    published: str = ""
    seconds: float | str = ""
    device: str = ""
    commit: str = ""
    date: str = ""


class Summary(NamedTuple):
    """Results over seeds: mean and half width of the 95 % t interval (nan for one)."""

    method: str
    dataset: str
    variant: str
    setting: str
    metric: str
    published: str
    mean: float
    interval: float
    seeds: int


def write_results(path, rows: Iterable[Result]) -> None:
    """Write results.csv atomically."""
    write_csv(path, Result._fields, rows)


def write_csv(path, header: Iterable[str], rows: Iterable) -> None:
    """Write a table atomically: a header and rows of cells.

    Texts that a spreadsheet would run as formulas begin with an apostrophe there, which
    `plain_cell` and `data.tables.strip` take away.
    """
    with (
        checkpoint.atomic(path) as temporary,
        open(
            temporary, "w", encoding="utf-8", errors="backslashreplace", newline=""
        ) as file,
    ):
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(map(_safe_cell, header))
        writer.writerows(map(_safe_cell, row) for row in rows)


def _safe_cell(cell):
    if isinstance(cell, str) and FORMULA.match(cell) and not NUMBER.fullmatch(cell):
        return f"'{cell}"
    return cell


def plain_cell(cell: str) -> str:
    """What `write_csv` was given."""
    return cell[1:] if cell.startswith("'") and FORMULA.match(cell[1:]) else cell


def write_columns(path, columns: dict) -> None:
    """Write a table of columns by name, all of one length, atomically."""
    values = (np.asarray(column).tolist() for column in columns.values())
    write_csv(path, columns, zip(*values, strict=True))


def read_results(path) -> list[Result]:
    """Rows of a results.csv; columns that are missing stay at their defaults."""
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    needed = set(Result._fields[:8])
    if rows and needed - set(rows[0]):
        raise errors.InputError(f"{path} lacks columns {sorted(needed - set(rows[0]))}")
    return [_typed(row) for row in rows]


def _typed(row: dict[str, str]) -> Result:
    known: dict[str, Any] = {
        k: plain_cell(v) for k, v in row.items() if k in Result._fields
    }
    known |= {"seed": int(row["seed"]), "value": float(row["value"])}
    if row.get("seconds"):
        known["seconds"] = float(row["seconds"])
    return Result(**known)


def summarise(rows: Iterable[Result]) -> list[Summary]:
    """Mean and 95 % interval over seeds for everything else that is equal."""
    groups: dict[tuple, list[Result]] = {}
    for row in rows:
        key = (*row[:4], row.metric, row.published)
        groups.setdefault(key, []).append(row)
    summaries = []
    for members in groups.values():
        first, n = members[0], len(members)
        values = [row.value for row in members]
        mean, half = metrics.student(values)
        summaries.append(
            Summary(
                method=first.method,
                dataset=first.dataset,
                variant=first.variant,
                setting=first.setting,
                metric=first.metric,
                published=first.published,
                mean=mean,
                interval=half,
                seeds=n,
            )
        )
    return summaries


class Writer:
    """Metrics by step: metrics.jsonl, metrics.csv, TensorBoard events if installed.

    Args:
      directory: of the run.
      resume_at: lines of later steps, left by an interrupted run, are dropped.
    """

    def __init__(self, directory, *, resume_at: int = 0):
        self._path = pathlib.Path(directory) / "metrics.jsonl"
        self._active = parallel.is_main()
        self._board = None
        if not self._active:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        kept = [x for x in read_metrics(self._path) if x["step"] <= resume_at]
        with checkpoint.atomic(self._path) as temporary:
            temporary.write_text("".join(f"{json.dumps(x)}\n" for x in kept))
        try:
            from tensorboardX import SummaryWriter
        except ImportError:
            return
        events = str(self._path.parent / "events")
        self._board = SummaryWriter(events, purge_step=resume_at + 1)

    def write(self, step: int, **values: float) -> None:
        """Append one line; names are `split/quantity` with `__` for the slash."""
        if not self._active:
            return
        values = {name.replace("__", "/"): float(x) for name, x in values.items()}
        with open(self._path, "a") as file:
            file.write(json.dumps({"step": int(step), **values}) + "\n")
        if self._board:
            for name, value in values.items():
                self._board.add_scalar(name, value, step)

    def close(self) -> None:
        """Write metrics.csv from the lines and close the event file."""
        if not self._active:
            return
        lines = read_metrics(self._path)
        names = list(dict.fromkeys(name for line in lines for name in line))
        text = io.StringIO()
        writer = csv.DictWriter(text, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)
        with checkpoint.atomic(self._path.with_suffix(".csv")) as temporary:
            temporary.write_text(text.getvalue())
        if self._board:
            self._board.close()


def read_metrics(path) -> list[dict]:
    """Lines of a metrics.jsonl, a torn last line left out.

    Raises:
      errors.InputError: another line that is damaged.
    """
    path = pathlib.Path(path)
    if not path.exists():
        return []
    lines = path.read_bytes().split(b"\n")
    found = []
    for number, line in enumerate(lines, 1):
        try:
            values = json.loads(line)
            found.append(values | {"step": int(values["step"])})
        except (ValueError, TypeError, LookupError):
            if number < len(lines):
                raise errors.InputError(
                    f"{path}, line {number}: expected numbers of a step; found "
                    f"{line[:60]!r}. The file is damaged: remove the folder "
                    f"{path.parent}, and this part is computed again."
                ) from None
    return found
