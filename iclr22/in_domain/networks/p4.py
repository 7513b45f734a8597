"""A network that an image turned by 90 degrees turns with: p4 convolutions.

Each kernel is used in its four rotations, whose results are the four elements of a group
axis; later kernels see that axis and, rotated, see it shifted (Cohen and Welling, ICML 2016,
arXiv:1602.07576). A turned image gives the same features, their group axis shifted by one,
exactly where the side is a power of two times 4, or anything below 8, because kernels of
4 x 4 pixels with a stride of two and one zero around see a mirrored image mirrored. The last
layer sees the whole group axis: orientation is a factor.

Channels are half as many as in `cnn`, times four for the group.
"""

import flax.linen as nn
import jax.numpy as jnp

from iclr22 import errors
from iclr22.in_domain.networks import cnn, slices
from iclr22.nn.conv import convolve

TURNS = 4


class P4CNN(nn.Module):
    """The network of `cnn` with group convolutions.

    Attributes:
      outputs: numbers per image.

    Raises:
      errors.InputError: images that are not square.
    """

    outputs: int

    @nn.compact
    def __call__(self, x, weight=None):
        """`(outputs [n, outputs], features [n, 4 * 128])` of images `[n, h, h, c]`; features
        are those of each rotation, one after the other."""
        del weight
        _, h, w, channels = x.shape
        if h != w:
            raise errors.InputError(
                f"p4_cnn: expected square images, which can be turned; found {h} x {w}"
            )
        layers, lifting = [], True
        widths = [width // 2 for width in cnn.WIDTHS]
        for index in range(cnn.halvings(h)):
            width = widths[min(index, len(widths) - 1)]
            layers.append(_layer(f"conv{index}", cnn.SIZE, channels, width, lifting))
            h, channels, lifting = h // 2, width, False
        last, bias = _layer("last", h, channels, cnn.FEATURES // 2, lifting)
        last = last.reshape(-1, last.shape[-1])

        def run(x):
            for kernel, shift in layers:
                x = nn.relu(convolve(x, kernel.astype(x.dtype), 2, 1) + shift)
            return nn.relu(x.reshape(len(x), -1) @ last + bias)

        x = slices.over(run, x)
        return nn.Dense(self.outputs, name="head")(x), x


def _layer(name, size, channels, width, lifting):
    """`(kernel [size, size, c, 4 width], bias [4 width])` of an ordinary convolution whose
    channels are the group axis times channels."""
    inner = () if lifting else (TURNS,)
    kernel, bias = cnn.Kernel((size, size, *inner, channels, width), name=name)()
    return turned(kernel), jnp.tile(bias, TURNS)


def turned(kernel):
    """A kernel in its four rotations, side by side: `[k, k, c, 4 f]` of the lifting one
    `[k, k, c, f]`, `[k, k, 4 c, 4 f]` of one that sees the group axis `[k, k, 4, c, f]`."""
    size, found = len(kernel), []
    for turn in range(TURNS):
        one = jnp.rot90(kernel, turn)
        one = jnp.roll(one, turn, axis=2) if kernel.ndim == 5 else one
        found.append(one.reshape(size, size, -1, kernel.shape[-1]))
    return jnp.concatenate(found, axis=-1)
