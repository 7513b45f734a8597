"""Wide residual networks (Zagoruyko and Komodakis, BMVC 2016, arXiv:1605.07146).

As Deep AutoAugment (arXiv:2203.06172) has them for CIFAR: normalisation and ReLU before each
convolution, convolutions with biases, no dropout.
"""

import flax.linen as nn
import jax.numpy as jnp

from iclr22 import errors
from iclr22.nn.conv import Conv
from iclr22.nn.norm import BatchNorm

WIDTHS = 16, 32, 64  # channels of the three groups at `widen` 1


class WideResNet(nn.Module):
    """WRN-depth-widen: three groups of (depth - 4) / 6 blocks, each group half as large.

    Attributes:
      classes: number of outputs.
      depth: 4, 10, 16, 22, 28, 40, ...; 4 leaves the first convolution alone.
      widen: factor of the channels.
      axis_name: of the devices that a batch is divided over, under pmap.

    Raises:
      errors.InputError: another depth.
    """

    classes: int
    depth: int = 40
    widen: int = 2
    axis_name: str | None = None

    @nn.compact
    def __call__(self, x, weight=None):
        """Logits `[n, classes]` of normalised images `[n, h, w, c]`.

        Args:
          weight: `[n]` in training (moments of this batch), None in evaluation.
        """
        blocks, left = divmod(self.depth - 4, 6)
        if left or blocks < 0:
            raise errors.InputError(
                f"depth: expected 4 + 6 n (10, 16, 28, 40, ...); found {self.depth}"
            )
        x = Conv(WIDTHS[0], name="stem")(x)
        for group, width in enumerate(WIDTHS):
            for index in range(blocks):
                stride = 2 if group and not index else 1
                name = f"group{group}_block{index}"
                block = Block(width * self.widen, stride, self.axis_name, name=name)
                x = block(x, weight)
        x = nn.relu(BatchNorm(self.axis_name, name="norm")(x, weight))
        return nn.Dense(self.classes, name="head")(jnp.mean(x, axis=(1, 2)))


class Block(nn.Module):
    """Two 3 x 3 convolutions beside a shortcut, the second of which has the stride."""

    features: int
    stride: int
    axis_name: str | None

    @nn.compact
    def __call__(self, x, weight=None):
        """`[n, h, w, c]` to `[n, .. / stride, features]`."""
        y = nn.relu(BatchNorm(self.axis_name, name="norm0")(x, weight))
        y = Conv(self.features, name="conv0")(y)
        y = nn.relu(BatchNorm(self.axis_name, name="norm1")(y, weight))
        y = Conv(self.features, stride=self.stride, name="conv1")(y)
        if self.stride > 1 or x.shape[-1] != self.features:
            x = Conv(self.features, 1, self.stride, name="shortcut")(x)
        return x + y
