"""Residual networks for ImageNet (He et al., CVPR 2016, arXiv:1512.03385).

The stride is in the 3 x 3 convolution, as in torchvision. The scale of each block's last
normalisation begins at zero, so that a fresh block is its shortcut (Goyal et al.,
arXiv:1706.02677).
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from iclr22 import errors
from iclr22.nn.conv import Conv
from iclr22.nn.norm import BatchNorm

BASIC = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}
BLOCKS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3), 200: (3, 24, 36, 3)}
STEM = 64
EXPANSION = 4  # of a block's output over its middle


class ResNet(nn.Module):
    """ResNet-depth: a 7 x 7 stem and pooling, then four groups of blocks.

    Attributes:
      classes: number of outputs.
      depth: 18 or 34, of basic blocks; 50, 101, 152 or 200, of bottlenecks.
      width: channels of the stem.
      axis_name: of the devices that a batch is divided over, under pmap.

    Raises:
      errors.InputError: another depth.
    """

    classes: int
    depth: int = 50
    axis_name: str | None = None
    width: int = STEM

    @nn.compact
    def __call__(self, x, weight=None, *, with_features: bool = False):
        """Logits `[n, classes]` of normalised images `[n, h, w, c]`, 32 pixels or larger.

        Args:
          weight: `[n]` in training (moments of this batch), None in evaluation.
          with_features: give `(logits, features [n, d])`, what the last layer sees.
        """
        depths = BASIC | BLOCKS
        if self.depth not in depths:
            raise errors.InputError(
                f"depth: expected one of {', '.join(map(str, depths))}; found {self.depth}"
            )
        block_of = Basic if self.depth in BASIC else Bottleneck
        x = Conv(self.width, 7, 2, use_bias=False, name="stem")(x)
        x = nn.relu(BatchNorm(self.axis_name, name="norm")(x, weight))
        x = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))  # no pixel is below 0
        x = nn.max_pool(x, (3, 3), (2, 2))
        for group, blocks in enumerate(depths[self.depth]):
            for index in range(blocks):
                stride = 2 if group and not index else 1
                name = f"group{group}_block{index}"
                width = self.width * 2**group
                x = block_of(width, stride, self.axis_name, name=name)(x, weight)
        x = jnp.mean(x, axis=(1, 2))
        logits = nn.Dense(self.classes, name="head")(x)
        return (logits, x) if with_features else logits


class _Block(nn.Module):
    """What blocks share: convolutions with their norms."""

    features: int
    stride: int
    axis_name: str | None

    def _normed(
        self, x, weight, name, features, size, stride=1, begin=nn.initializers.ones
    ) -> jax.Array:
        conv = Conv(features, size, stride, use_bias=False, name=f"conv{name}")
        norm = BatchNorm(self.axis_name, begin=begin, name=f"norm{name}")
        return norm(conv(x), weight)


class Basic(_Block):
    """Two 3 x 3 convolutions beside a shortcut."""

    @nn.compact
    def __call__(self, x, weight=None):
        """`[n, h, w, c]` to `[n, .. / stride, features]`."""
        wide = self.features
        y = nn.relu(self._normed(x, weight, "0", wide, 3, self.stride))
        y = self._normed(y, weight, "1", wide, 3, begin=nn.initializers.zeros)
        if self.stride > 1 or x.shape[-1] != wide:
            x = self._normed(x, weight, "_shortcut", wide, 1, self.stride)
        return nn.relu(x + y)


class Bottleneck(_Block):
    """1 x 1, 3 x 3 and 1 x 1 convolutions beside a shortcut."""

    @nn.compact
    def __call__(self, x, weight=None):
        """`[n, h, w, c]` to `[n, .. / stride, 4 features]`."""
        y = nn.relu(self._normed(x, weight, "0", self.features, 1))
        y = nn.relu(self._normed(y, weight, "1", self.features, 3, self.stride))
        wide = EXPANSION * self.features
        y = self._normed(y, weight, "2", wide, 1, begin=nn.initializers.zeros)
        if self.stride > 1 or x.shape[-1] != wide:
            x = self._normed(x, weight, "_shortcut", wide, 1, self.stride)
        return nn.relu(x + y)
