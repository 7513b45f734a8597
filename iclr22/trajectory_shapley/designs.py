"""Which coalitions of a game are asked, and what makes values of their worth (section 2.4).

One idea for all estimators: a `Design` holds the coalitions that are evaluated, none
twice, and which differences of their worth are averaged with which weights. `exact`
takes all differences, weighted by the size of the coalition; `permutation` those along
random orders and their reverses, so that values add up exactly; `stratified` draws a size
and then a coalition of it. `banzhaf` is what the authors' released code computes: every
other player is kept with probability 1/2, so that its mean is the Banzhaf value
(`banzhaf_exact`) and values do not add up to the worth of all players.
"""

import math
from typing import NamedTuple

import numpy as np

from iclr22 import errors

ESTIMATORS = ("exact", "permutation", "stratified", "banzhaf", "banzhaf_exact")
SAMPLES = {"permutation": 64, "stratified": 64, "banzhaf": 10}  # the last as released
LIMIT = 20  # players that may be enumerated; weights are at least 1e-7 up to here


class Design(NamedTuple):
    """Coalitions of some games of equally many players, and what makes values of them."""

    game: np.ndarray  # [rows] int, which game the coalition is evaluated in
    coalitions: np.ndarray  # [rows, players] bool, none twice in a game
    included: np.ndarray  # [games, marginals, players] int, row with the player in it
    excluded: np.ndarray  # the same shape, row of that coalition without the player
    weight: np.ndarray  # [marginals] float64, of each difference; adds up to 1
    group: int  # marginals that make one independent draw; 0: nothing is drawn
    full: np.ndarray  # [games] int, row of all players
    empty: np.ndarray  # [games] int, row of none


def cost(
    players: int, estimator: str, samples: int | None = None, *, limit: int = LIMIT
) -> int:
    """Coalitions that an estimator evaluates at most.

    Raises:
      InputError: unknown estimator; too few players or too many for it.
    """
    if estimator not in ESTIMATORS:
        raise errors.nearest(estimator, ESTIMATORS, "estimator")
    if players < 1:
        raise errors.InputError(f"a game has one player or more, not {players}")
    if estimator in SAMPLES:
        draws = _draws(estimator, samples)
        permuted = estimator == "permutation"
        few = draws * (players - 1) if permuted else 2 * draws * players
        return min(few + 2, 2**players) if players < 64 else few + 2
    if players > limit:
        sampled_cost = cost(players, "permutation", samples)
        raise errors.InputError(
            f"estimator {estimator!r} evaluates all 2^{players} = {2**players:,} "
            f"coalitions of {players} players and is limited to {limit} players; use "
            f"estimator 'permutation' ({sampled_cost:,} coalitions), make one player of "
            "several, or raise the limit"
        )
    return 2**players


def _draws(estimator, samples) -> int:
    draws = SAMPLES[estimator] if samples is None else samples
    least = 4 if estimator == "permutation" else 2
    if draws < least:
        raise errors.InputError(
            f"estimator {estimator!r} needs samples >= {least} for a standard error, "
            f"found {draws}"
        )
    return draws + draws % 2 if estimator == "permutation" else draws


def bits(players: int) -> np.ndarray:
    """All coalitions `[2 ** players, players]`; player i is bit i of the row's number."""
    numbers = np.arange(2**players)
    return np.stack([(numbers >> i) & 1 for i in range(players)], 1).astype(bool)


def size_weights(players: int, *, missing: int = 1) -> np.ndarray:
    """Weight `[players - missing + 1]` of a coalition by its size, in float64.

    s! (n - s - missing)! / (n - missing + 1)!, which for `missing=1` is the weight of a
    difference of Shapley's value and for 2 that of its index of interaction.
    """
    n, log = players - missing, math.lgamma
    sizes = range(n + 1)
    return np.exp([log(s + 1) + log(n - s + 1) - log(n + 2) for s in sizes])


def popcount(numbers, players: int):
    """How many players are in the coalitions of these numbers."""
    return sum(((numbers >> i) & 1 for i in range(players)), 0 * numbers)


def without(numbers, position: int):
    """Numbers with a bit 0 put in at `position`."""
    low = numbers & ((1 << position) - 1)
    return ((numbers - low) << 1) | low


