"""The five networks of TimeGAN: stacks of GRUs that read a window step by step.

Yoon, Jarrett, van der Schaar, "Time-series Generative Adversarial Networks", NeurIPS 2019
(section 4.3). Arrays are `[batch, time, channels]`.
"""

from typing import Any, cast

import flax.linen as nn
import jax
import jax.numpy as jnp


class Recurrent(nn.Module):
    """GRUs one on the other and a dense layer at every step, to `[b, t, out]`.

    Attributes:
      bounded: outputs are between 0 and 1.
    """

    width: int
    layers: int
    out: int
    bounded: bool = True

    @nn.compact
    def __call__(self, x) -> jax.Array:
        cell = nn.remat(nn.GRUCell)  # kept gates fill the cache: half as fast without
        for _ in range(self.layers):
            x = cast(jax.Array, nn.RNN(cell(self.width))(x))
        x = nn.Dense(self.out)(x)
        return nn.sigmoid(x) if self.bounded else x


class Conditioned(nn.Module):
    """The same of what is read together with the series and the calendar.

    Attributes:
      series: number of them; each has a vector of `embedding` numbers.
      conditional: without it nothing but the input is read.
    """

    width: int
    layers: int
    out: int
    series: int
    embedding: int
    conditional: bool
    bounded: bool = True

    @nn.compact
    def __call__(self, x, series, features):
        """
        Args:
          x: `[b, t, c]`; of `m b` rows where several inputs of a batch are stacked.
          series: `[b]` int.
          features: `[b, t, d]`.
        """
        if self.conditional:
            own = nn.Embed(self.series, self.embedding)(series)[:, None]
            own = jnp.broadcast_to(own, (*features.shape[:2], self.embedding))
            told = jnp.concatenate([own, features], axis=-1)
            times = len(x) // len(series)
            x = jnp.concatenate([x, jnp.tile(told, (times, 1, 1))], axis=-1)
        return Recurrent(self.width, self.layers, self.out, self.bounded)(x)


def build(
    width: int, layers: int, given: tuple[int, int, bool]
) -> dict[str, nn.Module]:
    """Modules by name; the supervisor has a layer less.

    Args:
      given: series, embedding and conditional of `Conditioned`.
    """
    return {
        "embedder": Recurrent(width, layers, width),
        "recovery": Recurrent(width, layers, 1),
        "supervisor": Recurrent(width, max(layers - 1, 1), width),
        "generator": Conditioned(width, layers, width, *given),
        "discriminator": Conditioned(width, layers, 1, *given, bounded=False),
    }


def init(modules: dict[str, nn.Module], key, width: int, shape) -> dict:
    """Fresh parameters by name.

    Args:
      shape: time and width of the features.
    """
    series, features = jnp.zeros(1, jnp.int32), jnp.zeros((1, *shape))
    value, latent = jnp.zeros((1, shape[0], 1)), jnp.zeros((1, shape[0], width))
    inputs = {
        "embedder": (value,),
        "recovery": (latent,),
        "supervisor": (latent,),
        "generator": (value, series, features),
        "discriminator": (latent, series, features),
    }
    keys = jax.random.split(key, len(inputs))
    return {
        name: modules[name].init(k, *inputs[name])["params"]
        for k, name in zip(keys, inputs, strict=True)
    }


def runner(modules: dict[str, nn.Module], params: dict):
    """`run(name, *inputs)` of a network; `fixed` ones get no gradient."""

    def run(name, *inputs, fixed=False) -> Any:
        own = jax.lax.stop_gradient(params[name]) if fixed else params[name]
        return modules[name].apply({"params": own}, *inputs)

    return run
