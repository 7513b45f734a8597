"""Files of published series: the M4 competition, LSTNet's tables, GluonTS's JSON lines."""

import csv
import gzip
import json
import pathlib
import zlib

import numpy as np
from absl import logging

from iclr22 import errors
from iclr22.data.series import Panel, calendar
from iclr22.data.series.calendar import Step

NO_DATE = np.datetime64("1950-01-01", "s")  # where a file tells no beginning


def read_m4(path, step: Step) -> Panel:
    """A table of the M4 competition: a series in each row, first its name, empty cells at
    the end. It tells no dates: all begin at `NO_DATE`.

    Raises:
      errors.InputError: a row without numbers, or another cell.
    """
    names, values = [], []
    with opened(path) as stream:
        rows = csv.reader(stream)
        next(rows, None)
        for row in rows:
            cells = [x for x in row[1:] if x.strip()]
            values.append(_numbers(path, rows.line_num, cells))
            names.append(row[0])
    return _panel(path, names, values, [NO_DATE] * len(names), step)


def read_lstnet(path, step: Step) -> Panel:
    """A table of LSTNet, .txt or .txt.gz: a time in each row, a series in each column.

    Raises:
      errors.InputError: rows of several widths, cells that are no numbers.
    """
    rows = []
    with opened(path) as stream:
        for number, line in enumerate(stream, 1):
            if line.strip():
                rows.append(_numbers(path, number, line.split(",")))
                if len(rows[-1]) != len(rows[0]):
                    raise errors.InputError(
                        f"{path}, line {number}: expected {len(rows[0])} numbers as in the "
                        f"first; found {len(rows[-1])}."
                    )
    if not rows:
        raise errors.InputError(f"{path}: expected a row for every time; found none.")
    values = np.array(rows).T
    names = [str(i) for i in range(len(values))]
    return _panel(path, names, list(values), [NO_DATE] * len(names), step)


def read_gluonts(path, step: Step) -> Panel:
    """JSON lines of GluonTS: `start`, `target`, and if wanted `item_id` and
    `feat_static_real`; null and "NaN" are missing values. `feat_static_cat` is passed over.

    Raises:
      errors.InputError: a line that is no such object.
    """
    names, values, starts, static, passed_over = [], [], [], [], False
    with opened(path) as stream:
        for number, line in enumerate(stream, 1):
            if not line.strip():
                continue
            try:
                entry = json.loads(line)
                cells = [np.nan if x in (None, "NaN") else x for x in entry["target"]]
                values.append(np.array(cells, np.float64))
                starts.append(np.datetime64(entry["start"], "s"))
                static.append(np.array(entry.get("feat_static_real", ()), np.float32))
            except (ValueError, TypeError, LookupError, AttributeError) as error:
                raise errors.InputError(
                    f"{path}, line {number}: expected an object with start and target; "
                    f"found {line[:60]!r} ({error})."
                ) from error
            names.append(str(entry.get("item_id", len(names))))
            passed_over |= "feat_static_cat" in entry
    if len({len(x) for x in static}) > 1:
        raise errors.InputError(
            f"{path}: expected feat_static_real of one length in all lines; found several."
        )
    if passed_over:
        logging.warning(
            "%s: feat_static_cat is not read: every series is learned by its name; give "
            "numbers as feat_static_real",
            path,
        )
    found = _panel(path, names, values, starts, step)
    static = np.array(static, np.float32).reshape(len(names), -1)
    told = tuple(f"static_{i}" for i in range(static.shape[1]))
    return found._replace(static=static, static_names=told)


def frequency(path) -> Step | None:
    """The step that the `metadata.json` of a data set of GluonTS tells, or None.

    Args:
      path: of its lines, such as `train/data.json`.

    Raises:
      errors.InputError: a step that is unknown.
    """
    for folder in pathlib.Path(path).absolute().parents[:2]:
        for place in (folder / "metadata.json", folder / "metadata" / "metadata.json"):
            if place.is_file():
                try:
                    freq = json.loads(place.read_text("utf-8"))["freq"]
                except (ValueError, LookupError, TypeError):
                    continue
                return calendar.parse(str(freq))
    return None


def opened(path):
    """A text file, compressed or not."""
    try:
        opener = gzip.open if str(path).endswith(".gz") else open
        with opener(path, "rt", encoding="utf-8") as stream:
            stream.read(1 << 16)
        return opener(path, "rt", encoding="utf-8", newline="")
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise errors.InputError(
            f"{path}: expected a text file in UTF-8; found {error}."
        ) from error


def _numbers(path, line, cells) -> np.ndarray:
    try:
        found = np.array([x.strip().strip('"') for x in cells], np.float64)
    except ValueError as error:
        raise errors.InputError(
            f"{path}, line {line}: expected numbers; found {str(error)[:80]}."
        ) from error
    if not len(found) or not np.isfinite(found).all():
        raise errors.InputError(
            f"{path}, line {line}: expected finite numbers; found none or others."
        )
    return found


def _panel(path, names, values, starts, step) -> Panel:
    if not names:
        raise errors.InputError(f"{path}: expected time series; found none.")
    return Panel(
        values=tuple(values),
        start=np.array(starts, "datetime64[s]"),
        step=step,
        ids=tuple(names),
        static=np.zeros((len(names), 0), np.float32),
    )
