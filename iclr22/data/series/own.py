"""The user's own series: tables, wide or long, and the formats of other projects."""

import datetime
import os
import pathlib
import re

import numpy as np
from absl import logging

from iclr22 import errors
from iclr22.data import checks
from iclr22.data.series import Panel, calendar, describe, files

LONG = ("id", "time", "value")
MONTH = re.compile(r"\d{4}-\d{2}")
MISSING = ("", "nan", "na", "none", "null")


def load_own(path: str | os.PathLike, *, step: calendar.Step | None = None) -> Panel:
    """The user's own panel.

    Args:
      path: a .csv, long (`id`, `time`, `value`; other columns are numbers that belong to a
        series) or wide (a first column of times, one of numbers for each series); cells
        that are empty or NaN are missing. Times are ISO 8601, or months (2024-05). Also
        the JSON lines of GluonTS (.json, .jsonl) and the tables of LSTNet (.txt), .gz or
        not.
      step: from one value to the next; if not given it is found from the times of a table
        or the `metadata.json` beside JSON lines.

    Raises:
      errors.InputError: what is missing or wrong, and where: times that repeat, run
        backwards, or keep no frequency; numbers of a series that change.
    """
    path = checks.existing(path, "a table of time series")
    kind = next((x for x in reversed(path.suffixes) if x != ".gz"), "").lower()
    if kind == ".csv":
        panel = _read_table(path, step)
    elif kind in (".json", ".jsonl", ".txt"):
        step = step or files.frequency(path)
        if step is None:
            raise errors.InputError(
                f"{path}: expected the step of its values, as {kind} tells none; found "
                "none. Give it, such as 1h or D."
            )
        read = files.read_lstnet if kind == ".txt" else files.read_gluonts
        panel = read(path, step)
    else:
        raise errors.InputError(
            f"{path}: expected a file .csv, .json, .jsonl or .txt; found {kind or 'none'}."
        )
    found = describe(panel)
    logging.info(
        "%s: %d series of %d to %d values, step %s; %d are missing, %d at most in a row",
        path,
        found["series"],
        found["shortest"],
        found["longest"],
        panel.step,
        found["missing"],
        found["longest_gap"],
    )
    return panel


def _read_table(path: pathlib.Path, step) -> Panel:
    header = checks.read_header(path)
    if set(LONG) <= set(header):
        return _read_long(path, step)
    if len([name for name in header if name]) < 2:
        raise errors.InputError(
            f"{path}, line 1: expected the columns {', '.join(LONG)}, or one of times and "
            f"one for each series; found {checks.few(header) or 'nothing'}."
        )
    return _read_wide(path, step)


def _read_wide(path, step) -> Panel:
    stamps, blocks, where, names = [], [], [], ()
    for lines, columns in checks.read_table(path, ()):
        time, *names = columns
        stamps.append(_times(path, lines, time, columns[time]))
        blocks.append(
            np.stack([_values(path, lines, n, columns[n]) for n in names], axis=1)
        )
        where += lines
    if not where:
        raise errors.InputError(
            f"{path}: expected a row for every time; found none. Add rows."
        )
    stamps, values = np.concatenate(stamps), np.concatenate(blocks)
    _check_rising(path, where, stamps, "")
    return _panel(
        path,
        {name: (stamps, values[:, i]) for i, name in enumerate(names)},
        step,
        {},
        (),
    )


def _read_long(path, step) -> Panel:
    number: dict[str, int] = {}
    ids, stamps, values, statics, where, names = [], [], [], [], [], []
    for lines, columns in checks.read_table(path, LONG):
        names = [name for name in columns if name not in LONG]
        ids.append(checks.number_names(path, lines, "id", columns["id"], number))
        stamps.append(_times(path, lines, "time", columns["time"]))
        values.append(_values(path, lines, "value", columns["value"]))
        statics.append(
            checks.numbers(
                path, lines, {n: columns[n] for n in names}, dtype=np.float64
            )
        )
        where += lines
    if not where:
        raise errors.InputError(
            f"{path}: expected a row for every value; found none. Add rows."
        )
    ids, stamps, values = map(np.concatenate, (ids, stamps, values))
    statics, where = np.concatenate(statics), np.array(where)
    found, fixed = {}, {}
    for name, i in number.items():
        rows = np.flatnonzero(ids == i)
        _check_rising(
            path, where[rows], stamps[rows], f" of series {checks.shown(name)}"
        )
        found[name] = stamps[rows], values[rows]
        fixed[name] = _one(path, where[rows], statics[rows], names)
    return _panel(path, found, step, fixed, tuple(names))


