"""Shapley values of the past and of neighbours, for many windows at once (section 2.4).

All windows share one list of rows, a row being a window and a coalition of its players:
a window with two neighbours has 2^3 rows and one with eleven has 2^12, none is padded to
another's number. Histories and edges are encoded once per window; rows are decoded in
chunks of one size, so that a model is compiled once per `WIDTHS` of neighbours.
"""

import functools
import hashlib
from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np
from absl import logging

from iclr22 import checkpoint, errors, parallel, progress
from iclr22.trajectory_shapley import coalitions as games
from iclr22.trajectory_shapley import predictor as predictors
from iclr22.trajectory_shapley import shapley
from iclr22.trajectory_shapley.predictor import Foreign, Predictor
from iclr22.trajectory_shapley.windows import Windows

WIDTHS = (4, 16, 64, 256)  # slots that windows are cut to
ROWS = 2**18  # coalitions that are kept at a time, and lost if a run is killed
BLOCK = 1024  # windows that are encoded at a time


class Attribution(NamedTuple):
    """Values of the players of each window: 0 is the past, then the slots of neighbours."""

    values: np.ndarray  # [windows, 1 + slots, outputs] float64; 0 where nobody is
    standard_error: np.ndarray  # the same shape; 0 where all coalitions were asked
    # [windows, 1 + slots] bool, players; of a group its first slot only
    mask: np.ndarray
    full: np.ndarray  # [windows, outputs] worth when all is shown
    empty: np.ndarray  # [windows, outputs] worth when nothing is
    # names: nll, nll@1, ..., min_ade; worth is minus the error
    outputs: tuple[str, ...]
    coalitions: int  # evaluated per window at most


class _Plan(NamedTuple):
    """Players of each window, who come first among its slots."""

    slots: np.ndarray  # [windows, width] int, slots with neighbours before empty ones
    # [windows, 1 + width] int, player of the past and slots; -1: none
    owner: np.ndarray
    players: np.ndarray  # [windows] int
    width: int  # slots of the predictor's inputs


class _Options(NamedTuple):
    """How coalitions are chosen."""

    estimator: str
    samples: int | None
    seed: int


def attribute(
    predictor: Predictor | Foreign,
    windows: Windows,
    *,
    metrics: tuple[str, ...] = ("nll",),
    baseline: str = "zero",
    estimator: str = "exact",
    samples: int | None = None,
    max_exact: int = 12,
    pool: Windows | None = None,
    seed: int = 0,
    floor: float | None = -20.0,
    control: bool = False,
    chunk: int | None = None,
    directory=None,
    mode: str = "jit",
) -> Attribution:
    """Attribute a predictor's error on every window to the past and to neighbours.

    Args:
      metrics: of nll (with one output per step as well), min_ade, min_fde.
      baseline: what stands for a past that is not shown; see `game`.
      estimator: of `shapley.ESTIMATORS`. Where permutations or strata would ask as many
        coalitions as there are, all are asked.
      samples: of estimators that draw; see `shapley.shapley_values`.
      max_exact: players up to which estimators that ask all coalitions give every
        neighbour its own value. In windows with more the farthest share one, reported in
        the first of their slots; `mask` is False in the others.
      pool: windows behind the baselines mean and random; `windows` if None.
      seed: of what is drawn.
      floor: nats below which the likelihood of a step does not count.
      control: the last slot is a random agent, which is never part of a group.
      chunk: coalitions per call of the predictor; by default what suits the devices.
      directory: finished blocks are kept here and used by the next run. They are made
        again for other windows, parameters or options, not for another function of
        the same name.
      mode: of `parallel.devices`; no communication is needed in either.

    Raises:
      InputError: unknown names, too many players, outputs of a wrong shape.
    """
    rules = games.check_rules(games.Rules(tuple(metrics), baseline, floor=floor))
    windows = windows if windows.mask.shape[1] else _with_slot(windows)
    most = None if estimator in shapley.SAMPLES else max_exact
    plan = _plan(windows.mask, most, control)
    options = _Options(estimator, samples, seed)
    cost = _costs(plan.players, options)
    _announce(plan, cost, estimator)
    given = games.inputs(rules, windows, windows if pool is None else pool, seed)
    _try(predictor, given)
    key = None
    if directory is not None:
        key = options._asdict() | rules._asdict() | {"metrics": list(rules.metrics)}
        key |= {"most": most, "control": control, "digest": _digest(predictor, given)}
    on = parallel.local(parallel.devices(mode))
    outputs = games.outputs(rules, windows.future.shape[1])
    result = _nothing(windows, outputs, int(cost.max(initial=0)))
    for width, chosen in _buckets(plan):
        part = _narrow(plan, chosen, width)
        inputs = _take(given, chosen, part.slots)
        worth = games.start(predictor, rules, on, chunk, int(cost[chosen].sum()))
        size = _block(cost[chosen])
        compute = functools.partial(
            _block_values, worth, part, inputs, size, len(outputs), options
        )
        found = _stored(compute, part, size, len(outputs), directory, key)
        _scatter(found, chosen, part, result)
    return result


