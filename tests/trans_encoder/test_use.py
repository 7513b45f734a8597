"""Kept models: files, folders for other libraries, vectors, scores, nearest, static."""

import functools

import jax
import numpy as np
import pair_helpers as tiny
import pytest
from helpers import assert_trees_close, damaged, say

from iclr22 import errors, neighbours
from iclr22.nn import bert, body
from iclr22.trans_encoder import (
    artifact,
    bi_encoder,
    cross_encoder,
    labels,
    static,
    use,
)
from iclr22.trans_encoder.artifact import Model, Part

SENTENCES = tiny.sentences(20)


@functools.cache
def model():
    """Two encoders of random weights, the second one wider, and a static one."""
    bi, cross = [], []
    for seed, width in ((0, 16), (1, 24)):
        encoder = tiny.encoder(seed, width)
        config = bi_encoder.Config(bert=encoder.config, pooling="mean", tokens=8)
        params = body.plain(encoder.params)
        bi.append(Part(config, params, tiny.VOCABULARY))
        config = cross_encoder.Config(bert=encoder.config, tokens=16)
        kernel = np.random.default_rng(seed).normal(size=(width, 1)).astype(np.float32)
        head = {"kernel": kernel, "bias": np.zeros(1, np.float32)}
        params = encoder.params | {"classifier": head}
        cross.append(Part(config, params, tiny.VOCABULARY))
    table = np.random.default_rng(2).normal(size=(12, 5))
    return Model(tuple(bi), tuple(cross), static.mean(table, tiny.VOCABULARY))


def test_embed_is_the_bi_encoder():
    part = model().bi[1]
    texts = tiny.encoded(SENTENCES)
    expected = labels.embed(part.config, part.params, texts)
    padded = [f"  {x}\n" for x in SENTENCES]
    np.testing.assert_array_equal(use.embed(model(), padded, which=1), expected)
    found = use.embed(model(), SENTENCES, by="static")
    np.testing.assert_allclose(found, static.embed(model().static, texts))


def test_word_vectors_are_a_static_encoder():
    words = tuple("abcdefgh")
    table = np.random.default_rng(0).normal(size=(8, 3))
    given = model()._replace(static=static.mean(table, words))
    found = use.embed(given, ["a b", "h"], by="static")
    np.testing.assert_allclose(found, [table[:2].mean(0), table[7]], rtol=1e-5)


def test_scores_by_every_way():
    first, second = SENTENCES[:6] + SENTENCES[:2], SENTENCES[6:12] + SENTENCES[:2]
    found = {way: use.score(model(), first, second, by=way) for way in use.WAYS}
    both = [use.embed(model(), x) for x in (first, second)]
    cosines = np.einsum("nd,nd->n", *map(neighbours.unit, both))
    np.testing.assert_allclose(found["bi"], cosines, atol=1e-5)
    np.testing.assert_allclose(found["static"][-2:], 1, atol=1e-5)
    one, ways = found["cross"], ("bi", "cross")
    each = [
        use.score(model(), first, second, by=w, which=i) for w in ways for i in (0, 1)
    ]
    np.testing.assert_allclose(found["ensemble"], np.mean(each, axis=0), atol=1e-6)
    assert one.min() > 0 and one.max() < 1 and np.abs(one - each[3]).max() > 1e-3


def test_mined_texts_are_the_nearest_ranked_by_the_cross_encoder():
    plain = use.mine(model(), SENTENCES, 4, rerank=False)
    x = neighbours.unit(use.embed(model(), SENTENCES))
    near = x @ x.T - 9 * np.eye(len(x))
    np.testing.assert_array_equal(plain.rows, np.argsort(-near, axis=1)[:, :4])
    assert plain.scores is None
    found = use.mine(model(), SENTENCES, 4)
    assert found.scores is not None
    np.testing.assert_array_equal(np.sort(found.rows), np.sort(plain.rows))
    for i in (0, 5):
        pair = [(min(i, j), max(i, j)) for j in found.rows[i]]
        first, second = ([SENTENCES[p[side]] for p in pair] for side in (0, 1))
        expected = use.score(model(), first, second)
        np.testing.assert_allclose(found.scores[i], expected, rtol=1e-4)
        assert (np.diff(found.scores[i]) <= 0).all()
        np.testing.assert_allclose(found.cosines[i], near[i, found.rows[i]], atol=1e-5)


