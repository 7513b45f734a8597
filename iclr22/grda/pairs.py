"""The graph discriminator's loss: does an edge join the domains of two samples?

Slot b of a batch `[slots, N, ...]` holds one sample of each of the N domains, and samples
of one slot are compared.
"""

import jax
import jax.numpy as jnp
import jraph
import optax
from jax.scipy.stats import rankdata

from iclr22 import graph as graphs
from iclr22 import parallel


def dense(graph: jraph.GraphsTuple) -> jax.Array:
    """Edge weights of a GraphsTuple of N domains as a matrix `[N, N]`, on the device."""
    # Domains are tens, and the loss looks at all pairs of them, linked or not: a matrix is
    # what it needs, and smaller than the logits of the pairs in a single slot of a batch.
    n, links = graphs.size(graph.nodes), graphs.links(graph)
    weights = jnp.asarray(links.weights, jnp.float32)
    return jnp.zeros((n, n)).at[links.senders, links.receivers].set(weights)


def pair_loss(d, adjacency) -> jax.Array:
    """Binary cross-entropy of edges from inner products, `[slots]` (section 2.3).

    The mean over linked pairs and the mean over the others count half each; a kind of
    which there is no pair is left out (the released code divides by zero).

    Args:
      d: what D says, `[slots, v, k]`.
      adjacency: `[v, v]` with weights in 0..1, which are soft targets.
    """
    v = d.shape[1]
    logits = jnp.einsum("bik,bjk->bij", d, d)
    above = jnp.triu(jnp.ones((v, v)), 1)
    linked = above * (adjacency > 0)
    values = optax.sigmoid_binary_cross_entropy(logits, adjacency)

    def mean_over(pairs):
        return jnp.einsum("bij,ij->b", values, pairs / jnp.maximum(pairs.sum(), 1))

    return (mean_over(linked) + mean_over(above - linked)) / 2


def discriminator_loss(d, adjacency, vertices=None) -> jax.Array:
    """L_D of GRDA per slot, `[slots]` (section 2.3).

    Where D knows nothing it is N ln 2, or half of that if all pairs are linked or none is.

    Args:
      d: what D says of one sample of each domain, `[slots, N, k]`.
      adjacency: `[N, N]`, symmetric, weights in 0..1.
      vertices: domains to compare, `[v]`; all if None.
    """
    d, adjacency = jnp.asarray(d), jnp.asarray(adjacency)
    domains = adjacency.shape[0]
    if vertices is not None:
        d, adjacency = d[:, vertices], adjacency[vertices][:, vertices]
    return domains * pair_loss(d, adjacency)


def edge_auc(d, adjacency) -> jax.Array:
    """How well inner products tell linked pairs from others, AUC per slot `[slots]`;
    ties count half."""
    i, j = jnp.triu_indices(adjacency.shape[0], 1)
    logits = jnp.einsum("bpk,bpk->bp", d[:, i], d[:, j])
    ranks = rankdata(logits, axis=1)
    linked = (adjacency[i, j] > 0).astype(logits.dtype)
    ones, zeros = linked.sum(), (1 - linked).sum()
    above = ranks @ linked - ones * (ones + 1) / 2
    return jnp.where(ones * zeros > 0, above / jnp.maximum(ones * zeros, 1), 0.5)


def sample_subgraph(key, adjacency, size: int) -> jax.Array:
    """Domains to compare in one step, `[size]` without repeats (section 2.3).

    With probability one half uniform; otherwise self-avoiding random walks, each from a
    random domain on until it is stuck, one after the other.
    """
    adjacency = jnp.asarray(adjacency)
    domains = adjacency.shape[0]
    coin, uniform, walk = jax.random.split(key, 3)
    permuted = jax.random.permutation(uniform, domains)[:size]
    walked = random_walks(walk, adjacency, size)
    return jnp.where(jax.random.bernoulli(coin), permuted, walked)


def random_walks(key, adjacency, size: int) -> jax.Array:
    """`[size]` domains in the order in which self-avoiding walks reach them."""
    adjacency = jnp.asarray(adjacency)
    domains = adjacency.shape[0]

    def move(carry, key):
        here, free = carry
        near = free & (adjacency[here] > 0)
        open_ = jnp.where(near.any(), near, free)  # stuck: start anew
        to = jax.random.categorical(key, jnp.where(open_, 0.0, -jnp.inf))
        return (to, free.at[to].set(False)), to

    first = jax.random.randint(key, (), 0, domains)
    free = jnp.ones(domains, bool).at[first].set(False)
    keys = jax.random.split(jax.random.fold_in(key, 1), size - 1)
    return jnp.append(first, jax.lax.scan(move, (first, free), keys)[1])


def match(key, labels, weight, d, axis_name):
    """Reorder slots so that samples of one class share them; `(d, weight)`, reordered.

    Args:
      labels: classes `[slots, N]`, known or guessed; d: `[slots, N, k]`.
      weight: of slots `[slots]`; padding goes last in every domain alike.

    Of the reordered slots of all devices each keeps its share.
    """
    own = len(weight)
    labels, weight, d = (
        parallel.gather(jnp.asarray(a), axis_name) for a in (labels, weight, d)
    )
    shuffled = jax.random.uniform(key, labels.shape)
    order = jnp.argsort(
        jnp.where(weight[:, None] > 0, labels + shuffled, jnp.inf), axis=0
    )
    d = jnp.take_along_axis(d, order[:, :, None], axis=0)
    weight = weight[jnp.argsort(-(weight > 0).astype(jnp.float32), stable=True)]
    if axis_name is None:
        return d, weight
    start = own * jax.lax.axis_index(axis_name)
    return tuple(jax.lax.dynamic_slice_in_dim(a, start, own) for a in (d, weight))
