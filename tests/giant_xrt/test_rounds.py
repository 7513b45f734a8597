"""Rounds: what they learn, that they go on where they stopped, every switch."""

import itertools

import giant_helpers
import numpy as np
import pytest
from scipy import sparse

from iclr22 import errors, loop
from iclr22.giant_xrt import (
    beam,
    encoding,
    fitting,
    learning,
    matcher,
    prediction,
    rounds,
    targets,
)
from iclr22.giant_xrt.tree import Tree

pytestmark = pytest.mark.eight_devices

TEXTS, EDGES, TOPIC = giant_helpers.topics()
TREE = fitting.Options(leaf=6, splits=2, least=4)
CONFIG = matcher.Config(learning_rate=2e-2, batch=32, dropout=0.0)
PLAN = rounds.Options(steps=(60, 40), top=3, most_clusters=8)


def bag():
    return encoding.of_bag(TEXTS, width=8, tokens=10)


def fit(**changes):
    given = {"encoder": bag(), "config": CONFIG, "options": TREE, "plan": PLAN}
    return fitting.fit(TEXTS, EDGES, **(given | changes))


def near(features):
    """Percent of nodes whose nearest other is of the same topic."""
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    cosine = unit @ unit.T - 2 * np.eye(len(unit))
    return 100 * np.mean(TOPIC[cosine.argmax(axis=1)] == TOPIC)


def test_rounds_learn_what_nodes_are_linked_to(tmp_path):
    found = fit(directory=tmp_path)
    assert [row["clusters"] for row in found.rounds] == [4, 8]
    assert [len(head["bias"]) for head in found.heads] == [5, 9]
    for row in found.rounds:
        assert row["end"] < row["begin"] and row["recall"] > 60
    assert found.features.shape == (96, 8)
    again = encoding.embed(found.encoder, TEXTS)
    np.testing.assert_allclose(found.features, again, atol=1e-5)
    assert near(found.features) > near(encoding.embed(bag(), TEXTS))
    assert not list(tmp_path.glob("round_*/checkpoints"))
    assert len(list(tmp_path.glob("round_*/features.npz"))) == 1


def interrupted(monkeypatch, at, **changes):
    """Stop in the round number `at`, then go on; what is left, and the rounds of the rest."""
    inner, calls = loop.fit, itertools.count()

    def stopping(*given, **named):
        if next(calls) == at:
            raise KeyboardInterrupt
        return inner(*given, **named)

    monkeypatch.setattr(loop, "fit", stopping)
    with pytest.raises(KeyboardInterrupt):
        fit(**changes)
    trained = []
    monkeypatch.setattr(
        loop, "fit", lambda *x, **y: trained.append(y["name"]) or inner(*x, **y)
    )
    return fit(**changes), trained


def test_what_ended_is_read_and_the_rest_is_the_same(monkeypatch, tmp_path):
    whole = fit()
    found, trained = interrupted(monkeypatch, 1, directory=tmp_path)
    assert trained == ["8 clusters"]
    np.testing.assert_array_equal(found.features, whole.features)
    for one, other in zip(found.heads, whole.heads, strict=True):
        np.testing.assert_array_equal(one["kernel"], other["kernel"])
    (tmp_path / "round_1" / "features.npz").unlink()  # they are made anew
    np.testing.assert_allclose(
        fit(directory=tmp_path).features, whole.features, atol=1e-6
    )
    with pytest.raises(errors.InputError, match="workdir"):
        fit(directory=tmp_path, seed=1)


@pytest.mark.parametrize(
    "changes",
    [
        {"options": TREE._replace(cluster="random")},
        {"options": TREE._replace(cluster="own")},
        {"options": TREE._replace(texts="encoder")},
        {"plan": PLAN._replace(negatives="tfn", heads="none")},
        {"plan": PLAN._replace(heads="inherit", negatives="man", most_clusters=16)},
        {"vectors": np.random.default_rng(0).normal(size=(96, 5))},
    ],
)
@pytest.mark.slow
def test_switches(changes):
    found = fit(**changes)
    limit = changes.get("plan", PLAN).most_clusters
    assert found.rounds[-1]["clusters"] == limit
    assert np.isfinite(found.features).all()


def test_trees_are_made_from_what_is_asked_for():
    given = targets.neighbours(96, EDGES)
    options = [TREE._replace(cluster=x) for x in fitting.CLUSTERED]
    options += [TREE._replace(texts="encoder")]
    trees = [fitting.plant(TEXTS, given, bag(), x) for x in options]
    assert len({tuple(x.parents[-1]) for x in trees}) == 4
    own = np.eye(4)[TOPIC] + 0.01 * np.arange(4)
    chosen = TREE._replace(cluster="own")
    found = fitting.plant(TEXTS, given, bag(), chosen, vectors=own)
    mixed = [len(set(TOPIC[found.clusters(0) == i])) for i in range(4)]
    assert max(mixed) <= 2
    with pytest.raises(errors.InputError, match="pifa"):
        fitting.plant(TEXTS, given, bag(), TREE._replace(cluster="pfia"))


