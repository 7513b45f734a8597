"""Input of the closed forms: targets, and one clear error for what has no answer."""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from iclr22 import errors, numeric, precision
from iclr22.diva.losses import get_loss


class Problem(NamedTuple):
    """Checked input of the closed forms, floating point throughout, traced or not.

    Attributes:
      matrix: features `[n, p]` or a Gram matrix `[n, n]`.
      targets: `[n, k]`; weights: `[n]`; l2: a number.
      validation_weights: `[n]`, ones where none were given.
    """

    matrix: Any
    targets: Any
    weights: Any
    l2: Any
    validation_weights: Any


def one_hot(labels, classes: int | None = None, scale: float = 1.0) -> np.ndarray:
    """Targets `[n, classes]` from whole-number labels `[n]`, `scale` at the label.

    Raises:
      errors.InputError: labels that are not whole numbers in `0 .. classes - 1`.
    """
    labels = numeric.whole(labels, "labels")
    if not len(labels):
        raise errors.InputError("expected labels [n]; found none")
    classes = int(labels.max()) + 1 if classes is None else classes
    if labels.min() < 0 or labels.max() >= classes:
        raise errors.InputError(
            f"labels must lie in 0 .. {classes - 1}; found "
            f"{labels.min()} .. {labels.max()}"
        )
    return scale * np.eye(classes)[labels]


def labels_of(targets) -> np.ndarray | None:
    """Classes `[n]` of one-hot targets `[n, k]` (any scale), None for other targets."""
    targets = np.asarray(targets)
    if targets.ndim != 2 or targets.shape[1] < 2 or not len(targets):
        return None
    top = targets.max()
    hot = targets == top
    one_hot_rows = top > 0 and np.all(hot | (targets == 0)) and np.all(hot.sum(1) == 1)
    return np.argmax(targets, axis=1) if one_hot_rows else None


def examples(values, what: str = "features"):
    """Rows `[n, p]` of floating-point numbers."""
    return numeric.real(values, what, ndim=2)


def row_weights(weights, n: int, what: str = "weights"):
    """Non-negative weights `[n]`; ones where none are given."""
    if weights is None:
        return np.ones(n)
    weights = numeric.real(weights, what)
    if np.shape(weights) != (n,):
        raise errors.InputError(
            f"expected {what} {(n,)}, one per row of the features; found "
            f"{np.shape(weights)}"
        )
    return weights


def problem(kind, matrix, targets, weights, l2, validation_weights=None) -> Problem:
    """The input as numbers; one clear error for what has no answer.

    Args:
      kind: `features` or `gram`, what the matrix is. Traced arrays: shapes only.
    """
    matrix, targets = numeric.real(matrix, kind), numeric.real(targets, "targets")
    weights, l2 = numeric.real(weights, "weights"), numeric.real(l2, "l2", ndim=0)
    if validation_weights is None:
        valid = jnp.ones(np.shape(weights), jnp.float32)
    else:
        valid = numeric.real(validation_weights, "validation_weights")
    _check_shapes(kind, matrix, targets, weights, valid)
    found = Problem(matrix, targets, weights, l2, valid)
    if not precision.is_traced(found):
        _check_values(kind, found)
        found = found._replace(l2=float(l2))
    return found


def check_targets(targets, n: int):
    """Refuse targets that are not `[n, k]`."""
    if len(np.shape(targets)) != 2 or np.shape(targets)[0] != n:
        raise errors.InputError(
            f"expected targets [n, k] with n = {n} rows; found "
            f"{np.shape(targets)}. Turn class labels into one-hot rows first "
            "(diva.one_hot), numbers into one column (targets[:, None])."
        )


def _check_shapes(kind, matrix, targets, weights, valid):
    shape, n = np.shape(matrix), np.shape(weights)
    if len(shape) != 2 or len(n) != 1 or shape[0] != n[0]:
        raise errors.InputError(
            f"expected {kind} [n, {'n' if kind == 'gram' else 'p'}] and weights [n]; "
            f"found {shape} and {n}"
        )
    check_targets(targets, shape[0])
    if kind == "gram" and shape[0] != shape[1]:
        raise errors.InputError(f"expected a square Gram matrix; found {shape}")
    if np.shape(valid) != n:
        raise errors.InputError(
            f"expected validation_weights {n}; found {np.shape(valid)}"
        )


def _check_values(kind, given: Problem):
    matrix, weights, l2 = given.matrix, given.weights, given.l2
    named = {"weights": weights, "validation_weights": given.validation_weights}
    for name, value in named.items():
        if len(value) and np.min(value) < 0:
            raise errors.InputError(
                f"{name} must not be negative; found {np.min(value)}. Clip them "
                "at zero: a negative weight has no minimiser."
            )
    if not len(weights) or np.max(weights) <= 0:
        raise errors.InputError("all weights are zero: nothing is left to train on")
    if l2 < 0:
        raise errors.InputError(f"l2 must not be negative; found {l2}")
    if kind == "gram" and not np.allclose(
        matrix, np.transpose(matrix), atol=1e-5 * float(np.max(np.abs(matrix)))
    ):
        raise errors.InputError("the Gram matrix is not symmetric")
    if l2 == 0:
        _check_unpenalised(kind, np.asarray(matrix), np.asarray(weights))


def loss_for(loss, targets):
    """The loss of one prediction `[k]`, refused where k leaves it without content."""
    if loss == "cross_entropy" and np.shape(targets)[1] < 2:
        raise errors.InputError(
            "cross_entropy needs targets of two or more classes; found one column, whose "
            "softmax is always 1. Use loss='mse' or 'huber', or diva.one_hot."
        )
    return get_loss(loss)


def _check_unpenalised(kind, matrix, weights):
    if kind == "gram":
        raise errors.InputError("a Gram matrix needs l2 > 0; found l2 = 0")
    rank = np.linalg.matrix_rank(matrix[weights > 0])
    if rank < matrix.shape[1]:
        raise errors.InputError(
            f"l2 = 0 with singular features: rank {rank} of {matrix.shape[1]} columns. "
            "Pass l2 > 0, for example diva.choose_l2(features, targets).l2"
        )
