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
    weights: Any = matrix.astype(np.float64)
    width = min(width, min(weights.shape) - 1)
    if width < 1:
        return np.asarray(weights.todense(), np.float32)
    tall = weights.shape[0] > weights.shape[1]
    one, other = (weights.T, weights) if tall else (weights, weights.T)
    # of products on the shorter side: all vectors of a million terms would take gigabytes
    square = linalg.aslinearoperator(one) @ linalg.aslinearoperator(other)
    begin = np.random.default_rng(seed).standard_normal(one.shape[0])
    found: Any = linalg.eigsh(square, width, v0=begin)
    values, vectors = found
    order = np.argsort(-values)
    vectors, values = vectors[:, order], np.sqrt(np.maximum(values[order], 0))
    return np.asarray(weights @ vectors if tall else vectors * values, np.float32)
