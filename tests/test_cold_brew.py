"""Cold Brew's networks, losses, student and pipeline, against NumPy and by their rules."""

import functools
import typing

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import assert_trees_close, central_differences

from iclr22 import cold_brew, data, errors, graph, loop, parallel, record, sparse
from iclr22.cold_brew import (
    figures,
    graph_mlp,
    layers,
    perceptron,
    pipeline,
    student,
    teacher,
    train,
)

close = functools.partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-5)
same = np.testing.assert_array_equal
PLAIN = teacher.Config(classes=3, hidden=4, dropout=0.0, embedding_std=1.0)
RESIDUALS = typing.get_args(typing.get_type_hints(teacher.Config)["residual"])


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).normal(2, 3, shape).astype(np.float32)


def small(n=12, edges=20):
    """A graph with weights; its last two nodes have no edge."""
    rng = np.random.default_rng(0)
    ends, weights = rng.integers(0, n - 2, (2, edges)), rng.uniform(0.5, 2, edges)
    return graph.build(numbers(n, 5) / 4, *ends, weights=weights)


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
    draw = lambda x: jnp.float32(rng.normal(0, 0.5, x.shape))  # noqa: E731
    return jax.tree.map(draw, params) | {
        "stats": jax.tree.map(lambda x: 1 + draw(x) ** 2, params["stats"])
    }


def gradient(stage, config, params, batch, key=None):
    """Of the summed loss, by weights."""
    total = lambda w: stage.loss(config, params | {"weights": w}, batch, key=key)[0]  # noqa: E731
    return jax.grad(total)(params["weights"])


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
    found = gradient(teacher, config, params, batch)
    config = config._replace(embedding_penalty=0.1)
    penalised = gradient(teacher, config, params, batch)
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
    compiled = jax.jit(gradient, static_argnums=(0, 1))
    found = [compiled(teacher, config, params, x) for x in (batch, other)]
    assert_trees_close(*found, rtol=1e-5, atol=1e-5)
    close(*(teacher.apply(config, params, x) for x in (batch, other)), rtol=1e-5)


@pytest.mark.parametrize("norm", layers.NORMS)
@pytest.mark.parametrize("residual", RESIDUALS)
def test_every_backbone_is_finite(residual, norm):
    depth = 2 + (RESIDUALS.index(residual) + layers.NORMS.index(norm)) % 3
    config = PLAIN._replace(residual=residual, norm=norm, layers=depth, groups=2)
    config = config._replace(dropout=0.5, embeddings="111")
    batch = batch_of(config, small(8, 12))
    params = started(teacher, config, batch)
    logits = teacher.apply(config, params, batch)
    assert logits.shape == (8, 3) and np.isfinite(logits).all()
    found = gradient(teacher, config, params, batch, jax.random.key(1))
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
    pair, node, mean = layers.pair_norm(x), layers.node_norm(x), layers.mean_norm(x)
    close(np.mean(pair, axis=0), np.zeros(6))
    assert np.mean(np.sum(pair**2, axis=1)) == pytest.approx(1, abs=1e-5)
    close(np.mean(node, axis=1), np.zeros(20))
    close(np.std(node, axis=1), np.ones(20))
    close(node * x.std(axis=1)[:, None], x - x.mean(axis=1)[:, None], atol=1e-3)
    close(mean, x - x.mean(axis=0))
    close(pair * np.sqrt(np.mean(np.sum(mean**2, axis=1))), mean)


def normed(x, training, kind, weight=1.0, given=None):
    """`(output, variables)` of one of the learned norms."""
    norm = layers.Norm(kind, 3, weight)
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


