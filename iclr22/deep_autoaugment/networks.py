"""The networks that a classifier may have, behind one function."""

import jax
import jax.numpy as jnp

from iclr22 import errors, gradients
from iclr22.nn import initial, wide_resnet

NAMES = ("wrn",)


def module(config, axis_name: str | None = None):
    """The Linen module that a configuration describes.

    Args:
      config: with network, classes, depth, widen.

    Raises:
      errors.InputError: a network that is not known, a depth that it does not have.
    """
    if config.network == "wrn":
        return wide_resnet.WideResNet(
            config.classes, config.depth, config.widen, axis_name
        )
    raise errors.nearest(config.network, NAMES, "network")


def init(config, key: jax.Array, images):
    """Fresh `{"weights", "stats"}`; `images` `[n, h, w, c]` give the shape."""
    variables = module(config).init(key, normalised(config, jnp.asarray(images[:1])))
    weights = initial.kernels(variables["params"], key)
    return {"weights": weights, "stats": variables.get("stats", {})}


def normalised(config, images):
    """uint8 images `[n, h, w, c]` with each channel less its mean, over its deviation,
    both on the scale 0 to 1."""
    x = images.astype(jnp.float32) / 255
    x = (x - jnp.array(config.mean, jnp.float32)) / jnp.array(config.std, jnp.float32)
    return x.astype(gradients.compute_dtype(config.dtype))


def forward(config, weights, stats, images, weight=None, *, axis_name=None):
    """`(logits [n, classes] float32, new stats)` of uint8 images `[n, h, w, c]`.

    Args:
      weight: `[n]` in training, for the moments of this batch; None for the remembered.
    """
    variables = {"params": weights, "stats": stats}
    x = normalised(config, images)
    found, changed = module(config, axis_name).apply(
        variables, x, weight, mutable=["stats"]
    )
    return found.astype(jnp.float32), changed.get("stats", stats)