def test_a_static_encoder_of_the_bi_encoder():
    table = use.distil(model(), tiny.sentences(200, 7), width=8, penalty=0.01)
    first, second = SENTENCES[:9], SENTENCES[9:18]
    given = model()._replace(static=table)
    one = use.score(given, first, second, by="static")
    other = use.score(given, first, second, by="bi")
    assert table.table.shape == (12, 8)
    assert np.corrcoef(one, other)[0, 1] > 0.5


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda m: use.embed(m, []), "found none"),
        (lambda m: use.embed(m, ["a", " "]), "number 2"),
        (lambda m: use.embed(m, ["a"], which=2), "found 2 in this model"),
        (lambda m: use.embed(m, ["a"], by="cross"), "bi, static"),
        (lambda m: use.score(m, ["a"], ["b", "c"]), "1 and 2"),
        (lambda m: use.score(m, ["a"], ["b"], by="both"), "Unknown way"),
        (lambda m: use.mine(m, ["a", "b"], 2), "from 1 to 1"),
        (
            lambda m: use.embed(m._replace(static=None), ["a"], by="static"),
            "static encoder",
        ),
        (
            lambda m: use.mine(m._replace(cross=()), ["a", "b"], 1),
            "cross-encoder number 0",
        ),
    ],
)
def test_bad_input_is_told(call, said):
    with pytest.raises(errors.InputError, match=said):
        call(model())


# Files


def test_a_model_comes_back(tmp_path):
    artifact.save(tmp_path / "model.npz", model())
    again = artifact.load(tmp_path / "model.npz")
    for kind in ("bi", "cross"):
        for one, other in zip(
            getattr(again, kind), getattr(model(), kind), strict=True
        ):
            assert (one.config, one.vocabulary) == (other.config, other.vocabulary)
            assert_trees_close(one.params, other.params, rtol=0, atol=0)
    np.testing.assert_array_equal(again.static.table, model().static.table)
    few = model()._replace(cross=(), static=None)
    artifact.save(tmp_path / "few.npz", few)
    assert artifact.load(tmp_path / "few.npz")[1:] == ((), None)


def drop(name):
    def change(about, arrays):
        del about, arrays[name]

    return change


def short(about, arrays):
    del about
    arrays["trees/bi_0/word/embedding"] = arrays["trees/bi_0/word/embedding"][:5]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (short, "names or shapes"),
        (drop("trees/cross_1/classifier/bias"), "cannot read"),
        (say("about", "bi", value=[]), "no bi-encoder"),
        (say("about", "vocabularies", value=[["a"] * 13]), "13 tokens"),
        (say("bundle", "version", value=9), "format 9"),
    ],
)
def test_damaged_files_are_refused(tmp_path, change, said):
    artifact.save(tmp_path / "model.npz", model())
    path = damaged(tmp_path / "model.npz", tmp_path / "bad.npz", change)
    with pytest.raises(errors.InputError, match=said):
        artifact.load(path)


def test_folders_for_others_hold_the_same_model(tmp_path):
    paths = artifact.export(tmp_path, model())
    assert [x.name for x in paths] == ["bi_0", "bi_1", "cross_0", "cross_1"]
    for path, part in zip(paths, (*model().bi, *model().cross), strict=True):
        config, params = bert.load(path)
        assert config == part.config.bert
        assert_trees_close(
            {k: params[k] for k in part.params}, part.params, rtol=0, atol=0
        )
        assert bert.read_vocabulary(path) == part.vocabulary
    assert all(
        isinstance(x, jax.Array) for x in jax.tree.leaves(bert.load(paths[0])[1])
    )
