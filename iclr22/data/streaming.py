"""Batches made ahead of the step by a thread, and data too large for memory.

`Prefetch` stands between any `step -> batch` and the loop. `Shards` and `Stream` are such a
source over `.npy` files that are mapped, never read whole. All are pure functions of the
step: a run that resumes in the middle of an epoch sees what it would have seen.
"""

import bisect
import functools
import pathlib
import queue
import re
import threading
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import jax
import numpy as np
from absl import logging

from iclr22 import errors
from iclr22.data import batching, tables

LEAVE_SECONDS = 10.0  # that the end of a loop waits for a batch that is being made
WAKE_SECONDS = 0.1  # between looks at whether anybody still wants one


class Prefetch:
    """A thread that makes things ahead, in order, at most so many at a time.

    Use it as a context: the thread ends with the block, however that ends. What `make`
    raises is raised by the `next` that asks for its result, after all results before it.

    Args:
      make: called in the thread with each of `places`. It must return new arrays every
        time: one is in use while the next is made.
      places: where to work, in order; iterated in the thread.
      ahead: results that wait at most, besides the one in the making; 0: no thread, `next`
        does the work itself.
    """

    def __init__(self, make: Callable, places: Iterator, ahead: int = 2):
        self.waited = 0.0
        self._make, self._places, self._thread = make, iter(places), None
        self._results = queue.Queue(maxsize=max(ahead, 1))
        self._left = threading.Event()
        # Settings of JAX that hold for a block of code hold for the caller's thread only.
        # (JAX adds them to its config when it starts, which no type checker sees.)
        self._wide = jax.config.jax_enable_x64  # pyright: ignore[reportAttributeAccessIssue]
        if ahead > 0:
            self._thread = threading.Thread(
                target=self._work, name="batches", daemon=True
            )
            self._thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def next(self, before: Callable[[], object] = lambda: None):
        """The next result.

        If it is not ready, `before()` is called first, for work that is to be done anyway.
        Seconds of waiting after that (without a thread: of making it) add up in `waited`.
        """
        if self._thread and self._results.empty():
            before()
        began = time.monotonic()
        if self._thread is None:
            found = self._make(next(self._places))
            self.waited += time.monotonic() - began
            return found
        error, found = self._results.get()
        self.waited += time.monotonic() - began
        if error is not None:
            raise error
        return found

    def close(self) -> None:
        """End the thread; a batch that takes too long is left to end with the program."""
        self._left.set()
        if self._thread is None:
            return
        self._thread.join(LEAVE_SECONDS)
        if self._thread.is_alive():
            logging.warning("a batch is still being made; its thread is left behind")

    def _work(self):
        try:
            with jax.enable_x64(self._wide):
                for place in self._places:
                    if self._left.is_set() or not self._put(None, self._make(place)):
                        return
                raise IndexError("there are no more places")
        except BaseException as error:  # the loop raises it
            self._put(error, None)

    def _put(self, error, found) -> bool:
        """Hand over, unless the loop has left."""
        while not self._left.is_set():
            try:
                self._results.put((error, found), timeout=WAKE_SECONDS)
                return True
            except queue.Full:
                continue
        return False


class Shards:
    """Rows of several `.npy` files, one after the other, as one array `[n, ...]`.

    The files are mapped: only rows that are asked for are read.

    Raises:
      errors.InputError: no file, a file that is no array with rows, or arrays that differ
        in type or in what a row is.
    """

    def __init__(self, paths):
        self.paths = tuple(str(path) for path in paths)
        if not self.paths:
            raise errors.InputError("expected .npy files; found none")
        self._parts = [_mapped(path) for path in self.paths]
        kinds = {(str(x.dtype), x.shape[1:]) for x in self._parts}
        if len(kinds) > 1:
            raise errors.InputError(
                "expected rows of one type and shape in all files of an array; found "
                f"{sorted(kinds)} in {self.paths[0]} and others"
            )
        self.lengths = tuple(len(x) for x in self._parts)
        self._ends = np.cumsum(self.lengths)
        self.dtype = self._parts[0].dtype
        self.shape = (int(self._ends[-1]), *self._parts[0].shape[1:])

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows) -> np.ndarray:
        """These rows `[k, ...]`, a copy; every file is read in its own order."""
        rows = np.asarray(rows)
        out = np.empty((len(rows), *self.shape[1:]), self.dtype)
        order = np.argsort(rows, kind="stable")
        splits = np.searchsorted(rows[order], self._ends)
        starts = np.append(0, splits[:-1])
        for i in np.flatnonzero(splits > starts):
            places = order[starts[i] : splits[i]]
            first = self._ends[i] - self.lengths[i]
            out[places] = self._parts[i][rows[places] - first]
        return out


