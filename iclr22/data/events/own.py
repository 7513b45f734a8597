"""The user's own log of events: a table of user, item and timestamp."""

import datetime
import os

import numpy as np
from absl import logging

from iclr22 import errors
from iclr22.data import checks
from iclr22.data.events import Events, describe, order_events

COLUMNS = "user", "item", "timestamp"
UNITS = {"ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
MILLISECONDS = 1e11  # as seconds that is in the year 5138
EPOCH = datetime.datetime(1970, 1, 1)


def load_own(path: str | os.PathLike, *, seed: int = 0, unit: str = "s") -> Events:
    """The user's own log; rows may be in any order, duplicates are kept and counted.

    The file is read in blocks, so only numbers are held in memory.

    Args:
      path: a .csv with the columns `user`, `item` and `timestamp`; others are passed over.
        Users and items are any texts. Timestamps are numbers, or dates in ISO 8601, UTC
        where they name no zone; all of one kind.
      seed: of the order of simultaneous events, see `events.sort_events`.
      unit: of timestamps that are numbers: ms, s, min, h or d.

    Returns:
      Events with times in seconds.

    Raises:
      errors.InputError: a file or column that is missing, an empty cell, a time that
        cannot be read or is not finite; with the line.
    """
    path = checks.existing(path, f"a table with the columns {', '.join(COLUMNS)}")
    if unit not in UNITS:
        raise errors.nearest(unit, UNITS, "unit of timestamps")
    users, items, blocks, parse = {}, {}, [], None
    for lines, columns in checks.read_table(path, COLUMNS):
        cells = columns["timestamp"]
        parse = parse or (_numbers if _is_float(cells[0]) else _dates)
        user = checks.number_names(path, lines, "user", columns["user"], users)
        item = checks.number_names(path, lines, "item", columns["item"], items)
        blocks.append((user, item, parse(path, lines, cells)))
    if not blocks:
        raise errors.InputError(
            f"{path}: expected a row for every event; found none. Add rows."
        )
    user, item, time = map(np.concatenate, zip(*blocks, strict=True))
    if parse is _numbers:
        _check_unit(path, time, unit)
        time = time * UNITS[unit]
    user, user_names = checks.in_order(user, users)
    item, item_names = checks.in_order(item, items)
    events = order_events(user, item, time, user_names, item_names, seed)
    _report(path, user, time, events)
    return events


def _is_float(cell):
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _numbers(path, lines, cells):
    try:
        time = np.fromiter(map(float, cells), np.float64, len(cells))
        bad = ~np.isfinite(time)
    except ValueError:
        bad = np.array([not checks.is_number(cell) for cell in cells])
    if bad.any():
        _refuse(
            path, lines, cells, bad.argmax(), "a finite number, as in the first row"
        )
    return time


def _dates(path, lines, cells):
    """Seconds since 1970 of dates; those without a zone are UTC."""
    cells = checks.strip(cells)
    try:
        return np.fromiter(map(_seconds, cells), np.float64, len(cells))
    except (ValueError, OverflowError):
        readable = list(map(_is_date, cells))
    _refuse(
        path,
        lines,
        cells,
        readable.index(False),
        "a date such as 2024-05-01T12:30:00 (or numbers in all rows)",
    )


def _seconds(cell):
    moment = datetime.datetime.fromisoformat(cell)
    if moment.tzinfo is not None:
        moment = moment.astimezone(datetime.UTC).replace(tzinfo=None)
    return (moment - EPOCH).total_seconds()


def _is_date(cell):
    try:
        _seconds(cell)
    except (ValueError, OverflowError):
        return False
    return True


def _refuse(path, lines, cells, place, expected):
    raise errors.InputError(
        f"{path}, line {lines[place]}, column timestamp: expected {expected}; found "
        f"{cells[place]!r}. Correct it or remove the row."
    )


def _check_unit(path, time, unit):
    if unit == "s" and np.median(time) > MILLISECONDS:
        logging.warning(
            "%s: timestamps such as %.0f are read as seconds but look like milliseconds; "
            "if they are, say so by unit='ms'",
            path,
            np.median(time),
        )


def _report(path, user, time, events):
    """Log what the order of the file and its ties are worth."""
    order = np.argsort(user, kind="stable")
    back = (np.diff(user[order]) == 0) & (np.diff(time[order]) < 0)
    found = describe(events)
    logging.info(
        "%s: %d events of %d users and %d items; %d were not in order of time, %.1f %% "
        "share their time with another of their user, %.1f %% repeat an item, %d are "
        "duplicates",
        path,
        found["events"],
        found["users"],
        found["items"],
        int(back.sum()),
        100 * found["tie_rate"],
        100 * found["repeat_rate"],
        found["duplicates"],
    )
