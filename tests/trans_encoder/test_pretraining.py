"""Encoders tuned on sentences; the whole method on generated ones, with a noisy teacher."""

import functools

import jax
import numpy as np
import pair_helpers as tiny
import pytest

from iclr22 import errors, metrics
from iclr22.data import texts as pairs
from iclr22.data.texts import simulated
from iclr22.nn import bert, encoders
from iclr22.trans_encoder import (
    bi_encoder,
    contrastive,
    cross_encoder,
    distillation,
    labels,
    plans,
    pretraining,
    tasks,
    tsdae,
)


def moved(before, after):
    return [
        name
        for name in before.params
        if any(
            (np.asarray(x) != np.asarray(y)).any()
            for x, y in zip(
                *map(jax.tree.leaves, (before.params[name], after.params[name])),
                strict=True,
            )
        )
    ]


@pytest.mark.parametrize("way", ["contrast", "autoencode"])
def test_an_encoder_is_tuned_and_keeps_its_pooler(way):
    config = {
        "contrast": contrastive.Config(batch=16, tokens=8, steps=2),
        "autoencode": tsdae.Config(batch=16, tokens=8, steps=2),
    }[way]
    encoder, texts = tiny.encoder(), tiny.encoded(tiny.sentences())
    found = getattr(pretraining, way)(encoder, texts, config)
    assert found.params.keys() == encoder.params.keys()
    assert sorted(moved(encoder, found)) == [
        "layer_0",
        "norm",
        "position",
        "type",
        "word",
    ]


def test_a_vocabulary_without_the_mask():
    config = contrastive.Config(masked=2)
    with pytest.raises(errors.InputError, match="Set masked to 0"):
        pretraining.contrast(tiny.encoder(), tiny.encoded(["a b"]), config)


@pytest.mark.slow
def test_students_denoise_their_teacher():
    """The whole method from random weights: contrast, noisy labels, cross, bi."""
    words = simulated.vocabulary()
    config = bert.Config(len(words), 64, 2, heads=4, inner=128, positions=48)
    pool = simulated.generate(0, pairs=1500)
    dev = pairs.of_split(pool, pairs.DEV)
    task = tasks.of(pool, dev)
    params = jax.jit(functools.partial(bert.init, config))(jax.random.key(0))
    start = encoders.Encoder(config, params, words)
    texts = tasks.texts(start, task, 32)
    tuning = contrastive.Config(
        pooling="mean", head=False, temperature=0.1, learning_rate=3e-3, epochs=8
    )
    encoder = pretraining.contrast(start, texts, tuning)
    options = distillation.Options(
        bi=bi_encoder.Config(pooling="mean", batch=64, epochs=2, learning_rate=2e-3),
        cross=cross_encoder.Config(epochs=5, learning_rate=1e-3),
        cycles=1,
        looks=4,
    )
    plain = [
        labels.of_bi(x.config, x.params, texts, task.first, task.second)
        for e in (start, encoder)
        for x in plans.beginning([e], options)
    ]
    test = pool.split == pairs.TEST

    def rho(scores):
        return metrics.spearman(scores[test], pool.score[test])

    assert rho(plain[1]) > rho(plain[0]) + 0.05
    noise = np.random.default_rng(0).normal(size=len(task.first))
    taught = plain[1] + 0.4 * noise
    found = distillation.distil([encoder], task, options, given=taught)
    last = found.cycles[0]
    bi = last.bi.students[0]
    cosines = labels.of_bi(bi.config, bi.params, texts, task.first, task.second)
    assert rho(last.bi_labels) > rho(taught) + 0.03
    assert rho(cosines) > rho(taught) + 0.1
