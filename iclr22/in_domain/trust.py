"""Where a band holds: the box of factor values in which it covers what it should.

Peeling and pasting as of the patient rule induction method (Friedman and Fisher, "Bump
hunting in high-dimensional data", Statistics and Computing 1999): begin with all values;
take away, one at a time, the slice (images of one value of one factor) that covers least, as
long as it covers significantly too little; then give slices back that are good now that the
others are gone. Boxes are bool arrays, one of each factor; an image is inside if all of its
values are.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

LEAST = 20  # images of a slice; neighbours with fewer go together
LEVEL = 0.05  # chance of taking away a good slice, over all of them


def half_width(distances, alpha: float) -> float:
    """Half width of a band that covers a new image with a chance of at least 1 - alpha.

    The ceil((n + 1) (1 - alpha))-th smallest distance of n images that were not trained on
    (split conformal prediction; Lei et al., JASA 2018); infinite of too few.
    """
    distances = np.sort(np.asarray(distances, np.float64))
    rank = int(np.ceil(round((len(distances) + 1) * (1 - alpha), 9)))
    return float(distances[rank - 1]) if rank <= len(distances) else float("inf")


def limits(hits, count, level: float = LEVEL) -> tuple[np.ndarray, np.ndarray]:
    """Interval of a share of `hits` in `count`, exact (Clopper and Pearson), `level / 2` on
    each side; 0 to 1 of none."""
    from scipy import special

    hits, count = np.asarray(hits, np.float64), np.asarray(count, np.float64)
    misses = count - hits
    with np.errstate(invalid="ignore"):
        low = special.betaincinv(hits, misses + 1, level / 2)
        high = special.betaincinv(hits + 1, misses, 1 - level / 2)
    return np.where(hits > 0, low, 0.0), np.where(misses > 0, high, 1.0)


def slices(numbers, size: int, ordered: bool) -> np.ndarray:
    """Slice `[size]` of each value: neighbours of an ordered factor share one until it has
    `LEAST` images; names each have their own.

    Args:
      numbers: of the images' values, whole, `[n]`.
    """
    if not ordered:
        return np.arange(size)
    count = np.bincount(numbers, minlength=size)
    found, held = np.zeros(size, np.int64), 0
    for value in range(1, size):
        held += count[value - 1]
        found[value] = found[value - 1] + (held >= LEAST)
        held *= held < LEAST
    if found[-1] and count[found == found[-1]].sum() < LEAST:
        found[found == found[-1]] -= 1
    return found


def inside(box: Sequence[np.ndarray], places) -> np.ndarray:
    """Which images `[n]` lie in a box; `places [n, f]`: slices, or values of values' box."""
    found = np.ones(len(places), bool)
    for j, kept in enumerate(box):
        found &= kept[places[:, j]]
    return found


def search(covered, places, sizes, ordered, floor: float, alpha: float):
    """The box in which no slice covers significantly less than `floor`, and all of it not
    significantly less than `1 - 1.5 alpha`.

    Single slices are taken away as long as some are bad; then, where the whole is still
    bad, runs of slices at the ends of ordered factors (or single names) with a twentieth of
    the images: single ones would be chosen by chance.

    Args:
      covered: whether the band holds, bool `[n]`.
      places: slices of the images, whole `[n, f]`.
      sizes: numbers of slices.
      ordered: whether slices of a factor have an order.
      floor: coverage that a slice may fall to.
      alpha: share of images that the band may miss.

    Returns:
      Which slices are kept, bool `[size]` each; slices without images are not. All False
      where nothing is left.
    """
    level = 2 * LEVEL / sum(sizes)
    seen = _Seen(covered, places, tuple(ordered), floor, 1 - 1.5 * alpha, level)
    box = [
        np.bincount(places[:, j], minlength=size) > 0 for j, size in enumerate(sizes)
    ]
    while found := _bad(box, seen):
        box[found[0]][found[1]] = False
        if not box[found[0]].any():
            return [np.zeros(size, bool) for size in sizes]
    refused: set[tuple[int, int]] = set()
    while found := _best(box, seen, refused):
        tried = [x.copy() for x in box]
        tried[found[0]][found[1]] = True
        if _bad(tried, seen):
            refused.add(found)
        else:
            box = tried
    return box


class _Seen(NamedTuple):
    """What a search looks at."""

    covered: np.ndarray
    places: np.ndarray
    ordered: tuple[bool, ...]
    floor: float  # of slices
    total: float  # of the box
    level: float  # twice the chance that a good slice is taken for a bad one


def _bad(box, seen):
    """Factor and slices to take away, or None."""
    chosen = inside(box, seen.places)
    good = chosen & seen.covered
    tables = [
        (
            np.bincount(seen.places[chosen, j], minlength=len(kept)),
            np.bincount(seen.places[good, j], minlength=len(kept)),
        )
        for j, kept in enumerate(box)
    ]
    worst, found = 2.0, None
    for j, (count, hits) in enumerate(tables):
        bad = box[j] & (limits(hits, count, seen.level)[1] < seen.floor)
        for value in np.flatnonzero(bad):
            if hits[value] / count[value] < worst:
                worst, found = hits[value] / count[value], (j, [value])
    if found or limits(good.sum(), chosen.sum())[1] >= seen.total:
        return found
    least = max(LEAST, chosen.sum() // 20)
    for j, (count, hits) in enumerate(tables):
        for run in _runs(np.flatnonzero(box[j]), count, least, seen.ordered[j]):
            share = hits[run].sum() / max(count[run].sum(), 1)
            if share < worst:
                worst, found = share, (j, run)
    return found


def _runs(values, count, least, ordered):
    """Kept slices that may go: from both ends enough for so many images, or each alone."""
    if not ordered:
        return [[x] for x in values]
    reached = [
        np.searchsorted(np.cumsum(count[order]), least)
        for order in (values, values[::-1])
    ]
    return [values[: reached[0] + 1], values[::-1][: reached[1] + 1]]


def _best(box, seen, refused):
    """Factor and slice outside that covers best, others being inside; None where none
    covers more than halfway from the floor of slices to that of the whole."""
    ins = np.stack([kept[seen.places[:, j]] for j, kept in enumerate(box)], axis=1)
    out = len(box) - ins.sum(axis=1)
    best, chosen = (seen.floor + seen.total) / 2, None
    for j, kept in enumerate(box):
        rows = (out == 1) & ~ins[:, j]
        count = np.bincount(seen.places[rows, j], minlength=len(kept))
        hits = np.bincount(seen.places[rows & seen.covered, j], minlength=len(kept))
        for value in np.flatnonzero(~kept & (count > 0)):
            share = hits[value] / count[value]
            if share >= best and (j, int(value)) not in refused:
                best, chosen = share, (j, int(value))
    return chosen


def span(kept, known) -> tuple[int, int]:
    """First and last value of the run in which kept values most outnumber others, of such
    runs the first of the shortest. Others count half inside the training range.

    Args:
      kept: bool `[size]`, some True.
      known: which values training has, bool `[size]`.
    """
    ends = np.flatnonzero(known)[[0, -1]]
    place = np.arange(len(kept))
    within = (place > ends[0]) & (place < ends[1])
    gain = np.where(kept, 1.0, np.where(within, -0.5, -1.0))
    best, found = 0.0, (0, 0)
    for low in range(len(kept)):
        total = np.cumsum(gain[low:])
        high = int(np.argmax(total))
        if total[high] > best or (total[high] == best and high < found[1] - found[0]):
            best, found = float(total[high]), (low, low + high)
    return found
