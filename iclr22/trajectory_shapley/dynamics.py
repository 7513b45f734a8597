"""From velocities to positions: a single integrator (section 2.5)."""

import jax.numpy as jnp

from iclr22.trajectory_shapley.metrics import Mixture


def integrate(velocity, dt: float):
    """Positions after each step of velocities `[..., horizon, 2]` held for `dt` seconds."""
    return dt * jnp.cumsum(velocity, -2)


def integrated_mixture(logits, mean, spread, dt: float, scale: float) -> Mixture:
    """Mixture of positions: covariances of velocities add up times dt squared.

    Args:
      logits: of modes `[..., modes]`.
      mean, spread: of standardised velocities, as from `Trajectron.decode`.
      scale: of velocities.
    """
    sigma, rho = scale * jnp.exp(spread[..., :2]), spread[..., 2]
    xx, yy = sigma[..., 0] ** 2, sigma[..., 1] ** 2
    cov = jnp.stack([xx, rho * sigma[..., 0] * sigma[..., 1], yy], -1)
    return Mixture(logits, integrate(scale * mean, dt), dt**2 * jnp.cumsum(cov, -2))
