"""Windows of a panel: scaled, with their features, drawn as a pure function of the step."""

from typing import NamedTuple

import numpy as np

from iclr22 import errors
from iclr22.data.series import Panel, calendar


class Scaled(NamedTuple):
    """A panel in one flat array, each series from 0 to 1 over its own range.

    Attributes:
      values: float32 `[total]`; 0 where missing.
      known: bool `[total]`.
      features: float32 `[total, d]`: calendar, and age as the last.
      first: int64 `[n + 1]`, where each series begins, and the end.
      low, range: float64 `[n]`: a value is `low + range * scaled`.
    """

    values: np.ndarray
    known: np.ndarray
    features: np.ndarray
    first: np.ndarray
    low: np.ndarray
    range: np.ndarray


def scale(panel: Panel) -> Scaled:
    """Bring every series to 0 to 1, constant ones to 0.

    Raises:
      errors.InputError: a series without any value.
    """
    for name, x in zip(panel.ids, panel.values, strict=True):
        if np.isnan(x).all():
            raise errors.InputError(
                f"series {name!r}: expected values; found none. Remove the series."
            )
    low = np.array([np.nanmin(x) for x in panel.values])
    width = np.array([np.nanmax(x) for x in panel.values]) - low
    width = np.where(width > 0, width, 1.0)
    flat = np.concatenate(
        [(x - a) / b for x, a, b in zip(panel.values, low, width, strict=True)]
    )
    known = ~np.isnan(flat)
    features = [
        np.column_stack(
            [
                calendar.features(calendar.times(at, panel.step, len(x)), panel.step),
                calendar.age(len(x)),
            ]
        )
        for at, x in zip(panel.start, panel.values, strict=True)
    ]
    return Scaled(
        values=np.where(known, flat, 0).astype(np.float32),
        known=known,
        features=np.concatenate(features),
        first=np.concatenate([[0], np.cumsum(panel.lengths)]),
        low=low,
        range=width,
    )


class Windows(NamedTuple):
    """Batches of windows: a series, equally likely each, then a begin within it.

    Attributes:
      data: of `scale`.
      begins: first values that windows may have, by series.
      length: values of a window.
      context: values before it that come along.
      size: windows in a batch.
      part: (index, count): this process takes slice number `index` of every batch.
    """

    data: Scaled
    begins: tuple[np.ndarray, ...]
    length: int
    context: int = 0
    size: int = 128
    seed: int = 0
    part: tuple[int, int] = (0, 1)

    def places(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        """Series and first value `[size]` of the windows of a batch."""
        random = np.random.default_rng((self.seed, step))
        usable = np.flatnonzero([len(x) for x in self.begins])
        series = random.choice(usable, self.size)
        share = random.random(self.size)
        begin = [self.begins[i] for i in series]
        first = [x[int(u * len(x))] for x, u in zip(begin, share, strict=True)]
        return series.astype(np.int32), np.array(first, np.int64)

    def __call__(self, step: int) -> dict[str, np.ndarray]:
        """Batch: `series [b]`, `values [b, length]`, `known`, `features [b, length, d]`,
        `context [b, context]`, `weight [b]`."""
        index, count = self.part
        share = self.size // count
        mine = slice(index * share, (index + 1) * share)
        series, first = self.places(step)
        return self.at(series[mine], first[mine])

    def at(self, series, first) -> dict[str, np.ndarray]:
        """The windows of these series that begin at these values of theirs."""
        begin = self.data.first[series] + first
        rows = begin[:, None] + np.arange(self.length)
        before = begin[:, None] + np.arange(-self.context, 0)
        return {
            "series": np.asarray(series, np.int32),
            "values": self.data.values[rows],
            "known": self.data.known[rows].astype(np.float32),
            "features": self.data.features[rows],
            "context": self.data.values[before],
            "weight": np.ones(len(begin), np.float32),
        }


def make(
    data: Scaled,
    length: int,
    *,
    context: int = 0,
    size: int = 128,
    seed: int = 0,
    least: float = 0.5,
    part: tuple[int, int] = (0, 1),
) -> Windows:
    """`Windows` over all places where enough is known.

    Raises:
      errors.InputError: no series has such a place.
    """
    begins = tuple(
        np.flatnonzero(_enough(data.known[a:b], length + context, least)) + context
        for a, b in zip(data.first[:-1], data.first[1:], strict=True)
    )
    if not any(map(len, begins)):
        longest = int(np.diff(data.first).max(initial=0))
        raise errors.InputError(
            f"expected a series of at least {length + context} values, {100 * least:g} % of "
            f"them known (a window of {length} after {context}); the longest has {longest}. "
            "Choose a shorter length."
        )
    return Windows(data, begins, length, context, size, seed, part)


def _enough(known, length, least) -> np.ndarray:
    """Whether a window that begins here is known to this share, bool `[t - length + 1]`."""
    if len(known) < length:
        return np.zeros(0, bool)
    total = np.concatenate([[0], np.cumsum(known)])
    return total[length:] - total[:-length] >= least * length
