"""WordPiece tokens of uncased BERT; `tokens` makes arrays of them.

A text is cleaned, lower-cased, rid of accents and divided at spaces, punctuation and Chinese
characters (Devlin et al., NAACL 2019, section 3); each word is then the longest tokens of
the vocabulary that it begins with, one after the other (Wu et al., arXiv:1609.08144).
"""

import unicodedata
from collections.abc import Iterable, Sequence

import numpy as np

from iclr22 import errors

PAD, UNKNOWN, CLS, SEP = SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
MASK = "[MASK]"
LONGEST_WORD = 100  # characters; a longer one is unknown
WORDS = 1 << 20  # that are remembered, at most
WORTH = 2**15  # tokens of padding that a second width saves, at least
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


def worth(lengths) -> tuple[int, ...]:
    """`widths`, of which a second one, a second program, is there only where it saves much
    padding."""
    found = widths(lengths)
    saved = np.sum(np.asarray(lengths) <= found[0]) * (found[-1] - found[0])
    return found if saved >= WORTH else found[-1:]
