"""WordPiece: tokens, truncation of pairs, padding into buckets."""

import bert_helpers
import numpy as np
import pytest

from iclr22 import errors
from iclr22.nn import tokens, wordpiece

TOKENS = bert_helpers.TOKENS


@pytest.fixture(scope="module")
def tokenizer():
    return wordpiece.Tokenizer(TOKENS)


TEXTS = {
    "A plane is taking off.": "a plane is taking off .",
    "planes,planes": "plane ##s , plane ##s",
    "unaffable": "un ##aff ##able",
    "unaffablex a": "[UNK] a",
    "ABC abca": "a ##b ##c a ##b ##c ##a",
    "  \t\n a\u00a0b\u2028c\r": "a b c",
    "a\0b\u200bc\x7f": "a ##b ##c",  # control characters vanish
    "á Ç": "a c",  # and accents
    "a\u4e2db": "a [UNK] b",  # Chinese characters are words
    "[SEP] a": "[UNK] [UNK] [UNK] a",  # names of special tokens are text
    "a" * 100: "a" + " ##a" * 99,
    "a" * 101: "[UNK]",
    "": "",
    "!.,a": "! . , a",
    "a…": "a [UNK]",
}


@pytest.mark.parametrize("text", TEXTS)
def test_tokens_of_a_text(text, tokenizer):
    expected = [TOKENS.index(x) for x in TEXTS[text].split()]
    assert tokenizer.encode([text, text]) == [expected, expected]


def test_words_that_are_remembered_are_forgotten_when_many(monkeypatch):
    monkeypatch.setattr(wordpiece, "WORDS", 2)
    tokenizer = wordpiece.Tokenizer(TOKENS)
    text = "a b c plane a b c plane"
    assert tokenizer.encode([text]) == [[5, 6, 7, 11, 5, 6, 7, 11]]


def test_a_vocabulary_without_special_tokens_is_refused():
    with pytest.raises(errors.InputError, match=r"found no \[SEP\]"):
        wordpiece.Tokenizer([x for x in TOKENS if x != "[SEP]"])


def test_sentences_are_cut():
    texts = tokens.encoded(TOKENS, ["a b c a", "b", "a b"])
    rows = tokens.alone(texts, np.arange(3), 4)
    assert rows.ids.tolist() == [[2, 5, 6, 3], [2, 6, 3, 0], [2, 5, 6, 3]]
    assert rows.lengths.tolist() == [4, 3, 4]
    assert rows.mask.tolist() == [[1] * 4, [1, 1, 1, 0], [1] * 4]
    assert not rows.types.any()


def test_pairs_have_two_segments():
    texts = tokens.encoded(TOKENS, ["a b", "c", "a b c"])
    rows = tokens.together(texts, [0, 1], [1, 2], 8)
    assert rows.ids.tolist() == [[2, 5, 6, 3, 7, 3, 0, 0], [2, 7, 3, 5, 6, 7, 3, 0]]
    assert rows.mask.tolist() == [[1] * 6 + [0] * 2, [1] * 7 + [0]]
    assert rows.types.tolist() == [
        [0, 0, 0, 0, 1, 1, 0, 0],
        [0, 0, 0, 1, 1, 1, 1, 0],
    ]
    assert rows.ids.dtype == rows.types.dtype == np.int32


def test_pairs_are_cut_from_the_longer_one():
    """Against taking one token after the other from what is longer; where they are equal,
    from what was shorter."""
    grid = np.array([(a, b) for a in range(12) for b in range(12)])
    for room in (2, 3, 7, 8, 30):
        found = np.stack(wordpiece.longest_first(*grid.T, room), axis=1)
        for (a, b), kept in zip(grid.tolist(), found.tolist(), strict=True):
            longer_is_first = a > b
            while a + b > room:
                if a > b or (a == b and not longer_is_first):
                    a -= 1
                else:
                    b -= 1
            assert [a, b] == kept


def test_two_widths_have_the_least_padding():
    random = np.random.default_rng(0)
    for _ in range(20):
        lengths = np.minimum(random.geometric(0.06, 200) + 2, 61)
        low, top = wordpiece.widths(lengths)
        assert low % 8 == top % 8 == 0 and top - 8 < lengths.max() <= top
        best = min(sum(np.where(lengths <= x, x, top)) for x in range(8, top + 1, 8))
        assert sum(np.where(lengths <= low, low, top)) == best
    assert wordpiece.widths(np.full(5, 9)) == (16,)
    assert wordpiece.widths([3, 60], most=1) == (64,)
    assert wordpiece.widths([]) == ()
