r"""Time and memory of trajectory Shapley.

  python -m experiments.trajectory_shapley.benchmark              # some minutes
  python -m experiments.trajectory_shapley.benchmark --windows=50

Exact values of 10 players (the past, nine neighbours) on the compact model: 1/16, 1/4 and
all of 1,000 windows, 1,024,000 coalitions; beside it the same game with the predictor called
once per coalition, and the bare model called once for each, without the game around it,
compiled and as it stands. Then one training update, and how many programs ragged scenes
compile.
"""

import functools
import resource
import time
from typing import Any

import jax
import numpy as np
from absl import app, flags

from experiments import origin
from experiments.benchmarks import numbers
from iclr22 import parallel
from iclr22.trajectory_shapley import coalitions, trajectron
from iclr22.trajectory_shapley.attribute import attribute
from iclr22.trajectory_shapley.windows import Windows, fit_slots, select, to_batch

CALLS = ((),)
QUICK = ("--windows=16", "--repeat=1")
SCALING = {  # stage: windows of one process, and what is wider than in an example
    "trajectory_shapley.trajectron": (
        4096,
        {"modes": 5, "decoder": 64, "hidden": 32, "attention": 32},
    ),
    "trajectory_shapley.pecnet": (8192, {"shrink": 4, "code": 16, "latent": 16}),
}
PLAYERS = 10
SHARES = (16, 4, 1)  # of the windows, the first is 1x
SINGLE = {"compiled": 1000, "plain": 10}  # calls of the bare model, one coalition each
UPDATES = 20  # per timed round
FLAGS = flags.FLAGS


def drawn_windows(count: int, slots: int, *, ragged: bool = False, seed: int = 0):
    """Windows of walkers at random, all slots filled, or as many as chance gives."""
    rng = np.random.default_rng(seed)
    velocity = rng.normal(0, 0.8, (count, 1 + slots, 1, 2))
    turns = rng.normal(0, 0.1, (count, 1 + slots, 20, 2)).cumsum(2)
    xy = (0.4 * (velocity + turns)).cumsum(2) + rng.normal(0, 1.5, (*velocity.shape,))
    xy[:, 0] -= xy[:, 0, 7:8]
    change = np.diff(xy, axis=2, prepend=xy[:, :, :1]) / 0.4
    second = np.diff(change, axis=2, prepend=change[:, :, :1]) / 0.4
    states = np.concatenate([xy, change, second], -1).astype(np.float32)
    history, near = states[:, 0, :8], states[:, 1:, :8] - states[:, :1, 7:8]
    mask = np.ones((count, slots), bool)
    if ragged:
        mask = np.arange(slots) < rng.integers(0, slots + 1, (count, 1))
    zero, none = np.zeros(count, np.int32), np.zeros((count, slots), np.int32)
    return Windows(
        history=history,
        future=states[:, 0, 8:, :2],
        neighbours=near * mask[..., None, None],
        mask=mask,
        kind=zero,
        neighbour_kind=none,
        current=history[:, -1],
        recording=np.arange(count, dtype=np.int32),
        frame=zero,
        agent=zero,
        neighbour_agent=none - ~mask,
    )


def started(config, windows):
    """Parameters as they are before training: time does not depend on them."""
    batch = to_batch(windows)
    init = jax.jit(functools.partial(trajectron.init, config))
    return init(jax.random.key(0), batch).params


def exact(predictor, windows, chunk=None) -> tuple[float, int]:
    """Seconds and coalitions of exact values, `chunk` coalitions per call."""
    began = time.perf_counter()
    found = attribute(predictor, windows, chunk=chunk)
    seconds = time.perf_counter() - began
    return seconds, found.coalitions * len(windows.mask)


def one_by_one(config, params, windows, calls: int, *, compiled=True) -> float:
    """Coalitions per second when the model is called once for each."""
    model = functools.partial(trajectron.apply, config)
    model = jax.jit(model) if compiled else model
    batch = to_batch(select(windows, np.array([0])))
    rng = np.random.default_rng(0)
    began = 0.0
    for i in range(calls + 1):  # the first compiles
        mask = rng.random(batch["mask"].shape) < 0.5
        np.asarray(model(params, batch | {"mask": mask}).mean)
        began = time.perf_counter() if i == 0 else began
    return calls / (time.perf_counter() - began)


def update_time(config, repeat: int) -> float:
    """Median milliseconds of a training update."""
    batch = to_batch(drawn_windows(config.batch, 10, ragged=True))
    batch["weight"] = np.ones(config.batch, np.float32)
    on = parallel.devices("jit")
    init = functools.partial(trajectron.init, config)
    state = parallel.place(on, init, jax.random.key(0), batch)
    step = parallel.compile_step(on, functools.partial(trajectron.train_step, config))
    placed, times = parallel.shard(on, batch), []
    for _ in range(repeat + 1):  # the first compiles
        began = time.perf_counter()
        for _ in range(UPDATES):
            state, metrics = step(state, placed)
        jax.block_until_ready((state, metrics))
        times.append(1e3 * (time.perf_counter() - began) / UPDATES)
    return float(np.median(times[1:]))


