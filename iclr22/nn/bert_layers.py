"""Layers of BERT (Devlin et al., "BERT", NAACL 2019, section 3) in Flax Linen.

Post-norm: every sublayer is `norm(x + dropout(sublayer(x)))`. Parameters have the layout of
Linen (kernels `[in, out]`); `bert_files` tells what Hugging Face calls them.
"""

import functools
from typing import Literal, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from iclr22.nn.dropout import dropout

DEVIATION = 0.02  # of fresh weights
HIDDEN = -1e9  # added to a score: no share, and no NaN where a whole row is padding
ACTIVATIONS = {
    "gelu": functools.partial(jax.nn.gelu, approximate=False),  # with erf
    "gelu_new": functools.partial(jax.nn.gelu, approximate=True),  # with tanh
    "relu": jax.nn.relu,
}
EMBEDDINGS = ("word", "position", "type", "norm")  # entries of the parameters


class Config(NamedTuple):
    """Sizes of an encoder; those of MiniLM-L6 (uncased) by default."""

    vocabulary: int = 30_522  # tokens
    width: int = 384  # of hidden states
    layers: int = 6  # each attention and a perceptron
    heads: int = 12  # of attention
    inner: int = 1536  # width within the perceptron
    positions: int = 512  # tokens of the longest input
    types: int = 2  # kinds of segments
    dropout: float = 0.1  # after embeddings and sublayers
    attention_dropout: float = 0.1  # of attention's shares
    activation: Literal["gelu", "gelu_new", "relu"] = "gelu"  # of the perceptron
    epsilon: float = 1e-12  # added to variances
    checkpoints: bool = False  # layers anew in the backward pass: less memory


def _norm(config: Config, name: str) -> nn.LayerNorm:
    """Variance from differences to the mean: squares alone lose what epsilon is below."""
    return nn.LayerNorm(config.epsilon, use_fast_variance=False, name=name)


def _dense(width: int, name: str) -> nn.Dense:
    return nn.Dense(width, kernel_init=nn.initializers.normal(DEVIATION), name=name)


def _keys(key, count: int):
    return [None] * count if key is None else jax.random.split(key, count)


class Layer(nn.Module):
    """Attention among the tokens of a row, then a perceptron of each token."""

    config: Config

    @nn.compact
    def __call__(self, x, bias, key):
        """`x [batch, tokens, width]` to the same.

        Args:
          bias: `[batch, tokens]`, added to scores of attention: 0, or very low on padding.
          key: for dropout; None: none.
        """
        config = self.config
        attention, first, second = _keys(key, 3)
        y = self._attention(x, bias, attention)
        y = _dense(config.width, "output")(y)
        x = _norm(config, "attention_norm")(x + dropout(first, y, config.dropout))
        y = _dense(config.inner, "inner")(x)
        y = _dense(config.width, "outer")(ACTIVATIONS[config.activation](y))
        return _norm(config, "norm")(x + dropout(second, y, config.dropout))

    def _attention(self, x, bias, key):
        """Values of all heads side by side `[batch, tokens, width]`, weighted."""
        config, size = self.config, (*x.shape[:2], self.config.heads, -1)
        query, keys, values = (
            _dense(config.width, name)(x).reshape(size)
            for name in ("query", "key", "value")
        )
        query *= (config.width // config.heads) ** -0.5
        scores = jnp.einsum("bqhd,bkhd->bhqk", query, keys)
        scores = scores.astype(jnp.float32) + bias[:, None, None, :]
        shares = jax.nn.softmax(scores).astype(x.dtype)
        shares = dropout(key, shares, config.attention_dropout)
        return jnp.einsum("bhqk,bkhd->bqhd", shares, values).reshape(x.shape)


class Bert(nn.Module):
    """The encoder: embeddings and layers, without pooler and heads."""

    config: Config

    @nn.compact
    def __call__(self, ids, mask, types, key=None):
        """Hidden states `[batch, tokens, width]` of ids, mask and types of
        `[batch, tokens]`."""
        config = self.config
        first, *keys = _keys(key, 1 + config.layers)
        normal = nn.initializers.normal(DEVIATION)
        embed = functools.partial(
            nn.Embed, features=config.width, embedding_init=normal
        )
        place = jnp.arange(ids.shape[1])
        x = embed(config.vocabulary, name="word")(ids)
        x += embed(config.types, name="type")(types)
        x += embed(config.positions, name="position")(place)
        x = dropout(first, _norm(config, "norm")(x), config.dropout)
        bias = jnp.where(mask > 0, 0.0, HIDDEN)
        layer = nn.remat(Layer) if config.checkpoints else Layer
        for i, own in enumerate(keys):
            x = layer(config, name=f"layer_{i}")(x, bias, own)
        return x
