"""Features made from features and links, without training."""

from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse as sp

from iclr22 import errors, graph


def adjacency(links) -> Any:
    """Weights of links `[n, n]`, senders in columns; `links` is a graph without padding."""
    edges, n = graph.links(links), graph.size(links.nodes)
    entries = edges.weights, (edges.receivers, edges.senders)
    return sp.csr_matrix(entries, (n, n), dtype=np.float32)


def means(links) -> Any:
    """Adjacency `[n, n]` whose rows sum to 1, or are 0 where a node has no links; entries
    in the order of the links."""
    matrix = adjacency(links)
    inside = np.asarray(matrix.sum(axis=1)).ravel()
    inverse = sp.diags(1 / np.where(inside > 0, inside, 1))
    found = (inverse @ matrix).tocsr().astype(np.float32)
    found.sort_indices()  # a product's rows are in any order
    return found


def symmetric(links, *, loops: bool = True) -> Any:
    """D^-1/2 A D^-1/2 `[n, n]` of a graph; D counts what comes in.

    Args:
      loops: A has an edge of weight 1 from every node to itself; otherwise rows of nodes
        without links are 0.
    """
    matrix = adjacency(links)
    if loops:
        matrix = matrix + sp.identity(matrix.shape[0], format="csr")
    inside = np.asarray(matrix.sum(axis=1)).ravel()
    scale = sp.diags(np.where(inside > 0, 1 / np.sqrt(np.maximum(inside, 1e-12)), 0))
    return (scale @ matrix @ scale).tocsr().astype(np.float32)


def sgc(links, x, hops: int = 2) -> np.ndarray:
    """Features `[n, d]` after so many products with the symmetric adjacency with loops.

    Wu et al., "Simplifying Graph Convolutional Networks", ICML 2019.
    """
    matrix, x = symmetric(links), np.asarray(x, np.float32)
    for _ in range(hops):
        x = matrix @ x
    return x


def two_hop(links, x, how: Literal["mean", "concatenate"] = "mean") -> np.ndarray:
    """Features of a node, the mean of its neighbours', and the mean of their means.

    What the graph adds to given features without any training: the rival that features
    which have learned from the graph have to beat.

    Args:
      how: the mean of the three, `[n, d]`, so that classifiers stay as large; or side by
        side, `[n, 3 d]`. A node without links has its own in all three places.
    """
    if how not in ("mean", "concatenate"):
        raise errors.nearest(how, ("mean", "concatenate"), "way to join")
    mean, x = means(links), np.asarray(x, np.float32)
    mean += sp.diags((np.diff(mean.indptr) == 0).astype(np.float32))
    first = mean @ x
    parts = [x, first, mean @ first]
    if how == "concatenate":
        return np.concatenate(parts, axis=1)
    return (parts[0] + parts[1] + parts[2]) / 3


def correct_and_smooth(
    links, plan, guess, y, train, *, correct: float = 0.8, smooth: float = 0.8, steps=50
):
    """Probabilities `[n, classes]` made better by known labels of neighbours.

    Errors on nodes for training are spread over the graph and taken off, each node's scaled
    to their mean size; then labels are spread. Huang et al., "Combining Label Propagation
    and Simple Models Out-performs Graph Neural Networks", ICLR 2021, with automatic scale.
    Traceable.

    Args:
      links: a graph without loops; plan: of `graph.plan`.
      guess: probabilities `[n, classes]`; y: classes `[n]`; train: bool `[n]`.
      correct, smooth: shares that come from neighbours in the two parts.
      steps: of each.
    """
    share = graph.normalise(links, graph.links(links).weights)
    known = jax.nn.one_hot(y, guess.shape[1])
    train = train[:, None]

    def spread(start, alpha, low):
        def once(_, x):
            near = graph.aggregate(links, share, x, plan=plan)
            return jnp.clip((1 - alpha) * start + alpha * near, low, 1.0)

        return jax.lax.fori_loop(0, steps, once, start)

    error = jnp.where(train, known - guess, 0.0)
    size = jnp.sum(jnp.abs(error)) / jnp.maximum(jnp.sum(train), 1)
    found = spread(error, correct, -1.0)
    own = jnp.sum(jnp.abs(found), axis=1, keepdims=True)
    scale = jnp.where(own > size / 1000, size / jnp.maximum(own, 1e-12), 1.0)
    better = guess + scale * found
    return spread(jnp.where(train, known, better), smooth, 0.0)
