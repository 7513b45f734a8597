"""A tree over labels: clusters of clusters, coarse to fine, whose last level are the labels.

Balanced hierarchical 2-means, as in the authors' code (PECOS): a set of labels is cut into
halves of equal size again and again.
"""

import math
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from iclr22 import errors
from iclr22.giant_xrt import rows


class Tree(NamedTuple):
    """Levels, coarse to fine.

    Attributes:
      parents: of each level the cluster in the level above of each cluster, `[K_t]` int64;
        0 in the first, whose parent is the root. The last level are the labels.
    """

    parents: tuple[np.ndarray, ...]

    @property
    def sizes(self) -> tuple[int, ...]:
        """Clusters in each level."""
        return tuple(len(parent) for parent in self.parents)

    def above(self, level: int) -> int:
        """Clusters in the level above this one; 1, the root, for the first."""
        return len(self.parents[level - 1]) if level else 1

    def matrix(self, level: int) -> Any:
        """`[K_t, K_(t-1)]` CSR, float32, with a 1 at the parent of each cluster."""
        parent = self.parents[level]
        ones, starts = np.ones(len(parent), np.float32), np.arange(len(parent) + 1)
        shape = len(parent), self.above(level)
        return sp.csr_matrix((ones, parent, starts), shape=shape)

    def children(self, level: int) -> tuple[np.ndarray, np.ndarray]:
        """Clusters of a level, by parent: `order [K_t]` and `offsets [K_(t-1) + 1]`; those
        of parent j are `order[offsets[j] : offsets[j + 1]]`, ascending."""
        parent = self.parents[level]
        counts = np.bincount(parent, minlength=self.above(level))
        return np.argsort(parent, kind="stable"), np.append(0, np.cumsum(counts))

    def clusters(self, level: int) -> np.ndarray:
        """The cluster of this level, from 0, that each label is in, `[L]`."""
        found = np.arange(self.sizes[-1])
        for parent in self.parents[:level:-1]:
            found = parent[found]
        return found


def build_tree(
    vectors,
    *,
    leaf: int = 100,
    splits: int = 4,
    least: int | None = None,
    iterations: int = 20,
    spherical: bool = True,
    seed: int = 0,
) -> Tree:
    """Cluster labels by balanced hierarchical 2-means.

    A set is cut along the line between the means of its halves, first between two members
    drawn at random, until the halves stay the same; ties go by the number of the label. The
    same vectors and seed make the same tree.

    Args:
      vectors: `[L, D]`, sparse or dense; of length 1 if spherical.
      leaf: labels in a finest cluster, at most.
      splits: clusters that are joined into one of the level above.
      least: levels above one of so many clusters or fewer are not made; `splits` if None.
      iterations: cuts of a set, at most.
      spherical: means are brought to length 1.
      seed: of the drawn members.

    Returns:
      Without a level of clusters where all labels fit into a leaf.

    Raises:
      errors.InputError: no labels; a setting out of range; more leaves than labels.
    """
    if sp.issparse(vectors):
        vectors = vectors.tocsr().astype(np.float64)
    else:
        vectors = np.asarray(vectors, np.float64)

    def halve(block, place):
        random = np.random.default_rng([seed, place])
        low = _lower_half(block, random, iterations, spherical)
        return np.flatnonzero(low), np.flatnonzero(~low)

    shape = sizes_of(vectors.shape[0], leaf, splits, least)
    return _halved(vectors, shape, splits, halve)


def random_tree(
    count: int,
    *,
    leaf: int = 100,
    splits: int = 4,
    least: int | None = None,
    seed: int = 0,
) -> Tree:
    """A tree of the shape that `build_tree` gives to `count` labels, filled at random.

    Raises:
      errors.InputError: as `build_tree`.
    """

    def halve(block, place):
        drawn = np.random.default_rng([seed, place]).permutation(block.shape[0])
        half = len(drawn) // 2
        return np.sort(drawn[:half]), np.sort(drawn[half:])

    shape = sizes_of(count, leaf, splits, least)
    return _halved(np.empty((count, 0)), shape, splits, halve)


