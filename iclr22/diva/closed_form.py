"""Public closed forms: leave-one-out, dataset derivative, choice of the penalty.

Concrete input is checked, computed in float64 and returned as NumPy arrays; traced
input (inside `jax.jit`, `jax.grad`) is computed in its own dtype. See `precision`.
"""

import functools
import warnings
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from iclr22 import errors, precision
from iclr22.diva import checks, ridge
from iclr22.diva import groups as grouped

POSITIVE = 1e-6  # weights above this fraction of the largest count as positive
L2_GRID = tuple(np.logspace(-6, 3, 28).tolist())  # times mean squared feature norm


class L2Choice(NamedTuple):
    """Result of `choose_l2`: the best penalty, the grid tried and its loss curve."""

    l2: float
    grid: np.ndarray
    losses: np.ndarray


class Assessment(NamedTuple):
    """Result of `assess`: all that one factorisation gives.

    Attributes:
      predictions: `[n, k]`, leave-one-out predictions.
      loss: the summed leave-one-out loss.
      derivative: `[n]`, its gradient in the weights.
    """

    predictions: np.ndarray
    loss: float
    derivative: np.ndarray


class Conditioning(NamedTuple):
    """How well posed a ridge problem is; see `conditioning`."""

    condition: float
    largest: float
    smallest: float
    rank: int
    max_leverage: float


def leave_one_out(features, targets, weights, l2):
    """Predictions for each example by the ridge model trained without it.

    Args:
      features: `[n, p]`; append a constant column yourself if one is wanted.
      targets: `[n, k]`, for classes usually one-hot.
      weights: `[n]`, non-negative; an example of weight zero gets the prediction of
        the full model, which does not contain it anyway.
      l2: penalty, positive; zero only where the features have full column rank.

    Returns:
      `[n, k]`.

    Raises:
      errors.InputError: on non-finite numbers, wrong shapes, negative weights, or a
        penalty that leaves the problem singular.

    Source: arXiv:2111.09785, section 3.3, equation 10.
    """
    return _evaluate("features", features, targets, weights, l2).predictions


def derivative(
    features, targets, weights, l2, *, loss="mse", validation_weights=None, groups=None
):
    """Dataset derivative: how the leave-one-out loss moves with each weight.

    The loss is the sum over examples of `loss(prediction of the model without i, y_i)`.
    Positive entries mark examples that hurt, negative ones those of which more would
    help.

    Args:
      features: `[n, p]`.
      targets: `[n, k]`.
      weights: `[n]`, non-negative training weights.
      l2: penalty, see `leave_one_out`.
      loss: a name in `ridge.LOSSES` or a function `(prediction [k], target [k])`.
      validation_weights: `[n]`, weight of each example's own validation term; ones by
        default. Zero leaves an example out of the validation (a pool, untrusted labels).
      groups: `[n]` group ids; whole groups are then left out together, which is what
        duplicates and frames of one video need.

    Returns:
      `[n]`.

    Source: arXiv:2111.09785, section 4; the closed form is derived in `ridge`.
    """
    options = {"loss": loss, "validation_weights": validation_weights}
    if groups is not None:
        features = jnp.asarray(features) if precision.is_traced(features) else features
        gram = _gram(features)
        return group_derivative_from_gram(gram, targets, weights, l2, groups, **options)
    return _evaluate("features", features, targets, weights, l2, **options).derivative


def assess(
    features,
    targets,
    weights,
    l2,
    *,
    loss="mse",
    validation_weights=None,
    trusted=False,
) -> Assessment:
    """Leave-one-out predictions, their loss and its derivative for one factorisation.

    Args:
      trusted: take the derivative a second time, validated only on examples whose first
        derivative was not positive: wrong labels make bad judges of others.
      The rest as in `derivative`.
    """
    options = {"validation_weights": validation_weights, "trusted": trusted}
    return _evaluate("features", features, targets, weights, l2, loss=loss, **options)


