"""Batch normalization that is exact for padded batches on any number of devices."""

import flax.linen as nn
import jax.numpy as jnp

from iclr22 import gradients, parallel


class BatchNorm(nn.Module):
    """Batch normalization over all but the last axis, weighted by example.

    Differs from `flax.linen.BatchNorm`: moments are sums over examples divided once, so
    padding has no influence and devices with unequal numbers of real examples agree
    with one device that sees them all. Sums are in float32 whatever x is.

    Attributes:
      begin: what the scale begins at.
    """

    axis_name: str | None = None
    momentum: float = 0.9
    epsilon: float = 1e-5
    begin: nn.initializers.Initializer = nn.initializers.ones

    @nn.compact
    def __call__(self, x, weight=None):
        """Normalise x `[batch, ..., features]`.

        Args:
          weight: `[batch]`, 0 on padding, to use (and remember) the moments of this
            batch; None to use the remembered ones.
        """
        width, kind = x.shape[-1], x.dtype
        x = x.astype(jnp.promote_types(kind, jnp.float32))
        mean = self.variable("stats", "mean", jnp.zeros, width)
        var = self.variable("stats", "var", jnp.ones, width)
        scale = self.param("scale", self.begin, (width,))
        bias = self.param("bias", nn.initializers.zeros, (width,))
        if weight is None:
            used_mean, used_var = mean.value, var.value
        else:
            used_mean, used_var = self._moments(x, weight)
            if not self.is_initializing():
                keep = self.momentum
                mean.value = keep * mean.value + (1 - keep) * used_mean
                var.value = keep * var.value + (1 - keep) * used_var
        y = (x - used_mean) * (scale / jnp.sqrt(used_var + self.epsilon)) + bias
        return y.astype(kind) if kind == jnp.bfloat16 else y

    def _moments(self, x, weight):
        w = weight.reshape(-1, *(1,) * (x.ndim - 1))
        axes = tuple(range(x.ndim - 1))
        positions = x[0, ..., 0].size

        sums = jnp.sum(w * x, axes), jnp.sum(weight) * positions
        summed, count = parallel.reduce(sums, self.axis_name)
        count = jnp.maximum(count, gradients.SMALLEST)
        mean = summed / count
        squares = jnp.sum(w * (x - mean) ** 2, axes)
        return mean, parallel.reduce(squares, self.axis_name) / count
