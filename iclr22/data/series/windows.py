"""Windows of a panel: scaled, with their features, drawn as a pure function of the step."""

from typing import NamedTuple

import numpy as np
from absl import logging

from iclr22 import errors
from iclr22.data.series import Panel, layouts
from iclr22.data.series.layouts import Layout


class Scaled(NamedTuple):
    """A panel in one flat array, each series from 0 to 1 over its own range.

    Attributes:
      values: float32 `[total]`; 0 where missing.
      known: bool `[total]`.
      features: float32 `[total, d]`, of `layouts.features`.
      first: int64 `[n + 1]`, where each series begins, and the end.
      layout: times and ranges of the series.
    """

    values: np.ndarray
    known: np.ndarray
    features: np.ndarray
    first: np.ndarray
    layout: Layout

    @property
    def low(self) -> np.ndarray:
        """`[n]`: a value is `low + range * scaled`."""
        return self.layout.low

    @property
    def range(self) -> np.ndarray:
        """`[n]`."""
        return self.layout.range


def scale(
    panel: Panel, like: Layout | None = None, *, cyclic: bool | None = None
) -> Scaled:
    """Bring every series to 0 to 1, constant ones to 0.

    Args:
      like: of the same series in the same order; theirs are the ranges that become 0 to 1,
        so that synthetic values are scaled as the real ones are.
      cyclic: features tell the calendar as sines and cosines, too; as `like` if None.

    Raises:
      errors.InputError: as of `layouts.layout`.
    """
    layout = layouts.layout(panel, like)
    if cyclic is not None:
        layout = layout._replace(cyclic=cyclic)
    flat = [
        layouts.to_scale(layout, [i], x[None])[0] for i, x in enumerate(panel.values)
    ]
    features = [
        layouts.features(layout, [i], [0], len(x))[0]
        for i, x in enumerate(panel.values)
    ]
    flat = np.concatenate(flat)
    known = ~np.isnan(flat)
    return Scaled(
        values=np.where(known, flat, 0).astype(np.float32),
        known=known,
        features=np.concatenate(features),
        first=np.concatenate([[0], np.cumsum(panel.lengths)]),
        layout=layout,
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
    """`Windows` over all places where enough is known; series without one are told.

    Args:
      least: share of the values of a window, with its context, that are known.

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
    without = [
        name for name, x in zip(data.layout.ids, begins, strict=True) if not len(x)
    ]
    if without:
        logging.warning(
            "%d of %d series are left out: they are shorter than %d values, or have no "
            "such stretch of which %g %% are known: %s",
            len(without),
            len(begins),
            length + context,
            100 * least,
            ", ".join(without[:3]),
        )
    return Windows(data, begins, length, context, size, seed, part)


def _enough(known, length, least) -> np.ndarray:
    """Whether a window that begins here is known to this share, bool `[t - length + 1]`."""
    if len(known) < length:
        return np.zeros(0, bool)
    total = np.concatenate([[0], np.cumsum(known)])
    return total[length:] - total[:-length] >= least * length
