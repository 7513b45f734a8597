"""Updates of a stage as training makes them, and what they cost, for benchmarks."""

import functools
import time
from typing import Any

import jax
import numpy as np

from iclr22 import parallel


def started(stage, config, batches: list, scan: int = 1):
    """`(step, state, placed batch)` of a compiled step of so many updates."""
    on = parallel.devices("jit")
    init = functools.partial(stage.init, config)
    state = parallel.place(on, init, jax.random.key(0), batches[0])
    step = functools.partial(stage.train_step, config)
    step = parallel.compile_step(on, step, steps=scan)
    stacked = jax.tree.map(lambda *x: np.stack(x), *batches)
    batch = stacked if scan > 1 else batches[0]
    return step, state, parallel.shard(on, batch, stacked=scan > 1)


def timed(step, state, batch, repeat: int) -> tuple[float, list[float], Any]:
    """Processor seconds of a first call, which compiles, and of `repeat` more, and the last
    state."""
    found = []
    for _ in range(repeat + 1):
        began = time.process_time()
        state, _ = jax.block_until_ready(step(state, batch))
        found.append(time.process_time() - began)
    return found[0], found[1:], state
