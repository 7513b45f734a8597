"""Time of one update of Cold Brew's models, and of finding virtual neighbours.

  python -m experiments.benchmarks.cold_brew                    # Cora, bundled
  python -m experiments.benchmarks.cold_brew --dataset=facebook --data_dir=FOLDER

Updates run as in training: dropout, Adam, `lax.scan` over ten of them. The PyTorch column
was measured for the released recipe on Cora by us: CPU, one thread, sparse features, a
shared machine; the lower end is given, and our ratio to it.
"""

import functools
import resource
import time

import jax
import numpy as np
from absl import app, flags

from iclr22 import cold_brew, data, graph, parallel
from iclr22.cold_brew import perceptron, pipeline, teacher
from iclr22.data import batching

STEPS = 10
TORCH = {"gcn": 40, "teacher": 43, "mlp1": 70, "mlp2": 70, "top_k": 100}  # ms, Cora


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
        batch = teacher.prepare(
            network, training, devices=jax.device_count(), normalise=False
        )
        batch |= marks
        whole = batching.Whole(batch, teacher.axes(batch))
        times[variant] = update_time(teacher, network, whole, repeat)
    rng = np.random.default_rng(0)
    table = rng.normal(size=(len(found.labels), classes)).astype(np.float32)
    soft = teacher.labels(found.labels, ~groups.isolation, target=table, soft=1.0)
    extra = np.stack([table] * 3, axis=1)
    mlp = perceptron.Config(outputs=classes, input_dropout=0.5)
    batches = {
        "mlp": pipeline.row_batch(x, marks),
        "mlp1": pipeline.row_batch(x, soft),
        "mlp2": pipeline.row_batch(x, soft, extra),
    }
    for variant, whole in batches.items():
        times[variant] = update_time(perceptron, mlp, whole, repeat)
    times["top_k"] = milliseconds(
        lambda: cold_brew.discover_neighbors(table, table, 16, "cosine"), repeat
    )
    return times


def main(argv) -> None:
    """Print a table in Markdown."""
    del argv
    name, repeat = flags.FLAGS.dataset, flags.FLAGS.repeat
    times = measure(data.get(name).load(flags.FLAGS.data_dir), name, repeat)
    print(
        f"| one update, {name} | ms | PyTorch, ms | ratio |\n| --- | --- | --- | --- |"
    )
    for what, value in times.items():
        other = TORCH.get(what) if name == "cora" else None
        ratio = f"{other / value:.0f}x" if other else ""
        print(f"| {what} | {value:.2f} | {other or ''} | {ratio} |")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"\npeak memory {peak:.2f} GiB, {jax.default_backend()}")


if __name__ == "__main__":
    flags.DEFINE_string("dataset", "cora", "registered graph")
    flags.DEFINE_string("data_dir", None, "folder of data files")
    flags.DEFINE_integer("repeat", 10, "timed calls of ten updates each")
    app.run(main)
