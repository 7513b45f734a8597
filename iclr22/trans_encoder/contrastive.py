"""The first encoder, without labels: two views of a text are near, others far (step 0).

SimCSE (Gao et al., EMNLP 2021): the views are the same text under two draws of dropout; a
layer with tanh on the vector while it trains. Mirror-BERT (Liu et al., EMNLP 2021): the
second view has a run of its tokens masked as well, and the vectors are as they are.

A batch has ids [batch, 2, width] int32 and lengths [batch, 2] of both views, and weight
[batch]. Other texts of the batch, on all devices, are the negatives.
"""

import functools
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from iclr22 import gradients, parallel
from iclr22.nn import bert, body
from iclr22.nn.bert import Config as Bert
from iclr22.nn.tokens import Texts
from iclr22.trans_encoder import batches, losses, optimisation, samples

SPREAD = 0.02  # standard deviation of new weights


class Config(NamedTuple):
    """Hyper-parameters, those of SimCSE; of Mirror-BERT temperature 0.2, batch 200,
    learning_rate 2e-5, epochs 2, masked 5, head False."""

    RESOLVED = ("bert", "steps")  # by the encoder, by the texts

    bert: Bert = Bert()  # sizes of the encoder
    pooling: body.Pooling = "cls"  # vector of the first token, or the mean of all
    temperature: float = 0.05  # what cosines are divided by
    head: bool = True  # a layer with tanh, in training only
    masked: int = 0  # tokens of the run that is masked in the second view
    mask: int = 103  # token [MASK]
    tokens: int = 32  # that a text is cut to, special ones counted
    learning_rate: float = 3e-5  # at the beginning; it falls to 0 along a line
    batch: int = 64  # texts per update
    epochs: int = 1  # passes over the texts
    steps: int = 0  # updates in all
    frozen_layers: int = 0  # of the encoder, the first ones, which stay as they are
    frozen_embeddings: bool = False  # these stay as they are
    dtype: Literal["float32", "bfloat16"] = (
        "float32"  # of computing; accelerators: either
    )


State = gradients.State  # params: of the encoder, and head if there is one


def init(config: Config, key: jax.Array, batch) -> State:
    """Fresh state of a random encoder."""
    del batch
    keys = jax.random.split(key)
    params = body.plain(bert.init(config.bert, keys[0]))
    if config.head:
        width = config.bert.width
        kernel = SPREAD * jax.random.normal(keys[1], (width, width))
        params["head"] = {"kernel": kernel, "bias": jnp.zeros(width)}
    return gradients.start(optimizer(config), key, params)


def optimizer(config: Config) -> optax.GradientTransformation:
    """AdamW without warm-up."""
    return optimisation.adamw(config)


def apply(config: Config, params, inputs, *, key=None):
    """Vectors `[n, h]` of `ids [n, width]` with `lengths [n]`, without the head."""
    return body.vectors(config.bert, params, inputs, config.pooling, key=key)


def loss(config: Config, params, batch, *, key=None, axis_name=None):
    """`(total, sums)` with the share of texts whose second view is nearest; ln n before
    anything is learned."""
    both = body.of_both(config.bert, params, batch, config.pooling, key=key)
    if config.head:
        head = params["head"]
        both = jnp.tanh(both @ head["kernel"] + head["bias"])
    weight = batch["weight"]
    others = parallel.gather(both[:, 1], axis_name)
    counted = parallel.gather((weight > 0) + 0.0, axis_name) > 0
    own = jnp.arange(len(weight))
    if axis_name is not None:
        own = own + jax.lax.axis_index(axis_name) * len(weight)
    value, right = losses.info_nce(
        both[:, 0], others, config.temperature, own=own, counted=counted
    )
    total = weight @ jnp.where(weight > 0, value, 0)
    sums = {"loss": total, "accuracy": 100 * weight @ right, "weight": weight.sum()}
    return total, sums


def train_step(config: Config, state: State, batch, *, axis_name=None):
    """`(State, Metrics)` after one update."""
    rule, gathered = optimizer(config), functools.partial(loss, axis_name=axis_name)
    return optimisation.update(
        rule, gathered, config, state, batch, axis_name=axis_name
    )


def evaluate(config: Config, params, batch, *, axis_name=None):
    """Sums of the loss and the accuracy (percent); views differ by what is masked."""
    sums = loss(config, params, batch, axis_name=axis_name)[1]
    return parallel.reduce(sums, axis_name)


def with_masked_run(
    count: int, mask: int, random, texts: Texts, ids: np.ndarray, lengths: np.ndarray
):
    """`(ids, lengths)` with up to `count` tokens in a row masked in each text, somewhere
    between its special ones; of a shorter text all of them but one."""
    del texts
    inner = lengths - 2
    run = np.minimum(count, np.maximum(inner - 1, 0))
    begin = 1 + random.integers(np.maximum(inner - run, 0) + 1)
    place = np.arange(ids.shape[1])
    hidden = (place >= begin[:, None]) & (place < (begin + run)[:, None])
    return np.where(hidden, mask, ids), lengths


def source(config: Config, texts: Texts, seed: int = 0) -> batches.Batches:
    """Batches of both views of every text.

    Raises:
      errors.InputError: no texts.
    """
    damage = None
    if config.masked:
        damage = functools.partial(with_masked_run, config.masked, config.mask)
    return batches.views(
        texts,
        size=config.batch,
        limit=config.tokens,
        seed=seed,
        devices=jax.device_count(),
        damage=damage,
    )


def example(size: int = 32, seed: int = 0):
    """Smallest configuration and `size` texts, each with one token masked."""
    config = Config(
        bert=samples.CONFIG,
        pooling="mean",
        masked=1,
        mask=samples.MASK,
        temperature=0.2,
        tokens=8,
        learning_rate=2e-2,
        batch=size,
        steps=60,
    )
    batch = source(config, samples.texts(size, seed), seed)._replace(part=(0, 1))
    return config, batch.rows(np.arange(size), 8)
