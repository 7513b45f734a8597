"""The cross-encoder: one score for a pair of texts, read together (section 2.2).

The head is that of a BERT for classification: a hidden layer with tanh on [CLS], the pooler,
whose weights come with the encoder, dropout, and one output. A batch has ids
[batch, width] int32 of pairs with lengths [batch], first [batch], tokens of segment 0,
label [batch] from 0 to 1, and weight [batch].
"""

from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import optax

from iclr22 import gradients, parallel
from iclr22.nn import bert, body
from iclr22.nn.bert import Config as Bert
from iclr22.nn.dropout import dropout
from iclr22.trans_encoder import losses, optimisation, samples

SPREAD = 0.02  # standard deviation of new weights


class Config(NamedTuple):
    """Hyper-parameters, as published for encoders of base size and tasks of similarity."""

    RESOLVED = ("bert", "steps")  # by the encoder, by the pairs

    bert: Bert = Bert()  # sizes of the encoder
    objective: losses.Kind = "bce"  # mse: the student is its teacher again
    tokens: int = 64  # that a pair is cut to, special ones counted
    learning_rate: float = 2e-5  # at its peak
    warm_up: float = 0.1  # share of updates until the peak
    head_dropout: float = 0.1  # before the last layer
    batch: int = 32  # pairs per update
    epochs: int = 1  # passes over the pairs, each in both orders
    steps: int = 0  # updates in all
    frozen_layers: int = 0  # of the encoder, the first ones, which stay as they are
    frozen_embeddings: bool = False  # these stay as they are
    dtype: Literal["float32", "bfloat16"] = (
        "float32"  # of computing; accelerators: either
    )


State = gradients.State  # params: of the encoder with pooler and classifier


def init(config: Config, key: jax.Array, batch) -> State:
    """Fresh state of a random encoder and a random head."""
    del batch
    keys = jax.random.split(key)
    width = config.bert.width
    kernel = SPREAD * jax.random.normal(keys[0], (width, 1))
    classifier = {"kernel": kernel, "bias": jnp.zeros(1)}
    params = bert.init(config.bert, keys[1]) | {"classifier": classifier}
    return gradients.start(optimizer(config), key, params)


def optimizer(config: Config) -> optax.GradientTransformation:
    """AdamW with warm-up."""
    return optimisation.adamw(config, share=config.warm_up)


def apply(config: Config, params, inputs, *, key=None):
    """Logits `[n]` of pairs."""
    keys = (None, None) if key is None else jax.random.split(key)
    states = body.hidden(config.bert, params, inputs, key=keys[0])
    found = dropout(keys[1], bert.pooled(params, states), config.head_dropout)
    head = params["classifier"]
    return (found @ head["kernel"] + head["bias"])[:, 0].astype(jnp.float32)


def score(config: Config, params, inputs):
    """Scores `[n]` from 0 to 1, without dropout.

    Of a student of squared errors the output itself, cut; released code takes the sigmoid
    of that, too, which moves all of them into the middle.
    """
    logits = apply(config, params, inputs)
    if config.objective == "mse":
        return jnp.clip(logits, 0, 1)
    return jax.nn.sigmoid(logits)


def loss(config: Config, params, batch, *, key=None):
    """`(total, sums)`."""
    logits = apply(config, params, batch, key=key)
    total = batch["weight"] @ losses.between(config.objective, logits, batch["label"])
    return total, {"loss": total, "weight": batch["weight"].sum()}


def train_step(config: Config, state: State, batch, *, axis_name=None):
    """`(State, {"loss"})` after one update."""
    rule = optimizer(config)
    return optimisation.update(rule, loss, config, state, batch, axis_name=axis_name)


def evaluate(config: Config, params, batch, *, axis_name=None):
    """Sums of the loss."""
    return parallel.reduce(loss(config, params, batch)[1], axis_name)


def example(size: int = 32, seed: int = 0):
    """Smallest configuration and `size` pairs with labels that tell the word both begin
    with."""
    config = Config(
        bert=samples.CONFIG,
        objective="mse",
        tokens=16,
        learning_rate=2e-2,
        head_dropout=0.0,
        steps=60,
    )
    return config, samples.pairs(size, seed, together=True)
