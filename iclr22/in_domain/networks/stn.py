"""The network of `cnn` after a spatial transformer (Jaderberg et al., NeurIPS 2015,
arXiv:1506.02025): a small network says where to look, by an affine map that begins as the
identity, and the image is sampled there, bilinearly, with zeros outside.

Its two convolutions keep the size of the image, so that small images will do.
"""

import flax.linen as nn
import jax.numpy as jnp

from iclr22.in_domain.networks import cnn
from iclr22.nn.conv import convolve

LAYERS = ((7, 8), (5, 10))  # pixels of a kernel's side, channels
HIDDEN = 32
IDENTITY = 1.0, 0.0, 0.0, 0.0, 1.0, 0.0


class STN(nn.Module):
    """Where to look, then the network.

    Attributes:
      outputs: numbers per image.
    """

    outputs: int

    @nn.compact
    def __call__(self, x, weight=None):
        """`(outputs [n, outputs], features [n, 256])` of images `[n, h, w, c]`."""
        looks = Looks(name="looks")(x)
        return cnn.CNN(self.outputs, name="cnn")(sampled(x, looks), weight)


class Looks(nn.Module):
    """Convolutions and dense layers that find an affine map."""

    @nn.compact
    def __call__(self, x):
        """Maps `[n, 2, 3]` of images `[n, h, w, c]`."""
        for index, (size, width) in enumerate(LAYERS):
            shape = size, size, x.shape[-1], width
            kernel, bias = cnn.Kernel(shape, name=f"conv{index}")()
            x = nn.relu(halved(convolve(x, kernel.astype(x.dtype)) + bias))
        x = nn.relu(nn.Dense(HIDDEN, name="dense")(x.reshape(len(x), -1)))
        slope = self.param("slope", nn.initializers.zeros, (HIDDEN, len(IDENTITY)))
        begin = self.param("begin", lambda _: jnp.array(IDENTITY))
        return (x @ slope + begin).reshape(-1, 2, 3)


def halved(x):
    """The largest of 2 x 2 pixels; of `[n, h, w, c]` an odd row and column are left out."""
    n, h, w, c = x.shape
    x = x[:, : h - h % 2, : w - w % 2].reshape(n, h // 2, 2, w // 2, 2, c)
    x = jnp.maximum(x[:, :, 0], x[:, :, 1])
    return jnp.maximum(x[:, :, :, 0], x[:, :, :, 1])


def sampled(x, maps):
    """Images `[n, h, w, c]` where maps `[n, 2, 3]` look: at pixel p, whose centre is at
    (across, down) from -1 to 1, is what the image has at map @ (across, down, 1)."""
    n, h, w, channels = x.shape
    across, down = (2 * (jnp.arange(m) + 0.5) / m - 1 for m in (w, h))
    places = jnp.stack(
        [
            jnp.tile(across, h),
            jnp.repeat(down, w),
            jnp.ones(h * w),
        ]
    )
    at = maps.astype(jnp.float32) @ places  # [n, 2, h w]
    column = ((at[:, 0] + 1) * w - 1) / 2
    row = ((at[:, 1] + 1) * h - 1) / 2
    left, top = jnp.floor(column), jnp.floor(row)
    flat, found = x.reshape(n, h * w, channels), 0.0
    for i in (0, 1):
        for j in (0, 1):
            r, c = top + i, left + j
            share = (1 - jnp.abs(row - r)) * (1 - jnp.abs(column - c))
            inside = (r >= 0) & (r < h) & (c >= 0) & (c < w)
            index = jnp.clip(r, 0, h - 1) * w + jnp.clip(c, 0, w - 1)
            pixels = jnp.take_along_axis(flat, index.astype(jnp.int32)[..., None], 1)
            found += jnp.where(inside, share, 0)[..., None] * pixels
    return found.reshape(x.shape).astype(x.dtype)
