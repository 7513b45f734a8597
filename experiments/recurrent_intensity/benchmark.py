r"""Time and memory of recurrent intensity modeling.

  python -m experiments.recurrent_intensity.benchmark             # some minutes
  python -m experiments.recurrent_intensity.benchmark --scale=0.01

An epoch of both networks on a drawn log of the shape of MovieLens-100K (943 users, 1,682
items, 40,000 training events, as released: 128 wide, two layers), prices for 472 x 1,556
pairs, a Hawkes fit of a million events, audiences of 100 users for 10,000 items out of
100,000 users. Beside it what we measured for the released code: seconds of one CPU thread.
"""

import functools
import resource
import time
from typing import Literal

import jax
import numpy as np
from absl import app, flags

from experiments import origin
from experiments.benchmarks import numbers
from iclr22 import parallel
from iclr22.data import batching
from iclr22.recurrent_intensity import dual, hawkes, moments, ranking, scores, sequence

CALLS = ((),)  # arguments of a full run
QUICK = ("--scale=0.01", "--repeat=1")
SCALING = {  # stage: examples of one process, and what is wider than in an example
    "recurrent_intensity.sequence": (2048, {"width": 128}),
    "recurrent_intensity.bpr": (524288, {"factors": 32}),
    "recurrent_intensity.graph_conv": (524288, {"factors": 32}),
}
RELEASED = {"gru epoch": 10.0, "transformer epoch": 11.5, "online prices": 20.0}
FLAGS = flags.FLAGS


def timed(work, repeat: int) -> tuple[float, float]:
    """Median wall and processor seconds after a first run, which compiles."""
    times = []
    for _ in range(repeat + 1):
        began, busy = time.perf_counter(), time.process_time()
        work()
        times.append((time.perf_counter() - began, time.process_time() - busy))
    return tuple(np.median(times[1:], axis=0))


def epoch(network: Literal["gru", "transformer"], scale: float, repeat: int):
    """An epoch of training on histories as long as those of MovieLens-100K."""
    rng = np.random.default_rng(0)
    users, items = max(8, round(754 * scale)), max(8, round(1682 * scale))
    lengths = np.clip(rng.lognormal(3.2, 1.0, users).astype(int) + 2, 2, 256)
    tokens = np.zeros((users, 257), np.int32)
    for row, n in zip(tokens, lengths, strict=True):
        row[1 : n + 1] = rng.integers(1, items + 1, n)
    config = sequence.Config(network, tokens=items + 1)
    arrays = {"tokens": tokens, "weight": lengths.astype(np.float32)}
    batches = batching.make(arrays, config.batch, devices=jax.device_count())
    on = parallel.devices("jit")
    init = functools.partial(sequence.init, config)
    held = [parallel.place(on, init, jax.random.key(0), batches(0))]
    step = parallel.compile_step(on, functools.partial(sequence.train_step, config))

    def work():
        for i in range(batches.per_epoch):
            batch = parallel.shard(on, sequence.by_length(batches(i)))
            held[0], metrics = step(held[0], batch)
        jax.block_until_ready(metrics)

    return timed(work, repeat)


def drawn_scores(x: int, y: int, d: int = 128) -> scores.Scores:
    """Softmax scores times a spread activity."""
    rng = np.random.default_rng(1)
    rows, columns = (rng.normal(size=(n, d)).astype(np.float32) for n in (x, y))
    rate = rng.lognormal(0, 1, x).astype(np.float32)
    return scores.Scores(
        rows=0.2 * rows,
        columns=columns,
        row_bias=np.full(x, -np.log(y), np.float32),
        column_bias=np.zeros(y, np.float32),
        rate=rate,
        link="exp",
    )


def prices(scale: float, repeat: int):
    """100 epochs of online prices."""
    x, y = (max(8, round(n * scale)) for n in (472, 1556))
    given, key = drawn_scores(x, y), jax.random.key(0)
    k, c = max(1, y // 100), max(1, x // 100)
    return timed(lambda: dual.online_prices(given, k=k, c=c, key=key), repeat)


def hawkes_fit(scale: float, repeat: int):
    """Moments and exact fit of a million events of 18,000 users."""
    rng = np.random.default_rng(2)
    users = max(2, round(18_000 * scale))
    lengths = 1 + rng.multinomial(round(1e6 * scale), rng.dirichlet(np.ones(users)))
    row = np.repeat(np.arange(users), lengths)
    times = rng.uniform(0, 100, len(row))
    times = times[np.lexsort((times, row))]
    indptr, end = np.append(0, np.cumsum(lengths)), np.full(users, 100.0)
    return timed(
        lambda: hawkes.minimise(moments.hawkes_moments(times, indptr, end, 1.0)), repeat
    )


def audiences(scale: float, repeat: int):
    """The best hundred of 100,000 user states for each of 10,000 items."""
    x, y = max(128, round(100_000 * scale)), max(8, round(10_000 * scale))
    given = drawn_scores(x, y)
    return timed(lambda: jax.block_until_ready(ranking.top_users(given, 100)), repeat)


def measure(scale: float, repeat: int) -> dict[str, tuple[float, float]]:
    """Wall and processor seconds by name."""
    return {
        "gru epoch": epoch("gru", scale, repeat),
        "transformer epoch": epoch("transformer", scale, repeat),
        "online prices": prices(scale, repeat),
        "hawkes fit": hawkes_fit(scale, 1),
        "audiences": audiences(scale, 1),
    }


def main(argv):
    """Print a table."""
    del argv
    times = measure(FLAGS.scale, FLAGS.repeat)
    print(f"{origin.device()}, sizes times {FLAGS.scale:g}; seconds: wall, processor")
    for name, (wall, busy) in times.items():
        released = RELEASED.get(name) if FLAGS.scale == 1 else None
        beside = (
            f"   released {released:g}, {released / busy:.1f} times" if released else ""
        )
        print(f"{name:20s} {wall:8.2f} {busy:8.2f}{beside}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    size = f"sizes times {FLAGS.scale:g}"
    numbers.write(numbers.Number(k, wall, "s", size) for k, (wall, _) in times.items())
    print(f"peak memory {peak:.2f} GiB")


if __name__ == "__main__":
    flags.DEFINE_float("scale", 1.0, "of all sizes", lower_bound=1e-4)
    flags.DEFINE_integer("repeat", 3, "timed runs", lower_bound=1)
    numbers.define_flags()
    app.run(main)
