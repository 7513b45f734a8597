"""Rows of sparse matrices: their lengths, a part of them, a column of ones."""

from typing import Any

import numpy as np
import scipy.sparse as sp


def csr(values) -> Any:
    """A matrix of any kind as CSR."""
    return sp.csr_matrix(values)


def unit(values: Any) -> Any:
    """Rows divided by their length; rows of zeros stay. Sparse or dense, as given."""
    if not sp.issparse(values):
        lengths = np.linalg.norm(values, axis=1, keepdims=True)
        return values / np.where(lengths > 0, lengths, 1)
    values = values.tocsr()
    counts = np.diff(values.indptr)
    rows = np.repeat(np.arange(len(counts)), counts)
    squares = np.bincount(rows, np.square(values.data, dtype=np.float64), len(counts))
    lengths = np.sqrt(np.where(squares > 0, squares, 1))
    scaled = (values.data / np.repeat(lengths, counts)).astype(values.dtype)
    return csr_of(scaled, values.indices, values.indptr, values.shape[1])


def csr_of(data, indices, indptr, width: int) -> Any:
    """CSR of its three arrays, which are not copied."""
    return sp.csr_matrix((data, indices, indptr), shape=(len(indptr) - 1, width))


def part(values: Any, chosen) -> tuple[Any, np.ndarray]:
    """Some rows of CSR without the columns that are empty then, and those that are left.

    What is done with a part then grows with its entries, not with the columns there are.
    """
    found = values[chosen]
    used = np.zeros(found.shape[1], bool)
    used[found.indices] = True
    place = np.cumsum(used, dtype=np.int32) - 1
    left = np.flatnonzero(used)
    return csr_of(found.data, place[found.indices], found.indptr, len(left)), left


def with_ones(values: Any) -> Any:
    """CSR with a column of ones at the end."""
    ones = np.ones((values.shape[0], 1), values.dtype)
    return sp.hstack([values, ones], format="csr")
