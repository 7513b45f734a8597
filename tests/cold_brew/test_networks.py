"""Cold Brew's networks and losses, against NumPy and by their rules."""

import functools
import typing

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import (
    as_sparse,
    assert_trees_close,
    central_differences,
    numbers,
    started,
)

from iclr22 import graph, parallel
from iclr22.cold_brew import graph_mlp, losses, networks, teacher, training

pytestmark = pytest.mark.eight_devices

close = functools.partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-5)
same = np.testing.assert_array_equal
PLAIN = teacher.Config(classes=3, hidden=4, dropout=0.0, embedding_std=1.0)
KINDS = typing.get_type_hints(teacher.Config)
RESIDUALS, NORMS = (typing.get_args(KINDS[x]) for x in ("residual", "norm"))


def small(n=12, edges=20):
    """A graph with weights; its last two nodes have no edge."""
    rng = np.random.default_rng(0)
    ends, weights = rng.integers(0, n - 2, (2, edges)), rng.uniform(0.5, 2, edges)
    return graph.build(numbers(n, 5) / 4, *ends, weights=weights)


def batch_of(config, g, weight=None, devices=8):
    """A labelled batch with features as they are."""
    weight = np.ones(len(g.nodes)) if weight is None else weight
    prepared = teacher.prepare(config, g, devices=devices, normalise=False)
    return prepared | teacher.labels(np.arange(len(weight)) % config.classes, weight)


def gradient(stage, config, params, batch, key=None):
    """Of the summed loss, by weights."""

    def total(weights):
        return stage.loss(config, params | {"weights": weights}, batch, key=key)[0]

    return jax.grad(total)(params["weights"])


compiled_gradient = jax.jit(gradient, static_argnums=(0, 1))
compiled_logits = jax.jit(teacher.apply, static_argnums=0)


def largest(tree):
    return max(float(np.abs(x).max()) for x in jax.tree.leaves(tree))


def adjacency(g, self_loops=True):
    dense = np.zeros((len(g.nodes), len(g.nodes)))
    dense[g.receivers, g.senders] = g.edges
    return dense + self_loops * np.eye(len(g.nodes))


def symmetric(dense):
    total = dense.sum(axis=1)
    scale = np.where(total > 0, np.maximum(total, 1e-9) ** -0.5, 0)
    return scale[:, None] * dense * scale


def by_hand(config, weights, g):
    """`(outputs of layers, x W + E of layers)` of a network without residuals."""
    near, x, outputs, inner = adjacency(g, config.self_loops), g.nodes, [], []
    for layer in (weights[f"layer{i}"] for i in range(config.layers)):
        inner.append(x @ layer["linear"]["kernel"] + layer.get("embedding", 0))
        h = symmetric(near) @ inner[-1]
        if config.convolution == "sage":
            h = near @ inner[-1] / np.maximum(near.sum(axis=1), 1e-9)[:, None]
            h += x @ layer["own"]["kernel"]
        outputs.append(h + layer["bias"])
        x = np.maximum(outputs[-1], 0)
    return outputs, inner


@pytest.mark.parametrize("devices", [1, 8])
@pytest.mark.parametrize("self_loops", [True, False])
@pytest.mark.parametrize("convolution", ["gcn", "sage"])
def test_network_and_handover_equal_dense_formulas(convolution, self_loops, devices):
    config = PLAIN._replace(convolution=convolution, self_loops=self_loops)
    config = config._replace(embeddings="111")
    batch = batch_of(config, small(), devices=devices)
    params = started(teacher, config, batch)
    outputs, inner = by_hand(config, params["weights"], small())
    expected = {"logits": outputs[-1:], "layers": outputs}
    expected["embeddings"] = [*inner, outputs[-1]]
    tables = jax.jit(
        lambda: {k: teacher.handover(config, params, batch, k) for k in expected}
    )()
    for kind, parts in expected.items():
        close(tables[kind], np.concatenate(parts, axis=1))
    if convolution == "gcn" and not self_loops:
        same(tables["logits"][-2:], [params["weights"]["layer1"]["bias"]] * 2)


