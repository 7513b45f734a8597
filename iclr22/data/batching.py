"""Batches as a pure function of the step, so that a resumed run sees the same data."""

import functools
from collections.abc import Iterator
from typing import NamedTuple

import jax
import numpy as np

from iclr22 import errors, identity, parallel


class Batches(NamedTuple):
    """Shuffled epochs over arrays that share their first axis.

    Attributes:
      arrays: dict of NumPy arrays `[n, ...]`.
      size: examples per global batch.
      seed: of the shuffling; every epoch has its own permutation.
      part: (index, count): this process takes every batch's slice number `index`.
    """

    arrays: dict
    size: int
    seed: int = 0
    part: tuple[int, int] = (0, 1)

    def content(self) -> str:
        """Digest of what all batches are made from."""
        return identity.content(self.arrays) + f"-{self.size}-{self.seed}"

    @property
    def count(self) -> int:
        """Number of examples."""
        return len(jax.tree.leaves(self.arrays)[0])

    @property
    def per_epoch(self) -> int:
        """Steps per epoch; the last batch of an epoch is padded."""
        return -(-self.count // self.size)

    def __call__(self, step: int) -> dict:
        """Batch number `step`: the arrays plus `weight` `[batch]`, 0 on padding."""
        epoch, position = divmod(step, self.per_epoch)
        order = _permutation(self.seed, epoch, self.count)
        return self.rows(order[position * self.size : (position + 1) * self.size])

    def rows(self, rows) -> dict:
        """These rows as a padded batch, this process's slice of it."""
        index, count = self.part
        share = self.size // count
        return take(
            self.arrays, rows, self.size, slice(index * share, (index + 1) * share)
        )


class Whole(NamedTuple):
    """The same batch in every step, for data that is trained on as a whole.

    Attributes:
      batch: of all processes; it is brought to the devices once.
      axes: as `BATCH_AXES` of a method: 0 where the batch divides over devices.
    """

    batch: dict
    axes: object = None

    def content(self) -> str:
        """Digest of it."""
        return identity.content(self.batch)

    def __call__(self, step: int) -> dict:
        """This process's part of it, whatever the step."""
        del step
        index, count = parallel.part()

        def own(x, axis):
            return x if axis is None else np.split(np.asarray(x), count)[index]

        return (
            parallel.map_axes(own, self.batch, self.axes) if count > 1 else self.batch
        )


def make(arrays, size: int, *, seed: int = 0, devices: int = 1) -> Batches:
    """`Batches` for this process, its size made to fit the data and the devices.

    Raises:
      errors.InputError: if the arrays differ in length or hold no example.
    """
    lengths = {name: len(x) for name, x in arrays.items()}
    if len(set(lengths.values())) != 1 or 0 in lengths.values():
        raise errors.InputError(
            f"expected arrays of one length above 0; found {lengths}"
        )
    n = next(iter(lengths.values()))
    size = max(1, -(-min(size, n) // devices)) * devices
    part = (jax.process_index(), jax.process_count())
    return Batches(arrays, size, seed, part)


def in_order(arrays, size: int, *, devices: int = 1) -> Iterator[dict]:
    """Batches for evaluation: file order, the last one padded with weight 0."""
    batches = make(arrays, size, devices=devices)
    for step in range(batches.per_epoch):
        rows = np.arange(step * batches.size, batches.count)[: batches.size]
        yield batches.rows(rows)


def take(arrays, rows, size: int, part: slice = slice(None)) -> dict:
    """Rows of the arrays padded to `size` by repeating the first, and their weight."""
    given = arrays.get("weight")
    weight = np.zeros(size, np.float32)
    weight[: len(rows)] = 1 if given is None else given[rows]
    rows = np.concatenate([rows, np.full(size - len(rows), rows[0], rows.dtype)])[part]
    batch = {name: x[rows] for name, x in arrays.items() if name != "weight"}
    return batch | {"weight": weight[part]}


@functools.lru_cache(maxsize=4)
def _permutation(seed: int, epoch: int, n: int) -> np.ndarray:
    return np.random.default_rng((seed, epoch)).permutation(n)
