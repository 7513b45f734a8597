"""WordPiece tokens of uncased BERT, and arrays of them.

    tokenizer = wordpiece.Tokenizer(vocabulary)
    rows = wordpiece.pairs(tokenizer, first, second, 64)  # [CLS] a [SEP] b [SEP]
    for width, index in wordpiece.buckets(rows.length):
        wordpiece.arrays(rows, index, width)  # {"ids", "mask", "types"} [rows, width]

A text is cleaned, lower-cased, rid of accents and divided at spaces, punctuation and Chinese
characters (Devlin et al., NAACL 2019, section 3); each word is then the longest tokens of
the vocabulary that it begins with, one after the other (Wu et al., arXiv:1609.08144).
"""

import unicodedata
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from absl import logging

from iclr22 import errors

PAD, UNKNOWN, CLS, SEP = SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
MASK = "[MASK]"
LONGEST_WORD = 100  # characters; a longer one is unknown
WORDS = 1 << 20  # that are remembered, at most
ROUND = 8  # widths of arrays are multiples of it
CHINESE = (
    (0x4E00, 0x9FFF),
    (0x3400, 0x4DBF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B920, 0x2CEAF),
    (0xF900, 0xFAFF),
    (0x2F800, 0x2FA1F),
)


class Rows(NamedTuple):
    """Encoded inputs of a model, padded by 0 to the longest.

    Attributes:
      ids: int32 `[n, longest]`, with special tokens.
      length: int32 `[n]`, of tokens in a row.
      first: int32 `[n]`, of them that are in the first segment.
      cut: bool `[n]`, whether some were left out.
    """

    ids: np.ndarray
    length: np.ndarray
    first: np.ndarray
    cut: np.ndarray


class Tokenizer:
    """Texts to numbers of tokens; words are remembered, so that a corpus is fast.

    Differs from the `tokenizers` package: names of special tokens in a text, such as
    `[SEP]`, are text, and characters are what Python's Unicode says, which knows more of
    them.
    """

    def __init__(self, vocabulary: Sequence[str]):
        """Args:
          vocabulary: tokens by number, with the special ones.

        Raises:
          errors.InputError: a special one is missing.
        """
        self.number = {token: i for i, token in enumerate(vocabulary)}
        if missing := [x for x in SPECIAL if x not in self.number]:
            raise errors.InputError(
                f"expected a vocabulary with {', '.join(SPECIAL)}; found no {missing[0]}"
            )
        self.pad, self.unknown, self.cls, self.sep = (self.number[x] for x in SPECIAL)
        self._longest = max(map(len, self.number))
        self._cleaned = _Cleaned()
        self._words: dict[str, tuple[int, ...]] = {}

    def encode(self, texts: Iterable[str]) -> list[list[int]]:
        """Numbers of the tokens of each text, without special ones."""
        known, found = self._words, []
        for text in texts:
            ids = []
            for word in text.translate(self._cleaned).split(" "):
                if word:
                    pieces = known.get(word)
                    ids += self._remember(word) if pieces is None else pieces
            found.append(ids)
        return found

    def _remember(self, word: str) -> tuple[int, ...]:
        if len(self._words) >= WORDS:
            self._words.clear()
        pieces = tuple(x for part in _parts(word) for x in self._pieces(part))
        self._words[word] = pieces
        return pieces

    def _pieces(self, word: str) -> list[int]:
        """The longest token that the rest begins with, until nothing is left."""
        if len(word) > LONGEST_WORD:
            return [self.unknown]
        begin, found = 0, []
        while begin < len(word):
            mark = "##" if begin else ""
            for end in range(min(len(word), begin + self._longest), begin, -1):
                number = self.number.get(mark + word[begin:end])
                if number is not None:
                    break
            else:
                return [self.unknown]
            found.append(number)
            begin = end
        return found


