"""Public closed forms: leave-one-out, dataset derivative, ridge solution.

Concrete input is checked, computed in float64 and returned as NumPy arrays; traced
input (inside `jax.jit`, `jax.grad`) is computed in its own dtype. See `precision`.
"""

import functools
import warnings
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from iclr22 import precision
from iclr22.diva import checks, ridge
from iclr22.diva.groups import group_derivative_from_gram
from iclr22.diva.penalty import inner_products

POSITIVE = 1e-6  # weights above this fraction of the largest count as positive


class Assessment(NamedTuple):
    """Result of `assess`: all that one factorisation gives.

    Attributes:
      predictions: `[n, k]`, leave-one-out predictions.
      loss: the summed leave-one-out loss, a scalar.
      derivative: `[n]`, its gradient in the weights.
    """

    predictions: jax.Array | np.ndarray
    loss: jax.Array | np.ndarray
    derivative: jax.Array | np.ndarray


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
    return _predicted("features", features, targets, weights, l2)


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
      loss: a name in `losses.LOSSES` or a function `(prediction [k], target [k])`.
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
        gram = inner_products(checks.examples(features))
        return group_derivative_from_gram(gram, targets, weights, l2, groups, **options)
    return _assessed("features", features, targets, weights, l2, **options).derivative


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
    return _assessed("features", features, targets, weights, l2, loss=loss, **options)


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
    given = checks.problem(
        "features", features, targets, weights, l2, validation_weights
    )
    return _relabel(
        *given,
        form=_form("features", given.matrix, given.weights, given.l2),
        loss=checks.loss_for(loss, given.targets),
        trusted=trusted,
    )


def leave_one_out_from_gram(gram, targets, weights, l2):
    """`leave_one_out` with a Gram (kernel) matrix `[n, n]` in place of features."""
    return _predicted("gram", gram, targets, weights, l2)


def derivative_from_gram(
    gram, targets, weights, l2, *, loss="mse", validation_weights=None
):
    """`derivative` with a Gram (kernel) matrix `[n, n]` in place of features."""
    return _assessed(
        "gram",
        gram,
        targets,
        weights,
        l2,
        loss=loss,
        validation_weights=validation_weights,
    ).derivative


def _predicted(kind, matrix, targets, weights, l2):
    """Checked leave-one-out predictions: half the work of an `Assessment`."""
    matrix, targets, weights, l2, _ = checks.problem(kind, matrix, targets, weights, l2)
    form = _form(kind, matrix, weights, l2)
    predictions, slack = _predict(matrix, targets, weights, l2, form=form)
    _warn_if_rounded(slack)
    return predictions


def _assessed(
    kind, matrix, targets, weights, l2, *, loss, validation_weights, trusted=False
) -> Assessment:
    """Checked computation of all that a factorisation gives."""
    given = checks.problem(kind, matrix, targets, weights, l2, validation_weights)
    result, slack = _differentiate(
        *given,
        form=_form(kind, given.matrix, given.weights, given.l2),
        loss=checks.loss_for(loss, given.targets),
        trusted=trusted,
    )
    _warn_if_rounded(slack)
    return result


def _warn_if_rounded(slack) -> None:
    if not precision.is_traced(slack) and np.min(slack) < 1e-6:
        warnings.warn(
            f"the largest leverage is 1 - {float(np.min(slack)):.1e}: leave-one-out "
            "residuals there are dominated by rounding; use a larger l2",
            stacklevel=4,
        )


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

    def derivative_by(validation_weights):
        return ridge.loo_derivative(
            smoother, targets, weights, validation_weights, loss
        )

    gradient = derivative_by(validation_weights)
    if trusted:
        gradient = derivative_by(validation_weights * (gradient <= 0))
    return Assessment(targets - left_out, value, gradient), jnp.min(smoother.slack)


@precision.double
@functools.partial(jax.jit, static_argnames=("form", "loss", "trusted"))
def _relabel(matrix, targets, weights, l2, validation_weights, *, form, loss, trusted):
    smoother = _smoother(matrix, weights, l2, form)
    if trusted:
        gradient = ridge.loo_derivative(
            smoother, targets, weights, validation_weights, loss
        )
        validation_weights *= gradient <= 0
    labels = jnp.max(targets) * jnp.eye(targets.shape[1], dtype=targets.dtype)
    return ridge.relabel_derivative(smoother, targets, labels, validation_weights, loss)


def solve(features, targets, weights, l2):
    """Coefficients `[p, k]` of the weighted ridge problem; arguments as in `derivative`.

    Source: arXiv:2111.09785, equation 5.
    """
    given = checks.problem("features", features, targets, weights, l2)
    return _solve(*given[:4])


_solve = precision.double(jax.jit(ridge.solve))
