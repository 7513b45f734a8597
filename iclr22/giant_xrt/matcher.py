"""One round of fine-tuning: which clusters of a level a node's neighbours are in.

Chien et al., ICLR 2022, section 4, with the engine of Zhang et al., NeurIPS 2021. A batch has

  ids [batch, width] int32 and lengths [batch]: texts, special tokens included;
  candidates [batch, c] int32: clusters that are scored, `clusters` on padding;
  real [batch, c] bool: what is no padding of candidates;
  counts [batch, c]: neighbours in each of them, 0 of negatives; need not be whole;
  weight [batch], 0 on padding.

Parameters are `encoder` and `head`: `kernel [clusters + 1, h]` and `bias [clusters + 1]`,
whose last row is that of padding and stays 0. Rows of the head, and token vectors of a bag,
move only in steps that refer to them (`row_adam`).
"""

from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from iclr22 import gradients, parallel
from iclr22.giant_xrt import encoding, tuning
from iclr22.nn.dropout import dropout

Loss = Literal[
    "weighted_squared_hinge", "squared_hinge", "weighted_hinge", "hinge", "bce"
]
DEVIATION = 0.02  # of fresh rows of the head
DENSE = 64  # clusters per candidate up to which scoring all of them is faster


class Config(NamedTuple):
    """Hyper-parameters, as published for ogbn-arxiv."""

    # By the encoder, the tree, the candidates, the round.
    RESOLVED = ("encoder", "clusters", "widest", "steps")

    encoder: encoding.Config = encoding.Config()  # of texts
    clusters: int = 32  # of this level
    widest: int = 0  # candidates that any example has, of pad_like_pecos
    learning_rate: float = 6e-5  # the highest of the encoder
    head_learning_rate: float = 0.0  # the highest of the head; 0: that of the encoder
    warm_up: float = 0.08  # share of updates in which rates rise; then they fall to 0
    steps: int = 2500  # updates of this round
    batch: int = 32  # nodes per update
    dropout: float = 0.1  # share of a text's vector that is left out in training
    loss: Loss = "weighted_squared_hinge"  # weighted: a positive counts by neighbours
    pad_like_pecos: bool = False  # means over the widest candidates, padding counts 1
    clip: float = 1.0  # norm that gradients are cut to, encoder and head each
    weight_decay: float = 0.0  # of the encoder, but of biases, norms and token vectors
    frozen_layers: int = 0  # of a Transformer, the first ones, which stay as they are
    frozen_embeddings: bool = False  # of a Transformer, these stay as they are
    dtype: Literal["float32", "bfloat16"] = "float32"  # of computing; GPU, TPU: either


State = gradients.State


def init(config: Config, key: jax.Array, batch) -> State:
    """Fresh state of a random encoder and head."""
    del batch
    first, second = jax.random.split(key)
    encoder = encoding.init(config.encoder, first)
    params = {"encoder": encoder, "head": fresh_head(config, second)}
    return tuning.start(config, key, params)


def fresh_head(config: Config, key: jax.Array):
    """Rows of a small deviation, biases 0; padding 0."""
    shape = (config.clusters + 1, config.encoder.features)
    kernel = DEVIATION * jax.random.normal(key, shape).at[-1].set(0)
    return {"kernel": kernel, "bias": jnp.zeros(config.clusters + 1)}


def apply(config: Config, params, inputs, *, key=None) -> jax.Array:
    """Logits `[n, c]` of the candidates of texts."""
    first, second = (None, None) if key is None else jax.random.split(key)
    vectors = encoding.apply(config.encoder, params["encoder"], inputs, key=first)
    vectors = dropout(second, vectors, config.dropout)
    return scores(params["head"], vectors, inputs["candidates"])


def scores(head, vectors, candidates) -> jax.Array:
    """Logits `[n, c]` of candidates `[n, c]`, numbers of rows of the head."""
    kernel, bias = head["kernel"], head["bias"]
    if len(bias) <= DENSE * candidates.shape[1]:
        return jnp.take_along_axis(vectors @ kernel.T + bias, candidates, axis=1)
    return jnp.einsum("nh,nch->nc", vectors, kernel[candidates]) + bias[candidates]


def loss(config: Config, params, batch, *, key=None):
    """`(total, sums)`; of an example the mean over its candidates, of `bce` the sum."""
    logits = apply(config, params, batch, key=key).astype(jnp.float32)
    each = example_loss(config, logits, batch["counts"], batch["real"])
    total = batch["weight"] @ each
    return total, {"loss": total, "weight": batch["weight"].sum()}


def example_loss(config: Config, logits, counts, real) -> jax.Array:
    """Losses `[n]` of examples from `[n, c]` logits, counts, and whether there is a
    candidate."""
    terms = jnp.where(real, _terms(config.loss, logits, counts), 0)
    total, number = terms.sum(axis=1), real.sum(axis=1)
    if config.loss == "bce":
        return total
    if config.pad_like_pecos:
        widest = config.widest or real.shape[1]
        return (total + widest - number) / widest
    return total / jnp.maximum(number, 1)


def _terms(kind: Loss, logits, counts):
    positive = counts > 0
    if kind == "bce":
        return optax.sigmoid_binary_cross_entropy(logits, positive.astype(jnp.float32))
    terms = jax.nn.relu(1 - jnp.where(positive, 1, -1) * logits)
    if "squared" in kind:
        terms = terms**2
    return jnp.where(positive, counts, 1) * terms if "weighted" in kind else terms


def train_step(config: Config, state: State, batch, *, axis_name=None):
    """`(State, {"loss"})` after one update."""
    weight = batch["weight"][:, None] > 0
    there = jnp.arange(batch["ids"].shape[1]) < batch["lengths"][:, None]
    refers = {
        "head": ("candidates", batch["real"] & weight),
        "table": ("ids", there & weight),
    }
    return tuning.update(config, loss, state, batch, refers, axis_name=axis_name)


def evaluate(config: Config, params, batch, *, axis_name=None):
    """Sums of the loss."""
    return parallel.reduce(loss(config, params, batch)[1], axis_name)


def example(size: int = 32, seed: int = 0):
    """Smallest configuration and `size` texts whose tokens tell the clusters."""
    clusters, random = 6, np.random.default_rng(seed)
    of_bag = encoding.Config("bag", vocabulary=3 + 2 * clusters, width=8, tokens=6)
    config = Config(
        of_bag, clusters, learning_rate=5e-2, steps=100, batch=size, dropout=0.0
    )
    topic = random.integers(0, clusters, size)
    ids = 3 + 2 * topic[:, None] + random.integers(0, 2, (size, 6))
    lengths = random.integers(4, 7, size)
    ids[:, 0] = 1
    ids[np.arange(size), lengths - 1] = 2
    ids[np.arange(6) >= lengths[:, None]] = 0
    others = topic[:, None] + random.permuted(
        np.tile(np.arange(1, 6), (size, 1)), axis=1
    )
    candidates = np.concatenate([topic[:, None], others[:, :3] % clusters], axis=1)
    candidates[random.random(size) < 0.3, 3] = clusters
    counts = np.zeros((size, 4), np.float32)
    counts[:, 0] = random.integers(1, 3, size)
    return config, {
        "ids": ids.astype(np.int32),
        "lengths": lengths.astype(np.int32),
        "candidates": candidates.astype(np.int32),
        "real": candidates < clusters,
        "counts": counts,
        "weight": np.ones(size, np.float32),
    }
