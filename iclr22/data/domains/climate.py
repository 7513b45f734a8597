"""TPT-48: the monthly temperature of 48 states of the USA, related by their borders.

The task: six months of a state, predict the next six, in states without labels; as
classes, whether the next six are cold, normal or warm for the state (`warmth`). The
tables come with the package; see `files/README.md`.
"""

import functools
import importlib.resources

import numpy as np

from iclr22 import errors, graph
from iclr22.data import checks
from iclr22.data.domains import DomainData
from iclr22.data.domains.simulated import CITATION
from iclr22.data.registry import Dataset, Info

MONTHS = 6  # of input, and of output
YEAR = 12
TASKS = {"tpt48_east_west": "east24", "tpt48_north_south": "north24"}
CLASSES = ("cold", "normal", "warm")


def load_tpt48(
    task: str, data_dir: str | None = None, *, classes: bool = False
) -> DomainData:
    """A task of TPT-48, `tpt48_east_west` or `tpt48_north_south`; see `read_tpt48`."""
    del data_dir
    folder = importlib.resources.files("iclr22.data") / "files"
    return read_tpt48(folder, TASKS[task], classes=classes)


def read_tpt48(folder, task: str, *, classes: bool = False) -> DomainData:
    """Windows of a year from the three tables of a folder, standardised.

    Source states give every window of 12 months, 133 of them, other states the 12
    calendar years: input January to June, output July to December. So `x [3480, 6]` and
    `y [3480, 6]`, by state, in it by time. Levels of targets are `min(hops, 3)`.

    Args:
      folder: of `tpt48.csv`, `us48_adjacency.csv` and `us48_states.csv`.
      task: `east24` or `north24`, the column that marks the source states.
      classes: y are the numbers `[3480]` of `CLASSES` by `warmth` instead.

    Raises:
      errors.InputError: cells that are no numbers, a state without temperatures, months
        that are not whole years.
    """
    lines, states = _columns(folder / "us48_states.csv", ("state", "lon", "lat", task))
    marks = {key: states[key] for key in ("lon", "lat", task)}
    marks = checks.numbers(folder / "us48_states.csv", lines, marks)
    sources = marks[:, 2] > 0
    lines, months = _columns(folder / "tpt48.csv", ("state",))
    rows = months.pop("state")
    values = checks.numbers(folder / "tpt48.csv", lines, months).astype(np.float64)
    _check(folder / "tpt48.csv", rows, values, states["state"])
    values = values[[rows.index(state) for state in states["state"]]]
    mean, deviation = scale(values, sources)
    labels = warmth(values, sources)
    values = ((values - mean) / deviation).astype(np.float32)
    strides = [1 if source else YEAR for source in sources]
    windows = [_windows(v, k) for v, k in zip(values, strides, strict=True)]
    _, borders = _columns(folder / "us48_adjacency.csv", ("a", "b"))
    ends = [[states["state"].index(name) for name in borders[side]] for side in "ab"]
    links = graph.build(marks[:, :2], *ends)
    found = _data(windows, links, sources, states["state"])
    if not classes:
        return found
    picked = [row[::k] for row, k in zip(labels, strides, strict=True)]
    return _as_classes(found, np.concatenate(picked))


def _check(path, rows, values, states):
    """Every state has one row, of whole years."""
    missing = [state for state in states if rows.count(state) != 1]
    if missing:
        raise errors.InputError(
            f"{path}: expected one row of the state {missing[0]}; found "
            f"{rows.count(missing[0])}. Add or remove rows, or correct us48_states.csv."
        )
    if values.shape[1] == 0 or values.shape[1] % YEAR:
        raise errors.InputError(
            f"{path}: expected whole years from a January on, a multiple of {YEAR} "
            f"months; found {values.shape[1]}. Add or remove months."
        )


def warmth(values, sources) -> np.ndarray:
    """Class of what follows in every window of 12 months: 0 cold, 1 normal, 2 warm.

    A window's departure is the mean over its last six months of the temperature minus the
    state's normal one in these calendar months. The classes are thirds of the departures
    of all windows of source states. No class depends on a month that is to be predicted
    in another target window: the normal year of a state is that of the source states,
    shifted and stretched to fit the state's own mean January to June, the months which
    targets show.

    Args:
      values: `[states, months]`, whole years from a January on.
      sources: bool `[states]`.

    Returns:
      `[states, months - 11]` int32, by the month in which the window begins.
    """
    years = values.reshape(len(values), -1, YEAR)
    usual = years[sources].mean(axis=(0, 1))
    lines = np.polyfit(usual[:MONTHS], years[..., :MONTHS].mean(axis=1).T, 1)  # [2, n]
    normal = np.outer(lines[0], usual) + lines[1][:, None]
    away = (years - normal[:, None]).reshape(values.shape)
    windows = np.lib.stride_tricks.sliding_window_view(away, YEAR, axis=1)
    departure = windows[..., MONTHS:].mean(axis=-1)
    cuts = np.quantile(departure[sources], [1 / 3, 2 / 3])
    return np.digitize(departure, cuts).astype(np.int32)


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
    return DomainData(
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


def _as_classes(found, labels):
    return found._replace(y=labels.astype(np.int32), class_names=CLASSES)


def synthetic(
    rng: np.random.Generator, size: int, *, classes: bool = False
) -> DomainData:
    """`size` windows of made-up states along a line: colder, with more winter, northwards.

    Each is linked to the next two; the southern half has labels. As classes, thirds of the
    mean of the months to predict.
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
    found = _data(windows, graph.build(positions, *ends), sources, names)
    if not classes:
        return found
    means = found.y.mean(axis=1)
    return _as_classes(found, np.digitize(means, np.quantile(means, [1 / 3, 2 / 3])))


def _dataset(task, where, classes=False):
    what = "whether six months are cold, normal or warm" if classes else "six months"
    return Dataset(
        functools.partial(load_tpt48, task, classes=classes),
        functools.partial(synthetic, classes=classes),
        Info(
            f"Monthly temperature of 48 states, 2008 to 2019, {what} from the six before; "
            f"labels in the 24 {where}; comes with the package",
            (),
            "MIT, (c) 2023 ML@Rutgers (as published in Wang-ML-Lab/VDI); measurements by "
            "NOAA, public domain",
            f"{CITATION} Z. Xu, G.-Y. Hao, H. He and H. Wang (2023). "
            "Domain-Indexing Variational Bayes. ICLR. R. S. Vose et al. (2014). NOAA "
            "Monthly U.S. Climate Divisional Database. doi:10.7289/V5M32STR.",
            CLASSES if classes else (),
            "Fewer made-up states stand in for it in quick runs.",
        ),
    )


DATASETS = {
    f"{task}{'_classes' * classes}": _dataset(task, where, classes)
    for task, where in (
        ("tpt48_east_west", "eastern ones"),
        ("tpt48_north_south", "northern ones"),
    )
    for classes in (False, True)
}
