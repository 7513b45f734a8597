"""Cold Brew's student: perceptrons, prediction, the chain of training."""

import functools

import jax
import numpy as np
import pytest
from helpers import as_sparse, assert_trees_close, numbers, started

from iclr22 import cold_brew, data, errors, graph, loop, record
from iclr22.cold_brew import artifact as student
from iclr22.cold_brew import (
    figures,
    graph_mlp,
    models,
    perceptron,
    pipeline,
    rounds,
    teacher,
)

close = functools.partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-5)
same = np.testing.assert_array_equal

PLAIN = teacher.Config(classes=3, hidden=4, dropout=0.0, embedding_std=1.0)


def inputs(n=10, parts=2, width=4):
    return {"x": numbers(n, 5), "extra": numbers(n, parts, width, seed=1)}


def mlp_by_hand(config, params, x, extra):
    """A perceptron of plain layers."""
    weights = params["weights"]
    h = x @ weights["input"]["kernel"] + weights["input"]["bias"]
    if extra.size:
        extra = extra * weights.get("scale", 1)
        h = h + extra.reshape(len(x), -1) @ weights["extra"]["kernel"]
    for i in range(config.layers):
        layer = weights[f"layer{i + 1}" if i + 1 < config.layers else "output"]
        h = np.maximum(h, 0) @ layer["kernel"] + layer["bias"]
    return h


@pytest.mark.parametrize("depth", [0, 1, 3])
@pytest.mark.parametrize("parts, width", [(0, 4), (2, 0), (2, 4)])
def test_perceptron_equals_its_formula(depth, parts, width):
    config = perceptron.Config(outputs=3, layers=depth, width=6, scale_extra=True)
    batch = inputs(parts=parts, width=width)
    params = started(perceptron, config, batch)
    close(perceptron.apply(config, params, batch), mlp_by_hand(config, params, **batch))
    start = perceptron.init(config, jax.random.key(0), batch).params["weights"]
    assert ("extra" in start) == (parts * width > 0) == ("scale" in start)
    if "scale" in start:
        close(start["scale"], np.full((2, 1), 1e-4), atol=0)


def test_residual_blocks_have_their_shapes_and_can_be_skipped():
    config = perceptron.Config(outputs=3, width=8, blocks=2, skip=3, layers=0)
    params = started(perceptron, config, inputs())
    weights = params["weights"]
    shapes = [weights[f"block1_{i}"]["kernel"].shape for i in ("0", "1", "out")]
    assert shapes == [(8, 14), (14, 14), (14, 8)]
    first = perceptron.apply(config, params, inputs())
    noisy = perceptron.apply(config, params, inputs(), key=jax.random.key(0))
    for block in ("block0_out", "block1_out"):
        weights[block] = jax.tree.map(np.zeros_like, weights[block])
    skipped = perceptron.apply(config, params, inputs())
    h, output = mlp_by_hand(config, params, **inputs()), weights["output"]
    close(skipped, h @ output["kernel"] + output["bias"])
    assert min(np.abs(x - first).max() for x in (noisy, skipped)) > 0.01


def some_student(guess=True):
    """A student with random parameters: 5 features, rows of width 4, 3 classes."""
    one = perceptron.Config(outputs=4, layers=1, width=6)
    two = perceptron.Config(outputs=3, layers=2, width=6)
    lookup, mlp1 = student.Lookup("cosine", 3, 0.5, guess), inputs(parts=0)
    mlp1 = (one, started(perceptron, one, mlp1))
    mlp2 = (two, started(perceptron, two, inputs(parts=1 + guess), seed=1))
    chain = student.Chain(mlp1, None, "logits", lookup, numbers(9, 4, seed=5))
    return student.Student(chain, mlp2, np.arange(9).astype(str), tuple("abc"))


@pytest.mark.parametrize("guess", [True, False])
def test_prediction_equals_the_chain_by_hand(guess):
    given, x = some_student(guess), numbers(8, 5, seed=3)
    rows = x / np.abs(x).sum(axis=1, keepdims=True)
    guesses = mlp_by_hand(*given.chain.mlp1, rows, np.zeros(0))
    table = given.chain.dictionary
    unit = [v / np.linalg.norm(v, axis=1)[:, None] for v in (guesses, table)]
    cosine = unit[0] @ unit[1].T
    best = np.argsort(-cosine, axis=1)[:, :3]
    weights = jax.nn.softmax(np.take_along_axis(cosine, best, axis=1) / 0.5, axis=1)
    extra = [np.einsum("qk,qke->qe", weights, table[best]), guesses][: 1 + guess]
    logits = mlp_by_hand(*given.mlp2, rows, np.concatenate(extra, axis=1))
    found = student.predict(given, x)
    same(found.neighbors, best)
    close(found.weights, weights)
    close(found.embeddings, guesses)
    close(found.probabilities, jax.nn.softmax(logits, axis=1))
    in_chunks = student.predict(given, x, chunk=4)
    for other in (in_chunks, student.predict(given, as_sparse(x))):
        assert_trees_close(tuple(other), tuple(found), rtol=1e-5, atol=1e-5)
    assert student.predict(given, x[:0]).probabilities.shape == (0, 3)


