"""How often each user chose each item, as a sparse matrix."""

import numpy as np
import scipy.sparse

from iclr22 import errors, numeric
from iclr22.data.events import ranges
from iclr22.recurrent_intensity import requests, splits


def training_counts(split: splits.Split) -> scipy.sparse.csr_array:
    """Training events float32 `[users, items]` of the log, histories of D included."""
    return history_counts(split.events, split.train, split.train.user)


def history_counts(events, given: requests.Requests, rows=None):
    """How often each item is in each history, csr float32 `[x, items]`.

    Args:
      rows: `[x]`, numbers of the rows in a result `[users, items]`; None: in order.
    """
    row, places = ranges(given.start, given.stop)
    size = len(given.user) if rows is None else len(events.user_names)
    row = row if rows is None else np.asarray(rows)[row]
    ones = np.ones(len(row), np.float32)
    shape = size, len(events.item_names)
    entries = scipy.sparse.coo_array((ones, (row, events.item[places])), shape)
    return entries.tocsr()  # adds up repeats


def check_counts(counts) -> scipy.sparse.csr_array:
    """The counts as csr float32 without stored zeros and repeats; rows may be empty.

    Raises:
      errors.InputError: not a matrix, no entry, an entry that is negative or not finite.
    """
    if not scipy.sparse.issparse(counts):
        counts = numeric.real(counts, "counts", finite=False)
    if counts.ndim != 2:
        raise errors.InputError(
            f"expected counts [users, items]; found {type(counts).__name__} of shape "
            f"{list(np.shape(counts))}"
        )
    matrix = scipy.sparse.csr_array(counts, dtype=np.float32, copy=True)
    matrix.sum_duplicates()
    bad = ~(np.isfinite(matrix.data) & (matrix.data >= 0))
    if bad.any():
        place = bad.argmax()
        row = np.searchsorted(matrix.indptr, place, side="right") - 1
        raise errors.InputError(
            "expected counts of at least 0; found "
            f"{matrix.data[place]} for user {row}, item {matrix.indices[place]}. "
            "Correct or remove the entry."
        )
    matrix.eliminate_zeros()
    if not matrix.nnz:
        raise errors.InputError(
            "expected counts with at least one event; found none in "
            f"{' users x '.join(map(str, shape_of(matrix)))} items."
        )
    return matrix


def shape_of(counts) -> tuple[int, int]:
    """Numbers of users and items."""
    users, items = counts.shape
    return users, items


def known_bias(bias, counts) -> np.ndarray:
    """Biases `[y]`, -inf for items without any event."""
    known = np.bincount(counts.indices, minlength=counts.shape[1]) > 0
    return np.where(known, bias, -np.inf).astype(np.float32)
