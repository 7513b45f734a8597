"""What a label is about: the texts of the instances that have it."""

from typing import Any

import numpy as np
import scipy.sparse as sp

from iclr22 import errors


def pifa(labels, features) -> Any:
    """Positive instance feature aggregation: a vector of length 1 for each label.

    The vector of a label is the direction of the sum of the features of its instances, each
    divided by the length of the instance's row of labels, so that an instance of many
    labels says less about each (Chien et al. 2022, section 3; the division as in the
    authors' code).

    Args:
      labels: `[r, L]` sparse, relevance of labels for instances, 0 where there is none.
      features: `[r, D]` of the instances, sparse or dense.

    Returns:
      `[L, D]` float32, sparse where the features are. A label without an instance, or whose
      instances have no features, is a row of zeros.

    Raises:
      errors.InputError: not as many rows of features as of labels.
    """
    labels = _csr(labels)
    if labels.shape[0] != features.shape[0]:
        raise errors.InputError(
            "expected features of as many instances as have labels; found "
            f"{features.shape[0]} rows of features and {labels.shape[0]} of labels"
        )
    shares = unit_rows(labels.astype(np.float64)).T.tocsr()
    if not sp.issparse(features):
        return unit_rows(shares @ np.asarray(features, np.float64)).astype(np.float32)
    found = unit_rows(shares.astype(np.float32) @ features.tocsr().astype(np.float32))
    found.sort_indices()
    return found


def unit_rows(values: Any) -> Any:
    """Rows divided by their length; rows of zeros stay. Sparse ones get arrays anew."""
    if not sp.issparse(values):
        return values / _positive(np.linalg.norm(values, axis=1))[:, None]
    values = values.tocsr()
    counts = np.diff(values.indptr)
    rows = np.repeat(np.arange(len(counts)), counts)
    squares = np.bincount(rows, np.square(values.data, dtype=np.float64), len(counts))
    scaled = values.data / np.repeat(_positive(np.sqrt(squares)), counts)
    parts = scaled.astype(values.dtype), values.indices, values.indptr
    return sp.csr_matrix(parts, shape=values.shape)


def _positive(lengths):
    return np.where(lengths > 0, lengths, 1.0)


def _csr(values) -> Any:
    return sp.csr_matrix(values)
