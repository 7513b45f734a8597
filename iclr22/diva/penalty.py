"""The choice of the penalty, and how well posed a ridge problem is."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from iclr22 import errors, numeric, precision
from iclr22.diva import checks, products, ridge

L2_GRID = tuple(np.logspace(-6, 3, 28).tolist())  # times mean squared feature norm


class L2Choice(NamedTuple):
    """Result of `choose_l2`: the best penalty, the grid tried and its loss curve."""

    l2: float
    grid: np.ndarray
    losses: np.ndarray


class Conditioning(NamedTuple):
    """How well posed a ridge problem is; see `conditioning`."""

    condition: float
    largest: float
    smallest: float
    rank: int
    max_leverage: float


def choose_l2(
    features, targets, weights=None, *, loss="mse", grid=None, validation_weights=None
) -> L2Choice:
    """Penalty with the smallest leave-one-out loss, all of a grid for one eigenproblem.

    Args:
      features: `[n, p]`; targets: `[n, k]`; weights: `[n]`, ones by default.
      grid: penalties; by default 28 log-spaced values from 1e-6 to 1e3, times the mean
        squared norm of the features.
    """
    features = checks.examples(features)
    weights = checks.row_weights(weights, len(features))
    valid = checks.row_weights(validation_weights, len(features), "validation_weights")
    given = checks.problem("features", features, targets, weights, 1.0, valid)
    if grid is None:
        grid = np.asarray(L2_GRID) * float(np.mean(np.sum(np.square(features), 1)))
        if not grid[-1] > 0:
            raise errors.InputError("expected features; found nothing but zeros")
    grid = numeric.real(grid, "grid", ndim=1, dtype=np.float64)
    if not len(grid) or grid.min() <= 0:
        raise errors.InputError(f"expected a grid of penalties above 0; found {grid}")
    if features.shape[1] > features.shape[0]:
        features = gram_factor(inner_products(features))
    loss = checks.loss_for(loss, given.targets)
    losses = _l2_path(features, given.targets, weights, grid, valid, loss=loss)
    losses = np.asarray(losses)
    return L2Choice(float(grid[np.nanargmin(losses)]), grid, losses)


def conditioning(features, weights, l2) -> Conditioning:
    """Eigenvalues, rank and largest leverage of a weighted ridge problem.

    A largest leverage within 1e-6 of one means that leave-one-out residuals of some
    examples divide by almost zero: raise l2.
    """
    z = numeric.real(features, "features", ndim=2, dtype=np.float64)
    weights = numeric.real(weights, "weights", dtype=np.float64)
    checks.problem("features", z, np.zeros((len(z), 1)), weights, l2 or 1.0)
    root = np.sqrt(weights)[:, None]
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


@precision.double
@jax.jit
def gram_factor(gram):
    """Features `[n, n]` whose Gram matrix is `gram` `[n, n]`, for what wants features."""
    values, vectors = jnp.linalg.eigh(gram)
    return vectors * jnp.sqrt(jnp.maximum(values, 0))


@precision.double
@jax.jit
def inner_products(features):
    """The Gram matrix `[n, n]` of features `[n, p]`."""
    return features @ features.T


@precision.double
@functools.partial(jax.jit, static_argnames="loss")
def _l2_path(features, targets, weights, grid, validation_weights, *, loss):
    values, vectors = jnp.linalg.eigh(products.symmetric_product(features, weights))
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
