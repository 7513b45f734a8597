"""Networks of GRDA and of its baselines (arXiv:2202.03428; widths of the released code).

Everything works on any leading axes: `[..., features]` to `[..., outputs]`.
"""

from typing import Literal

import flax.linen as nn
import jax
import jax.numpy as jnp

Start = Literal["uniform", "normal"]  # how weights begin; see `linear`


def linear(width: int, start: Start, name: str | None = None) -> nn.Dense:
    """A linear map with bias.

    Args:
      start: `uniform` within 1/sqrt(inputs), which trains well from the first step, or
        `normal` with deviation 0.01 as the released code has it, which starts slowly.
    """
    if start == "normal":
        return nn.Dense(width, kernel_init=nn.initializers.normal(0.01), name=name)
    scaled = nn.initializers.variance_scaling
    return nn.Dense(width, kernel_init=scaled(1 / 3, "fan_in", "uniform"), name=name)


class Perceptron(nn.Module):
    """Linear maps with ReLU between them."""

    widths: tuple[int, ...]
    start: Start
    last: bool = False  # ReLU after the last one, too

    @nn.compact
    def __call__(self, x):
        for i, width in enumerate(self.widths):
            x = linear(width, self.start)(x)
            if self.last or i < len(self.widths) - 1:
                x = nn.relu(x)
        return x


class Encoder(nn.Module):
    """E: samples `[..., features]` and embeddings of their domains `[..., t]` (or, for
    samples `[slots, N, features]`, `[N, t]`) to encodings `[..., hidden]`."""

    hidden: int
    start: Start

    @nn.compact
    def __call__(self, x, z):
        width, start = self.hidden, self.start
        x = Perceptron((width,), start, last=True, name="sample")(x)
        z = Perceptron((width, width), start, last=True, name="domain")(z)
        z = jnp.broadcast_to(z, (*x.shape[:-1], width))
        joint = jnp.concatenate([x, z], axis=-1)
        return Perceptron((*(2 * width,) * 3, width), start, name="joint")(joint)


class Predictor(nn.Module):
    """F: encodings to logits or, in a regression, to numbers `[..., outputs]`."""

    hidden: int
    outputs: int
    start: Start

    @nn.compact
    def __call__(self, encodings):
        widths = (self.hidden, self.hidden, self.outputs)
        return Perceptron(widths, self.start, name="layers")(encodings)


class Discriminator(nn.Module):
    """D: encodings to `[..., outputs]`; five hidden layers."""

    hidden: int
    outputs: int
    start: Start

    @nn.compact
    def __call__(self, encodings):
        widths = (*(self.hidden,) * 5, self.outputs)
        return Perceptron(widths, self.start, name="layers")(encodings)


class ConditionalDiscriminator(nn.Module):
    """D of CDANN: a condition `[..., c]` joins after the first layer."""

    hidden: int
    outputs: int
    start: Start

    @nn.compact
    def __call__(self, encodings, condition):
        width, start = self.hidden, self.start
        first = Perceptron((width,), start, last=True, name="first")(encodings)
        second = Perceptron((width, width), start, last=True, name="condition")
        joint = jnp.concatenate([first, second(condition)], axis=-1)
        widths = (*(width,) * 4, self.outputs)
        return Perceptron(widths, start, name="layers")(joint)


def count(params) -> int:
    """Number of parameters."""
    return sum(x.size for x in jax.tree.leaves(params))
