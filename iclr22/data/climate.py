"""TPT-48: the monthly temperature of 48 states of the USA, related by their borders.

The task: six months of a state, predict the next six, in states without labels. The
tables come with the package; see `files/README.md`.
"""

import functools
import importlib.resources

import numpy as np

from iclr22 import graph
from iclr22.data import checks, domains
from iclr22.data.registry import Dataset, Info

MONTHS = 6  # of input, and of output
YEAR = 12
TASKS = {"tpt48_east_west": "east24", "tpt48_north_south": "north24"}


def load_tpt48(task: str, data_dir: str | None = None) -> domains.DomainData:
    """A task of TPT-48, `tpt48_east_west` or `tpt48_north_south`; see `read_tpt48`."""
    del data_dir
    return read_tpt48(importlib.resources.files(__package__) / "files", TASKS[task])


def read_tpt48(folder, task: str) -> domains.DomainData:
    """Windows of a year from the three tables of a folder, standardised.

    Source states give every window of 12 months, 133 of them, other states the 12
    calendar years: input January to June, output July to December. So `x [3480, 6]` and
    `y [3480, 6]`, by state, in it by time. Levels of targets are `min(hops, 3)`.

    Args:
      folder: of `tpt48.csv`, `us48_adjacency.csv` and `us48_states.csv`.
      task: `east24` or `north24`, the column that marks the source states.
    """
    lines, states = _columns(folder / "us48_states.csv", ("state", "lon", "lat", task))
    marks = {key: states[key] for key in ("lon", "lat", task)}
    marks = checks.numbers(folder / "us48_states.csv", lines, marks)
    sources = marks[:, 2] > 0
    lines, months = _columns(folder / "tpt48.csv", ("state",))
    rows = months.pop("state")
    values = checks.numbers(folder / "tpt48.csv", lines, months).astype(np.float64)
    values = values[[rows.index(state) for state in states["state"]]]
    mean, deviation = scale(values, sources)
    values = ((values - mean) / deviation).astype(np.float32)
    windows = [
        _windows(v, 1 if s else YEAR) for v, s in zip(values, sources, strict=True)
    ]
    _, borders = _columns(folder / "us48_adjacency.csv", ("a", "b"))
    ends = [[states["state"].index(name) for name in borders[side]] for side in "ab"]
    return _data(windows, graph.build(marks[:, :2], *ends), sources, states["state"])


def scale(values, sources) -> tuple[float, float]:
    """One mean and deviation of the temperatures that training may see.

    Those are all months of source states and the input months, January to June, of
    others; never a month that is to be predicted.

    Args:
      values: `[states, months]`, from a January on.
      sources: bool `[states]`.
    """
    seen = sources[:, None] | (np.arange(values.shape[1]) % YEAR < MONTHS)
    return float(values[seen].mean()), float(values[seen].std())


def _columns(path, required):
    """Line numbers, and cells by column, of a table that is one block long."""
    with importlib.resources.as_file(path) as file:
        [block] = checks.read_table(file, required)
    return block


def _windows(series, stride):
    """Windows `[windows, 12]` of a series `[months]`."""
    return np.lib.stride_tricks.sliding_window_view(series, YEAR)[::stride]


def _data(windows, links, sources, names):
    """`DomainData` from the windows `[windows, 12]` of every state."""
    whole = np.concatenate(windows)
    return domains.DomainData(
        x=whole[:, :MONTHS].copy(),
        y=whole[:, MONTHS:].copy(),
        domain=np.repeat(np.arange(len(windows)), list(map(len, windows))).astype(
            np.int32
        ),
        graph=links,
        sources=sources,
        class_names=(),
        domain_names=np.array(names),
        standardise=False,
    )


def synthetic(rng: np.random.Generator, size: int) -> domains.DomainData:
    """`size` windows of made-up states along a line: colder, with more winter, northwards.

    Each is linked to the next two; the southern half has labels.
    """
    n = int(np.clip(size // 20, 2, 12))
    counts = np.diff(size * np.arange(n + 1) // n)
    north, sources = np.linspace(0, 1, n), np.arange(n) < n // 2
    windows = []
    for place, source, count in zip(north, sources, counts, strict=True):
        start = rng.integers(0, YEAR, count) if source else np.zeros(count, int)
        phase = 2 * np.pi * (start[:, None] + np.arange(YEAR)) / YEAR
        series = 0.7 - 1.4 * place - (0.8 + 0.4 * place) * np.cos(phase)
        series = series + 0.1 * rng.standard_normal(phase.shape)
        windows.append(series.astype(np.float32))
    ends = np.concatenate([[np.arange(n - k), np.arange(k, n)] for k in (1, 2)], axis=1)
    positions = np.stack([rng.random(n), north], axis=1).astype(np.float32)
    names = [f"state {i}" for i in range(n)]
    return _data(windows, graph.build(positions, *ends), sources, names)


def _dataset(task, where):
    return Dataset(
        functools.partial(load_tpt48, task),
        synthetic,
        Info(
            "Monthly temperature of 48 states, 2008 to 2019, six months from six; labels in "
            f"the 24 {where}; comes with the package",
            (),
            "MIT, (c) 2023 ML@Rutgers (as published in Wang-ML-Lab/VDI); measurements by "
            "NOAA, public domain",
            f"{domains.CITATION} Z. Xu, G.-Y. Hao, H. He and H. Wang (2023). "
            "Domain-Indexing Variational Bayes. ICLR. R. S. Vose et al. (2014). NOAA "
            "Monthly U.S. Climate Divisional Database. doi:10.7289/V5M32STR.",
            (),
            "Fewer made-up states stand in for it in quick runs.",
        ),
    )


DATASETS = {
    "tpt48_east_west": _dataset("tpt48_east_west", "eastern ones"),
    "tpt48_north_south": _dataset("tpt48_north_south", "northern ones"),
}
