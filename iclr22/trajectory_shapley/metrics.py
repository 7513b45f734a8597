"""Errors of predicted trajectories and likelihoods of mixtures of them (section 2.1).

Positions are relative to the target's current one. Means over steps are means of the last
axis of what is returned here, so that one pass gives every horizon.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

Array = jax.Array | np.ndarray
CAP = 6.0  # nats at which a step's log-likelihood is cut, as released
KDE_FLOOR = -20.0  # nats below which a kernel estimate is cut, as released


class Mixture(NamedTuple):
    """A Gaussian mixture over positions at every step, one weight for the whole path."""

    logits: Array  # [..., modes], log weights up to a constant
    mean: Array  # [..., modes, horizon, 2]
    cov: Array  # [..., modes, horizon, 3]: xx, xy, yy


def normal_log_prob(mean, cov, y):
    """Log density of `y [..., 2]` under covariances `[..., 3]` (xx, xy, yy).

    As that of the first coordinate and of the second given it, whose variance is kept above
    what rounding leaves: points on a line far away would have a negative determinant.
    """
    xx, xy, yy = cov[..., 0], cov[..., 1], cov[..., 2]
    dx, dy = y[..., 0] - mean[..., 0], y[..., 1] - mean[..., 1]
    slope = xy / xx
    rest = jnp.maximum(yy - slope * xy, 1e-6 * yy)
    distance = dx * dx / xx + (dy - slope * dx) ** 2 / rest
    return -0.5 * (distance + jnp.log(xx * rest)) - np.log(2 * np.pi)


def step_log_prob(mixture: Mixture, y):
    """Log density of each step of `y [..., horizon, 2]`, `[..., horizon]`, over all modes."""
    weights = jax.nn.log_softmax(mixture.logits)[..., None]
    each = normal_log_prob(mixture.mean, mixture.cov, y[..., None, :, :])
    return jax.nn.logsumexp(weights + each, axis=-2)


def nll(mixture: Mixture, y, *, cap: float = CAP, floor: float | None = None):
    """Negative log-likelihood of each step `[..., horizon]`, cut at `cap` nats as in the
    released code, and at `floor` if given (without it a few windows dominate)."""
    return -jnp.clip(step_log_prob(mixture, y), floor, cap)


def best_of(samples, y):
    """minADE and minFDE `[...]` of `samples [..., draws, horizon, 2]`: the smallest mean
    error and, on its own, the smallest error of the last step."""
    errors = jnp.linalg.norm(samples - y[..., None, :, :], axis=-1)
    return errors.mean(-1).min(-1), errors[..., -1].min(-1)


def kde_nll(samples, y):
    """Negative log-likelihood of each step `[..., horizon]` under a Gaussian kernel
    estimate of the samples `[..., draws, horizon, 2]` (Scott's rule), cut at -20 nats."""
    draws = samples.shape[-3]
    centred = samples - samples.mean(-3, keepdims=True)
    cov = jnp.einsum("...sti,...stj->...tij", centred, centred) / (draws - 1)
    cov = cov * draws ** (-1 / 3) + 1e-6 * jnp.eye(2)  # Scott: n^(-1/(d+4)), squared
    packed = jnp.stack([cov[..., 0, 0], cov[..., 0, 1], cov[..., 1, 1]], -1)
    each = normal_log_prob(samples, packed[..., None, :, :], y[..., None, :, :])
    each = jnp.maximum(each, 10 * KDE_FLOOR)  # below, they add nothing but rounding
    log_prob = jax.nn.logsumexp(each, axis=-2) - np.log(draws)
    return -jnp.maximum(log_prob, KDE_FLOOR)
