r"""Weak scaling: several processes, each with as much work as one alone has.

  python -m experiments.benchmarks.scaling                     # two processes, some minutes
  python -m experiments.benchmarks.scaling --processes=4 --only=diva,grda.game --mode=jit

Every process computes with one thread. An update of every stage that trains is timed in one
process, then in all of them, on a problem that is as many times larger. Efficiency is the
first time over the second: 1 if partners cost nothing. A partner costs messages: on the
processors of one machine a sum over processes takes up to 4 ms, however small it is. So the
problems are large enough to be worth a second process, and the mode is pmap, which sends
all gradients in one message; under jit the compiler for processors sends one for each array
(those for GPUs and TPUs merge them).
"""

import json
import math
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
from iclr22 import errors, graph, parallel, types
from iclr22.data import batching

FLAGS = flags.FLAGS
LAUNCHER = pathlib.Path(__file__).parents[2] / "launch" / "local_processes.py"
UPDATES = 5  # in one call
_COMPACT = {"modes": 5, "decoder": 64, "hidden": 32, "attention": 32}
PROBLEMS = {  # examples, or nodes, of one process; and what is wider than in an example
    "cold_brew.teacher": (16384, {"hidden": 64}),
    "cold_brew.perceptron": (16384, {"width": 512}),
    "cold_brew.graph_mlp": (4096, {"width": 256}),
    "diva": (8192, {"width": 64}),
    "grda.game": (512, {"hidden": 256}),
    "grda.plus": (16384, {"features": 256}),
    "recurrent_intensity.sequence": (2048, {"width": 128}),
    "recurrent_intensity.bpr": (524288, {"factors": 32}),
    "recurrent_intensity.graph_conv": (524288, {"factors": 32}),
    "trajectory_shapley.trajectron": (4096, _COMPACT),
    "trajectory_shapley.pecnet": (8192, {"shrink": 4, "code": 16, "latent": 16}),
}
PAIRS = ("cold_brew.graph_mlp",)  # work grows with the square of the batch
DEGREE = 256  # edges of a node where edges are divided and nodes are not


def problem(name: str, stage, size: int | None = None):
    """`(config, batch for init, this process's part of the batch)`."""
    own, wider = PROBLEMS.get(name, (256, {}))
    own, (index, count) = size or own, parallel.part()
    config, whole = stage.example(own, 0)
    config = config._replace(**wider)
    if types.has_rows(stage):
        return config, whole, stage.example(own, index)[1]
    if hasattr(stage, "prepare"):
        whole |= _denser(stage, config, whole["graph"], DEGREE * count)
    else:
        larger = math.sqrt(count) if name in PAIRS else count
        whole = stage.example(count * round(own * larger / count), 0)[1]
    return config, whole, batching.Whole(whole, types.batch_axes(stage))(0)


def _denser(stage, config, data, degree):
    """A graph of the same nodes with so many edges for each."""
    rng, n = np.random.default_rng(0), graph.size(data.nodes)
    senders = np.arange(n).repeat(min(degree, n // 4))
    data = graph.build(data.nodes, senders, rng.integers(0, n, len(senders)))
    return stage.prepare(config, data, devices=jax.device_count(), normalise=False)


def update_time(name: str, stage, mode: str, calls: int, size=None) -> float:
    """Median milliseconds of an update, over calls of several."""
    config, first, own = problem(name, stage, size)
    on = parallel.devices(mode, types.batch_axes(stage))
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


def measure_here(names, result: pathlib.Path) -> None:
    """What each process does: all stages in turn; the first writes the times."""
    with parallel.joined("COORDINATOR_ADDRESS" in os.environ):
        stages, found = iclr22.trained(), {}
        for name in names:
            sizes = FLAGS.mode, FLAGS.calls, FLAGS.size
            found[name] = update_time(name, stages[name], *sizes)
        if parallel.is_main():
            result.write_text(json.dumps(found))


def launched(count: int, names, folder: pathlib.Path) -> dict[str, float]:
    """Milliseconds by stage of so many processes, with the launcher."""
    result = folder / f"{count}.json"
    sizes = [f"--processes={count}", "--devices=1", f"--logs={folder / str(count)}"]
    words = ["-m", "experiments.benchmarks.scaling", f"--result={result}"]
    words += [f"--only={','.join(names)}", f"--calls={FLAGS.calls}"]
    words += [f"--mode={FLAGS.mode}"]
    words += [f"--size={FLAGS.size}"] if FLAGS.size else []
    command = [sys.executable, LAUNCHER, *sizes, "--", sys.executable, *words]
    subprocess.run(command, check=True, env=os.environ | {"NPROC": "1"})  # threads
    return json.loads(result.read_text())


def main(argv) -> None:
    """Print a table."""
    del argv
    known = sorted(iclr22.trained())
    for name in FLAGS.only:
        if name not in known:
            raise errors.nearest(name, known, "stage")
    names = FLAGS.only or known
    if FLAGS.result:
        return measure_here(names, pathlib.Path(FLAGS.result))
    count, cores = FLAGS.processes, os.cpu_count()
    with tempfile.TemporaryDirectory() as folder:
        alone, together = (launched(n, names, pathlib.Path(folder)) for n in (1, count))
    print(
        f"{runner.device()}; {FLAGS.mode}; an update in ms, one thread for each process"
    )
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
    flags.DEFINE_enum("mode", "pmap", parallel.MODES, "how a step is compiled")
    flags.DEFINE_string("result", "", "of a process that the launcher started")
    numbers.define_flags()
    app.run(main)
