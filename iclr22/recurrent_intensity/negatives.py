"""Negatives of pairs (user, item): drawn on the host, never a pair that happened.

They are drawn in proportion to (count + smoothing)^power, independently for every pair.
"""

from typing import NamedTuple

import numpy as np

from iclr22 import errors

SIDES = "both", "item", "user"  # what is drawn: items for the user, users for the item
ROUNDS = 8  # of drawing again where a pair happened; then it counts as none
TABLE = 1 << 26  # bytes at most of the table that says which pairs may have happened


class Pairs(NamedTuple):
    """A set of pairs that can be asked quickly; host arrays."""

    keys: np.ndarray  # int64, ascending: user * columns + item
    shape: tuple[int, int]
    table: np.ndarray  # bool, by key modulo its size: false where no such pair is


def make_pairs(users, items, shape: tuple[int, int]) -> Pairs:
    """The set of these pairs `[n]` of a matrix."""
    keys = np.unique(np.asarray(users, np.int64) * shape[1] + items)
    table = np.zeros(max(1, min(shape[0] * shape[1], TABLE)), bool)
    table[keys % len(table)] = True
    return Pairs(keys, shape, table)


def contains(pairs: Pairs, users, items) -> np.ndarray:
    """Which of the pairs are in the set; users and items broadcast."""
    keys = np.asarray(users, np.int64) * pairs.shape[1] + items
    if len(pairs.table) == pairs.shape[0] * pairs.shape[1]:
        return pairs.table[keys]
    found = pairs.table[keys % len(pairs.table)]
    asked = keys[found]
    place = np.minimum(np.searchsorted(pairs.keys, asked), len(pairs.keys) - 1)
    found[found] = pairs.keys[place] == asked
    return found


class Weights(NamedTuple):
    """A discrete distribution; host arrays."""

    cumulative: np.ndarray  # float64 [n], ends with 1
    guide: np.ndarray  # int32 [cells], first number that a cell of [0, 1) may have


def make_weights(weight) -> Weights:
    """The distribution in proportion to these numbers `[n]`, at least 0."""
    cumulative = np.cumsum(weight, dtype=np.float64)
    cumulative /= cumulative[-1]
    cells = np.arange(8 * len(cumulative)) / (8 * len(cumulative))
    guide = np.searchsorted(cumulative, cells, side="right")
    return Weights(cumulative, guide.astype(np.int32))


def numbers(weights: Weights, rng, shape) -> np.ndarray:
    """Independent numbers int32 of the distribution."""
    u = rng.random(shape)
    found = weights.guide[(u * len(weights.guide)).astype(np.int32)]
    late = weights.cumulative[found] <= u
    found[late] = np.searchsorted(weights.cumulative, u[late], side="right")
    return found


class Sampler(NamedTuple):
    """What negatives are drawn from."""

    users: Weights
    items: Weights
    happened: Pairs  # never drawn
    count: int  # per pair and side
    side: str


def make_sampler(config, counts, happened: Pairs) -> Sampler:
    """The sampler for counts csr `[users, items]`.

    Args:
      config: with `side`, `negatives`, `smoothing` and `power`.
      happened: pairs that are never drawn.

    Raises:
      errors.InputError: an unknown side.
    """
    if config.side not in SIDES:
        raise errors.nearest(config.side, SIDES, "side")
    users, items = (
        make_weights((counts.sum(axis=axis) + config.smoothing) ** config.power)
        for axis in (1, 0)
    )
    return Sampler(users, items, happened, config.negatives, config.side)


def draw(sampler: Sampler, rng, users, items) -> dict:
    """`negative_items`, `negative_users` int32 `[n, count]` for pairs `[n]`; without
    columns for a side that has none."""
    u, y = np.asarray(users)[:, None], np.asarray(items)[:, None]

    def items_of(rows, x):
        return contains(sampler.happened, u[rows], x)

    def users_of(rows, x):
        return contains(sampler.happened, x, y[rows])

    sides = [
        ("negative_items", "item", sampler.items, items_of),
        ("negative_users", "user", sampler.users, users_of),
    ]
    found = {}
    for name, side, weights, happened in sides:
        count = sampler.count if sampler.side in ("both", side) else 0
        found[name] = _draw(rng, weights, (len(u), count), happened)
    return found


def _draw(rng, weights, shape, happened):
    """Numbers of the distribution, drawn again where `happened(rows, numbers)`."""
    found = numbers(weights, rng, shape)
    rows, columns = np.nonzero(happened(slice(None), found))
    for _ in range(ROUNDS):
        if not len(rows):
            break
        number = numbers(weights, rng, (len(rows), 1))
        taken = happened(rows, number)[:, 0]
        found[rows, columns] = number[:, 0]
        rows, columns = rows[taken], columns[taken]
    found[rows, columns] = -1
    return found
