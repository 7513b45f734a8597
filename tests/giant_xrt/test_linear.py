"""Classifiers of clusters: exact objectives, PECOS' answers, options, bad input."""

import functools
import gzip
import json

import numpy as np
import pytest
import scipy.sparse as sp
from label_blocks import TEST, blocks, reference

from iclr22 import bundle, errors
from iclr22.giant_xrt import clusters, linear, ranking, rows, svm, targets, tfidf, tree

RAW = linear.Config(threshold=0.0, tolerance=1e-5)


@functools.cache
def trained(config=linear.DEFAULT):
    features, labels = blocks()
    _, label_tree = reference("small")
    seen = np.arange(TEST.start)
    return linear.fit_linear(features[seen], labels[seen], label_tree, config)


def of_one(features, labels, label_tree, level, cluster, cost=1.0):
    """Instances, signs and costs of the problem of one cluster, from its definition."""
    levels = targets.up(labels, label_tree)
    parent = label_tree.parents[level][cluster]
    if level:
        taught = levels[level - 1].toarray()[:, parent] > 0
    else:
        taught = np.ones(features.shape[0], bool)
    x = rows.with_ones(features[np.flatnonzero(taught)].astype(np.float64))
    signs = np.where(levels[level].toarray()[taught, cluster] > 0, 1.0, -1.0)[:, None]
    return x, signs, np.full(signs.shape, cost)


def objective_gaps(features, labels, label_tree, model, picks):
    """How far the objectives of some clusters are above the smallest, as a share."""
    gaps = []
    for level, cluster in picks:
        x, signs, costs = of_one(features, labels, label_tree, level, cluster)
        assert x.shape[0]  # or nothing is learned
        weights = model.weights[level][[cluster]].toarray().T.astype(np.float64)
        exact = x.T @ svm.solve(svm.Kernel(svm.gram(x)), signs, costs, 1e-12)
        smallest = svm.objective(x, signs, costs, exact)[0]
        gaps.append(svm.objective(x, signs, costs, weights)[0] / smallest - 1)
    return gaps


@pytest.mark.parametrize("large", [False, True])
def test_each_cluster_is_learned_where_its_parent_holds(large, monkeypatch):
    """By sums over instances, and by weights themselves, as of many instances."""
    if large:
        monkeypatch.setattr(clusters, "SMALL", 0)
        monkeypatch.setattr(clusters, "SHARED", 0)
    features, labels = blocks(instances=200)
    label_tree = tree.random_tree(160, leaf=10, seed=1)
    model = linear.fit_linear(
        features, labels, label_tree, RAW._replace(tolerance=1e-3)
    )
    picks = [(0, 1), (1, 3), (1, 9), (2, 0), (2, 77), (2, 159)]
    gaps = objective_gaps(features, labels, label_tree, model, picks)
    assert max(gaps) < 1e-3 and min(gaps) > -1e-6


def test_best_labels_are_those_of_pecos():
    features, labels = blocks()
    known, _ = reference("small")
    found, _ = linear.predict(trained(), features[TEST], k=1)
    assert (found[:, 0] == known["labels"]).mean() >= 0.99
    model = trained(linear.Config(tolerance=1e-8))
    found, scores = linear.predict(model, features[TEST], k=5)
    assert (found[:, 0] == known["labels"]).mean() >= 0.99
    np.testing.assert_allclose(scores[:, 0], known["scores"], atol=0.01)
    precision = 100 * ranking.precision(labels[TEST], found)
    np.testing.assert_allclose(precision, [89.17, 80, 68.61, 58.13, 49.33], atol=0.9)
    for processor in ("l1-hinge", "l4-hinge", "sigmoid"):
        other = model._replace(processor=processor)
        found, scores = linear.predict(other, features[TEST], k=1)
        assert (found[:, 0] == known[f"labels_{processor}"]).mean() >= 0.98
        known_scores = known[f"scores_{processor}"]
        np.testing.assert_allclose(scores[:, 0], known_scores, atol=0.01)


