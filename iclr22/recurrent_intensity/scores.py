"""Scores S(x, y) of user states and items: of low rank, evaluated block by block.

An item model times an activity model, S(x, y) = lambda(x) p(y | x) (Ma, Liu and Deoras,
ICLR 2022, OpenReview TZeArecH2Nf): the rate never changes the order of a row, but makes
rows comparable, so that columns can be ranked. A pair that must not be chosen (the item
is in the history of x) has the score `EXCLUDED`.
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from iclr22 import errors, numeric

EXCLUDED = -1e10  # score of a pair that must not be chosen, as in the released code
BLOCK = 1 << 24  # pairs evaluated at once: 64 MiB of float32
DENSE = 1 << 26  # pairs that `dense` is ready to return

Array = jax.Array | np.ndarray

LINKS = {
    "exp": jnp.exp,
    "softplus": jax.nn.softplus,
    "sigmoid": jax.nn.sigmoid,
    "identity": lambda z: z,
}


class Scores(NamedTuple):
    """S(x, y) = rate[x] * link(rows[x] . columns[y] + row_bias[x] + column_bias[y]).

    A pytree whose link is static, so it goes through `jax.jit` as an argument.
    """

    rows: Array  # float32 [x, d]
    columns: Array  # float32 [y, d]
    row_bias: Array  # [x]; softmax: minus logsumexp over all training tokens
    column_bias: Array  # [y]; -inf: the item is unknown, its score is 0
    rate: Array  # [x], activity lambda(x); ones for a plain item model
    link: str  # exp, softplus, sigmoid or identity
    # int32 [x, longest], excluded columns, -1 is padding
    seen: Array | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of user states and items."""
        return np.shape(self.rows)[0], np.shape(self.columns)[0]


jax.tree_util.register_pytree_node(
    Scores,
    lambda s: ((*s[:5], s.seen), s.link),
    lambda link, leaves: Scores(*leaves[:5], link, leaves[5]),
)


def block(scores: Scores, start, size: int) -> jax.Array:
    """Scores of `size` rows from `start` on, float32 `[size, y]`; for use inside jit.

    Excluded pairs, and all of the rows past the end, are `EXCLUDED`.
    """
    place = start + jnp.arange(size)
    s = at_rows(scores, jnp.minimum(place, scores.shape[0] - 1))
    return jnp.where((place < scores.shape[0])[:, None], s, EXCLUDED)


def at_rows(scores: Scores, rows) -> jax.Array:
    """Scores of these rows, float32 `[len(rows), y]`; for use inside jit."""

    def take(x):
        return jnp.asarray(x)[rows]

    product = jnp.matmul(take(scores.rows), scores.columns.T, precision="highest")
    z = product + take(scores.row_bias)[:, None] + scores.column_bias
    s = take(scores.rate)[:, None] * LINKS[scores.link](z)
    s = jnp.where(jnp.isneginf(scores.column_bias), 0.0, s).astype(jnp.float32)
    if scores.seen is None:
        return s
    seen = take(scores.seen)
    seen = jnp.where(seen < 0, scores.shape[1], seen)  # past the end: dropped
    at = jnp.arange(len(rows))[:, None], seen
    return s.at[at].set(EXCLUDED, mode="drop")


def allowed(s: Any) -> Any:
    """Which entries of a block are not excluded."""
    return s > EXCLUDED / 2


