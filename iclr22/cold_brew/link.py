"""Link prediction: pairs to train on, pairs to rank, and the two numbers of it.

A pair is scored by the dot product of its two embeddings. Sampling is host work, and
every pair is unordered; negatives are never edges of the full graph.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from iclr22 import errors, graph


class Links(NamedTuple):
    """Pairs of nodes: `positives` `[p, 2]` int32, edges; `negatives` `[m, 2]`, none."""

    positives: np.ndarray
    negatives: np.ndarray


class Ranking(NamedTuple):
    """Edges to be ranked: `positives` `[p, 2]` int32; `negatives` `[p, m, 2]`.

    The negatives of a pair keep its first node: which of these is its neighbour?
    """

    positives: np.ndarray
    negatives: np.ndarray


def sample_links(
    training, allowed, positives: int = 200, negatives: int = 200, *, rng, full=None
) -> Links:
    """Edges and non-edges among some nodes, to train on; drawn without replacement.

    Args:
      training: `jraph.GraphsTuple` that positives come from.
      allowed: `[n]` bool, both ends are in it (the training nodes).
      positives: edges wanted; fewer if there are fewer.
      negatives: non-edges wanted.
      rng: `np.random.Generator`.
      full: graph that negatives are no edge of; `training` if not given. Give the graph
        before isolation, or hidden edges become negatives.

    Raises:
      errors.InputError: no edge, or not enough non-edges, among these nodes.

    Source: arXiv:2111.04840, section 4.4 (numbers: the authors' code).
    """
    allowed = np.asarray(allowed, bool)
    found = _sample(_codes(training, allowed), positives, rng)
    edges = _codes(training if full is None else full, allowed)
    nodes = np.flatnonzero(allowed)
    total = len(nodes) * (len(nodes) - 1) // 2
    if total - len(edges) < negatives:
        raise errors.InputError(
            f"expected {negatives} pairs without an edge among {len(nodes)} nodes; "
            f"found {total - len(edges)}. Ask for fewer negatives."
        )
    # Edges among the pairs drawn are lost. Few are, but with as many more pairs as there
    # are edges the second attempt cannot fail.
    for extra in (negatives, len(edges)):
        drawn = rng.choice(total, min(negatives + extra, total), replace=False)
        pairs = nodes[_triangle(drawn)]
        pairs = pairs[~_contains(edges, _code(pairs, len(allowed)))]
        if len(pairs) >= negatives:
            break
    return Links(_pairs(found, len(allowed)), pairs[:negatives].astype(np.int32))


def sample_test_links(
    full, allowed, positives: int = 200, negatives: int = 20, *, rng, training=None
) -> Ranking:
    """Edges among test nodes, each with non-edges to be ranked against.

    Args:
      full: `jraph.GraphsTuple` with all edges.
      allowed: `[n]` bool, all ends are in it (the test nodes).
      positives: edges wanted; fewer if there are fewer.
      negatives: different non-neighbours per edge.
      rng: `np.random.Generator`.
      training: the isolated graph, if positives are to be the edges it lacks. The first
        node of a pair is then one that lost all its edges.

    Raises:
      errors.InputError: no such edge; not enough non-neighbours of its first node.

    Source: arXiv:2111.04840, section 4.4. Which end the negatives keep is not said
    there; the cold one is the one that somebody wants neighbours for.
    """
    allowed = np.asarray(allowed, bool)
    n = len(allowed)
    edges = _codes(full, allowed)
    wanted = edges
    if training is not None:
        wanted = edges[~_contains(_codes(training, allowed), edges)]
    pairs = _pairs(_sample(wanted, positives, rng), n)
    swap = rng.random(len(pairs)) < 0.5
    if training is not None:
        cold = graph.degrees(training)[pairs] == 0
        swap = np.where(cold[:, 0] == cold[:, 1], swap, cold[:, 1])
    pairs = np.where(swap[:, None], pairs[:, ::-1], pairs)
    others = _non_neighbors(
        edges, pairs[:, 0], np.flatnonzero(allowed), negatives, n, rng
    )
    firsts = np.broadcast_to(pairs[:, :1], others.shape)
    return Ranking(pairs, np.stack([firsts, others], axis=2).astype(np.int32))


def _non_neighbors(edges, firsts, nodes, count, n, rng):
    """`count` different nodes of `nodes` without an edge to each of `firsts`: `[p, count]`.

    Each row reads a window of one random order, wide enough for all its neighbours.
    """
    degrees = np.bincount(_pairs(edges, n).ravel(), minlength=n)
    width = min(len(nodes), count + 1 + degrees[firsts].max())
    starts = rng.integers(0, len(nodes), len(firsts))
    order = rng.permutation(nodes)
    window = order[(starts[:, None] + np.arange(width)) % len(nodes)]
    pairs = np.stack([np.broadcast_to(firsts[:, None], window.shape), window], axis=2)
    barred = _contains(edges, _code(pairs, n)) | (window == firsts[:, None])
    fewest = (~barred).sum(axis=1).min()
    if fewest < count:
        raise errors.InputError(
            f"expected {count} nodes without an edge to each first node; found "
            f"{fewest}. Ask for fewer negatives."
        )
    first_free = np.argsort(barred, axis=1, kind="stable")[:, :count]
    return np.take_along_axis(window, first_free, axis=1)


def score(embeddings, pairs) -> jax.Array:
    """Dot products `[...]` of the embeddings `[n, e]` of pairs `[..., 2]`."""
    ends = embeddings[pairs]
    return jnp.sum(ends[..., 0, :] * ends[..., 1, :], axis=-1)


def bce(scores, targets) -> jax.Array:
    """Binary cross-entropy `[...]` of scores (logits) and targets in 0..1, per pair.

    Source: arXiv:2111.04840, section 4.4.
    """
    return optax.sigmoid_binary_cross_entropy(scores, targets)


def mean_reciprocal_rank(positive_scores, negative_scores) -> float:
    """Mean of one over the rank of a positive among itself and its negatives, percent.

    Args:
      positive_scores: `[p]`.
      negative_scores: `[p, m]`; equal scores count as half a rank each.

    Raises:
      errors.InputError: shapes that do not fit, no pair, NaN.

    Source: arXiv:2111.04840, table 4.
    """
    positive, negative = np.asarray(positive_scores), np.asarray(negative_scores)
    if positive.ndim != 1 or negative.ndim != 2 or len(positive) != len(negative):
        raise errors.InputError(
            f"expected scores [p] and [p, m]; found {positive.shape} and "
            f"{negative.shape}"
        )
    if not len(positive) or np.isnan(positive).any() or np.isnan(negative).any():
        raise errors.InputError("expected scores; found none, or NaN among them")
    above = (negative > positive[:, None]).sum(axis=1)
    equal = (negative == positive[:, None]).sum(axis=1)
    return float(100 * np.mean(1 / (1 + above + equal / 2)))


def _codes(whole, allowed):
    """Unordered edges among allowed nodes, one sorted number each."""
    senders, receivers = whole.senders, whole.receivers
    inside = allowed[senders] & allowed[receivers] & (senders != receivers)
    pairs = np.stack([senders[inside], receivers[inside]], axis=1)
    codes = np.sort(_code(pairs, len(allowed)))  # np.unique takes ten times as long
    return codes[np.diff(codes, prepend=-1) > 0]


def _code(pairs, n):
    first, second = pairs[..., 0], pairs[..., 1]
    low = np.minimum(first, second).astype(np.int64)
    return low * n + np.maximum(first, second)


def _pairs(codes, n):
    return np.stack([codes // n, codes % n], axis=1).astype(np.int32)


def _contains(codes, wanted):
    """Which of `wanted` are among the sorted `codes`."""
    if not len(codes):
        return np.zeros(np.shape(wanted), bool)
    place = np.minimum(np.searchsorted(codes, wanted), len(codes) - 1)
    return codes[place] == wanted


def _sample(codes, count, rng):
    if not len(codes):
        raise errors.InputError("expected edges among these nodes; found none")
    return rng.choice(codes, min(count, len(codes)), replace=False)


def _triangle(numbers):
    """Pairs `(i, j)`, `i < j`, `[m, 2]`, of numbers that count them by j."""
    j = ((1 + np.sqrt(1 + 8 * numbers.astype(float))) // 2).astype(np.int64)
    j -= j * (j - 1) // 2 > numbers
    return np.stack([numbers - j * (j - 1) // 2, j], axis=1)
