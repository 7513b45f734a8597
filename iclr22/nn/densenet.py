"""Densely connected networks (Huang et al., CVPR 2017, arXiv:1608.06993) for images.

Each layer sees what all layers before it in its block have found. DenseNet-121 has blocks of
6, 12, 24 and 16 layers that add 32 channels each; transitions halve channels and sides.
"""

import flax.linen as nn
import jax.numpy as jnp

from iclr22.nn.conv import Conv
from iclr22.nn.norm import BatchNorm

BLOCKS_121 = 6, 12, 24, 16
GROWTH_121 = 32
MIDDLE = 4  # channels between a layer's two convolutions, over its growth


class DenseNet(nn.Module):
    """A 7 x 7 stem and pooling, then dense blocks with transitions between.

    Attributes:
      classes: number of outputs.
      blocks: layers of each.
      growth: channels that a layer adds; the stem has twice as many.
      axis_name: of the devices that a batch is divided over, under pmap.
    """

    classes: int
    blocks: tuple[int, ...] = BLOCKS_121
    growth: int = GROWTH_121
    axis_name: str | None = None

    @nn.compact
    def __call__(self, x, weight=None, *, with_features: bool = False):
        """Logits `[n, classes]` of images `[n, h, w, c]`, 32 pixels or larger.

        Args:
          weight: `[n]` in training (moments of this batch), None in evaluation.
          with_features: give `(logits, features [n, d])`, what the last layer sees.
        """
        x = Conv(2 * self.growth, 7, 2, use_bias=False, name="stem")(x)
        x = self._active(x, weight, "norm")
        x = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))  # no pixel is below 0
        x = nn.max_pool(x, (3, 3), (2, 2))
        for block, layers in enumerate(self.blocks):
            if block:
                x = self._active(x, weight, f"transition{block}_norm")
                name = f"transition{block}_conv"
                x = Conv(x.shape[-1] // 2, 1, use_bias=False, name=name)(x)
                x = nn.avg_pool(x, (2, 2), (2, 2))
            for index in range(layers):
                name = f"block{block}_layer{index}"
                layer = Layer(self.growth, self.axis_name, name=name)
                x = jnp.concatenate([x, layer(x, weight)], axis=-1)
        x = jnp.mean(self._active(x, weight, "last_norm"), axis=(1, 2))
        logits = nn.Dense(self.classes, name="head")(x)
        return (logits, x) if with_features else logits

    def _active(self, x, weight, name):
        return nn.relu(BatchNorm(self.axis_name, name=name)(x, weight))


class Layer(nn.Module):
    """1 x 1 and 3 x 3 convolutions, normalised before.

    Attributes:
      growth: channels of the result.
    """

    growth: int
    axis_name: str | None

    @nn.compact
    def __call__(self, x, weight=None):
        """`[n, h, w, c]` to `[n, h, w, growth]`."""
        y = nn.relu(BatchNorm(self.axis_name, name="norm0")(x, weight))
        y = Conv(MIDDLE * self.growth, 1, use_bias=False, name="conv0")(y)
        y = nn.relu(BatchNorm(self.axis_name, name="norm1")(y, weight))
        return Conv(self.growth, use_bias=False, name="conv1")(y)
