"""Values of windows, block by block: what is kept on disk, and lost if a run is killed."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from iclr22 import checkpoint, progress
from iclr22.trajectory_shapley import designs, shapley
from iclr22.trajectory_shapley.players import Plan

ROWS = 2**18  # coalitions that are kept at a time, and lost if a run is killed
BLOCK = 1024  # windows that are encoded at a time


class Estimation(NamedTuple):
    """Which coalitions are asked."""

    estimator: str = "exact"  # of `designs.ESTIMATORS`
    # of estimators that draw: permutations, or coalitions per player; None: `SAMPLES`
    samples: int | None = None
    # players up to which estimators that ask all coalitions give every neighbour its own
    # value
    max_exact: int = 12
    seed: int = 0  # of what is drawn

    @property
    def most(self) -> int | None:
        """Players that are told apart; None: all."""
        return None if self.estimator in designs.SAMPLES else self.max_exact


class Asked(NamedTuple):
    """Windows of one width, and what is asked of them."""

    plan: Plan  # narrowed to them
    inputs: dict  # of `coalitions.inputs`
    start: Callable  # of `coalitions.start`: inputs to the worth of coalitions in them
    outputs: int  # numbers that worth consists of
    estimation: Estimation


def costs(players, estimation: Estimation) -> np.ndarray:
    """Coalitions per window `[windows]`, at most."""
    numbers = players.tolist()
    found = {
        n: designs.cost(n, estimation.estimator, estimation.samples)
        for n in set(numbers)
    }
    return np.array([found[n] for n in numbers], np.int64)


def records(asked: Asked, directory, key) -> np.ndarray:
    """Records `[windows, 4 + 2 * width, outputs]` of all blocks.

    A record is values of the past and of slots, their standard errors, and the worth of all
    and of nobody.

    Args:
      directory: finished blocks are kept there; None: nowhere.
      key: what else the records depend on; those of another are made anew.
    """
    width, count = asked.plan.width, len(asked.plan.players)
    shape = (count, 4 + 2 * width, asked.outputs)
    size = _size(costs(asked.plan.players, asked.estimation))
    compute = functools.partial(_records, asked, size)
    track = functools.partial(progress.track, name=f"attribution, {width} slots")
    if directory is not None:
        store = checkpoint.ChunkStore(directory, f"attribution_{width}", key=key)
        return store.fill(shape, np.float64, compute, chunk=size, progress=track)
    found = np.empty(shape)
    for low in track(range(0, count, size)):
        high = min(low + size, count)
        found[low:high] = compute(low, high)
    return found


def _size(cost):
    """Windows per block, so that their coalitions are `ROWS` at most."""
    power = 1 << max(len(cost) - 1, 0).bit_length()
    return min(power, BLOCK, max(1, ROWS // int(cost.max())))


def _records(asked, size, low, high):
    """Records of windows `low` to `high`."""
    plan, width = asked.plan, asked.plan.width
    rows = np.minimum(np.arange(low, low + size), high - 1)  # blocks of one shape
    worth = asked.start({name: x[rows] for name, x in asked.inputs.items()})
    rng = np.random.default_rng([asked.estimation.seed, width, low])
    chosen = _designs(plan.players[low:high], asked.estimation, rng)
    window = [members[design.game] for members, design in chosen]
    shown = [
        _shown(design.coalitions, plan.owner[low + index])
        for index, (_, design) in zip(window, chosen, strict=True)
    ]
    found = worth(np.concatenate(window).astype(np.int32), np.concatenate(shown))
    shapley.check_finite(found, np.concatenate(shown))
    result = np.zeros((high - low, 4 + 2 * width, asked.outputs))
    done = 0
    for members, design in chosen:
        own = found[done : done + len(design.game)]
        done += len(design.game)
        n = design.coalitions.shape[1]
        values, spread = designs.combine(design, own)
        result[members, :n] = values
        result[members, 1 + width : 1 + width + n] = spread
        result[members, -2], result[members, -1] = own[design.full], own[design.empty]
    return result


def _designs(players, estimation, rng):
    """Numbers of windows with equally many players, and what is asked of them."""
    estimator, samples = estimation.estimator, estimation.samples
    found = []
    for n in np.unique(players).tolist():
        members = np.flatnonzero(players == n)
        drawn = estimator in designs.SAMPLES
        if estimator != "banzhaf":  # what fewer players allow is asked completely
            drawn = drawn and designs.cost(n, estimator, samples) < 2**n
        if drawn:
            design = designs.sampled(estimator, n, len(members), rng, samples)
        else:
            design = _enumerated(n, len(members), estimator == "banzhaf_exact")
        found.append((members, design))
    return found


@functools.lru_cache(maxsize=4)
def _enumerated(players, count, banzhaf):
    return designs.enumerated(players, count, banzhaf=banzhaf)


def _shown(coalitions, owner):
    """Slots that are shown `[rows, 1 + width]` when these players are."""
    nobody = np.zeros((len(coalitions), 1), bool)
    return np.take_along_axis(np.concatenate([coalitions, nobody], 1), owner, 1)
