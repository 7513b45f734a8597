"""A small encoder and a small task: sentences of a few letters, likeness by overlap."""

import functools

import jax
import numpy as np

from iclr22 import loop
from iclr22.data import texts
from iclr22.nn import bert, encoders, tokens
from iclr22.trans_encoder import bi_encoder, cross_encoder, samples, tasks
from iclr22.trans_encoder.distillation import Options

VOCABULARY = ("[PAD]", "[CLS]", "[SEP]", "[UNK]", *"abcdefgh")
CONFIG = samples.CONFIG._replace(dropout=0.1, attention_dropout=0.1)
OPTIONS = Options(
    bi=bi_encoder.Config(
        pooling="mean", tokens=8, batch=32, epochs=3, learning_rate=1e-2
    ),
    cross=cross_encoder.Config(tokens=16, batch=32, epochs=3, learning_rate=1e-2),
    cycles=2,
    looks=3,
    probe=20,
)


@functools.cache
def encoder(seed=0, width=16):
    """Random weights, those of layers larger than usual, so that texts differ."""
    config = CONFIG._replace(width=width)
    params = jax.jit(functools.partial(bert.init, config))(jax.random.key(seed))
    params = jax.tree.map(
        lambda x: 10 * np.asarray(x) if x.ndim > 1 else np.asarray(x), params
    )
    return encoders.Encoder(config, params, VOCABULARY)


def pairs(count, seed=0):
    """Sentences of three to five letters, scored by what they share of what they have."""
    given = samples.texts(2 * count, seed)
    rows = np.split(given.tokens, given.offsets[1:-1])
    words = [" ".join(VOCABULARY[i] for i in row) for row in rows]
    scores = samples.overlap(given, np.arange(count), count + np.arange(count))
    return texts.make(words[:count], words[count:], scores)


@functools.cache
def task(symmetric=True, labelled=True):
    """Forty pairs to learn from and thirty to select by."""
    dev = pairs(30, 1) if labelled else None
    return tasks.of(pairs(40), dev, symmetric=symmetric)


def sentences(count=30, seed=2):
    """Different sentences."""
    return list(dict.fromkeys(pairs(count, seed).sentence1.tolist()))


def encoded(given):
    """Their tokens."""
    return tokens.encoded(VOCABULARY, given)


def untrained(monkeypatch):
    """Networks stay as they begin: nothing is compiled but what reads texts."""

    def fit(method, config, batches, schedule, *, begin, review=None, **rest):
        del batches, schedule
        init = functools.partial(method.init, config, batch=None)
        state = jax.jit(init)(jax.random.key(rest["seed"]))
        learned = jax.tree.map(jax.numpy.asarray, begin(state.params))
        state = state._replace(params=learned)
        if review is None:
            return state
        rest["measure"](state.params)
        return review(state, {})

    monkeypatch.setattr(loop, "fit", fit)
