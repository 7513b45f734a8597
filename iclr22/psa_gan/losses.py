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


def moment_loss(generated, real):
    """How far level and spread of each window `[b, t]` are from those of its own real one,
    `[b]`; the spread is the unbiased deviation."""
    level = jnp.abs(generated.mean(axis=1) - real.mean(axis=1))
    return level + jnp.abs(spread(generated) - spread(real))


def spread(x):
    """Unbiased standard deviation of windows `[b, t]`; constant ones have a gradient, 0."""
    variance = jnp.var(x, axis=1, ddof=1)
    return jnp.sqrt(variance + SMALLEST) - SMALLEST**0.5


def gradient_penalty(score, real, fake, key):
    """Squared distance of the gradient's length from 1 between real and generated windows
    `[b, t]`, `[b]` (Gulrajani et al. 2017).

    Args:
      score: `windows -> [b]`, without updates of its vectors.
    """
    share = jax.random.uniform(key, (len(real), 1), real.dtype)
    between = share * real + (1 - share) * fake
    slope = jax.grad(lambda x: jnp.sum(score(x)))(between)
    return (jnp.sqrt(jnp.sum(slope**2, axis=1) + SMALLEST) - 1) ** 2
