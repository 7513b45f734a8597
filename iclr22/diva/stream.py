"""The dataset derivative for data that does not fit in memory at once.

Three passes over chunks of rows; what stays is `[m, m]`. Each pass is one compiled
function, and with rows placed on several devices the sums over rows become all-reduces.
Nystrom features make any kernel fit this form.
"""

import functools
from collections.abc import Callable, Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from iclr22 import errors, numeric, precision
from iclr22.diva import checks, products, ridge
from iclr22.diva.losses import get_loss


class Rows(NamedTuple):
    """One chunk: features `[c, m]`, targets `[c, k]`, both weights `[c]`.

    Padding rows have weight and validation weight 0.
    """

    features: jax.Array | np.ndarray
    targets: jax.Array | np.ndarray
    weights: jax.Array | np.ndarray
    validation_weights: jax.Array | np.ndarray


def derivative(
    chunks: Callable[[], Iterator[Rows]], l2, *, loss="mse", place=None
) -> np.ndarray:
    """Dataset derivative `[n]` from three passes over `chunks()`, padding included.

    Args:
      chunks: called three times; yields the same `Rows` in the same order each time,
        all of one length (`in_chunks` does this for arrays and memory maps).
      l2: positive penalty.
      loss: as in `diva.derivative`.
      place: puts a chunk on this process's devices, for example
        `parallel.shard_rows(parallel.devices())`; identity by default.

    Cost: 4 n m^2 flops, memory `m^2` and one chunk. Source: as `ridge`; the passes are
    section 3 of the method's scaling notes: covariance, then residuals, then gradient.
    """
    l2 = float(numeric.real(l2, "l2", ndim=0))
    if not l2 > 0:
        raise errors.InputError(f"expected a positive l2; found {l2}")
    loss = get_loss(loss)

    def stream():
        rows = map(_numbers, chunks())
        return rows if place is None else map(place, rows)

    covariance, moment = functools.reduce(_plus, map(_covariance, stream()))
    inverse, coefficients = _solve(covariance, moment, l2)
    parts = (_pull(rows, inverse, coefficients, loss=loss) for rows in stream())
    pulled, curvature = _sandwich(inverse, *functools.reduce(_plus, parts))
    gradients = [
        np.asarray(_gradient(rows, inverse, coefficients, pulled, curvature, loss=loss))
        for rows in stream()
    ]
    return np.concatenate(gradients)


def in_chunks(
    features, targets, weights=None, *, chunk: int, validation_weights=None
) -> Callable[[], Iterator[Rows]]:
    """Chunks of arrays `[n, ...]` (memory maps too) for `derivative`, padded at the end."""
    n = len(features)
    weights = checks.row_weights(weights, n)
    valid = checks.row_weights(validation_weights, n, "validation_weights")

    def read():
        for low in range(0, n, chunk):
            rows = slice(low, low + chunk)
            yield Rows(
                features=_pad(features[rows], chunk),
                targets=_pad(targets[rows], chunk),
                weights=_pad(weights[rows], chunk),
                validation_weights=_pad(valid[rows], chunk),
            )

    return read


def nystrom(kernel: Callable, landmarks) -> Callable:
    """Features `[n, r]` whose inner products approximate a kernel.

    Args:
      kernel: `(x [a, ...], y [b, ...]) -> [a, b]`, positive semi-definite.
      landmarks: `[r, ...]` inputs, usually a random subset of the data.

    Returns a function `inputs [n, ...] -> [n, r]`: `K_nr (K_rr + eps I)^-1/2`.
    """
    root = _inverse_root(kernel(landmarks, landmarks))
    return lambda inputs: kernel(inputs, landmarks) @ root


@precision.double
@jax.jit
def _inverse_root(matrix):
    values, vectors = jnp.linalg.eigh(matrix)
    floor = 1e-7 * values[-1]  # kernels arrive in float32
    kept = jnp.where(values > floor, 1 / jnp.sqrt(jnp.maximum(values, floor)), 0)
    return vectors * kept


@precision.double
@jax.jit
def _covariance(rows: Rows):
    weighted = rows.weights[:, None] * rows.targets
    return products.symmetric_product(rows.features, rows.weights), (
        rows.features.T @ weighted
    )


@precision.double
@jax.jit
def _solve(covariance, moment, l2):
    inverse = ridge.inverse(covariance, l2)
    return inverse, inverse @ moment


def _left_out(rows: Rows, inverse, coefficients, loss):
    """`(residuals, P, q, diagonal)` of one chunk; names as in `ridge`."""
    diagonal = products.quadratic_form(rows.features, inverse)
    residuals = rows.targets - rows.features @ coefficients
    slack = 1 - rows.weights * diagonal
    p, q = ridge.sensitivities(
        residuals, slack, rows.targets, rows.validation_weights, loss
    )
    return residuals, p, q, diagonal


@precision.double
@functools.partial(jax.jit, static_argnames="loss")
def _pull(rows: Rows, inverse, coefficients, *, loss):
    _, p, q, _ = _left_out(rows, inverse, coefficients, loss)
    curvature = products.symmetric_product(rows.features, rows.weights * q)
    return rows.features.T @ p, curvature


@precision.double
@jax.jit
def _sandwich(inverse, pulled, curvature):
    return inverse @ pulled, inverse @ curvature @ inverse


@precision.double
@functools.partial(jax.jit, static_argnames="loss")
def _gradient(rows: Rows, inverse, coefficients, pulled, curvature, *, loss):
    residuals, _, q, diagonal = _left_out(rows, inverse, coefficients, loss)
    direct = jnp.sum(residuals * (rows.features @ pulled), axis=1)
    return direct + products.quadratic_form(rows.features, curvature) - diagonal * q


def _numbers(rows: Rows) -> Rows:
    """A chunk in floating point: what a memory map holds may be bytes."""
    parts = (numeric.real(x, what) for what, x in rows._asdict().items())
    return Rows(*parts)


def _plus(a, b):
    return jax.tree.map(lambda x, y: x + y, a, b)


def _pad(x, size):
    x = np.asarray(x)
    return np.pad(x, [(0, size - len(x))] + [(0, 0)] * (x.ndim - 1))
