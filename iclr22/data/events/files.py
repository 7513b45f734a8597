"""Published logs of events: MovieLens and Yoochoose, and how their files are read."""

import functools
import io
import itertools
import os
import pathlib
import zipfile
from typing import NamedTuple

import numpy as np
from absl import logging

from iclr22 import errors
from iclr22.data import download, images
from iclr22.data.events import Events, select_events, sort_events
from iclr22.data.events.simulated import synthetic
from iclr22.data.registry import Dataset, File, Info

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
        if np.isnat(table["time"].astype("datetime64[ms]")).any():
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


class Published(NamedTuple):
    """A published log of ratings."""

    file: File
    folder: str  # in the archive
    name: str  # of the table in it
    copy: tuple[str, str] | None  # in this project's own format: path, sha256
    count: int  # events
    description: str
    licence: str


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
        columns = read_columns(stream, path, RATINGS[path.name])
    return sort_events(*columns, seed)


def _read_zip(path, seed):
    with zipfile.ZipFile(path) as archive:
        for member in archive.namelist():
            name = member.rpartition("/")[2]
            if name in RATINGS:
                with archive.open(member) as stream:
                    where = f"{path}, {member}"
                    return sort_events(
                        *read_columns(stream, where, RATINGS[name]), seed
                    )
    raise errors.InputError(
        f"{path}: expected an archive with one of {', '.join(RATINGS)}; found none."
    )


def load_ratings(name: str, data_dir: str | None = None) -> Events:
    """The published ratings of that name.

    Read is, of what is below data_dir, the first of: the archive, the table unpacked, by
    its name, the copy of the same arrays. Without any the archive is downloaded.
    """
    published = PUBLISHED[name]
    found = download.find(published.file, name, data_dir)
    found = found or _unpacked(published, name, data_dir)
    copy = None
    if published.copy and not found:
        copy = download.converted(*published.copy, data_dir)
    if copy:
        logging.warning("%s: read from the converted copy %s", name, copy)
        arrays = images.read_npz(copy)
        return sort_events(*(arrays[key] for key in ("user", "item", "timestamp")))
    events = read_ratings(found or download.fetch(published.file, name, data_dir))
    if len(events.user) != published.count:
        logging.warning(
            "%s: %s has %d events; the published one %d",
            *(name, found, len(events.user), published.count),
        )
    return events


def _unpacked(published, name, data_dir):
    """The table where a user may have unpacked the archive, or None."""
    root = download.data_root(data_dir)
    places = (
        root / f / published.name for f in (published.folder, name, "movielens", "")
    )
    return next((place for place in places if place.is_file()), None)


# Yoochoose


def load_yoochoose(data_dir: str | None = None) -> Events:
    """Yoochoose from the user's copy, in data_dir or its folder yoochoose."""
    root = download.data_root(data_dir)
    for folder in (root / "yoochoose", root / "yoochoose-data", root):
        if (folder / YOOCHOOSE[0]).is_file():
            return read_yoochoose(folder)
    raise errors.InputError(
        f"{root}: expected {' and '.join(YOOCHOOSE)} there or in its folder yoochoose; "
        "found none. Get them from the RecSys Challenge 2015; they are not downloaded."
    )


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


# Registry

GROUPLENS = "https://files.grouplens.org/datasets/movielens/"
CITATION = (
    "F. M. Harper and J. A. Konstan (2015). The MovieLens Datasets: History and Context. "
    "ACM Transactions on Interactive Intelligent Systems 5(4), 19."
)
RESEARCH = "research only, no redistribution without permission (GroupLens)"
PUBLISHED = {
    "ml100k": Published(
        File(
            GROUPLENS + "ml-100k.zip",
            4_924_029,
            "50d2a982c66986937beb9ffb3aa76efe955bf3d5c6b761f4e3a7cd717c6a3229",
        ),
        "ml-100k",
        "u.data",
        (
            "movielens/ml100k.npz",
            "ae5561af736e37823b7355a74bb85c9b55db69f72696666b79e6b2fced268027",
        ),
        100_000,
        "100,000 ratings of 1,682 films by 943 users, 1997 to 1998, as events",
        RESEARCH,
    ),
    "ml1m": Published(
        File(
            GROUPLENS + "ml-1m.zip",
            5_917_549,
            "a6898adb50b9ca05aa231689da44c217cb524e7ebd39d264c56e2832f2c54e20",
        ),
        "ml-1m",
        "ratings.dat",
        None,
        1_000_209,
        "1,000,209 ratings of 3,706 films by 6,040 users, 2000 to 2003, as events",
        RESEARCH,
    ),
    "ml_latest_small": Published(
        File(
            GROUPLENS + "ml-latest-small.zip",
            978_202,
            "696d65a3dfceac7c45750ad32df2c259311949efec81f0f144fdfb91ebc9e436",
        ),
        "ml-latest-small",
        "ratings.csv",
        (
            "movielens/ml_latest_small.npz",
            "d5f534af021551a1c7ad2b7968fa5ee120993cad8a2a6947626027b9450a9dde",
        ),
        100_836,
        "100,836 ratings of 9,724 films by 610 users, 1996 to 2018, as events",
        "research; may be redistributed on the same terms (GroupLens)",
    ),
}


def _dataset(name, published):
    return Dataset(
        functools.partial(load_ratings, name),
        synthetic,
        Info(
            published.description,
            (published.file,),
            published.licence,
            CITATION,
            notes=f"An unpacked {published.name} below data_dir serves as well. A "
            "simulated log stands in for it in quick runs.",
        ),
    )


DATASETS = {name: _dataset(name, published) for name, published in PUBLISHED.items()}
DATASETS["yoochoose"] = Dataset(
    load_yoochoose,
    synthetic,
    Info(
        "Clicks and buys of a shop in 2014, a tenth of 9.2 million sessions",
        (),
        "CC BY-NC-ND 4.0 as commonly given",
        "D. Ben-Shimon, A. Tsikinovsky, M. Friedmann, B. Shapira, L. Rokach and J. "
        "Hoerle (2015). RecSys Challenge 2015 and the YOOCHOOSE Dataset. RecSys.",
        notes=f"Put {' and '.join(YOOCHOOSE)} into data_dir; they are not downloaded. A "
        "simulated log stands in for it in quick runs.",
    ),
)
