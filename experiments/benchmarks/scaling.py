r"""Weak scaling: several processes, each with as much work as one alone has.

  python -m experiments.benchmarks.scaling                     # two processes, ten minutes
  python -m experiments.benchmarks.scaling --processes=4 --mode=jit
  python -m experiments.benchmarks.scaling --only=diva,grda.adversarial

Every process computes with one thread. An update of every stage that trains is timed in one
process, in several that know nothing of each other, and in as many that train together on a
problem as many times larger. Efficiency is the first time over the last: 1 if partners cost
nothing. The second time tells what the machine costs, whose cores share caches and memory.
A partner costs messages: on one machine a sum over processes takes up to 4 ms, however small
it is. So the problems are large enough to be worth a second process, and the mode is pmap,
which sends all gradients in one message; under jit the compiler for processors sends one for
each array (those for GPUs and TPUs merge them).
"""

import functools
import importlib
import json
import math
import os
import pathlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import numpy as np
from absl import app, flags

import iclr22
from experiments import origin, paper
from experiments.benchmarks import numbers
from iclr22 import errors, graph, parallel, types
from iclr22.data import batching

FLAGS = flags.FLAGS
LAUNCHER = pathlib.Path(__file__).parents[2] / "launch" / "local_processes.py"
UPDATES = 5  # in one call
QUICK_SIZE = 32
DEGREE = 256  # edges of a node where edges are divided and nodes are not
USUAL = (256, {})  # of a stage whose method names no problem
CALLS = ((),)
QUICK = ("--quick",)


class Problem(NamedTuple):
    """What a process works on alone."""

    size: int  # examples, or nodes
    wider: Mapping[str, Any]  # fields of the configuration, wider than in an example
    pairs: bool  # work grows with the square of the size


def problem_of(stage: str) -> Problem:
    """As the benchmark of its method says: `SCALING` has examples and wider fields by
    stage, `PAIRS`, where there is one, the stages that compare all pairs of examples."""
    method = stage.partition(".")[0]
    if not paper.has(method, "benchmark"):
        return Problem(*USUAL, pairs=False)
    benchmark = importlib.import_module(f"experiments.{method}.benchmark")
    size, wider = benchmark.SCALING.get(stage, USUAL)
    return Problem(size, wider, stage in getattr(benchmark, "PAIRS", ()))


def prepared(name: str, stage, size: int | None = None):
    """`(config, batch for init, this process's part of the batch)`."""
    usual, (index, count) = problem_of(name), parallel.part()
    own = size or usual.size
    config, whole = stage.example(own, 0)
    config = config._replace(**usual.wider)
    if types.has_rows(stage):
        return config, whole, stage.example(own, index)[1]
    if hasattr(stage, "prepare"):
        whole |= _denser(stage, config, whole["graph"], DEGREE * count)
    else:
        larger = math.sqrt(count) if usual.pairs else count
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
    config, first, own = prepared(name, stage, size)
    on = parallel.devices(mode, types.batch_axes(stage))
    init = functools.partial(stage.init, config)
    state = parallel.place(on, init, jax.random.key(0), first)
    step = functools.partial(stage.train_step, config)
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
            found[name] = update_time(
                name, stages[name], FLAGS.mode, FLAGS.calls, FLAGS.size
            )
        if parallel.is_main():
            result.write_text(json.dumps(found))


def launched(names, processes: int = 1, copies: int = 1) -> dict[str, float]:
    """Milliseconds by stage of so many partners, or the mean of so many loners."""
    words = ["-m", "experiments.benchmarks.scaling", f"--only={','.join(names)}"]
    words += [f"--calls={1 if FLAGS.quick else FLAGS.calls}", f"--mode={FLAGS.mode}"]
    size = FLAGS.size or (QUICK_SIZE if FLAGS.quick else None)
    words += [f"--size={size}"] if size else []
    sizes = [f"--processes={processes}", "--devices=1"]
    environment = os.environ | {"NPROC": "1"}  # threads of a process
    with tempfile.TemporaryDirectory() as folder:
        results = [pathlib.Path(folder) / f"{i}.json" for i in range(copies)]
        running = [
            subprocess.Popen(
                [
                    sys.executable,
                    LAUNCHER,
                    *sizes,
                    f"--logs={result}.logs",
                    "--",
                    sys.executable,
                    *words,
                    f"--result={result}",
                ],
                env=environment,
            )
            for result in results
        ]
        if any([process.wait() for process in running]):
            sys.exit("error: a process failed; its log is above")
        found = [json.loads(result.read_text()) for result in results]
    return {name: float(np.mean([x[name] for x in found])) for name in names}


def main(argv) -> None:
    """Print a table."""
    del argv
    known = sorted(iclr22.trained())
    for name in FLAGS.only:
        if name not in known:
            sys.exit(f"error: {errors.nearest(name, known, 'stage')}")
    names = FLAGS.only or (known[:1] if FLAGS.quick else known)
    if FLAGS.result:
        return measure_here(names, pathlib.Path(FLAGS.result))
    count, cores = FLAGS.processes, os.cpu_count() or 1
    times = launched(names), launched(names, copies=count), launched(names, count)
    print(
        f"{origin.device()}; {FLAGS.mode}; an update in ms, one thread for each process"
    )
    if count > cores:
        print(f"{count} processes share {cores} cores: this is not weak scaling")
    heads = "1 process", f"{count} apart", f"{count} together", "efficiency", "of apart"
    print(f"{'stage':32s}" + "".join(f"{head:>12s}" for head in heads))
    results = []
    for name in names:
        alone, apart, together = (found[name] for found in times)
        ratios = alone / together, apart / together
        values = alone, apart, together, *ratios
        print(f"{name:32s}" + "".join(f"{value:12.2f}" for value in values))
        results += [
            numbers.Number(f"weak scaling{against}, {name}", ratio, "", f"{count}x")
            for against, ratio in zip(("", " against apart"), ratios, strict=True)
        ]
    numbers.write(results)


if __name__ == "__main__":
    flags.DEFINE_bool("quick", False, "one stage, small, to see that it works")
    flags.DEFINE_integer("processes", 2, "that are compared with one", lower_bound=2)
    flags.DEFINE_integer("calls", 5, "that are timed", lower_bound=1)
    flags.DEFINE_integer("size", None, "examples of a process, not the usual ones")
    flags.DEFINE_list("only", [], "these stages")
    flags.DEFINE_enum("mode", "pmap", parallel.MODES, "how a step is compiled")
    flags.DEFINE_string("result", "", "of a process that the launcher started")
    numbers.define_flags()
    app.run(main)