def text_graph(shared, name):
    """Features, adjacency, instances for training and for the test: sheet, section 7.3."""
    folder = shared / "data" / "tag"
    if not folder.exists():
        pytest.skip("needs the text graphs")
    with gzip.open(folder / f"{name}_nodes.jsonl.gz", "rt", encoding="utf-8") as file:
        texts = [json.loads(line)["text"] for line in file]
    features = tfidf.fit_transform(texts)[1]
    with np.load(folder / f"{name}_graph.npz") as file:
        edges = file["edges"].T
    parts = np.ones(2 * edges.shape[1]), np.concatenate([edges, edges[::-1]], 1)
    adjacency = sp.csr_matrix(parts, shape=(len(texts), len(texts)))
    joined = np.flatnonzero(np.diff(adjacency.indptr))
    order = np.random.RandomState(0).permutation(joined)
    test = order[: len(joined) // 5]
    return features, adjacency, np.setdiff1d(np.arange(len(texts)), test), test


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cora_cane", "citeseer"])
def test_same_tree_and_papers_give_the_same_best_label(shared, name):
    features, adjacency, seen, test = text_graph(shared, name)
    known, label_tree = reference(name)
    np.testing.assert_array_equal(known["test"], test)
    model = linear.fit_linear(features[seen], adjacency[seen], label_tree)
    found, _ = linear.predict(model, features[test], k=1)
    assert (found[:, 0] == known["labels"]).mean() >= 0.99
    label = adjacency[seen].indices[[0, 700, -1]]  # of some instances
    picks = [(0, 0), (0, 7), (1, 5), (2, 100), *((3, x) for x in label)]
    raw = linear.Config(threshold=0.0)
    raw = linear.fit_linear(features[seen], adjacency[seen], label_tree, raw)
    gaps = objective_gaps(features[seen], adjacency[seen], label_tree, raw, picks)
    assert max(gaps) < 1e-3


@pytest.mark.slow
@pytest.mark.parametrize(("name", "peer"), [("cora_cane", 24.67), ("citeseer", 14.81)])
def test_precision_over_trees_is_that_of_pecos(shared, name, peer):
    """Means over five trees of each; the peer has its own tf-idf and trees."""
    features, adjacency, seen, test = text_graph(shared, name)
    from iclr22.giant_xrt.pifa import pifa

    vectors, found = pifa(adjacency[seen], features[seen]), []
    for seed in range(5):
        label_tree = tree.build_tree(vectors, leaf=16, least=16, seed=seed)
        model = linear.fit_linear(features[seen], adjacency[seen], label_tree)
        best, _ = linear.predict(model, features[test], k=1)
        found.append(100 * ranking.precision(adjacency[test], best)[0])
    assert abs(np.mean(found) - peer) < 1.5


def test_mistaken_instances_are_learned_from_and_costs_count():
    features, labels = blocks()
    plain = trained(RAW)
    matched = trained(RAW._replace(negatives="tfn+man", matched=2))
    assert (plain.weights[0] != matched.weights[0]).nnz == 0
    assert (plain.weights[1] != matched.weights[1]).nnz > 0
    found, _ = linear.predict(matched, features[TEST], k=3)
    assert ranking.precision(labels[TEST], found)[0] > 0.85
    shared = trained(RAW._replace(cost_sensitive=True))
    assert (plain.weights[2] != shared.weights[2]).nnz > 0
    x, signs, costs = of_one(features[:480], labels[:480], plain.tree, 2, 5)
    costs = np.where(signs > 0, 1 / 3, 1.0)  # three labels each
    exact = x.T @ svm.solve(svm.Kernel(svm.gram(x)), signs, costs, 1e-12)
    weights = shared.weights[2][[5]].toarray().T
    np.testing.assert_allclose(weights, exact, atol=0.01)


def test_small_weights_are_dropped():
    raw, pruned = trained(RAW), trained(RAW._replace(threshold=0.2))
    for before, after in zip(raw.weights, pruned.weights, strict=True):
        expected = np.where(np.abs(before.toarray()) < 0.2, 0, before.toarray())
        np.testing.assert_array_equal(after.toarray(), expected)


def test_labels_without_instances_and_a_single_level():
    features, labels = blocks(instances=50)
    labels = labels.multiply(np.arange(160) % 3 > 0).tocsr()
    model = linear.fit_linear(features, labels, tree.random_tree(160, leaf=200))
    assert len(model.weights) == 1
    found, scores = linear.predict(model, features, beam=1, k=200)
    assert (np.sort(found[:, :160]) == np.arange(160)).all()
    assert (found[:, 160:] == -1).all() and np.isneginf(scores[:, 160:]).all()
    deep = linear.fit_linear(features, labels, tree.random_tree(160, leaf=10))
    assert np.isfinite(linear.predict(deep, features, k=3)[1]).all()


def test_a_model_is_kept_as_arrays(tmp_path):
    model = trained()
    features = blocks()[0][TEST]
    parts = {"trees": linear.to_arrays(model), "about": {}}
    bundle.save(tmp_path / "model.npz", "xr-linear", 1, **parts)
    again = bundle.load(
        tmp_path / "model.npz", "xr-linear", 1, lambda x: linear.from_arrays(x.trees)
    )
    for a, b in zip(
        linear.predict(model, features), linear.predict(again, features), strict=True
    ):
        np.testing.assert_array_equal(a, b)
    with pytest.raises(ValueError, match="weights of"):
        arrays = linear.to_arrays(model)
        arrays["levels"]["2"] |= {"parents": np.zeros(3)}
        linear.from_arrays(arrays)


def test_bad_input_is_one_clear_error():
    features, labels = blocks(instances=20)
    made = tree.random_tree(160, leaf=10)
    with pytest.raises(errors.InputError, match="19 rows of features and 20 of labels"):
        linear.fit_linear(features[:19], labels, made)
    with pytest.raises(errors.InputError, match="one at least; found 0 rows"):
        linear.fit_linear(features[:0], labels[:0], made)
    with pytest.raises(errors.InputError, match="over 160 labels; found one over 9"):
        linear.fit_linear(features, labels, tree.random_tree(9))
    with pytest.raises(errors.InputError, match="relevance from 0; found -1"):
        linear.fit_linear(features, -labels, made)
    with pytest.raises(errors.InputError, match="expected finite numbers"):
        linear.fit_linear(features * np.nan, labels, made)
    model = linear.fit_linear(features, labels, made)
    with pytest.raises(errors.InputError, match="400 columns, as trained; found 7"):
        linear.predict(model, features[:, :7])
    with pytest.raises(errors.InputError, match="beam and k from 1; found 0 and 10"):
        linear.predict(model, features, beam=0)