class _Cleaned(dict):
    """For `str.translate`: white space becomes a space, control characters nothing, Chinese
    ones stand alone; filled in as characters are met."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        kind = unicodedata.category(character)
        if character in "\t\n\r":
            found = " "
        elif code in (0, 0xFFFD) or kind in ("Cc", "Cf", "Co", "Cs"):
            found = ""
        elif character.isspace():
            found = " "
        elif any(low <= code <= high for low, high in CHINESE):
            found = f" {character} "
        else:
            found = character
        self[code] = found
        return found


def _parts(word: str) -> list[str]:
    """A word without accents, in lower case, divided at punctuation."""
    if not word.isascii():
        word = unicodedata.normalize("NFD", word)
        word = "".join(x for x in word if unicodedata.category(x) != "Mn")
        word = "".join(
            x.lower() for x in word
        )  # each alone, as no end of a word matters
    else:
        word = word.lower()
    parts, inside = [], False
    for x in word:
        if _is_punctuation(x):
            parts.append(x)
            inside = False
        elif x.isspace():
            inside = False
        elif inside:
            parts[-1] += x
        else:
            parts.append(x)
            inside = True
    return parts


def _is_punctuation(x: str) -> bool:
    """All that is no letter, digit or space in ASCII, and what Unicode says."""
    if x.isascii():
        return not x.isalnum() and x.isprintable() and x != " "
    return unicodedata.category(x).startswith("P")


# Rows


def sentences(tokenizer: Tokenizer, texts: Iterable[str], limit: int) -> Rows:
    """`[CLS] text [SEP]` of each, cut to `limit` tokens; the share that is cut is told.

    Raises:
      errors.InputError: a limit without room for a token.
    """
    _check_limit(limit, 3)
    encoded = tokenizer.encode(texts)
    kept = np.minimum(_lengths(encoded), limit - 2)
    rows = [
        [tokenizer.cls, *ids[:n], tokenizer.sep]
        for ids, n in zip(encoded, kept.tolist(), strict=True)
    ]
    return _rows(tokenizer, rows, kept + 2, _lengths(encoded) > kept, limit)


def pairs(
    tokenizer: Tokenizer, first: Iterable[str], second: Iterable[str], limit: int
) -> Rows:
    """`[CLS] first [SEP] second [SEP]` of each, cut to `limit` tokens, the longer one first;
    the share that is cut is told.

    Raises:
      errors.InputError: a limit without room for a token of each, or lists of two lengths.
    """
    _check_limit(limit, 5)
    one, two = tokenizer.encode(first), tokenizer.encode(second)
    if len(one) != len(two):
        raise errors.InputError(
            f"expected two sentences in each pair; found {len(one)} and {len(two)}"
        )
    sizes = _lengths(one), _lengths(two)
    kept = longest_first(*sizes, limit - 3)
    rows = [
        [tokenizer.cls, *a[:n], tokenizer.sep, *b[:m], tokenizer.sep]
        for a, b, n, m in zip(one, two, *(x.tolist() for x in kept), strict=True)
    ]
    cut = (sizes[0] > kept[0]) | (sizes[1] > kept[1])
    return _rows(tokenizer, rows, kept[0] + 2, cut, limit)


def longest_first(first, second, room: int) -> tuple[np.ndarray, np.ndarray]:
    """How much is kept `[n]` of pairs of so many tokens `[n]`: what is longer is cut to the
    other, then both to half of the room, rounded up for what was longer (the second, if
    equal)."""
    first, second = np.asarray(first), np.asarray(second)
    short, long = np.minimum(first, second), np.maximum(first, second)
    rest = np.where(short > room, short, np.maximum(short, room - short))
    over = short + rest > room
    short = np.where(over, np.minimum(short, room // 2), short)
    long = np.minimum(long, np.where(over, room - room // 2, rest))
    swapped = first > second
    return np.where(swapped, long, short), np.where(swapped, short, long)


def _check_limit(limit, least):
    if limit < least:
        raise errors.InputError(
            f"expected at least {least} tokens for special ones and a word; found {limit}"
        )


def _lengths(encoded) -> np.ndarray:
    return np.fromiter(map(len, encoded), np.int64, len(encoded))


def _rows(tokenizer, rows, first, cut, limit) -> Rows:
    length = _lengths(rows)
    ids = np.full((len(rows), int(length.max(initial=0))), tokenizer.pad, np.int32)
    inside = np.arange(ids.shape[1]) < length[:, None]
    ids[inside] = np.fromiter((x for row in rows for x in row), np.int32, length.sum())
    if cut.any():
        logging.warning(
            "%d of %d texts (%.1f %%) are longer than %d tokens and are cut",
            cut.sum(),
            len(cut),
            100 * cut.mean(),
            limit,
        )
    return Rows(ids, length.astype(np.int32), first.astype(np.int32), cut)


# Arrays


def widths(lengths, most: int = 2) -> tuple[int, ...]:
    """At most two widths, multiples of 8, that rows of these lengths `[n]` are padded to
    with the least padding; the last is the longest row's."""
    rounded = -(-np.maximum(np.asarray(lengths), 1) // ROUND) * ROUND
    sizes, counts = np.unique(rounded, return_counts=True)
    if most < 2 or len(sizes) < 2:
        return tuple(sizes[-1:].tolist())
    below = np.cumsum(counts)
    padded = sizes * below + sizes[-1] * (below[-1] - below)
    return int(sizes[padded[:-1].argmin()]), int(sizes[-1])


def buckets(lengths, most: int = 2) -> list[tuple[int, np.ndarray]]:
    """`(width, numbers of rows)` of at most two widths: each row is in the narrowest that it
    fits, in its order."""
    lengths = np.asarray(lengths)
    found, low = [], 0
    for width in widths(lengths, most):
        index = np.flatnonzero((lengths > low) & (lengths <= width))
        found.append((width, index))
        low = width
    return found


def arrays(rows: Rows, index, width: int) -> dict[str, np.ndarray]:
    """Inputs of a model `[rows, width]`: `ids` int32, `mask` (1 on tokens, 0 on padding) and
    `types` (1 on the second segment), int32.

    Args:
      index: which rows; all have at most `width` tokens.
    """
    ids = rows.ids[index, :width]
    ids = np.pad(ids, ((0, 0), (0, width - ids.shape[1])))
    place = np.arange(width)
    mask = place < rows.length[index, None]
    types = mask & (place >= rows.first[index, None])
    return {
        "ids": ids,
        "mask": mask.astype(np.int32),
        "types": types.astype(np.int32),
    }
