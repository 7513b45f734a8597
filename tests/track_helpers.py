"""Tracks of agents that walk at random, and windows of them, for several tests."""

import functools

import jax
import numpy as np

from iclr22.data.tracks import Tracks
from iclr22.trajectory_shapley import windows as window_lib

TIME, HORIZON = 4, 3


def tracks(recordings=2, agents=6, frames=14, shift=0.0, seed=0):
    """Random walks on a grid of 1/64 m; some agents come later."""
    rng = np.random.default_rng(seed)
    rows = []
    for r in range(recordings):
        for a in range(agents):
            first = rng.integers(0, 4) if a % 2 else 0
            steps = rng.integers(-32, 33, (frames, 2)).cumsum(0) / 64
            place = rng.integers(-64, 65, 2) / 64
            rows += [(r, a, f, *(place + steps[f])) for f in range(first, frames)]
    r, a, f, x, y = np.array(rows).T
    xy = np.stack([x, y], 1).astype(np.float32) + np.float32(shift)
    integers = (column.astype(np.int32) for column in (r, a, f))
    kind = (a % 2).astype(np.int32)
    names = tuple(f"scene {i}" for i in range(recordings))
    return Tracks(*integers, xy, kind, names, ("walker", "biker"), 0.5, 2.0)


@functools.cache
def some_windows(count=12, slots=5, shift=0.0):
    found = window_lib.build_windows(
        tracks(shift=shift), history=TIME, horizon=HORIZON, neighbours=slots
    )
    return window_lib.select(found, slice(0, None, max(1, len(found.mask) // count)))


def random_params(stage, config, batch):
    """Parameters of a stage without compiling anything."""
    init = functools.partial(stage.init, config)
    shapes = jax.eval_shape(init, jax.random.key(0), batch).params
    rng = np.random.default_rng(0)
    return jax.tree.map(lambda x: np.float32(rng.normal(0, 0.1, x.shape)), shapes)
