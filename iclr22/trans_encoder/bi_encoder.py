"""The bi-encoder: a vector for each text, the cosine of two is their score (section 2.3).

A batch has ids [batch, 2, width] int32 and lengths [batch, 2] of the two texts, label [batch],
which the cosine is to be, and weight [batch]. A fresh one begins at the unsupervised
encoder (`begin` of `loop.fit`), not at the bi-encoder of the cycle before.
"""

from typing import Literal, NamedTuple

import jax
import optax

from iclr22 import gradients, parallel
from iclr22.nn import bert, body
from iclr22.nn.bert import Config as Bert
from iclr22.trans_encoder import losses, optimisation, samples


class Config(NamedTuple):
    """Hyper-parameters, as published for encoders of base size and tasks of similarity."""

    RESOLVED = ("bert", "steps")  # by the encoder, by the pairs

    bert: Bert = Bert()  # sizes of the encoder
    pooling: body.Pooling = "cls"  # vector of the first token, or the mean of all
    objective: losses.Kind = (
        "mse"  # bce: the cosine as a logit, which does not converge
    )
    tokens: int = 32  # that a text is cut to, special ones counted
    learning_rate: float = 5e-5  # at the beginning; it falls to 0 along a line
    batch: int = 128  # pairs per update
    epochs: int = 10  # passes over the pairs
    steps: int = 0  # updates in all
    frozen_layers: int = 0  # of the encoder, the first ones, which stay as they are
    frozen_embeddings: bool = False  # these stay as they are
    dtype: Literal["float32", "bfloat16"] = (
        "float32"  # of computing; accelerators: either
    )


State = gradients.State


def init(config: Config, key: jax.Array, batch) -> State:
    """Fresh state of a random encoder."""
    del batch
    params = body.plain(bert.init(config.bert, key))
    return gradients.start(optimizer(config), key, params)


def optimizer(config: Config) -> optax.GradientTransformation:
    """AdamW without warm-up."""
    return optimisation.adamw(config)


def apply(config: Config, params, inputs, *, key=None):
    """Vectors `[n, h]` of `ids [n, width]` with `lengths [n]`."""
    return body.vectors(config.bert, params, inputs, config.pooling, key=key)


def loss(config: Config, params, batch, *, key=None):
    """`(total, sums)`."""
    found = body.of_both(config.bert, params, batch, config.pooling, key=key)
    near = losses.cosine(found[:, 0], found[:, 1])
    total = batch["weight"] @ losses.between(config.objective, near, batch["label"])
    return total, {"loss": total, "weight": batch["weight"].sum()}


def train_step(config: Config, state: State, batch, *, axis_name=None):
    """`(State, {"loss"})` after one update."""
    rule = optimizer(config)
    return optimisation.update(rule, loss, config, state, batch, axis_name=axis_name)


def evaluate(config: Config, params, batch, *, axis_name=None):
    """Sums of the loss."""
    return parallel.reduce(loss(config, params, batch)[1], axis_name)


def example(size: int = 32, seed: int = 0):
    """Smallest configuration and `size` pairs of texts that share some of their words."""
    config = Config(
        bert=samples.CONFIG, pooling="mean", tokens=8, learning_rate=2e-2, steps=60
    )
    return config, samples.pairs(size, seed, together=False)
