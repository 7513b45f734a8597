"""What a label is about: the texts of the instances that have it."""

from typing import Any

import numpy as np
import scipy.sparse as sp

from iclr22 import errors
from iclr22.giant_xrt import rows


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
    labels = rows.csr(labels)
    if labels.shape[0] != features.shape[0]:
        raise errors.InputError(
            "expected features of as many instances as have labels; found "
            f"{features.shape[0]} rows of features and {labels.shape[0]} of labels"
        )
    shares = rows.unit(labels.astype(np.float64)).T.tocsr()
    if not sp.issparse(features):
        return rows.unit(shares @ np.asarray(features, np.float64)).astype(np.float32)
    found = rows.unit(shares.astype(np.float32) @ features.tocsr().astype(np.float32))
    found.sort_indices()
    return found
