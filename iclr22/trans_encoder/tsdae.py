"""A baseline without labels: a vector must suffice to restore its damaged text (TSDAE).

Wang et al., "TSDAE: Using Transformer-based Sequential Denoising Auto-Encoder", Findings of
EMNLP 2021: most tokens of a text are deleted, the encoder makes one vector of the rest, and
a decoder that sees nothing else of it writes the whole text, token by token.

Differs: the decoder has one fresh layer, not all of the encoder's, and its embeddings are the
encoder's. A batch is that of `contrastive`: the text and what is left of it.
"""

import functools
from typing import Literal, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

from iclr22 import gradients, parallel
from iclr22.nn import bert, body
from iclr22.nn.bert import Config as Bert
from iclr22.nn.dropout import dropout
from iclr22.nn.tokens import Texts
from iclr22.trans_encoder import batches, losses, optimisation, samples

NONE = -1e9  # score of what comes later


class Config(NamedTuple):
    """Hyper-parameters; the published ones but for the decoder."""

    RESOLVED = ("bert", "steps")  # by the encoder, by the texts

    bert: Bert = Bert()  # sizes of the encoder
    pooling: body.Pooling = "cls"  # vector of the first token, or the mean of all
    deleted: float = 0.6  # share of tokens that the encoder does not see
    decoder_layers: int = 1  # of the decoder
    tokens: int = 32  # that a text is cut to, special ones counted
    learning_rate: float = 3e-5  # at the beginning; it falls to 0 along a line
    batch: int = 8  # texts per update
    epochs: int = 1  # passes over the texts
    steps: int = 0  # updates in all
    frozen_layers: int = 0  # of the encoder, the first ones, which stay as they are
    frozen_embeddings: bool = False  # these stay as they are
    dtype: Literal["float32", "bfloat16"] = (
        "float32"  # of computing; accelerators: either
    )


State = gradients.State  # params: of the encoder, and decoder


class Decoder(nn.Module):
    """States `[n, t, h]` that say the next token, from embedded tokens before `[n, t, h]` and
    the vector `[n, h]` of the whole text."""

    config: Config

    @nn.compact
    def __call__(self, x, vector, key):
        config, sizes = self.config, self.config.bert
        normal = nn.initializers.normal(0.02)
        dense = functools.partial(nn.Dense, kernel_init=normal)
        keys = [None] * config.decoder_layers
        keys = keys if key is None else jax.random.split(key, config.decoder_layers)
        for i, own in enumerate(keys):
            norm = [nn.LayerNorm(sizes.epsilon, name=f"norm_{i}_{j}") for j in range(3)]
            parts = [None] * 2 if own is None else jax.random.split(own)
            y = self._attention(x, dense, i)
            x = norm[0](x + dropout(parts[0], y, sizes.dropout))
            # attention to a single vector is the vector
            x = norm[1](x + dense(sizes.width, name=f"vector_{i}")(vector)[:, None])
            y = nn.gelu(dense(sizes.inner, name=f"inner_{i}")(x), approximate=False)
            y = dense(sizes.width, name=f"outer_{i}")(y)
            x = norm[2](x + dropout(parts[1], y, sizes.dropout))
        return x

    def _attention(self, x, dense, i):
        sizes, (n, t, _) = self.config.bert, x.shape
        query, key, value = (
            dense(sizes.width, name=f"{name}_{i}")(x).reshape(n, t, sizes.heads, -1)
            for name in ("query", "key", "value")
        )
        found = jnp.einsum("nqhd,nkhd->nhqk", query, key) / query.shape[-1] ** 0.5
        earlier = jnp.tril(jnp.ones((t, t), bool))
        shares = jax.nn.softmax(jnp.where(earlier, found.astype(jnp.float32), NONE))
        y = jnp.einsum("nhqk,nkhd->nqhd", shares.astype(x.dtype), value)
        return dense(sizes.width, name=f"output_{i}")(y.reshape(n, t, -1))