def sizes_of(
    count: int, leaf: int = 100, splits: int = 4, least: int | None = None
) -> tuple[int, ...]:
    """Clusters in each level of the tree that `build_tree` makes of `count` labels.

    Raises:
      errors.InputError: as `build_tree`.
    """
    for name, value, low in (
        ("leaf", leaf, 1),
        ("splits", splits, 2),
        ("least", least, 1),
    ):
        if value is not None and value < low:
            raise errors.InputError(f"tree: expected {name} from {low}; found {value}")
    if not count:
        raise errors.InputError("tree: expected labels to cluster; found none")
    if count <= leaf:
        return (count,)
    leaves = 1 << math.ceil(math.log2(count / leaf))
    if leaves > count:
        raise errors.InputError(
            f"tree: expected no more leaves than labels; found {leaves} leaves of at most "
            f"{leaf} for {count} labels. Raise leaf."
        )
    found = [count, leaves]
    while found[-1] > (least or splits):
        found.append(-(-found[-1] // splits))
    return tuple(found[::-1])


def _halved(vectors, shape, splits, halve) -> Tree:
    """The tree of this shape; `halve(rows, place)` gives the rows of either half."""
    codes = np.zeros(shape[-1], np.int64)
    if len(shape) == 1:
        return Tree((codes,))
    leaves = shape[-2]
    todo = [(np.arange(shape[-1]), vectors, 1)]  # in a heap, whose root is 1
    while todo:
        members, block, place = todo.pop()
        for side, chosen in enumerate(halve(block, place)):
            child = 2 * place + side
            if child < leaves:
                todo.append((members[chosen], _part(block, chosen), child))
            else:
                codes[members[chosen]] = child - leaves
    inner = [np.arange(clusters) // splits for clusters in shape[1:-1]]
    return Tree((np.zeros(shape[0], np.int64), *inner, codes))


def _part(block, chosen):
    return rows.part(block, chosen)[0] if sp.issparse(block) else block[chosen]


def _lower_half(block, random, iterations, spherical) -> np.ndarray:
    """Which rows `[m]` are in the lower half; ties go by row."""
    count = block.shape[0]
    half = count // 2
    flipped = block.T  # made once, it costs as much as a small product
    right, left = random.choice(count, 2, replace=False)
    ends = block[[right, left]]
    ends = ends.toarray() if sp.issparse(block) else ends
    direction, total = ends[0] - ends[1], flipped @ np.ones(count)
    low = np.zeros(count, bool)
    for _ in range(iterations):
        before, low = low, np.zeros(count, bool)
        low[np.argsort(block @ direction, kind="stable")[:half]] = True
        if np.array_equal(before, low):
            break
        below = flipped @ low.astype(np.float64)
        above = total - below
        if spherical:
            direction = _unit(above) - _unit(below)
        else:
            direction = above / (count - half) - below / half
    return low


def _unit(vector):
    length = np.linalg.norm(vector)
    return vector / length if length > 0 else vector


def describe(tree: Tree, level: int, features: Any, terms, k: int = 10):
    """Words per cluster: the terms of the largest mean weight over its labels.

    Args:
      level: of the tree; negative ones count from the labels.
      features: `[L, D]` sparse, tf-idf of the labels' texts, say.
      terms: D names.
      k: terms of a cluster, at most.

    Returns:
      For each cluster `(term, mean)` pairs, largest first, ties by the number of the term;
      fewer where fewer are above 0.
    """
    owner = tree.clusters(range(len(tree.sizes))[level])
    count, clusters = len(owner), tree.sizes[level]
    parts = np.ones(count), (owner, np.arange(count))
    joined: Any = sp.csr_matrix(parts, shape=(clusters, count))
    sums = (joined @ features).tocsr()
    members = np.maximum(np.bincount(owner, minlength=clusters), 1)
    found = []
    for cluster in range(clusters):
        part = slice(*sums.indptr[cluster : cluster + 2])
        columns, means = sums.indices[part], sums.data[part] / members[cluster]
        order = np.lexsort((columns, -means))[:k]
        named = [(terms[columns[i]], float(means[i])) for i in order if means[i] > 0]
        found.append(named)
    return found