def relabel_derivative(
    features,
    targets,
    weights,
    l2,
    *,
    loss="cross_entropy",
    validation_weights=None,
    trusted=False,
):
    """How the loss of all other examples moves as an example's weight changes class.

    Args:
      targets: `[n, k]`, one-hot (any scale).
      trusted: as in `assess`; the rest as in `derivative`.

    Returns:
      `[n, k]`: entry (i, c) is the derivative of the leave-one-out loss as weight moves
      from the given label of i to class c, zero at the given label. Where the smallest
      entry of a row is far below zero, the label is probably wrong and that column is
      the suggestion.

    Source: derived here from the closed form of arXiv:2111.09785, section 4.
    """
    checks.check("features", features, targets, weights, l2, validation_weights)
    if validation_weights is None:
        validation_weights = _ones(weights)
    data = (features, targets, weights, l2, validation_weights)
    form = _form("features", features, weights, l2)
    return _relabel(*data, form=form, loss=get_loss(loss), trusted=trusted)


def leave_one_out_from_gram(gram, targets, weights, l2):
    """`leave_one_out` with a Gram (kernel) matrix `[n, n]` in place of features."""
    return _evaluate("gram", gram, targets, weights, l2).predictions


def derivative_from_gram(
    gram, targets, weights, l2, *, loss="mse", validation_weights=None
):
    """`derivative` with a Gram (kernel) matrix `[n, n]` in place of features."""
    return _evaluate(
        "gram",
        gram,
        targets,
        weights,
        l2,
        loss=loss,
        validation_weights=validation_weights,
    ).derivative


def group_derivative_from_gram(
    gram, targets, weights, l2, groups, *, loss="mse", validation_weights=None
):
    """`derivative_from_gram` for the loss of leaving whole groups out, `[n]`.

    Args:
      groups: `[n]` group ids, any integers; the rest as in `derivative`.
    """
    checks.check("gram", gram, targets, weights, l2, validation_weights)
    return _grouped(gram, targets, weights, l2, groups, loss, validation_weights)[1]


def leave_group_out_from_gram(gram, targets, weights, l2, groups):
    """Predictions `[n, k]` for each example by the model without its whole group."""
    checks.check("gram", gram, targets, weights, l2, None)
    return _grouped(gram, targets, weights, l2, groups, "mse", None)[0]


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


def holdout_derivative(
    features,
    targets,
    weights,
    l2,
    validation_features,
    validation_targets,
    *,
    loss="mse",
    validation_weights=None,
):
    """Derivative `[n]` of the loss on a trusted held-out set in the training weights.

    Args:
      validation_features: `[v, p]`; validation_targets: `[v, k]`;
      validation_weights: `[v]`, ones by default; the rest as in `derivative`.

    Source: arXiv:2111.09785, proposition 2 (transposes corrected).
    """
    checks.check("features", features, targets, weights, l2, None)
    ones = np.ones(np.shape(validation_features)[0])
    checks.check("features", validation_features, validation_targets, ones, 1.0, None)
    if validation_weights is None:
        validation_weights = ones
    data = (features, targets, weights, l2, validation_features, validation_targets)
    return _holdout(*data, validation_weights, loss=get_loss(loss))


def choose_l2(
    features, targets, weights=None, *, loss="mse", grid=None, validation_weights=None
) -> L2Choice:
    """Penalty with the smallest leave-one-out loss, all of a grid for one eigenproblem.

    Args:
      features: `[n, p]`; targets: `[n, k]`; weights: `[n]`, ones by default.
      grid: penalties; by default 28 log-spaced values from 1e-6 to 1e3, times the mean
        squared norm of the features.
    """
    weights = np.ones(len(features)) if weights is None else weights
    checks.check("features", features, targets, weights, 1.0, validation_weights)
    if grid is None:
        grid = np.asarray(L2_GRID) * float(np.mean(np.sum(np.square(features), 1)))
    if validation_weights is None:
        validation_weights = np.ones(len(features))
    grid = np.asarray(grid, np.float64)
    if np.shape(features)[1] > np.shape(features)[0]:
        features = gram_factor(_gram(features))
    losses = _l2_path(
        features, targets, weights, grid, validation_weights, loss=get_loss(loss)
    )
    losses = np.asarray(losses)
    return L2Choice(float(grid[np.nanargmin(losses)]), grid, losses)