@pytest.mark.parametrize("residual", RESIDUALS)
@pytest.mark.parametrize("depth", [1, 3])
def test_width_of_handover_is_known_beforehand(residual, depth):
    config = PLAIN._replace(residual=residual, layers=depth, norm="node")
    batch = batch_of(config, small())
    params = teacher.init(config, jax.random.key(0), batch).params
    for kind in typing.get_args(teacher.Handover):
        table = jax.eval_shape(
            lambda k=kind: teacher.handover(config, params, batch, k)
        )
        assert table.shape == (12, teacher.handover_width(config, kind))


def test_zero_embeddings_give_gcn_and_a_constant_one_is_a_bias_before_the_sum():
    config = PLAIN._replace(layers=1)
    batch = batch_of(config, small())
    params = started(teacher, config, batch)
    layer, shift = params["weights"]["layer0"], np.float32([1, -2, 0.5])
    layer["embedding"] *= 0
    zero = teacher.apply(config, params, batch)
    layer["embedding"] += shift
    shifted = teacher.apply(config, params, batch)
    close(shifted - zero, np.outer(symmetric(adjacency(small())).sum(axis=1), shift))
    del layer["embedding"]
    same(zero, teacher.apply(config._replace(embeddings="000"), params, batch))


def test_gradients_reach_embeddings_within_the_hops_of_a_label():
    path = graph.build(np.eye(9, dtype=np.float32), np.arange(8), np.arange(1, 9))
    config = PLAIN._replace(embeddings="111", embedding_penalty=0.0, hidden=8)
    batch = batch_of(config, path, np.arange(9) == 0)
    params = started(teacher, config, batch)
    found = compiled_gradient(teacher, config, params, batch)
    config = config._replace(embedding_penalty=0.1)
    penalised = compiled_gradient(teacher, config, params, batch)
    for layer, hops in (("layer0", 2), ("layer1", 1)):
        rows = np.abs(found[layer]["embedding"]).max(axis=1)
        same(np.flatnonzero(rows), np.arange(hops + 1))
        extra = penalised[layer]["embedding"] - found[layer]["embedding"]
        close(extra, 0.2 * params["weights"][layer]["embedding"])  # one node counts
        assert np.abs(extra).max(axis=1).min() > 0


@pytest.mark.parametrize("residual, last", [("none", 3), ("initial", 4)])
@pytest.mark.parametrize(
    "flag, where",
    [("000", []), ("100", [0]), ("001", [3]), ("010", [1, 2]), ("111", [0, 1, 2, 3])],
)
def test_embeddings_are_in_the_layers_of_the_flag(flag, where, residual, last):
    config = PLAIN._replace(layers=4, embeddings=flag, residual=residual)
    weights = started(teacher, config, batch_of(config, small()))["weights"]
    found = {k: v["embedding"].shape for k, v in weights.items() if "embedding" in v}
    assert found == {f"layer{i}": (12, last if i == 3 else 4) for i in where}


def test_sparse_features_equal_dense_ones():
    config = PLAIN._replace(residual="initial", convolution="sage")
    batch = batch_of(config, small()._replace(nodes=np.maximum(small().nodes, 0)))
    params, g = started(teacher, config, batch), batch["graph"]
    other = batch | {"graph": g._replace(nodes=as_sparse(g.nodes))}
    found = [compiled_gradient(teacher, config, params, x) for x in (batch, other)]
    assert_trees_close(*found, rtol=1e-5, atol=1e-5)
    close(*(teacher.apply(config, params, x) for x in (batch, other)), rtol=1e-5)


# Every kind once; all pairs of them are slow.
@pytest.mark.parametrize(
    "residual, norm",
    [
        pytest.param(residual, norm, marks=[] if i % 5 == j % 5 else pytest.mark.slow)
        for i, residual in enumerate(RESIDUALS)
        for j, norm in enumerate(NORMS)
    ],
)
def test_every_backbone_is_finite(residual, norm):
    depth = 2 + (RESIDUALS.index(residual) + NORMS.index(norm)) % 3
    config = PLAIN._replace(residual=residual, norm=norm, layers=depth, groups=2)
    config = config._replace(dropout=0.5, embeddings="111")
    batch = batch_of(config, small(8, 12))
    params = started(teacher, config, batch)
    logits = compiled_logits(config, params, batch)
    assert logits.shape == (8, 3) and np.isfinite(logits).all()
    found = compiled_gradient(teacher, config, params, batch, jax.random.key(1))
    assert largest(found) < 1e3 and largest(found["layer0"]["embedding"]) > 0


