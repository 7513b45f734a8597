"""Values that are hidden to be filled, and how well they were filled (section 7)."""

from typing import NamedTuple

import numpy as np

from iclr22 import errors
from iclr22.data.series import Panel, calendar
from iclr22.psa_gan import naive
from iclr22.psa_gan.filling import Filled
from iclr22.psa_gan.gaps import Gaps

LENGTHS = (5, 10, 20, 35, 50, 65, 85, 110)  # of stretches in the paper's study


class Row(NamedTuple):
    """One number: of a setting (a length, a share), of a way to fill."""

    setting: str
    way: str
    metric: str
    value: float


def last_but_one(panel: Panel, count: int) -> Gaps:
    """The stretch of `count` values before the last `count`, of every series.

    Raises:
      errors.InputError: a series has fewer than three times as many.
    """
    _check_room(panel, 3 * count, f"to hide {count} of them before the last {count}")
    number = np.arange(len(panel.values))
    return Gaps(number, panel.lengths - 2 * count, np.full(len(number), count))


def stretches(panel: Panel, lengths=LENGTHS, *, keep: int = 0, seed: int = 0) -> Gaps:
    """A stretch of each length in every series, in random order at random places.

    Args:
      keep: last values of each series that none is in.

    Raises:
      errors.InputError: a series has less than twice the room that they take.
    """
    total = int(np.sum(lengths))
    _check_room(panel, 2 * total + keep, f"to hide {total} of them")
    random, found = np.random.default_rng(seed), []
    for i, length in enumerate(panel.lengths):
        order = random.permutation(lengths)
        room = length - keep - total
        free = np.sort(random.integers(0, room + 1, len(order)))
        first = free + np.cumsum(order) - order
        found.append(np.stack([np.full(len(order), i), first, order]))
    return Gaps(*np.concatenate(found, axis=1).astype(np.int64))


def _check_room(panel, least, why):
    short = int(panel.lengths.argmin())
    if panel.lengths[short] < least:
        raise errors.InputError(
            f"series {panel.ids[short]!r}: expected {least} values at least, {why}; found "
            f"{panel.lengths[short]}"
        )


def hide(panel: Panel, gaps: Gaps) -> Panel:
    """The panel with these stretches missing.

    Raises:
      errors.InputError: a series has nothing left.
    """
    values = [x.copy() for x in panel.values]
    for i, first, count in zip(*gaps, strict=True):
        values[i][first : first + count] = np.nan
    for name, x in zip(panel.ids, values, strict=True):
        if np.isnan(x).all():
            raise errors.InputError(
                f"series {name!r}: expected some values that are not hidden; found none"
            )
    return panel._replace(values=tuple(values))


def ways(panel: Panel, seasons=None) -> dict[str, tuple[np.ndarray, ...]]:
    """Every missing value filled in each naive way.

    Args:
      panel: with values hidden.
      seasons: steps by name; by default the usual cycle, and a week of hours.
    """
    if seasons is None:
        seasons = {"seasonal": calendar.season(panel.step)}
        if panel.step.unit in ("h", "min", "s"):
            seasons["seasonal_week"] = 7 * seasons["seasonal"]

    def each(way, season=1):
        return tuple(naive.fill(x, ~np.isnan(x), way, season) for x in panel.values)

    found = {way: each(way) for way in ("last", "mean", "linear")}
    return found | {name: each("seasonal", steps) for name, steps in seasons.items()}


def score(panel: Panel, gaps: Gaps, found: dict[str, tuple], setting="") -> list[Row]:
    """Errors at hidden values: `nrmse`, and `nrmse/series`, the mean of those of series.

    Args:
      panel: with all values.
      found: filled values `[t_i]` of each series, by the way they were filled.
    """
    rows = []
    for way, values in found.items():
        pairs = [_pairs(panel, values, gaps, i) for i in np.unique(gaps.series)]
        each = [naive.nrmse(*pair) for pair in pairs]
        together = naive.nrmse(*(np.concatenate(x) for x in zip(*pairs, strict=True)))
        rows.append(Row(setting, way, "nrmse", together))
        rows.append(Row(setting, way, "nrmse/series", float(np.nanmean(each))))
    return rows


def coverage(panel: Panel, gaps: Gaps, filled: Filled, setting="") -> list[Row]:
    """The share of hidden values that lie within bands, and the bands' mean width over the
    mean size of the values."""
    truth, low, high = (
        np.concatenate([_pairs(panel, x, gaps, i)[1] for i in np.unique(gaps.series)])
        for x in (panel.values, filled.low, filled.high)
    )
    known = ~np.isnan(truth)
    inside = ((low <= truth) & (truth <= high))[known]
    width = np.mean((high - low)[known] / np.abs(truth[known]).mean())
    return [
        Row(setting, "generator", "coverage", float(inside.mean())),
        Row(setting, "generator", "width", float(width)),
    ]


def _pairs(panel, values, gaps, i):
    """True and filled values of the gaps of a series."""
    rows = np.flatnonzero(gaps.series == i)
    place = [np.arange(gaps.count[row]) + gaps.first[row] for row in rows]
    place = np.concatenate(place)
    return panel.values[i][place], np.asarray(values[i])[place]
