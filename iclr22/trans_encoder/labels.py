"""Scores of pairs, and soft labels made of them (sections 2.2, 2.3, 2.5).

A text is encoded once, however many pairs it is in; pairs of a cross-encoder are read in the
order that they are given. Everything is without dropout, in chunks of one size.
"""

import functools
from collections.abc import Sequence

import jax
import numpy as np

from iclr22 import errors, parallel
from iclr22.nn.tokens import Texts
from iclr22.trans_encoder import batches, bi_encoder, cross_encoder, losses

CHUNK = 128  # texts, or pairs, that are encoded at once
ROWS = 2**16  # pairs whose vectors are gathered at once


def embed(
    config: bi_encoder.Config, params, texts: Texts, rows=None, *, chunk: int = CHUNK
) -> np.ndarray:
    """Vectors `[n, h]` float32 of texts.

    Args:
      config: its `bert`, `pooling` and `tokens` count.
      rows: which of the texts; all if None.
    """
    rows = np.arange(len(texts.lengths)) if rows is None else np.asarray(rows)
    found = np.zeros((len(rows), config.bert.width), np.float32)
    used = bi_encoder.Config(config.bert, pooling=config.pooling)  # to compile once
    _fill(found, _vectors(used), params, texts, (rows,), chunk, config.tokens)
    return found


def cosines(vectors, first, second) -> np.ndarray:
    """Cosines `[n]` of rows `first [n]` and `second [n]` of `vectors [m, h]`."""
    length = np.sqrt(np.einsum("nh,nh->n", vectors, vectors))
    unit = vectors / np.maximum(length, losses.SMALLEST**0.5)[:, None]
    found = np.empty(len(first), np.float32)
    for low in range(0, len(first), ROWS):
        part = slice(low, low + ROWS)
        found[part] = np.einsum("nh,nh->n", unit[first[part]], unit[second[part]])
    return found


def of_bi(config: bi_encoder.Config, params, texts: Texts, first, second) -> np.ndarray:
    """Cosines `[n]` of pairs of texts: what a bi-encoder says."""
    rows, place = np.unique(np.concatenate([first, second]), return_inverse=True)
    vectors = embed(config, params, texts, rows)
    return cosines(vectors, *np.split(place, 2))


def of_cross(
    config: cross_encoder.Config, params, texts: Texts, first, second
) -> np.ndarray:
    """Scores `[n]` from 0 to 1 of pairs of texts: what a cross-encoder says."""
    found = np.zeros(len(first), np.float32)
    used = cross_encoder.Config(config.bert, objective=config.objective)
    given = np.asarray(first), np.asarray(second)
    _fill(found, _scores(used), params, texts, given, CHUNK, config.tokens)
    return found


def _fill(found, compiled, params, texts, given, chunk, limit) -> None:
    """Fill in an array, chunk by chunk; a chunk is fetched while the next one runs."""
    on = parallel.local(parallel.devices())
    fits = 1 << max(len(found) - 1, 0).bit_length()  # few sizes, few programs
    chunk = -(-min(chunk, fits) // on.mesh.size) * on.mesh.size
    params, waiting = parallel.replicate(on, params), []
    for rows, batch in batches.chunks(texts, *given, size=chunk, limit=limit):
        waiting.append((rows, compiled(params, parallel.shard(on, batch))))
        if len(waiting) > 1:
            _put(found, *waiting.pop(0))
    for rows, values in waiting:
        _put(found, rows, values)


def _put(found, rows, values) -> None:
    found[rows] = np.asarray(values)[: len(rows)]


@functools.lru_cache(maxsize=32)
def _vectors(config):
    return jax.jit(functools.partial(bi_encoder.apply, config))


@functools.lru_cache(maxsize=32)
def _scores(config):
    return jax.jit(functools.partial(cross_encoder.score, config))


def averaged(labels: Sequence[np.ndarray], weights=None) -> np.ndarray:
    """Labels `[n]` of several teachers, of cross-encoders after the sigmoid.

    Args:
      weights: of teachers; all the same if None.

    Raises:
      errors.InputError: other weights than positive ones, one for each.
    """
    weights = np.ones(len(labels)) if weights is None else np.asarray(weights, float)
    if weights.shape != (len(labels),) or not (weights > 0).all():
        raise errors.InputError(
            f"expected {len(labels)} weights above 0, one for each teacher; found "
            f"{weights.tolist()}"
        )
    return np.average(labels, axis=0, weights=weights).astype(np.float32)


def clipped(labels: np.ndarray) -> tuple[np.ndarray, float]:
    """`(labels within 0 and 1, share of them that were not)`.

    Differs: the released code feeds negative cosines to the cross-entropy, which they leave
    without a minimum.
    """
    outside = np.mean((labels < 0) | (labels > 1)) if len(labels) else 0.0
    return np.clip(labels, 0, 1), float(outside)


def both_orders(first, second, labels):
    """`(first, second, labels)` with each pair in both orders, `[2 n]` each, as the released
    code trains cross-encoders on tasks that are symmetric."""
    return (
        np.concatenate([first, second]),
        np.concatenate([second, first]),
        np.concatenate([labels, labels]),
    )


def shuffled(labels: np.ndarray, seed: int = 0) -> np.ndarray:
    """The labels of other pairs: a control, whose students must stay at chance."""
    return np.random.default_rng(seed).permutation(labels)
