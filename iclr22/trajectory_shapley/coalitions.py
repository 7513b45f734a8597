"""What coalitions are worth: a predictor's error when only some inputs are shown.

Every window is a game. Players are the target's own past and its neighbours (section 2.2).
The worth of a coalition is minus the error. What stands for a past that is not shown is the
baseline:

  zero      zeros: the target has stood still where it is now, as released
  constant  the present velocity, extrapolated backwards
  mean      the mean past of the pool
  random    the past of another target of the pool, of the same kind

A neighbour that is not shown is cut, or replaced by a random one under `random`.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from iclr22 import errors, parallel
from iclr22.trajectory_shapley import metrics as measures
from iclr22.trajectory_shapley import predictor as predictors
from iclr22.trajectory_shapley.predictor import Foreign, Predictor
from iclr22.trajectory_shapley.random_agents import with_random_neighbours
from iclr22.trajectory_shapley.windows import AWAY, Windows

BASELINES = ("zero", "random", "constant", "mean")
METRICS = ("nll", "min_ade", "min_fde")
KERNEL = 3  # samples that a kernel estimate of the likelihood needs
# Rows that a device decodes at a time: on a CPU they fit its cache.
CHUNK, LARGE = {"cpu": 1024}, 16384
# A tenth faster where a CPU has such vectors.
WIDE = {"xla_cpu_prefer_vector_width": 512}
SUBSTITUTED = {"neighbours": "substitutes", "neighbour_kind": "substitute_kind"}


class Rules(NamedTuple):
    """How coalitions are worth what they are; hashable."""

    metrics: tuple[str, ...] = ("nll",)  # of METRICS; nll comes per step, too
    baseline: str = "zero"  # of BASELINES, what stands for who is left out
    cap: float = measures.CAP  # nats per step above which a likelihood does not count
    floor: float | None = -20.0  # nats below which it does not


def check(rules: Rules) -> None:
    """InputError for unknown names."""
    for metric in rules.metrics:
        if metric not in METRICS:
            raise errors.nearest(metric, METRICS, "metric")
    if not rules.metrics:
        raise errors.InputError(f"no metric to attribute; known: {', '.join(METRICS)}")
    if rules.baseline not in BASELINES:
        raise errors.nearest(rules.baseline, BASELINES, "baseline")


def outputs(rules: Rules, horizon: int) -> tuple[str, ...]:
    """Names of what worth consists of: nll is followed by that of each step."""
    names = []
    for metric in rules.metrics:
        names.append(metric)
        if metric == "nll":
            names += [f"nll@{t}" for t in range(1, horizon + 1)]
    return tuple(names)


# Inputs


def inputs(rules: Rules, windows: Windows, pool: Windows, seed: int) -> dict:
    """All that a predictor may see of windows, and the truth, as NumPy arrays.

    Returns `{"history": [windows, 2, time, 6], "neighbours": [windows, slots, time, 6],
    "present": [windows, slots], "future", "kind", "neighbour_kind", "seed"}`, under the
    baseline `random` also `"substitutes"` and `"substitute_kind"`, as neighbours.
    """
    rng = np.random.default_rng([seed, 1])
    absent = _absent(rules.baseline, windows, pool, rng)
    numbers = (np.arange(len(windows.mask)) + 1_000_003 * seed) % 2**31
    given = {
        "history": np.stack([absent, windows.history], 1).astype(np.float32),
        "neighbours": np.asarray(windows.neighbours, np.float32),
        "present": np.asarray(windows.mask, bool),
        "future": np.asarray(windows.future, np.float32),
        "kind": np.asarray(windows.kind, np.int32),
        "neighbour_kind": np.asarray(windows.neighbour_kind, np.int32),
        "seed": numbers.astype(np.int32),
    }
    if rules.baseline == "random":
        other = with_random_neighbours(windows, pool, rng)
        given["substitutes"] = np.asarray(other.neighbours, np.float32)
        given["substitute_kind"] = np.asarray(other.neighbour_kind, np.int32)
    return given


def _absent(baseline, windows, pool, rng):
    """What stands for the past `[windows, time, 6]`."""
    history = windows.history
    if baseline == "zero":
        return np.zeros_like(history)
    if baseline == "mean":
        return np.broadcast_to(pool.history.mean(0), history.shape)
    if baseline == "random":
        return pool.history[_others(windows, pool, rng)]
    step = history[:, -1, :2] - history[:, -2, :2]
    back = np.arange(1 - history.shape[1], 1)
    constant = np.zeros_like(history)
    constant[..., :2] = step[:, None] * back[:, None]
    constant[..., 2:4] = history[:, -1:, 2:4]
    return constant


def _others(windows, pool, rng):
    """A target of the pool for every window: of its kind and another recording, or at
    least 20 s away, as far as there is one."""
    order = np.argsort(pool.kind, kind="stable")
    start = np.searchsorted(pool.kind[order], windows.kind)
    count = np.searchsorted(pool.kind[order], windows.kind, "right") - start
    start, count = np.where(count, start, 0), np.where(count, count, len(order))
    several = len(np.unique(pool.recording)) > 1
    chosen = np.full(len(start), -1)
    left = np.arange(len(start))
    for _ in range(50):  # each drops at least half where there is anything to find
        drawn = start[left] + (rng.random(len(left)) * count[left]).astype(int)
        chosen[left] = order[drawn]
        same = pool.recording[chosen] == windows.recording
        near = np.abs(pool.frame[chosen] - windows.frame) < AWAY
        left = np.flatnonzero(same & (near | several))
        if not len(left):
            break
    return chosen


# Worth


def start(
    predictor: Predictor | Foreign, rules: Rules, on, chunk: int | None, most: int
) -> Callable:
    """Function from inputs `[windows, ...]` to the worth of coalitions in them.

    What it returns is a function of window numbers `[rows]` and coalitions
    `[rows, 1 + slots]` bool (the past first), which returns `[rows, outputs]` float32.

    Args:
      on: devices of this process, from `parallel.local`.
      chunk: rows that are predicted at a time, divided over the devices; by default what
        suits them.
      most: rows that will be asked for, if fewer; they are filled up to a power of two.
    """
    chunk = chunk or on.mesh.size * CHUNK.get(jax.default_backend(), LARGE)
    chunk = min(chunk, 1 << max(most - 1, 0).bit_length())
    if isinstance(predictor, Foreign):
        return functools.partial(_on_host, predictor, rules, chunk)
    if not isinstance(predictor, Predictor):
        raise errors.InputError(
            "expected a predictor.Predictor or predictor.Foreign, found "
            f"{type(predictor).__name__}; wrap a function of NumPy arrays in Foreign"
        )
    chunk = -(-chunk // on.mesh.size) * on.mesh.size
    params = parallel.replicate(on, jax.device_get(predictor.params))
    return functools.partial(_on_devices, predictor[:3], params, rules, chunk, on)


def _on_devices(functions, params, rules, chunk, on, given):
    """Encode once, then decode under every coalition."""
    encode, rows = compiled(*functions, rules, on)
    seen = {k: given[k] for k in ("history", "neighbours", "kind", "neighbour_kind")}
    if rules.baseline == "random":
        for name, other in SUBSTITUTED.items():
            seen[name] = np.concatenate([given[name], given[other]], 1)
    codes = encode(params, seen | {"seed": given["seed"]})
    rest = parallel.replicate(on, {k: given[k] for k in ("future", "present")})

    def worth(index, coalitions):
        found = []
        for part in _parts(index, coalitions, chunk):
            found.append(rows(params, codes, rest, *parallel.shard(on, part)))
        return np.concatenate([np.asarray(x) for x in found])[: len(index)]

    return worth


@functools.lru_cache(maxsize=32)
def compiled(encode, decode, draw, rules, on):
    """The two functions that run on devices: `encode`, and worth of rows."""

    def rows(params, codes, rest, index, coalitions):
        codes, rest = jax.tree.map(lambda x: x[index], (codes, rest))
        past, mask = coalitions[:, 0], coalitions[:, 1:]
        if rules.baseline == "random":
            mask = jnp.concatenate([mask, rest["present"] & ~mask], 1)
        found = None
        if "nll" in rules.metrics or draw is None:
            found = decode(params, codes, past, mask)
        draws = found["samples"] if isinstance(found, dict) else None
        if draws is None and draw is not None and set(rules.metrics) - {"nll"}:
            draws = draw(params, codes, past, mask)
        return _score(rules, found, draws, rest["future"])

    wide = WIDE if jax.default_backend() == "cpu" else None
    return parallel.compile_init(on, encode), jax.jit(rows, compiler_options=wide)


def _parts(index, coalitions, chunk):
    """Rows in chunks of one size; the last is filled up."""
    for low in range(0, len(index), chunk):
        part = index[low : low + chunk], coalitions[low : low + chunk]
        missing = chunk - len(part[0])
        yield np.pad(part[0], (0, missing)), np.pad(part[1], ((0, missing), (0, 0)))


def _score(rules, found, draws, future):
    """Worth `[rows, outputs]`: minus the errors."""
    columns = []
    for metric in rules.metrics:
        if metric == "nll":
            steps = _steps(rules, found, future)
            columns += [steps.mean(-1, keepdims=True), steps]
            continue
        if draws is None:
            raise errors.InputError(
                f"{metric} needs samples; this predictor has a mixture only: ask for nll, "
                "or have it return samples"
            )
        which = METRICS[1:].index(metric)
        columns.append(measures.best_of(draws, future)[which][:, None])
    return -jnp.concatenate(columns, 1)


def _steps(rules, found, future):
    """Negative log-likelihood of each step, of a kernel estimate where there are samples."""
    if isinstance(found, measures.Mixture):
        return measures.nll(found, future, cap=rules.cap, floor=rules.floor)
    draws = found["samples"]
    if draws.shape[1] < KERNEL:
        raise errors.InputError(
            f"a likelihood from samples needs {KERNEL} or more, found {draws.shape[1]} "
            "per window; ask for metrics=('min_ade',), or return more samples"
        )
    steps = measures.kde_nll(draws, future)
    return steps if rules.floor is None else jnp.minimum(steps, -rules.floor)


_score_on_host = jax.jit(_score, static_argnums=0)


def _on_host(foreign, rules, chunk, given):
    """Calls of a function of NumPy arrays, as large as a chunk."""

    def worth(index, coalitions):
        found = []
        for rows, shown in _parts(index, coalitions, chunk):
            future = given["future"][rows]
            seen = shown_inputs(given, rows, shown)
            result = predictors.call(foreign, seen, future.shape[1])
            draws = result["samples"] if isinstance(result, dict) else None
            found.append(_score_on_host(rules, result, draws, future))
        return np.concatenate([np.asarray(x) for x in found])[: len(index)]

    return worth


def shown_inputs(given: dict, rows, coalitions) -> dict:
    """Arguments of a foreign predictor when only coalitions are shown: others are left
    out or replaced.

    Args:
      given: of `inputs`.
      rows: window of each coalition `[rows]`.
      coalitions: `[rows, 1 + slots]` bool, the past first.
    """
    past, mask = coalitions[:, 0].astype(int), coalitions[:, 1:]
    near, kinds = given["neighbours"][rows], given["neighbour_kind"][rows]
    other = other_kinds = 0
    seen = mask = mask & given["present"][rows]
    if "substitutes" in given:
        other, other_kinds = given["substitutes"][rows], given["substitute_kind"][rows]
        seen = given["present"][rows]
    return {
        "history": given["history"][rows, past],
        "neighbours": np.where(mask[..., None, None], near, np.float32(other)),
        "mask": seen,
        "kind": given["kind"][rows],
        "neighbour_kind": np.where(mask, kinds, np.int32(other_kinds)),
    }