def test_levels_are_those_of_clusters():
    assert rounds.levels((4, 8, 16, 96), 8) == [0, 1]
    assert rounds.levels((4, 8, 16, 96), 2048) == [0, 1, 2]
    for sizes in ((96,), (32, 96)):
        with pytest.raises(errors.InputError, match="clusters"):
            rounds.levels(sizes, 16)
    plan = rounds.planned((4, 8, 16, 96), bag().config, CONFIG, PLAN)
    assert [(x.clusters, x.steps) for x in plan] == [(4, 60), (8, 40)]


def test_other_numbers_of_texts_are_refused():
    given, tree = (
        targets.neighbours(96, EDGES),
        Tree((np.zeros(4, int), np.arange(96) % 4)),
    )
    with pytest.raises(errors.InputError, match="95"):
        rounds.fit(TEXTS[:95], given, tree, bag(), CONFIG, PLAN)
    with pytest.raises(errors.InputError, match="texts"):
        fitting.fit([], EDGES, encoder=bag())


def brute_force(heads, vectors, parents):
    """Scores of all clusters of the second level, [r, K]."""
    logits = [vectors @ h["kernel"][:-1].T + h["bias"][:-1] for h in heads]
    first, second = (beam.log_score(x, "l3-hinge") for x in logits)
    return first, second + first[:, parents]


def test_predictions_are_the_best_paths(monkeypatch):
    random = np.random.default_rng(0)
    parents = np.array([0, 0, 1, 1, 2, 2, 2])
    heads = [
        {"kernel": random.normal(size=(k + 1, 4)), "bias": random.normal(size=k + 1)}
        for k in (3, 7)
    ]
    vectors = random.normal(size=(11, 4)).astype(np.float32)
    first, second = brute_force(heads, vectors, parents)
    monkeypatch.setattr(prediction, "NUMBERS", 14)  # two nodes at once
    above = prediction.predict(heads[0], vectors, 3)
    np.testing.assert_array_equal(above.clusters, np.argsort(-first, 1, "stable"))
    whole = prediction.predict(heads[1], vectors, 4, parents=parents, above=above)
    order = np.argsort(-second, 1, "stable")[:, :4]
    np.testing.assert_array_equal(whole.clusters, order)
    np.testing.assert_allclose(
        whole.scores, np.take_along_axis(second, order, 1), rtol=1e-4
    )
    narrow = prediction.predict(heads[0], vectors, 1)
    below = prediction.predict(heads[1], vectors, 4, parents=parents, above=narrow)
    for i in range(11):
        own = np.flatnonzero(parents == narrow.clusters[i, 0])
        kept = below.clusters[i][below.clusters[i] >= 0]
        assert set(kept) == set(own) and np.isneginf(below.scores[i, len(own) :]).all()


def test_the_best_are_the_first_of_equal_ones():
    scores = np.array([[1.0, 3, 3, 3, 0], [-np.inf, 2, -np.inf, 2, 5]])
    columns, values = prediction.best(scores, 3)
    assert columns.tolist() == [[1, 2, 3], [4, 1, 3]]
    assert prediction.best(scores, 2)[0].tolist() == [[1, 2], [4, 1]]
    assert prediction.best(scores, 5)[0].tolist() == [
        [1, 2, 3, 0, 4],
        [4, 1, 3, -1, -1],
    ]
    assert np.isneginf(prediction.best(scores, 5)[1][1, 3:]).all() and len(values) == 2


@pytest.mark.slow
def test_citeseer_as_in_the_sheet(shared):
    """Two rounds of few steps with a fresh bag: all clusters of a node are found."""
    import gzip
    import json

    folder = shared / "data" / "tag"
    with gzip.open(folder / "citeseer_nodes.jsonl.gz", "rt") as lines:
        texts = [json.loads(line)["text"] for line in lines]
    edges = np.load(folder / "citeseer_graph.npz")["edges"].T
    found = fitting.fit(
        texts,
        edges,
        encoder=encoding.of_bag(texts, width=64, tokens=64),
        config=CONFIG._replace(learning_rate=1e-2, batch=64),
        options=fitting.Options(leaf=16, splits=4, least=16),
        plan=rounds.Options(steps=(60,), most_clusters=64),
    )
    assert found.tree.sizes == (16, 64, 256, 3186)
    assert 0.9 < found.rounds[0]["begin"] < 1.3
    for row in found.rounds:
        assert row["end"] < row["begin"] and row["recall"] > 95


def test_the_loss_is_told_as_the_stage_has_it():
    labels = sparse.csr_matrix(np.eye(4, dtype=np.float32)[TOPIC])
    given = targets.Targets(labels, np.arange(96))
    encoder, config = bag(), CONFIG._replace(encoder=bag().config, clusters=4, widest=4)
    texts = encoding.read(encoder, TEXTS)
    plan = learning.Options()
    task = learning.Task(texts, given, None, [], config, plan, 0, "jit", "")
    ones = sparse.csr_matrix(np.ones((96, 1), bool))
    found = learning.candidates.of(ones, np.ones((4, 1)), labels)
    head = {"kernel": np.ones((5, 8), np.float32), "bias": np.zeros(5, np.float32)}
    value = learning._looked(task, config, learning.Round(encoder), head, found)
    source = learning.candidates.batches(texts, np.arange(96), found, size=96, limit=10)
    total, sums = matcher.loss(
        config, {"encoder": encoder.params, "head": head}, source(0)
    )
    np.testing.assert_allclose(value, total / sums["weight"], rtol=1e-5)
