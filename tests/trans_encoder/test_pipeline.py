"""Variants: what learns from what, what is recorded, first teachers."""

import helpers
import numpy as np
import pair_helpers as tiny
import pytest

from iclr22 import errors, metrics
from iclr22.data.texts import simulated
from iclr22.nn import tokens
from iclr22.nn.wordpiece import Tokenizer
from iclr22.trans_encoder import contrastive, fresh, labels, pipeline, use
from iclr22.trans_encoder.artifact import Model
from iclr22.trans_encoder.pipeline import Data, Options

pytestmark = pytest.mark.eight_devices

OPTIONS = Options(
    distillation=tiny.OPTIONS._replace(
        cycles=1,
        looks=1,
        bi=tiny.OPTIONS.bi._replace(epochs=1),
        cross=tiny.OPTIONS.cross._replace(epochs=1),
    ),
    contrast=contrastive.Config(batch=32),
)


def data(count=1):
    encoders = (tiny.encoder(0), tiny.encoder(1))
    return Data(tiny.task(), encoders[:count])


def labels_of(options, seed=0, count=1):
    begun = pipeline.begin(data(count), options)
    return pipeline.first_labels(data(count), options, begun, seed)


def pairs_of(task):
    return [[task.sentences[i] for i in rows] for rows in (task.first, task.second)]


def test_first_labels_are_cosines_and_noise_is_added():
    options, both = pipeline.checked(OPTIONS, data()), pairs_of(tiny.task())
    model = Model((pipeline.part(options, tiny.encoder(0)),))
    clean = labels_of(OPTIONS)
    np.testing.assert_allclose(clean, use.score(model, *both, by="bi"), atol=1e-5)
    other = labels_of(OPTIONS, count=2)
    each = Model((pipeline.part(options, tiny.encoder(1)),))
    mean = (clean + use.score(each, *both, by="bi")) / 2
    np.testing.assert_allclose(other, mean, atol=1e-5)
    noisy = [labels_of(OPTIONS._replace(noise=0.5), seed) - clean for seed in range(40)]
    assert abs(np.std(noisy) - 0.5) < 0.05 and abs(np.mean(noisy)) < 0.05


def test_static_teachers_are_those_of_tokens():
    task, one = tiny.task(), tiny.encoder(0)
    given = tokens.encoded(one.vocabulary, task.sentences)
    words = np.asarray(one.params["word"]["embedding"])
    rows = np.split(given.tokens, given.offsets[1:-1])
    share = np.bincount(given.tokens, minlength=len(words)) / len(given.tokens)
    weight = 1e-3 / (1e-3 + share)
    vectors = np.stack([(words * weight[:, None])[x].mean(0) for x in rows])
    main = np.linalg.svd(vectors, full_matrices=False)[2][0]
    vectors -= np.outer(vectors @ main, main)
    expected = labels.cosines(vectors, task.first, task.second)
    found = labels_of(OPTIONS._replace(start="sif"))
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert metrics.spearman(found, labels_of(OPTIONS._replace(start="static"))) < 0.999


def test_variants_keep_what_they_train():
    for variant, count, bi, cross in (("self_bi", 2, 1, 0), ("mutual", 2, 2, 2)):
        found = pipeline.train(data(count), OPTIONS._replace(variant=variant))
        assert (len(found.model.bi), len(found.model.cross)) == (bi, cross)
        kinds = {x["kind"] for x in found.looks}
        assert kinds == ({"bi", "cross"} if cross else {"bi"})
        assert len(found.taught) == len(tiny.task().first)


def test_shuffled_labels_are_those_of_other_pairs():
    found = pipeline.train(data(), OPTIONS._replace(variant="shuffled"))
    clean = np.clip(labels_of(OPTIONS), 0, 1)
    assert (found.taught != clean).mean() > 0.5
    np.testing.assert_allclose(np.sort(found.taught), np.sort(clean), atol=1e-6)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (OPTIONS._replace(variant="sel"), "Did you mean 'self'"),
        (OPTIONS._replace(variant="mutual"), "expected two encoders or more"),
        (OPTIONS._replace(noise=-0.1), "expected noise of 0 or more"),
        (OPTIONS._replace(noise=float("inf")), "noise"),
    ],
)
def test_what_cannot_be_trained(options, said):
    with pytest.raises(errors.InputError, match=said):
        pipeline.train(data(), options)


def test_a_fresh_vocabulary_spells_every_word():
    sentences = ["A Café, twice: cafe!", "seldom", "a café"]
    words = fresh.vocabulary(sentences)
    assert len(set(words)) == len(words)
    assert "cafe" in words and "seldom" not in words
    tokenizer = Tokenizer(words)
    ids = [x for row in tokenizer.encode(sentences) for x in row]
    assert tokenizer.unknown not in ids
    assert len(tokenizer.encode(["seldom"])[0]) == 6
    assert len(fresh.vocabulary(["b b a a a c"], most=1)) < len(words)


def test_fresh_encoders_differ_by_seed():
    words = simulated.vocabulary()
    one, same, other = (fresh.encoder(words, 16, 1, seed) for seed in (0, 0, 1))
    assert one.config.heads == 1 and one.vocabulary == words
    helpers.assert_trees_close(one.params, same.params)
    table = [x.params["word"]["embedding"] for x in (one, other)]
    assert np.abs(table[0] - table[1]).max() > 0.01