def init(config: Config, key: jax.Array, batch) -> State:
    """Fresh state of a random encoder and decoder."""
    del batch
    keys, width = jax.random.split(key), config.bert.width
    given = jnp.zeros((1, 2, width)), jnp.zeros((1, width))
    decoder = {
        "layers": Decoder(config).init(keys[1], *given, None)["params"],
        "bias": jnp.zeros(config.bert.vocabulary),
    }
    params = body.plain(bert.init(config.bert, keys[0])) | {"decoder": decoder}
    return gradients.start(optimizer(config), key, params)


def optimizer(config: Config) -> optax.GradientTransformation:
    """AdamW without warm-up."""
    return optimisation.adamw(config)


def apply(config: Config, params, inputs, *, key=None):
    """Vectors `[n, h]` of `ids [n, width]` with `lengths [n]`."""
    return body.vectors(config.bert, params, inputs, config.pooling, key=key)


def loss(config: Config, params, batch, *, key=None):
    """`(total, sums)` of the mean over the tokens of each text; ln of the vocabulary before
    anything is learned."""
    keys = (None, None) if key is None else jax.random.split(key)
    left = {"ids": batch["ids"][:, 1], "lengths": batch["lengths"][:, 1]}
    vector = apply(config, params, left, key=keys[0])
    before, targets = batch["ids"][:, 0, :-1], batch["ids"][:, 0, 1:]
    words, places = params["word"]["embedding"], params["position"]["embedding"]
    x = words[before] + places[: before.shape[1]]
    decoder = {"params": params["decoder"]["layers"]}
    states = Decoder(config).apply(decoder, x, vector, keys[1])
    logits = jnp.asarray(states) @ words.T + params["decoder"]["bias"]
    counted = jnp.arange(1, 1 + targets.shape[1]) < batch["lengths"][:, :1]
    each = losses.tokens_cross_entropy(logits.astype(jnp.float32), targets, counted)
    total = batch["weight"] @ each
    return total, {"loss": total, "weight": batch["weight"].sum()}


def train_step(config: Config, state: State, batch, *, axis_name=None):
    """`(State, {"loss"})` after one update."""
    rule = optimizer(config)
    return optimisation.update(rule, loss, config, state, batch, axis_name=axis_name)


def evaluate(config: Config, params, batch, *, axis_name=None):
    """Sums of the loss."""
    return parallel.reduce(loss(config, params, batch)[1], axis_name)


def with_deleted(
    share: float, random, texts: Texts, ids: np.ndarray, lengths: np.ndarray
):
    """`(ids, lengths)` without a share of the tokens, each deleted independently; special
    ones stay, and one token of each text at least."""
    place = np.arange(ids.shape[1])
    inner = (place > 0) & (place < lengths[:, None] - 1)
    kept = inner & (random.random(ids.shape) >= share)
    last = np.where(inner, random.random(ids.shape), -1).argmax(axis=1)
    rows = np.flatnonzero(~kept.any(axis=1) & inner.any(axis=1))
    kept[rows, last[rows]] = True
    kept |= (place == 0) | (place == lengths[:, None] - 1)
    order = np.argsort(~kept, axis=1, kind="stable")
    lengths = kept.sum(axis=1).astype(lengths.dtype)
    moved = np.take_along_axis(ids, order, axis=1)
    return np.where(place < lengths[:, None], moved, texts.pad), lengths


def source(config: Config, texts: Texts, seed: int = 0) -> batches.Batches:
    """Batches of every text and what is left of it.

    Raises:
      errors.InputError: no texts.
    """
    return batches.views(
        texts,
        size=config.batch,
        limit=config.tokens,
        seed=seed,
        devices=jax.device_count(),
        damage=functools.partial(with_deleted, config.deleted),
    )


def example(size: int = 32, seed: int = 0):
    """Smallest configuration and `size` texts with some tokens deleted."""
    config = Config(
        bert=samples.CONFIG,
        pooling="mean",
        deleted=0.3,
        tokens=8,
        learning_rate=2e-2,
        batch=size,
        steps=60,
    )
    batch = source(config, samples.texts(size, seed), seed)._replace(part=(0, 1))
    return config, batch.rows(np.arange(size), 8)
