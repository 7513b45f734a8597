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
        order = _permutation(self.seed, epoch, n=self.count)
        return self.rows(order[position * self.size : (position + 1) * self.size])

    def rows(self, rows) -> dict:
        """These rows as a padded batch, this process's slice of it."""
        return take(self.arrays, rows, self.size, own(self.size, self.part))


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


def in_order(
    arrays, size: int, *, devices: int = 1, whole: bool = False
) -> Iterator[dict]:
    """Batches for evaluation: file order, the last one padded with weight 0.

    Args:
      whole: each process has all rows of them, not its own alone.
    """
    batches = make(arrays, size, devices=devices)
    batches = batches._replace(part=(0, 1)) if whole else batches
    for step in range(batches.per_epoch):
        rows = np.arange(step * batches.size, batches.count)[: batches.size]
        yield batches.rows(rows)


def take(arrays, rows, size: int, part: slice = slice(None)) -> dict:
    """Rows of the arrays padded to `size` by repeating the first, and their weight."""
    given, count = arrays.get("weight"), len(rows)
    rows, weight = padded(rows, size)
    if given is not None:
        weight[:count] = given[rows[:count]]
    batch = {name: x[rows[part]] for name, x in arrays.items() if name != "weight"}
    return batch | {"weight": weight[part]}


def padded(rows, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows `[size]`, filled up by the first, and their weight, 0 where they are."""
    weight = (np.arange(size) < len(rows)).astype(np.float32)
    return np.append(rows, np.full(size - len(rows), rows[0], rows.dtype)), weight


def own(size: int, part: tuple[int, int]) -> slice:
    """What process `index` of `count` has of a batch."""
    index, count = part
    share = size // count
    return slice(index * share, (index + 1) * share)


def per_epoch(groups, size: int) -> tuple[int, ...]:
    """Batches of an epoch of each group of examples; the last of each is not full."""
    return tuple(-(-len(x) // size) for x in groups)


def of_groups(groups, size: int, seed: int, step: int) -> tuple[int, np.ndarray]:
    """`(group, examples)` of a batch that is of one group: in every epoch examples are
    shuffled in their group, and batches among each other."""
    counts = per_epoch(groups, size)
    epoch, position = divmod(step, sum(counts))
    place, which = int(_permutation(seed, epoch, 0, n=sum(counts))[position]), 0
    while place >= counts[which]:
        place -= counts[which]
        which += 1
    order = _permutation(seed, epoch, which + 1, n=len(groups[which]))
    return which, groups[which][order[place * size : (place + 1) * size]]


@functools.lru_cache(maxsize=16)
def _permutation(*seed: int, n: int) -> np.ndarray:
    return np.random.default_rng(seed).permutation(n)
