"""SGD as image classifiers are trained: warm-up, cosine, cut gradients, L2 without norms."""

import jax
import jax.numpy as jnp
import optax


def rate(peak: float, steps: int, warm_up: int = 0):
    """`step -> learning rate`: a line from 0 to `peak` during `warm_up` updates, then a
    cosine that reaches 0 after the last of all `steps`."""

    def at(step):
        rising = step / max(warm_up, 1)
        done = jnp.clip((step - warm_up) / max(steps - warm_up, 1), 0.0, 1.0)
        falling = (1 + jnp.cos(jnp.pi * done)) / 2
        return peak * jnp.where(step < warm_up, rising, falling)

    return at


def decayed(weights):
    """True for each array that L2 is of: kernels, and biases of convolutions.

    Those of normalisations and the bias of the head are free.
    """

    last = "classifier" if "classifier" in weights else "head"  # of an efficientnet

    def chosen(path, x):
        *_, owner, name = (part.key for part in path)
        free = owner == last or owner.startswith("norm")
        return x.ndim > 1 or (name == "bias" and not free)

    return jax.tree_util.tree_map_with_path(chosen, weights)


def penalty(weights):
    """Sum of the squares of all arrays that are `decayed`."""
    pairs = zip(
        jax.tree.leaves(decayed(weights)), jax.tree.leaves(weights), strict=True
    )
    return sum(jnp.sum(jnp.float32(x) ** 2) for chosen, x in pairs if chosen)


def sgd(config) -> optax.GradientTransformation:
    """Gradients are cut, then get `weight_decay` times the weights, as PyTorch's SGD adds
    them, then momentum and the rate.

    Args:
      config: with clip, weight_decay, momentum, nesterov, learning_rate, steps, warm_up.
    """
    steps = [optax.clip_by_global_norm(config.clip)] if config.clip else []
    if config.weight_decay:
        steps.append(optax.add_decayed_weights(config.weight_decay, mask=decayed))
    schedule = rate(config.learning_rate, config.steps, config.warm_up)
    moving = optax.sgd(schedule, config.momentum or None, nesterov=config.nesterov)
    return optax.chain(*steps, moving)
