"""Downstream models: features, networks, correct and smooth, against dense NumPy."""

import functools

import jax
import numpy as np
import pytest

from iclr22 import errors, graph
from iclr22.giant_xrt.downstream import classifier, networks, propagation
from iclr22.giant_xrt.downstream.classifier import Config

SMALL = Config(classes=3, width=4, heads=2, dropout=0.0)


def links(n=12, edges=20, seed=0, weights=True):
    """A graph whose last node is alone."""
    random = np.random.default_rng(seed)
    ends = random.integers(0, n - 1, (2, edges))
    weights = random.integers(1, 5, edges) / 2 if weights else None
    return graph.build(np.zeros((n, 0), np.float32), *ends, weights=weights)


def dense(found):
    edges, n = graph.links(found), found.nodes.shape[0]
    matrix = np.zeros((n, n))
    matrix[edges.receivers, edges.senders] = edges.weights
    return matrix


def features(n=12, d=5, seed=1):
    return np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)


def close(found, wanted, **tolerance):
    np.testing.assert_allclose(
        found, wanted, **({"rtol": 2e-5, "atol": 2e-6} | tolerance)
    )


# Features


def test_adjacencies_against_dense():
    found = links()
    matrix = dense(found)
    close(propagation.adjacency(found).toarray(), matrix)
    degree = matrix.sum(axis=1)
    mean = propagation.means(found).toarray()
    close(mean[:-1], matrix[:-1] / degree[:-1, None])
    assert not mean[-1].any()
    with np.errstate(divide="ignore", invalid="ignore"):
        bare = np.nan_to_num(matrix / np.sqrt(np.outer(degree, degree)))
    close(propagation.symmetric(found, loops=False).toarray(), bare)
    looped = matrix + np.eye(12)
    degree = looped.sum(axis=1)
    close(
        propagation.symmetric(found).toarray(),
        looped / np.sqrt(np.outer(degree, degree)),
    )


def test_propagated_features_against_dense():
    found, x = links(), features()
    matrix = propagation.symmetric(found).toarray()
    close(propagation.sgc(found, x, 3), matrix @ matrix @ matrix @ x)
    close(propagation.sgc(found, x)[-1], x[-1])
    mean = propagation.means(found).toarray()
    mean[-1, -1] = 1
    parts = [x, mean @ x, mean @ mean @ x]
    close(propagation.two_hop(found, x), np.mean(parts, axis=0))
    close(propagation.two_hop(found, x, "concatenate"), np.concatenate(parts, axis=1))
    with pytest.raises(errors.InputError, match="Unknown way to join 'sum'"):
        propagation.two_hop(found, x, "sum")


# Networks


def on_graph(found, x):
    batch = classifier.on_graph(found, x)
    return batch | {
        "y": np.arange(len(x)) % 3,
        "weight": np.ones(len(x), np.float32),
    }


def started(config, batch):
    """Parameters after one update, so that no bias is 0."""

    @jax.jit
    def start(batch):
        state = classifier.init(config, jax.random.key(0), batch)
        return classifier.train_step(config, state, batch)[0].params

    return jax.device_get(start(batch))


def logits_of(config, params, batch):
    return jax.jit(functools.partial(classifier.apply, config))(params, batch)


def loss_of(config, params, batch):
    return jax.jit(functools.partial(classifier.loss, config))(params, batch)[0]


def plain(params, x):
    return x @ params["kernel"] + params.get("bias", 0)


def normed(params, name, x):
    inner, moments = params["weights"][name]["norm"], params["stats"][name]["norm"]
    x = (x - moments["mean"]) / np.sqrt(moments["var"] + 1e-5)
    return np.maximum(x * inner["scale"] + inner["bias"], 0)


def test_perceptron_against_numpy():
    config, batch = classifier.example()
    config = config._replace(layers=3)
    params = started(config, batch)
    x, weights = batch["x"], params["weights"]
    for i in range(2):
        x = normed(params, f"between{i}", plain(weights[f"layer{i}"], x))
    wanted = plain(weights["output"], x)
    close(logits_of(config, params, batch), wanted, rtol=1e-4, atol=1e-5)
    config = config._replace(layers=1)
    params = started(config, batch)
    wanted = plain(params["weights"]["output"], batch["x"])
    close(logits_of(config, params, batch), wanted)


@pytest.mark.parametrize("dropped", [0.0, 0.3])
def test_graphsage_against_dense(dropped):
    config = SMALL._replace(model="graphsage", layers=3, input_dropout=dropped)
    found, x = links(), features()
    batch = on_graph(found, x)
    params = started(config, batch)
    weights = params["weights"]
    mean = propagation.means(found).toarray()
    for i in range(3):
        x = plain(weights[f"own{i}"], x) + plain(weights[f"near{i}"], mean @ x)
        if i < 2:
            x = normed(params, f"between{i}", x)
    close(logits_of(config, params, batch), x, rtol=1e-4, atol=1e-5)


