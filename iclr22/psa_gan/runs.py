"""Gap-free runs of series, from which encoders draw their windows."""

from typing import NamedTuple

import numpy as np

from iclr22 import errors, identity
from iclr22.data.series.windows import Scaled


class Runs(NamedTuple):
    """Runs of known values, one after the other, those of a series together.

    Attributes:
      values: float32 `[total]`, finite.
      first: int64 `[r + 1]`, where each run begins, and the end.
      group: int64 `[n + 1]`, the first run of each series, and their number.
      longest: every run has so many values at least.
    """

    values: np.ndarray
    first: np.ndarray
    group: np.ndarray
    longest: int

    def content(self) -> str:
        """A digest, for `identity`."""
        return identity.content({"values": self.values, "first": self.first})

    def draw(self, random, series, length) -> np.ndarray:
        """Where windows begin in `values`: any place of the series is equally likely to
        choose the run, then any begin within it.

        Args:
          series: int array of any shape.
          length: of the windows, an array that broadcasts to it, at most `longest`.
        """
        low, high = (self.first[self.group[series + more]] for more in (0, 1))
        place = low + (random.random(series.shape) * (high - low)).astype(np.int64)
        run = np.searchsorted(self.first, place, side="right") - 1
        begins = self.first[run + 1] - self.first[run] - length + 1
        return self.first[run] + (random.random(series.shape) * begins).astype(np.int64)

    def at(self, begin, length, size: int) -> np.ndarray:
        """Windows `[..., size]`, at the right end of it, zeros before."""
        place = np.arange(size) - size + length[..., None]
        rows = np.where(place >= 0, begin[..., None] + place, 0)
        return np.where(place >= 0, self.values[rows], np.float32(0))


def of(series, longest: int) -> Runs:
    """The runs of series that windows of up to `longest` values fit into.

    Where fewer than half of the series have a run of that length, `longest` becomes the
    length that half of them have; shorter runs, and series without a longer one, are left
    out.

    Args:
      series: `Scaled`, windows `[n, t]`, or arrays `[t_i]`, NaN where missing.

    Raises:
      errors.InputError: no series, or no two known values in a row.
    """
    if isinstance(series, Scaled):
        flat = np.where(series.known, series.values, np.nan)
        series = np.split(flat, series.first[1:-1])
    found = [_known(np.asarray(x, np.float32)) for x in series]
    best = [max(map(len, parts), default=0) for parts in found]
    if max(best, default=0) < 2:
        raise errors.InputError(
            "expected series with values one after the other to train an encoder on; "
            f"found {len(found)} series, the longest run of known values is "
            f"{max(best, default=0)}"
        )
    usual = int(np.quantile([x for x in best if x > 1], 0.5, method="higher"))
    longest = min(longest, usual)
    kept = [[x for x in parts if len(x) >= longest] for parts in found]
    kept = [parts for parts in kept if parts]
    pieces = [x for parts in kept for x in parts]
    return Runs(
        values=np.concatenate(pieces),
        first=np.concatenate([[0], np.cumsum([len(x) for x in pieces])]),
        group=np.concatenate([[0], np.cumsum([len(parts) for parts in kept])]),
        longest=longest,
    )


def _known(x) -> list[np.ndarray]:
    """The runs of finite values of `[t]`."""
    known = np.concatenate([[False], np.isfinite(x), [False]])
    edges = np.flatnonzero(known[1:] != known[:-1])
    return [x[a:b] for a, b in zip(edges[::2], edges[1::2], strict=True)]
