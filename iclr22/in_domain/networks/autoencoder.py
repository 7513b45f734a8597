"""An encoder of images and the decoder that mirrors it, for representations without labels.

The encoder is the network of `cnn` with two dense layers. The decoder doubles the image
where the encoder halves it, each time by a 3 x 3 convolution into four channels for each,
one for every pixel of 2 x 2 (Shi et al., CVPR 2016, arXiv:1609.05158): transposed
convolutions are slow on CPUs and leave a pattern of squares.
"""

import flax.linen as nn
import jax

from iclr22.in_domain.networks import cnn, slices
from iclr22.nn.conv import convolve


class Encoder(nn.Module):
    """Halving convolutions, a dense layer with ReLU, a dense layer.

    Attributes:
      outputs: numbers per image.
      widths: channels of the convolutions that halve.
      width: features of the layers after them.
    """

    outputs: int
    widths: tuple[int, ...] = cnn.WIDTHS
    width: int = cnn.FEATURES

    @nn.compact
    def __call__(self, x):
        """`[n, outputs]` of images `[n, h, w, c]`."""
        x = cnn.Trunk(self.widths, self.width, name="trunk")(x)
        x = nn.relu(nn.Dense(self.width, name="dense")(x))
        return nn.Dense(self.outputs, name="head")(x)


class Decoder(nn.Module):
    """Dense layers, then convolutions that double the image.

    Attributes:
      shape: `(h, w, c)` of an image.
      widths: channels where the encoder has them.
      width: features of the first layer.
    """

    shape: tuple[int, int, int]
    widths: tuple[int, ...] = cnn.WIDTHS
    width: int = cnn.FEATURES

    @nn.compact
    def __call__(self, z):
        """Images `[n, h, w, c]`, as logits, of latents `[n, d]`."""
        height, width, channels = self.shape
        count = cnn.halvings(height, width)
        widths = [self.widths[min(i, len(self.widths) - 1)] for i in range(count)]
        h, w = (-(-side // 2**count) for side in (height, width))
        inner = widths[-1] if widths else channels
        x = nn.relu(nn.Dense(self.width, name="dense")(z))
        x = nn.Dense(h * w * inner, name="small")(x)
        layers, wide = [], inner
        for index, narrow in enumerate([*widths[-2::-1], channels][:count]):
            shape = 3, 3, wide, 4 * narrow
            layers.append(cnn.Kernel(shape, name=f"conv{index}")())
            wide = narrow

        def run(x):
            x = x.reshape(-1, h, w, inner)
            for kernel, bias in layers:
                x = spread(convolve(nn.relu(x), kernel.astype(x.dtype)) + bias)
            return x[:, :height, :width]

        return slices.over(run, x)


def spread(x: jax.Array) -> jax.Array:
    """`[n, h, w, 4 c]` to `[n, 2 h, 2 w, c]`: channels become squares of pixels."""
    n, h, w, c = x.shape
    x = x.reshape(n, h, w, 2, 2, c // 4).transpose(0, 1, 3, 2, 4, 5)
    return x.reshape(n, 2 * h, 2 * w, c // 4)
