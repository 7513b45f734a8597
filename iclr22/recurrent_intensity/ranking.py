"""The best items of every user and the best users of every item, block by block.

Ties are broken at random, by noise far below what a score means.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from iclr22 import errors
from iclr22.recurrent_intensity import scores as score
from iclr22.recurrent_intensity.scores import Scores

NOISE = 2.0**-17  # of the score: what breaks ties, 64 steps of float32


def top_items(scores: Scores, k: int, *, key=None):
    """The k best items of every user: `(values, columns)`, both `[x, k]`, best first.

    Where fewer than k pairs of a user are not excluded, the column is -1.

    Args:
      key: breaks ties at random by noise of `NOISE` times the score; None: the first
        column wins.

    Raises:
      errors.InputError: k is not between 1 and the number of items.
    """
    x, y = scores.shape
    check_count("k", k, y, "items")
    scores, size, starts = score.blocks(scores)
    seed = noise_seed(key)
    tops = [jax.device_get(_top_items(scores, i, size, k, seed)) for i in starts]
    values, columns = (np.concatenate(part)[:x] for part in zip(*tops, strict=True))
    return values, columns


@functools.partial(jax.jit, static_argnums=(2, 3))
def _top_items(scores, start, size, k, seed):
    s = score.block(scores, start, size)
    noisy = with_noise(s, start + jnp.arange(size), seed)
    _, columns = jax.lax.top_k(noisy, k)
    values = jnp.take_along_axis(s, columns, axis=1)
    return values, jnp.where(score.allowed(values), columns, -1)


def top_users(scores: Scores, c: int, *, key=None):
    """The c best users of every item: `(values, rows)`, both `[y, c]`, best first.

    One pass over blocks of rows with a running merge. Excluded pairs and ties are as in
    `top_items`; values include the noise.

    Raises:
      errors.InputError: c is not between 1 and the number of users.
    """
    x, y = scores.shape
    check_count("c", c, x, "users")
    scores, size, starts = score.blocks(scores)
    seed = noise_seed(key)
    best = jnp.full((y, c), -jnp.inf, jnp.float32), jnp.zeros((y, c), jnp.int32)
    for start in starts:
        best = jax.block_until_ready(_merge(scores, start, size, seed, best))
    values, rows = map(np.asarray, best)
    return values, np.where(score.allowed(values), rows, -1)


@functools.partial(jax.jit, static_argnums=2, donate_argnums=4)
def _merge(scores, start, size, seed, best):
    place = start + jnp.arange(size)
    s = with_noise(score.block(scores, start, size), place, seed)
    s = jnp.where((place < scores.shape[0])[:, None], s, -jnp.inf)
    values = jnp.concatenate([best[0], s.T], axis=1)
    top, at = jax.lax.top_k(values, best[0].shape[1])
    c = best[0].shape[1]
    old = jnp.take_along_axis(best[1], jnp.minimum(at, c - 1), axis=1)
    return top, jnp.where(at < c, old, start + at - c)


def check_count(name: str, value, most: int, what: str) -> None:
    """Raises `errors.InputError` unless `value` is an integer of 1 to `most`."""
    if value != int(value) or not 1 <= value <= most:
        raise errors.InputError(
            f"expected {name} of 1 to {most:,}, the number of {what}; found {value}"
        )


def noise_seed(key):
    """32 bits from a key; None stays None."""
    return None if key is None else jax.random.bits(key, (), jnp.uint32)


def with_noise(s, rows, seed):
    """Scores `[len(rows), y]` times 1 + NOISE U(0, 1), U a hash of seed, row, column."""
    if seed is None:
        return s
    column = jnp.arange(s.shape[1]).astype(jnp.uint32) * np.uint32(0x9E3779B1)
    u = _mix(_mix(rows.astype(jnp.uint32) + seed)[:, None] ^ column)
    u = (u >> 8).astype(jnp.float32) * 2.0**-24
    return jnp.where(score.allowed(s), s + (NOISE * jnp.abs(s) + 1e-30) * u, s)


def _mix(h):
    """Finalizer of MurmurHash3."""
    h = (h ^ (h >> 16)) * np.uint32(0x85EBCA6B)
    h = (h ^ (h >> 13)) * np.uint32(0xC2B2AE35)
    return h ^ (h >> 16)
