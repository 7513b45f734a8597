"""Sparse vectors of texts, from their definition."""

import numpy as np
import pytest

from iclr22 import bundle, errors
from iclr22.giant_xrt import tfidf

SMALL = ["a b c", "b c d", "c d d", "a a c"]
TEXTS = [
    "The cat\tsat on\nthe mat",
    "the dog  sat",
    "",
    "a dog and a cat",
    "\u00e9t\u00e9 \u4e2d\u6587 x",
    "The the THE the",
]
ROOT = np.sqrt(0.5)


def test_small_case_has_the_known_numbers():
    words, features = tfidf.fit_transform(SMALL, tfidf.Config(pairs=0, letters=0))
    assert words.terms == ("a", "b", "d")  # c is in all texts
    known = [[ROOT, ROOT, 0], [0, ROOT, ROOT], [0, 0, 1], [1, 0, 0]]
    np.testing.assert_allclose(features.toarray(), known, atol=1e-6)
    pairs, features = tfidf.fit_transform(SMALL, tfidf.Config(letters=0))
    first = dict(zip(pairs.terms, features.toarray()[0], strict=True))
    known = {"a": 0.5, "b": 0.5, "a b": 0.65309, "b c": 0.27106}
    for term, value in first.items():
        assert value == pytest.approx(known.get(term, 0), abs=1e-5)


def pieces(kind, text):
    words = text.split()
    if kind == "words":
        return words
    if kind == "pairs":
        return [f"{a} {b}" for a, b in zip(words[:-1], words[1:], strict=True)]
    padded = [f" {word} " for word in words]
    return [x[i : i + 3] for x in padded for i in range(len(x) - 2)]


def by_hand(texts, seen, config):
    """`{term: weight}` of each text, by kinds, of terms of `seen` texts."""
    found = [{} for _ in texts]
    for kind in tfidf.KINDS:
        frequency = {}
        for text in seen:
            for term in set(pieces(kind, text)):
                frequency[term] = frequency.get(term, 0) + 1
        kept = {x for x, n in frequency.items() if n <= config.most * len(seen)}
        for text, whole in zip(texts, found, strict=True):
            weights = {}
            for term in pieces(kind, text):
                if term in kept:
                    idf = max(np.log(len(seen) / (frequency[term] + 1)), 0)
                    weights[kind, term] = weights.get((kind, term), 0) + idf
            length = np.linalg.norm(list(weights.values())) if weights else 0
            whole |= {k: v / length for k, v in weights.items() if length and v}
    for whole in found:
        length = np.linalg.norm(list(whole.values())) if whole else 1
        whole.update({k: v / length for k, v in whole.items()})
    return found


def named(vectorizer, features):
    names = [(block.kind, x) for block in vectorizer.blocks for x in block.terms]
    coo = features.tocoo()
    found = [{} for _ in range(features.shape[0])]
    for row, column, value in zip(coo.row, coo.col, coo.data, strict=True):
        found[row][names[column]] = value
    return found


def test_blocks_are_what_their_definition_says():
    config = tfidf.Config(most=0.6)
    vectorizer, features = tfidf.fit_transform(TEXTS, config)
    assert features.dtype == np.float32
    unseen = [
        "the new cat dog",
        "zzz",
        "x \u00e9t\u00e9 \u4e2d\u6587\u4e2d",
        "sat on the",
    ]
    for texts, values in (
        (TEXTS, features),
        (TEXTS, tfidf.transform(vectorizer, TEXTS)),
        (unseen, tfidf.transform(tfidf.fit(TEXTS, config), unseen)),
    ):
        expected = by_hand(texts, TEXTS, config)
        for row, known in zip(named(vectorizer, values), expected, strict=True):
            assert row == pytest.approx(known, abs=1e-6)
    lengths = np.linalg.norm(features.toarray(), axis=1)
    np.testing.assert_allclose(lengths, [1, 1, 0, 1, 1, 1], atol=1e-6)


def test_caps_keep_the_terms_of_most_texts():
    config = tfidf.Config(words=2, pairs=0, letters=0)
    found = tfidf.fit(["b a", "a c b", "b d", "e", "f"], config)
    assert found.terms == ("b", "a")  # as they were met
    assert tfidf.fit(["x", "y", "z"], config).terms == ("x", "y")


def test_chunks_do_not_change_anything(monkeypatch):
    whole = tfidf.tokenise(TEXTS)
    monkeypatch.setattr(tfidf, "CHUNK", 2)
    parts = tfidf.tokenise(TEXTS)
    assert whole.words == parts.words
    np.testing.assert_array_equal(whole.ids, parts.ids)
    np.testing.assert_array_equal(whole.starts, parts.starts)


def test_a_vectoriser_is_kept_as_arrays(tmp_path):
    vectorizer = tfidf.fit([*TEXTS, "lone \ud800 surrogate"], tfidf.Config(pairs=1))
    parts = {"trees": tfidf.to_arrays(vectorizer), "about": {}}
    bundle.save(tmp_path / "words.npz", "tf-idf", 1, **parts)
    again = bundle.load(
        tmp_path / "words.npz", "tf-idf", 1, lambda x: tfidf.from_arrays(x.trees)
    )
    assert again.terms == vectorizer.terms
    first, second = (tfidf.transform(x, TEXTS) for x in (vectorizer, again))
    assert (first != second).nnz == 0
    with pytest.raises(ValueError, match="terms and 2 weights"):
        tfidf.from_arrays(
            {"words": {"terms": np.zeros(0, np.uint8), "idf": np.ones(2)}}
        )
    with pytest.raises(ValueError, match="expected blocks"):
        tfidf.from_arrays({})


@pytest.mark.parametrize(
    ("texts", "config", "said"),
    [
        ([], {}, "expected texts; found none"),
        (["a", None], {}, r"found 'None' \(NoneType\) at 1"),
        (["", " \t"], {}, "found 2 that are empty or hold the same words"),
        (["a", " a"], {"letters": 0}, "more than 98 % of them are dropped"),
        (["a"], {"words": 0, "pairs": 0, "letters": 0}, "words, pairs or letters"),
    ],
)
def test_bad_texts_are_one_clear_error(texts, config, said):
    with pytest.raises(errors.InputError, match=said):
        tfidf.fit(texts, tfidf.Config(**config))
