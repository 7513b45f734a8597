"""Shapley values of the past and of neighbours, for many windows at once (section 2.4).

All windows share one list of rows, a row being a window and a coalition of its players:
a window with two neighbours has 2^3 rows and one with eleven has 2^12, none is padded to
another's number. Histories and edges are encoded once per window; rows are decoded in
chunks of one size, so that a model is compiled once per `players.WIDTHS` of neighbours.
"""

import hashlib
import inspect
from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np
from absl import logging

from iclr22 import parallel
from iclr22.trajectory_shapley import blocks, coalitions, players
from iclr22.trajectory_shapley import predictor as predictors
from iclr22.trajectory_shapley.blocks import Asked, Estimation
from iclr22.trajectory_shapley.coalitions import Rules
from iclr22.trajectory_shapley.predictor import Foreign, Predictor
from iclr22.trajectory_shapley.windows import Windows


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


def attribute(
    predictor: Predictor | Foreign,
    windows: Windows,
    rules: Rules | None = None,
    estimation: Estimation | None = None,
    *,
    pool: Windows | None = None,
    control: bool = False,
    chunk: int | None = None,
    directory=None,
    mode: str = "jit",
) -> Attribution:
    """Attribute a predictor's error on every window to the past and to neighbours.

    Args:
      rules: which error, and what stands for who is left out; `Rules()` if None.
      estimation: which coalitions are asked; all if None, and where permutations or strata
        would ask as many. Neighbours that share a value (`max_exact`) have it in the first
        of their slots; `mask` is False in the others.
      pool: windows behind the baselines mean and random; `windows` if None.
      control: the last slot is a random agent, which never shares a value.
      chunk: coalitions per call of the predictor; by default what suits the devices.
      directory: finished blocks are kept here and used by the next run. They are made
        again for other windows, parameters, options or source of a function, not for what
        that imports or reads.
      mode: of `parallel.devices`; no communication is needed in either.

    Raises:
      InputError: unknown names, too many players, outputs of a wrong shape.
    """
    rules, estimation = rules or Rules(), estimation or Estimation()
    given, windows = _game(predictor, windows, rules, pool, estimation.seed)
    plan = players.plan(windows.mask, estimation.most, control)
    cost = blocks.costs(plan.players, estimation)
    _announce(plan, cost, estimation.estimator)
    key = (
        None
        if directory is None
        else _key(predictor, given, rules, estimation, control)
    )
    on = parallel.local(parallel.devices(mode))
    outputs = coalitions.outputs(rules, windows.future.shape[1])
    result = _nothing(windows, outputs, int(cost.max(initial=0)))
    for width, chosen in players.buckets(plan):
        part = players.narrow(plan, chosen, width)
        total = int(cost[chosen].sum())
        start = coalitions.start(predictor, rules, on, chunk, total)
        inputs = players.take(given, chosen, part.slots)
        asked = Asked(part, inputs, start, len(outputs), estimation)
        _scatter(blocks.records(asked, directory, key), chosen, part, result)
    return result


def game(
    predictor: Predictor | Foreign,
    windows: Windows,
    row: int,
    rules: Rules | None = None,
    *,
    pool: Windows | None = None,
    seed: int = 0,
) -> tuple[Callable, np.ndarray]:
    """The game of one window, for `shapley_values` and `interaction_values`.

    Args:
      row: number of the window.
      rules, pool: as in `attribute`.
      seed: of what is drawn for a baseline.

    Returns `(value_fn, slots)`: worth `[coalitions, outputs]` of `[coalitions, players]`,
    and the slot in `windows` of every player but the first, which is the past.
    """
    rules = rules or Rules()
    given, windows = _game(predictor, windows, rules, pool, seed)
    on = parallel.local(parallel.devices())
    one = jax.tree.map(lambda x: x[row : row + 1], given)
    slots = np.flatnonzero(windows.mask[row])
    most = 2 ** min(1 + len(slots), 11)
    worth = coalitions.start(predictor, rules, on, None, most)(one)

    def value_fn(asked):
        shown = np.zeros((len(asked), 1 + windows.mask.shape[1]), bool)
        shown[:, np.r_[0, 1 + slots]] = asked
        return worth(np.zeros(len(shown), np.int32), shown)

    return value_fn, slots


def _game(predictor, windows, rules, pool, seed):
    """Inputs of all that may be shown, and the windows with a slot or more; whatever is
    wrong is found here, before any long work."""
    coalitions.check(rules)
    windows = players.with_slot(windows)
    given = coalitions.inputs(rules, windows, windows if pool is None else pool, seed)
    _try(predictor, given)
    return given, windows


def _try(predictor, given):
    """Call a foreign predictor before any long work."""
    if isinstance(predictor, Foreign) and len(given["present"]):
        rows = np.argsort(~given["present"].any(1), kind="stable")[:2]
        shown = np.concatenate(
            [np.ones((len(rows), 1), bool), given["present"][rows]], 1
        )
        seen = coalitions.shown_inputs(given, rows, shown)
        predictors.check(predictor, seen, given["future"].shape[1])


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


def _nothing(windows, outputs, most) -> Attribution:
    """Zeros, to be filled in."""
    shape = len(windows.mask), 1 + windows.mask.shape[1], len(outputs)
    values, spread, full, empty = map(np.zeros, (shape, shape, shape[::2], shape[::2]))
    mask = np.zeros(shape[:2], bool)
    return Attribution(values, spread, mask, full, empty, outputs, most)


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


def _key(predictor, given, rules, estimation, control) -> dict:
    """What finished blocks depend on."""
    key = estimation._asdict() | rules._asdict() | {"metrics": list(rules.metrics)}
    return key | {"control": control, "digest": _digest(predictor, given)}


def _source(function) -> str:
    """Text of the module of a function, or of the function; empty if it has none."""
    for part in (inspect.getmodule(function), function):
        try:
            return inspect.getsource(part) if part is not None else ""
        except (OSError, TypeError):
            continue
    return ""


def _digest(predictor, given) -> str:
    """A number that changes with inputs and parameters."""
    digest = hashlib.blake2b(digest_size=16)
    of = getattr(predictor, "params", None)
    if isinstance(predictor, Foreign):
        name = getattr(predictor.predict, "__qualname__", "")
        digest.update(f"{getattr(predictor.predict, '__module__', '')}.{name}".encode())
        digest.update(_source(predictor.predict).encode())
    for x in [*given.values(), *jax.tree.leaves(jax.device_get(of))]:
        x = np.ascontiguousarray(x)
        digest.update(f"{x.shape}{x.dtype}".encode())
        digest.update(x.tobytes())
    return digest.hexdigest()
