"""What needs no learning: simple ways to fill missing values or to go on, and their error.

To forecast is to fill what follows the end: `fill(values, known, "seasonal", 24)` with
`known` false from there on. Every way looks at known values only.
"""

from typing import Literal

import numpy as np

from iclr22 import errors

Way = Literal["last", "mean", "linear", "seasonal"]
WAYS = ("last", "mean", "linear", "seasonal")


def nrmse(truth, found, known=None) -> float:
    """Root of the mean squared error over the mean absolute value (section 7), of all
    values together; NaN where nothing is known.

    Args:
      truth, found: of one shape, in the series' own units.
      known: which are compared; by default where `truth` is not NaN.

    Raises:
      errors.InputError: other shapes.
    """
    truth, found = np.asarray(truth, np.float64), np.asarray(found, np.float64)
    if truth.shape != found.shape:
        raise errors.InputError(
            f"expected as many values as there are true ones, {list(truth.shape)}; found "
            f"{list(found.shape)}"
        )
    known = ~np.isnan(truth) if known is None else np.asarray(known, bool)
    if not known.any():
        return float("nan")
    truth, found = truth[known], found[known]
    size = np.mean(np.abs(truth))
    error = np.sqrt(np.mean((truth - found) ** 2))
    return float(error / size) if size else float("nan" if error == 0 else "inf")


def fill(values, known, way: Way, season: int = 1) -> np.ndarray:
    """`values` float64 `[t]` with those that are not known replaced.

    Args:
      values: `[t]`; anything where not known.
      known: bool `[t]`.
      way: last: the last known value before, else the first after; mean: of all known;
        linear: the line between the neighbours; seasonal: the last known value a whole
        number of seasons before, else the first after, else the mean.
      season: steps, `calendar.season(step)`.

    Raises:
      errors.InputError: another way, nothing known, a season below 1.
    """
    if way not in WAYS:
        raise errors.nearest(way, WAYS, "way to fill")
    values, known = np.asarray(values, np.float64), np.asarray(known, bool)
    if values.ndim != 1 or values.shape != known.shape or not known.any():
        raise errors.InputError(
            f"expected values [t] and which are known, one at least; found "
            f"{list(values.shape)}, {list(known.shape)}, {int(known.sum())} known"
        )
    if season < 1:
        raise errors.InputError(f"expected a season of 1 at least; found {season}")
    mean = values[known].mean()
    if way == "mean":
        return np.where(known, values, mean)
    if way == "linear":
        place = np.arange(len(values))
        return np.interp(place, place[known], values[known])
    rows = season if way == "seasonal" else 1
    more = -len(values) % rows
    table = np.pad(np.where(known, values, mean), (0, more)).reshape(-1, rows)
    there = np.pad(known, (0, more)).reshape(-1, rows)
    filled = carried(table, there)
    return np.where(there.any(axis=0), filled, mean).ravel()[: len(values)]


def carried(table, known) -> np.ndarray:
    """Every cell of `[t, k]`, or the last known one above it, or the first known below;
    columns without a known one as they are."""
    t = len(table)
    row = np.arange(t)[:, None]
    above = np.maximum.accumulate(np.where(known, row, -1), axis=0)
    below = np.minimum.accumulate(np.where(known, row, t)[::-1], axis=0)[::-1]
    source = np.where(above >= 0, above, below)
    source = np.where(source == t, row, source)
    return np.take_along_axis(table, source, axis=0)
