"""Whose neighbour is whose, and in which cluster: what the encoder learns to tell."""

from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from absl import logging

from iclr22 import errors, numeric
from iclr22.giant_xrt.tree import Tree


class Targets(NamedTuple):
    """Neighbourhoods as an extreme multi-label problem: labels are nodes, too.

    Attributes:
      labels: `[r, n]` float32 CSR, weight of the edge to each neighbour, 0 elsewhere.
      rows: `[r]` int64, ascending, the node that each row belongs to.
    """

    labels: Any  # sp.csr_matrix
    rows: np.ndarray


def neighbours(
    n: int, edges, weights=None, *, directed: bool = False, most: int = 1000
) -> Targets:
    """Rows of the adjacency matrix, for the nodes that are trained on.

    Self loops are dropped; of duplicates the largest weight is kept. Nodes without a
    neighbour have nothing to predict and are no rows; nor are hubs, as in the authors'
    code, though they stay labels of others. How many nodes are left out is logged.

    Args:
      n: nodes.
      edges: `[2, e]` node numbers.
      weights: `[e]`, positive; 1 if not given.
      directed: an edge makes its second node a neighbour of its first, not the reverse.
      most: nodes of this many neighbours or more are hubs.

    Raises:
      errors.InputError: no edge between two nodes, unknown nodes, weights that are not
        positive; all nodes with neighbours are hubs.
    """
    pairs = numeric.whole(edges, "edges", ndim=2, low=0, high=n - 1)
    if len(pairs) != 2:
        raise errors.InputError(f"edges: expected [2, e]; found {pairs.shape}")
    adjacency: Any = _adjacency(n, pairs, _weights(weights, pairs.shape[1]), directed)
    if not adjacency.nnz:
        raise errors.InputError(
            f"expected edges between nodes; found none (of {pairs.shape[1]} rows all are "
            "self loops). Neighbourhoods are what is learned from."
        )
    degrees = np.diff(adjacency.indptr)
    hubs, alone = degrees >= most, degrees == 0
    if hubs.any():
        logging.info(
            "%d nodes with %d neighbours or more (largest: %d) are not trained on",
            *(hubs.sum(), most, degrees.max()),
        )
    if alone.any():
        logging.info("%d nodes without neighbours are not trained on", alone.sum())
    rows = np.flatnonzero(~hubs & ~alone)
    if not len(rows):
        raise errors.InputError(
            f"expected nodes with 1 to {most - 1} neighbours; found none. Raise the limit."
        )
    return Targets(adjacency[rows], rows)


def _weights(weights, count: int) -> np.ndarray:
    if weights is None:
        return np.ones(count)
    found = numeric.real(weights, "weights of edges", ndim=1, dtype=np.float64)
    if len(found) != count:
        raise errors.InputError(
            f"expected a weight for each of {count} edges; found {len(found)}"
        )
    if count and found.min() <= 0:
        place = int(np.argmin(found))
        raise errors.InputError(
            f"weights of edges: expected numbers above 0; found {found[place]:g} at edge "
            f"{place}. Remove the edge, or give it a weight."
        )
    return found


def _adjacency(n, pairs, weights, directed) -> sp.csr_matrix:
    """`[n, n]`: without self loops and, of duplicates, the largest weight."""
    first, second = pairs
    if not directed:
        first, second = np.concatenate([pairs, pairs[::-1]], axis=1)
        weights = np.concatenate([weights, weights])
    keep = first != second
    first, second, weights = first[keep], second[keep], weights[keep]
    order = np.lexsort((-weights, second, first))
    first, second, weights = first[order], second[order], weights[order]
    new = np.ones(len(first), bool)
    new[1:] = (np.diff(first) != 0) | (np.diff(second) != 0)
    values = weights[new].astype(np.float32)
    return sp.csr_matrix((values, (first[new], second[new])), shape=(n, n))


def up(labels: Any, tree: Tree) -> list[Any]:
    """Labels at each level of a tree, coarse to fine; the last are the labels themselves.

    The entry of an instance and a cluster is the sum over the labels inside (Chien et al.
    2022, section 3): how many neighbours the node has in the cluster, or their weights.

    Args:
      labels: `[r, L]` sparse.
      tree: over L labels.

    Raises:
      errors.InputError: a tree over another number of labels.
    """
    found: list[Any] = [sp.csr_matrix(labels)]
    if found[0].shape[1] != tree.sizes[-1]:
        raise errors.InputError(
            f"expected a tree over {found[0].shape[1]} labels; found one over "
            f"{tree.sizes[-1]}"
        )
    for level in range(len(tree.sizes) - 1, 0, -1):
        found.append((found[-1] @ tree.matrix(level)).tocsr())
    for values in found:
        values.sort_indices()
    return found[::-1]