def _mapped(path):
    try:
        found = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # a damaged header fails in many ways
        raise errors.InputError(
            f"{path}: expected a .npy array; found {tables.short(error, 200)}"
        ) from error
    if not isinstance(found, np.ndarray) or found.ndim == 0 or len(found) == 0:
        raise errors.InputError(f"{path}: expected an array with rows; found none")
    return found


def open_folder(folder) -> dict[str, Shards]:
    """Arrays by name from `<name>.npy` or `<name>-<number>.npy`, in that order.

    Raises:
      errors.InputError: no such files.
    """
    found: dict[str, list] = {}
    for path in pathlib.Path(folder).glob("*.npy"):
        numbered = re.fullmatch(r"(.*)-(\d+)", path.stem)
        name, number = numbered.groups() if numbered else (path.stem, 0)
        found.setdefault(name, []).append((int(number), path))
    if not found:
        raise errors.InputError(
            f"{folder}: expected files <name>.npy or <name>-<number>.npy; found none"
        )
    return {
        name: Shards(path for _, path in sorted(paths))
        for name, paths in sorted(found.items())
    }


class Stream(NamedTuple):
    """Shuffled epochs over arrays that are not held in memory.

    Every epoch visits blocks of neighbouring rows in an order of its own, and shuffles the
    rows of `buffer` blocks at a time: reading stays local, and an epoch needs a list of
    blocks, not of rows.

    Attributes:
      arrays: `Shards` (or arrays) of one length by name.
      size: examples per global batch.
      block: rows of a block; none crosses the end of a file.
      buffer: blocks whose rows are shuffled together.
      seed: of both orders.
      part: (index, count): this process takes every batch's slice number `index`, and
        reads nothing else.
    """

    arrays: dict
    size: int
    block: int = 1024
    buffer: int = 16
    seed: int = 0
    part: tuple[int, int] = (0, 1)

    @property
    def count(self) -> int:
        """Number of examples."""
        return len(next(iter(self.arrays.values())))

    @property
    def per_epoch(self) -> int:
        """Steps per epoch; the last batch of an epoch is padded."""
        return -(-self.count // self.size)

    def __call__(self, step: int) -> dict:
        """Batch number `step`: the arrays plus `weight` `[batch]`, 0 on padding."""
        epoch, position = divmod(step, self.per_epoch)
        low = position * self.size
        rows = self.rows(epoch, low, min(low + self.size, self.count))
        index, count = self.part
        share = self.size // count
        part = slice(index * share, (index + 1) * share)
        return batching.take(self.arrays, rows, self.size, part)

    def rows(self, epoch: int, low: int, high: int) -> np.ndarray:
        """Which rows stand at places `low` to `high` of an epoch."""
        lengths = getattr(next(iter(self.arrays.values())), "lengths", (self.count,))
        key = (lengths, self.block, self.buffer, self.seed, epoch)
        ends, _ = _pools(*key)
        found, place = [], low
        while place < high:
            pool = bisect.bisect_right(ends, place)
            begin = ends[pool - 1] if pool else 0
            stop = min(high, ends[pool])
            found.append(_shuffled(*key, pool)[place - begin : stop - begin])
            place = stop
        return np.concatenate(found)


def make(
    arrays,
    size: int,
    *,
    block: int = 1024,
    buffer: int = 16,
    seed: int = 0,
    devices: int = 1,
) -> Stream:
    """`Stream` for this process, its size made to fit the data and the devices.

    Raises:
      errors.InputError: arrays that differ in length, or blocks without rows.
    """
    if min(block, buffer) < 1:
        raise errors.InputError(
            f"expected a block and a buffer of at least 1; found {block} and {buffer}"
        )
    fitted = batching.make(arrays, size, seed=seed, devices=devices)
    return Stream(arrays, fitted.size, block, buffer, seed, fitted.part)


@functools.lru_cache(maxsize=4)
def _pools(lengths, block, buffer, seed, epoch):
    """`(ends of the pools in places, (first, length) of every block in their order)`."""
    starts = np.cumsum((0, *lengths))
    first = np.concatenate(
        [np.arange(a, b, block) for a, b in zip(starts[:-1], starts[1:], strict=True)]
    )
    size = np.diff(np.append(first, starts[-1]))
    order = np.random.default_rng((seed, epoch)).permutation(len(first))
    first, size = first[order], size[order]
    ends = np.cumsum(size)[buffer - 1 :: buffer].tolist()
    total = int(starts[-1])
    return ends if ends and ends[-1] == total else [*ends, total], (first, size)


@functools.lru_cache(maxsize=4)
def _shuffled(lengths, block, buffer, seed, epoch, pool):
    """Rows of a pool of blocks in their order."""
    first, size = (
        x[pool * buffer : (pool + 1) * buffer]
        for x in _pools(lengths, block, buffer, seed, epoch)[1]
    )
    rows = np.concatenate(
        [np.arange(a, a + n) for a, n in zip(first, size, strict=True)]
    )
    return np.random.default_rng((seed, epoch, pool)).permutation(rows)
