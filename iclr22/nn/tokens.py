"""Texts as runs of tokens, and arrays of one width made from any of them.

Texts are tokenised once; a batch is padded where it is needed, so that a pair of a million
costs what its tokens are. A text alone is `[CLS] text [SEP]`; two are
`[CLS] first [SEP] second [SEP]`, of which the second has segment 1.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from absl import logging

from iclr22.nn import wordpiece

WORD = re.compile(r"[^\W_]+|[^\w\s]")
NONE = -1  # no special token


class Texts(NamedTuple):
    """Tokens of n texts, without the special ones."""

    tokens: np.ndarray  # [total] int32, one text after the other
    offsets: np.ndarray  # [n + 1] int64, where each begins
    start: int  # [CLS]
    end: int  # [SEP]
    pad: int = 0  # [PAD]

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each, `[n]`."""
        return np.diff(self.offsets)


class Padded(NamedTuple):
    """Texts or pairs of them in an array; beyond its length a row is padding."""

    ids: np.ndarray  # [n, width] int32
    lengths: np.ndarray  # [n] int32, with special tokens
    first: np.ndarray  # [n] int32, tokens of segment 0: of a pair to the first [SEP]

    @property
    def mask(self) -> np.ndarray:
        """Int32 `[n, width]`: 1 on tokens, 0 on padding."""
        return (np.arange(self.ids.shape[1]) < self.lengths[:, None]).astype(np.int32)

    @property
    def types(self) -> np.ndarray:
        """Int32 `[n, width]`: 1 on tokens of the second segment."""
        return self.mask * (np.arange(self.ids.shape[1]) >= self.first[:, None])


def of(rows: Sequence[Sequence[int]], start: int, end: int, pad: int = 0) -> Texts:
    """Texts from lists of tokens without special ones."""
    lengths = np.fromiter((len(x) for x in rows), np.int64, len(rows))
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    tokens = np.fromiter((x for row in rows for x in row), np.int32, offsets[-1])
    return Texts(tokens, offsets, start, end, pad)


def encoded(vocabulary: Sequence[str], sentences: Sequence[str]) -> Texts:
    """Texts from sentences, in the tokens of an uncased WordPiece vocabulary.

    Raises:
      errors.InputError: a vocabulary without the special tokens.
    """
    tokenizer = wordpiece.Tokenizer(vocabulary)
    special = tokenizer.cls, tokenizer.sep, tokenizer.pad
    return of(tokenizer.encode(sentences), *special)


def worded(vocabulary: Sequence[str], sentences: Sequence[str]) -> Texts:
    """Texts in lower-case words and marks, for word vectors; what a vocabulary does not have
    is left out. They are for means of vectors: there are no special tokens."""
    number = {word: i for i, word in enumerate(vocabulary)}
    words = (WORD.findall(sentence.lower()) for sentence in sentences)
    rows = [[number[x] for x in found if x in number] for found in words]
    return of(rows, NONE, NONE, NONE)


def alone_lengths(texts: Texts, rows) -> np.ndarray:
    """How long rows of `alone` are, `[n]`, before anything is cut."""
    return texts.lengths[rows] + 2


def together_lengths(texts: Texts, first, second) -> np.ndarray:
    """How long rows of `together` are, `[n]`, before anything is cut."""
    return texts.lengths[first] + texts.lengths[second] + 3


def alone(texts: Texts, rows, width: int, limit: int | None = None) -> Padded:
    """Each text for itself, cut to `limit` tokens, or to `width`."""
    rows = np.asarray(rows)
    kept = np.minimum(texts.lengths[rows], min(width, limit or width) - 2)
    ids = np.full((len(rows), width), texts.pad, np.int32)
    ids[:, 0] = texts.start
    _copy(texts, ids, rows, kept, np.ones(len(rows), int))
    ids[np.arange(len(rows)), kept + 1] = texts.end
    lengths = (kept + 2).astype(np.int32)
    return Padded(ids, lengths, lengths)


def together(
    texts: Texts, first, second, width: int, limit: int | None = None
) -> Padded:
    """Pairs of texts, cut to `limit` tokens, or to `width`, those of the longer one first."""
    first, second = np.asarray(first), np.asarray(second)
    sizes = texts.lengths[first], texts.lengths[second]
    one, other = wordpiece.longest_first(*sizes, min(width, limit or width) - 3)
    ids = np.full((len(first), width), texts.pad, np.int32)
    place = np.arange(len(first))
    ids[:, 0] = texts.start
    _copy(texts, ids, first, one, np.ones(len(first), int))
    ids[place, one + 1] = texts.end
    _copy(texts, ids, second, other, one + 2)
    ids[place, one + other + 2] = texts.end
    lengths = (one + other + 3).astype(np.int32)
    return Padded(ids, lengths, (one + 2).astype(np.int32))


def _copy(texts, ids, rows, count, place) -> None:
    """The first `count [n]` tokens of texts into rows of `ids`, from `place [n]` on."""
    row = np.repeat(np.arange(len(rows)), count)
    within = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)
    ids[row, place[row] + within] = texts.tokens[texts.offsets[rows][row] + within]


def tell_cut(lengths, limit: int, what: str) -> float:
    """Share of texts, or pairs, of these lengths `[n]` that lose tokens if they are cut to
    `limit`; what is cut is told."""
    share = float(np.mean(np.asarray(lengths) > limit)) if len(lengths) else 0.0
    if share:
        logging.warning(
            "%.1f %% of %d %s are longer than %d tokens and are cut",
            100 * share,
            len(lengths),
            what,
            limit,
        )
    return share
