r"""Weak scaling: several processes, each with as much work as one alone has.

  python -m experiments.benchmarks.scaling                     # two processes, some minutes
  python -m experiments.benchmarks.scaling --processes=4 --only=diva,grda.game

Every process is kept to one core. An update of every stage that trains is timed in one
process, then in all of them, on a batch (or a graph) that is as many times larger. Efficiency
is the first time over the second: 1 if partners cost nothing.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import jax
import numpy as np
from absl import app, flags

import iclr22
from experiments import run as runner
from experiments.benchmarks import numbers
from iclr22 import errors, parallel, types
from iclr22.data import batching

FLAGS = flags.FLAGS
LAUNCHER = pathlib.Path(__file__).parents[2] / "launch" / "local_processes.py"
UPDATES = 10  # in one call
_COMPACT = {"modes": 5, "decoder": 64, "hidden": 32, "attention": 32}
PROBLEMS = {  # examples, or nodes, of one process; and what is wider than in an example
    "cold_brew.teacher": (8192, {"hidden": 64}),
    "cold_brew.perceptron": (2048, {"width": 512}),
    "cold_brew.graph_mlp": (1024, {"width": 256}),
    "diva": (256, {"width": 64}),
    "grda.game": (512, {"hidden": 256}),
    "grda.plus": (512, {"features": 256}),
    "recurrent_intensity.sequence": (512, {"width": 128}),
    "recurrent_intensity.bpr": (65536, {"factors": 32}),
    "recurrent_intensity.graph_conv": (65536, {"factors": 32}),
    "trajectory_shapley.trajectron": (256, _COMPACT),
    "trajectory_shapley.pecnet": (512, {"shrink": 4, "code": 16, "latent": 16}),
}


def trained() -> dict:
    """Stages with a training step, by name."""
    found = {}
    for method in iclr22.available():
        for name, stage in iclr22.stages(method).items():
            if "train_step" in types.parts(stage):
                found[name] = stage
    return found


def problem(name: str, stage, size: int | None = None):
    """`(config, batch for init, this process's part of the batch)`."""
    own, wider = PROBLEMS.get(name, (256, {}))
    own, (index, count) = size or own, parallel.part()
    config, first = stage.example(own, 0)
    axes = getattr(stage, "BATCH_AXES", 0)
    if axes == 0 and not hasattr(stage, "pad"):
        return config._replace(**wider), first, stage.example(own, index)[1]
    whole = stage.example(own * count, 0)[1]  # the graph grows
    return config._replace(**wider), whole, batching.Whole(whole, axes)(0)


def update_time(name: str, stage, calls: int, size: int | None = None) -> float:
    """Median milliseconds of an update, over calls of several."""
    config, first, own = problem(name, stage, size)
    on = parallel.devices("jit", getattr(stage, "BATCH_AXES", 0))
    state = parallel.place(
        on, lambda key, batch: stage.init(config, key, batch), jax.random.key(0), first
    )
    step = lambda state, batch, axis_name=None: stage.train_step(  # noqa: E731
        config, state, batch, axis_name=axis_name
    )
    step = parallel.compile_step(on, step, steps=UPDATES, stacked=False)
    batch, times = parallel.shard(on, own), []
    for _ in range(calls + 1):  # the first compiles
        parallel.barrier("update")
        began = time.perf_counter()
        state, metrics = jax.block_until_ready(step(state, batch))
        times.append(1e3 * (time.perf_counter() - began) / UPDATES)
    return float(np.median(times[1:]))


def measure_here(names, calls: int, size: int | None, result: pathlib.Path) -> None:
    """What each process does: all stages in turn; the first writes the times."""
    with parallel.joined("COORDINATOR_ADDRESS" in os.environ):
        stages, found = trained(), {}
        for name in names:
            found[name] = update_time(name, stages[name], calls, size)
        if parallel.is_main():
            result.write_text(json.dumps(found))


def keep_to_a_core() -> None:
    """This process to the core of its number, before JAX starts its threads."""
    if not hasattr(os, "sched_setaffinity"):
        return
    cores = sorted(os.sched_getaffinity(0))
    index = int(os.environ.get("PROCESS_ID", 0))
    os.sched_setaffinity(0, {cores[index % len(cores)]})


def launched(count: int, names, folder: pathlib.Path) -> dict[str, float]:
    """Milliseconds by stage of so many processes, with the launcher."""
    result = folder / f"{count}.json"
    sizes = [f"--processes={count}", "--devices=1", f"--logs={folder / str(count)}"]
    words = ["-m", "experiments.benchmarks.scaling", f"--result={result}"]
    words += [f"--only={','.join(names)}", f"--calls={FLAGS.calls}"]
    words += [f"--size={FLAGS.size}"] if FLAGS.size else []
    command = [sys.executable, LAUNCHER, *sizes, "--", sys.executable, *words]
    subprocess.run(command, check=True)
    return json.loads(result.read_text())


def main(argv) -> None:
    """Print a table."""
    del argv
    known = sorted(trained())
    for name in FLAGS.only:
        if name not in known:
            raise errors.nearest(name, known, "stage")
    names = FLAGS.only or known
    if FLAGS.result:
        keep_to_a_core()
        return measure_here(names, FLAGS.calls, FLAGS.size, pathlib.Path(FLAGS.result))
    count, cores = FLAGS.processes, os.cpu_count()
    with tempfile.TemporaryDirectory() as folder:
        alone, together = (launched(n, names, pathlib.Path(folder)) for n in (1, count))
    print(f"{runner.device()}; an update in ms, one core for each process")
    if count > cores:
        print(f"{count} processes share {cores} cores: this is not weak scaling")
    print(f"{'stage':32s} {'1 process':>10s} {f'{count} processes':>12s} efficiency")
    for name in names:
        efficiency = alone[name] / together[name]
        print(
            f"{name:32s} {alone[name]:10.2f} {together[name]:12.2f} {efficiency:10.2f}"
        )
    numbers.write(
        numbers.Number(
            f"weak scaling, {name}", alone[name] / together[name], "", f"{count}x"
        )
        for name in names
    )
    return None


if __name__ == "__main__":
    flags.DEFINE_integer("processes", 2, "that are compared with one", lower_bound=2)
    flags.DEFINE_integer("calls", 5, "that are timed", lower_bound=1)
    flags.DEFINE_integer("size", None, "examples of a process, not the usual ones")
    flags.DEFINE_list("only", [], "these stages")
    flags.DEFINE_string("result", "", "of a process that the launcher started")
    numbers.define_flags()
    app.run(main)
