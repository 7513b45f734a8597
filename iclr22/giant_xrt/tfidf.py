"""Sparse vectors of texts: words, pairs of words and letters, weighted by rarity.

As in the authors' code (PECOS): three blocks, each counts times inverse document frequency
in rows of length 1, side by side, and the rows brought to length 1 again. One difference:
every word has a blank at both ends, also the first and the last of a text.
"""

import itertools
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from iclr22 import errors
from iclr22.giant_xrt import rows

KINDS = ("words", "pairs", "letters")
CHUNK = 4096  # texts that are in pieces at a time


class Config(NamedTuple):
    """Which terms there are."""

    words: int = 1_000_000  # words kept, those in most texts first; 0: none
    pairs: int = 3_000_000  # pairs of words in a row; 0: none
    letters: int = 200_000  # three letters in a row, blanks around words count; 0: none
    most: float = 0.98  # terms in a larger share of texts are dropped


DEFAULT = Config()


class Block(NamedTuple):
    """Terms of one kind.

    Attributes:
      kind: words, pairs or letters.
      terms: their text; of a pair with a blank between.
      idf: `[len(terms)]` float32, log(N / (texts with the term + 1)), not below 0.
    """

    kind: str
    terms: tuple[str, ...]
    idf: np.ndarray


class Vectorizer(NamedTuple):
    """What turns texts into vectors; columns are the terms of the blocks, one after the
    other."""

    blocks: tuple[Block, ...]

    @property
    def terms(self) -> tuple[str, ...]:
        """The text of each column."""
        return tuple(itertools.chain.from_iterable(x.terms for x in self.blocks))


class Tokens(NamedTuple):
    """Texts as numbers of words: those of text i are `ids[starts[i] : starts[i + 1]]`."""

    words: tuple[str, ...]  # all that differ
    ids: np.ndarray  # [tokens] int32
    starts: np.ndarray  # [texts + 1] int64


def fit(texts: Sequence[str], config: Config = DEFAULT) -> Vectorizer:
    """Terms of texts and their rarity.

    Words end at white space, tabs and new lines among them, and keep their case. Of terms
    in equally many texts those met first are kept.

    Raises:
      errors.InputError: no texts, something else than text, no kind of terms asked for, no
        term left: all texts are empty, or hold the same.
    """
    return fit_transform(texts, config)[0]


def transform(vectorizer: Vectorizer, texts: Sequence[str]) -> Any:
    """Texts as vectors of length 1.

    Returns:
      `[n, D]` CSR, float32; texts without a known term, the empty ones among them, are rows
      of zeros.

    Raises:
      errors.InputError: something else than text.
    """
    tokens = tokenise(texts)
    parts = []
    for block in vectorizer.blocks:
        counts, name = COUNTS[block.kind](tokens)
        place = {term: i for i, term in enumerate(block.terms)}
        names = name(np.arange(counts.shape[1]))
        columns = np.fromiter((place.get(x, -1) for x in names), np.int64, len(names))
        parts.append(_weighted(_selected(counts, columns, len(place)), block.idf))
    return _joined(parts)


def fit_transform(
    texts: Sequence[str], config: Config = DEFAULT
) -> tuple[Vectorizer, Any]:
    """`fit`, and the vectors of the same texts, counted once.

    Raises:
      errors.InputError: as `fit`.
    """
    caps = {kind: getattr(config, kind) for kind in KINDS if getattr(config, kind)}
    if not caps:
        raise errors.InputError("tf-idf: expected words, pairs or letters; found all 0")
    tokens = tokenise(texts)
    if not len(tokens.starts[1:]):
        raise errors.InputError("tf-idf: expected texts; found none")
    blocks, parts = [], []
    for kind, cap in caps.items():
        counts, name = COUNTS[kind](tokens)
        kept, idf = _kept(counts, cap, config.most)
        columns = np.full(counts.shape[1], -1)
        columns[kept] = np.arange(len(kept))
        blocks.append(Block(kind, tuple(name(kept)), idf))
        parts.append(_weighted(_selected(counts, columns, len(kept)), idf))
    if not any(len(block.terms) for block in blocks):
        raise errors.InputError(
            f"tf-idf: expected texts that differ; found {len(texts)} that are empty or hold "
            f"the same words (terms in more than {100 * config.most:g} % of them are "
            "dropped)"
        )
    return Vectorizer(tuple(blocks)), _joined(parts)


def tokenise(texts: Sequence[str]) -> Tokens:
    """Texts in pieces that white space ends, as numbers.

    Raises:
      errors.InputError: something else than text.
    """
    number: dict[str, int] = defaultdict()
    number.default_factory = number.__len__
    lengths, ids = [], []
    for begin in range(0, len(texts), CHUNK):
        chunk = texts[begin : begin + CHUNK]
        try:
            pieces = [str.split(text) for text in chunk]
        except TypeError:
            place = next(i for i, x in enumerate(chunk) if not isinstance(x, str))
            raise errors.InputError(
                f"expected a text for each node; found {str(chunk[place])[:40]!r} "
                f"({type(chunk[place]).__name__}) at {begin + place}. An empty text is ''."
            ) from None
        counts = [len(piece) for piece in pieces]
        found = map(number.__getitem__, itertools.chain.from_iterable(pieces))
        lengths.extend(counts)
        ids.append(np.fromiter(found, np.int32, sum(counts)))
    joined = np.concatenate(ids) if ids else np.zeros(0, np.int32)
    starts = np.append(0, np.cumsum(lengths, dtype=np.int64))
    return Tokens(tuple(number), joined, starts)


