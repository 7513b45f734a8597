"""Downstream models on splits: training, choice of the epoch, differences."""

import functools

import jax
import numpy as np
import pytest
import scipy.stats

from iclr22 import data, errors, graph
from iclr22.data import text_graphs
from iclr22.data.text_graphs import simulated
from iclr22.giant_xrt.downstream import classifier, splits, training
from iclr22.giant_xrt.downstream.classifier import Config


@pytest.fixture(scope="module")
def drawn():
    """A graph of 150 nodes, features with noise, and splits."""
    found = data.get("csbm").synthetic(np.random.default_rng(0), 150)
    y = found.nodes.labels
    x = np.eye(3, 6)[y] + 0.8 * np.random.default_rng(1).normal(size=(len(y), 6))
    return found.nodes.graph, x, y, text_graphs.draw_shares(y, splits=4)


def test_features_are_seen_without_what_is_common_to_all():
    x = 7 + 3 * np.random.default_rng(0).normal(size=(50, 4)) * [1, 2, 3, 4]
    found = splits.centred(x)
    np.testing.assert_allclose(found.mean(axis=0), 0, atol=1e-5)
    assert found.std() == pytest.approx(1, rel=1e-5)
    np.testing.assert_allclose(
        found, (x - x.mean(0)) / (x - x.mean(0)).std(), atol=1e-5
    )
    assert not splits.centred(np.ones((5, 2))).any()


QUICK = Config(width=8, learning_rate=0.05, epochs=8)


def test_chosen_epoch_and_predictions_are_those_of_a_plain_loop(drawn):
    links, x, y, masks = drawn
    result = splits.run("mlp", links, x, y, masks, config=QUICK, seed=5)
    x = (x - x.mean(axis=0)) / (x - x.mean(axis=0)).std()  # as it is seen
    config = QUICK._replace(classes=3)
    init, step, evaluate, apply = (
        jax.jit(functools.partial(getattr(classifier, name), config))
        for name in ("init", "train_step", "evaluate", "apply")
    )
    for s in range(2):
        train, valid = (
            {
                "x": np.float32(x[masks[name][s]]),
                "y": y[masks[name][s]],
                "weight": np.ones(masks[name][s].sum(), np.float32),
            }
            for name in ("train", "valid")
        )
        key = jax.random.fold_in(jax.random.key(5), s)
        state, best = init(key, train), (-1, 0, None)
        for epoch in range(1, 9):
            state, _ = step(state, train)
            sums = evaluate(state.params, valid)
            accuracy = float(sums["accuracy"] / sums["weight"])
            if accuracy > best[0]:
                best = accuracy, epoch, jax.device_get(state.params)
        assert best[0] == pytest.approx(float(result.valid[s]), rel=1e-5)
        assert best[1] == result.epoch[s]
        logits = apply(best[2], {"x": np.float32(x)})
        assert (np.argmax(logits, axis=1) == result.predictions[s]).all()


def test_splits_do_not_depend_on_each_other(drawn):
    links, x, y, masks = drawn
    whole = splits.run("mlp", links, x, y, masks, config=QUICK)
    two = splits.run("mlp", links, x, y, masks, config=QUICK, together=2)
    np.testing.assert_allclose(whole.test, two.test, atol=4)  # of 30 nodes, one
    assert (whole.predictions == two.predictions).mean() > 0.98
    # The first alone, of which some nodes are not labelled in the others.
    first = {name: mask[:1] for name, mask in masks.items()}
    alone = splits.run("mlp", links, x, y, first, config=QUICK)
    assert (alone.predictions == whole.predictions[:1]).all()
    assert alone.test == whole.test[:1] and alone.epoch == whole.epoch[:1]
    assert (whole.predictions[0] != whole.predictions[1]).any()
    again = splits.run("mlp", links, x, y, masks, config=QUICK, seed=1)
    assert (again.predictions != whole.predictions).any()


SLOW = {"revgat": pytest.mark.slow}  # its network has a test of its own


