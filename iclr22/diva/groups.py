"""Leaving several rows out at once: groups of examples, or the outputs of a network.

With block b left out, `u_b = (I - S_bb D_b)^-1 E_b`. Two cases share that algebra: a
group of examples whose k outputs are independent, and one example of a linearized
network whose k outputs share a parameter vector (arXiv:2111.09785, section 3.1; block
form derived here, checked against retraining in the tests).
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from iclr22 import errors, numeric, precision
from iclr22.diva import checks, ridge


def member_table(ids, n: int) -> np.ndarray:
    """Row indices of each group, `[groups, largest group]`, padded with n."""
    ids = np.asarray(ids)
    if ids.shape != (n,):
        raise errors.InputError(
            f"expected one group id per row, [{n}]; found {ids.shape}"
        )
    _, group, counts = np.unique(ids, return_inverse=True, return_counts=True)
    order = np.argsort(group, kind="stable")
    column = np.arange(n) - np.repeat(np.cumsum(counts) - counts, counts)
    table = np.full((len(counts), counts.max()), n, np.int32)
    table[group[order], column] = order
    return table


def leave_group_out(smoother, targets, weights, validation_weights, members, loss):
    """`(predictions [n, k], derivative [n])` of leaving whole groups out.

    Args:
      smoother: `ridge.Smoother` of the n rows.
      targets: `[n, k]`; weights, validation_weights: `[n]`.
      members: `[groups, size]` from `member_table`.
      loss: per-example loss.
    """

    def gradient_of(left_out, rows):
        weight = validation_weights.at[rows].get(mode="fill", fill_value=0)
        target = targets.at[rows].get(mode="fill", fill_value=0)
        gradient = jax.vmap(jax.grad(loss))(target - left_out, target)
        return weight[:, None] * gradient

    left_out, g = _leave_blocks_out(smoother, targets, weights, members, gradient_of)
    return targets - left_out, g


def leave_coupled_out(smoother, targets, row_weights, validation_weights, loss):
    """`(predictions [n, k], derivative [n])`, the k outputs of an example coupled.

    Args:
      smoother: `ridge.Smoother` of the n k rows (example-major).
      targets: `[n, k]`; row_weights: `[n k]`; validation_weights: `[n]`.
      loss: per-example loss.
    """
    n, k = targets.shape
    rows = jnp.arange(n * k).reshape(n, k)

    def gradient_of(left_out, rows):
        target = targets[rows[0] // k]
        gradient = jax.grad(loss)(target - left_out[:, 0], target)
        return validation_weights[rows[0] // k] * gradient[:, None]

    left_out, g = _leave_blocks_out(
        smoother, targets.reshape(-1, 1), row_weights, rows, gradient_of
    )
    return targets - left_out.reshape(n, k), g.reshape(n, k).sum(1)


def _leave_blocks_out(smoother, targets, weights, members, gradient_of):
    """Left-out residuals `[n, c]` and derivative `[n]`, one block after the other.

    With R = M' G, M = (I - S_bb D_b)^-1:
    `g_j = <E_j, (S R)_j> + sum_b <S_jb R_b, S_jb D_b u_b> - <(S_bb R_b)_j, u_j>`.
    """
    n, c = targets.shape
    residuals = smoother.residuals(targets)
    size = members.shape[1]
    pick = {"mode": "fill", "fill_value": 0}

    def step(carry, rows):
        left_out, derivative = carry
        indicator = jnp.zeros((n, size), targets.dtype)
        indicator = indicator.at[rows, jnp.arange(size)].set(1, mode="drop")
        columns = smoother.matmul(indicator)
        block = columns.at[rows].get(**pick)
        weight = weights.at[rows].get(**pick)
        kept = jnp.eye(size, dtype=targets.dtype) - block * weight
        u = jnp.linalg.solve(kept, residuals.at[rows].get(**pick))
        r = jnp.linalg.solve(kept.T, gradient_of(u, rows))
        pulled = columns @ r
        pushed = columns @ (weight[:, None] * u)
        derivative += jnp.sum(pulled * (residuals + pushed), axis=1)
        own = jnp.sum((block @ r) * u, axis=1)
        derivative = derivative.at[rows].add(-own, mode="drop")
        return (left_out.at[rows].set(u, mode="drop"), derivative), None

    start = (jnp.zeros((n, c), targets.dtype), jnp.zeros(n, targets.dtype))
    return jax.lax.scan(step, start, members)[0]


def group_derivative_from_gram(
    gram, targets, weights, l2, groups, *, loss="mse", validation_weights=None
):
    """`derivative_from_gram` for the loss of leaving whole groups out, `[n]`.

    Args:
      groups: `[n]` group ids, any integers; the rest as in `derivative`.
    """
    return _grouped(gram, targets, weights, l2, groups, loss, validation_weights)[1]


def leave_group_out_from_gram(gram, targets, weights, l2, groups):
    """Predictions `[n, k]` for each example by the model without its whole group."""
    return _grouped(gram, targets, weights, l2, groups, "mse", None)[0]


def _grouped(gram, targets, weights, l2, ids, loss, validation_weights):
    given = checks.problem("gram", gram, targets, weights, l2, validation_weights)
    members = member_table(ids, len(given.weights))
    loss = checks.loss_for(loss, given.targets)
    return _differentiate_groups(*given, members, loss=loss)


@precision.double
@functools.partial(jax.jit, static_argnames="loss")
def _differentiate_groups(
    gram, targets, weights, l2, validation_weights, members, *, loss
):
    smoother = ridge.dual(gram, weights, l2)
    return leave_group_out(
        smoother, targets, weights, validation_weights, members, loss
    )


def coupled_leave_one_out(jacobian, targets, weights, l2):
    """Leave-one-out predictions `[n, k]` of a linearized network, outputs coupled.

    Args:
      jacobian: `[n, k, p]`, one parameter vector for all k outputs.
      targets: `[n, k]`; subtract the network's own outputs to train an increment.
      weights: `[n]`.
      l2: positive penalty.
    """
    return _coupled(jacobian, targets, weights, l2, "mse", None)[0]


def coupled_derivative(
    jacobian, targets, weights, l2, *, loss="mse", validation_weights=None
):
    """Dataset derivative `[n]` of a linearized network; see `coupled_leave_one_out`."""
    return _coupled(jacobian, targets, weights, l2, loss, validation_weights)[1]


def _coupled(jacobian, targets, weights, l2, loss, validation_weights):
    jacobian = numeric.real(jacobian, "jacobian", ndim=3)
    rows = jnp.zeros((len(jacobian), 1), jnp.float32)
    given = checks.problem("features", rows, targets, weights, l2, validation_weights)
    if np.shape(given.targets) != np.shape(jacobian)[:2]:
        raise errors.InputError(
            f"expected jacobian [n, k, p] and targets [n, k]; found "
            f"{np.shape(jacobian)} and {np.shape(given.targets)}"
        )
    loss = checks.loss_for(loss, given.targets)
    return _differentiate_coupled(jacobian, *given[1:], loss=loss)


@precision.double
@functools.partial(jax.jit, static_argnames="loss")
def _differentiate_coupled(jacobian, targets, weights, l2, validation_weights, *, loss):
    n, k, p = jacobian.shape
    rows = jacobian.reshape(n * k, p)
    row_weights = jnp.repeat(weights, k)
    smoother = ridge.dual(rows @ rows.T, row_weights, l2)
    return leave_coupled_out(smoother, targets, row_weights, validation_weights, loss)
