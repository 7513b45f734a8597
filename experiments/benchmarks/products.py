"""Weighted sums over neighbours written in several ways, and a problem to try them on."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import jraph
import numpy as np

from iclr22 import sparse

WIDTH = 64  # neighbours of a row that are summed in one piece when they are padded


class Problem(NamedTuple):
    """Entries of a square matrix, sorted by row, and the dense operand."""

    rows: np.ndarray  # [entries]
    columns: np.ndarray  # [entries]
    values: np.ndarray  # [entries]
    x: np.ndarray  # [n, k]


def problem(nodes: int, edges: int, features: int) -> Problem:
    """A random graph whose share of nodes with d edges falls like d^-2.5.

    Both directions of an edge are present and have weights of their own, scaled so that
    no singular value is above 1: a product can be repeated.
    """
    rng = np.random.default_rng(0)
    chance = (np.arange(nodes) + 10.0) ** (-2 / 3)
    chance = rng.permutation(chance / chance.sum())
    ends = rng.choice(nodes, (2, edges // 2), p=chance)
    rows, columns = np.concatenate([ends, ends[::-1]], axis=1)
    order = np.lexsort((columns, rows))
    rows, columns = rows[order], columns[order]
    values = rng.uniform(0.5, 1.5, len(rows))
    across, down = (np.bincount(i, values, nodes) for i in (rows, columns))
    values /= np.sqrt(across[rows] * down[columns])
    x = rng.normal(size=(nodes, features))
    return Problem(
        rows=rows.astype(np.int32),
        columns=columns.astype(np.int32),
        values=values.astype(np.float32),
        x=x.astype(np.float32),
    )


# Formulations: what is prepared on the host, and the product `(prepared, x) -> A x`.


def product(p: Problem):
    """`iclr22.sparse.product`: compressed rows, in both orders."""
    prepared = p.values, sparse.plan(p.rows, p.columns, (len(p.x), len(p.x)))

    def multiply(prepared, x):
        values, plan = prepared
        return sparse.product(values, plan, x)

    return prepared, multiply


def segment_sum(p: Problem):
    """`jax.ops.segment_sum` of messages sorted by receiver."""
    prepared = p.values, p.rows, p.columns

    def multiply(prepared, x):
        values, rows, columns = prepared
        return sparse.segment_product(values, rows, columns, x, len(x))

    return prepared, multiply


def jraph_segment_sum(p: Problem):
    """As `jraph.GraphConvolution` does it, edges in random order."""
    order = np.random.default_rng(1).permutation(len(p.rows))
    prepared = p.values[order], p.rows[order], p.columns[order]

    def multiply(prepared, x):
        values, receivers, senders = prepared
        return jraph.segment_sum(values[:, None] * x[senders], receivers, len(x))

    return prepared, multiply


def padded(p: Problem):
    """Rows of like degree padded to the same width; one gather per neighbour."""
    order = np.lexsort((p.rows, p.columns))
    transposed = p.columns[order], p.rows[order], p.values[order]
    prepared = _table(p.rows, p.columns, p.values, len(p.x))
    prepared = prepared, _table(*transposed, len(p.x))

    @jax.custom_vjp
    def multiply(prepared, x):
        return _gather(prepared[0], x)

    def forward(prepared, x):
        return multiply(prepared, x), prepared

    def backward(prepared, cotangent):
        return None, _gather(prepared[1], cotangent)

    multiply.defvjp(forward, backward)
    return prepared, multiply


class _Table(NamedTuple):
    """Rows cut into pieces of at most `WIDTH` entries, pieces in buckets of one width."""

    buckets: list  # (columns [width, pieces], values [width, pieces]), padded with 0
    first: np.ndarray  # [n], where the first piece of a row is; 0 if it has none
    rows: np.ndarray  # [further pieces], the rows that they belong to
    further: np.ndarray  # [further pieces], where they are


def _table(rows, columns, values, n) -> _Table:
    degree = np.bincount(rows, minlength=n)
    pieces = -(-degree // WIDTH)
    owner = np.repeat(np.arange(n), pieces)
    number = np.arange(len(owner)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    low = (np.cumsum(degree) - degree)[owner] + WIDTH * number
    count = np.minimum(degree[owner] - WIDTH * number, WIDTH)
    where, buckets = np.zeros(len(owner), np.int32), []
    done = 1  # place 0 is a row of zeros
    for width in 2 ** np.arange(WIDTH.bit_length()):
        chosen = np.flatnonzero((count > width // 2) & (count <= width))
        where[chosen] = done + np.arange(len(chosen))
        done += len(chosen)
        lane = np.arange(width)[:, None]
        entry = np.minimum(low[chosen] + lane, len(rows) - 1)
        weights = np.where(lane < count[chosen], values[entry], 0)
        buckets.append((columns[entry], weights))
    first, start = np.zeros(n, np.int32), number == 0
    first[owner[start]] = where[start]
    return _Table(buckets, first, owner[~start].astype(np.int32), where[~start])


def _gather(table: _Table, x):
    parts = [jnp.zeros_like(x[:1])]
    for columns, values in table.buckets:
        terms = (
            weight[:, None] * x[index]
            for index, weight in zip(columns, values, strict=True)
        )
        parts.append(functools.reduce(jnp.add, terms))
    parts = jnp.concatenate(parts)
    return parts[table.first].at[table.rows].add(parts[table.further])


class Formulation(NamedTuple):
    """How to prepare a product, and what it needs forward and backward."""

    make: Callable | None  # None: not in JAX
    dense: int  # arrays [n, k]
    messages: int  # arrays [entries, k]
    entries: int  # arrays [entries]

    def gib(self, nodes, edges, features) -> float:
        """About this much memory on top of the problem."""
        rows = self.dense * nodes + self.messages * edges
        return 4 * (rows * features + self.entries * edges) / 2**30


FORMULATIONS = {
    "scipy": Formulation(None, 3, 0, 4),
    "product": Formulation(product, 3, 0, 12),
    "padded": Formulation(padded, 6, 0, 12),
    "segment_sum": Formulation(segment_sum, 3, 1, 6),
    "jraph": Formulation(jraph_segment_sum, 3, 1, 6),
}