def test_64_layers_start_and_are_finite():
    config = PLAIN._replace(layers=64, norm="pair", residual="initial")
    batch = batch_of(config, small(8, 12))
    params = teacher.init(config, jax.random.key(0), batch).params
    logits = teacher.apply(config, params, batch)
    assert len(params["weights"]) == 64 + 2 and np.std(logits, axis=0).min() > 0
    assert np.isfinite(logits).all()


def test_simple_norms_equal_their_closed_forms():
    x = numbers(20, 6)
    pair, node, mean = (
        networks.pair_norm(x),
        networks.node_norm(x),
        networks.mean_norm(x),
    )
    close(np.mean(pair, axis=0), np.zeros(6))
    assert np.mean(np.sum(pair**2, axis=1)) == pytest.approx(1, abs=1e-5)
    close(np.mean(node, axis=1), np.zeros(20))
    close(np.std(node, axis=1), np.ones(20))
    close(node * x.std(axis=1)[:, None], x - x.mean(axis=1)[:, None], atol=1e-3)
    close(mean, x - x.mean(axis=0))
    close(pair * np.sqrt(np.mean(np.sum(mean**2, axis=1))), mean)


def normed(x, training, kind, weight=1.0, given=None):
    """`(output, variables)` of one of the learned norms."""
    norm = networks.Norm(kind, 3, weight)
    given = given or norm.init(jax.random.key(0), x, False)
    found, changed = norm.apply(given, x, training, mutable=["stats"])
    return np.asarray(found), {**given, **changed}


@pytest.mark.parametrize("kind", ["batch", "group"])
def test_learned_norms_equal_their_formulas_and_remember_moments(kind):
    x = numbers(20, 6)
    found, variables = normed(x, True, kind)
    stats, expected, share = variables["stats"]["norm"], 0, np.ones((20, 1))
    if kind == "group":
        same(normed(x, True, kind, 0.0)[0], x)
        assign = variables["params"]["norm"]["assign"]
        share = jax.nn.softmax(x @ assign["kernel"] + assign["bias"], axis=1)
        expected, stats, share = x, stats["norm"], np.asarray(share)
    new = 0.3 if kind == "group" else 0.1
    copies = (share[:, :, None] * x[:, None]).reshape(20, -1)
    close(stats["mean"], new * copies.mean(axis=0))
    close(stats["var"], 1 - new + new * copies.var(axis=0))
    copies = (copies - copies.mean(axis=0)) / np.sqrt(copies.var(axis=0) + 1e-5)
    close(found, expected + copies.reshape(20, -1, 6).sum(axis=1), atol=1e-3)
    evaluated, after = normed(x, False, kind, given=variables)
    assert_trees_close(after, variables, rtol=0)
    close(normed(x[:1], False, kind, given=variables)[0], evaluated[:1])
    assert np.abs(found - evaluated).max() > 0.01


@pytest.mark.parametrize("devices", [1, 8])
@pytest.mark.parametrize(
    "edge, node, kept",
    [(0.25, 0, 0.75), (0, 0.25, 0.75**2), (0.5, 0.25, 0.5 * 0.75**2)],
)
def test_edges_are_dropped_at_the_rate_and_loops_are_not(edge, node, kept, devices):
    config = PLAIN._replace(drop_edge=edge, drop_node=node)
    batch = batch_of(config, small(60, 2000), devices=devices)
    g = batch["graph"]
    own = int(g.n_edge[0])  # padding comes after
    assert graph.padding(g) == (own < len(g.edges)) == (devices > 1)
    drop = jax.vmap(lambda key: networks.drop_edges(config, batch, key, None))
    found = np.asarray(drop(jax.random.split(jax.random.key(0), 50)))
    assert (found[:, own:] == 0).all()
    found, loops = found[:, :own], (g.senders == g.receivers)[:own]
    assert loops.sum() == 60 and (found[:, loops] == 1).all()
    assert ((found == 0) | (found == g.edges[:own])).all()
    assert np.mean(found[:, ~loops] > 0) == pytest.approx(kept, abs=0.02)
    assert np.std(found[:, ~loops] > 0, axis=0).min() > 0  # others every time
    assert networks.drop_edges(config, batch, None, None) is g.edges