def _words(tokens: Tokens) -> tuple[Any, Callable]:
    """Counts `[n, words]` and what names columns."""
    counts = _summed(tokens.ids, tokens.starts, len(tokens.words))
    return counts, lambda columns: [tokens.words[i] for i in columns]


def _pairs(tokens: Tokens) -> tuple[Any, Callable]:
    """The same of words in a row, inside a text."""
    inside = np.ones(len(tokens.ids), bool)
    lengths = np.diff(tokens.starts)
    inside[tokens.starts[1:][lengths > 0] - 1] = False  # the last word starts no pair
    firsts = np.flatnonzero(inside)
    many = max(len(tokens.words), 1)
    codes = tokens.ids[firsts].astype(np.int64) * many + tokens.ids[firsts + 1]
    known, ids = np.unique(codes, return_inverse=True)
    starts = np.append(0, np.cumsum(np.maximum(lengths - 1, 0)))

    def name(columns):
        first, second = np.divmod(known[columns], many)
        words = tokens.words
        return [f"{words[i]} {words[j]}" for i, j in zip(first, second, strict=True)]

    return _summed(ids.astype(np.int32), starts, len(known)), name


def _letters(tokens: Tokens) -> tuple[Any, Callable]:
    """The same of three letters in a row: of each word once, times its counts."""
    number: dict[str, int] = defaultdict()
    number.default_factory = number.__len__
    ids, starts = [], [0]
    for word in tokens.words:
        padded = f" {word} "
        ids.extend([number[padded[i : i + 3]] for i in range(len(word))])
        starts.append(len(ids))
    inside = _summed(np.array(ids, np.int32), np.array(starts), len(number))
    counts = _words(tokens)[0] @ inside
    names = tuple(number)
    return counts, lambda columns: [names[i] for i in columns]


COUNTS = {"words": _words, "pairs": _pairs, "letters": _letters}


def _summed(ids, starts, columns: int) -> Any:
    counts = rows.csr_of(
        np.ones(len(ids), np.float32), ids.copy(), starts.copy(), columns
    )
    counts.sum_duplicates()  # in place
    return counts


def _kept(counts, cap: int, most: float) -> tuple[np.ndarray, np.ndarray]:
    """Columns to keep, ascending, and their inverse document frequency."""
    texts = counts.shape[0]
    frequency = np.bincount(counts.indices, minlength=counts.shape[1])
    kept = np.flatnonzero((frequency > 0) & (frequency <= most * texts))
    if len(kept) > cap:
        kept = np.sort(kept[np.argsort(-frequency[kept], kind="stable")[:cap]])
    idf = np.maximum(np.log(texts / (frequency[kept] + 1.0)), 0)
    return kept, idf.astype(np.float32)


def _selected(counts, columns, width: int) -> Any:
    """Counts with columns renumbered; those of -1 are dropped."""
    place = columns[counts.indices]
    known = place >= 0
    ends = np.append(0, np.cumsum(known))[counts.indptr]
    return rows.csr_of(counts.data[known], place[known], ends, width)


def _weighted(counts, idf) -> Any:
    counts.data = counts.data * idf[counts.indices]
    return rows.unit(counts)


def _joined(parts) -> Any:
    found: Any = sp.hstack(parts, format="csr")
    found.eliminate_zeros()
    found.sort_indices()
    return rows.unit(found)


def to_arrays(vectorizer: Vectorizer) -> dict[str, dict[str, np.ndarray]]:
    """A vectoriser as arrays, to keep; `from_arrays` reads it back."""
    return {
        block.kind: {"terms": _bytes("\n".join(block.terms)), "idf": block.idf}
        for block in vectorizer.blocks
    }


def from_arrays(arrays) -> Vectorizer:
    """What `to_arrays` took apart.

    Raises:
      KeyError, ValueError: something else.
    """
    blocks = []
    for kind in (kind for kind in KINDS if kind in arrays):
        text, idf = arrays[kind]["terms"], np.asarray(arrays[kind]["idf"], np.float32)
        joined = np.asarray(text, np.uint8).tobytes().decode("utf-8", "surrogatepass")
        terms = tuple(joined.split("\n")) if len(idf) else ()  # no term has a new line
        if len(terms) != len(idf):
            raise ValueError(f"{kind}: {len(terms)} terms and {len(idf)} weights")
        blocks.append(Block(kind, terms, idf))
    if not blocks or set(arrays) - set(KINDS):
        raise ValueError(f"expected blocks among {KINDS}; found {sorted(arrays)}")
    return Vectorizer(tuple(blocks))


def _bytes(text: str) -> np.ndarray:
    return np.frombuffer(text.encode("utf-8", "surrogatepass"), np.uint8)
