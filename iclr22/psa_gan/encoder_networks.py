"""Encoder of windows of any length: dilated causal convolutions, the maximum over time.

Franceschi, Dieuleveut, Jaggi, "Unsupervised Scalable Representation Learning for
Multivariate Time Series", NeurIPS 2019. Windows are at the right of an array, zeros before
them: what the convolutions see there is what padding would be, so a window has the same
vector in an array of any size.
"""

import flax.linen as nn
import jax.numpy as jnp
import numpy as np

from iclr22.psa_gan.networks import leaky
from iclr22.psa_gan.spectral import Plain, weight_and_bias


class Causal(nn.Module):
    """A causal convolution whose weight has a length of its own (weight normalisation)."""

    width: int
    kernel: int
    dilation: int

    @nn.compact
    def __call__(self, x):
        inputs = x.shape[-1]
        weight, bias = weight_and_bias(self, inputs, self.kernel, self.width)
        flat = weight.reshape(-1, self.width)
        size = jnp.linalg.norm(flat, axis=0)

        def as_it_is(key):
            del key
            return size

        length = self.param("length", as_it_is)
        flat = flat * (length / jnp.maximum(size, 1e-12))
        steps = [(i + 1 - self.kernel) * self.dilation for i in range(self.kernel)]
        return shifted(x, flat.reshape(weight.shape), steps) + bias


def shifted(x, weight, steps):
    """Convolution of `[n, time, c]` with `weight [kernel, c, width]`: what each part of the
    kernel sees is so many steps later. Parts that see zeros alone cost nothing."""
    time = x.shape[1]
    used = [i for i, s in enumerate(steps) if abs(s) < time]
    seen = []
    for i in used:
        s = steps[i]
        cut = x[:, max(s, 0) : time + min(s, 0)]
        seen.append(jnp.pad(cut, ((0, 0), (max(-s, 0), max(s, 0)), (0, 0))))
    flat = weight[np.array(used)].reshape(-1, weight.shape[-1])
    return jnp.concatenate(seen, axis=-1) @ flat


class CausalBlock(nn.Module):
    """Two convolutions and what they are added to."""

    width: int
    kernel: int
    dilation: int

    @nn.compact
    def __call__(self, x, there):
        """`x [n, time, c]`, `there [n, time, 1]`: 1 within the window, 0 before."""
        y = x
        for i in range(2):
            layer = Causal(self.width, self.kernel, self.dilation, name=f"layer_{i}")
            y = leaky(layer(y)) * there
        if x.shape[-1] != self.width:
            x = Plain(self.width, name="residual")(x) * there
        return y + x


class Encoder(nn.Module):
    """Vectors `[n, out]` of windows `[n, time]`."""

    blocks: int
    channels: int
    reduced: int
    out: int
    kernel: int

    @nn.compact
    def __call__(self, x, lengths, *, pooled: bool = True):
        """Vectors, or, before the maximum, what every step says `[n, time, reduced]`.

        Args:
          x: windows at the right end, zeros before them.
          lengths: of the windows, int `[n]`, 1 at least.
        """
        time = x.shape[1]
        there = jnp.arange(time) >= time - lengths[:, None]
        there = there[..., None].astype(x.dtype)
        y = x[..., None] * there
        for i in range(self.blocks):
            y = CausalBlock(self.channels, self.kernel, 2**i, name=f"block_{i}")(
                y, there
            )
        last = CausalBlock(self.reduced, self.kernel, 2**self.blocks, name="last")
        y = last(y, there)
        if not pooled:
            return y
        best = jnp.where(there > 0, y, -jnp.inf).max(axis=1)
        return Plain(self.out, name="linear")(best[:, None])[:, 0]
