"""Timestamps of the user's own log: which kind they are, and seconds since 1970 of them.

A table has one kind: dates in ISO 8601, numbers that are written as a date (20240501,
20240501123000), or counts of a unit. The kind is that of most rows; a row of another kind
is an error, never a time in another millennium.
"""

import datetime
from typing import NamedTuple

import numpy as np

from iclr22 import errors
from iclr22.data import checks

UNITS = {
    "ns": 1e-9,
    "us": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "min": 60.0,
    "h": 3600.0,
    "d": 86400.0,
}
WORDS = {
    "ns": "nanoseconds",
    "us": "microseconds",
    "ms": "milliseconds",
    "s": "seconds",
    "min": "minutes",
    "h": "hours",
    "d": "days",
}
# Numbers that spell a date: how many digits, and the step of the clock they tell.
WRITTEN = {"YYYYMMDD": 8, "YYYYMMDDhhmm": 12, "YYYYMMDDhhmmss": 14}
AUTO = "auto"
KINDS = (AUTO, *UNITS, *WRITTEN)
YEARS = 1900, 2100  # of dates that are written as a number
SINCE_1970 = 3e8  # seconds: in 1979; a log whose median is later counts from 1970
EARLIEST = 1e8  # seconds: in 1973
LATEST = 1e11  # seconds: in the year 5138
GAP = 20.0  # times as late as a row of another unit is the first of the others
EPOCH = datetime.datetime(1970, 1, 1)


class Stamps(NamedTuple):
    """Timestamps that are numbers, with where they stand."""

    path: object
    lines: np.ndarray  # int64 [n]
    value: np.ndarray  # float64 [n], finite


def seconds(stamps: Stamps, unit: str = AUTO) -> tuple[np.ndarray, str]:
    """Seconds `[n]` of numbers, and what they were taken for, in words.

    Args:
      unit: one of `KINDS`; auto: found from the numbers.

    Raises:
      errors.InputError: an unknown unit; rows that are of another one than most, or, as a
        date, none; with the line of the first.
    """
    if unit not in KINDS:
        raise errors.nearest(unit, KINDS, "unit of timestamps")
    if unit == AUTO:
        unit = _detect(stamps)
    if unit in WRITTEN:
        time, good = _written(stamps.value, unit)
        _refuse(stamps, ~good, f"a date {unit}, as in most rows")
        return time, f"dates {unit}"
    time = stamps.value * UNITS[unit]
    words = f"{WORDS[unit]}, as in most rows"
    since = np.median(time) >= SINCE_1970
    bad = np.abs(time) > LATEST
    early = time < EARLIEST
    if since and early.any() and time[~early].min() > GAP * time[early].max():
        bad |= early
    _refuse(stamps, bad, words)
    return time, WORDS[unit] + (" since 1970" if since else "")


def _detect(stamps: Stamps) -> str:
    """The kind of most numbers."""
    value = stamps.value
    for kind in WRITTEN:
        if np.mean(_written(value, kind)[1]) > 0.5:
            return kind
    size = np.median(np.abs(value))
    for kind in ("s", "ms", "us"):
        if size * UNITS[kind] <= LATEST:
            return kind
    return "ns"


def _written(value, kind) -> tuple[np.ndarray, np.ndarray]:
    """Seconds of numbers that spell a date (0 where they do not), and which do."""
    good = (value == np.floor(value)) & (value >= 0) & (value < 1e14)
    number = np.where(good, value, 0).astype(np.int64)
    good &= number // 10 ** (WRITTEN[kind] - 1) > 0
    clock = np.zeros_like(number)
    rest, limits = number, {14: (60, 60, 24), 12: (60, 24), 8: ()}[WRITTEN[kind]]
    size = 60 if WRITTEN[kind] == 12 else 1
    for limit in limits:
        rest, part = rest // 100, rest % 100
        good &= part < limit
        clock += size * part
        size *= limit
    year, month, day = rest // 10000, rest // 100 % 100, rest % 100
    good &= (year >= YEARS[0]) & (year <= YEARS[1]) & (month >= 1) & (month <= 12)
    months = np.where(good, (year - 1970) * 12 + month - 1, 0).astype("datetime64[M]")
    date = months.astype("datetime64[D]") + np.where(good, day - 1, 0)
    good &= (day >= 1) & (date.astype("datetime64[M]") == months)
    found = date.astype("datetime64[s]").astype(np.int64) + clock
    return np.where(good, found, 0).astype(np.float64), good


def _refuse(stamps: Stamps, bad, expected: str) -> None:
    if not bad.any():
        return
    place, most = int(bad.argmax()), int((~bad).argmax())
    example = "" if bad.all() else f", such as {stamps.value[most]:.15g}"
    raise errors.InputError(
        f"{stamps.path}, line {stamps.lines[place]}, column timestamp: expected "
        f"{expected}{example}; found {stamps.value[place]:.15g} ({bad.sum()} such rows). "
        "Convert or remove them, or name the unit of all rows (--unit, in Python unit=): "
        f"{', '.join(KINDS[1:])}."
    )


# Cells

_NUMBER = "a finite number, as in the first row"
_DATE = "a date such as 2024-05-01T12:30:00 (or numbers in all rows)"


def numbers(path, lines, cells) -> np.ndarray:
    """Cells of a block that are finite numbers, float64."""
    try:
        value = np.fromiter(map(float, cells), np.float64, len(cells))
        bad = ~np.isfinite(value)
    except ValueError:
        bad = np.array([not checks.is_number(cell) for cell in cells])
    if bad.any():
        place = int(bad.argmax())
        raise _bad_cell(path, lines[place], cells[place], _NUMBER)
    return value


def dates(path, lines, cells) -> np.ndarray:
    """Seconds since 1970 of dates; those without a zone are UTC."""
    cells = checks.strip(cells)
    try:
        return np.fromiter(map(_seconds, cells), np.float64, len(cells))
    except (ValueError, OverflowError):
        place = [_is_date(cell) for cell in cells].index(False)
    raise _bad_cell(path, lines[place], cells[place], _DATE)


def _seconds(cell):
    if cell.isdigit() and len(cell) != WRITTEN["YYYYMMDD"]:
        raise ValueError("a count, not a date")
    return (checks.utc(cell) - EPOCH).total_seconds()


def _is_date(cell):
    try:
        _seconds(cell)
    except (ValueError, OverflowError):
        return False
    return True


def _bad_cell(path, line, cell, expected):
    return errors.InputError(
        f"{path}, line {line}, column timestamp: expected {expected}; found "
        f"{checks.shown(cell)}. Correct it or remove the row."
    )


def moment(time: float) -> str:
    """A time in seconds since 1970 as a date, to be read."""
    try:
        found = EPOCH + datetime.timedelta(seconds=float(time))
    except OverflowError:
        return f"{time:.6g} s"
    return found.isoformat(sep=" ", timespec="seconds").removesuffix(" 00:00:00")
