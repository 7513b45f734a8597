"""Adam that looks at touched rows only: for tables of which a batch uses a few rows.

A table is a pytree of arrays that share their first axis. A step takes the rows that the
batch refers to out of it, together with their moments, and puts them back; no other row
moves, and a step costs what its rows cost. Dense Adam would go on moving rows along old
moments. Corrections of the moments count all steps, as in the sparse optimiser that PECOS
calls, not the visits of a row.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

BETAS = (0.9, 0.999)
EPSILON = 1e-8


class Moments(NamedTuple):
    """Running means of gradients and of their squares, each like the table."""

    mean: Any
    square: Any


class Touched(NamedTuple):
    """Which rows a batch refers to."""

    rows: jax.Array  # [r] int32, ascending; beyond those there are, the table's length
    place: jax.Array  # [length] int32, of a touched row in `rows`


def start(table) -> Moments:
    """Moments of a table that has not moved."""
    zeros = jax.tree.map(jnp.zeros_like, table)
    return Moments(zeros, jax.tree.map(jnp.copy, zeros))


def touched(numbers, used, length: int) -> Touched:
    """Rows that `numbers` refer to where `used`; each once.

    Args:
      numbers: int, of any shape, rows of a table; of all devices.
      used: bool, of the same shape.
      length: rows of the table.
    """
    most = min(numbers.size, length)
    where = jnp.where(used, numbers, length).ravel()
    seen = jnp.zeros(length, bool).at[where].set(True, mode="drop")
    (rows,) = jnp.nonzero(seen, size=most, fill_value=length)
    place = jnp.maximum(jnp.cumsum(seen, dtype=jnp.int32) - 1, 0)
    return Touched(rows.astype(jnp.int32), place)


def take(table, rows):
    """The rows `[r]` of a table; zeros beyond it."""
    return jax.tree.map(
        lambda x: jnp.take(x, rows, axis=0, mode="fill", fill_value=0), table
    )


def update(table, moments: Moments, rows, gradients, rate, step):
    """`(table, moments)` after one step of the rows.

    Args:
      rows: `[r]` of `Touched`.
      gradients: like `take(table, rows)`.
      rate: learning rate of this step.
      step: number of steps before it.
    """

    def one(x, mean, square, gradient):
        old, was, was_square = take((x, mean, square), rows)
        now, now_square, change = _adam(was, was_square, gradient, rate, step)
        new = old - change, now, now_square
        whole = zip((x, mean, square), new, strict=True)
        return tuple(a.at[rows].set(b, mode="drop") for a, b in whole)

    leaves, structure = jax.tree.flatten(table)
    parts = (structure.flatten_up_to(x) for x in (*moments, gradients))
    found = [one(*given) for given in zip(leaves, *parts, strict=True)]
    table, mean, square = (structure.unflatten(x) for x in zip(*found, strict=True))
    return table, Moments(mean, square)


def _adam(mean, square, gradient, rate, step):
    """`(mean, square, what to take off)` (Kingma and Ba, ICLR 2015, algorithm 1)."""
    mean = BETAS[0] * mean + (1 - BETAS[0]) * gradient
    square = BETAS[1] * square + (1 - BETAS[1]) * gradient**2
    count = step + 1.0
    first, second = mean / (1 - BETAS[0] ** count), square / (1 - BETAS[1] ** count)
    return mean, square, rate * first / (jnp.sqrt(second) + EPSILON)
