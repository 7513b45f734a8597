"""Small texts of few words, on which stages show that they learn."""

import numpy as np

from iclr22.nn import bert, tokens
from iclr22.nn.tokens import Texts
from iclr22.trans_encoder import batches

PAD, START, END, MASK, WORDS = 0, 1, 2, 3, 8  # four special tokens and some words
LONGEST = 5  # words of a text
CONFIG = bert.Config(
    vocabulary=4 + WORDS,
    width=16,
    layers=1,
    heads=2,
    inner=32,
    positions=16,
    dropout=0.0,
    attention_dropout=0.0,
)


def texts(size: int, seed: int = 0) -> Texts:
    """Texts of three to five words, drawn independently."""
    random = np.random.default_rng(seed)
    lengths = random.integers(3, LONGEST + 1, size)
    rows = [random.integers(4, 4 + WORDS, n).tolist() for n in lengths]
    return tokens.of(rows, START, END, PAD)


def overlap(texts: Texts, first, second) -> np.ndarray:
    """Words that two texts share over words that either has (Jaccard), `[n]`."""
    width = int(texts.tokens.max()) + 1
    has = np.zeros((len(texts.lengths), width), bool)
    has[np.repeat(np.arange(len(has)), texts.lengths), texts.tokens] = True
    one, other = has[first], has[second]
    both, either = (one & other).sum(1), (one | other).sum(1)
    return (both / np.maximum(either, 1)).astype(np.float32)


def pairs(size: int, seed: int, *, together: bool) -> dict[str, np.ndarray]:
    """A batch of pairs labelled by their overlap."""
    given = texts(2 * size, seed)
    first, second = np.arange(size), size + np.arange(size)
    given_labels = overlap(given, first, second)
    found = batches.pairs(
        given,
        first,
        second,
        given_labels,
        together=together,
        size=size,
        limit=16 if together else 8,
    )
    whole = found._replace(part=(0, 1))  # in every process
    return whole.rows(np.arange(size), 16 if together else 8)
