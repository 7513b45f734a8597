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

from experiments import origin
from experiments.benchmarks import numbers
from iclr22 import data, parallel, types
from iclr22.data.domains import DomainData
from iclr22.grda import adversarial, batches, embedding, pipeline, plus

CALLS = ((),)  # arguments of a full run
QUICK = ("--hidden=64", "--repeat=1")  # and of a quick one
# For `experiments.benchmarks.scaling`: examples of one process, and wider fields.
SCALING = {
    "grda.adversarial": (1024, {"hidden": 256}),
    "grda.plus": (16384, {"features": 256}),
}
UPDATES = 20  # per timed round
TORCH = {"dg15 grda": 94.0}  # ms
TORCH_HIDDEN = 512  # the width that was measured
SLOTS, PLUS_SLOTS = 10, 16  # samples of every domain, as released and as of GRDA+
FLAGS = flags.FLAGS


def update_time(stage: types.Method, config, source, repeat: int) -> float:
    """Median milliseconds per update."""
    on = parallel.devices("jit", types.batch_axes(stage))
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
        metrics = None
        began = time.perf_counter()
        for _ in range(UPDATES // scan):
            state, metrics = step(state, batch)
        jax.block_until_ready((state, metrics))
        times.append(1e3 * (time.perf_counter() - began) / UPDATES)
    return float(np.median(times[1:]))


def measure(name: str, found: DomainData, hidden: int, repeat: int) -> dict[str, float]:
    """Milliseconds by data set and method."""
    x = (found.x - found.x.mean(0)) / found.x.std(0)
    found = found._replace(x=x.astype(np.float32))
    z = embedding.fit_embedding(found.graph, 2, restarts=1)
    graph = found.graph._replace(nodes=z)
    source = batches.make(found, graph, SLOTS, devices=jax.device_count())
    released = adversarial.Config(hidden=hidden, start="normal")
    played = {
        "source_only": released._replace(adversary="none"),
        "grda": released._replace(adversary="graph"),
        "dann": released._replace(adversary="dann"),
    }
    times = {
        f"{name} {method}": update_time(adversarial, config, source, repeat)
        for method, config in played.items()
    }
    graph = found.graph._replace(nodes=np.eye(found.size, dtype=np.float32))
    source = batches.make(found, graph, PLUS_SLOTS, devices=jax.device_count())
    times[f"{name} grda_plus"] = update_time(plus, plus.Config(warm=0), source, repeat)
    return times


def main(argv) -> None:
    """Print a table."""
    del argv
    dg15 = data.get("dg15").load(None)
    drawn = data.generate_domains(np.random.default_rng(0), 60, kind="dg60")
    times = measure("dg15", dg15, FLAGS.hidden, FLAGS.repeat)
    times |= measure("60 domains", drawn, FLAGS.hidden, FLAGS.repeat)
    size = f"{FLAGS.hidden} wide"
    numbers.write(
        numbers.Number(what=name, value=value, unit="ms", size=size)
        for name, value in times.items()
    )
    print(f"{origin.device()}, {size}, ms per update")
    for name, value in times.items():
        beside = ""
        if name in TORCH and FLAGS.hidden == TORCH_HIDDEN:
            torch = TORCH[name]
            beside = f"   PyTorch {torch:.0f}, {torch / value:.1f} times"
        print(f"{name:24s} {value:8.2f}{beside}")


if __name__ == "__main__":
    flags.DEFINE_integer("hidden", TORCH_HIDDEN, "width of encodings")
    flags.DEFINE_integer("repeat", 5, "timed rounds of twenty updates", lower_bound=1)
    numbers.define_flags()
    app.run(main)
