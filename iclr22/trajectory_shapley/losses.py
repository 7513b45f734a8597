"""Terms of the losses of predictors (sections 2.5 and 2.6).

Those of batch means are written as sums over examples whose coefficients come from all
devices, so that the total of a loss is a sum, as for every other stage.
"""

import jax
import jax.numpy as jnp

from iclr22 import parallel


def anneal(step, crossover: float, width: float):
    """Share between 0 and 1 of an annealed coefficient at an update; a half at
    `crossover`."""
    return jax.nn.sigmoid((step - crossover) / width)


def information(log_p, weight, axis_name: str | None):
    """Information of modes about inputs per example `[batch]`.

    The mean over the batch is H(mean p) - mean H(p); with the mean distribution held
    constant its gradient is the same, as changes of a distribution add up to zero.

    Args:
      log_p: log probabilities `[batch, modes]`.
      weight: of examples `[batch]`.
    """
    p = jnp.exp(log_p)
    sums = jax.lax.stop_gradient((weight @ p, weight.sum()))
    total, count = parallel.reduce(sums, axis_name)
    mean = jnp.log(jnp.maximum(total / jnp.maximum(count, 1), 1e-9))
    return jnp.sum(p * (log_p - mean), -1)


def at_least(minimum: float, divergence, weight, axis_name: str | None):
    """Sum of divergences `[batch]`; constant where their mean is below the minimum."""
    sums = jax.lax.stop_gradient((weight @ divergence, weight.sum()))
    total, count = parallel.reduce(sums, axis_name)
    low = total < minimum * count
    return jnp.where(low, minimum * weight.sum(), weight @ divergence)


def normal_divergence(mean, log_variance):
    """Divergence `[batch]` of normal distributions `[batch, n]` from the standard one."""
    spread = mean**2 + jnp.exp(log_variance) - log_variance - 1
    return 0.5 * jnp.sum(spread, -1)
