"""The text encoder: a BERT or a bag of tokens, and the vectors that it gives to texts.

    encoder = encoding.of_bert(encoders.load("MiniLM/"), pooling="mean", tokens=64)
    encoder = encoding.of_bag(texts)  # a vocabulary of their own, random vectors
    features = encoding.embed(encoder, texts)  # [n, h], without dropout

Features are what the encoder's last layer gives, pooled, not normalised (Chien et al., ICLR
2022, section 4).
"""

import functools
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from iclr22 import errors, parallel
from iclr22.data import batching
from iclr22.giant_xrt import bag
from iclr22.nn import bert, body, encoders, tokens, vocabularies, wordpiece
from iclr22.nn.bert import Config as Bert
from iclr22.nn.tokens import Texts

Pooling = Literal["pooler", "cls", "mean"]
POOLINGS = ("pooler", "cls", "mean")
CHUNK = {"bert": 128, "bag": 1024}  # texts that are encoded at once


class Config(NamedTuple):
    """Which encoder; sizes that its weights and vocabulary decide are filled in."""

    RESOLVED = ("kind", "bert", "vocabulary")

    kind: Literal["bert", "bag"] = "bag"  # a Transformer, or a mean of token vectors
    bert: Bert = Bert()  # sizes of the Transformer
    pooling: Pooling = (
        "pooler"  # of a Transformer: first token, with a layer or as it is
    )
    vocabulary: int = 0  # tokens of a bag
    width: int = 128  # of vectors of a bag
    hidden: int = 0  # width of a layer after the mean of a bag; 0: none
    tokens: int = 128  # that a text is cut to, special ones counted

    @property
    def features(self) -> int:
        """Width h of what it gives."""
        return self.width if self.kind == "bag" else self.bert.width


class Encoder(NamedTuple):
    """An encoder with its parameters and its vocabulary."""

    config: Config
    params: Any
    vocabulary: tuple[str, ...]  # tokens by number


def init(config: Config, key: jax.Array):
    """Fresh parameters."""
    if config.kind == "bag":
        return bag.init(key, config.vocabulary, config.width, config.hidden)
    params = bert.init(config.bert, key)
    return params if config.pooling == "pooler" else body.plain(params)


def apply(config: Config, params, inputs, *, key=None) -> jax.Array:
    """Vectors `[n, h]` float32 of `ids [n, width]` with `lengths [n]`.

    Args:
      key: for the dropout of a Transformer's layers; None: evaluation.
    """
    if config.kind == "bag":
        return bag.apply(params, inputs).astype(jnp.float32)
    states = body.hidden(config.bert, params, inputs, key=key)
    if config.pooling == "pooler":
        return bert.pooled(params, states).astype(jnp.float32)
    found = bert.vectors(states, body.there(inputs), config.pooling)
    return found.astype(jnp.float32)


def of_bert(
    encoder: encoders.Encoder, *, pooling: Pooling = "pooler", tokens: int = 128
) -> Encoder:
    """A Transformer with weights, such as `nn.encoders.load` reads.

    Args:
      tokens: that texts are cut to.

    Raises:
      errors.InputError: pooling that is unknown, or for which the encoder has no layer;
        more tokens than it has positions, or less than three.
    """
    if pooling not in POOLINGS:
        raise errors.nearest(pooling, POOLINGS, "pooling")
    if pooling == "pooler" and "pooler" not in encoder.params:
        raise errors.InputError(
            "expected an encoder with a pooler; found one without. Use --pooling=mean."
        )
    if not 3 <= tokens <= encoder.config.positions:
        raise errors.InputError(
            f"expected from 3 to {encoder.config.positions} tokens, the positions of the "
            f"encoder; found {tokens}"
        )
    params = dict(body.plain(encoder.params))
    if pooling == "pooler":
        params["pooler"] = encoder.params["pooler"]
    config = Config("bert", encoder.config, pooling, tokens=tokens)
    return Encoder(config, params, encoder.vocabulary)


