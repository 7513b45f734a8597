"""Cold Brew's networks, losses, student and pipeline, against NumPy and by their rules."""

import functools
import typing

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import assert_trees_close, central_differences

from iclr22 import errors, graph, parallel, sparse
from iclr22.cold_brew import (
    graph_mlp,
    layers,
    perceptron,
    student,
    teacher,
    train,
)

close = functools.partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-5)
PLAIN = teacher.Config(classes=3, hidden=4, dropout=0.0, embedding_std=1.0)
RESIDUALS = typing.get_args(typing.get_type_hints(teacher.Config)["residual"])


def small(n=12, edges=20, seed=0):
    """A graph with weights; its last two nodes have no edge."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 5)).astype(np.float32)
    ends, weights = rng.integers(0, n - 2, (2, edges)), rng.uniform(0.5, 2, edges)
    return graph.build(x, *ends, weights=weights)


def as_sparse(x):
    offsets = np.concatenate([[0], np.cumsum(np.count_nonzero(x, axis=1))])
    return sparse.from_rows(offsets, np.nonzero(x)[1], x[np.nonzero(x)], x.shape[1])


def batch_of(config, g, weight=None, devices=8):
    """A labelled batch with features as they are."""
    weight = np.ones(len(g.nodes)) if weight is None else weight
    prepared = teacher.prepare(config, g, devices=devices, normalise=False)
    return prepared | teacher.labels(np.arange(len(weight)) % config.classes, weight)


def started(stage, config, batch, seed=0):
    """Random parameters, so that nothing is zero that should not be."""
    init = functools.partial(stage.init, config)
    params = jax.eval_shape(init, jax.random.key(0), batch).params
    rng = np.random.default_rng(seed)

    def draw(x):
        return rng.normal(0, 0.5, x.shape).astype(np.float32)

    stats = jax.tree.map(lambda x: 1 + np.abs(draw(x)), params["stats"])
    return {"weights": jax.tree.map(draw, params["weights"]), "stats": stats}


def gradient(stage, config, params, batch, key=None):
    """Of the summed loss, by weights."""

    def total(weights):
        return stage.loss(config, params | {"weights": weights}, batch, key=key)[0]

    return jax.grad(total)(params["weights"])


def all_finite(tree):
    return all(np.isfinite(x).all() for x in jax.tree.leaves(tree))


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
        if config.convolution == "gcn":
            h = symmetric(near) @ inner[-1]
        else:
            mean = near @ inner[-1] / np.maximum(near.sum(axis=1), 1e-9)[:, None]
            h = x @ layer["own"]["kernel"] + mean
        outputs.append(h + layer["bias"])
        x = np.maximum(outputs[-1], 0)
    return outputs, inner


# Teacher


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
    kinds = jax.jit(
        lambda: [teacher.handover(config, params, batch, k) for k in expected]
    )
    for found, parts in zip(kinds(), expected.values(), strict=True):
        close(found, np.concatenate(parts, axis=1))
    if not self_loops:  # the last two nodes have their own part and the bias
        layer, x = params["weights"]["layer1"], np.maximum(outputs[0][-2:], 0)
        own = x @ layer["own"]["kernel"] if convolution == "sage" else np.zeros((2, 3))
        close(kinds()[0][-2:], own + layer["bias"])


def test_zero_embeddings_give_gcn_and_a_constant_one_is_a_bias_before_the_sum():
    config = PLAIN._replace(layers=1)
    batch = batch_of(config, small())
    params = started(teacher, config, batch)
    layer = params["weights"]["layer0"]
    layer["embedding"] *= 0
    zero = teacher.apply(config, params, batch)
    shift = np.float32([1, -2, 0.5])
    layer["embedding"] += shift
    shifted = teacher.apply(config, params, batch)
    close(shifted - zero, np.outer(symmetric(adjacency(small())).sum(axis=1), shift))
    del layer["embedding"]
    gcn = teacher.apply(config._replace(embeddings="000"), params, batch)
    np.testing.assert_array_equal(zero, gcn)


def test_gradients_reach_embeddings_within_the_hops_of_a_label():
    path = graph.build(np.eye(9, dtype=np.float32), np.arange(8), np.arange(1, 9))
    config = PLAIN._replace(embeddings="111", embedding_penalty=0.0, hidden=8)
    batch = batch_of(config, path, np.arange(9) == 0)
    params = started(teacher, config, batch)
    found = gradient(teacher, config, params, batch)
    config = config._replace(embedding_penalty=0.1)
    penalised = gradient(teacher, config, params, batch)
    for layer, hops in (("layer0", 2), ("layer1", 1)):
        rows = np.abs(found[layer]["embedding"]).max(axis=1)
        assert np.flatnonzero(rows).tolist() == list(range(hops + 1))
        extra = penalised[layer]["embedding"] - found[layer]["embedding"]
        close(extra, 0.2 * params["weights"][layer]["embedding"])  # one node counts
        assert np.abs(extra).max(axis=1).min() > 0


@pytest.mark.parametrize("residual", ["none", "initial"])
@pytest.mark.parametrize(
    "flag, where",
    [("000", []), ("100", [0]), ("001", [3]), ("010", [1, 2]), ("111", [0, 1, 2, 3])],
)
def test_embeddings_are_in_the_layers_of_the_flag(flag, where, residual):
    config = PLAIN._replace(layers=4, embeddings=flag, residual=residual)
    weights = started(teacher, config, batch_of(config, small()))["weights"]
    found = {k: v["embedding"].shape for k, v in weights.items() if "embedding" in v}
    last = 3 if residual == "none" else 4
    assert found == {f"layer{i}": (12, last if i == 3 else 4) for i in where}


def test_sparse_features_equal_dense_ones():
    g = small()
    g = g._replace(nodes=g.nodes * (g.nodes > 0))
    config = PLAIN._replace(residual="initial", convolution="sage")
    batch = batch_of(config, g)
    params = started(teacher, config, batch)
    other = batch | {"graph": batch["graph"]._replace(nodes=as_sparse(g.nodes))}
    both = jax.jit(
        lambda batch: (
            teacher.apply(config, params, batch),
            gradient(teacher, config, params, batch),
        )
    )
    assert_trees_close(both(batch), both(other), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("norm", layers.NORMS)
@pytest.mark.parametrize("residual", RESIDUALS)
def test_every_backbone_is_finite(residual, norm):
    depth = 2 + (RESIDUALS.index(residual) + layers.NORMS.index(norm)) % 3
    config = PLAIN._replace(residual=residual, norm=norm, layers=depth, groups=2)
    config = config._replace(dropout=0.5, embeddings="111")
    batch = batch_of(config, small(8, 12))
    params = started(teacher, config, batch)
    logits = teacher.apply(config, params, batch)
    assert logits.shape == (8, 3) and all_finite(logits)
    found = gradient(teacher, config, params, batch, jax.random.key(1))
    assert all_finite(found) and np.abs(found["layer0"]["embedding"]).max() > 0


def test_64_layers_start_and_are_finite():
    config = PLAIN._replace(layers=64, norm="pair", residual="initial")
    batch = batch_of(config, small(8, 12))
    params = teacher.init(config, jax.random.key(0), batch).params
    logits = teacher.apply(config, params, batch)
    assert len(params["weights"]) == 64 + 2
    assert all_finite(logits) and np.std(logits, axis=0).min() > 0


# Normalizations


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).normal(2, 3, shape).astype(np.float32)


def test_simple_norms_equal_their_closed_forms():
    x = numbers(20, 6)
    pair, node, mean = layers.pair_norm(x), layers.node_norm(x), layers.mean_norm(x)
    close(np.mean(pair, axis=0), np.zeros(6))
    assert np.mean(np.sum(pair**2, axis=1)) == pytest.approx(1, abs=1e-5)
    close(np.mean(node, axis=1), np.zeros(20))
    close(np.std(node, axis=1), np.ones(20), atol=1e-4)
    close(node * x.std(axis=1)[:, None], x - x.mean(axis=1)[:, None], atol=1e-4)
    close(mean, x - x.mean(axis=0))
    close(pair * np.sqrt(np.mean(np.sum(mean**2, axis=1))), mean)


def normed(x, training, kind, weight=0.1, given=None):
    """`(output, variables)` of one of the learned norms."""
    norm = layers.Norm(kind, 3, weight)
    given = given or norm.init(jax.random.key(0), x, False)
    found, changed = norm.apply(given, x, training, mutable=["stats"])
    return np.asarray(found), {**given, **changed}


def test_group_norm_equals_its_formula_and_without_weight_nothing():
    x = numbers(20, 6)
    found, variables = normed(x, True, "group")
    assign = variables["params"]["norm"]["assign"]
    share = jax.nn.softmax(x @ assign["kernel"] + assign["bias"], axis=1)
    expected = x.copy()
    for g in range(3):
        copy = np.asarray(share[:, g, None] * x)
        expected += 0.1 * (copy - copy.mean(axis=0)) / np.sqrt(copy.var(axis=0) + 1e-5)
    close(found, expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(normed(x, True, "group", 0.0)[0], x)


@pytest.mark.parametrize("kind", ["batch", "group"])
def test_evaluation_uses_remembered_moments(kind):
    x = numbers(20, 6)
    trained, variables = normed(x, True, kind, 1.0)
    if kind == "batch":
        moments = variables["stats"]["norm"]
        close(moments["mean"], 0.1 * x.mean(axis=0))
        close(moments["var"], 0.9 + 0.1 * x.var(axis=0))
    found, after = normed(x, False, kind, 1.0, variables)
    close(normed(x[:1], False, kind, 1.0, variables)[0], found[:1])  # each by itself
    assert_trees_close(after, variables, rtol=0)
    assert np.abs(found - trained).max() > 0.01


# What is dropped


@pytest.mark.parametrize(
    "edge, node, kept",
    [(0.25, 0, 0.75), (0, 0.25, 0.75**2), (0.5, 0.25, 0.5 * 0.75**2)],
)
def test_edges_are_dropped_at_the_rate_and_loops_are_not(edge, node, kept):
    config = PLAIN._replace(drop_edge=edge, drop_node=node)
    batch = batch_of(config, small(60, 2000))
    g = batch["graph"]
    real, loops = g.edges > 0, g.senders == g.receivers
    drop = jax.vmap(lambda key: teacher.drop_edges(config, batch, key, None))
    found = np.asarray(drop(jax.random.split(jax.random.key(0), 50)))
    assert (loops & real).sum() == 60 and (found[:, loops & real] == 1).all()
    assert ((found == 0) | (found == g.edges)).all()
    assert np.mean(found[:, ~loops] > 0) == pytest.approx(kept, abs=0.02)
    assert np.std(found[:, ~loops] > 0, axis=0).min() > 0  # others every time
    assert teacher.drop_edges(config, batch, None, None) is g.edges


def test_dropped_edges_do_not_count_in_degrees():
    config = PLAIN._replace(drop_edge=0.5, layers=1, embeddings="000")
    batch, key = batch_of(config, small()), jax.random.key(3)
    params = started(teacher, config, batch)
    kept = teacher.drop_edges(config, batch, jax.random.split(key, 4)[-1], None)
    g = batch["graph"]
    bare = graph.select_edges(g, (np.asarray(kept) > 0) & (g.senders != g.receivers))
    assert 0 < len(bare.edges) < len(small().edges)
    found = teacher.apply(config, params, batch, key=key)
    close(found, by_hand(config, params["weights"], bare)[0][0])


def test_dropout_of_sparse_features_touches_entries_only():
    x = as_sparse(numbers(60, 5))
    found = layers.drop(jax.random.key(0), x, 0.5)
    assert found.plan is x.plan
    ratio = found.values / x.values
    close(ratio, np.where(ratio > 0, 2, 0))
    assert 0.4 < np.mean(ratio > 0) < 0.6


@pytest.mark.parametrize("logits_too", [False, True])
def test_evaluation_is_deterministic_and_training_is_not(logits_too):
    quiet = PLAIN._replace(drop_logits=logits_too)
    config = quiet._replace(dropout=0.5, drop_edge=0.5, drop_node=0.5)
    batch = batch_of(config, small())
    params = started(teacher, config, batch)
    first = teacher.apply(config, params, batch)
    np.testing.assert_array_equal(first, teacher.apply(quiet, params, batch))
    keys = jax.random.split(jax.random.key(0))
    a, b = (np.asarray(teacher.apply(config, params, batch, key=key)) for key in keys)
    assert np.abs(a - b).max() > 0.01
    assert ((a == 0).mean() > 0.2) == logits_too


# Several devices


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
    assert one["plan"] is not None and many["plan"] is None
    params = started(teacher, config, one)
    state = train.start(config, jax.random.key(0), {"params": params["weights"]})
    state = state._replace(params=params)
    step = functools.partial(teacher.train_step, config)
    apply = jax.jit(functools.partial(teacher.apply, config))
    expected = jax.jit(step)(state, one)
    for mode in parallel.MODES:
        on = parallel.devices(mode, teacher.axes(many))
        placed = parallel.shard(on, many)
        found = parallel.compile_step(on, step)(
            parallel.place(on, lambda: state), placed
        )
        assert_trees_close(expected, found, rtol=1e-5, atol=1e-5)
        if mode == "jit":
            assert not placed["graph"].edges.sharding.is_fully_replicated
            close(apply(params, placed), apply(params, one))


# Losses


def targets(y, target=None, hard=1.0, soft=0.0, weight=1.0):
    batch = teacher.labels(y, np.ones(len(y)), target=target)
    given = {"hard": hard, "soft": soft, "weight": weight}
    return batch | {k: np.broadcast_to(np.float32(v), len(y)) for k, v in given.items()}


def test_losses_have_their_literal_values():
    outputs = np.log(np.float32([[1, 3], [1, 3]]))
    batch = targets([0, 1], hard=[0.5, 1], weight=[1, 2])
    total, sums = train.losses("cross_entropy", outputs, batch)
    assert total == pytest.approx(0.5 * np.log(4) + 2 * np.log(4 / 3), rel=1e-6)
    assert sums == {"loss": total, "weight": 3, "accuracy": 200}
    soft = targets([0, 1], np.zeros((2, 2), np.float32), hard=0.0, soft=[1, 0.25])
    at_two = 4 * (np.log(1 + np.sqrt(3)) - np.log(3) / 4)
    close(train.divergence(outputs, soft["target"], 2.0), [at_two, at_two])
    total, _ = train.losses("cross_entropy", outputs, soft, 2.0)
    assert total == pytest.approx(1.25 * at_two, rel=1e-6)
    total, sums = train.losses("mse", np.float32([[1, 2], [3, 5]]), soft)
    assert total == (1 + 4) / 2 + (9 + 25) / 2 and "accuracy" not in sums
    links = {"pairs": np.array([[0, 1], [0, 2], [1, 2]]), "linked": np.eye(3)[0]}
    links["pair_weight"] = np.float32([1, 2, 0])
    embeddings = np.float32([[1, 2], [3, -1], [0.5, 0.5]])  # products 1, 1.5, 1
    total, sums = train.losses("link", embeddings, links)
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
    with jax.enable_x64(True):
        total = jax.jit(
            lambda x: train.losses(objective, x.reshape(4, 3), batch, 2.0)[0]
        )
        found = np.asarray(jax.jit(jax.grad(total))(outputs))
        expected = central_differences(total, outputs)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-8)
    rows = np.abs(found.reshape(4, 3)).max(axis=1)
    assert (rows > 0).tolist() == [True, False, True, True]


# GraphMLP


def test_contrast_equals_a_loop():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(6, 3))
    near = rng.uniform(0.1, 1, (6, 6)) * (rng.random((6, 6)) > 0.5)
    near[2], near[3] = np.eye(6)[5], 0  # only padding is close; nobody is
    near[np.arange(6), np.arange(6)] = -1
    cosine = z @ z.T / np.outer(*[np.linalg.norm(z, axis=1)] * 2)
    expected = []
    for i in range(6):
        others = [j for j in range(5) if j != i]
        close_ones = sum(near[i, j] * np.exp(cosine[i, j] / 0.5) for j in others)
        everyone = sum(np.exp(cosine[i, j] / 0.5) for j in others)
        expected.append(-np.log(close_ones / everyone) if close_ones else 0.0)
    counted = np.array([1, 1, 1, 1, 1, 0])
    found = graph_mlp.contrast(jnp.asarray(z), near, counted, 0.5)
    close(found, expected)
    assert found[2] == found[3] == 0 and np.count_nonzero(expected) >= 3
    near = np.array([[-1, 0.25], [0.5, -1]])  # alone, so the closeness is the share
    close(graph_mlp.contrast(jnp.eye(2), near, np.ones(2), 1.0), np.log([4.0, 2.0]))


def test_contrast_has_a_gradient_where_features_are_empty():
    config, batch = graph_mlp.example(8)
    batch["x"][2] = 0
    params = graph_mlp.init(config, jax.random.key(0), batch).params
    assert all_finite(gradient(graph_mlp, config, params, batch, jax.random.key(1)))


@pytest.mark.parametrize("hops", [1, 2, 3])
def test_closeness_is_a_power_of_the_normalised_adjacency(hops):
    rows = np.array([3, 0, 7, 3, 11])
    power = np.linalg.matrix_power(symmetric(adjacency(small())), hops)
    expected = np.where(rows[:, None] == rows, -1, power[np.ix_(rows, rows)])
    found = graph_mlp.Closeness(small(), hops)(rows)
    close(found, expected)
    assert (found == -1).sum() == 7  # node 3 is there twice


# Perceptrons


def inputs(n=10, parts=2, width=4):
    return {"x": numbers(n, 5), "extra": numbers(n, parts, width, seed=1)}


def mlp_by_hand(config, params, x, extra):
    """A perceptron of plain layers."""
    weights = params["weights"]
    h = x @ weights["input"]["kernel"] + weights["input"]["bias"]
    if extra.size:
        h = h + extra.reshape(len(x), -1) @ weights["extra"]["kernel"]
    for i in range(config.layers):
        layer = weights[f"layer{i + 1}" if i + 1 < config.layers else "output"]
        h = np.maximum(h, 0) @ layer["kernel"] + layer["bias"]
    return h


@pytest.mark.parametrize("depth", [0, 1, 3])
@pytest.mark.parametrize("parts, width", [(0, 4), (2, 0), (2, 4)])
def test_perceptron_equals_its_formula(depth, parts, width):
    config = perceptron.Config(outputs=3, layers=depth, width=6)
    batch = inputs(parts=parts, width=width)
    params = started(perceptron, config, batch)
    assert ("extra" in params["weights"]) == (parts * width > 0)
    found = perceptron.apply(config, params, batch)
    close(found, mlp_by_hand(config, params, **batch), rtol=1e-4)


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
    linear = {"weights": {k: weights[k] for k in ("input", "extra")}}
    h = mlp_by_hand(config, linear, **inputs())
    close(
        skipped, h @ weights["output"]["kernel"] + weights["output"]["bias"], rtol=1e-4
    )
    assert min(np.abs(x - first).max() for x in (noisy, skipped)) > 0.01


def test_factors_of_extra_inputs_are_per_part_and_start_small():
    config = perceptron.Config(outputs=3, layers=0, scale_extra=True)
    batch = inputs()
    params = perceptron.init(config, jax.random.key(0), batch).params
    close(params["weights"]["scale"], np.full((2, 1), 1e-4), atol=0)
    params["weights"]["scale"] = np.float32([[1], [-2]])
    found = perceptron.apply(config, params, batch)
    batch["extra"] *= np.float32([[1], [-2]])
    close(found, mlp_by_hand(config, params, **batch))


# Student


def some_student(guess=True):
    """A student with random parameters: 5 features, rows of width 4, 3 classes."""
    one = perceptron.Config(outputs=4, layers=1, width=6)
    two = perceptron.Config(outputs=3, layers=2, width=6)
    params = started(perceptron, one, inputs(parts=0))
    mlp2 = started(perceptron, two, inputs(parts=1 + guess), seed=1)
    names, lookup = np.arange(9).astype(str), student.Lookup("cosine", 3, 0.5, guess)
    rows = numbers(9, 4, seed=5)
    return student.Student(
        (one, params), (two, mlp2), rows, names, lookup, tuple("abc")
    )


@pytest.mark.parametrize("guess", [True, False])
def test_prediction_equals_the_chain_by_hand(guess):
    given, x = some_student(guess), numbers(10, 5, seed=3)
    rows = x / np.abs(x).sum(axis=1, keepdims=True)
    guesses = mlp_by_hand(*given.mlp1, rows, np.zeros(0))
    table = given.dictionary
    unit = [v / np.linalg.norm(v, axis=1, keepdims=True) for v in (guesses, table)]
    cosine = unit[0] @ unit[1].T
    best = np.argsort(-cosine, axis=1)[:, :3]
    weights = jax.nn.softmax(np.take_along_axis(cosine, best, axis=1) / 0.5, axis=1)
    found_rows = np.einsum("qk,qke->qe", weights, table[best])
    extra = np.concatenate([found_rows, guesses][: 1 + guess], axis=1)
    logits = mlp_by_hand(*given.mlp2, rows, extra)
    found = student.predict(given, x)
    np.testing.assert_array_equal(found.neighbors, best)
    close(found.weights, weights)
    close(found.embeddings, guesses)
    close(found.probabilities, jax.nn.softmax(logits, axis=1))
    for other in (
        student.predict(given, x, chunk=4),
        student.predict(given, as_sparse(x)),
    ):
        assert_trees_close(tuple(other), tuple(found), rtol=1e-5, atol=1e-6)
    assert student.predict(given, x[:0]).probabilities.shape == (0, 3)


def test_saved_student_predicts_the_same(tmp_path):
    given, x = some_student(), numbers(10, 5, seed=3)
    student.save(tmp_path / "student.npz", given)
    for path in (tmp_path / "student.npz", str(tmp_path / "student.npz")):
        found = student.load(path)
        assert_trees_close(
            tuple(student.predict(found, x)), tuple(student.predict(given, x)), rtol=0
        )
    assert found.lookup == given.lookup and found.class_names == given.class_names
    assert (found.names == given.names).all() and found.normalised


def test_student_refuses_wrong_features_and_files(tmp_path):
    given, x = some_student(), numbers(10, 5)
    for bad, message in ((x[:, :4], "[nodes, 5]"), (x[0], "[nodes, 5]")):
        with pytest.raises(errors.InputError, match=message.replace("[", r"\[")):
            student.predict(given, bad)
    x[3, 2] = np.nan
    for bad in (x, as_sparse(x), np.where(np.isnan(x), np.inf, x)):
        with pytest.raises(errors.InputError, match="finite"):
            student.predict(given, bad)
    path = tmp_path / "student.npz"
    student.save(path, given)
    arrays = dict(np.load(path))
    path.write_bytes(b"not an archive")
    with pytest.raises(errors.InputError, match="student.npz"):
        student.load(path)
    text = str(arrays["description"])
    for changes in (
        {"description": text.replace('"version": 1', '"version": 0')},
        {"description": text.replace('"neighbors"', '"neighbours"')},
        {"description": "no json"},
        {"x": np.ones(3)},
    ):
        whole = changes if "x" in changes else arrays | changes
        np.savez(path, **whole)
        with pytest.raises(errors.InputError, match="expected a student.npz"):
            student.load(path)
