r"""Time and memory of GIANT-XRT.

  python -m experiments.giant_xrt.benchmark               # ten minutes
  python -m experiments.giant_xrt.benchmark --noscales
  python -m experiments.giant_xrt.benchmark --pecos=OTHER/bin/python

Processor time, which others on the machine change little, on one core: the engine (tree over
20,000 labels, XR-Linear, prediction) beside libpecos, where an interpreter that has it is
named; one update of a round, of a bag of tokens and of an encoder as large as a MiniLM of
three layers, beside PyTorch where it is installed. Then 1x, 4x and 16x nodes of a generated
graph, each in a process of its own with its peak memory, and the exponents of growth.
"""

import importlib
import importlib.util
import json
import os
import pathlib
import subprocess
import tempfile
import time

import numpy as np
from absl import app, flags
from scipy import sparse

from experiments import updates
from experiments.benchmarks import message_passing, numbers
from experiments.giant_xrt import peer as pecos
from iclr22 import graph
from iclr22.data.text_graphs import simulated
from iclr22.giant_xrt import (
    encoding,
    fitting,
    linear,
    matcher,
    rounds,
    rows,
    tfidf,
    tree,
)
from iclr22.giant_xrt.pifa import pifa
from iclr22.nn import bert

MODULE = "experiments.giant_xrt.benchmark"
CALLS = ((),)  # arguments of a full run
QUICK = ("--quick", "--repeat=1")
SCALING = {  # stage: examples of one process, and what is wider than in an example
    "giant_xrt.matcher": (256, {}),
    "giant_xrt.link": (256, {}),
    "giant_xrt.downstream.classifier": (256, {"width": 256}),
}
SIZES = (18_000, 20_000, 30_000, 2_000)  # instances, labels, features, for prediction
SMALL = (400, 600, 900, 50)
NODES = 2000  # at 1x
FLAGS = flags.FLAGS


