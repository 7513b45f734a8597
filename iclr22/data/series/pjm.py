"""PJM's hourly load: twelve zones of the American east, 1998 to 2018, up to 20 years each.

Its tables are in local time: in spring an hour is missing, in autumn one is there twice.
The hours that are there twice are averaged, those that are missing are missing values; both
are told. The hour of the calendar is then what people live by.
"""

import pathlib

import numpy as np
from absl import logging

from iclr22 import errors
from iclr22.data import checks, download
from iclr22.data.registry import Dataset, Info
from iclr22.data.series import Panel, describe, simulated
from iclr22.data.series.calendar import Step

FOLDERS = ("pjm", "hourly-energy-consumption", "")  # below data_dir
TOGETHER = "pjm_hourly_est.csv"  # all zones in one table
COPY = (  # the same values in this project's own format
    "timeseries/pjm_hourly_load.npz",
    "5d1f4d0c3378a9ff4247200ecbf49c96a8087bee81a3ec21c8dccdf9ab6af2e0",
)
HOUR = 3600  # seconds


def load(data_dir: str | None = None) -> Panel:
    """The zones from the user's copy of the tables, or of their arrays.

    Raises:
      errors.InputError: none of these is there.
    """
    root = download.data_root(data_dir)
    for folder in FOLDERS:
        if (
            any((root / folder).glob("*_hourly.csv"))
            or (root / folder / TOGETHER).is_file()
        ):
            return read_pjm(root / folder)
    copy = download.converted(*COPY, data_dir)
    if not copy:
        raise errors.InputError(
            f"{root}: expected AEP_hourly.csv and so on there or in its folder pjm; found "
            "none. Get them from kaggle.com/datasets/robikscube/hourly-energy-consumption; "
            "they are not downloaded."
        )
    logging.warning("pjm: read from the converted copy %s", copy)
    arrays = checks.read_npz(copy)
    start = np.datetime64(str(arrays["start"]), "s")
    zones = {
        str(name): (start, arrays["values"][:, i].astype(np.float64))
        for i, name in enumerate(arrays["names"])
    }
    return _panel(zones)


def read_pjm(folder) -> Panel:
    """The tables of a folder: `<zone>_hourly.csv` with the columns `Datetime` and
    `<zone>_MW`, rows in any order; or `pjm_hourly_est.csv` with a column for each zone.

    Raises:
      errors.InputError: no table, a cell that is no time or number.
    """
    folder = pathlib.Path(folder)
    paths = sorted(folder.glob("*_hourly.csv")) or [folder / TOGETHER]
    zones = {}
    for path in paths:
        for name, (stamps, values) in _columns(checks.existing(path)).items():
            zones[name] = _grid(name, stamps, values)
    if not zones:
        raise errors.InputError(f"{folder}: expected columns of zones; found none.")
    return _panel(zones)


def _columns(path) -> dict:
    """Times and values of every zone of a table."""
    stamps, blocks, names = [], [], []
    for lines, columns in checks.read_table(path, ("Datetime",)):
        names = [name for name in columns if name != "Datetime"]
        try:
            stamps.append(np.array(checks.strip(columns["Datetime"]), "datetime64[s]"))
        except ValueError as error:
            raise errors.InputError(
                f"{path}, lines {lines[0]} to {lines[-1]}, column Datetime: expected times "
                f"such as 2004-12-31 01:00:00; found others ({checks.short(error)})."
            ) from error
        cells = {n: [x.strip() or "nan" for x in columns[n]] for n in names}
        blocks.append(_numbers(path, lines, cells))
    if not stamps:
        return {}
    time, values = np.concatenate(stamps), np.concatenate(blocks)
    kept = ~np.isnan(values)
    return {
        name.removesuffix("_MW"): (time[kept[:, i]], values[kept[:, i], i])
        for i, name in enumerate(names)
        if kept[:, i].any()
    }


def _numbers(path, lines, cells) -> np.ndarray:
    found = np.full((len(lines), len(cells)), np.nan)
    for i, (name, column) in enumerate(cells.items()):
        there = np.array([x != "nan" for x in column])
        given = [x for x, known in zip(column, there, strict=True) if known]
        at = [line for line, known in zip(lines, there, strict=True) if known]
        if given:
            numbers = checks.numbers(path, at, {name: given}, dtype=np.float64)
            found[there, i] = numbers[:, 0]
    return found


def _grid(name, stamps, values):
    """First time, and a value for every hour from it: the mean, or NaN where none is."""
    start = stamps.min()
    apart = (stamps - start).astype(np.int64)
    if (apart % HOUR).any():
        off = stamps[(apart % HOUR > 0).argmax()]
        raise errors.InputError(
            f"zone {name}: expected times that are whole hours after {start}; found {off}"
        )
    count = np.bincount(apart // HOUR)
    total = np.bincount(apart // HOUR, weights=values)
    twice = int((count > 1).sum())
    if twice:
        logging.info(
            "pjm: zone %s has %d hours twice; their means are taken", name, twice
        )
    return start, np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _panel(zones) -> Panel:
    """Series from the first to the last value of each zone."""
    values, starts = [], []
    for start, row in zones.values():
        there = np.flatnonzero(~np.isnan(row))
        first, last = int(there[0]), int(there[-1])
        values.append(row[first : last + 1])
        starts.append(start + np.timedelta64(first, "h"))
    panel = Panel(
        values=tuple(values),
        start=np.array(starts, "datetime64[s]"),
        step=Step(1, "h"),
        ids=tuple(zones),
        static=np.zeros((len(zones), 0), np.float32),
    )
    found = describe(panel)
    logging.info(
        "pjm: %d zones, %d values; %d hours are missing, %d at most in a row",
        found["series"],
        found["values"],
        found["missing"],
        found["longest_gap"],
    )
    return panel


DATASETS = {
    "pjm": Dataset(
        load,
        simulated.synthetic,
        Info(
            "hourly load of 12 zones of PJM in MW, 1998 to 2018",
            (),
            "CC0 as given by its publisher on Kaggle",
            "PJM Interconnection, metered load; R. Mulla (2018). Hourly Energy Consumption. "
            "https://www.kaggle.com/datasets/robikscube/hourly-energy-consumption",
            notes="the user's copy is read; local time, hours that spring skips are missing",
        ),
    )
}
