"""Nearest texts by cosine: exact, in blocks, so that memory does not grow with pairs."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from iclr22 import errors

ROWS, COLUMNS = 1024, 8192  # of a block of cosines, 32 MiB


class Nearest(NamedTuple):
    """The k nearest others of each text, the nearest first."""

    rows: np.ndarray  # [n, k] int64
    cosines: np.ndarray  # [n, k] float32


def unit(vectors) -> np.ndarray:
    """Vectors `[n, h]` float32 of length 1; zeros stay zeros."""
    vectors = np.asarray(vectors, np.float32)
    length = np.sqrt(np.einsum("nh,nh->n", vectors, vectors))
    return vectors / np.where(length > 0, length, 1)[:, None]


def nearest(
    vectors,
    k: int,
    *,
    rows: int = ROWS,
    columns: int = COLUMNS,
    adjust: Callable | None = None,
) -> Nearest:
    """The k other rows of largest cosine, of equal ones the first, for every row.

    All cosines are computed, a block at a time; of a block only those count that are above
    the k-th so far.

    Args:
      vectors: `[n, h]`.
      rows, columns: of a block.
      adjust: `(block, rows, columns)`, two slices, changes cosines of a block in place:
        -inf leaves a pair out, and is what rows end with that have fewer than k left.

    Raises:
      errors.InputError: k is below 1 or there are not so many others.
    """
    count = len(vectors)
    if not 1 <= k < count:
        raise errors.InputError(
            f"expected from 1 to {count - 1} neighbours of each of {count} texts; found {k}"
        )
    x = unit(vectors)
    places = np.empty((count, k), np.int64)
    cosines = np.empty((count, k), np.float32)
    for low in range(0, count, rows):
        part = slice(low, min(low + rows, count))
        found = _of_rows(x, part.start, part.stop, k, columns, adjust)
        places[part], cosines[part] = found
    return Nearest(places, cosines)


def _of_rows(x, low: int, high: int, k: int, columns: int, adjust):
    """The k best of rows `low` to `high`, over all blocks of columns."""
    n = high - low
    best = np.full((n, k), -np.inf, np.float32)
    place = np.full((n, k), len(x), np.int64)
    for begin in range(0, len(x), columns):
        end = min(begin + columns, len(x))
        block = x[low:high] @ x[begin:end].T
        own = np.arange(max(low, begin), min(high, end))
        block[own - low, own - begin] = -np.inf
        if adjust:
            adjust(block, slice(low, high), slice(begin, end))
        if begin == 0 and end > k:  # most are above nothing: only the k best of each
            floor = np.partition(block, -k, axis=1)[:, -k]
            row, column = np.nonzero(block >= floor[:, None])
        else:
            row, column = np.nonzero(block > best[:, -1:])
        if len(row):
            new = block[row, column], column + begin
            best, place = _merged(best, place, row, *new)
    return place, best


def _merged(best, place, row, value, column):
    """The k best of each row of what was there and what is new."""
    n, k = best.shape
    row = np.concatenate([np.repeat(np.arange(n), k), row])
    value = np.concatenate([best.ravel(), value])
    column = np.concatenate([place.ravel(), column])
    order = np.lexsort((column, -value, row))
    row, value, column = row[order], value[order], column[order]
    begins = np.searchsorted(row, np.arange(n))
    kept = begins[:, None] + np.arange(k)
    return value[kept], column[kept]


def pairs(
    vectors, *, k: int = 3, strangers: int = 3, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """`(first, second)` of each unordered pair once, for who has single sentences only: each
    with its k nearest, so that some are alike, and with others drawn at random.

    Args:
      strangers: drawn for each.

    Raises:
      errors.InputError: fewer than two texts.
    """
    count = len(vectors)
    if count < 2:
        raise errors.InputError(f"expected two texts or more; found {count}")
    near = nearest(vectors, min(k, count - 1)).rows
    random = np.random.default_rng(seed)
    far = (
        np.arange(count)[:, None] + random.integers(1, count, (count, strangers))
    ) % count
    second = np.concatenate([near, far], axis=1)
    first = np.repeat(np.arange(count), second.shape[1])
    both = np.sort(np.stack([first, second.ravel()], axis=1), axis=1)
    first, second = np.unique(both, axis=0).T
    return first, second


def histogram(labels, bins: int = 10) -> tuple[np.ndarray, np.ndarray]:
    """`(counts [bins], edges [bins + 1])` of labels, from 0 to 1 or as far as they go: pairs
    to learn from should span the range."""
    low, high = min(0.0, float(np.min(labels))), max(1.0, float(np.max(labels)))
    return np.histogram(labels, bins, (low, high))