def test_student_refuses_wrong_features_and_files(tmp_path):
    given, x = some_student(), numbers(10, 5)
    for bad in (x[:, :4], x[0]):
        with pytest.raises(errors.InputError, match=r"\[nodes, 5\]"):
            student.predict(given, bad)
    for value in (np.nan, np.inf):
        x[3, 2] = value
        for bad in (x, as_sparse(x)):
            with pytest.raises(errors.InputError, match="finite"):
                student.predict(given, bad)
    path = tmp_path / "student.npz"
    student.save(path, given)
    arrays = dict(np.load(path))
    good = str(arrays.pop("json"))
    old = good.replace('"version": ', '"version": -')
    for text in (old, good.replace('"neighbors"', '"k"'), "no json", None):
        np.savez(path, **arrays, **({"json": text} if text else {}))
        with pytest.raises(errors.InputError, match="expected a cold_brew student"):
            student.load(path)
    path.write_bytes(b"not an archive")
    with pytest.raises(errors.InputError, match="student.npz"):
        student.load(path)


MLP = perceptron.Config(outputs=3, width=8, steps=20)


def problem():
    """`(task, data, groups, test nodes)`."""
    found = data.degree_corrected_sbm(np.random.default_rng(0), 150, 3, features=8)
    groups = cold_brew.split_by_degree(found.graph)
    split = cold_brew.training_nodes(found._replace(masks={}), "")
    task = cold_brew.task_of(found, groups.isolation, split.train)
    return task, found, groups, split.test


OPTIONS = pipeline.Options(
    teacher=PLAIN._replace(epochs=20, dropout=0.5),
    student=MLP,
    mlp=MLP,
    graph_mlp=graph_mlp.Config(width=8, batch_size=32, steps=20),
    lookup=student.Lookup(neighbors=3),
)


def train_all(task, folder):
    """`(student, everything that was trained or chosen)`."""
    trainer = rounds.Trainer(folder, seed=0)
    configs = pipeline.configs_of(OPTIONS, task.classes)
    taught = models.train_teacher(trainer, task, configs.teacher, "teacher")
    mlp = models.train_mlp(trainer, task, configs.mlp, "mlp")
    other = models.train_graph_mlp(trainer, task, configs.graph_mlp, "graphmlp")
    found = pipeline.train_student(trainer, task, OPTIONS, taught, "student")
    one, two = found.student.chain.mlp1, found.student.mlp2
    every = (taught.params, mlp[1], other[1], one[1], two[1])
    return found, (every, trainer.steps)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    task = problem()[0]
    return task, *train_all(task, tmp_path_factory.mktemp("whole"))


def test_saved_student_says_the_same_without_the_graph(trained, tmp_path):
    (task, found, _), (_, whole, groups, _) = trained, problem()
    cold, known = groups.isolation, task.known("final")
    assert not (known & cold).any() and known.sum() == (~cold).sum()
    assert not (task.known("choose") & (cold | task.valid)).any()
    given = found.student._replace(feature_names=tuple("abcdefgh"))
    same(given.chain.dictionary, found.table[known])
    student.save(tmp_path / "student.npz", given)
    task.graph.senders[:], task.graph.edges[:] = 0, 9  # nobody looks at it any more
    expected = student.predict(given, whole.graph.nodes[cold])
    close(expected.probabilities, jax.nn.softmax(found.logits[cold], axis=1))
    for path in (tmp_path / "student.npz", str(tmp_path / "student.npz")):
        loaded = student.load(path)
        found = student.predict(loaded, whole.graph.nodes[cold])
        assert_trees_close(found, expected, rtol=0)
    assert loaded.chain.lookup == OPTIONS.lookup and loaded.scale.kind == "columns"
    assert loaded.class_names == whole.class_names
    assert loaded.feature_names == tuple("abcdefgh")
    same(loaded.names, whole.node_names[known])


