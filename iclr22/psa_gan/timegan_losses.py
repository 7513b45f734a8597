"""Errors of TimeGAN by window, `[b]` (equations 7 to 9 of its paper, and the moments).

Missing values, 0 where `known` is 0, count for nothing in reconstruction and moments.
"""

import jax
import jax.numpy as jnp

from iclr22 import parallel

SMALLEST = 1e-6  # of a variance, and of a squared norm: roots have gradients at 0


def _norm(x):
    """Length of vectors, `[..., d]` to `[...]`; 0 for 0, with a gradient there."""
    return jnp.sqrt(jnp.sum(x**2, axis=-1) + SMALLEST) - SMALLEST**0.5


def reconstruction_error(recovered, values, known):
    """Distance of values `[b, t, 1]` from recovered ones, the mean over known steps (eq.
    7), `[b]`."""
    count = jnp.maximum(known.sum(axis=1), 1)
    return (_norm(recovered - values) * known).sum(axis=1) / count


def supervised_error(latent, told):
    """Distance of each latent step `[b, t, w]` from what was told from those before, the
    mean over steps (eq. 9), `[b]`."""
    return _norm(latent[:, 1:] - told[:, :-1]).mean(axis=1)


def adversarial_error(logits, real: bool):
    """Cross-entropy of logits `[b, t, 1]` of steps that are real, or generated (eq. 8),
    `[b]`."""
    return jax.nn.softplus(-logits if real else logits)[..., 0].mean(axis=1)


def batch_moments(x, weight, axis_name=None):
    """Means and deviations `[t]` over the windows `[b, t]` of all devices.

    Args:
      weight: `[b, t]`, of every value.
    """
    count, total = parallel.reduce(
        (weight.sum(axis=0), (weight * x).sum(axis=0)), axis_name
    )
    count = jnp.maximum(count, SMALLEST)
    mean = total / count
    apart = parallel.reduce((weight * (x - mean) ** 2).sum(axis=0), axis_name)
    return mean, jnp.sqrt(apart / count + SMALLEST), count


def moment_error(generated, values, known, weight, axis_name=None):
    """How far means and deviations over the batch are apart at each step, as shares of the
    windows, `[b]`: the value is the mean over steps in each, the gradient of the weighted
    mean over windows that of the value.

    Args:
      generated, values, known: `[b, t]`.
      weight: `[b]`.
    """
    each = known * weight[:, None]
    still = jax.lax.stop_gradient(generated)
    mean, deviation, count = batch_moments(still, each, axis_name)
    wanted, width, _ = batch_moments(values, each, axis_name)
    value = jnp.abs(mean - wanted) + jnp.abs(deviation - width)
    # Moments of all devices have no gradient here: what they say of each window has.
    slope = jnp.sign(mean - wanted) + jnp.sign(deviation - width) * (
        still - mean
    ) / jnp.maximum(deviation, SMALLEST)
    share = parallel.reduce(weight.sum(), axis_name) / count
    moved = (known * share * slope * (generated - still)).mean(axis=1)
    return value.mean() + moved