@pytest.mark.parametrize("logits_too", [False, True])
def test_evaluation_is_deterministic_and_training_is_not(logits_too):
    quiet = PLAIN._replace(drop_logits=logits_too)
    config = quiet._replace(dropout=0.5, drop_edge=0.5, drop_node=0.5)
    batch = batch_of(config, small())
    params = started(teacher, config, batch)
    expected = teacher.apply(quiet, params, batch)
    same(teacher.apply(config, params, batch), expected)
    keys = jax.random.split(jax.random.key(0))
    a, b = (np.asarray(teacher.apply(config, params, batch, key=key)) for key in keys)
    assert np.abs(a - b).max() > 0.01 and ((a == 0).mean() > 0.2) == logits_too


def test_dropout_of_sparse_features_touches_entries_only():
    x = as_sparse(numbers(60, 5))
    found = networks.drop(jax.random.key(0), x, 0.5)
    ratio = found.values / x.values
    close(ratio, np.where(ratio > 0, 2, 0))
    assert found.plan is x.plan and 0.4 < np.mean(ratio > 0) < 0.6


@pytest.mark.parametrize(
    "changes",
    [
        {"norm": "batch"},
        {"norm": "group", "residual": "initial", "groups": 2, "group_weight": 1.0},
        {"norm": "pair", "convolution": "sage", "self_loops": False, "layers": 3},
    ],
    ids=lambda x: x["norm"],
)
def test_divided_edges_equal_one_device(changes):
    # With plain steps of size 1 the change of the weights is the gradient.
    config = PLAIN._replace(embeddings="111", optimizer="sgd", learning_rate=1.0)
    config = config._replace(weight_decay=0.0, **changes)
    weight = np.arange(21) % 3 > 0
    one, many = (batch_of(config, small(21, 60), weight, d) for d in (1, 8))
    rows = len(one["plan"].offsets) + graph.padding(many["graph"])
    assert len(many["plan"].offsets) == 8 * rows and len(one["plan"].offsets) == 22
    params = started(teacher, config, one)
    state = training.start(config, jax.random.key(0), {"params": params["weights"]})
    state = state._replace(params=params)
    step = functools.partial(teacher.train_step, config)
    apply = jax.jit(functools.partial(teacher.apply, config))
    expected = jax.jit(step)(state, one)
    for mode in parallel.MODES:
        on = parallel.devices(mode, teacher.axes(many))
        compiled, placed = parallel.compile_step(on, step), parallel.shard(on, many)
        found = compiled(parallel.place(on, lambda: state), placed)
        assert_trees_close(expected, found, rtol=1e-5, atol=1e-5)
        if mode == "jit":
            assert not placed["graph"].edges.sharding.is_fully_replicated
            close(apply(params, placed), apply(params, one), rtol=1e-5)


def targets(y, target=None, hard=1.0, soft=0.0, weight=1.0):
    given = {"hard": hard, "soft": soft, "weight": weight}
    given = {k: np.broadcast_to(np.float32(v), len(y)) for k, v in given.items()}
    return teacher.labels(y, np.ones(len(y)), target=target) | given


