"""Files of published logs, MovieLens and Yoochoose, and how they are read."""

import io
import itertools
import os
import pathlib
import warnings
import zipfile
from typing import NamedTuple

import numpy as np

from iclr22 import errors
from iclr22.data import checks
from iclr22.data.events import Events, select_events, sort_events

LINES = 1 << 18  # of a file, parsed at once


class Layout(NamedTuple):
    """How a text file of ratings or sessions is laid out."""

    separator: str
    columns: tuple[int, int, int]  # of user, item and time
    dated: bool = False  # times are dates (ISO 8601, UTC), else seconds
    header: int = 0  # lines


RATINGS = {  # by name of file
    "u.data": Layout("\t", (0, 1, 3)),
    "ratings.dat": Layout("::", (0, 1, 3)),
    "ratings.csv": Layout(",", (0, 1, 3), header=1),
}
SESSIONS = Layout(",", (0, 2, 1), dated=True)
YOOCHOOSE = "yoochoose-clicks.dat", "yoochoose-buys.dat"


# Text


def read_columns(stream, path, layout: Layout) -> tuple[np.ndarray, ...]:
    """Users int64, items int64 and times float64 `[n]` of a binary stream.

    Raises:
      errors.InputError: with the number of the first line that cannot be read.
    """
    lines = io.TextIOWrapper(stream, "latin-1")
    for _ in range(layout.header):
        next(lines, None)
    blocks, done = [], layout.header
    while block := list(itertools.islice(lines, LINES)):
        try:
            blocks.append(_parse(block, layout))
        except ValueError as error:
            raise _bad_line(path, block, done, layout) from error
        done += len(block)
    if not sum(len(block) for block in blocks):
        raise errors.InputError(f"{path}: expected a line for every event; found none.")
    table = np.concatenate(blocks)
    time = table["time"]
    if layout.dated:
        time = time.astype("datetime64[ms]").astype(np.int64) / 1000
    return table["user"], table["item"], time.astype(np.float64)


def _parse(lines, layout):
    """Rows of a block; dates stay texts that were read once, to see that they can be."""
    if layout.separator == "::":
        lines = [line.replace("::", "\t") for line in lines]
    separator = "\t" if layout.separator == "::" else layout.separator
    lines = [line for line in lines if not line.isspace()]
    if not lines:
        return np.zeros(0, _dtype(layout))
    table = np.loadtxt(
        lines, _dtype(layout), None, separator, usecols=layout.columns, ndmin=1
    )
    if layout.dated:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # of dates with a zone, which is not there
            try:
                empty = np.isnat(table["time"].astype("datetime64[ms]")).any()
            except UserWarning as error:
                raise ValueError(str(error)) from error
        if empty:
            raise ValueError("empty date")
    elif not np.isfinite(table["time"]).all():
        raise ValueError("time is not finite")
    return table


def _dtype(layout):
    time = "U23" if layout.dated else "f8"  # to milliseconds, without the Z at the end
    return [("user", "i8"), ("item", "i8"), ("time", time)]


def _bad_line(path, block, done, layout):
    """The error for the first line of a block that cannot be read."""
    numbered = enumerate(block, done + 1)
    wrong = (found for found in numbered if not _is_readable(found[1], layout))
    number, line = next(wrong, (done + 1, block[0]))
    user, item, time = (column + 1 for column in layout.columns)
    kind = "a date such as 2014-04-07T10:51:09.277Z" if layout.dated else "seconds"
    return errors.InputError(
        f"{path}, line {number}: expected cells separated by {layout.separator!r}, "
        f"a whole number for the user in cell {user}, one for the item in cell {item} and "
        f"{kind} in cell {time}; found {line.strip()[:80]!r}. Correct or remove the line."
    )


def _is_readable(line, layout):
    try:
        _parse([line], layout)
    except ValueError:
        return False
    return True


# MovieLens


def read_ratings(path: str | os.PathLike, seed: int = 0) -> Events:
    """MovieLens ratings as events, from a local file or folder.

    Args:
      path: a file u.data, ratings.dat or ratings.csv, a published zip, or a folder that
        holds one of these files.
      seed: of the order of simultaneous events, see `events.sort_events`.
    """
    path = pathlib.Path(path).expanduser()
    if path.is_dir():
        path = next((path / name for name in RATINGS if (path / name).is_file()), path)
    if path.is_file() and zipfile.is_zipfile(path):
        return _read_zip(path, seed)
    if not path.is_file() or path.name not in RATINGS:
        raise errors.InputError(
            f"{path}: expected a file or folder of MovieLens with one of "
            f"{', '.join(RATINGS)}; found none. Unpack the archive, or give its path."
        )
    with path.open("rb") as stream:
        users, items, times = read_columns(stream, path, RATINGS[path.name])
    return sort_events(users, items, times, seed)


def _read_zip(path, seed):
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                name = member.filename.rpartition("/")[2]
                if name not in RATINGS:
                    continue
                checks.check_unpacked(path, [member])
                with archive.open(member) as stream:
                    where = f"{path}, {member.filename}"
                    columns = read_columns(stream, where, RATINGS[name])
                users, items, times = columns
                return sort_events(users, items, times, seed)
    except errors.InputError:
        raise
    except Exception as error:  # a damaged archive fails in many ways
        raise errors.InputError(
            f"{path}: expected a zip archive of MovieLens; found one that cannot be "
            f"unpacked: {checks.short(error, 200)}. Get it anew."
        ) from error
    raise errors.InputError(
        f"{path}: expected an archive with one of {', '.join(RATINGS)}; found none."
    )


# Yoochoose


def read_yoochoose(
    folder: str | os.PathLike,
    *,
    share: float = 0.1,
    seed: int = 0,
    least_user: int = 4,
    least_item: int = 10,
) -> Events:
    """Clicks and buys of sessions, which are the users here.

    Of a share of the sessions, drawn as the released code does with pandas, the first
    event of a session and item is kept; then sessions and items with enough events, both
    counted before. Simultaneous events keep the order of the files.

    Args:
      folder: of yoochoose-clicks.dat and, if it is there, yoochoose-buys.dat.
      seed: of the draw of sessions.
    """
    paths = [pathlib.Path(folder).expanduser() / name for name in YOOCHOOSE]
    if not paths[0].is_file():
        raise errors.InputError(
            f"{paths[0]}: expected this file; found none. Name the folder that holds it."
        )
    tables = []
    for path in filter(pathlib.Path.is_file, paths):
        with path.open("rb") as stream:
            tables.append(read_columns(stream, path, SESSIONS))
    session, item, time = map(np.concatenate, zip(*tables, strict=True))
    known = np.unique(session)
    count = max(1, round(share * len(known)))
    drawn = np.random.RandomState(10 + seed).choice(len(known), count, replace=False)
    keep = np.isin(session, known[drawn])
    events = sort_events(session[keep], item[keep], time[keep], seed=None)
    return _frequent(_first_of_pair(events), least_user, least_item)


def _first_of_pair(events):
    pair = events.user.astype(np.int64) * len(events.item_names) + events.item
    first = np.zeros(len(pair), bool)
    first[np.unique(pair, return_index=True)[1]] = True
    return select_events(events, first)


def _frequent(events, least_user, least_item):
    keep = np.bincount(events.user)[events.user] >= least_user
    keep &= np.bincount(events.item)[events.item] >= least_item
    return select_events(events, keep)
