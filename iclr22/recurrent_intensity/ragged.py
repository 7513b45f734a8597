"""Rows of a sparse matrix, which are ragged, as arrays of one shape.

They are cut into pieces of one width, and pieces are gathered in chunks of one size, so that
memory at work does not grow with the matrix.
"""

from typing import NamedTuple

import jax
import numpy as np

from iclr22.data.events import chunks

WIDTH = 16  # entries of a piece
PIECES = 2048  # of a chunk, or what the longest row needs


Array = jax.Array | np.ndarray


class Table(NamedTuple):
    """Rows of a sparse matrix in chunks of pieces; padding has value 0."""

    index: Array  # int32 [chunks, pieces, width], columns of entries
    value: Array  # float32 [chunks, pieces, width]
    row: Array  # int32 [chunks, pieces], row in the chunk, ascending
    member: Array  # int32 [chunks, height], row in the matrix
    place: Array  # int32 [rows], where results [chunks * height] of a row are


def tabulate(matrix, width: int = WIDTH, most: int = PIECES) -> Table:
    """The table of a csr matrix; every row has a piece, even if it is empty."""
    lengths = np.diff(matrix.indptr)
    rows = np.arange(len(lengths))
    pieces = np.maximum(1, -(-lengths // width))
    parts = chunks(pieces, max(most, pieces.max()))
    first = np.array([part.start for part in parts])
    chunk = np.searchsorted(first, rows, side="right") - 1
    local = rows - first[chunk]
    height = local.max() + 1
    begin = np.cumsum(pieces) - pieces  # first piece of a row
    owner = np.repeat(rows, pieces)
    slot = np.arange(len(owner)) - begin[first][chunk[owner]]
    shape = len(parts), slot.max() + 1

    row = np.full(shape, height - 1, np.int32)
    row[chunk[owner], slot] = local[owner]
    member = np.zeros((len(parts), height), np.int32)
    member[chunk, local] = rows
    entry = np.repeat(rows, lengths)
    within = np.arange(matrix.nnz) - matrix.indptr[entry]
    at = chunk[entry], slot[begin[entry] + within // width], within % width
    index, value = np.zeros((*shape, width), np.int32), np.zeros((*shape, width), "f4")
    index[at], value[at] = matrix.indices, matrix.data
    return Table(index, value, row, member, (chunk * height + local).astype(np.int32))


def by_row(x, row, height):
    """Sums over the pieces of each row, `[height, ...]`."""
    return jax.ops.segment_sum(x, row, height, indices_are_sorted=True)
