"""The user's own log of events: a table of user, item and timestamp."""

import os

import numpy as np
from absl import logging

from iclr22 import errors
from iclr22.data import checks
from iclr22.data.events import Events, describe, order_events, times

COLUMNS = "user", "item", "timestamp"


def load_own(
    path: str | os.PathLike, *, seed: int = 0, unit: str = times.AUTO
) -> Events:
    """The user's own log; rows may be in any order, duplicates are kept and counted.

    The file is read in blocks, so only numbers are held in memory.

    Args:
      path: a .csv with the columns `user`, `item` and `timestamp`; others are passed over.
        Users and items are any texts. Timestamps are all of one kind: dates in ISO 8601,
        UTC where they name no zone, numbers that spell a date (20240501, 20240501123000),
        or counts of a unit. What they were taken for is logged.
      seed: of the order of simultaneous events, see `events.sort_events`.
      unit: of timestamps that are numbers, one of `times.KINDS`: ns, us, ms, s, min, h,
        d, YYYYMMDD, YYYYMMDDhhmm, YYYYMMDDhhmmss; auto: found from their size, seconds
        where they are small.

    Returns:
      Events with times in seconds.

    Raises:
      errors.InputError: a file or column that is missing, an empty cell, a time that
        cannot be read, is not finite or of another kind or unit than most; with the line.
    """
    path = checks.existing(path, f"a table with the columns {', '.join(COLUMNS)}")
    if unit not in times.KINDS:
        raise errors.nearest(unit, times.KINDS, "unit of timestamps")
    users, items, columns, first = _read(path)
    user, item, time, line = columns
    found = "dates"
    if _is_float(first):
        time, found = times.seconds(times.Stamps(path, line, time), unit)
    _tell(path, time, checks.short(first), unit, found)
    user, user_names = checks.in_order(user, users)
    item, item_names = checks.in_order(item, items)
    events = order_events(user, item, time, user_names, item_names, seed)
    _report(path, user, time, events)
    return events


def _read(path):
    """Names of users and items, columns of numbers for both, of times and of lines, and
    the first timestamp."""
    users, items, blocks, first = {}, {}, [], ""
    for lines, columns in checks.read_table(path, COLUMNS):
        cells = columns["timestamp"]
        first = first or cells[0].strip() or "?"
        parse = times.numbers if _is_float(first) else times.dates
        user = checks.number_names(path, lines, "user", columns["user"], users)
        item = checks.number_names(path, lines, "item", columns["item"], items)
        blocks.append((user, item, parse(path, lines, cells), np.array(lines)))
    if not blocks:
        raise errors.InputError(
            f"{path}: expected a row for every event; found none. Add rows."
        )
    return users, items, list(map(np.concatenate, zip(*blocks, strict=True))), first


def _is_float(cell):
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _tell(path, time, cell, kind, found):
    """Log what timestamps were taken for; a guess that changes much is a warning."""
    told = found == "dates" or (found == "seconds since 1970" and kind == times.AUTO)
    looks = "look like" if kind == times.AUTO else "are read as"
    begin, end = float(time.min()), float(time.max())
    span = f"{(end - begin) / 86400:.4g} d"
    if not found.startswith(("seconds", "minutes", "hours", "days")) or told:
        span = f"{times.moment(begin)} to {times.moment(end)}, {span}"
    logging.log(
        logging.INFO if told or kind != times.AUTO else logging.WARNING,
        "%s: timestamps such as %s %s %s: %s. If they are not, name their unit (--unit, in "
        "Python unit=): %s",
        path,
        cell,
        looks,
        found,
        span,
        ", ".join(times.KINDS[1:]),
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
