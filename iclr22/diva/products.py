"""Products of a tall matrix with itself: half is enough, in pieces that suit a cache."""

import jax
import jax.numpy as jnp

BLOCK = 256  # symmetric products stop halving below this width
ROWS = 1000  # of a chunk that products of many rows go by: it stays in the cache


def symmetric_product(x, weights):
    """`x' diag(weights) x` for x `[n, m]`, computing each mirrored block once."""
    m = x.shape[1]
    if m <= BLOCK:
        return x.T @ (weights[:, None] * x)
    left, right = x[:, : m // 2], x[:, m // 2 :]
    cross = left.T @ (weights[:, None] * right)
    return jnp.block(
        [
            [symmetric_product(left, weights), cross],
            [cross.T, symmetric_product(right, weights)],
        ]
    )


def quadratic_form(x, matrix):
    """`x_i' matrix x_i` for every row of x `[n, m]`, matrix symmetric; result `[n]`."""
    m = x.shape[1]
    if m <= BLOCK:
        return jnp.sum((x @ matrix) * x, axis=1)
    h = m // 2
    left, right = x[:, :h], x[:, h:]
    cross = jnp.sum((left @ matrix[:h, h:]) * right, axis=1)
    return (
        quadratic_form(left, matrix[:h, :h])
        + quadratic_form(right, matrix[h:, h:])
        + 2 * cross
    )


def in_chunks(x, weights):
    """`symmetric_product` as a sum over chunks of rows that stay in the cache."""
    if len(x) < 2 * ROWS:
        return symmetric_product(x, weights)

    def add(total, rows):
        return total + symmetric_product(*rows), None

    zeros = jnp.zeros((x.shape[1], x.shape[1]), x.dtype)
    return jax.lax.scan(add, zeros, (_chunks(x), _chunks(weights)))[0]


def by_rows(function, x):
    """A function of rows `[n, m]`, for chunks of them, one after the other."""
    if len(x) < 2 * ROWS:
        return function(x)
    found = jax.lax.map(function, _chunks(x))
    return found.reshape(-1, *found.shape[2:])[: len(x)]


def _chunks(x):
    """`[chunks, ROWS, ...]` of an array `[n, ...]`, zeros at the end."""
    extra = -len(x) % ROWS
    x = jnp.pad(x, ((0, extra), *((0, 0),) * (x.ndim - 1)))
    return x.reshape(-1, ROWS, *x.shape[1:])