def conditioning(features, weights, l2) -> Conditioning:
    """Eigenvalues, rank and largest leverage of a weighted ridge problem.

    A largest leverage within 1e-6 of one means that leave-one-out residuals of some
    examples divide by almost zero: raise l2.
    """
    z = np.asarray(features, np.float64)
    checks.check("features", z, np.zeros((len(z), 1)), weights, 1.0, None)
    root = np.sqrt(np.asarray(weights, np.float64))[:, None]
    u, s, _ = np.linalg.svd(root * z, full_matrices=False)
    values = s**2
    rank = int(np.sum(s > s[0] * max(z.shape) * np.finfo(np.float64).eps))
    full = rank == z.shape[1]
    smallest = float(values[-1] if full else 0.0) + l2
    shrink = np.divide(values, values + l2, out=np.zeros_like(s), where=values > 0)
    leverage = float(np.max((u**2) @ shrink))
    largest = float(values[0]) + l2
    condition = largest / smallest if smallest > 0 else np.inf
    return Conditioning(condition, largest, smallest, rank, leverage)


def get_loss(loss):
    """The per-example loss function for a name in `ridge.LOSSES`, or `loss` itself."""
    if callable(loss):
        return loss
    if loss not in ridge.LOSSES:
        raise errors.nearest(loss, ridge.LOSSES, "loss")
    return ridge.LOSSES[loss]


def _evaluate(
    kind,
    matrix,
    targets,
    weights,
    l2,
    *,
    loss=None,
    validation_weights=None,
    trusted=False,
):
    """Checked computation; without a loss only the predictions (half the work)."""
    checks.check(kind, matrix, targets, weights, l2, validation_weights)
    if validation_weights is None:
        validation_weights = _ones(weights)
    form = _form(kind, matrix, weights, l2)
    if loss is None:
        predictions, slack = _predict(matrix, targets, weights, l2, form=form)
        result = Assessment(predictions, None, None)
    else:
        result, slack = _differentiate(
            matrix,
            targets,
            weights,
            l2,
            validation_weights,
            form=form,
            loss=get_loss(loss),
            trusted=trusted,
        )
    if not precision.is_traced(slack) and np.min(slack) < 1e-6:
        warnings.warn(
            f"the largest leverage is 1 - {float(np.min(slack)):.1e}: leave-one-out "
            "residuals there are dominated by rounding; use a larger l2",
            stacklevel=3,
        )
    return result


def _ones(weights):
    return jnp.ones(np.shape(weights), jnp.float32)


def _form(kind, matrix, weights, l2) -> str:
    """Cheapest stable closed form: `primal`, `dual`, `gram` or `gram_positive`."""
    n, p = np.shape(matrix)
    if kind == "features" and p <= n:
        return "primal"
    if precision.is_traced(matrix, weights, l2):
        return "gram" if kind == "gram" else "dual"
    weights = np.asarray(weights)
    positive = weights.min() > POSITIVE * weights.max()
    scale = np.asarray(matrix)
    diagonal = np.diagonal(scale) if kind == "gram" else np.sum(scale**2, axis=1)
    well_posed = np.sum(weights * diagonal) < ridge.ILL_CONDITIONED * l2
    suffix = "_positive" if positive and well_posed else ""
    return ("gram" if kind == "gram" else "dual") + suffix


def _smoother(matrix, weights, l2, form) -> ridge.Smoother:
    if form == "primal":
        return ridge.primal(matrix, weights, l2)
    gram = matrix @ matrix.T if form.startswith("dual") else matrix
    if form.endswith("_positive"):
        return ridge.dual_positive(gram, weights, l2)
    return ridge.dual(gram, weights, l2)


@precision.double
@functools.partial(jax.jit, static_argnames="form")
def _predict(matrix, targets, weights, l2, *, form):
    smoother = _smoother(matrix, weights, l2, form)
    return targets - ridge.loo_residuals(smoother, targets), jnp.min(smoother.slack)


