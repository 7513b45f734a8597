"""Generator and discriminator (sections 3.1 to 3.3 of the paper), from length 8 upwards.

A network of depth s works at length 8 2^s; the parameters of all depths are there from the
beginning, so that growing changes no shape. Arrays are `[batch, time, channels]`.
"""

from typing import Literal

import flax.linen as nn
import jax
import jax.numpy as jnp

from iclr22.psa_gan.spectral import Plain, Spectral

SHORTEST = 8  # length at depth 0
SCORES = 1 << 22  # attention scores at a time


def depth_of(length: int) -> int:
    """How often the shortest length is doubled."""
    return (length // SHORTEST).bit_length() - 1


def length_of(depth: int) -> int:
    """Length at a depth."""
    return SHORTEST << depth


def pool(x, times: int):
    """Average over `times` steps: `[b, t, c]` to `[b, t / times, c]`."""
    if times == 1:
        return x
    b, t, c = x.shape
    return x.reshape(b, t // times, times, c).mean(axis=2)


def double(x, how: Literal["linear", "nearest"]):
    """Twice the length, `[b, t, c]` to `[b, 2 t, c]`; ends of lines are held."""
    if how == "nearest":
        return jnp.repeat(x, 2, axis=1)
    before = jnp.concatenate([x[:, :1], x[:, :-1]], axis=1)
    after = jnp.concatenate([x[:, 1:], x[:, -1:]], axis=1)
    pair = jnp.stack([0.25 * before + 0.75 * x, 0.75 * x + 0.25 * after], axis=2)
    return pair.reshape(x.shape[0], -1, x.shape[2])


def leaky(x):
    """LeakyReLU of slope 0.01."""
    return nn.leaky_relu(x, 0.01)


def attend(queries, keys, values):
    """Softmax attention of every step on all steps, `[b, t, d]` each; memory is bounded by
    taking some queries at a time."""
    b, t, width = queries.shape
    size = max(1, min(t, SCORES // (b * t)))
    queries = queries * width**-0.5
    found = []
    for low in range(0, t, size):
        scores = queries[:, low : low + size] @ keys.swapaxes(1, 2)
        found.append(jax.nn.softmax(scores, axis=-1) @ values)
    return jnp.concatenate(found, axis=1)


class Block(nn.Module):
    """The main block m: a normalised convolution, and attention that begins with no share."""

    width: int
    kernel: int
    keys: int
    values: int
    attention: bool

    @nn.compact
    def __call__(self, x):
        x = leaky(Spectral(self.width, self.kernel, name="convolution")(x))
        if not self.attention:
            return x
        queries, keys = (Plain(self.keys, name=n)(x) for n in ("queries", "keys"))
        seen = attend(queries, keys, Plain(self.values, name="values")(x))
        share = self.param("share", nn.initializers.zeros, (), jnp.float32)
        return share * Plain(self.width, name="out")(seen) + x


class _Sizes(nn.Module):
    """Fields that both networks have."""

    series: int  # number of them
    length: int  # at full depth
    width: int = 32
    kernel: int = 3
    keys: int = 1
    values: int = 1
    embedding: int = 10
    attention: bool = True

    def _block(self, name):
        sizes = self.width, self.kernel, self.keys, self.values, self.attention
        return Block(*sizes, name=name)

    def _embedded(self, series, features):
        """Features with the vector of the series at every step, `[b, t, e + d]`."""
        start = nn.initializers.normal(1.0)
        shape = self.series, self.embedding
        table = self.param("embedding", start, shape, jnp.float32)
        rows = jnp.broadcast_to(
            table[series][:, None], (*features.shape[:2], self.embedding)
        )
        return jnp.concatenate([rows, features], axis=-1)


class Generator(_Sizes):
    """Windows from noise, of a series and its features.

    Attributes:
      context: values before the window that it continues (PSA-GAN-C); 0: none.
      upsample: how lengths double: linear (paper) or nearest (released code).
      skip: at the beginning of a fade-in the output of before: identity; random is the
        released code's.
      noise: averaged down to 8 steps (paper), or brought back to variance 1 there.
      output: plain, or local: soft minimum and maximum over time become 0 and 1.
    """

    context: int = 0
    upsample: Literal["linear", "nearest"] = "linear"
    skip: Literal["identity", "random"] = "identity"
    noise: Literal["pooled", "unit"] = "pooled"
    output: Literal["plain", "local"] = "plain"

    @nn.compact
    def __call__(self, series, features, noise, context=None, *, depth: int, fade=None):
        """Windows `[b, 8 2^depth]`.

        Args:
          series: `[b]` int.
          features: of every step at full length, `[b, length, d]`.
          noise: standard normal `[b, length]`, averaged down to 8 steps.
          context: values before, `[b, context]`.
          depth: static.
          fade: share of the newest depth, 0 to 1; None without the way around it.
        """
        known = self._embedded(series, features)
        if self.noise == "unit":
            noise = noise * (self.length // SHORTEST) ** 0.5
        x = jnp.concatenate([known, noise[..., None]], axis=-1)
        y = self._block("block_0")(pool(x, self.length // SHORTEST))
        around = None
        for s in range(1, depth + 1):
            around = y = double(y, self.upsample)
            if self.context:
                y = y + self._continued(context, y, s)
            given = pool(known, self.length // length_of(s))
            y = self._block(f"block_{s}")(jnp.concatenate([given, y], axis=-1))
        # At once: a call is one step of the power iteration.
        last = Spectral(1, name="last")
        if fade is None or around is None:
            return self._scaled(last(y)[..., 0])
        both = jnp.concatenate([y, self._skipped(around, depth)])
        new, old = jnp.split(last(both)[..., 0], 2)
        return self._scaled(fade * new + (1 - fade) * old)

    def _continued(self, context, y, s):
        """What the values before say to every step."""
        seen = jnp.broadcast_to(context[:, None], (*y.shape[:2], self.context))
        hidden = Plain(self.context // 2 + self.width, name=f"context_{s}_hidden")
        out = Plain(self.width, name=f"context_{s}_out")
        return out(leaky(hidden(jnp.concatenate([seen, y], axis=-1))))

    def _skipped(self, y, s):
        if self.skip == "random":
            return Plain(self.width, name=f"skip_{s}")(y)
        return _Identity(self.width, name=f"skip_{s}")(y)

    def _scaled(self, z):
        if self.output == "plain":
            return z
        low = jnp.sum(z * jax.nn.softmax(-100 * z), axis=1, keepdims=True)
        high = jnp.sum(z * jax.nn.softmax(100 * z), axis=1, keepdims=True)
        return (z - low) / jnp.maximum(high - low, 1e-6)


class _Identity(nn.Module):
    """A dense layer that begins as the identity."""

    width: int

    @nn.compact
    def __call__(self, x):
        def identity(key, shape, dtype):
            del key
            return jnp.eye(shape[1], dtype=dtype)[None]

        shape = 1, self.width, self.width
        weight = self.param("weight", identity, shape, jnp.float32)
        bias = self.param("bias", nn.initializers.zeros, (self.width,), jnp.float32)
        return x @ weight[0] + bias


class Discriminator(_Sizes):
    """A score of windows, given their series and features."""

    @nn.compact
    def __call__(self, series, features, x, *, depth: int, fade=None):
        """Scores `[b]`.

        Args:
          series: `[b]` int.
          features: at full length, `[b, length, d]`.
          x: windows `[b, 8 2^depth]`.
          depth: static.
          fade: as of the generator.
        """
        known = self._embedded(series, features)
        seen = [pool(known, self.length // length_of(depth)), x[..., None]]
        seen = jnp.concatenate(seen, axis=-1)
        if fade is not None and depth > 0:  # read at once, as above
            seen = jnp.concatenate([seen, pool(seen, 2)], axis=1)
        h = leaky(Spectral(self.width, name="first")(seen))
        h, low = jnp.split(h, [x.shape[1]], axis=1)
        for s in range(depth, 0, -1):
            h = pool(self._block(f"block_{s}")(h), 2)
            if s == depth and fade is not None:
                h = fade * h + (1 - fade) * low
        h = self._block("block_0")(h)
        h = leaky(Spectral(1, name="squeeze")(h))[..., 0]
        return Spectral(1, name="last")(h[:, None])[:, 0, 0]


def init(network: nn.Module, key, *inputs):
    """Variables `{params, spectral}` with the parameters of every depth.

    Args:
      inputs: as of the network's call, windows of a discriminator at full length.
    """

    def every_depth(module, *given):
        for depth in range(depth_of(module.length) + 1):
            few = given
            if isinstance(module, Discriminator):
                few = (*given[:2], given[2][:, : length_of(depth)])
            module(*few, depth=depth, fade=jnp.ones(()))

    return nn.init(every_depth, network)(key, *inputs)
