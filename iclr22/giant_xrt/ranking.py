"""How well ranked labels meet the true ones."""

import numpy as np

from iclr22 import errors
from iclr22.giant_xrt import rows


def hits(labels, found) -> np.ndarray:
    """`[n, k]` of bool: which ranked labels are true.

    Args:
      labels: `[n, L]` sparse, above 0 where true.
      found: `[n, k]` labels, best first, -1 for none.

    Raises:
      errors.InputError: not as many rows; labels out of range.
    """
    labels, found = rows.csr(labels), np.asarray(found)
    if labels.shape[0] != len(found) or found.ndim != 2:
        raise errors.InputError(
            f"expected ranked labels [n, k] of {labels.shape[0]} instances; found "
            f"{found.shape}"
        )
    if found.size and (found.max() >= labels.shape[1] or found.min() < -1):
        raise errors.InputError(
            f"expected labels from 0 to {labels.shape[1] - 1}, or -1 for none; found "
            f"{found.min()} to {found.max()}"
        )
    row = np.repeat(np.arange(len(found)), np.diff(labels.indptr))
    true = row[labels.data > 0] * labels.shape[1] + labels.indices[labels.data > 0]
    asked = np.arange(len(found))[:, None] * labels.shape[1] + found
    return np.isin(asked, true) & (found >= 0)


def precision(labels, found) -> np.ndarray:
    """`[k]`: of the first 1, 2, ... k labels the share that is true, mean over instances.

    Raises:
      errors.InputError: as `hits`.
    """
    right = np.cumsum(hits(labels, found), 1)
    return right.mean(0) / np.arange(1, right.shape[1] + 1)


def recall(labels, found) -> np.ndarray:
    """`[k]`: share of an instance's labels that is among its first 1, 2, ... k, mean over
    instances; 0 for those without a label.

    Raises:
      errors.InputError: as `hits`.
    """
    labels = rows.csr(labels)
    right = np.cumsum(hits(labels, found), 1)
    many = np.bincount(
        np.repeat(np.arange(len(right)), np.diff(labels.indptr)),
        labels.data > 0,
        len(right),
    )
    return (right / np.maximum(many, 1)[:, None]).mean(0)
