"""Scores of how far an image is from the training images: does a model know that it is out
of its range?

From features, float `[n, d]`: Mahalanobis distance (Lee et al., NeurIPS 2018, one Gaussian)
and distance to the k-th nearest training image (Sun et al., ICML 2022); from predictions
alone: how near to the ends of the training range they are. Higher is farther.
"""

import numpy as np

from iclr22 import errors, metrics, numeric

ENTRIES = 1 << 22  # distances at a time
RIDGE = 1e-6  # of the mean variance, added to each: features may be constant


def mahalanobis(features, reference) -> np.ndarray:
    """Distance `[n]` from the training images in units of their deviation.

    Args:
      features: `[n, d]`.
      reference: of training images, `[m, d]`.

    Raises:
      errors.InputError: other shapes, NaN, fewer than two training images.
    """
    features, reference = _checked(features, reference, 2)
    mean = reference.mean(axis=0)
    centred = reference - mean
    covariance = centred.T @ centred / (len(reference) - 1)
    scale = max(float(np.trace(covariance)) / len(covariance), np.finfo(float).tiny)
    covariance[np.diag_indices_from(covariance)] += RIDGE * scale
    lower = np.linalg.cholesky(covariance)
    white = np.linalg.solve(lower, (features - mean).T)
    return np.sqrt(np.einsum("dn,dn->n", white, white))


def nearest(features, reference, *, k: int = 10) -> np.ndarray:
    """Distance `[n]` to the k-th nearest training image, both of length 1; in chunks.

    Args:
      features, reference: as of `mahalanobis`.

    Raises:
      errors.InputError: other shapes, NaN, fewer than k training images.
    """
    k = int(numeric.whole(k, "k", ndim=0, low=1))
    features, reference = (_unit(x) for x in _checked(features, reference, k))
    found = np.empty(len(features))
    size = max(1, ENTRIES // len(reference))
    for start in range(0, len(features), size):
        cosines = features[start : start + size] @ reference.T
        kth = np.partition(cosines, -k, axis=1)[:, -k]
        found[start : start + size] = np.sqrt(np.maximum(2 - 2 * kth, 0))
    return found


def from_predictions(predictions, train_targets) -> np.ndarray:
    """How far beyond the ends of the training targets, over factors the most, `[n]`.

    Negative inside: a model that is pulled to its training range comes near to an end.

    Args:
      predictions: of the targets, `[n, f]`.
      train_targets: `[m, f]`.

    Raises:
      errors.InputError: other shapes, NaN.
    """
    predictions, targets = _checked(predictions, train_targets, 1)
    low, high = targets.min(axis=0), targets.max(axis=0)
    beyond = np.maximum(predictions - high, low - predictions)
    narrower = (low > 0) | (high < 1)  # only there a value can be out of range
    return beyond[:, narrower].max(axis=1) if narrower.any() else beyond.max(axis=1)


def auroc(score, outside) -> float:
    """Chance that an image out of range has a higher score than another; ties half.

    Args:
      score: `[n]`.
      outside: bool `[n]`, whether any factor is out of distribution.

    Raises:
      errors.InputError: other lengths, or only images of one kind.
    """
    score = numeric.real(score, "score", ndim=1)
    outside = np.asarray(outside, bool)
    if score.shape != outside.shape or outside.all() or not outside.any():
        raise errors.InputError(
            f"expected scores of images in range and out of range; found {len(score)} "
            f"scores, {outside.sum()} images out of range and {(~outside).sum()} others"
        )
    return metrics.auc(score, outside)


def _unit(x):
    length = np.linalg.norm(x, axis=1, keepdims=True)
    return x / np.where(length > 0, length, 1)


def _checked(given, reference, least):
    given = numeric.real(given, "features", ndim=2, dtype=np.float64)
    reference = numeric.real(reference, "reference", ndim=2, dtype=np.float64)
    if given.shape[1] != reference.shape[1] or len(reference) < least:
        raise errors.InputError(
            f"expected {least} training images or more with as many columns as the "
            f"others; found shape {list(reference.shape)}, others {list(given.shape)}"
        )
    return given, reference
