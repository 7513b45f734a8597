"""Missing stretches of series, and stretches that could be missing."""

from typing import NamedTuple

import numpy as np


class Gaps(NamedTuple):
    """Missing stretches: `series`, `first` and `count`, int `[b]` each."""

    series: np.ndarray
    first: np.ndarray
    count: np.ndarray


def gaps_of(series) -> Gaps:
    """Stretches that are missing in `[t_i]` each, NaN where missing."""
    found = []
    for i, x in enumerate(series):
        edges = np.diff(np.concatenate([[0], np.isnan(x), [0]]).astype(int))
        first = np.flatnonzero(edges > 0)
        count = np.flatnonzero(edges < 0) - first
        found.append(np.stack([np.full_like(first, i), first, count]))
    return Gaps(*np.concatenate(found, axis=1).astype(np.int64))


def cut(series, number, first, count: int) -> np.ndarray:
    """Values `[b, count]` from places of series on, NaN outside of them."""
    found = np.full((len(number), count), np.nan)
    for row, (i, place) in enumerate(zip(number, first, strict=True)):
        part = series[i][max(place, 0) : max(place + count, 0)]
        found[row, max(-place, 0) :][: len(part)] = part
    return found


def held(x) -> np.ndarray:
    """Missing values of `[b, t]` are the known one before, else after, else the middle."""
    place = np.arange(x.shape[1])
    for row in x:
        known = ~np.isnan(row)
        if known.any():
            at = np.maximum.accumulate(np.where(known, place, -1))
            row[:] = row[np.where(at < 0, known.argmax(), at)]
    return np.nan_to_num(x, nan=0.5)


def artificial(series, like: Gaps, random) -> tuple[Gaps, np.ndarray]:
    """A stretch for each gap in its series, or, where that has none, in another: at least
    half of its values are known. Also which gaps have one."""
    found, kept = [], []
    longest = _longest(series)
    for row, (i, count) in enumerate(zip(like.series, like.count, strict=True)):
        starts = _starts(series[i], count)
        if not len(starts):
            others = np.flatnonzero(longest >= count)
            if not len(others):
                continue
            i = random.choice(others)
            starts = _starts(series[i], count)
        if len(starts):
            found.append((i, random.choice(starts), count))
            kept.append(row)
    columns = np.array(found, np.int64).reshape(-1, 3).T
    return Gaps(*columns), np.array(kept, np.int64)


def _longest(series) -> np.ndarray:
    return np.array([len(x) for x in series])


def _starts(x, count: int) -> np.ndarray:
    """Where stretches begin of which half is known at least."""
    total = np.concatenate([[0], np.cumsum(~np.isnan(x))])
    return np.flatnonzero(2 * (total[count:] - total[:-count]) >= count)