@pytest.mark.parametrize(
    "kind", [pytest.param(x, marks=SLOW.get(x, ())) for x in splits.KINDS]
)
def test_every_kind_learns(kind, drawn):
    links, x, y, masks = drawn
    preset = splits.PRESETS[kind]
    config = preset._replace(width=8, learning_rate=0.05, epochs=25)
    result = splits.run(kind, links, x, y, masks, config=config)
    right = result.predictions == y
    for s, mask in enumerate(masks["test"]):
        assert result.test[s] == pytest.approx(100 * right[s, mask].mean())
    assert result.predictions.shape == (4, 150) and result.test.mean() > 60
    assert (result.valid <= 100).all() and result.epoch.max() <= 25
    alone = graph.degrees(links) == 0
    at = masks["test"] & alone
    wanted = [100 * right[s, m].mean() if m.any() else np.nan for s, m in enumerate(at)]
    np.testing.assert_allclose(result.isolated, wanted, rtol=1e-6)


def test_neighbours_help_where_features_are_weak():
    params = simulated.Params(nodes=400, classes=3, alone=0.0)
    nodes = simulated.generate(4, params).nodes
    random, y = np.random.default_rng(3), nodes.labels
    x = np.eye(3, 6)[y] + 2 * random.normal(size=(len(y), 6))
    masks = text_graphs.draw_shares(y, splits=4)
    found = {
        kind: splits.run(kind, nodes.graph, x, y, masks, config=QUICK).test.mean()
        for kind in ("mlp", "two_hop", "c_and_s")
    }
    assert min(found["two_hop"], found["c_and_s"]) > found["mlp"] + 5


def test_many_rows_are_learned_in_parts(drawn):
    links, x, y, masks = drawn
    train = {"rows": np.arange(10, 30), "weight": np.arange(20.0)}
    for seed in range(2):
        parts = training.dealt(train, 6, jax.random.key(seed))
        assert parts["rows"].shape == (3, 6)
        assert len(set(np.asarray(parts["rows"]).ravel().tolist())) == 18
        np.testing.assert_array_equal(parts["weight"], parts["rows"] - 10)
    config = QUICK._replace(batch_size=30)
    result = splits.run("mlp", links, x, y, masks, config=config)
    assert result.test.mean() > 50
    assert splits.preset("mlp", 20_001).batch_size == 2048
    assert splits.preset("graphsage", 20_001) == splits.PRESETS["graphsage"]
    assert splits.preset("sgc", 20_000) == splits.PRESETS["sgc"]


def test_uneven_splits_and_unknown_labels(drawn):
    links, x, y, masks = drawn
    y = y.copy()
    y[:10] = -1
    train = masks["train"].copy()
    train[1, np.flatnonzero(train[1])[20:]] = False
    result = splits.run("mlp", links, x, y, masks | {"train": train}, config=QUICK)
    at = masks["test"][2] & (y >= 0)
    assert result.test[2] == pytest.approx(
        100 * (result.predictions[2] == y)[at].mean()
    )
    assert np.isfinite(result.test).all()


def test_bad_input_of_splits(drawn):
    links, x, y, masks = drawn
    with pytest.raises(errors.InputError, match="Unknown downstream model 'gcn'"):
        splits.run("gcn", links, x, y, masks)
    with pytest.raises(errors.InputError, match="labels and masks of the 149 nodes"):
        splits.run("mlp", links, x[1:], y, masks)
    with pytest.raises(errors.InputError, match="found no valid"):
        splits.run("mlp", links, x, y, {k: masks[k] for k in ("train", "test")})
    none = masks | {"valid": np.zeros_like(masks["valid"])}
    with pytest.raises(errors.InputError, match="in valid of every split; found none"):
        splits.run("mlp", links, x, y, none)
    x = x.copy()
    x[3, 2] = np.nan
    with pytest.raises(errors.InputError, match="features"):
        splits.run("mlp", links, x, y, masks)


def test_paired_interval_is_that_of_the_t_test():
    random = np.random.default_rng(0)
    one, other = random.normal(1, 1, 10), random.normal(0, 1, 10)
    found = splits.paired(one, other)
    wanted = scipy.stats.ttest_rel(one, other).confidence_interval(0.95)
    np.testing.assert_allclose(found[:3], [(one - other).mean(), *wanted], rtol=1e-9)
    assert found.positive == (one > other).sum() and found.count == 10
    assert splits.paired([2.0], [1.0]) == (1.0, 1.0, 1.0, 1, 1)
    with pytest.raises(errors.InputError, match="found 2 and 1"):
        splits.paired([1.0, 2.0], [1.0])