def enumerated(players: int, games: int = 1, *, banzhaf: bool = False) -> Design:
    """All coalitions of each game, weighted as Shapley's or Banzhaf's value does."""
    total, kind = 2**players, np.int32 if games << players < 2**31 else np.int64
    others = np.arange(total // 2, dtype=kind)
    weight = size_weights(players)[popcount(others, players - 1)]
    if banzhaf:
        weight = np.full(total // 2, 2.0 / total)
    excluded = np.stack([without(others, i) for i in range(players)], 1)
    start = total * np.arange(games, dtype=kind)
    excluded = start[:, None, None] + excluded
    included = excluded + (1 << np.arange(players, dtype=kind))
    coalitions = np.tile(bits(players), (games, 1))
    game = np.repeat(np.arange(games), total)
    return Design(
        game, coalitions, included, excluded, weight, 0, start + total - 1, start
    )


def sampled(
    estimator: str,
    players: int,
    games: int,
    rng: np.random.Generator,
    samples: int | None = None,
    *,
    antithetic: bool = True,
) -> Design:
    """Coalitions drawn for each game on its own.

    Args:
      samples: permutations, or coalitions per player; `SAMPLES` by default.
      antithetic: permutations come with their reverse, two of which are one draw.
    """
    draws = _draws(estimator, samples)
    shape = (games, draws, players, players)
    group = 1
    if estimator == "permutation":
        group = 1 + antithetic
        rank = rng.random((games, draws // group, players)).argsort(-1)
        if antithetic:
            rank = np.stack([rank, players - 1 - rank], 2)
        rank = rank.reshape(games, draws, 1, players)
        before = rank < np.swapaxes(rank, 2, 3)
    elif estimator == "stratified":
        scores = rng.random(shape)
        scores[..., np.eye(players, dtype=bool)] = np.inf
        size = rng.integers(0, players, (games, draws, players, 1))
        before = scores.argsort(-1).argsort(-1) < size
    else:
        before = rng.random(shape) < 0.5
    return _indexed(before & ~np.eye(players, dtype=bool), group)


def _indexed(without, group) -> Design:
    """The design of coalitions `[games, marginals, players, players]`, one for each
    player that is not in it."""
    games, marginals, players, _ = without.shape
    pairs = np.stack([without, without | np.eye(players, dtype=bool)], 1)
    ends = np.broadcast_to([[False], [True]], (games, 2, players))
    rows = np.concatenate([pairs.reshape(games, -1, players), ends], 1)
    packed = np.packbits(rows, axis=-1)
    owner = np.arange(games, dtype=">u4").view(np.uint8).reshape(games, 1, 4)
    owner = np.broadcast_to(owner, (*packed.shape[:2], 4))
    codes = np.ascontiguousarray(np.concatenate([owner, packed], -1))
    codes = codes.reshape(-1, codes.shape[-1])
    codes = codes.view(np.dtype((np.void, codes.shape[-1]))).ravel()
    _, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
    inverse = inverse.reshape(games, -1)
    excluded, included = np.moveaxis(
        inverse[:, :-2].reshape(games, 2, marginals, players), 1, 0
    )
    game = first // rows.shape[1]
    coalitions = rows.reshape(-1, players)[first]
    weight = np.full(marginals, 1 / marginals)
    full, empty = inverse[:, -1], inverse[:, -2]
    return Design(game, coalitions, included, excluded, weight, group, full, empty)


def combine(design: Design, worth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Values and standard errors `[games, players, outputs]`, in float64.

    Args:
      worth: `[rows, outputs]`, of the design's coalitions.
    """
    worth = np.asarray(worth, np.float64)
    games, _, players = design.included.shape
    values = np.zeros((games, players, worth.shape[-1]))
    spread = np.zeros_like(values)
    for i in range(players):
        marginal = worth.take(design.included[..., i], 0)
        marginal -= worth.take(design.excluded[..., i], 0)
        values[:, i] = design.weight @ marginal
        if design.group:
            draws = marginal.reshape(games, -1, design.group, worth.shape[-1]).mean(2)
            spread[:, i] = draws.std(1, ddof=1) / math.sqrt(draws.shape[1])
    return values, spread
