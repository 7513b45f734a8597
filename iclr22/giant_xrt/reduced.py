"""Tf-idf in few dimensions, the features that texts have without a network."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.sparse import linalg

from iclr22.giant_xrt import tfidf

WIDTH = 128  # of the features, at most


def components(
    texts: Sequence[str], width: int = WIDTH, *, seed: int = 0
) -> np.ndarray:
    """Features `[n, width]` float32: the first principal directions of tf-idf, not centred
    (latent semantic analysis, Deerwester et al., 1990).

    Args:
      width: at most; one less than the texts or terms if there are fewer.
    """
    return directions(tfidf.fit_transform(texts)[1], width, seed=seed)


def directions(matrix: Any, width: int = WIDTH, *, seed: int = 0) -> np.ndarray:
    """U S `[n, width]` float32 of a truncated singular value decomposition, the largest
    value first.

    Args:
      matrix: sparse features `[n, D]`.
      width: as of `components`.
      seed: of where the iteration begins, which may decide signs of columns.
    """
    weights = matrix.astype(np.float64)
    width = min(width, min(weights.shape) - 1)
    if width < 1:
        return np.asarray(weights.todense(), np.float32)
    begin = np.random.default_rng(seed).standard_normal(min(weights.shape))
    found: Any = linalg.svds(weights, k=width, v0=begin)
    left, values, _ = found
    order = np.argsort(-values)
    return (left[:, order] * values[order]).astype(np.float32)