def _nothing(windows, outputs, most) -> Attribution:
    """Zeros, to be filled in."""
    shape = len(windows.mask), 1 + windows.mask.shape[1], len(outputs)
    values, spread, full, empty = map(np.zeros, (shape, shape, shape[::2], shape[::2]))
    mask = np.zeros(shape[:2], bool)
    return Attribution(values, spread, mask, full, empty, outputs, most)


def game(
    predictor: Predictor | Foreign,
    windows: Windows,
    row: int,
    *,
    metrics: tuple[str, ...] = ("nll",),
    baseline: str = "zero",
    pool: Windows | None = None,
    seed: int = 0,
    floor: float | None = -20.0,
) -> tuple[Callable, np.ndarray]:
    """The game of one window, for `shapley_values` and `interaction_values`.

    Returns `(value_fn, slots)`: worth `[coalitions, outputs]` of `[coalitions, players]`,
    and the slot in `windows` of every player but the first, which is the past.
    """
    rules = games.check_rules(games.Rules(tuple(metrics), baseline, floor=floor))
    windows = windows if windows.mask.shape[1] else _with_slot(windows)
    pool = windows if pool is None else pool
    given = games.inputs(rules, windows, pool, seed)
    _try(predictor, given)
    on = parallel.local(parallel.devices())
    one = jax.tree.map(lambda x: x[row : row + 1], given)
    slots = np.flatnonzero(windows.mask[row])
    worth = games.start(predictor, rules, on, None, 2 ** min(1 + len(slots), 11))(one)

    def value_fn(coalitions):
        shown = np.zeros((len(coalitions), 1 + windows.mask.shape[1]), bool)
        shown[:, np.r_[0, 1 + slots]] = coalitions
        return worth(np.zeros(len(shown), np.int32), shown)

    return value_fn, slots


def _with_slot(windows):
    """Windows without any slot get an empty one."""
    n, time = windows.history.shape[:2]
    return windows._replace(
        neighbours=np.zeros((n, 1, time, 6), np.float32),
        mask=np.zeros((n, 1), bool),
        neighbour_kind=np.zeros((n, 1), np.int32),
        neighbour_agent=np.full((n, 1), -1, np.int32),
    )


# Players


def _plan(mask, most, control) -> _Plan:
    """Players of windows, at most `most` of them (None: as many as there are)."""
    least = 2 + control
    if most is not None and most < least:
        raise errors.InputError(f"max_exact must be {least} or more, found {most}")
    slots = np.argsort(~mask, 1, kind="stable")
    count = mask.sum(1)
    place = np.arange(1 + mask.shape[1])
    owner = np.where(place <= count[:, None], place, -1)
    players = 1 + count
    if most is not None:
        grouped = players > most
        group = most - 1 - control
        shared = np.where(owner > group, group, owner)
        if control:  # the last of those who are there
            shared = np.where(owner == count[:, None], most - 1, shared)
        owner = np.where(grouped[:, None], shared, owner)
        players = np.minimum(players, most)
    return _Plan(slots, owner, players, mask.shape[1])


def _costs(players, options):
    """Coalitions per window `[windows]`."""
    costs = {n: shapley.cost(n, *options[:2]) for n in set(players.tolist())}
    return np.array([costs[n] for n in players.tolist()], np.int64)


def _announce(plan, cost, estimator):
    grouped = int(((plan.owner >= 0).sum(1) > plan.players).sum())
    logging.info(
        "attribution: %d windows with up to %d players, %s coalitions (%s)%s",
        len(cost),
        plan.players.max(initial=0),
        f"{cost.sum():,}",
        estimator,
        f"; in {grouped} windows far neighbours share a value" if grouped else "",
    )


def _buckets(plan):
    """Widths and the windows of each, by number of players."""
    used = (plan.owner[:, 1:] >= 0).sum(1)
    widths = [min(w, plan.width) for w in WIDTHS if w < 4 * max(plan.width, 1)]
    widths = sorted({*widths, plan.width})
    which = np.searchsorted(widths, used)
    for i, width in enumerate(widths):
        chosen = np.flatnonzero(which == i)
        if len(chosen):
            order = np.argsort(plan.players[chosen], kind="stable")
            yield width, chosen[order]


def _narrow(plan, chosen, width) -> _Plan:
    slots, owner = plan.slots[chosen, :width], plan.owner[chosen, : 1 + width]
    return _Plan(slots, owner, plan.players[chosen], width)


_SLOTTED = ("neighbours", "present", "neighbour_kind", "substitutes", "substitute_kind")


def _take(given, chosen, slots):
    """Inputs of chosen windows with their slots in another order."""
    found = {}
    for name, x in given.items():
        x = x[chosen]
        if name in _SLOTTED:
            place = slots.reshape(slots.shape + (1,) * (x.ndim - 2))
            x = np.take_along_axis(x, place, 1)
        found[name] = x
    return found


