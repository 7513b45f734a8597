"""Sparse times dense, forward and backward at the speed of a compressed-row kernel.

A product needs its entries sorted by row; its gradient needs them sorted by column. A
`Plan`, made once on the host, holds both orders. Why this formulation: see
`experiments/benchmarks/message_passing.py`, which measures it against the others.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

Array = jax.Array | np.ndarray  # on devices, or on the host
LANES = 8  # columns that the kernel of the CPU takes at once; the rest go one by one
WIDE = 64  # from here on the rest does not matter


class Plan(NamedTuple):
    """Where the entries of a matrix `[n, m]` lie, by row and by column; int32 arrays."""

    rows: Array  # [entries], ascending
    columns: Array  # [entries]
    offsets: Array  # [n + 1], where each row starts
    order: Array  # [entries], permutation that sorts by column, then row
    transposed_rows: Array  # [entries], columns[order]
    transposed_columns: Array  # [entries], rows[order]
    transposed_offsets: Array  # [m + 1]


class Sparse(NamedTuple):
    """A sparse matrix: its entries in the order of its plan."""

    values: Array  # [entries]
    plan: Plan

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return len(self.plan.offsets) - 1, len(self.plan.transposed_offsets) - 1


def plan(rows, columns, shape: tuple[int, int]) -> Plan:
    """Host work of a product: `rows` `[entries]` ascending, `columns` `[entries]`."""
    rows, columns = np.asarray(rows, np.int32), np.asarray(columns, np.int32)
    if np.any(np.diff(rows) < 0):
        raise ValueError("the entries must be sorted by row")
    order = np.argsort(columns, kind="stable").astype(np.int32)
    return Plan(
        rows,
        columns,
        _offsets(rows, shape[0]),
        order,
        columns[order],
        rows[order],
        _offsets(columns, shape[1]),
    )


def _offsets(index, size):
    counts = np.bincount(index, minlength=size)
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)


def from_rows(offsets, columns, values, width: int) -> Sparse:
    """A `Sparse` from compressed rows, as scipy's `csr_matrix` holds them."""
    rows = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    shape = (len(offsets) - 1, width)
    return Sparse(np.asarray(values, np.float32), plan(rows, columns, shape))


def take(matrix: Sparse, index) -> Sparse:
    """Rows `index` of a matrix, on the host."""
    index = np.asarray(index)
    start, stop = matrix.plan.offsets[index], matrix.plan.offsets[index + 1]
    counts = stop - start
    offsets = np.concatenate([[0], np.cumsum(counts)])
    where = np.arange(offsets[-1]) + np.repeat(start - offsets[:-1], counts)
    columns = matrix.plan.columns[where]
    return from_rows(offsets, columns, matrix.values[where], matrix.shape[1])


def resize(matrix: Sparse, rows: int) -> Sparse:
    """The matrix with empty rows added at its end, or taken away there."""
    offsets = matrix.plan.offsets[: rows + 1]
    if len(offsets) <= rows:
        offsets = np.pad(offsets, (0, rows + 1 - len(offsets)), mode="edge")
    return matrix._replace(plan=matrix.plan._replace(offsets=offsets))


def to_dense(matrix: Sparse) -> np.ndarray:
    """The matrix as `[n, m]`, on the host; entries in one place add up."""
    dense = np.zeros(matrix.shape, np.float32)
    np.add.at(dense, (matrix.plan.rows, matrix.plan.columns), matrix.values)
    return dense


def matmul(matrix, dense):
    """`matrix @ dense` for a `Sparse` (or an ordinary array) `[n, m]` and `[m, k]`."""
    if isinstance(matrix, Sparse):
        return product(matrix.values, matrix.plan, dense)
    return matrix @ dense


@jax.custom_vjp
def product(values, plan: Plan, dense):
    """Product of the sparse matrix `[n, m]` with `dense` `[m, k]`: `[n, k]`.

    Differentiable in `values` and `dense`.
    """
    return _csr(values, plan.rows, plan.columns, plan.offsets, dense)


def _forward(values, plan, dense):
    return product(values, plan, dense), (values, plan, dense)


def _backward(saved, cotangent):
    values, plan, dense = saved
    towards_dense = _csr(
        values[plan.order],
        plan.transposed_rows,
        plan.transposed_columns,
        plan.transposed_offsets,
        cotangent,
    )
    # Only computed where somebody asks for it: the compiler drops it otherwise.
    towards_values = jnp.sum(cotangent[plan.rows] * dense[plan.columns], axis=1)
    return towards_values, None, towards_dense


product.defvjp(_forward, _backward)


def _csr(values, rows, columns, offsets, dense):
    shape = (len(offsets) - 1, len(dense))

    def kernel(values, rows, columns, offsets, dense):
        from jax.experimental import sparse  # takes a fifth of a second

        del rows
        width = dense.shape[1]
        # A third to a tenth of the time, the same bits.
        if width < WIDE and width % LANES:
            dense = jnp.pad(dense, ((0, 0), (0, -width % LANES)))
        found = sparse.BCSR((values, columns, offsets), shape=shape) @ dense
        return found[:, :width]

    def segments(values, rows, columns, offsets, dense):
        del offsets
        return segment_product(values, rows, columns, dense, shape[0])

    return jax.lax.platform_dependent(
        values, rows, columns, offsets, dense, cpu=kernel, default=segments
    )


def segment_product(values, rows, columns, dense, size: int, *, ascending=True):
    """The same without a plan, `[size, k]`: entries may lie on different devices.

    Args:
      values, rows, columns: `[entries]`; rows ascending unless said otherwise.
    """
    messages = values[:, None] * dense[columns]
    return jax.ops.segment_sum(messages, rows, size, indices_are_sorted=ascending)
