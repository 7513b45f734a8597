"""Losses of both players (section 4), as means over the windows of a batch."""

from typing import Literal

import jax
import jax.numpy as jnp

Kind = Literal["least_squares", "wasserstein", "hinge"]
SMALLEST = 1e-12  # of a variance: the root has a gradient at constant windows


def discriminator_loss(kind: Kind, real, fake):
    """Of the discriminator, `[batch]` scores of real and generated windows to `[batch]`."""
    if kind == "least_squares":
        return 0.5 * (real - 1) ** 2 + 0.5 * fake**2
    if kind == "wasserstein":
        return fake - real
    return jax.nn.relu(1 - real) + jax.nn.relu(1 + fake)


def generator_loss(kind: Kind, fake):
    """Of the generator, `[batch]` scores to `[batch]`."""
    if kind == "least_squares":
        return 0.5 * (fake - 1) ** 2
    return -fake


def moment_loss(generated, real, known=None):
    """How far level and spread of each window `[b, t]` are from those of its own real one,
    `[b]`; the spread is the unbiased deviation.

    Args:
      known: `[b, t]`, 1 where both are compared, 0 elsewhere; all of it by default.
    """
    known = jnp.ones_like(real) if known is None else known
    (level, spread), (wanted, width) = (moments(x, known) for x in (generated, real))
    return jnp.abs(level - wanted) + jnp.abs(spread - width)


def moment_score(generated, other, real, known=None):
    """The same as a score of their distribution, `[b]`: the continuous ranked probability
    score of level and spread, least for those that real windows have (Gneiting and Raftery
    2007, eq. 21). The distance alone is least for one window, the median, whatever noise.

    Args:
      other: `[b, t]` of the same series and times, of other noise.
    """
    known = jnp.ones_like(real) if known is None else known
    near = moment_loss(generated, real, known) + moment_loss(other, real, known)
    return 0.5 * (near - moment_loss(generated, other, known))


def moments(x, known):
    """Means and unbiased deviations `[b]` of windows `[b, t]` where they are known;
    constant ones have a gradient, too."""
    count = known.sum(axis=1)
    mean = (x * known).sum(axis=1) / jnp.maximum(count, 1)
    apart = (known * (x - mean[:, None]) ** 2).sum(axis=1)
    variance = apart / jnp.maximum(count - 1, 1)
    return mean, jnp.sqrt(variance + SMALLEST) - SMALLEST**0.5


def gradient_penalty(score, real, fake, share):
    """Squared distance of the gradient's length from 1 between real and generated windows
    `[b, t]`, `[b]` (Gulrajani et al. 2017).

    Args:
      score: `windows -> [b]`, without updates of its vectors.
      share: of the real windows, uniform `[b]`.
    """
    between = share[:, None] * real + (1 - share[:, None]) * fake
    slope = jax.grad(lambda x: jnp.sum(score(x)))(between)
    return (jnp.sqrt(jnp.sum(slope**2, axis=1) + SMALLEST) - 1) ** 2