def test_attention_against_dense():
    found, x = links(weights=False), features()
    batch = on_graph(found, x)
    module = networks.Attention(3, 2, 0.0)
    params = jax.jit(module.init)(jax.random.key(0), x, batch)["params"]
    params = jax.device_get(params)
    looped = dense(found) + np.eye(12)
    degree = looped.sum(axis=1)
    value = plain(params["value"], x).reshape(12, 2, 3) / np.sqrt(degree)[:, None, None]
    wanted = plain(params["own"], x).reshape(12, 2, 3)
    for i in range(12):
        near = np.flatnonzero(looped[i])
        for h in range(2):
            score = value[near, h] @ params["look"][:, h]
            score = np.exp(np.where(score > 0, score, 0.2 * score))
            heard = score @ value[near, h] / score.sum()
            wanted[i, h] += heard * np.sqrt(degree[i])
    heard = jax.jit(module.apply)({"params": params}, x, batch)
    close(heard, wanted.reshape(12, 6), rtol=1e-4)
    dropping = networks.Attention(3, 2, 0.9)
    heard = jax.jit(dropping.apply)({"params": params}, x, batch, jax.random.key(1))
    assert np.isfinite(heard).all() and not np.allclose(
        heard[:-1], wanted.reshape(12, 6)[:-1]
    )
    close(heard[-1], wanted[-1].ravel(), rtol=1e-4)  # a node sees itself


def test_reversible_layers_are_undone():
    config = SMALL._replace(model="revgat", groups=2, width=4)
    found, x = links(), features(d=8)
    batch = on_graph(found, x)
    module = networks.Reversible(config)
    variables = jax.jit(module.init)(jax.random.key(0), x, batch)
    y1, y2 = np.split(np.asarray(jax.jit(module.apply)(variables, x, batch)), 2, axis=1)

    @functools.partial(jax.jit, static_argnums=0)
    def branch(i, y):
        inner = {kind: variables[kind].get(f"between{i}", {}) for kind in variables}
        h = networks.Between(config).apply(inner, y, None, None)
        attention = networks.Attention(2, 2, 0.0, False)
        own = {"params": variables["params"][f"attention{i}"]}
        return attention.apply(own, h, batch)

    x2 = y2 - branch(1, y1)
    x1 = y1 - branch(0, x2)
    close(np.concatenate([x1, x2], axis=1), x, rtol=1e-4, atol=1e-5)


def test_revgat_needs_layers_and_groups_that_divide():
    batch = on_graph(links(), features())
    for change in ({"layers": 1}, {"width": 3}):
        config = SMALL._replace(model="revgat", **change)
        with pytest.raises(errors.InputError, match="revgat: expected two layers"):
            classifier.init(config, jax.random.key(0), batch)
    with pytest.raises(errors.InputError, match="Unknown model 'gcn'"):
        classifier.init(SMALL._replace(model="gcn"), jax.random.key(0), batch)


def test_objective_for_wrong_labels_is_bounded_in_slope():
    config, batch = classifier.example()
    params = started(config, batch)
    logits = np.asarray(logits_of(config, params, batch), np.float64)
    share = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    each = -np.log(share[np.arange(len(share)), batch["y"]])
    rounded = {"rtol": 1e-4}
    close(loss_of(config, params, batch), each.sum(), **rounded)
    config = config._replace(objective="log")
    least = 1 - np.log(2)
    wanted = np.log((least + each) / least).sum()
    close(loss_of(config, params, batch), wanted, **rounded)


def test_correct_and_smooth_against_dense():
    found, random = links(), np.random.default_rng(3)
    guess = random.dirichlet(np.ones(3), 12)
    y, train = np.arange(12) % 3, random.random(12) < 0.5
    matrix = propagation.symmetric(found, loops=False).toarray()
    known = np.eye(3)[y]
    error = (known - guess) * train[:, None]
    size = np.abs(error).sum() / train.sum()
    spread = error.copy()
    for _ in range(7):
        spread = np.clip(0.3 * error + 0.7 * matrix @ spread, -1, 1)
    better = guess.copy()
    for i, row in enumerate(spread):
        own = np.abs(row).sum()
        better[i] += row * (size / own if own > size / 1000 else 1)
    start = np.where(train[:, None], known, better)
    wanted = start.copy()
    for _ in range(7):
        wanted = np.clip(0.4 * start + 0.6 * matrix @ wanted, 0, 1)
    plan = graph.plan(found)
    given = guess.astype(np.float32), y, train
    done = propagation.correct_and_smooth(
        found, plan, *given, correct=0.7, smooth=0.6, steps=7
    )
    close(done, wanted, rtol=1e-4, atol=1e-5)