def height(scores: Scores) -> int:
    """Rows of a block of at most `BLOCK` pairs."""
    x, y = scores.shape
    return max(1, min(x, BLOCK // y))


def real(scores: Scores) -> Scores:
    """The scores in floating-point numbers that can be computed with: bytes, halves and
    lists become float32."""
    names = ("rows", "columns", "row_bias", "column_bias", "rate")
    return scores._replace(**{x: _real(getattr(scores, x), x) for x in names})


def _real(values, name):
    if getattr(values, "dtype", None) in (np.float32, np.float64):
        return values
    return numeric.real(values, f"scores.{name}", dtype=np.float32, finite=False)


def blocks(scores: Scores) -> tuple[Scores, int, range]:
    """The scores on the device, the height of a block and the first rows of all."""
    scores = real(scores)
    size = height(scores)
    return jax.device_put(scores), size, range(0, scores.shape[0], size)


def check(scores: Scores) -> Scores:
    """The scores, if their shapes agree and their numbers make scores.

    Raises:
      errors.InputError: an unknown link; shapes that differ; numbers that are NaN or
        infinite (but for a column bias of -inf); a negative rate; a seen column that is
        not there.
    """
    if scores.link not in LINKS:
        raise errors.nearest(scores.link, LINKS, "link")
    scores = real(scores)
    x, y = scores.shape
    if x == 0 or y == 0:
        raise errors.InputError(f"expected scores of users and items; found {x} x {y}")
    d = scores.rows.shape[1]
    shapes = {"columns": (y, d), "row_bias": (x,), "column_bias": (y,), "rate": (x,)}
    for name, shape in shapes.items():
        if np.shape(getattr(scores, name)) != shape:
            raise errors.InputError(
                f"expected scores.{name} of shape {list(shape)}; found "
                f"{list(np.shape(getattr(scores, name)))}"
            )
    for name in ("rows", *shapes):
        _check_numbers(name, np.asarray(getattr(scores, name)))
    if scores.seen is not None:
        _check_seen(scores, np.asarray(scores.seen))
    return scores


def _check_numbers(name, values):
    good = np.isfinite(values) | ((name == "column_bias") & np.isneginf(values))
    good &= (name != "rate") | (values >= 0)
    if not good.all():
        place = tuple(map(int, np.argwhere(~good)[0]))
        wanted = "a number of at least 0" if name == "rate" else "a finite number"
        raise errors.InputError(
            f"scores.{name}: expected {wanted}; found {values[place]} in row {place[0]}."
            " Look for diverged training or bad input of the model."
        )


def _check_seen(scores, seen):
    x, y = scores.shape
    if seen.ndim != 2 or len(seen) != x or seen.dtype.kind not in "iu":
        raise errors.InputError(
            f"expected seen columns as integers [{x}, longest]; found {seen.dtype} "
            f"{list(seen.shape)}"
        )
    bad = np.argwhere((seen >= y) | (seen < -1))
    if len(bad):
        raise errors.InputError(
            f"expected seen columns of -1 (padding) to {y - 1}; found "
            f"{seen[tuple(bad[0])]} in row {bad[0][0]}"
        )


def dense(scores: Scores, limit: int = DENSE) -> np.ndarray:
    """All scores, float32 `[x, y]`; for small cases.

    Raises:
      errors.InputError: there are more than `limit` pairs.
    """
    x, y = scores.shape
    if x * y > limit:
        raise errors.InputError(
            f"expected at most {limit:,} pairs to store; found {x:,} x {y:,}. Use "
            "top_items, top_users or expected, which work in blocks."
        )
    scores, size, starts = blocks(scores)
    return np.concatenate([_block(scores, i, size) for i in starts])[:x]


_block = jax.jit(block, static_argnums=2)


def with_rate(scores: Scores, rate) -> Scores:
    """The item model times an activity model: S(x, y) = rate[x] p(y | x).

    Args:
      rate: lambda(x) `[x]`, at least 0.

    Raises:
      errors.InputError: as `check`.
    """
    scores = real(scores)
    rate = np.asarray(_real(rate, "rate"), np.float32)
    new = check(scores._replace(rate=rate))
    return new._replace(rate=np.asarray(scores.rate) * new.rate)


def exclude(scores: Scores, seen) -> Scores:
    """The scores without these columns `[x, longest]` (-1 is padding) of each row."""
    seen = np.asarray(seen)
    _check_seen(scores, seen)
    if scores.seen is not None:
        seen = np.concatenate([np.asarray(scores.seen), seen], axis=1)
    return scores._replace(seen=seen.astype(np.int32))


def take_columns(scores: Scores, index) -> Scores:
    """Scores of these columns, each at most once, in this order; -1: an unknown item."""
    index = np.asarray(index)
    known = index >= 0
    bias = np.where(known, np.asarray(scores.column_bias)[index], -np.inf)
    seen = scores.seen
    if seen is not None:
        place = np.full(scores.shape[1] + 1, -1, np.int32)  # the last one: of padding
        place[index[known]] = np.flatnonzero(known)
        seen = place[np.asarray(seen)]
    columns = np.asarray(scores.columns)[index]
    return scores._replace(
        columns=columns, column_bias=bias.astype(np.float32), seen=seen
    )


def maximum(scores: Scores) -> float:
    """Largest score of a pair that is not excluded; -inf if there is none."""
    scores, size, starts = blocks(scores)
    return max(float(_maximum(scores, i, size)) for i in starts)


@functools.partial(jax.jit, static_argnums=2)
def _maximum(scores, start, size):
    s = block(scores, start, size)
    return jnp.max(jnp.where(allowed(s), s, -jnp.inf))


def expected(scores: Scores) -> tuple[np.ndarray, np.ndarray]:
    """Sums over pairs that are not excluded, by user `[x]` and by item `[y]`, float64.

    With a rate per horizon and a softmax these are expected counts in the horizon.
    """
    x, y = scores.shape
    scores, size, starts = blocks(scores)
    by_user, by_item = [], np.zeros(y)
    for start in starts:
        users, items = _sums(scores, start, size)
        by_user.append(np.asarray(users, np.float64))
        by_item += np.asarray(items, np.float64)
    return np.concatenate(by_user)[:x], by_item


@functools.partial(jax.jit, static_argnums=2)
def _sums(scores, start, size):
    s = block(scores, start, size)
    s = jnp.where(allowed(s), s, 0.0)
    return s.sum(1), s.sum(0)
