"""Frechet distance between two clouds of vectors (section 6), in float64 on the host."""

import numpy as np
from scipy import linalg

from iclr22 import errors


def frechet_distance(a, b) -> float:
    """Distance of Gaussians with the moments of two samples: 0 where they are equal.

    `|mean a - mean b|^2 + tr(A + B - 2 (A B)^(1/2))` with the covariances A, B. The root
    is taken of the symmetric `A^(1/2) B A^(1/2)`, which has the same eigenvalues and no
    imaginary part.

    Args:
      a, b: `[n, d]` and `[m, d]`, at least two rows each.

    Raises:
      errors.InputError: other shapes, or values that are not finite.
    """
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    shapes = a.ndim == b.ndim == 2 and a.shape[1] == b.shape[1]
    if not shapes or min(len(a), len(b)) < 2:
        raise errors.InputError(
            "expected two samples [n, d] and [m, d] of at least two rows; found "
            f"{list(a.shape)} and {list(b.shape)}"
        )
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise errors.InputError("expected finite values in both samples; found others")
    return _distance(*_moments(a), *_moments(b))


def _moments(x):
    return x.mean(axis=0), np.atleast_2d(np.cov(x, rowvar=False))


def _distance(mean_a, cov_a, mean_b, cov_b) -> float:
    values, vectors = linalg.eigh(cov_a)
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    inner = root @ cov_b @ root
    cross = np.sqrt(linalg.eigvalsh((inner + inner.T) / 2).clip(0)).sum()
    shift = np.sum((mean_a - mean_b) ** 2)
    return float(max(shift + np.trace(cov_a) + np.trace(cov_b) - 2 * cross, 0.0))


def extrapolated(a, b, *, parts: int = 4, repeats: int = 4, seed: int = 0) -> float:
    """The distance that infinitely many rows would have (Chong and Forsyth 2020).

    The bias of a sample falls with one over its size: a line through distances of smaller
    samples, at size infinity. Few rows may give a number a little below 0.

    Args:
      parts: sample sizes, from half of the rows to all: for fewer the bias is no line.
      repeats: samples of each size but the last.
    """
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    random, n = np.random.default_rng(seed), min(len(a), len(b))
    sizes, found = [], []
    for size in np.linspace(max(2, n // 2), n, parts).astype(int):
        for _ in range(repeats if size < n else 1):
            rows = [random.choice(len(x), size, replace=False) for x in (a, b)]
            found.append(frechet_distance(a[rows[0]], b[rows[1]]))
            sizes.append(size)
    slope_and_end = np.polyfit(1 / np.array(sizes), found, 1)
    return float(slope_and_end[1])


def whitened(real, other, *, share: float = 0.1) -> tuple[np.ndarray, np.ndarray]:
    """Vectors in which the real ones vary alike in all directions.

    An encoder stretches its vectors as its training happened to: few directions have
    nearly all of the variance, and others after another seed. Divided by the root of the
    real vectors' covariance, encoders that see the same agree.

    Args:
      real, other: `[n, d]` and `[m, d]`.
      share: of the mean variance, added to every direction, so that those in which real
        vectors hardly vary do not count as much as others.

    Returns:
      Both, float64, around the mean of the real ones.
    """
    real, other = np.asarray(real, np.float64), np.asarray(other, np.float64)
    mean, covariance = _moments(real)
    values, vectors = linalg.eigh(covariance)
    more = share * max(values.mean(), np.finfo(np.float64).tiny)
    turn = vectors / np.sqrt(values.clip(0) + more)
    return (real - mean) @ turn, (other - mean) @ turn
