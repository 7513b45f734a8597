"""Embeddings of domains: close where an edge is (L_g of arXiv:2202.03428, section 3)."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from iclr22 import errors, metrics
from iclr22 import graph as graphs
from iclr22.data import domains

RATE = 0.02  # Adam
STEPS = 1500


class Quality(NamedTuple):
    """How well inner products of embeddings reconstruct the edges."""

    cross_entropy: float  # mean over pairs, nats
    auc: float


def fit_embedding(
    graph, dimensions: int = 2, *, fixed=None, seed: int = 0, restarts: int = 3
) -> np.ndarray:
    """Embeddings `[N, dimensions]` of a graph of N domains; the best of some restarts.

    Args:
      graph: `jraph.GraphsTuple`, both directions of every edge, weights in 0..1.
      fixed: embeddings `[m, dimensions]` of the first m domains, which stay as they are:
        to insert new domains after training.

    Raises:
      errors.InputError: fewer than two domains, or `fixed` has another shape.
    """
    adjacency = domains.adjacency(graph)
    n = graphs.size(graph.nodes)
    fixed = np.zeros((0, dimensions)) if fixed is None else np.asarray(fixed)
    if n < 2 or dimensions < 1 or fixed.ndim != 2 or len(fixed) > n:
        raise errors.InputError(
            f"expected two domains or more, a dimension of at least 1 and at most {n} "
            f"fixed embeddings [domains, dimensions]; found {n} domains, {dimensions} "
            f"dimensions and fixed embeddings {list(fixed.shape)}"
        )
    if fixed.shape[1] != dimensions:
        raise errors.InputError(
            f"expected fixed embeddings of {dimensions} dimensions; found "
            f"{fixed.shape[1]}"
        )
    free = n - len(fixed)
    keys = jax.random.split(jax.random.key(seed), restarts)
    start = jax.vmap(lambda key: jax.random.normal(key, (free, dimensions)))(keys)
    found, values = _descend(start, jnp.float32(fixed), jnp.asarray(adjacency))
    return np.concatenate([fixed, found[int(np.argmin(values))]]).astype(np.float32)


@jax.jit
def _descend(start, fixed, adjacency):
    """Adam from every start `[restarts, free, t]`: embeddings and losses."""
    optimizer = optax.adam(RATE)

    def objective(z):
        return embedding_loss(jnp.concatenate([fixed, z]), adjacency)

    def update(carry, _):
        z, state = carry
        updates, state = optimizer.update(jax.grad(objective)(z), state)
        return (optax.apply_updates(z, updates), state), None

    def one(z):
        z, _ = jax.lax.scan(update, (z, optimizer.init(z)), None, STEPS)[0]
        return z, objective(z)

    return jax.vmap(one)(start)


def embedding_loss(z, adjacency) -> jax.Array:
    """L_g: mean binary cross-entropy over pairs of domains, nats.

    Args:
      z: `[N, t]`; adjacency: `[N, N]`.
    """
    i, j = jnp.triu_indices(len(z), 1)
    logits = jnp.sum(z[i] * z[j], axis=1)
    return optax.sigmoid_binary_cross_entropy(logits, adjacency[i, j]).mean()


def quality(graph, z) -> Quality:
    """Cross-entropy and AUC of edges from embeddings `[N, t]`; AUC is nan if all pairs
    are alike."""
    adjacency = domains.adjacency(graph)
    i, j = np.triu_indices(len(z), 1)
    linked = adjacency[i, j] > 0
    score = np.sum(np.asarray(z)[i] * np.asarray(z)[j], axis=1)
    alike = linked.all() or not linked.any()
    auc = float("nan") if alike else metrics.auc(score, linked)
    return Quality(float(embedding_loss(jnp.asarray(z), jnp.asarray(adjacency))), auc)