def test_one_call_trains_what_its_parts_train(trained, tmp_path):
    _, found, ((taught, *_), _) = trained
    again = cold_brew.train(problem()[0], OPTIONS, directory=tmp_path)
    assert_trees_close(again.taught.params, taught, rtol=0)
    same(again.logits, found.logits)
    same(again.student.names, found.student.names)


def test_labels_of_test_nodes_have_no_influence(trained, tmp_path):
    task, _, groups, test = problem()
    assert (test & groups.isolation).sum() > 5
    labels = np.where(test, (task.labels + 1) % 3, task.labels)
    _, found = train_all(task._replace(labels=labels), tmp_path)
    assert_trees_close(found, trained[2], rtol=0)


def test_interrupted_training_ends_with_the_same_numbers(tmp_path, monkeypatch):
    def train_mlp(folder):
        trainer = rounds.Trainer(tmp_path / folder, seed=0)
        return models.train_mlp(trainer, problem()[0], MLP, "mlp")[1], trainer.steps

    def cut(*arguments):
        if (tmp_path / "cut" / "mlp-final-0").exists():
            raise KeyboardInterrupt
        return ask(*arguments)

    ask = loop._crossed
    monkeypatch.setattr(loop, "_crossed", cut)
    with pytest.raises(KeyboardInterrupt):
        train_mlp("cut")
    monkeypatch.undo()
    expected = train_mlp("whole")
    for _ in range(2):  # the second time there is nothing left to do
        assert_trees_close(train_mlp("cut"), expected, rtol=0)


def test_best_step_is_the_last_of_the_smoothed_best():
    def best(values, key="valid/accuracy", count=10**9):
        rows = [{"step": 5, "train/loss": 0.0}]
        for i, value in enumerate(values):
            rows.append({"step": 10 * i, "valid/loss": 1.0, key: value})
        return rounds.best_step(rows, count)

    assert best([50, 60, 60, 60, 50]) == 20
    assert best([50, 60, 60, 60, 60, 50]) == 30
    assert best([0, 90, 0, 50, 60, 60, 55]) == 50  # not the peak at 10
    assert best([50, 60, 60, 60, 56, 55, 10], count=100) == 40  # error of 60: 4.9
    assert best([3, 1, 1, 1, 2], "valid/loss", count=1) == 20


@pytest.mark.slow
def test_published_numbers_of_gcn_on_cora():
    cora = data.get("cora").load()
    groups = cold_brew.split_by_degree(cora.graph)
    split = cold_brew.training_nodes(cora, "cora")
    training = graph.isolate(cora.graph, groups.isolation)
    found = {}
    for loops in (True, False):
        config = teacher.Config(embeddings="000", self_loops=loops)
        batch = teacher.prepare(config, training)
        batch |= teacher.labels(cora.labels, split.train)
        state = teacher.init(config, jax.random.key(0), batch)
        step = jax.jit(functools.partial(teacher.train_step, config))
        for _ in range(200):
            state, _ = step(state, batch)
        logits = teacher.apply(config, state.params, batch)
        correct = np.argmax(logits, axis=1) == cora.labels
        for name, mask in (("isolated", groups.isolation), ("all", split.test)):
            found[name, loops] = 100 * correct[mask & split.test].mean()
    assert 83 < found["all", True] < 87
    assert 72 < found["isolated", True] < 77
    assert 39 < found["isolated", False] < 41


def test_figures_are_written(tmp_path):
    task, whole, groups, test = problem()
    rows = [
        record.Result("cold_brew", "sbm", variant, "", seed, metric, 60 + seed, paper)
        for variant, seed in (("gcn", 0), ("gcn", 1), ("student", 0))
        for metric, paper in (("isolation/accuracy", "58.02"), ("overall/accuracy", ""))
    ]
    paths = [tmp_path / f"{name}.png" for name in ("bars", "lines", "points")]
    figures.accuracy_by_group(paths[0], record.summarise(rows))
    right = {"all": np.ones(150, bool), "even": task.labels % 2 == 0}
    degrees = graph.degrees(task.graph)
    table = figures.accuracy_by_degree(paths[1], degrees, right, test)
    assert sum(table["nodes"]) == test.sum() and set(table["all"]) == {100}
    even = np.dot(table["even"], table["nodes"]) / test.sum()
    assert even == pytest.approx(100 * right["even"][test].mean(), abs=0.01)
    figures.embeddings(paths[2], whole.graph.nodes, task.labels, groups, most=100)
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in paths)
