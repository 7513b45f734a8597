"""Cold Brew without its networks: groups, screening, links."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from iclr22 import errors, graph, sparse
from iclr22.cold_brew import link, screening, splits


def read(shared, name):
    """`NodeData` of a converted graph."""
    found = np.load(shared / "data" / "graphs" / f"{name}.npz")
    parts = (found["feat_indptr"], found["feat_indices"], found["feat_data"])
    features = sparse.from_rows(*parts, int(found["num_features"]))
    masks = {
        name: found[f"{key}_mask"][None]
        for name, key in {"train": "train", "valid": "val", "test": "test"}.items()
    }
    labels = found["labels"].astype(np.int32)
    whole = graph.build(features, *found["edge_index"])
    return graph.NodeData(whole, labels, (), np.arange(len(labels)).astype(str), masks)


@pytest.fixture
def cora(shared):
    return read(shared, "cora")


@pytest.fixture
def citeseer(shared):
    return read(shared, "citeseer")


def small(seed=0, n=40, edges=60, classes=3):
    """A random graph of `n` nodes with labels; node 0 has no label."""
    rng = np.random.default_rng(seed)
    ends = rng.integers(0, n, (2, edges))
    labels = rng.integers(0, classes, n)
    labels[0] = -1
    return graph.NodeData(graph.build(np.eye(n), *ends), labels, (), np.arange(n), {})


def removed(whole, groups):
    """`(directed edges removed, left, nodes without a neighbour)` by isolation."""
    left = graph.isolate(whole, groups.isolation)
    assert not (groups.isolation[left.senders] | groups.isolation[left.receivers]).any()
    neighborless = int((graph.degrees(left) == 0).sum())
    return len(whole.edges) - len(left.edges), len(left.edges), neighborless


def counts(masks, where=None):
    return tuple(int((m if where is None else m & where).sum()) for m in masks)


def test_released_groups_of_cora_have_the_known_counts(cora):
    groups = splits.split_by_degree(cora.graph)
    degrees = graph.degrees(cora.graph) + 1
    assert counts(groups) == (534, 534, 286)
    assert counts((degrees == 2, degrees == 3), groups.isolation) == (485, 49)
    assert set(degrees[groups.tail]) == {3}
    assert degrees[groups.head].min() == 8
    assert removed(cora.graph, groups) == (1040, 9516, 534 + 4)
    split = splits.training_nodes(cora, "cora")
    assert counts(groups, split.test) == (388, 458, 212)
    assert counts(split) == (600, 2108)


def test_released_groups_of_citeseer_have_the_known_counts(citeseer):
    groups = splits.split_by_degree(citeseer.graph)
    degrees = graph.degrees(citeseer.graph) + 1
    assert counts(groups) == (689, 690, 339)
    assert counts((degrees == 1, degrees == 2), groups.isolation) == (48, 641)
    assert degrees[groups.head].min() == 7
    assert removed(citeseer.graph, groups)[:2] == (1156, 7948)
    split = splits.training_nodes(citeseer, "citeseer")
    assert counts(split) == (120, 3327 - 120 - 15)
    # The published 647, 690, 321 are without training nodes but with unlabelled ones.
    assert counts(groups, ~split.train) == (647, 690, 321)


def test_paper_groups_of_cora_have_the_known_counts(cora):
    groups = splits.split_by_degree(cora.graph, "paper")
    degrees = graph.degrees(cora.graph)
    assert counts(groups) == (271, 241, 271)
    assert set(degrees[groups.isolation]) == {1}
    left = graph.degrees(graph.isolate(cora.graph, groups.isolation))
    assert left[groups.tail].min() == 1 and left[groups.tail].max() == 2
    assert degrees[groups.head].min() == 7
    assert removed(cora.graph, groups) == (502, 10556 - 502, 302)


def test_paper_groups_of_citeseer_have_the_known_counts(citeseer):
    groups = splits.split_by_degree(citeseer.graph, "paper")
    assert counts(groups) == (333, 291, 333)
    assert removed(citeseer.graph, groups)[0] == 540


@pytest.mark.parametrize("kind", splits.KINDS)
def test_groups_are_disjoint_and_ignore_self_loops(kind):
    data = small()
    groups = splits.split_by_degree(data.graph, kind)
    assert sum(mask.astype(int) for mask in groups).max() == 1
    again = splits.split_by_degree(graph.add_loops(data.graph), kind)
    np.testing.assert_array_equal(groups, again)


@pytest.mark.parametrize("kind", splits.KINDS)
def test_groups_are_disjoint_where_degrees_are_equal(kind):
    ring = graph.build(np.eye(20), np.arange(20), (np.arange(20) + 1) % 20)
    groups = splits.split_by_degree(ring, kind)
    assert sum(mask.astype(int) for mask in groups).max() == 1
    assert groups.isolation.any() and groups.tail.any()


def test_every_node_without_edges_is_isolated_in_paper_groups():
    lonely = graph.build(np.eye(10), [0, 1, 2], [1, 2, 3])
    groups = splits.split_by_degree(lonely, "paper")
    np.testing.assert_array_equal(groups.isolation, np.arange(10) >= 4)
    assert not (groups.tail & groups.isolation).any()


def test_bad_requests_of_groups_are_refused():
    whole = small().graph
    with pytest.raises(errors.InputError, match="'released'"):
        splits.split_by_degree(whole, "relased")
    with pytest.raises(errors.InputError, match="0..1"):
        splits.split_by_degree(whole, "paper", tail=10)
    with pytest.raises(errors.InputError, match="median"):
        splits.split_by_degree(whole, halvings=(0, 5))


def test_published_masks_train_on_train_and_valid():
    rows = np.random.default_rng(0).integers(0, 3, (2, 40))
    masks = {key: rows == i for i, key in enumerate(("train", "valid", "test"))}
    data = small()._replace(masks=masks)
    split = splits.training_nodes(data, "texas", 1)
    labelled = data.labels >= 0
    np.testing.assert_array_equal(split.train, (rows[1] < 2) & labelled)
    np.testing.assert_array_equal(split.test, (rows[1] == 2) & labelled)
    valid = masks["valid"][1]
    parts = splits.validation_part(split.train, data.labels, published=valid)
    np.testing.assert_array_equal(parts.valid, valid & labelled)
    with pytest.raises(errors.InputError, match="0..1"):
        splits.training_nodes(data, "texas", 2)
    with pytest.raises(errors.InputError, match="'train'"):
        splits.training_nodes(data._replace(masks={}), "citeseer")
    only_test = data._replace(masks={"test": masks["test"]})
    split = splits.training_nodes(only_test, "mine")
    np.testing.assert_array_equal(split.train, (rows[0] != 2) & labelled)


def test_data_without_masks_are_divided_by_class():
    data = small(n=200)
    split = splits.training_nodes(data, "mine", seed=3)
    np.testing.assert_array_equal(split.train ^ split.test, data.labels >= 0)
    for label in range(3):
        share = (split.test & (data.labels == label)).sum() / (
            data.labels == label
        ).sum()
        assert abs(share - 0.4) < 0.02
    again = splits.training_nodes(data, "mine", seed=3)
    np.testing.assert_array_equal(split, again)
    assert (splits.training_nodes(data, "mine", seed=4).train != split.train).any()


def test_validation_part_has_every_class_on_both_sides():
    labels = np.array([0] * 20 + [1, 1] + [2] + [-1] * 3 + [0] * 4)
    train = np.arange(len(labels)) < 26
    exclude = np.arange(len(labels)) < 5
    fit, valid = splits.validation_part(train, labels, exclude=exclude)
    assert not ((fit | valid) & (exclude | ~train | (labels < 0))).any()
    assert not (fit & valid).any()
    assert [int((fit & (labels == c)).sum()) for c in range(3)] == [12, 1, 1]
    assert [int((valid & (labels == c)).sum()) for c in range(3)] == [3, 1, 0]
    with pytest.raises(errors.InputError, match="validation mask"):
        splits.validation_part(train, labels, published=~train)


def test_homophily_of_published_graphs(cora, citeseer):
    assert graph.homophily(cora.graph, cora.labels) == pytest.approx(0.8252, abs=5e-5)
    # Published with its 15 unlabelled nodes taken for members of class 0.
    filled = np.maximum(citeseer.labels, 0)
    beta = graph.homophily(citeseer.graph, filled)
    assert beta == pytest.approx(0.7166, abs=5e-5)
    beta = graph.homophily(citeseer.graph, citeseer.labels)
    assert beta == pytest.approx(0.7203, abs=5e-5)


@pytest.mark.parametrize(
    ("gnn", "mlp", "propagation", "expected"),
    [
        (86.96, 69.02, 78.18, 32.86),
        (72.44, 56.59, 45.00, 63.39),
        (75.96, 73.51, 67.8, 76.91),
        (71.54, 54.89, 68.26, 16.46),
        (68.51, 58.65, 41.01, 73.61),
        (31.95, 38.51, 22.85, 141.89),
        (59.79, 37.93, 29.69, 57.93),
        (65.1, 86.26, 32.06, 139.04),
        (61.08, 83.33, 52.08, 171.20),
        (81.62, 85.42, 40.62, 108.48),
    ],
)
def test_ratio_of_published_accuracies(gnn, mlp, propagation, expected):
    ratio = screening.feature_contribution_ratio(mlp, propagation, gnn)
    assert round(ratio, 2) == expected


def test_ratio_at_its_borders():
    ratio = screening.feature_contribution_ratio
    assert ratio(80, 60, 80) == 100
    assert ratio(60, 60, 80) == 50
    assert math.isnan(ratio(70, 80, 80)) and math.isnan(ratio(80, 80, 80))
    assert math.isnan(ratio(90, 85, 80))
    assert math.isnan(ratio(math.nan, 70, 80))
    assert math.isnan(ratio(70, 60, math.nan))
    with pytest.raises(errors.InputError, match="percent"):
        ratio(70, 60, 800)


def test_readings_differ_and_warn():
    assert "hard" in screening.reading(32.9)
    assert "nearly as well" in screening.reading(50.0)
    assert "beat the graph" in screening.reading(141.9)
    assert "undefined" in screening.reading(math.nan)


def accuracy(scores, labels, mask):
    return 100 * float(np.mean(np.argmax(scores, axis=1)[mask] == labels[mask]))


def test_label_propagation_of_cora(cora):
    groups = splits.split_by_degree(cora.graph)
    split = splits.training_nodes(cora, "cora")
    cold = groups.isolation & split.test
    scores = screening.label_propagation(cora.graph, cora.labels, split.train)
    assert accuracy(scores, cora.labels, split.test) == pytest.approx(78.2, abs=0.05)
    assert accuracy(scores, cora.labels, cold) == pytest.approx(62.4, abs=0.05)
    training = graph.isolate(cora.graph, groups.isolation)
    scores = screening.label_propagation(training, cora.labels, split.train)
    assert accuracy(scores, cora.labels, split.test) == pytest.approx(67.6, abs=0.05)
    assert accuracy(scores, cora.labels, cold) == pytest.approx(11.1, abs=0.05)


def dense_propagation(data, train, steps, alpha, matrix, self_loops):
    n = len(data.labels)
    adjacency = np.zeros((n, n))
    adjacency[data.graph.receivers, data.graph.senders] = 1
    adjacency += self_loops * np.eye(n)
    scale = np.maximum(adjacency.sum(1), 1) ** -0.5
    spread = scale[:, None] * adjacency * scale
    if matrix == "laplacian":
        spread = (np.eye(n) + spread) / 2
    known = np.eye(3)[data.labels] * train[:, None]
    scores = known
    for _ in range(steps):
        scores = np.clip(alpha * spread @ scores + (1 - alpha) * known, 0, 1)
    return scores


@pytest.mark.parametrize("matrix", screening.MATRICES)
@pytest.mark.parametrize("self_loops", [True, False])
def test_label_propagation_equals_dense_products(matrix, self_loops):
    data = small()
    train = (np.arange(40) < 15) & (data.labels >= 0)
    settings = {
        "steps": 7,
        "alpha": 0.8,
        "matrix": matrix,
        "self_loops": self_loops,
    }
    expected = dense_propagation(data, train, **settings)
    for whole in (data.graph, graph.add_loops(data.graph)):
        found = screening.label_propagation(whole, data.labels, train, **settings)
        np.testing.assert_allclose(found, expected, atol=1e-6)


def test_search_finds_what_single_runs_find():
    data = small(1, n=80, edges=160)
    fit = (np.arange(80) % 3 == 0) & (data.labels >= 0)
    valid = ~fit
    best = screening.search_label_propagation(
        data.graph, data.labels, fit, valid, steps=(0, 3, 9), alphas=(0.1, 0.9)
    )
    assert best.table.shape == (2, 3, 2)
    assert best.accuracy == best.table.max()
    judged = valid & (data.labels >= 0)
    for i, matrix in enumerate(screening.MATRICES):
        for j, steps in enumerate((0, 3, 9)):
            for k, alpha in enumerate((0.1, 0.9)):
                scores = screening.label_propagation(
                    data.graph,
                    data.labels,
                    fit,
                    steps=steps,
                    alpha=alpha,
                    matrix=matrix,
                )
                expected = accuracy(scores, data.labels, judged)
                assert best.table[i, j, k] == pytest.approx(expected, abs=1e-4)


def test_search_on_cora_beats_the_default(cora):
    split = splits.training_nodes(cora, "cora")
    fit, valid = splits.validation_part(split.train, cora.labels)
    best = screening.search_label_propagation(cora.graph, cora.labels, fit, valid)
    assert best.table.shape == (2, 5, 5)
    settings = best._asdict()
    settings = {key: settings[key] for key in ("steps", "alpha", "matrix")}
    scores = screening.label_propagation(
        cora.graph, cora.labels, split.train, **settings
    )
    assert accuracy(scores, cora.labels, split.test) > 77


def test_bad_propagations_are_refused():
    data = small()
    train = data.labels >= 0
    run = screening.label_propagation
    with pytest.raises(errors.InputError, match="'laplacian'"):
        run(data.graph, data.labels, train, matrix="laplace")
    with pytest.raises(errors.InputError, match="alpha in 0..1"):
        run(data.graph, data.labels, train, alpha=1.5)
    with pytest.raises(errors.InputError, match="labelled"):
        run(data.graph, data.labels, ~train)
    with pytest.raises(errors.InputError, match="one per node"):
        run(data.graph, data.labels[:3], train)
    with pytest.raises(errors.InputError, match="validation"):
        screening.search_label_propagation(data.graph, data.labels, train, ~train)


def has_edge(whole, pairs):
    n = graph.size(whole.nodes)
    adjacency = np.zeros((n, n), bool)
    adjacency[whole.senders, whole.receivers] = True
    return (adjacency | adjacency.T)[pairs[..., 0], pairs[..., 1]]


def test_sampled_links_are_edges_and_negatives_are_none():
    data = small(n=60, edges=200)
    allowed = np.arange(60) < 50
    hidden = graph.select_edges(data.graph, data.graph.receivers % 7 != 0)
    rng = np.random.default_rng(0)
    found = link.sample_links(hidden, allowed, 30, 500, rng=rng, full=data.graph)
    assert found.positives.shape == (30, 2) and found.negatives.shape == (500, 2)
    assert has_edge(hidden, found.positives).all()
    assert not has_edge(data.graph, found.negatives).any()
    for pairs in found:
        assert allowed[pairs].all() and (pairs[:, 0] != pairs[:, 1]).all()
        assert len(np.unique(np.sort(pairs, axis=1), axis=0)) == len(pairs)


def test_all_non_edges_can_be_sampled_and_no_more():
    star = graph.build(np.eye(6), [0] * 5, [1, 2, 3, 4, 5])
    everything = np.ones(6, bool)
    rng = np.random.default_rng(0)
    found = link.sample_links(star, everything, negatives=10, rng=rng)
    assert len(found.positives) == 5  # all there are
    expected = [[i, j] for i in range(1, 6) for j in range(i + 1, 6)]
    negatives = np.sort(found.negatives, axis=1)
    np.testing.assert_array_equal(np.unique(negatives, axis=0), expected)
    with pytest.raises(errors.InputError, match="found 10"):
        link.sample_links(star, everything, negatives=11, rng=rng)
    with pytest.raises(errors.InputError, match="without an edge to each"):
        link.sample_test_links(star, everything, negatives=5, rng=rng)
    with pytest.raises(errors.InputError, match="found none"):
        link.sample_links(star, np.arange(6) > 0, rng=rng)


def test_negatives_are_uniform():
    data = small(n=12, edges=10)
    rng = np.random.default_rng(0)
    everything = np.ones(12, bool)
    tally = np.zeros((12, 12))
    for _ in range(2000):
        pairs = link.sample_links(data.graph, everything, 1, 5, rng=rng).negatives
        np.add.at(tally, (pairs.min(axis=1), pairs.max(axis=1)), 1)
    drawn = tally[tally > 0]
    edges = len(data.graph.edges) // 2
    assert len(drawn) == 66 - edges
    expected = 10_000 / len(drawn)
    assert np.abs(drawn - expected).max() < 5 * np.sqrt(expected)


def test_test_links_of_cora_are_the_hidden_edges(cora):
    groups = splits.split_by_degree(cora.graph)
    test = splits.training_nodes(cora, "cora").test
    training = graph.isolate(cora.graph, groups.isolation)
    rng = np.random.default_rng(0)
    found = link.sample_test_links(cora.graph, test, rng=rng, training=training)
    assert found.positives.shape == (200, 2) and found.negatives.shape == (200, 20, 2)
    assert has_edge(cora.graph, found.positives).all()
    assert not has_edge(training, found.positives).any()
    assert not has_edge(cora.graph, found.negatives).any()
    assert (graph.degrees(training)[found.positives[:, 0]] == 0).all()
    for pairs in found:
        assert test[pairs].all() and (pairs[..., 0] != pairs[..., 1]).all()
    assert (found.negatives[:, :, 0] == found.positives[:, :1]).all()
    assert all(len(set(row)) == 20 for row in found.negatives[:, :, 1])
    plain = link.sample_test_links(cora.graph, test, rng=rng)
    assert has_edge(cora.graph, plain.positives).all()


def test_reciprocal_rank_counts_ties_by_half():
    negative = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 5.0], [6.0, 0.0]])
    positive = np.array([3.0, 2.0, 5.0, 6.0])
    expected = 100 * np.mean([1, 1 / 3, 1 / 2, 1 / 1.5])
    assert link.mean_reciprocal_rank(positive, negative) == pytest.approx(expected)
    constant = link.mean_reciprocal_rank(np.zeros(5), np.zeros((5, 20)))
    assert constant == pytest.approx(100 / 11)
    with pytest.raises(errors.InputError, match="NaN"):
        link.mean_reciprocal_rank(positive * np.nan, negative)
    with pytest.raises(errors.InputError, match="expected scores"):
        link.mean_reciprocal_rank(positive, negative[:2])


def test_links_are_scored_by_dot_products():
    embeddings = jnp.array([[1.0, 2.0], [3.0, -1.0], [0.5, 0.5]])
    scores = link.score(embeddings, np.array([[[0, 1], [0, 2]]]))
    np.testing.assert_allclose(scores, [[1.0, 1.5]])
    expected = [np.log1p(np.exp(-2.0)), np.log1p(np.exp(-1.0)), np.log(2)]
    found = link.bce(jnp.array([2.0, -1.0, 0.0]), jnp.array([1.0, 0.0, 0.5]))
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    slope = jax.grad(lambda s: link.bce(s, 1.0))(0.3)
    assert slope == pytest.approx(1 / (1 + np.exp(-0.3)) - 1, rel=1e-6)
