"""The convolutional network of the benchmark (Schott et al., ICLR 2022, their code).

Convolutions of 4 x 4 pixels halve the image until 4 to 7 pixels are left, one more covers
those, then a dense layer: for 64 pixels 32, 32, 64, 64 and 256 channels, for 32 pixels 32,
32, 64 and 256. Weights begin as PyTorch begins them.
"""

import flax.linen as nn
import jax.numpy as jnp

from iclr22.in_domain.networks import slices
from iclr22.nn.conv import convolve

WIDTHS = 32, 32, 64, 64  # channels of the first, the second, ... halving; then the last
FEATURES = 256
SIZE = 4  # pixels of a kernel's side
LEFT = 8  # a side shorter than this is not halved


class CNN(nn.Module):
    """Halving convolutions, one of what is left, a dense layer.

    Attributes:
      outputs: numbers per image.
      coordinates: see `Trunk`.
    """

    outputs: int
    coordinates: bool = False

    @nn.compact
    def __call__(self, x, weight=None):
        """`(outputs [n, outputs], features [n, 256])` of images `[n, h, w, c]`."""
        del weight
        x = Trunk(coordinates=self.coordinates, name="trunk")(x)
        return nn.Dense(self.outputs, name="head")(x), x


class Trunk(nn.Module):
    """All of the network but the last layer.

    Attributes:
      widths: channels of the convolutions that halve; the last goes on.
      width: features per image.
      coordinates: every convolution sees two channels more, where its pixels are from -1 to
        1 (CoordConv, Liu et al., NeurIPS 2018, arXiv:1807.03247).
    """

    widths: tuple[int, ...] = WIDTHS
    width: int = FEATURES
    coordinates: bool = False

    @nn.compact
    def __call__(self, x):
        """Features `[n, width]` of images `[n, h, w, c]`."""
        shape, layers = x.shape[1:], []
        for index in range(halvings(*shape[:2])):
            width = self.widths[min(index, len(self.widths) - 1)]
            layers.append(self._layer(f"conv{index}", (SIZE, SIZE), shape, width))
            shape = shape[0] // 2, shape[1] // 2, width
        last, bias = self._layer("last", shape[:2], shape, self.width)
        last = last.reshape(-1, self.width)

        def run(x):
            for kernel, shift in layers:
                x = nn.relu(convolve(x, kernel.astype(x.dtype), 2, 1) + shift)
            return nn.relu(x.reshape(len(x), -1) @ last + bias.reshape(-1))

        return slices.over(run, x)

    def _layer(self, name, size, shape, width):
        """`(kernel of the image's channels, what is added to its result)`.

        Coordinates are the same in all images, and so is what a kernel makes of them.
        """
        h, w, channels = shape
        extra = 2 * self.coordinates
        kernel, bias = Kernel((*size, channels + extra, width), name=name)()
        own, others = kernel[:, :, :channels], kernel[:, :, channels:]
        if not self.coordinates:
            return own, bias
        places = coordinates(h, w).astype(kernel.dtype)
        if name == "last":
            return own, bias + jnp.einsum("hwc,hwcf->f", places, others)
        return own, bias + convolve(places[None], others, 2, 1)


class Kernel(nn.Module):
    """Weights of a layer, which begin at zero until they are drawn (`initial.uniform`).

    Attributes:
      shape: of the kernel, `[.., c, f]`.
    """

    shape: tuple[int, ...]

    @nn.compact
    def __call__(self):
        """`(kernel, bias [f])`."""
        zeros = nn.initializers.zeros
        kernel = self.param("kernel", zeros, self.shape)
        return kernel, self.param("bias", zeros, self.shape[-1:])


def coordinates(h: int, w: int):
    """Where pixels are, across and down from -1 to 1, `[h, w, 2]`."""
    down, across = jnp.meshgrid(
        jnp.linspace(-1, 1, h), jnp.linspace(-1, 1, w), indexing="ij"
    )
    return jnp.stack([across, down], axis=-1)


def halvings(*sides: int) -> int:
    """How often an image of these sides is halved: until a side is shorter than 8."""
    side, count = min(sides), 0
    while side >= LEFT:
        side, count = side // 2, count + 1
    return count