def _try(predictor, given):
    """Call a foreign predictor before any long work."""
    if isinstance(predictor, Foreign) and len(given["present"]):
        rows = np.argsort(~given["present"].any(1), kind="stable")[:2]
        shown = np.concatenate(
            [np.ones((len(rows), 1), bool), given["present"][rows]], 1
        )
        seen = games.shown_inputs(given, rows, shown)
        predictors.check(predictor, seen, given["future"].shape[1])


# Blocks


def _power(n):
    return 1 << max(n - 1, 0).bit_length()


def _block(cost):
    """Windows per block, so that their coalitions are `ROWS` at most."""
    most = max(1, ROWS // int(cost.max()))
    return min(_power(len(cost)), BLOCK, most)


def _stored(compute, part, size, outputs, directory, key):
    """Records `[windows, 4 + 2 * width, outputs]` of all blocks, kept in a directory."""
    count = len(part.players)
    shape = (count, 4 + 2 * part.width, outputs)
    name = f"attribution_{part.width}"
    track = functools.partial(progress.track, name=f"attribution, {part.width} slots")
    if directory is not None:
        store = checkpoint.ChunkStore(directory, name, key=key)
        return store.fill(shape, np.float64, compute, chunk=size, progress=track)
    found = np.empty(shape)
    for low in track(range(0, count, size)):
        high = min(low + size, count)
        found[low:high] = compute(low, high)
    return found


def _block_values(start, part, inputs, size, outputs, options, low, high):
    """Records of windows `low` to `high`: values, standard errors, worth of all, none."""
    rows = np.minimum(np.arange(low, low + size), high - 1)  # blocks of one shape
    worth = start({name: x[rows] for name, x in inputs.items()})
    rng = np.random.default_rng([options.seed, part.width, low])
    designs = _designs(part.players[low:high], options, rng)
    window = [members[design.game] for members, design in designs]
    shown = [
        _shown(design.coalitions, part.owner[low + index])
        for index, (_, design) in zip(window, designs, strict=True)
    ]
    found = worth(np.concatenate(window).astype(np.int32), np.concatenate(shown))
    shapley.check_finite(found, np.concatenate(shown))
    result = np.zeros((high - low, 4 + 2 * part.width, outputs))
    done = 0
    for members, design in designs:
        own = found[done : done + len(design.game)]
        done += len(design.game)
        n = design.coalitions.shape[1]
        values, spread = shapley.combine(design, own)
        result[members, :n] = values
        result[members, 1 + part.width : 1 + part.width + n] = spread
        result[members, -2], result[members, -1] = own[design.full], own[design.empty]
    return result


def _designs(players, options, rng):
    """Numbers of windows with equally many players, and what is asked of them."""
    estimator, samples = options[:2]
    found = []
    for n in np.unique(players).tolist():
        members = np.flatnonzero(players == n)
        drawn = estimator in shapley.SAMPLES
        if estimator != "banzhaf":  # what fewer players allow is asked completely
            drawn = drawn and shapley.cost(n, estimator, samples) < 2**n
        if drawn:
            design = shapley.sampled(estimator, n, len(members), rng, samples)
        else:
            design = _enumerated(n, len(members), estimator == "banzhaf_exact")
        found.append((members, design))
    return found


@functools.lru_cache(maxsize=4)
def _enumerated(players, count, banzhaf):
    return shapley.enumerated(players, count, banzhaf=banzhaf)


def _shown(coalitions, owner):
    """Slots that are shown `[rows, 1 + width]` when these players are."""
    nobody = np.zeros((len(coalitions), 1), bool)
    return np.take_along_axis(np.concatenate([coalitions, nobody], 1), owner, 1)


def _scatter(found, chosen, part, result):
    """Put records where the windows' slots are."""
    player = np.arange(1 + part.width)
    window, number = np.nonzero(player < part.players[:, None])
    first = (part.owner[:, :, None] == player).argmax(1)  # slot of each player
    slots = np.concatenate([np.full((len(chosen), 1), -1), part.slots], 1)
    where = chosen[window], 1 + slots[window, first[window, number]]
    result.values[where] = found[window, number]
    result.standard_error[where] = found[window, 1 + part.width + number]
    result.mask[where] = True
    result.full[chosen], result.empty[chosen] = found[:, -2], found[:, -1]


def _digest(predictor, given) -> str:
    """A number that changes with inputs and parameters."""
    digest = hashlib.blake2b(digest_size=16)
    of = getattr(predictor, "params", None)
    if isinstance(predictor, Foreign):
        name = getattr(predictor.predict, "__qualname__", "")
        digest.update(f"{getattr(predictor.predict, '__module__', '')}.{name}".encode())
    for x in [*given.values(), *jax.tree.leaves(jax.device_get(of))]:
        x = np.ascontiguousarray(x)
        digest.update(f"{x.shape}{x.dtype}".encode())
        digest.update(x.tobytes())
    return digest.hexdigest()