def test_losses_have_their_literal_values():
    outputs = np.log(np.float32([[1, 3], [1, 3]]))
    batch = targets([0, 1], hard=[0.5, 1], weight=[1, 2])
    total, sums = losses.summed("cross_entropy", outputs, batch)
    assert total == pytest.approx(0.5 * np.log(4) + 2 * np.log(4 / 3), rel=1e-6)
    assert sums == {"loss": total, "weight": 3, "accuracy": 200}
    soft = targets([0, 1], np.zeros((2, 2), np.float32), hard=0.0, soft=[1, 0.25])
    at_two = 4 * (np.log(1 + np.sqrt(3)) - np.log(3) / 4)
    close(losses.divergence(outputs, soft["target"], 2.0), [at_two, at_two])
    total, _ = losses.summed("cross_entropy", outputs, soft, 2.0)
    assert total == pytest.approx(1.25 * at_two, rel=1e-6)
    total, sums = losses.summed("mse", np.float32([[1, 2], [3, 5]]), soft)
    assert total == (1 + 4) / 2 + (9 + 25) / 2 and "accuracy" not in sums
    links = {"pairs": np.array([[0, 1], [0, 2], [1, 2]]), "linked": np.eye(3)[0]}
    links["pair_weight"] = np.float32([1, 2, 0])
    embeddings = np.float32([[1, 2], [3, -1], [0.5, 0.5]])  # products 1, 1.5, 1
    total, sums = losses.summed("link", embeddings, links)
    expected = np.log1p(np.exp(-1.0)) + 2 * np.log1p(np.exp(1.5))
    assert total == pytest.approx(expected, rel=1e-6)
    assert sums == {"loss": total, "weight": 3, "accuracy": 100}


@pytest.mark.parametrize("objective", ["cross_entropy", "mse", "link"])
def test_gradients_of_losses_equal_differences_and_ignore_weight_zero(objective):
    rng = np.random.default_rng(0)
    outputs, target = rng.normal(size=12), rng.normal(size=(4, 3))
    batch = targets([0, 2, 1, 0], target, hard=0.4, soft=0.7, weight=[1, 0, 2, 0.5])
    batch |= {"pairs": np.array([[0, 2], [2, 3], [1, 1]]), "linked": np.eye(3)[1]}
    batch["pair_weight"] = np.array([1, 0.5, 0])

    def total(x):
        return losses.summed(objective, x.reshape(4, 3), batch, 2.0)[0]

    with jax.enable_x64(True):
        found = np.asarray(jax.jit(jax.grad(total))(outputs))
        expected = central_differences(jax.jit(total), outputs)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-8)
    same(np.abs(found.reshape(4, 3)).max(axis=1) > 0, [True, False, True, True])


def test_contrast_equals_a_loop():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(6, 3))
    near = rng.uniform(0.1, 1, (6, 6)) * (rng.random((6, 6)) > 0.5)
    near[2], near[3] = np.eye(6)[5], 0  # only padding is close; nobody is
    np.fill_diagonal(near, -1)
    similar = np.exp(z @ z.T / np.outer(*[np.linalg.norm(z, axis=1)] * 2) / 0.5)
    found = graph_mlp.contrast(jnp.asarray(z), near, np.array([1] * 5 + [0]), 0.5)
    assert found[2] == found[3] == 0 and np.count_nonzero(found) == 4
    for i in (0, 1, 4, 5):
        others = [j for j in range(5) if j != i]
        share = similar[i, others] @ near[i, others] / similar[i, others].sum()
        assert found[i] == pytest.approx(-np.log(share), rel=1e-5)
    near = np.array([[-1, 0.25], [0.5, -1]])  # alone, so the closeness is the share
    close(graph_mlp.contrast(jnp.eye(2), near, np.ones(2), 1.0), np.log([4.0, 2.0]))


def test_contrast_has_a_gradient_where_features_are_empty():
    config, batch = graph_mlp.example(8)
    batch["x"][2] = 0
    params = graph_mlp.init(config, jax.random.key(0), batch).params
    found = compiled_gradient(graph_mlp, config, params, batch, jax.random.key(1))
    assert largest(found) < 1e3


@pytest.mark.parametrize("hops", [1, 2, 3])
def test_closeness_is_a_power_of_the_normalised_adjacency(hops):
    rows = np.array([3, 0, 7, 3, 11])  # node 3 is there twice
    power = np.linalg.matrix_power(symmetric(adjacency(small())), hops)
    expected = np.where(rows[:, None] == rows, -1, power[np.ix_(rows, rows)])
    close(graph_mlp.Closeness(small(), hops)(rows), expected)
