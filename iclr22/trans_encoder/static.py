"""Static encoders: a vector for each token, a text is a weighted mean of its tokens' vectors.

`mean` and `sif` make one of word vectors, a weak teacher without a Transformer (SIF: Arora,
Liang, Ma, "A simple but tough-to-beat baseline for sentence embeddings", ICLR 2017).
`distilled` makes one of a bi-encoder: the fastest student, a product with a sparse matrix.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import sparse

from iclr22 import bundle, errors, numeric
from iclr22.nn import tokens, wordpiece
from iclr22.nn.tokens import Texts

KIND, VERSION = "trans_encoder static encoder", 1
SMOOTH = 1e-3  # of SIF: weight of a token is SMOOTH / (SMOOTH + its share)
CHUNK = 2**15  # texts at once
SMALLEST = 1e-12  # squared length that is divided by at least


class Static(NamedTuple):
    """A vector for each token."""

    table: np.ndarray  # [v, d] float32, weights of tokens included
    vocabulary: tuple[str, ...]  # [v] tokens by number
    removed: np.ndarray  # [r, d] orthonormal directions that are taken out of texts


def texts_of(static: Static, sentences: Sequence[str]) -> Texts:
    """Sentences in the tokens of its vocabulary: WordPiece, or words where that lacks the
    special tokens."""
    pieces = wordpiece.CLS in static.vocabulary
    tokenise = tokens.encoded if pieces else tokens.worded
    return tokenise(static.vocabulary, sentences)


def embed(static: Static, texts: Texts) -> np.ndarray:
    """Vectors `[n, d]` float32 of texts; of one without tokens 0."""
    count, width = len(texts.lengths), static.table.shape[1]
    found = np.empty((count, width), np.float32)
    for low in range(0, count, CHUNK):
        rows = slice(low, min(low + CHUNK, count))
        found[rows] = (
            _means(texts, rows.start, rows.stop, len(static.table)) @ static.table
        )
    if len(static.removed):
        found -= (found @ static.removed.T) @ static.removed
    return found


def _means(texts: Texts, low: int, high: int, size: int) -> sparse.csr_matrix:
    """Sparse `[high - low, v]`: shares of tokens in texts."""
    offsets = texts.offsets[low : high + 1]
    columns = texts.tokens[offsets[0] : offsets[-1]]
    lengths = np.diff(offsets)
    share = np.repeat(1 / np.maximum(lengths, 1), lengths).astype(np.float32)
    given = share, columns, offsets - offsets[0]
    return sparse.csr_matrix(given, shape=(high - low, size))


def mean(vectors, vocabulary: Sequence[str]) -> Static:
    """Plain means of token vectors `[v, d]`.

    Raises:
      errors.InputError: not one vector for each token.
    """
    vectors = numeric.real(vectors, "vectors", ndim=2, dtype=np.float32)
    if len(vectors) != len(vocabulary):
        raise errors.InputError(
            f"expected a vector for each of {len(vocabulary)} tokens; found {len(vectors)}"
        )
    none = np.zeros((0, vectors.shape[1]), np.float32)
    return Static(vectors, tuple(vocabulary), none)


def sif(
    vectors, vocabulary: Sequence[str], texts: Texts, *, removed: int = 1
) -> Static:
    """Means in which frequent tokens count less, without the first principal directions.

    Args:
      vectors: `[v, d]` of tokens.
      texts: whose tokens are counted and whose directions are removed.
      removed: how many.

    Raises:
      errors.InputError: not one vector for each token, or no texts.
    """
    plain = mean(vectors, vocabulary)
    if not len(texts.tokens):
        raise errors.InputError("expected texts to count tokens in; found none")
    share = np.bincount(texts.tokens, minlength=len(vocabulary)) / len(texts.tokens)
    weight = (SMOOTH / (SMOOTH + share)).astype(np.float32)
    weighted = plain._replace(table=plain.table * weight[:, None])
    return weighted._replace(removed=_principal(embed(weighted, texts), removed))


def _principal(x, count: int) -> np.ndarray:
    """The first right singular vectors `[count, d]` of `x [n, d]`."""
    _, vectors = np.linalg.eigh(np.asarray(x.T @ x, np.float64))
    return np.ascontiguousarray(vectors[:, ::-1][:, :count].T, np.float32)


def distilled(
    vocabulary: Sequence[str],
    alone: np.ndarray,
    texts: Texts,
    targets: np.ndarray,
    *,
    width: int = 256,
    penalty: float = 0.03,
    iterations: int = 50,
) -> Static:
    """A table whose means are near a bi-encoder's vectors: ridge regression that shrinks
    to the vectors of tokens alone.

    Both are turned to the main directions of the targets first, which keeps their inner
    products as well as so many numbers can.

    Args:
      alone: `[v, h]`, what the bi-encoder says of each token alone.
      texts: n texts in tokens of the vocabulary.
      targets: `[n, h]`, what it says of them; lengths are not learned.
      width: numbers of a vector, at most h.
      penalty: of squared differences to the tokens' own vectors, per text of the mean
        token; small ones let rare tokens follow few texts.
      iterations: of conjugate gradients, at most.

    Raises:
      errors.InputError: shapes that do not fit each other, or a penalty that is not above 0.
    """
    given = numeric.real(alone, "vectors of tokens", ndim=2, dtype=np.float32)
    wanted = numeric.real(targets, "targets", ndim=2, dtype=np.float32)
    shapes = (len(vocabulary), wanted.shape[1]), (len(texts.lengths), given.shape[1])
    if (given.shape, wanted.shape) != shapes or not penalty > 0:
        raise errors.InputError(
            f"expected vectors of {len(vocabulary)} tokens and {len(texts.lengths)} texts, "
            f"equally wide, and a penalty above 0; found {given.shape}, {wanted.shape} and "
            f"{penalty}"
        )
    wanted, given = _unit(wanted), _unit(given)
    main = _principal(wanted, min(width, wanted.shape[1]))
    wanted, given = wanted @ main.T, given @ main.T
    counts = np.bincount(texts.tokens, minlength=len(vocabulary))
    share = counts / max(len(texts.tokens), 1)
    given *= (SMOOTH / (SMOOTH + share)).astype(np.float32)[:, None]
    design = _means(texts, 0, len(texts.lengths), len(vocabulary))
    start = design @ given
    given *= np.sum(start * wanted) / max(np.sum(start * start), SMALLEST)
    change = ridge(design, wanted - design @ given, penalty, iterations)
    return mean(given + change, vocabulary)


def _unit(x):
    square = np.einsum("nd,nd->n", x, x)
    return x / np.sqrt(np.maximum(square, SMALLEST))[:, None]


def ridge(
    design, targets, penalty: float, iterations: int = 50, tolerance: float = 1e-5
) -> np.ndarray:
    """`[v, d]` that makes `|design x - targets|^2 + penalty |x|^2` least, by conjugate
    gradients for all columns at once.

    Args:
      design: sparse `[n, v]`.
      targets: `[n, d]`.
      tolerance: of the gradient's length, relative to its first, where it ends.
    """
    gradient = design.T @ targets
    x, direction = np.zeros_like(gradient), gradient.copy()
    square = np.einsum("vd,vd->d", gradient, gradient)
    enough = tolerance**2 * np.maximum(square, SMALLEST)
    for _ in range(iterations):
        if (square <= enough).all():
            break
        turned = design.T @ (design @ direction) + penalty * direction
        along = np.einsum("vd,vd->d", direction, turned)
        step = square / np.maximum(along, SMALLEST)
        x += step * direction
        gradient -= step * turned
        before, square = square, np.einsum("vd,vd->d", gradient, gradient)
        direction = gradient + square / np.maximum(before, SMALLEST) * direction
    return x.astype(np.float32)


def save(path, static: Static) -> None:
    """Write a static encoder as one `.npz` of plain arrays and JSON."""
    trees = {"table": static.table, "removed": static.removed}
    about = {"vocabulary": list(static.vocabulary)}
    bundle.save(path, KIND, VERSION, about=about, trees=trees)


def load(path) -> Static:
    """Read what `save` wrote.

    Raises:
      errors.InputError: not such a file, or one whose parts do not fit each other.
    """
    return bundle.load(path, KIND, VERSION, built)


def built(found: bundle.Bundle) -> Static:
    """A static encoder of what a file holds; `ValueError` where parts do not fit."""
    words = tuple(map(str, found.about["vocabulary"]))
    static = Static(found.trees["table"], words, found.trees["removed"])
    return bundle.fitting(static, _check)


def _check(static: Static) -> None:
    for x in (static.table, static.removed):
        if x.dtype != np.float32 or x.ndim != 2 or not np.isfinite(x).all():
            raise ValueError("tables of finite float32 only")
    if len(static.table) != len(static.vocabulary):
        raise ValueError(
            f"{len(static.table)} vectors, {len(static.vocabulary)} tokens"
        )
    if static.table.shape[1] != static.removed.shape[1]:
        raise ValueError("directions of another width")
