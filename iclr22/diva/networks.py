"""The small network that is trained here and linearized: convolutional or dense."""

import flax.linen as nn
import jax.numpy as jnp

from iclr22.nn.conv import Conv3x3
from iclr22.nn.norm import BatchNorm


class Network(nn.Module):
    """Three convolutions (images) or dense layers (vectors), pooling, a linear head.

    Attributes:
      classes: number of outputs.
      width: channels of the first layer; later ones have 2 and 4 times as many.
      slope: of the leaky ReLU below zero; 0 is a ReLU.
      batch_norm: normalise batches in training.
      axis_name: of the devices that a batch is divided over, under pmap.
    """

    classes: int
    width: int
    slope: float
    batch_norm: bool
    axis_name: str | None = None

    @nn.compact
    def __call__(self, x, weight=None, *, features_only=False):
        """Outputs `[batch, classes]` from x `[batch, height, width, channels]` or `[batch, d]`.

        Args:
          weight: `[batch]` in training (batch moments), None in evaluation.
          features_only: return the input of the head, `[batch, 4 width]`.
        """
        bias = not self.batch_norm
        for i, factor in enumerate((1, 2, 4)):
            name, width = f"layer{i}", factor * self.width
            if x.ndim == 4:
                stride = 1 if i == 0 else 2
                x = Conv3x3(width, stride, bias, name=name)(x)
            else:
                x = nn.Dense(width, use_bias=bias, name=name)(x)
            if self.batch_norm:
                x = BatchNorm(self.axis_name, name=f"norm{i}")(x, weight)
            x = nn.leaky_relu(x, self.slope)
        if x.ndim == 4:
            x = jnp.mean(x, axis=(1, 2))
        return x if features_only else nn.Dense(self.classes, name="head")(x)
