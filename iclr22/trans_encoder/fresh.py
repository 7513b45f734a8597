"""Encoders for who has no weights: a vocabulary of one's own sentences, random parameters."""

import collections
import functools
import unicodedata
from collections.abc import Iterable

import jax
import numpy as np

from iclr22.nn import bert
from iclr22.nn.encoders import Encoder
from iclr22.nn.tokens import WORD
from iclr22.nn.wordpiece import MASK, SPECIAL

TOKENS = 30_000  # of a vocabulary, at most
HEAD = 16  # numbers of an attention head
POSITIONS = 128  # tokens of the longest input


def vocabulary(sentences: Iterable[str], most: int = TOKENS) -> tuple[str, ...]:
    """Tokens by number: the special ones, all characters, with which any word of these
    sentences can be spelled, and words that occur twice or more, the most frequent first.

    Args:
      most: words, besides.
    """
    words = collections.Counter(
        word for sentence in sentences for word in WORD.findall(_plain(sentence))
    )
    letters = sorted({letter for word in words for letter in word})
    known = (*letters, *(f"##{letter}" for letter in letters))
    often = [word for word, n in words.most_common(most) if n > 1 and len(word) > 1]
    return (*SPECIAL, MASK, *known, *often)


def _plain(text: str) -> str:
    """Without capitals and accents, as WordPiece reads it."""
    apart = unicodedata.normalize("NFD", text.lower())
    return "".join(x for x in apart if unicodedata.category(x) != "Mn")


def encoder(words: tuple[str, ...], width: int, layers: int, seed: int = 0) -> Encoder:
    """A Transformer with random weights.

    Args:
      words: its vocabulary.
      width: of hidden states, a multiple of 16.
    """
    config = bert.Config(
        vocabulary=len(words),
        width=width,
        layers=layers,
        heads=width // HEAD,
        inner=2 * width,
        positions=POSITIONS,
    )
    drawn = jax.jit(functools.partial(bert.init, config))(jax.random.key(seed))
    return Encoder(config, jax.tree.map(np.asarray, drawn), words)