def of_bag(
    texts: Sequence[str],
    *,
    vocabulary: Sequence[str] = (),
    table=None,
    width: int = 128,
    hidden: int = 0,
    tokens: int = 128,
    weighted: bool = True,
    seed: int = 0,
) -> Encoder:
    """A bag of tokens.

    Args:
      texts: whose words make the vocabulary, if there is none, and whose counts the first
        weights of tokens.
      vocabulary: of WordPieces, by number.
      table: `[v, width]` vectors of its tokens; random ones if None.
      width: of random vectors.
      hidden: width of a layer after the mean; 0: none.
      tokens: that texts are cut to.
      weighted: frequent tokens weigh less in the beginning; else all the same.
      seed: of random numbers.

    Raises:
      errors.InputError: a table without a vocabulary, or of another number of vectors.
    """
    if table is not None:
        width = np.shape(table)[-1]
        if not len(vocabulary):
            raise errors.InputError(
                "expected the vocabulary of a table of vectors; found none"
            )
    words = tuple(vocabulary) or vocabularies.of_texts(texts)
    config = Config(
        "bag", vocabulary=len(words), width=width, hidden=hidden, tokens=tokens
    )
    params = jax.device_get(init(config, jax.random.key(seed)))
    if table is not None:
        params = bag.with_table(params, table)
    encoder = Encoder(config, params, words)
    if weighted:
        encoder = encoder._replace(params=bag.weighted(params, read(encoder, texts)))
    return encoder


def read(encoder: Encoder, texts: Sequence[str]) -> Texts:
    """Texts in the encoder's tokens; the share that is cut is told."""
    found = tokens.encoded(encoder.vocabulary, texts)
    limit = encoder.config.tokens
    tokens.tell_cut(tokens.alone_lengths(found, slice(None)), limit, "texts")
    return found


def embed(
    encoder: Encoder, texts: Sequence[str] | Texts, rows=None, *, chunk: int = 0
) -> np.ndarray:
    """Features `[n, h]` float32 of texts, whatever else is encoded beside them.

    Texts are taken in order of length, in arrays of at most two widths; memory is that of
    a chunk.

    Args:
      texts: strings, which may be empty, or tokens of `read`.
      rows: which of the texts; all if None.
      chunk: texts at once; 0: as many as are good for the kind.
    """
    config = encoder.config
    given = texts if isinstance(texts, Texts) else read(encoder, texts)
    rows = np.arange(len(given.lengths)) if rows is None else np.asarray(rows)
    count = len(rows)
    found = np.zeros((count, config.features), np.float32)
    on = parallel.local(parallel.devices())
    fits = 1 << max(count - 1, 0).bit_length()  # few sizes, few programs
    chunk = min(chunk or CHUNK[config.kind], fits)
    chunk = -(-chunk // on.mesh.size) * on.mesh.size
    params, waiting = parallel.replicate(on, encoder.params), []
    compiled = _compiled(config._replace(tokens=0))  # the limit is that of the arrays
    for places, batch in _chunks(given, rows, chunk, config.tokens):
        waiting.append((places, compiled(params, parallel.shard(on, batch))))
        if len(waiting) > 1:  # one is fetched while the next one runs
            _put(found, *waiting.pop(0))
    for places, values in waiting:
        _put(found, places, values)
    return found


def token_vectors(encoder: Encoder) -> np.ndarray:
    """What an encoder says of each token alone, `[v, h]`: a table that a bag can begin at."""
    ends = wordpiece.Tokenizer(encoder.vocabulary)
    rows = [[i] for i in range(len(encoder.vocabulary))]
    return embed(encoder, tokens.of(rows, ends.cls, ends.sep, ends.pad))


def _put(found, places, values):
    found[places] = np.asarray(values)[: len(places)]


@functools.lru_cache(maxsize=32)
def _compiled(config):
    return jax.jit(functools.partial(apply, config))


def _chunks(texts: Texts, rows, size: int, limit: int):
    """Chunks of one size in order of length, `(places in rows, batch)`; each is filled up
    by its first text."""
    lengths = np.minimum(tokens.alone_lengths(texts, rows), limit)
    if not len(lengths):
        return
    widths = wordpiece.worth(lengths)
    order = np.argsort(lengths, kind="stable")
    ends = np.searchsorted(lengths[order], widths, side="right")
    for begin, end, width in zip([0, *ends], ends, widths, strict=False):
        for low in range(begin, end, size):
            places = order[low : min(low + size, end)]
            filled, _ = batching.padded(places, size)
            found = tokens.alone(texts, rows[filled], width, limit)
            yield places, {"ids": found.ids, "lengths": found.lengths}
