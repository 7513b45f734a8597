r"""Time of one GRDA update.

  python -m experiments.grda.benchmark                  # DG-15 and 60 drawn domains
  python -m experiments.grda.benchmark --hidden=64

Updates run as in training (wide networks one by one, narrow ones in a `lax.scan`), all
pairs of domains in one product. The PyTorch column was measured by us for the released
recipe on DG-15 with a vectorised pair loss: CPU, one thread, 512 wide, ten samples of each
domain.
"""

import functools
import time

import jax
import numpy as np
from absl import app, flags

from experiments import run as runner
from experiments.benchmarks import numbers
from iclr22 import data, parallel
from iclr22.grda import adversarial as game
from iclr22.grda import batches, embedding, pipeline, plus

UPDATES = 20  # per timed round
TORCH = {"dg15 grda": 94.0}  # ms
FLAGS = flags.FLAGS


def update_time(stage, config, source, repeat: int) -> float:
    """Median milliseconds per update."""
    on = parallel.devices("jit", stage.BATCH_AXES)
    scan = pipeline.scan_of(config)
    drawn = [source(step) for step in range(scan)]
    stacked = jax.tree.map(lambda *x: np.stack(x), *drawn) if scan > 1 else drawn[0]
    state = parallel.place(
        on, functools.partial(stage.init, config), jax.random.key(0), drawn[0]
    )
    step = functools.partial(stage.train_step, config)
    step = parallel.compile_step(on, step, steps=scan)
    batch = parallel.shard(on, stacked, stacked=scan > 1)
    times = []
    for _ in range(repeat + 1):  # the first compiles
        began = time.perf_counter()
        for _ in range(UPDATES // scan):
            state, metrics = step(state, batch)
        jax.block_until_ready((state, metrics))
        times.append(1e3 * (time.perf_counter() - began) / UPDATES)
    return float(np.median(times[1:]))


def measure(name: str, found, hidden: int, repeat: int) -> dict[str, float]:
    """Milliseconds by data set and method."""
    x = (found.x - found.x.mean(0)) / found.x.std(0)
    found = found._replace(x=x.astype(np.float32))
    z = embedding.fit_embedding(found.graph, 2, restarts=1)
    graphs = {
        "game": found.graph._replace(nodes=z),
        "plus": found.graph._replace(nodes=np.eye(found.size, dtype=np.float32)),
    }
    times, count = {}, jax.device_count()
    for adversary, label in (
        ("none", "source_only"),
        ("graph", "grda"),
        ("dann", "dann"),
    ):
        config = game.Config(adversary=adversary, hidden=hidden, start="normal")
        source = batches.make(found, graphs["game"], 10, devices=count)
        times[f"{name} {label}"] = update_time(game, config, source, repeat)
    source = batches.make(found, graphs["plus"], 16, devices=count)
    config = plus.Config(warm=0)
    times[f"{name} grda_plus"] = update_time(plus, config, source, repeat)
    return times


def main(argv):
    """Print a table."""
    del argv
    drawn = data.generate_domains(np.random.default_rng(0), 60, kind="dg60")
    times = measure("dg15", data.get("dg15").load(), FLAGS.hidden, FLAGS.repeat)
    times |= measure("60 domains", drawn, FLAGS.hidden, FLAGS.repeat)
    size = f"{FLAGS.hidden} wide"
    numbers.write(numbers.Number(k, v, "ms", size) for k, v in times.items())
    print(f"{runner.device()}, {FLAGS.hidden} wide, ms per update")
    for name, value in times.items():
        torch = TORCH.get(name) if FLAGS.hidden == 512 else None
        beside = f"   PyTorch {torch:.0f}, {torch / value:.1f} times" if torch else ""
        print(f"{name:24s} {value:8.2f}{beside}")


if __name__ == "__main__":
    flags.DEFINE_integer("hidden", 512, "width of encodings")
    flags.DEFINE_integer("repeat", 5, "timed rounds of twenty updates", lower_bound=1)
    numbers.define_flags()
    app.run(main)
