"""Shapley values of games given by a function of coalitions (section 2.4).

Any game: worth of coalitions of players, of one number or more. `designs` says which
coalitions are asked.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from iclr22 import errors
from iclr22.trajectory_shapley import designs
from iclr22.trajectory_shapley.designs import LIMIT, SAMPLES


class Shapley(NamedTuple):
    """Values of one game; worth may have more axes, which values have, too."""

    values: np.ndarray  # [players, ...] float64
    standard_error: np.ndarray  # the same shape; 0 where nothing is drawn
    full: np.ndarray  # [...] worth of all players
    empty: np.ndarray  # [...] worth of none
    evaluations: int  # coalitions that were evaluated


def shapley_values(
    value_fn: Callable,
    players: int,
    *,
    estimator: str = "exact",
    key=None,
    samples: int | None = None,
    chunk: int = 2048,
    limit: int = LIMIT,
) -> Shapley:
    """How much of the worth of all players is due to each.

    Args:
      value_fn: `[coalitions, players]` bool to worth `[coalitions, ...]`, NumPy or JAX.
      players: how many there are.
      estimator: one of `ESTIMATORS`.
      key: a JAX key or an integer; for estimators that draw.
      samples: permutations (in pairs), or coalitions per player; `SAMPLES` by default.
      chunk: coalitions per call of `value_fn`; every call gets as many if one does.
      limit: players above which enumeration is refused.

    Raises:
      InputError: unknown estimator, too many players for it, no key, wrong worth.
    """
    count = designs.cost(players, estimator, samples, limit=limit)
    if estimator in SAMPLES:
        rng = generator(key)
        chosen = designs.sampled(estimator, players, 1, rng, samples)
    else:
        chosen = designs.enumerated(players, 1, banzhaf=estimator == "banzhaf_exact")
    assert len(chosen.coalitions) <= count
    worth = evaluate(value_fn, chosen.coalitions, chunk)
    flat = worth.reshape(len(worth), -1)
    shape = (players, *worth.shape[1:])
    values, spread = (x[0].reshape(shape) for x in designs.combine(chosen, flat))
    full, empty = worth[chosen.full[0]], worth[chosen.empty[0]]
    return Shapley(values, spread, full, empty, len(chosen.coalitions))


def generator(key) -> np.random.Generator:
    """Random numbers from a JAX key, an integer or several."""
    if key is None:
        raise errors.InputError(
            "an estimator that draws coalitions needs key: a JAX key or an integer"
        )
    typed = isinstance(key, jax.Array)
    if typed and jnp.issubdtype(key.dtype, jax.dtypes.prng_key):
        key = np.asarray(jax.random.key_data(key)).ravel()
    return np.random.default_rng(key)


def evaluate(value_fn: Callable, coalitions: np.ndarray, chunk: int) -> np.ndarray:
    """Worth `[rows, ...]` float64 of coalitions, with `chunk` of them per call.

    Raises:
      InputError: worth of another length, or that is not finite.
    """
    found = []
    for low in range(0, len(coalitions), chunk):
        part = coalitions[low : low + chunk]
        # No other shape for a jitted function.
        missing = chunk - len(part) if low else 0
        padded = np.pad(part, ((0, missing), (0, 0)), mode="edge")
        worth = np.asarray(value_fn(padded), np.float64)
        if worth.shape[:1] != (len(padded),):
            raise errors.InputError(
                f"the value function must return worth [{len(padded)}, ...] for "
                f"{len(padded)} coalitions, found shape {worth.shape}"
            )
        found.append(worth[: len(part)])
    worth = np.concatenate(found)
    check_finite(worth, coalitions)
    return worth


def check_finite(worth: np.ndarray, coalitions: np.ndarray) -> None:
    """InputError that names a coalition whose worth is not finite."""
    wrong = ~np.isfinite(worth).reshape(len(worth), -1).all(1)
    if wrong.any():
        row = int(wrong.argmax())
        players = np.flatnonzero(coalitions[row]).tolist()
        raise errors.InputError(
            f"worth must be finite, found {worth[row]!s:.80} for the coalition of players "
            f"{players}; bound the error from above, for instance with a floor of the "
            "log-likelihood"
        )


def interaction_values(
    value_fn: Callable, players: int, *, chunk: int = 2048, limit: int = LIMIT
) -> np.ndarray:
    """Shapley's index of interaction of every pair `[players, players, ...]`, exact.

    Positive where two players are worth more together than apart; symmetric, 0 on the
    diagonal. `value_fn`, `chunk` and errors as in `shapley_values`.
    """
    designs.cost(players, "exact", limit=limit)
    worth = evaluate(value_fn, designs.bits(players), chunk)
    values = np.zeros((players, players, *worth.shape[1:]))
    if players < 2:
        return values
    others = np.arange(2 ** (players - 2))
    weight = designs.size_weights(players, missing=2)[
        designs.popcount(others, players - 2)
    ]
    for i in range(players):
        for j in range(i + 1, players):
            neither = designs.without(designs.without(others, i), j)
            a, b = neither + (1 << i), neither + (1 << j)
            both = a + (1 << j)
            gain = worth[both] - worth[a] - worth[b] + worth[neither]
            values[i, j] = values[j, i] = np.tensordot(weight, gain, 1)
    return values