@precision.double
@functools.partial(jax.jit, static_argnames=("form", "loss", "trusted"))
def _differentiate(
    matrix, targets, weights, l2, validation_weights, *, form, loss, trusted
):
    smoother = _smoother(matrix, weights, l2, form)
    left_out = ridge.loo_residuals(smoother, targets)
    value = ridge.loo_loss(left_out, targets, validation_weights, loss)
    data = (smoother, targets, weights)
    gradient = ridge.loo_derivative(*data, validation_weights, loss)
    if trusted:
        gradient = ridge.loo_derivative(
            *data, validation_weights * (gradient <= 0), loss
        )
    return Assessment(targets - left_out, value, gradient), jnp.min(smoother.slack)


@precision.double
@functools.partial(jax.jit, static_argnames=("form", "loss", "trusted"))
def _relabel(matrix, targets, weights, l2, validation_weights, *, form, loss, trusted):
    smoother = _smoother(matrix, weights, l2, form)
    if trusted:
        data = (smoother, targets, weights, validation_weights, loss)
        validation_weights *= ridge.loo_derivative(*data) <= 0
    labels = jnp.max(targets) * jnp.eye(targets.shape[1], dtype=targets.dtype)
    return ridge.relabel_derivative(smoother, targets, labels, validation_weights, loss)


_holdout = precision.double(jax.jit(ridge.holdout_derivative, static_argnames="loss"))


@precision.double
@functools.partial(jax.jit, static_argnames="loss")
def _l2_path(features, targets, weights, grid, validation_weights, *, loss):
    values, vectors = jnp.linalg.eigh(ridge.symmetric_product(features, weights))
    values = jnp.maximum(values, 0)
    rotated = features @ vectors
    moment = rotated.T @ (weights[:, None] * targets)
    squared = rotated**2

    def at(l2):
        diagonal = squared @ (1 / (values + l2))
        residuals = targets - rotated @ (moment / (values + l2)[:, None])
        slack = jnp.maximum(1 - weights * diagonal, ridge.GUARD)
        left_out = residuals / slack[:, None]
        return ridge.loo_loss(left_out, targets, validation_weights, loss)

    return jax.lax.map(at, grid)


@precision.double
@jax.jit
def _gram(features):
    return features @ features.T


@precision.double
@jax.jit
def gram_factor(gram):
    """Features `[n, n]` whose Gram matrix is `gram` `[n, n]`, for what wants features."""
    values, vectors = jnp.linalg.eigh(gram)
    return vectors * jnp.sqrt(jnp.maximum(values, 0))


def _grouped(gram, targets, weights, l2, ids, loss, validation_weights):
    if validation_weights is None:
        validation_weights = _ones(weights)
    members = grouped.member_table(ids, np.shape(gram)[0])
    data = (gram, targets, weights, l2, validation_weights, members)
    return _differentiate_groups(*data, loss=get_loss(loss))


@precision.double
@functools.partial(jax.jit, static_argnames="loss")
def _differentiate_groups(
    gram, targets, weights, l2, validation_weights, members, *, loss
):
    smoother = ridge.dual(gram, weights, l2)
    return grouped.leave_group_out(
        smoother, targets, weights, validation_weights, members, loss
    )


def _coupled(jacobian, targets, weights, l2, loss, validation_weights):
    n, k, p = np.shape(jacobian)
    checks.check("features", np.zeros((n, 1)), targets, weights, l2, validation_weights)
    if validation_weights is None:
        validation_weights = _ones(weights)
    data = (jacobian, targets, weights, l2, validation_weights)
    return _differentiate_coupled(*data, loss=get_loss(loss))


@precision.double
@functools.partial(jax.jit, static_argnames="loss")
def _differentiate_coupled(jacobian, targets, weights, l2, validation_weights, *, loss):
    n, k, p = jacobian.shape
    rows = jacobian.reshape(n * k, p)
    row_weights = jnp.repeat(weights, k)
    smoother = ridge.dual(rows @ rows.T, row_weights, l2)
    return grouped.leave_coupled_out(
        smoother, targets, row_weights, validation_weights, loss
    )


solve = precision.double(jax.jit(ridge.solve))