def engine_data(sizes, seed: int = 0):
    """Features, labels, and features for prediction: instances have three labels of one of
    200 clusters, of each 12 of its 30 features, 20 of which are those of the cluster."""
    instances, labels, width, test = sizes
    random = np.random.RandomState(seed)
    clusters = min(200, labels // 3)
    prototypes = random.randint(0, width, (clusters, 60))
    cluster = np.arange(labels) % clusters
    shared = prototypes[cluster[:, None], random.randint(0, 60, (labels, 20))]
    own = np.hstack([shared, random.randint(0, width, (labels, 10))])
    groups = [np.flatnonzero(cluster == c) for c in range(clusters)]
    total = instances + test
    chosen = np.stack(
        [random.choice(groups[c], 3) for c in random.randint(0, clusters, total)]
    )
    place = random.randint(0, 30, (total, 3, 12))
    columns = own[chosen[:, :, None], place].reshape(total, -1)
    x = _binary(columns, width)
    x.data[:] = 1
    x = rows.unit(x).astype(np.float32)
    return x[:instances], _binary(chosen, labels)[:instances], x[instances:]


def _binary(columns, width: int):
    row = np.repeat(np.arange(len(columns)), columns.shape[1])
    ones = np.ones(columns.size, np.float32)
    found = sparse.csr_matrix((ones, (row, columns.ravel())), (len(columns), width))
    found.sum_duplicates()
    found.data[:] = 1
    return found


def engine_times(x, y, test) -> dict[str, float]:
    """Processor seconds of the tree, of training and of prediction."""
    began = time.process_time()
    planted = tree.build_tree(pifa(y, x), leaf=pecos.LEAF, splits=pecos.SPLITS)
    built = time.process_time()
    model = linear.fit_linear(x, y, planted)
    trained = time.process_time()
    linear.predict(model, test, beam=pecos.BEAM, k=pecos.K)
    return {
        "tree": built - began,
        "training": trained - built,
        "prediction": time.process_time() - trained,
    }


def pecos_times(python: str, x, y, test) -> dict[str, float]:
    """The same by libpecos, with another interpreter."""
    arrays = {}
    for name, matrix in (("x", x), ("y", y), ("test", test)):
        for part in ("data", "indices", "indptr", "shape"):
            arrays[f"{name}_{part}"] = np.asarray(getattr(matrix, part))
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "data.npz"
        np.savez(path, **arrays)
        words = [python, pecos.__file__, str(path)]
        alone = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": ""}
        done = subprocess.run(
            words, check=True, stdout=subprocess.PIPE, text=True, env=alone
        )
    return json.loads(done.stdout.splitlines()[-1])


def update_of(kind: str, quick: bool):
    """`(configuration, batch)` of a round: of a bag, or of a MiniLM of three layers."""
    random = np.random.default_rng(0)
    bag = kind == "bag"
    size, width, candidates, clusters = (1024, 32, 64, 512) if bag else (16, 64, 64, 64)
    if quick:
        size = 8
    inner = bert.Config(layers=1, width=32, heads=2, inner=64, vocabulary=200)
    inner = inner if quick else bert.Config(layers=3)
    words = 200 if quick else 30_522
    config = matcher.Config(
        encoding.Config(
            kind="bag" if bag else "bert",
            bert=inner,
            pooling="mean",
            vocabulary=words,
            tokens=width,
        ),
        clusters=clusters,
        steps=100,
        batch=size,
    )
    shape = (size, candidates)
    batch = {
        "ids": random.integers(5, words, (size, width)).astype(np.int32),
        "lengths": np.full(size, width, np.int32),
        "candidates": random.integers(0, clusters, shape).astype(np.int32),
        "real": np.ones(shape, bool),
        "counts": random.integers(0, 2, shape).astype(np.float32),
        "weight": np.ones(size, np.float32),
    }
    return config, batch


def scale(nodes: int) -> dict[str, float]:
    """Of a generated graph of so many nodes: processor seconds of tf-idf, of the tree, of
    rounds, of features of all texts, and peak memory [GiB]."""
    found = simulated.generate(0, simulated.DEFAULT._replace(nodes=nodes))
    links = graph.links(found.nodes.graph)
    edges = np.stack([links.senders, links.receivers])
    began = time.process_time()
    tfidf.fit_transform(found.texts)
    read = time.process_time()
    encoder = encoding.of_bag(found.texts, width=64)
    fitted = fitting.fit(
        found.texts,
        edges,
        directed=True,
        encoder=encoder,
        config=matcher.Config(learning_rate=1e-2, batch=128),
        options=fitting.Options(leaf=16, least=8),
        plan=rounds.Options(steps=(100,)),
    )
    learned = time.process_time()
    encoding.embed(fitted.encoder, found.texts)
    values = {"tf-idf": read - began, "tree and rounds": learned - read}
    values["features"] = time.process_time() - learned
    return values | {"peak memory": message_passing.peak()}


def of_engine() -> list[numbers.Number]:
    """Tree, training, prediction."""
    sizes = SMALL if FLAGS.quick else SIZES
    given = engine_data(sizes)
    ours = engine_times(*given)
    theirs = pecos_times(FLAGS.pecos, *given) if FLAGS.pecos else {}
    size, found = f"{sizes[0]:,} instances, {sizes[1]:,} labels", []
    for name, value in ours.items():
        found += numbers.told(name, value, "s", size, theirs.get(name), "libpecos")
    return found


def of_updates(torch) -> list[numbers.Number]:
    """One update of a round, compiling, and the same in PyTorch."""
    found = []
    for kind in ("bag", "bert"):
        config, batch = update_of(kind, FLAGS.quick)
        of = updates.started(matcher, config, [batch])
        first, times, _ = updates.timed(*of, FLAGS.repeat)
        usual = float(np.median(times))
        size = f"{kind}, {len(batch['ids'])} texts of {batch['ids'].shape[1]}"
        beside = None
        if torch and kind == "bert":
            beside = torch.round_time(config.encoder.bert, batch, FLAGS.repeat)
        found += numbers.told("compiling", first - usual, "s", size)
        found += numbers.told("update", usual, "s", size, beside, "PyTorch")
    return found


def of_scales() -> list[numbers.Number]:
    """Growth with nodes."""
    base = 200 if FLAGS.quick else NODES
    times, found, values = (1,) if FLAGS.quick else (1, 4, 16), [], []
    for factor in times:
        values.append(numbers.in_child(MODULE, f"--child={base * factor}"))
        for name, value in values[-1].items():
            unit = "GiB" if name == "peak memory" else "s"
            found += numbers.told(
                name, value, unit, f"{factor}x, {base * factor:,} nodes"
            )
    return found + numbers.growth(times, values)


def main(argv) -> None:
    """Print a table."""
    del argv
    if not numbers.began(scale):
        return
    torch = None
    if FLAGS.peer:
        torch = importlib.import_module("experiments.torch_bert")
    numbers.write(of_engine())
    numbers.write(of_updates(torch))
    if FLAGS.scales:
        numbers.write(of_scales())


if __name__ == "__main__":
    there = importlib.util.find_spec("torch") is not None
    flags.DEFINE_bool("quick", False, "small sizes, to see that it works")
    flags.DEFINE_integer("repeat", 5, "timed updates", lower_bound=1)
    flags.DEFINE_bool("peer", there, "beside it PyTorch, one thread")
    flags.DEFINE_string("pecos", "", "interpreter that has libpecos, to be beside it")
    flags.DEFINE_bool("one_core", True, "use one core alone")
    flags.DEFINE_bool("scales", True, "also at 1x, 4x, 16x nodes")
    flags.DEFINE_integer("child", 0, "internal: nodes")
    numbers.define_flags()
    app.run(main)
