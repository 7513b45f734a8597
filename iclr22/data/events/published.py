"""Published logs of events: MovieLens and Yoochoose."""

import functools
from typing import NamedTuple

from absl import logging

from iclr22 import errors
from iclr22.data import checks, download
from iclr22.data.events import Events, files, sort_events
from iclr22.data.events.simulated import synthetic
from iclr22.data.registry import Dataset, File, Info


class Published(NamedTuple):
    """A published log of ratings."""

    file: File
    folder: str  # in the archive
    name: str  # of the table in it
    copy: tuple[str, str] | None  # in this project's own format: path, sha256
    count: int  # events
    description: str
    licence: str


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
        arrays = checks.read_npz(copy)
        return sort_events(arrays["user"], arrays["item"], arrays["timestamp"])
    events = files.read_ratings(found or download.fetch(published.file, name, data_dir))
    if len(events.user) != published.count:
        logging.warning(
            "%s: %s has %d events; the published one %d",
            name,
            found,
            len(events.user),
            published.count,
        )
    return events


def _unpacked(published, name, data_dir):
    """The table where a user may have unpacked the archive, or None."""
    root = download.data_root(data_dir)
    for folder in (published.folder, name, "movielens", ""):
        place = root / folder / published.name
        if place.is_file():
            return place
    return None


def load_yoochoose(data_dir: str | None = None) -> Events:
    """Yoochoose from the user's copy, in data_dir or its folder yoochoose."""
    root = download.data_root(data_dir)
    for folder in (root / "yoochoose", root / "yoochoose-data", root):
        if (folder / files.YOOCHOOSE[0]).is_file():
            return files.read_yoochoose(folder)
    raise errors.InputError(
        f"{root}: expected {' and '.join(files.YOOCHOOSE)} there or in its folder yoochoose; "
        "found none. Get them from the RecSys Challenge 2015; they are not downloaded."
    )


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
        notes=f"Put {' and '.join(files.YOOCHOOSE)} into data_dir; they are not downloaded. A "
        "simulated log stands in for it in quick runs.",
    ),
)
