"""Virtual neighbours: the rows of a table most similar to a query, and their mean.

Exact and in bounded memory: tiles of queries by keys, a running list of the best, and
inside a tile only those groups of columns are looked into whose maximum is good enough.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from iclr22 import errors, precision

SIMILARITIES = ("cosine", "dot")
CHUNK = (512, 16384)  # queries, keys: tiles of 32 MiB; 4 to 256 MiB are hardly slower
GROUP = 64  # columns that share one maximum
GATHERED = 2**24  # entries of key rows gathered at once, 64 MiB


class Neighbors(NamedTuple):
    """What `discover_neighbors` finds.

    Attributes:
      indices: `[q, k]` int32, rows of the keys, most similar first; equally similar
        rows in their order.
      weights: `[q, k]`, softmax of the similarities; each row sums to 1.
      values: `[q, e]`, the weighted mean of those rows.
    """

    indices: jax.Array
    weights: jax.Array
    values: jax.Array


def discover_neighbors(
    queries,
    keys,
    k: int,
    similarity: str = "dot",
    *,
    temperature: float = 1.0,
    exclude=None,
    allowed=None,
    chunk: tuple[int, int] = CHUNK,
    approximate: bool = False,
) -> Neighbors:
    """The k most similar rows of `keys` per query, and their convex combination.

    Source: arXiv:2111.04840, equation 4, where similarity is the dot product and the
    temperature 1. Large rows then win for every query; "cosine" (with a temperature
    near 0.1) does not have that bias. No gradient passes.

    Args:
      queries: `[q, e]`; keys: `[n, e]`.
      k: neighbours per query, 1..n.
      similarity: "dot" or "cosine"; a zero row has cosine 0 to everything.
      temperature: similarities are divided by it before the softmax.
      exclude: `[q]` int, a row of the keys that this query must not find (usually
        itself), -1 for none.
      allowed: `[n]` bool, rows that may be found at all (not the isolated nodes).
      chunk: most queries and keys at a time; memory is their product, next to the keys
        and the result.
      approximate: `lax.approx_max_k` per tile at ordinary matrix precision: faster on
        TPU, a few neighbours may be missed.

    Raises:
      errors.InputError: shapes that do not fit, k above the number of rows that may be
        found, a temperature not above 0, values that are not finite (of concrete
        arrays), an unknown similarity.
    """
    rows = None if allowed is None else np.flatnonzero(allowed)
    queries, keys = _float(queries), _float(keys)
    _check(queries, keys, similarity, temperature, allowed, exclude, chunk)
    exclude = np.full(len(queries), -1) if exclude is None else exclude
    if rows is not None:
        place = np.full(len(keys) + 1, -1)  # the last one is that of -1
        place[rows] = np.arange(len(rows))
        place = jnp.asarray(place) if precision.is_traced(exclude) else place
        keys, exclude = keys[rows], place[exclude]
    _check_count(len(keys), exclude, k)
    settings = (k, similarity, _tile(chunk, queries, keys, k), approximate)
    found = _discover(*settings, queries, keys, exclude, temperature)
    if rows is not None:
        found = found._replace(indices=jnp.asarray(rows, jnp.int32)[found.indices])
    return found


def _tile(chunk, queries, keys, k):
    """Queries and keys at a time: no more than there are, k keys at least."""
    gathered = max(GATHERED // (k * keys.shape[1]), 1)
    n_keys = min(max(chunk[1], k), len(keys))
    return max(min(chunk[0], len(queries), gathered), 1), n_keys


@functools.partial(jax.jit, static_argnums=(0, 1, 2, 3))
def _discover(k, similarity, tile, approximate, queries, keys, exclude, temperature):
    queries, keys = lax.stop_gradient((queries, keys))
    if similarity == "cosine":
        queries = _unit(queries)

    def one(inputs):
        some, own = inputs
        scores, indices = _search(
            some, keys, own, k, tile[1], similarity == "cosine", approximate
        )
        weights = jax.nn.softmax(scores / temperature, axis=1)
        values = jnp.einsum("qk,qke->qe", weights, keys[indices])
        return Neighbors(indices, weights, values)

    missing = -len(queries) % tile[0]
    queries = jnp.pad(queries, ((0, missing), (0, 0)))
    exclude = jnp.pad(jnp.asarray(exclude, jnp.int32), (0, missing))
    tiles = (queries.reshape(-1, tile[0], keys.shape[1]), exclude.reshape(-1, tile[0]))
    found = lax.map(one, tiles)
    count = len(queries) - missing
    return jax.tree.map(lambda x: x.reshape(-1, x.shape[-1])[:count], found)


def _search(queries, keys, exclude, k, width, cosine, approximate):
    """The best k scores and rows `[c, k]` of `queries` `[c, e]`, block after block."""
    n = len(keys)
    exact = lax.Precision.DEFAULT if approximate else lax.Precision.HIGHEST

    def block(best, number):
        # The last block overlaps the one before; what was seen there counts as -inf.
        start = jnp.minimum(number * width, n - width)
        some = lax.dynamic_slice_in_dim(keys, start, width)
        some = _unit(some) if cosine else some
        scores = jnp.matmul(queries, some.T, precision=exact)
        column = start + jnp.arange(width, dtype=jnp.int32)
        barred = (column < number * width) | (column == exclude[:, None])
        scores = jnp.where(barred, -jnp.inf, scores)
        top, index = _top(scores, k, approximate)
        top = jnp.concatenate([best[0], top], axis=1)
        index = jnp.concatenate([best[1], start + index.astype(jnp.int32)], axis=1)
        top, chosen = lax.top_k(top, k)
        return (top, jnp.take_along_axis(index, chosen, axis=1)), None

    shape = (len(queries), k)
    start = jnp.full(shape, -jnp.inf, queries.dtype), jnp.zeros(shape, jnp.int32)
    return lax.scan(block, start, jnp.arange(-(-n // width), dtype=jnp.int32))[0]


def _top(scores, k, approximate):
    """`lax.top_k` of `[c, width]`, by way of group maxima where that is faster.

    The k best lie in the k groups of largest maximum. Groups are gathered in their
    order, so ties fall as in `lax.top_k`: the lower column first.
    """
    if approximate:
        return lax.approx_max_k(scores, k)
    width = scores.shape[1]
    if width < 4 * k * GROUP:
        return lax.top_k(scores, k)
    padded = jnp.pad(scores, ((0, 0), (0, -width % GROUP)), constant_values=-jnp.inf)
    _, group = lax.top_k(padded.reshape(len(scores), -1, GROUP).max(axis=2), k)
    column = jnp.sort(group, axis=1)[:, :, None] * GROUP + jnp.arange(GROUP)
    column = column.reshape(len(scores), -1)
    candidates = jnp.take_along_axis(
        scores, column, axis=1, mode="fill", fill_value=-jnp.inf
    )
    top, chosen = lax.top_k(candidates, k)
    return top, jnp.take_along_axis(column, chosen, axis=1)


def _float(x):
    x = jnp.asarray(x)
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))


def _unit(x):
    """Rows of length 1; zero rows stay."""
    square = jnp.sum(x * x, axis=1, keepdims=True)
    return x * jnp.where(square > 0, lax.rsqrt(jnp.where(square > 0, square, 1)), 0)


def _check(queries, keys, similarity, temperature, allowed, exclude, chunk):
    if similarity not in SIMILARITIES:
        raise errors.nearest(similarity, SIMILARITIES, "similarity")
    if queries.ndim != 2 or keys.ndim != 2 or queries.shape[1] != keys.shape[1]:
        raise errors.InputError(
            f"expected queries [q, e] and keys [n, e]; found {queries.shape} and "
            f"{keys.shape}"
        )
    for name, mask, length in (
        ("allowed", allowed, len(keys)),
        ("exclude", exclude, len(queries)),
    ):
        if mask is not None and np.shape(mask) != (length,):
            raise errors.InputError(
                f"expected {name} [{length}]; found {np.shape(mask)}"
            )
    if min(chunk) < 1:
        raise errors.InputError(f"expected a chunk of at least 1; found {chunk}")
    if not precision.is_traced(temperature) and not temperature > 0:
        raise errors.InputError(f"expected a temperature above 0; found {temperature}")
    for name, array in (("queries", queries), ("keys", keys)):
        if not precision.is_traced(array) and not _is_finite(array):
            raise errors.InputError(
                f"{name} hold NaN or infinity; find out why the model produced them"
            )


def _is_finite(array):
    with jax.ensure_compile_time_eval():  # a constant of a function being traced
        return bool(jnp.isfinite(array).all())


def _check_count(n, exclude, k):
    """k rows are left for every query; traced `exclude` counts as one row."""
    if precision.is_traced(exclude):
        available = n - 1
    else:
        available = n - bool(np.any(np.asarray(exclude) >= 0))
    if not 1 <= k <= available:
        raise errors.InputError(
            f"expected k in 1..{available}, the rows that may be found; found {k}"
        )
