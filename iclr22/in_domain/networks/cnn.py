"""The convolutional network of the benchmark (Schott et al., ICLR 2022, their code).

Convolutions of 4 x 4 pixels halve the image until 4 to 7 pixels are left, one more covers
those, then a dense layer: for 64 pixels 32, 32, 64, 64 and 256 channels, for 32 pixels 32,
32, 64 and 256. Weights begin as PyTorch begins them.
"""

import flax.linen as nn

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
      widths: channels of the convolutions that halve; the last goes on.
      width: features per image.
    """

    outputs: int
    widths: tuple[int, ...] = WIDTHS
    width: int = FEATURES

    @nn.compact
    def __call__(self, x, weight=None):
        """`(outputs [n, outputs], features [n, width])` of images `[n, h, w, c]`."""
        del weight
        x = Trunk(self.widths, self.width, name="trunk")(x)
        return nn.Dense(self.outputs, name="head")(x), x


class Trunk(nn.Module):
    """All of the network but the last layer.

    Attributes:
      widths: channels of the convolutions that halve; the last goes on.
      width: features per image.
    """

    widths: tuple[int, ...] = WIDTHS
    width: int = FEATURES

    @nn.compact
    def __call__(self, x):
        """Features `[n, width]` of images `[n, h, w, c]`."""
        shape, layers = x.shape[1:], []
        for index in range(halvings(*shape[:2])):
            width = self.widths[min(index, len(self.widths) - 1)]
            layer = Kernel((SIZE, SIZE, shape[2], width), name=f"conv{index}")
            layers.append(layer())
            shape = shape[0] // 2, shape[1] // 2, width
        last = Kernel((*shape, self.width), name="last")()

        def run(x):
            for kernel, bias in layers:
                x = nn.relu(convolve(x, kernel.astype(x.dtype), 2, 1) + bias)
            kernel, bias = last
            flat = x.reshape(len(x), -1) @ kernel.reshape(-1, self.width)
            return nn.relu(flat + bias)

        return slices.over(run, x)


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
        return self.param("kernel", zeros, self.shape), self.param(
            "bias", zeros, self.shape[-1:]
        )


def halvings(*sides: int) -> int:
    """How often an image of these sides is halved: until a side is shorter than 8."""
    side, count = min(sides), 0
    while side >= LEFT:
        side, count = side // 2, count + 1
    return count
