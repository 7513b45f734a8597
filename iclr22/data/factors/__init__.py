"""Images of every combination of some factors: what they are.

A factor (shape, size, position) has values in an order; a grid has every combination of
them once, numbered with the last factor fastest. `FactorImages` are images of some points
of a grid: all of them, or those that a user has.
"""

from typing import Literal, NamedTuple

import numpy as np

Kind = Literal["ordinal", "cyclic", "categorical"]


class Factor(NamedTuple):
    """What varies between images.

    Attributes:
      name: of the factor.
      values: of it, in order; numbers, or names where it is categorical.
      kind: ordinal values have an order, cyclic ones come back to the first.
    """

    name: str
    values: tuple
    kind: Kind = "ordinal"

    @property
    def size(self) -> int:
        """Number of values."""
        return len(self.values)


class Grid(NamedTuple):
    """Every combination of the values of some factors."""

    factors: tuple[Factor, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Of the factors."""
        return tuple(x.name for x in self.factors)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Numbers of values."""
        return tuple(x.size for x in self.factors)

    @property
    def count(self) -> int:
        """Number of combinations."""
        return int(np.prod(self.sizes, dtype=np.int64))

    def numbers(self, index) -> np.ndarray:
        """Numbers of the values, int32 `[n, f]`, of flat indices `[n]`."""
        return np.stack(np.unravel_index(index, self.sizes), axis=-1).astype(np.int32)

    def flat(self, numbers) -> np.ndarray:
        """Flat indices `[n]`, int64, of numbers of values `[n, f]`."""
        return np.asarray(
            np.ravel_multi_index(tuple(np.asarray(numbers).T), self.sizes)
        )

    def targets(self, numbers) -> np.ndarray:
        """Numbers of values `[n, f]`, whole or between, on the scale 0 to 1, float32."""
        top = np.maximum(np.array(self.sizes, np.float64) - 1, 1)
        return (np.asarray(numbers) / top).astype(np.float32)


class FactorImages(NamedTuple):
    """Images of points of a grid: stored, or drawn when they are needed.

    Attributes:
      grid: of the factors that vary.
      index: flat indices, int64 `[n]`, of the images, each once.
      x: stored images, uint8 `[n, h, w, c]`; None where they are drawn.
      renderer: name of what draws them (`renderers.RENDERERS`); empty where they are stored.
      side: pixels of a side.
      channels: 1 or 3.
      split: names of the factors that splits hold values of out.
    """

    grid: Grid
    index: np.ndarray
    x: np.ndarray | None
    renderer: str
    side: int
    channels: int
    split: tuple[str, ...]

    def images(self, rows) -> np.ndarray:
        """Images of these rows, float32 `[n, h, w, c]` from 0 to 1."""
        from iclr22.data.factors import renderers

        if self.x is not None:
            return self.x[rows].astype(np.float32) / 255
        numbers = self.grid.numbers(self.index[rows])
        return renderers.draw(self.renderer, self.side, numbers)

    def targets(self, rows) -> np.ndarray:
        """Factors of these rows, float32 `[n, f]` from 0 to 1."""
        return self.grid.targets(self.grid.numbers(self.index[rows]))
