"""Shake-Shake networks (Gastaldi, arXiv:1705.07485): residual blocks of two branches that are
mixed at random, once in the forward pass and once more, independently, in the backward pass.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from iclr22 import errors
from iclr22.nn.conv import Conv
from iclr22.nn.norm import BatchNorm

STEM = 16


class ShakeShake(nn.Module):
    """Shake-Shake-depth 2x(width)d for small images: three stages of (depth - 2) / 6 blocks.

    Attributes:
      classes: number of outputs.
      depth: 8, 14, 20, 26, ...
      width: channels of the first stage; later ones have 2 and 4 times as many.
      axis_name: of the devices that a batch is divided over, under pmap.

    Raises:
      errors.InputError: another depth, or an odd width.
    """

    classes: int
    depth: int = 26
    width: int = 96
    axis_name: str | None = None

    @nn.compact
    def __call__(self, x, weight=None, keys=None):
        """Logits `[n, classes]` of normalised images `[n, h, w, c]`.

        Args:
          weight: `[n]` in training (moments of this batch), None in evaluation.
          keys: `[n]`, of each image's mixtures; None mixes in halves, as in evaluation.
        """
        blocks, left = divmod(self.depth - 2, 6)
        if left or blocks < 1 or self.width % 2:
            raise errors.InputError(
                "expected a depth of 2 + 6 n (8, 14, 20, 26, ...) and an even width; found "
                f"{self.depth} and {self.width}"
            )
        x = Conv(STEM, name="stem")(x)
        for number in range(3 * blocks):
            stage, index = divmod(number, blocks)
            stride = 2 if stage and not index else 1
            name = f"stage{stage}_block{index}"
            block = Block(self.width * 2**stage, stride, self.axis_name, name=name)
            x = block(x, weight, _folded(keys, number))
        x = jnp.mean(nn.relu(x), axis=(1, 2))
        return nn.Dense(self.classes, name="head")(x)


def _folded(keys, number: int):
    """Keys of a block, one for each image."""
    if keys is None:
        return None
    return jax.vmap(lambda key: jax.random.fold_in(key, number))(keys)


class Block(nn.Module):
    """Two branches of two convolutions each, mixed, beside a shortcut."""

    features: int
    stride: int
    axis_name: str | None

    @nn.compact
    def __call__(self, x, weight=None, keys=None):
        """`[n, h, w, c]` to `[n, .. / stride, features]`."""
        first, second = (self._branch(x, weight, f"branch{i}") for i in range(2))
        if self.stride > 1 or x.shape[-1] != self.features:
            x = self._shortcut(x, weight)
        return x + mixed(first, second, keys)

    def _branch(self, x, weight, name):
        for index, stride in enumerate((self.stride, 1)):
            conv = Conv(
                self.features, 3, stride, use_bias=False, name=f"{name}_conv{index}"
            )
            norm = BatchNorm(self.axis_name, name=f"norm_{name}_{index}")
            x = norm(conv(nn.relu(x)), weight)
        return x

    def _shortcut(self, x, weight):
        """Two halves of the channels, the second of pixels one further down and right."""
        x, s = nn.relu(x), self.stride
        near = x[:, ::s, ::s]
        far = jnp.pad(x[:, 1:, 1:], ((0, 0), (0, 1), (0, 1), (0, 0)))[:, ::s, ::s]
        halves = [
            Conv(self.features // 2, 1, use_bias=False, name=f"shortcut{index}")(part)
            for index, part in enumerate((near, far))
        ]
        norm = BatchNorm(self.axis_name, name="norm_shortcut")
        return norm(jnp.concatenate(halves, axis=-1), weight)


def mixed(first, second, keys=None):
    """a first + (1 - a) second, with a gradient as if it were b and not a.

    Args:
      first, second: `[n, h, w, c]`.
      keys: `[n]`, from which each image has an a and a b, uniform in 0 to 1, independent of
        each other; None: both are a half.
    """
    if keys is None:
        return (first + second) / 2
    drawn = jax.vmap(lambda key: jax.random.uniform(key, (2,)))(keys)
    a, b = (drawn[:, i, None, None, None].astype(first.dtype) for i in range(2))
    forward, backward = (s * first + (1 - s) * second for s in (a, b))
    return backward + jax.lax.stop_gradient(forward - backward)