def _panel(path, found, step, fixed, names) -> Panel:
    """Series by name, each times and values, on the grid of one step."""
    if step is None:
        step = _detect(path, [stamps for stamps, _ in found.values()])
    placed, starts = [], []
    for name, (stamps, values) in found.items():
        place = calendar.position(stamps[0], step, stamps)
        if (place < 0).any():
            off = stamps[(place < 0).argmax()]
            raise errors.InputError(
                f"{path}: expected times of series {checks.shown(name)} that are whole "
                f"steps of {step} after {stamps[0]}; found {off}."
            )
        apart = int(np.gcd.reduce(np.diff(place)))
        if apart > 1 and len(place) > 2:
            raise errors.InputError(
                f"{path}: expected series of one frequency, {step}; found series "
                f"{checks.shown(name)} with a value every {apart} steps. Bring all to one "
                "frequency."
            )
        row = np.full(place[-1] + 1, np.nan)
        row[place] = values
        if np.isnan(row).all():
            raise errors.InputError(
                f"{path}: expected numbers in series {checks.shown(name)}; found none. "
                "Remove it."
            )
        placed.append(row)
        starts.append(stamps[0])
    static = np.array([fixed.get(name, ()) for name in found], np.float32)
    return Panel(
        values=tuple(placed),
        start=np.array(starts),
        step=step,
        ids=tuple(found),
        static=static.reshape(len(found), len(names)),
        static_names=names,
    )


def _detect(path, each) -> calendar.Step:
    """The step of all series, found from the one with most times."""
    most = max(each, key=len)
    try:
        return calendar.detect(most)
    except errors.InputError as error:
        raise errors.InputError(f"{path}: {error}") from error


def _times(path, lines, name, cells) -> np.ndarray:
    """datetime64[s] of cells; those with a zone as in UTC."""
    found = np.empty(len(cells), "datetime64[s]")
    for i, cell in enumerate(checks.strip(cells)):
        try:
            found[i] = moment(cell)
        except (ValueError, OverflowError):
            raise errors.InputError(
                f"{path}, line {lines[i]}, column {checks.short(name)}: expected a time "
                f"such as 2024-05-01T12:00; found {checks.shown(cell)}."
            ) from None
    return found


def moment(cell: str) -> datetime.datetime:
    """A time in ISO 8601 or a month, in UTC and without a zone.

    Raises:
      ValueError, OverflowError: it is none.
    """
    return checks.utc(f"{cell}-01" if MONTH.fullmatch(cell) else cell)


def _values(path, lines, name, cells) -> np.ndarray:
    """float64 of cells, NaN where one is missing."""
    plain = ["nan" if x.lower() in MISSING else x for x in checks.strip(cells)]
    try:
        found = np.array(plain, np.float64)
        bad = np.isinf(found)
    except ValueError:
        found = np.empty(0)
        bad = np.array([x != "nan" and not checks.is_number(x) for x in plain])
    if bad.any():
        place = int(bad.argmax())
        raise errors.InputError(
            f"{path}, line {lines[place]}, column {checks.short(name)}: expected a number, "
            f"or nothing where it is missing; found {checks.shown(cells[place])}."
        )
    return found


def _check_rising(path, where, stamps, which):
    apart = np.diff(stamps).astype(np.int64)
    if (apart <= 0).any():
        place = int((apart <= 0).argmax()) + 1
        how = "repeats" if apart[place - 1] == 0 else "runs backwards"
        raise errors.InputError(
            f"{path}, line {where[place]}: expected times{which} that rise; found "
            f"{stamps[place]} after {stamps[place - 1]}: time {how}. Sort the rows, and "
            "keep one for each time."
        )


def _one(path, where, rows, names):
    """The numbers of a series, the same in all of its rows."""
    differ = rows != rows[0]
    if differ.any():
        row, column = np.argwhere(differ)[0]
        raise errors.InputError(
            f"{path}, line {where[row]}, column {checks.short(names[column])}: expected "
            f"{rows[0, column]:g} as in the other rows of its series; found "
            f"{rows[row, column]:g}."
        )
    return rows[0]
