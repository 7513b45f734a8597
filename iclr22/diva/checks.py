"""Input of the closed forms: targets, and one clear error for what has no answer."""

import jax.numpy as jnp
import numpy as np

from iclr22 import errors, precision


def ones(weights):
    """Validation weights `[n]` where none are given."""
    return jnp.ones(np.shape(weights), jnp.float32)


def one_hot(labels, classes: int | None = None, scale: float = 1.0) -> np.ndarray:
    """Targets `[n, classes]` from integer labels `[n]`, `scale` at the label.

    Raises:
      errors.InputError: labels that are not whole numbers in `0 .. classes - 1`.
    """
    labels = np.asarray(labels)
    if labels.ndim != 1 or not np.array_equal(labels, labels.astype(np.int64)):
        raise errors.InputError(
            f"expected whole-number labels [n]; found {labels.dtype} {labels.shape}"
        )
    labels = labels.astype(np.int64)
    classes = int(labels.max()) + 1 if classes is None else classes
    if labels.min() < 0 or labels.max() >= classes:
        raise errors.InputError(
            f"labels must lie in 0 .. {classes - 1}; found "
            f"{labels.min()} .. {labels.max()}"
        )
    return scale * np.eye(classes)[labels]


def check(kind, matrix, targets, weights, l2, validation_weights):
    """One clear error for input that has no answer; traced arrays: shapes only."""
    shape, n = np.shape(matrix), np.shape(weights)
    if len(shape) != 2 or len(n) != 1 or shape[0] != n[0]:
        raise errors.InputError(
            f"expected {kind} [n, {'n' if kind == 'gram' else 'p'}] and weights [n]; "
            f"found {shape} and {n}"
        )
    if len(np.shape(targets)) != 2 or np.shape(targets)[0] != shape[0]:
        raise errors.InputError(
            f"expected targets [n, k] with n = {shape[0]} rows; found "
            f"{np.shape(targets)}. Turn class labels into one-hot rows first."
        )
    if kind == "gram" and shape[0] != shape[1]:
        raise errors.InputError(f"expected a square Gram matrix; found {shape}")
    if validation_weights is not None and np.shape(validation_weights) != n:
        raise errors.InputError(
            f"expected validation_weights {n}; found {np.shape(validation_weights)}"
        )
    if not precision.is_traced(matrix, targets, weights, l2, validation_weights):
        _check_values(kind, matrix, targets, weights, l2, validation_weights)


def _check_values(kind, matrix, targets, weights, l2, validation_weights):
    given = {kind: matrix, "targets": targets, "weights": weights, "l2": l2}
    if validation_weights is not None:
        given["validation_weights"] = validation_weights
    for name, value in given.items():
        # A sum is finite exactly when all terms are, barring overflow; it needs no mask.
        if not np.isfinite(np.sum(value, dtype=np.float64)):
            bad = np.argwhere(~np.isfinite(value))
            where = f"first at {tuple(map(int, bad[0]))}" if len(bad) else "overflow"
            raise errors.InputError(
                f"{name} holds {len(bad)} non-finite values, {where}; remove or "
                "impute those rows before calling"
            )
    for name in ("weights", "validation_weights"):
        if name in given and np.min(given[name]) < 0:
            raise errors.InputError(
                f"{name} must not be negative; found {np.min(given[name])}. Clip them "
                "at zero: a negative weight has no minimiser."
            )
    if np.max(weights) <= 0:
        raise errors.InputError("all weights are zero: nothing is left to train on")
    if l2 < 0:
        raise errors.InputError(f"l2 must not be negative; found {l2}")
    if kind == "gram" and not np.allclose(
        matrix, np.transpose(matrix), atol=1e-5 * float(np.max(np.abs(matrix)))
    ):
        raise errors.InputError("the Gram matrix is not symmetric")
    if l2 == 0:
        _check_unpenalised(kind, np.asarray(matrix), np.asarray(weights))


def _check_unpenalised(kind, matrix, weights):
    if kind == "gram":
        raise errors.InputError("a Gram matrix needs l2 > 0; found l2 = 0")
    rank = np.linalg.matrix_rank(matrix[weights > 0])
    if rank < matrix.shape[1]:
        raise errors.InputError(
            f"l2 = 0 with singular features: rank {rank} of {matrix.shape[1]} columns. "
            "Pass l2 > 0, for example diva.choose_l2(features, targets).l2"
        )