@pytest.mark.parametrize(
    "edge, node, kept",
    [(0.25, 0, 0.75), (0, 0.25, 0.75**2), (0.5, 0.25, 0.5 * 0.75**2)],
)
def test_edges_are_dropped_at_the_rate_and_loops_are_not(edge, node, kept):
    config = PLAIN._replace(drop_edge=edge, drop_node=node)
    batch = batch_of(config, small(60, 2000), devices=1)
    g = batch["graph"]
    drop = jax.vmap(lambda key: teacher.drop_edges(config, batch, key, None))
    found = np.asarray(drop(jax.random.split(jax.random.key(0), 50)))
    loops = g.senders == g.receivers
    assert loops.sum() == 60 and (found[:, loops] == 1).all()
    assert ((found == 0) | (found == g.edges)).all()
    assert np.mean(found[:, ~loops] > 0) == pytest.approx(kept, abs=0.02)
    assert np.std(found[:, ~loops] > 0, axis=0).min() > 0  # others every time
    assert teacher.drop_edges(config, batch, None, None) is g.edges


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
    found = layers.drop(jax.random.key(0), x, 0.5)
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
    assert one["plan"] is not None and many["plan"] is None
    params = started(teacher, config, one)
    state = train.start(config, jax.random.key(0), {"params": params["weights"]})
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
    total = lambda x: train.losses(objective, x.reshape(4, 3), batch, 2.0)[0]  # noqa: E731
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
    compiled = jax.jit(gradient, static_argnums=(0, 1))
    assert largest(compiled(graph_mlp, config, params, batch, jax.random.key(1))) < 1e3


@pytest.mark.parametrize("hops", [1, 2, 3])
def test_closeness_is_a_power_of_the_normalised_adjacency(hops):
    rows = np.array([3, 0, 7, 3, 11])  # node 3 is there twice
    power = np.linalg.matrix_power(symmetric(adjacency(small())), hops)
    expected = np.where(rows[:, None] == rows, -1, power[np.ix_(rows, rows)])
    close(graph_mlp.Closeness(small(), hops)(rows), expected)


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
    good = str(arrays.pop("description"))
    old = good.replace('"version": ', '"version": -')
    for text in (old, good.replace('"neighbors"', '"k"'), "no json", None):
        np.savez(path, **arrays, **({"description": text} if text else {}))
        with pytest.raises(errors.InputError, match="expected a student.npz"):
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
    fit, valid = cold_brew.validation_part(split.train, found.labels)
    training, x = graph.isolate(found.graph, groups.isolation), found.graph.nodes
    rest = (~groups.isolation, fit, valid, split.train)
    task = pipeline.Task(0, training, graph.normalise_rows(x), found.labels, 3, *rest)
    return task, found, groups, split.test


def train_all(task, folder):
    """`(student, everything that was trained or chosen)`."""
    trainer = pipeline.Trainer(folder, seed=0)
    config = PLAIN._replace(epochs=20, dropout=0.5)
    taught = (config, *pipeline.train_teacher(trainer, task, config, "teacher"))
    mlp = pipeline.train_mlp(trainer, task, MLP, "mlp")
    other = graph_mlp.Config(outputs=3, width=8, batch_size=32, steps=20)
    other = pipeline.train_graph_mlp(trainer, task, other, "graphmlp")
    recipe = pipeline.Recipe(lookup=student.Lookup(neighbors=3), mlp1=MLP, mlp2=MLP)
    found = pipeline.train_student(trainer, task, recipe, taught, "student")
    every = (taught[1], mlp[1], other[1], found.chain.mlp1[1], found.mlp2[1])
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
    chain = found.chain._replace(dictionary=found.chain.dictionary[known])
    names = whole.node_names[known]
    given = student.Student(chain, found.mlp2, names, whole.class_names)
    student.save(tmp_path / "student.npz", given)
    task.graph.senders[:], task.graph.edges[:] = 0, 9  # nobody looks at it any more
    expected = student.predict(given, whole.graph.nodes[cold])
    close(expected.probabilities, jax.nn.softmax(found.logits[cold], axis=1))
    for path in (tmp_path / "student.npz", str(tmp_path / "student.npz")):
        loaded = student.load(path)
        found = student.predict(loaded, whole.graph.nodes[cold])
        assert_trees_close(found, expected, rtol=0)
    assert loaded.chain.lookup == chain.lookup and loaded.normalised
    assert loaded.class_names == whole.class_names
    same(loaded.names, names)


def test_labels_of_test_nodes_have_no_influence(trained, tmp_path):
    task, _, groups, test = problem()
    assert (test & groups.isolation).sum() > 5
    labels = np.where(test, (task.labels + 1) % 3, task.labels)
    _, found = train_all(task._replace(labels=labels), tmp_path)
    assert_trees_close(found, trained[2], rtol=0)


def test_interrupted_training_ends_with_the_same_numbers(tmp_path, monkeypatch):
    def train_mlp(folder):
        trainer = pipeline.Trainer(tmp_path / folder, seed=0)
        return pipeline.train_mlp(trainer, problem()[0], MLP, "mlp")[1], trainer.steps

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
        return pipeline.best_step(rows, count)

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
