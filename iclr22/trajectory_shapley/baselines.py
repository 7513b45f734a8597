"""Constant velocity: the baseline that every predictor of paths has to beat (section 4).

The last backward difference goes on. As a predictor it is one Gaussian per step around that
path, with the covariance that its errors have on training windows; whose past is left out
stands still.
"""

import jax.numpy as jnp
import numpy as np

from iclr22 import errors
from iclr22.trajectory_shapley.metrics import Mixture
from iclr22.trajectory_shapley.predictor import Predictor, bind, pick

SMALLEST = 1e-4  # variance below which no step is believed to be known


def constant_velocity(history, horizon: int, dt: float):
    """Paths `[windows, horizon, 2]` relative to the current position.

    Args:
      history: states `[windows, time, 6]`; only the last velocity counts.
      horizon: number of future steps.
      dt: seconds per step.
    """
    ahead = dt * np.arange(1, horizon + 1, dtype=np.float32)
    return history[..., -1, None, 2:4] * ahead[:, None]


def fit(history, future, dt: float) -> dict:
    """Parameters `{"cov": [horizon, 3]}`: mean outer products of the errors of constant
    velocity on `history [windows, time, 6]`, `future [windows, horizon, 2]`."""
    if not len(history):
        raise errors.InputError(
            "Constant velocity measures its errors on training windows and found none. "
            "Give at least one recording as long as history and horizon."
        )
    future = np.asarray(future, np.float64)
    error = future - constant_velocity(np.asarray(history), future.shape[1], dt)
    x, y = error[..., 0], error[..., 1]
    cov = np.stack([(x * x).mean(0), (x * y).mean(0), (y * y).mean(0)], -1)
    return {"cov": np.float32(cov + SMALLEST * np.array([1, 0, 1]))}


def predictor(params, dt: float) -> Predictor:
    """Constant velocity as attribution needs it, with `params` from `fit`."""
    ahead = len(params["cov"]), dt
    return bind(ahead, params, encode=_encode, decode=_decode, samples=_samples)


def _encode(ahead, params, inputs):
    """Paths without and with the past, `[windows, 2, horizon, 2]`."""
    horizon, dt = ahead
    del params
    return {"path": constant_velocity(inputs["history"], horizon, dt)}


def _decode(ahead, params, codes, past, mask) -> Mixture:
    del ahead, mask
    mean = pick(past, codes["path"])[:, None]
    cov = jnp.broadcast_to(params["cov"], (*mean.shape[:-1], 3))
    return Mixture(jnp.zeros(mean.shape[:2]), mean, cov)


def _samples(ahead, params, codes, past, mask):
    """The path itself, `[windows, 1, horizon, 2]`: draws around it are no better."""
    del ahead, params, mask
    return pick(past, codes["path"])[:, None]
