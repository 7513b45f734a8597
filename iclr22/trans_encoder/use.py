"""Use of a model: vectors of texts, scores of pairs, nearest texts, a static encoder."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from iclr22 import errors, neighbours
from iclr22.nn import tokens
from iclr22.nn.tokens import Texts
from iclr22.trans_encoder import bi_encoder, labels, static
from iclr22.trans_encoder.artifact import Model, Part
from iclr22.trans_encoder.static import Static

Way = Literal["bi", "cross", "static", "ensemble"]
WAYS = ("bi", "cross", "static", "ensemble")


class Mined(NamedTuple):
    """Nearest texts of each text, the best first."""

    rows: np.ndarray  # [n, k] int64
    cosines: np.ndarray  # [n, k], by the bi-encoder
    scores: np.ndarray | None  # [n, k], by the cross-encoder; None without


def embed(
    model: Model,
    sentences: Sequence[str],
    *,
    by: Literal["bi", "static"] = "bi",
    which: int = 0,
) -> np.ndarray:
    """Vectors `[n, h]` float32 of sentences.

    Args:
      which: encoder of several.

    Raises:
      errors.InputError: the model has no such part, or there is an empty sentence.
    """
    sentences = _checked(sentences)
    if by == "static":
        table = _static(model)
        return static.embed(table, static.texts_of(table, sentences))
    if by != "bi":
        raise errors.nearest(by, ("bi", "static"), "way to embed")
    part = _part(model.bi, which, "bi-encoder")
    texts = tokens.encoded(part.vocabulary, sentences)
    return labels.embed(part.config, part.params, texts)


def score(
    model: Model,
    first: Sequence[str],
    second: Sequence[str],
    *,
    by: Way = "cross",
    which: int = 0,
) -> np.ndarray:
    """Scores `[n]` of pairs: cosines of bi-encoders and static ones, 0 to 1 of
    cross-encoders, of an ensemble the mean of all bi- and cross-encoders.

    Raises:
      errors.InputError: the model has no such part, sides of different lengths, or an
        empty sentence.
    """
    if by not in WAYS:
        raise errors.nearest(by, WAYS, "way to score")
    if len(first) != len(second):
        raise errors.InputError(
            f"expected two sentences in each pair; found {len(first)} and {len(second)}"
        )
    rows = _numbered([*_checked(first), *_checked(second)])
    sentences, pairs = list(rows[0]), np.split(rows[1], 2)
    if by == "static":
        return labels.cosines(embed(model, sentences, by="static"), *pairs)
    if by == "ensemble":
        parts = [(labels.of_bi, x) for x in model.bi]
        parts += [(labels.of_cross, x) for x in model.cross]
    elif by == "bi":
        parts = [(labels.of_bi, _part(model.bi, which, "bi-encoder"))]
    else:
        parts = [(labels.of_cross, _part(model.cross, which, "cross-encoder"))]
    found = [
        read(x.config, x.params, tokens.encoded(x.vocabulary, sentences), *pairs)
        for read, x in parts
    ]
    return labels.averaged(found)


def mine(
    model: Model,
    sentences: Sequence[str],
    k: int = 10,
    *,
    rerank: bool = True,
    which: int = 0,
) -> Mined:
    """The k nearest others of each sentence: all cosines of the bi-encoder in blocks of
    bounded memory, and these k ranked anew by the cross-encoder.

    Raises:
      errors.InputError: not so many others; the model has no such part; an empty
        sentence.
    """
    sentences = _checked(sentences)
    found = neighbours.nearest(embed(model, sentences, which=which), k)
    if not rerank:
        return Mined(*found, None)
    part = _part(model.cross, which, "cross-encoder")
    texts = tokens.encoded(part.vocabulary, sentences)
    first = np.repeat(np.arange(len(sentences)), k)
    both = np.sort(np.stack([first, found.rows.ravel()], axis=1), axis=1)
    different, place = np.unique(both, axis=0, return_inverse=True)
    scores = labels.of_cross(part.config, part.params, texts, *different.T)
    scores = scores[place.ravel()].reshape(found.rows.shape)
    order = np.argsort(-scores, axis=1, kind="stable")
    parts = (*found, scores)
    return Mined(*(np.take_along_axis(x, order, axis=1) for x in parts))


def distil(
    model: Model,
    sentences: Sequence[str],
    *,
    which: int = 0,
    width: int = 256,
    penalty: float = 0.03,
) -> Static:
    """A static encoder of a bi-encoder, learned from sentences; see `static.distilled`.

    Args:
      sentences: of the domain, the more the better.

    Raises:
      errors.InputError: the model has no such part, an empty sentence, no sentences.
    """
    part = _part(model.bi, which, "bi-encoder")
    texts = tokens.encoded(part.vocabulary, _checked(sentences))
    targets = labels.embed(part.config, part.params, texts)
    alone = token_vectors(part, texts)
    return static.distilled(
        part.vocabulary, alone, texts, targets, width=width, penalty=penalty
    )


def token_vectors(part: Part, texts: Texts) -> np.ndarray:
    """What a bi-encoder says of each token alone, `[v, h]`."""
    rows = [[i] for i in range(len(part.vocabulary))]
    alone = tokens.of(rows, texts.start, texts.end, texts.pad)
    config = bi_encoder.Config(part.config.bert, pooling=part.config.pooling)
    return labels.embed(config, part.params, alone)


def _checked(sentences: Sequence[str]) -> list[str]:
    found = [x.strip() if isinstance(x, str) else "" for x in sentences]
    if not found:
        raise errors.InputError("expected sentences; found none")
    if "" in found:
        raise errors.InputError(
            f"expected sentences; found an empty one, or no text, in number "
            f"{found.index('') + 1}. Fill it in or remove it."
        )
    return found


def _numbered(sentences: list[str]) -> tuple[dict[str, int], np.ndarray]:
    """Different sentences, and which of them each is."""
    number: dict[str, int] = {}
    rows = [number.setdefault(x, len(number)) for x in sentences]
    return number, np.array(rows, np.int64)


def _part(parts: tuple[Part, ...], which: int, what: str) -> Part:
    if not 0 <= which < len(parts):
        raise errors.InputError(
            f"expected {what} number {which}; found {len(parts)} in this model"
        )
    return parts[which]


def _static(model: Model) -> Static:
    if model.static is None:
        raise errors.InputError(
            "expected a model with a static encoder; found none. Make one of its "
            "bi-encoder with distil, or the task static."
        )
    return model.static
