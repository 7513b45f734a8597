"""The networks that a classifier may have, behind one function."""

import functools
from typing import Literal, get_args

import jax
import jax.numpy as jnp

from iclr22 import errors, gradients
from iclr22.nn import efficientnet, resnet, shake_shake, wide_resnet

Name = Literal["wrn", "shake_shake", "resnet", "efficientnet"]


def module(config, axis_name: str | None = None):
    """The Linen module that a configuration describes.

    Args:
      config: with network, classes, depth, widen, width.

    Raises:
      errors.InputError: a network that is not known.
    """
    classes, depth = config.classes, config.depth
    if config.network == "wrn":
        return wide_resnet.WideResNet(classes, depth, config.widen, axis_name)
    if config.network == "shake_shake":
        return shake_shake.ShakeShake(classes, depth, config.width, axis_name)
    if config.network == "resnet":
        return resnet.ResNet(classes, depth, axis_name)
    if config.network == "efficientnet":
        return efficientnet.EfficientNetLite0(classes)
    raise errors.nearest(config.network, get_args(Name), "network")


def init(config, key: jax.Array, images):
    """Fresh `{"weights", "stats"}`; `images` `[n, h, w, c]` give the shape.

    Raises:
      errors.InputError: a network that is not known, or a depth that it does not have.
    """
    x = inputs(config, jnp.asarray(images[:1]))
    variables = module(config).init(key, x)
    return {"weights": variables["params"], "stats": variables.get("stats", {})}


def inputs(config, images):
    """uint8 images `[n, h, w, c]` as their network takes them: each channel less its mean,
    over its deviation, both on the scale 0 to 1."""
    kind = gradients.compute_dtype(config.dtype)
    if config.network == "efficientnet":
        return efficientnet.preprocess(images, config.size).astype(kind)
    mean, std = (jnp.array(x, jnp.float32) for x in (config.mean, config.std))
    return ((images.astype(jnp.float32) / 255 - mean) / std).astype(kind)


def forward(config, weights, stats, images, weight=None, keys=None, *, axis_name=None):
    """`(logits [n, classes] float32, new stats)` of uint8 images `[n, h, w, c]`.

    Args:
      weight: `[n]` in training, for the moments of this batch; None for the remembered.
      keys: `[n]`, of what is random in a network, in training.
    """
    x = inputs(config, images)
    variables = {"params": weights, "stats": stats}
    run = functools.partial(
        module(config, axis_name).apply, variables, x, mutable=["stats"]
    )
    if config.network == "efficientnet":
        found, changed = run()
    elif config.network == "shake_shake":
        found, changed = run(weight, keys)
    else:
        found, changed = run(weight)
    return found.astype(jnp.float32), changed.get("stats", stats)


def pretrained(path):
    """What an efficientnet begins at (`begin` of `loop.fit`): all layers but the last from
    a file of `efficientnet.load_weights`.

    Raises:
      errors.InputError: no such file, or of another network.
    """
    body = efficientnet.load_weights(path)

    def begin(params):
        own = {"classifier": params["weights"]["classifier"]}
        return {"weights": body | own, "stats": {}}

    return begin
