"""What aggregation does to clusters: the contextual stochastic block model.

Two classes of equal size; features are normal with deviation `noise` around +mu and -mu,
of length one; edges have probability p inside a class and q across. The mean of a node's
neighbours is centred at (p - q) / (p + q) times the node's own centre, and its variance
falls with the degree: clusters of such means are the classes, where those of features are
not (section 4 of the paper, restated).
"""

from typing import NamedTuple

import numpy as np
from scipy import sparse, stats

TAIL = 1e-9  # of degrees that are left out, in probability


class Drawn(NamedTuple):
    """A graph of the model."""

    features: np.ndarray  # [n, d]
    classes: np.ndarray  # [n] 0 or 1
    adjacency: sparse.csr_matrix  # [n, n], 0 and 1, symmetric, no loops


def draw(n: int, d: int, p: float, q: float, *, noise: float = 1.0, seed: int = 0):
    """A graph of the model: `Drawn`."""
    random = np.random.default_rng(seed)
    classes = np.arange(n) % 2
    centre = random.standard_normal(d)
    centre /= np.linalg.norm(centre)
    features = np.outer(2 * classes - 1, centre)
    features += noise * random.standard_normal((n, d))
    chance = np.where(classes[:, None] == classes, p, q)
    upper = np.triu(random.random((n, n)) < chance, 1)
    return Drawn(features, classes, sparse.csr_matrix(upper + upper.T, dtype=float))


def gap_ratio(p: float, q: float) -> float:
    """Distance of the class centres after aggregation, over that before."""
    return (p - q) / (p + q)


def accuracy_of_features(noise: float = 1.0) -> float:
    """Share of nodes that the best line between the classes' features has right."""
    return float(stats.norm.cdf(1 / noise))


def accuracy_of_neighbours(degree: float, ratio: float, noise: float = 1.0) -> float:
    """Share of nodes that the best line between means of neighbours has right.

    Along mu a neighbour is +1 or -1 with mean `ratio` and has noise besides, so that the
    mean of k of them has the variance (noise^2 + 1 - ratio^2) / k; degrees are taken to be
    Poisson, and a node without neighbours is right half of the time.

    Args:
      degree: the mean.
      ratio: see `gap_ratio`.
    """
    most = int(stats.poisson.isf(TAIL, degree)) + 1
    k = np.arange(most + 1)
    right = stats.norm.cdf(ratio * np.sqrt(k / (noise**2 + 1 - ratio**2)))
    return float(stats.poisson.pmf(k, degree) @ right)


def means_of_neighbours(drawn: Drawn) -> np.ndarray:
    """`[n, d]`; zeros where a node has none."""
    degrees = np.asarray(drawn.adjacency.sum(axis=1))
    return drawn.adjacency @ drawn.features / np.maximum(degrees, 1)


def accuracy_of_halves(vectors, classes, *, seed: int = 0) -> float:
    """Share of nodes that 2-means (Lloyd) has in the half of their class."""
    random = np.random.default_rng(seed)
    centres = vectors[random.choice(len(vectors), 2, replace=False)]
    side = np.zeros(len(vectors), int)
    for _ in range(100):
        distances = ((vectors[:, None] - centres) ** 2).sum(axis=2)
        new = distances.argmin(axis=1)
        if (new == side).all():
            break
        side = new
        centres = np.stack([vectors[side == x].mean(axis=0) for x in (0, 1)])
    right = float(np.mean(side == classes))
    return max(right, 1 - right)
