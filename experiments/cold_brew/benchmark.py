r"""Time of one update of Cold Brew's models, and of finding virtual neighbours.

  python -m experiments.cold_brew.benchmark                    # Cora, bundled
  python -m experiments.cold_brew.benchmark --dataset=facebook --data_dir=FOLDER
  python -m experiments.cold_brew.benchmark --scale            # 20,000 to 320,000 nodes
  python -m experiments.cold_brew.benchmark --scale --data_dir=FOLDER \
      --graphs=facebook,tolokers

Updates run as in training: dropout, Adam, `lax.scan` over ten of them. The PyTorch column
was measured for the released recipe on Cora by us: CPU, one thread, sparse features, a
shared machine; the ratio is to its lower end. `--scale` trains teachers on drawn graphs
(six edges per node, 128 features) or named ones, each in a process of its own, so that
peak memory is its own; data and JAX itself are in it.
"""

import functools
import json
import resource
import subprocess
import sys
import time

import jax
import numpy as np
from absl import app, flags

from experiments import origin
from experiments.benchmarks import numbers
from iclr22 import cold_brew, data, graph, parallel
from iclr22.cold_brew import batches, perceptron, teacher
from iclr22.data import batching

STEPS = 10
TORCH = {  # ms on Cora, from and to
    "gcn": (40, 85),
    "teacher": (43, 76),
    "mlp1": (70, 240),
    "mlp2": (70, 240),
    "top_k": (100, 100),  # less than this
}
SIZES = ["20000", "80000", "320000"]  # nodes of drawn graphs
CALLS = ((), ("--scale",))
QUICK = ("--repeat=1",)
SCALING = {  # stage: nodes or rows of one process, and what is wider than in an example
    "cold_brew.teacher": (16384, {"hidden": 64}),
    "cold_brew.perceptron": (16384, {"width": 512}),
    "cold_brew.graph_mlp": (4096, {"width": 256}),
}
PAIRS = ("cold_brew.graph_mlp",)  # work grows with the square of the batch
FLAGS = flags.FLAGS


def milliseconds(function, repeat: int) -> float:
    """Median time of a call after one that compiles."""
    jax.block_until_ready(function())
    times = []
    for _ in range(repeat):
        began = time.perf_counter()
        jax.block_until_ready(function())
        times.append(1e3 * (time.perf_counter() - began))
    return float(np.median(times))


def update_time(stage, config, whole: batching.Whole, repeat: int) -> float:
    """Milliseconds per update."""
    on = parallel.devices("jit", whole.axes)
    batch = parallel.shard(on, whole(0))
    init = functools.partial(stage.init, config)
    state = parallel.place(on, init, jax.random.key(0), whole(0))
    step = functools.partial(stage.train_step, config)
    step = parallel.compile_step(on, step, steps=STEPS, stacked=False)

    def call():
        nonlocal state
        state, metrics = step(state, batch)
        return metrics

    return milliseconds(call, repeat) / STEPS


def epoch_time(config, training, marks, repeat: int) -> float:
    """Milliseconds per epoch of a graph network."""
    batch = teacher.prepare(
        config, training, devices=jax.device_count(), normalise=False
    )
    batch |= marks
    whole = batching.Whole(batch, teacher.axes(batch))
    return update_time(teacher, config, whole, repeat)


def measure(found: graph.NodeData, name: str, repeat: int) -> dict[str, float]:
    """Milliseconds by what is done."""
    groups = cold_brew.split_by_degree(found.graph)
    split = cold_brew.training_nodes(found, name)
    classes = len(found.class_names)
    x = graph.normalise_rows(found.graph.nodes)
    training = graph.isolate(found.graph, groups.isolation)._replace(nodes=x)
    config = teacher.Config(classes=classes)
    marks = teacher.labels(found.labels, split.train)
    times = {}
    networks = {
        "gcn": config._replace(embeddings="000"),
        "teacher": config,
        "sage": config._replace(embeddings="000", convolution="sage"),
    }
    for variant, network in networks.items():
        times[variant] = epoch_time(network, training, marks, repeat)
    rng = np.random.default_rng(0)
    table = rng.normal(size=(len(found.labels), classes)).astype(np.float32)
    soft = teacher.labels(found.labels, ~groups.isolation, target=table, soft=1.0)
    extra = np.stack([table] * 3, axis=1)
    mlp = perceptron.Config(outputs=classes)
    rows = {
        "mlp": (mlp, batches.row_batch(x, marks)),
        "mlp1": (own := mlp._replace(input_dropout=0.5), batches.row_batch(x, soft)),
        "mlp2": (own, batches.row_batch(x, soft, extra)),
    }
    for variant, (network, whole) in rows.items():
        times[variant] = update_time(perceptron, network, whole, repeat)
    times["top_k"] = milliseconds(
        lambda: cold_brew.discover_neighbors(table, table, 16, "cosine"), repeat
    )
    return times


