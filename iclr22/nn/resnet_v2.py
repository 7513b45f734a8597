"""Residual networks with normalisation before convolutions, as Big Transfer has them.

BiT (Kolesnikov et al., ECCV 2020, arXiv:1912.11370): groups of channels are normalised and
not batches (Wu and He, ECCV 2018), and every kernel is standardised before it is used (Qiao
et al., arXiv:1903.10520). Those of width 1 are here, with the bottlenecks of `resnet`.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from iclr22 import errors
from iclr22.nn.conv import convolve
from iclr22.nn.resnet import BLOCKS, EXPANSION, STEM

GROUPS = 32
EPSILON = 1e-10  # of a kernel's variance


class ResNetV2(nn.Module):
    """A 7 x 7 stem and pooling, then four groups of blocks, a norm, a dense layer.

    Attributes:
      classes: number of outputs.
      depth: 50, 101 or 152.

    Raises:
      errors.InputError: another depth.
    """

    classes: int
    depth: int = 50

    @nn.compact
    def __call__(self, x, weight=None, *, with_features: bool = False):
        """Logits `[n, classes]` of images `[n, h, w, c]` from -1 to 1.

        Args:
          weight: not looked at, images have nothing to do with each other.
          with_features: give `(logits, features [n, d])`, what the last layer sees.
        """
        del weight
        if self.depth not in BLOCKS:
            raise errors.InputError(
                f"depth: expected one of {', '.join(map(str, BLOCKS))}; found {self.depth}"
            )
        x = Standardised(STEM, 7, 2, name="stem")(x)
        x = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))  # zeros, as there
        x = nn.max_pool(x, (3, 3), (2, 2))
        for group, blocks in enumerate(BLOCKS[self.depth]):
            for index in range(blocks):
                stride = 2 if group and not index else 1
                name = f"group{group}_block{index}"
                x = Block(STEM * 2**group, stride, name=name)(x)
        x = jnp.mean(nn.relu(_norm("norm")(x)), axis=(1, 2))
        logits = nn.Dense(self.classes, name="head")(x)
        return (logits, x) if with_features else logits


class Block(nn.Module):
    """1 x 1, 3 x 3 and 1 x 1 convolutions beside a shortcut, each normalised before.

    Attributes:
      features: channels in the middle.
      stride: of the 3 x 3 convolution.
    """

    features: int
    stride: int

    @nn.compact
    def __call__(self, x):
        """`[n, h, w, c]` to `[n, .. / stride, 4 features]`."""
        wide = EXPANSION * self.features
        y = nn.relu(_norm("norm0")(x))
        if self.stride > 1 or x.shape[-1] != wide:
            x = Standardised(wide, 1, self.stride, name="conv_shortcut")(y)
        y = Standardised(self.features, 1, name="conv0")(y)
        y = nn.relu(_norm("norm1")(y))
        y = Standardised(self.features, 3, self.stride, name="conv1")(y)
        y = nn.relu(_norm("norm2")(y))
        return x + Standardised(wide, 1, name="conv2")(y)


class Standardised(nn.Module):
    """Convolution without bias whose kernel has mean 0 and variance 1 for each output.

    Attributes:
      features: channels of the result.
      size: pixels of the kernel's side.
      stride: of the convolution.
    """

    features: int
    size: int
    stride: int = 1

    @nn.compact
    def __call__(self, x):
        """`[n, h, w, c]` to `[n, .. / stride, features]`."""
        shape = self.size, self.size, x.shape[-1], self.features
        kernel = self.param("kernel", nn.initializers.he_normal(), shape)
        return convolve(x, standardised(kernel).astype(x.dtype), self.stride)


def standardised(kernel) -> jax.Array:
    """A kernel `[k, k, c, f]` less its mean, over its deviation, for each f."""
    kernel = kernel - jnp.mean(kernel, axis=(0, 1, 2))
    return kernel / jnp.sqrt(jnp.mean(kernel**2, axis=(0, 1, 2)) + EPSILON)


def _norm(name):
    return nn.GroupNorm(GROUPS, epsilon=1e-5, name=name)
