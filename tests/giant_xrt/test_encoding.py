"""Features of texts: whatever is beside them, of both kinds of encoder."""

import giant_helpers
import numpy as np
import pytest

from iclr22 import errors
from iclr22.giant_xrt import bag, encoding
from iclr22.nn import encoders, tokens, wordpiece

TEXTS = giant_helpers.texts(21)


def of_kind(kind):
    if kind == "bag":
        return encoding.of_bag(TEXTS, width=6, hidden=4, tokens=8)
    return giant_helpers.of_bert(kind)


@pytest.mark.parametrize("kind", ["bag", "pooler", "cls", "mean"])
def test_features_do_not_depend_on_what_is_beside(kind, monkeypatch):
    encoder = of_kind(kind)
    found = encoding.embed(encoder, TEXTS)
    assert found.shape == (21, encoder.config.features) and found.dtype == np.float32
    assert np.array_equal(found, encoding.embed(encoder, TEXTS))
    rows = [20, 0, 1, 5]
    some = encoding.embed(encoder, [TEXTS[i] for i in rows], chunk=8)
    np.testing.assert_allclose(some, found[rows], atol=1e-5)
    monkeypatch.setattr(wordpiece, "WORTH", 0)  # two widths
    np.testing.assert_allclose(
        encoding.embed(encoder, TEXTS, chunk=8), found, atol=1e-5
    )
    read = encoding.read(encoder, TEXTS)
    part = encoding.embed(encoder, read, rows)
    np.testing.assert_allclose(part, found[rows], atol=1e-5)
    assert np.std(found, axis=0).min() > 1e-4


def test_poolings_are_what_they_say():
    found = {x: encoding.embed(of_kind(x), TEXTS[:4]) for x in encoding.POOLINGS}
    encoder = of_kind("pooler")
    layer = encoder.params["pooler"]
    by_hand = np.tanh(found["cls"] @ layer["kernel"] + layer["bias"])
    np.testing.assert_allclose(found["pooler"], by_hand, atol=1e-5)
    assert np.abs(found["cls"] - found["mean"]).max() > 1e-3


def test_a_bag_is_a_weighted_mean_of_its_tokens_without_special_ones():
    encoder = encoding.of_bag(TEXTS, width=5, tokens=6)
    read = encoding.read(encoder, TEXTS)
    found = encoding.embed(encoder, TEXTS)
    table = encoder.params["table"]
    for i in range(len(TEXTS)):
        ids = read.tokens[read.offsets[i] : read.offsets[i + 1]][:4]  # 6 with both ends
        weight = np.exp(table["score"][ids])
        mean = (
            weight @ table["vectors"][ids] / weight.sum() if len(ids) else np.zeros(5)
        )
        np.testing.assert_allclose(found[i], mean, atol=1e-5)


def test_frequent_tokens_weigh_less():
    encoder = encoding.of_bag(["a a a a b b b c c"], width=4)
    number = {word: i for i, word in enumerate(encoder.vocabulary)}
    share = np.array([4, 3, 2]) / 9
    score = encoder.params["table"]["score"][[number[x] for x in "abc"]]
    np.testing.assert_allclose(
        score, np.log(bag.SMOOTH / (bag.SMOOTH + share)), rtol=1e-5
    )
    same = encoding.of_bag(["a a b"], width=4, weighted=False)
    assert not same.params["table"]["score"].any()


def test_a_bag_can_begin_at_given_vectors():
    words = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "b")
    table = np.arange(12.0).reshape(6, 2)
    encoder = encoding.of_bag([], vocabulary=words, table=table, weighted=False)
    assert encoder.config.width == 2
    found = encoding.embed(encoder, ["a b", "b b", ""])
    np.testing.assert_allclose(found, [[9, 10], [10, 11], [0, 0]], atol=1e-6)


def test_a_bag_can_begin_at_what_a_transformer_says_of_tokens():
    encoder = giant_helpers.of_bert("mean")
    table = encoding.token_vectors(encoder)
    words = list(encoder.vocabulary)
    alone = encoding.embed(encoder, ["graph", "tree"])
    rows = [words.index("graph"), words.index("tree")]
    np.testing.assert_allclose(table[rows], alone, atol=1e-5)
    bag_ = encoding.of_bag([], vocabulary=words, table=table, weighted=False)
    found = encoding.embed(bag_, ["graph tree"])
    np.testing.assert_allclose(found[0], alone.mean(axis=0), atol=1e-5)


def test_fresh_bags_differ_by_seed_and_a_fresh_layer_adds_nothing():
    plain, same, other = (encoding.of_bag(TEXTS, width=4, seed=x) for x in (0, 0, 1))
    found = [encoding.embed(x, TEXTS) for x in (plain, same, other)]
    assert np.array_equal(found[0], found[1]) and not np.allclose(found[0], found[2])
    deep = encoding.of_bag(TEXTS, width=4, hidden=8)
    np.testing.assert_allclose(encoding.embed(deep, TEXTS), found[0], atol=1e-6)


def test_texts_beyond_the_limit_are_cut():
    encoder = giant_helpers.of_bert(tokens=5)
    long, cut = encoding.embed(
        encoder, ["graph node text tree link", "graph node text"]
    )
    np.testing.assert_allclose(long, cut, atol=1e-6)


def test_no_texts_are_no_features():
    encoder = encoding.of_bag(TEXTS, width=4)
    none = tokens.of([], 0, 1)
    assert encoding.embed(encoder, none).shape == (0, 4)


def refused(call, *words):
    with pytest.raises(errors.InputError) as caught:
        call()
    assert all(word in str(caught.value) for word in words)


def test_what_does_not_fit_is_refused():
    plain = giant_helpers.of_bert("mean")
    given = encoders.Encoder(plain.config.bert, plain.params, plain.vocabulary)
    refused(lambda: encoding.of_bert(given), "pooler", "mean")
    refused(lambda: encoding.of_bert(given, pooling="max"), "max", "mean")
    refused(lambda: encoding.of_bert(given, pooling="cls", tokens=17), "16", "17")
    refused(lambda: encoding.of_bert(given, pooling="cls", tokens=2), "3", "2")
    refused(lambda: encoding.of_bag(TEXTS, table=np.ones((3, 2))), "vocabulary")
    words = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
    refused(
        lambda: encoding.of_bag([], vocabulary=words, table=np.ones((3, 2))), "4", "3"
    )
