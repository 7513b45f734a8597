"""The small network that is trained here and linearized: convolutional or dense."""

from typing import Literal, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from iclr22.nn.conv import Conv3x3
from iclr22.nn.norm import BatchNorm


class Config(NamedTuple):
    """Hyper-parameters of the network and its training.

    The defaults follow LQF (Achille et al., CVPR 2021), which DIVA builds on: leaky
    ReLU, squared error, batch norm that is fused before linearization.
    """

    classes: int = 10  # number of outputs
    # channels of the first layer; later ones have 2 and 4 times as many
    width: int = 16
    activation: Literal["leaky_relu", "relu"] = "leaky_relu"  # LQF: leaky, slope 0.2
    batch_norm: bool = True  # normalise batches in training; fused for linearization
    objective: Literal["mse", "cross_entropy"] = "mse"  # training loss
    target_scale: float = 1.0  # one-hot targets are multiplied by this (LQF: about 10)
    learning_rate: float = 3e-3  # peak of a cosine schedule for AdamW
    weight_decay: float = 1e-4  # decoupled, on kernels only
    batch_size: int = 100  # examples per update over all devices
    steps: int = 200  # updates


class Network(nn.Module):
    """Three convolutions (images) or dense layers (vectors), pooling, a linear head."""

    config: Config
    axis_name: str | None = None

    @nn.compact
    def __call__(self, x, weight=None, *, features_only=False):
        """Outputs `[batch, classes]` from x `[batch, height, width, channels]` or `[batch, d]`.

        Args:
          weight: `[batch]` in training (batch moments), None in evaluation.
          features_only: return the input of the head, `[batch, 4 width]`.
        """
        config = self.config
        for i, factor in enumerate((1, 2, 4)):
            name, width = f"layer{i}", factor * config.width
            bias = not config.batch_norm
            if x.ndim == 4:
                stride = 1 if i == 0 else 2
                x = Conv3x3(width, stride, bias, name=name)(x)
            else:
                x = nn.Dense(width, use_bias=bias, name=name)(x)
            if config.batch_norm:
                x = BatchNorm(self.axis_name, name=f"norm{i}")(x, weight)
            slope = 0.2 if config.activation == "leaky_relu" else 0.0
            x = nn.leaky_relu(x, slope)
        if x.ndim == 4:
            x = jnp.mean(x, axis=(1, 2))
        return x if features_only else nn.Dense(config.classes, name="head")(x)


def forward(config, params, x, weight=None, *, axis_name=None, features_only=False):
    """`(outputs, new stats)`; `params` is `{"weights": ..., "stats": ...}`."""
    network = Network(config, axis_name)
    variables = {"params": params["weights"], "stats": params["stats"]}
    outputs, changed = network.apply(
        variables, x, weight, features_only=features_only, mutable=["stats"]
    )
    return outputs, changed.get("stats", {})


def apply(config: Config, params, inputs, *, key: jax.Array | None = None):
    """Outputs `[batch, classes]` in evaluation mode; nothing here is random."""
    del key
    return forward(config, params, inputs)[0]


def features(config: Config, params, inputs):
    """Penultimate activations `[batch, 4 width]`, what last-layer DIVA works on."""
    return forward(config, params, inputs, features_only=True)[0]


def fuse(config: Config, params):
    """The same function without batch norm: `(config, params)`.

    Folds the remembered moments, scale and shift into the layer before, as LQF does
    before taking Jacobians. The result has no `stats`.
    """
    if not config.batch_norm:
        return config, params
    weights, fused = params["weights"], {}
    for name, leaf in weights.items():
        if name.startswith("layer"):
            norm = name.replace("layer", "norm")
            stats, affine = params["stats"][norm], weights[norm]
            scale = affine["scale"] / jnp.sqrt(stats["var"] + BatchNorm.epsilon)
            bias = affine["bias"] - stats["mean"] * scale
            fused[name] = {"kernel": leaf["kernel"] * scale, "bias": bias}
    fused["head"] = weights["head"]
    return config._replace(batch_norm=False), {"weights": fused, "stats": {}}