def programs(config, scenes=(3, 17, 6, 11)) -> dict[str, int]:
    """Programs compiled for scenes with these most neighbours."""
    on = parallel.devices("jit")
    step = parallel.compile_step(on, functools.partial(trajectron.train_step, config))
    state = None
    coalitions.compiled.cache_clear()
    for seed, slots in enumerate(scenes):
        windows = drawn_windows(config.batch, slots, ragged=True, seed=seed)
        windows = fit_slots(windows, 10)
        batch = to_batch(windows)
        batch["weight"] = np.ones(config.batch, np.float32)
        if state is None:
            init = functools.partial(trajectron.init, config)
            state = parallel.place(on, init, jax.random.key(0), batch)
        state, _ = step(state, parallel.shard(on, batch))
        few = select(windows, slice(16))
        attribute(trajectron.predictor(config, state.params), few)
    on = parallel.local(on)
    functions = trajectron.predictor(config, None)[:3]
    decode = coalitions.compiled(*functions, coalitions.Rules(), on)[1]
    return {"update": _count(step), "decode": _count(decode)}


def _count(function: Any) -> int:
    """Programs that a jitted function has compiled."""
    return function._cache_size()


def measure(count: int, repeat: int, calls=None, config=None) -> dict:
    """Sizes with seconds, coalitions and peak memory; rates; updates; programs.

    Args:
      count: windows of the largest size.
      repeat: timed rounds of updates.
      calls: of the bare model; `SINGLE` if None.
      config: of the model; the compact one if None.
    """
    config = trajectron.Config() if config is None else config
    windows = drawn_windows(count, PLAYERS - 1)
    params = started(config, windows)
    predictor = trajectron.predictor(config, params)
    sizes = _sizes(predictor, windows)
    single = {
        f"bare model, {name}": one_by_one(
            config, params, windows, n, compiled=name == "compiled"
        )
        for name, n in (calls or SINGLE).items()
    }
    return {
        "sizes": sizes,
        "rate": sizes[-1][1] / sizes[-1][2],
        "one_by_one": {"predictor in the game": _one_in_game(predictor, windows)}
        | single,
        "update": {
            name: update_time(config._replace(interaction=name), repeat)
            for name in ("edge", "sum", "none")
        },
        "programs": programs(config),
    }


def _sizes(predictor, windows) -> list[tuple[int, int, float, float]]:
    """Windows, coalitions, seconds and peak memory [GiB] of each share of the windows."""
    count = len(windows.mask)
    parts = [max(1, count // share) for share in SHARES]
    for part in parts[:2]:  # compiles, for the largest, too
        exact(predictor, select(windows, slice(part)))
    sizes = []
    for part in parts:
        seconds, asked = exact(predictor, select(windows, slice(part)))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        sizes.append((part, asked, seconds, peak))
    return sizes


def _one_in_game(predictor, windows) -> float:
    """Coalitions per second when the predictor is called once for each."""
    few = select(windows, slice(2))
    exact(predictor, few, 1)  # compiles
    seconds, asked = exact(predictor, few, 1)
    return asked / seconds


def main(argv):
    """Print a table."""
    del argv
    found = measure(FLAGS.windows, FLAGS.repeat)
    print(f"{origin.device()}; exact values of {PLAYERS} players, compact model")
    for factor, (windows, asked, seconds, peak) in zip(
        (1, 4, 16), found["sizes"], strict=True
    ):
        print(
            f"{factor:3d}x {windows:6,} windows {asked:10,} coalitions "
            f"{seconds:8.2f} s {peak:6.2f} GiB"
        )
    rate = found["rate"]
    print(f"{rate:,.0f} coalitions a second")
    for name, single in found["one_by_one"].items():
        times = f"{rate / single:,.0f} times fewer"
        print(f"one call for each, {name}: {single:,.1f} a second, {times}")
    for name, value in found["update"].items():
        print(f"update, interaction {name:5s} {value:8.1f} ms")
    for name, value in found["programs"].items():
        print(f"programs compiled for ragged scenes, {name:7s} {value}")
    numbers.write(_numbers(found))


def _numbers(found: dict) -> list[numbers.Number]:
    rows = [
        numbers.Number("exact values", seconds, "s", f"{count} windows")
        for count, _, seconds, _ in found["sizes"]
    ]
    rows.append(numbers.Number("coalitions", found["rate"], "1/s"))
    for name, value in found["one_by_one"].items():
        rows.append(numbers.Number(f"coalitions, one call each, {name}", value, "1/s"))
    for name, value in found["update"].items():
        rows.append(numbers.Number(f"update, {name}", value, "ms"))
    return rows


if __name__ == "__main__":
    flags.DEFINE_integer("windows", 1000, "that are attributed", lower_bound=16)
    flags.DEFINE_integer("repeat", 3, "timed rounds of updates", lower_bound=1)
    numbers.define_flags()
    app.run(main)