def one(name: str, repeat: int) -> dict:
    """A teacher on a graph, named or drawn with so many nodes."""
    if name.isdigit():
        rng = np.random.default_rng(0)
        found = data.degree_corrected_sbm(rng, int(name), features=128)
    else:
        found = data.get(name).load(FLAGS.data_dir)
    config = teacher.Config(classes=len(found.class_names))
    training = found.graph._replace(nodes=graph.normalise_rows(found.graph.nodes))
    marks = teacher.labels(found.labels, found.labels >= 0)
    return {
        "nodes": len(found.labels),
        "edges": int(np.sum(found.graph.n_edge)),
        "ms": epoch_time(config, training, marks, repeat),
        "gib": peak(),
    }


def scale(names, repeat: int) -> None:
    """Print a row for every graph, each measured in a process of its own."""
    print("| graph | nodes | directed edges | teacher, ms per epoch | peak, GiB |")
    print("| --- | --- | --- | --- | --- |", flush=True)
    for name in names:
        command = [sys.executable, "-m", "experiments.cold_brew.benchmark"]
        command += [f"--one={name}", f"--repeat={repeat}"]
        command += [f"--data_dir={FLAGS.data_dir}"] if FLAGS.data_dir else []
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            reason = (done.stderr.strip() or f"status {done.returncode}").splitlines()
            print(f"| {name} | failed: {reason[-1][:100]} |", flush=True)
            continue
        row = json.loads(done.stdout.splitlines()[-1])
        kind = "drawn" if name.isdigit() else name
        size = f"{row['nodes']} nodes"
        numbers.write(
            numbers.Number(f"teacher epoch, {kind}, {what}", row[what], unit, size)
            for what, unit in (("ms", "ms"), ("gib", "GiB"))
        )
        print(
            f"| {kind} | {row['nodes']:,} | {row['edges']:,} | {row['ms']:.1f} | "
            f"{row['gib']:.2f} |",
            flush=True,
        )


def peak() -> float:
    """Peak resident memory of this process so far, in GiB."""
    unit = 2**20 if sys.platform != "darwin" else 2**30
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def main(argv) -> None:
    """Print a table in Markdown."""
    del argv
    name, repeat = FLAGS.dataset, FLAGS.repeat
    if FLAGS.one:
        return print(json.dumps(one(FLAGS.one, repeat)))
    if FLAGS.scale:
        return scale(FLAGS.graphs, repeat)
    times = measure(data.get(name).load(FLAGS.data_dir), name, repeat)
    numbers.write(numbers.Number(k, v, "ms", name) for k, v in times.items())
    print(f"| one update, {name} | ms | PyTorch, ms | ratio |")
    print("| --- | --- | --- | --- |")
    for what, value in times.items():
        given = TORCH.get(what) if name == "cora" else None
        text = "" if not given else f"below {given[0]}"
        if given and given[0] < given[1]:
            text = f"{given[0]}-{given[1]}"
        ratio = f"{given[0] / value:.1f}x" if given else ""
        print(f"| {what} | {value:.2f} | {text} | {ratio} |")
    print(f"\npeak memory {peak():.2f} GiB, {origin.device()}")


if __name__ == "__main__":
    flags.DEFINE_string("dataset", "cora", "registered graph")
    flags.DEFINE_string("data_dir", None, "folder of data files")
    flags.DEFINE_integer("repeat", 10, "timed calls of ten updates each")
    flags.DEFINE_bool("scale", False, "teachers on larger graphs instead")
    flags.DEFINE_list("graphs", SIZES, "for --scale: nodes of drawn ones, or names")
    numbers.define_flags()
    flags.DEFINE_string("one", "", "internal: measure one of them here")
    app.run(main)
