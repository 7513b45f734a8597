"""Sparse products and graphs, against dense NumPy and across devices."""

import functools

import helpers
import jax
import jax.numpy as jnp
import jraph
import numpy as np
import pytest
from jax.test_util import check_grads

from iclr22 import graph, parallel, sparse

pytestmark = pytest.mark.eight_devices

COUNT = len(jax.devices())


def random_matrix(seed=0, shape=(9, 7), entries=20, integers=False):
    """A `Sparse` with duplicates, empty rows and empty columns, and it as an array."""
    rng = np.random.default_rng(seed)
    rows = np.sort(rng.choice([0, 1, 3, 4, 7], entries))
    columns = rng.choice([0, 2, 3, 6], entries)
    values = rng.integers(1, 5, entries) if integers else rng.normal(size=entries)
    offsets = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=shape[0]))])
    dense = np.zeros(shape, np.float32)
    np.add.at(dense, (rows, columns), values.astype(np.float32))
    return sparse.from_rows(offsets, columns, values, shape[1]), dense


def random_graph(n=21, edges=60, seed=0, directed=False):
    """A weighted graph; its last three nodes have no edge."""
    rng = np.random.default_rng(seed)
    senders, receivers = rng.integers(0, n - 3, (2, edges))
    weights = rng.uniform(0.5, 2, edges)
    features = rng.normal(size=(n, 5)).astype(np.float32)
    return graph.build(features, senders, receivers, weights=weights, directed=directed)


def adjacency(g):
    """Dense matrix: receiver by sender."""
    dense = np.zeros((len(g.nodes), len(g.nodes)))
    np.add.at(dense, (g.receivers, g.senders), g.edges)
    return dense


# Sparse


def test_conversion_and_shape():
    matrix, dense = random_matrix()
    assert matrix.shape == (9, 7)
    np.testing.assert_allclose(sparse.to_dense(matrix), dense, rtol=1e-6)
    plan = matrix.plan
    np.testing.assert_array_equal(plan.columns[plan.order], plan.transposed_rows)
    np.testing.assert_array_equal(plan.rows[plan.order], plan.transposed_columns)
    assert np.all(np.diff(plan.transposed_rows) >= 0)


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("entries", [0, 1, 20])
def test_product_equals_dense(entries, jit):
    matrix, dense = random_matrix(entries=entries)
    x = np.random.default_rng(1).normal(size=(7, 4)).astype(np.float32)
    matmul = jax.jit(sparse.matmul) if jit else sparse.matmul
    np.testing.assert_allclose(matmul(matrix, x), dense @ x, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(matmul(dense, x), dense @ x, rtol=1e-5, atol=1e-5)
    parts = matrix.values, matrix.plan.rows, matrix.plan.columns, x, 9
    np.testing.assert_allclose(
        sparse.segment_product(*parts), dense @ x, rtol=1e-5, atol=1e-5
    )


def test_gradients_equal_dense():
    matrix, dense = random_matrix()
    rng = np.random.default_rng(1)
    x, g = (rng.normal(size=s).astype(np.float32) for s in ((7, 4), (9, 4)))

    def loss(values, x):
        return jnp.sum(g * sparse.product(values, matrix.plan, x) ** 2)

    def dense_loss(matrix, x):
        return jnp.sum(g * (matrix @ x) ** 2)

    found = jax.grad(loss, (0, 1))(matrix.values, x)
    towards_matrix, towards_x = jax.grad(dense_loss, (0, 1))(dense, x)
    wanted = towards_matrix[matrix.plan.rows, matrix.plan.columns]
    np.testing.assert_allclose(found[0], wanted, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(found[1], towards_x, rtol=1e-4, atol=1e-4)
    check_grads(loss, (matrix.values, x), 1, "rev", atol=0.05, rtol=0.05)


def test_gradient_in_values_alone_and_in_a_jit():
    matrix, dense = random_matrix()
    x = np.ones((7, 2), np.float32)
    gradient = jax.jit(jax.grad(lambda v: sparse.product(v, matrix.plan, x).sum()))
    np.testing.assert_allclose(gradient(matrix.values), 2.0)


def test_sparse_is_a_pytree_of_arrays():
    matrix, dense = random_matrix()
    doubled = matrix._replace(values=2 * matrix.values)
    x = np.eye(7, dtype=np.float32)
    compiled = jax.jit(lambda matrix, x: sparse.matmul(matrix, x))
    np.testing.assert_allclose(compiled(matrix, x), dense, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(compiled(doubled, x), 2 * dense, rtol=1e-5, atol=1e-6)
    assert compiled._cache_size() == 1


@pytest.mark.parametrize("index", [[], [0], [8, 2], [3, 3, 1, 0, 7], range(9)])
def test_take_gives_rows(index):
    matrix, dense = random_matrix(integers=True)
    index = np.array(index, int)
    taken = sparse.take(matrix, index)
    assert taken.shape == (len(index), 7)
    np.testing.assert_array_equal(sparse.to_dense(taken), dense[index])
    x = np.ones((7, 2), np.float32)
    np.testing.assert_allclose(sparse.matmul(taken, x), dense[index] @ x)


def test_plan_wants_rows_in_order():
    with pytest.raises(ValueError, match="sorted by row"):
        sparse.plan([1, 0], [0, 0], (2, 2))


# Graphs


def test_build_cleans():
    x = np.zeros((4, 1))
    g = graph.build(x, [0, 1, 1, 2, 0], [1, 0, 1, 0, 1], weights=[1, 5, 9, 2, 3])
    assert g.senders.tolist() == [1, 2, 0, 0]
    assert g.receivers.tolist() == [0, 0, 1, 2]
    assert g.edges.tolist() == [5, 2, 5, 2]
    assert g.n_node.tolist() == [4] and g.n_edge.tolist() == [4]
    assert (g.senders.dtype, g.edges.dtype) == (np.int32, np.float32)
    g = graph.build(x, [0, 1, 1, 2, 0], [1, 0, 1, 0, 1], directed=True)
    assert (g.senders.tolist(), g.receivers.tolist()) == ([1, 2, 0], [0, 0, 1])
    assert graph.degrees(g).tolist() == [2, 1, 0, 0]


def test_build_without_edges():
    g = graph.build(np.zeros((3, 2)), [], [])
    assert len(g.senders) == 0 and graph.degrees(g).tolist() == [0, 0, 0]
    assert np.isnan(graph.homophily(g, np.zeros(3, int)))


def test_isolate_removes_every_edge_of_a_node_but_its_loop():
    g = graph.add_loops(random_graph())
    cold = np.arange(21) % 4 == 0
    found = graph.isolate(g, cold)
    dense = adjacency(g)
    off = ~np.eye(21, dtype=bool)
    dense[(cold[:, None] | cold) & off] = 0
    np.testing.assert_array_equal(adjacency(found), dense)
    assert np.diag(adjacency(found)).tolist() == [1] * 21
    assert found.n_edge[0] == len(found.senders) < len(g.senders)


def test_add_loops_keeps_order():
    g = random_graph(directed=True)
    found = graph.add_loops(g)
    np.testing.assert_array_equal(adjacency(found), adjacency(g) + np.eye(21))
    code = found.receivers.astype(int) * 21 + found.senders
    assert np.all(np.diff(code) > 0)


def test_select_edges():
    g = random_graph()
    keep = g.edges > 1
    dense = adjacency(g)
    np.testing.assert_array_equal(
        adjacency(graph.select_edges(g, keep)), np.where(dense > 1, dense, 0)
    )


@pytest.mark.parametrize("planned", [False, True])
@pytest.mark.parametrize("directed", [False, True])
def test_aggregate_and_its_gradients_equal_dense(planned, directed):
    g = random_graph(directed=directed)
    plan = graph.plan(g) if planned else None
    dense = adjacency(g).astype(np.float32)
    rng = np.random.default_rng(2)
    out = rng.normal(size=(21, 5)).astype(np.float32)

    def loss(weights, x):
        return jnp.sum(out * graph.aggregate(g, weights, x, plan=plan) ** 2)

    def dense_loss(dense, x):
        return jnp.sum(out * (dense @ x) ** 2)

    summed = graph.aggregate(g, g.edges, g.nodes, plan=plan)
    np.testing.assert_allclose(summed, dense @ g.nodes, rtol=1e-4, atol=1e-5)
    assert not np.any(summed[-3:])
    found = jax.grad(loss, (0, 1))(g.edges, g.nodes)
    towards_dense, towards_x = jax.grad(dense_loss, (0, 1))(dense, g.nodes)
    np.testing.assert_allclose(
        found[0], towards_dense[g.receivers, g.senders], rtol=1e-3, atol=1e-3
    )
    np.testing.assert_allclose(found[1], towards_x, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("loops", [False, True])
def test_normalise_equals_dense(loops):
    g = graph.add_loops(random_graph()) if loops else random_graph()
    dense = adjacency(g)
    with np.errstate(divide="ignore"):
        scale = np.where(dense.sum(1) > 0, dense.sum(1) ** -0.5, 0)
    wanted = scale[:, None] * dense * scale
    weights = graph.normalise(g, g.edges)
    found = adjacency(g._replace(edges=np.asarray(weights)))
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)
    dropped = np.where(np.arange(len(g.edges)) % 3 == 0, 0, g.edges)
    kept = graph.select_edges(g._replace(edges=dropped), dropped > 0)
    np.testing.assert_allclose(
        graph.normalise(g, dropped)[dropped > 0],
        graph.normalise(kept, kept.edges),
        rtol=1e-5,
    )


def test_normalise_has_finite_gradients_without_edges():
    g = random_graph()
    gradient = jax.grad(lambda w: graph.normalise(g, w).sum())(jnp.zeros(len(g.edges)))
    assert np.all(np.isfinite(gradient))


@pytest.mark.parametrize("kind", ["dense", "sparse"])
def test_normalise_rows(kind):
    matrix, dense = random_matrix(integers=True)
    if kind == "sparse":
        found = sparse.to_dense(graph.normalise_rows(matrix))
    else:
        found = graph.normalise_rows(dense)
    wanted = dense / np.maximum(np.abs(dense).sum(1, keepdims=True), 1e-9)
    np.testing.assert_allclose(found, wanted, rtol=1e-5)
    assert found.dtype == np.float32


@pytest.mark.parametrize("multiple", [1, 8, 64])
def test_padded_edges_change_nothing(multiple):
    g = graph.add_loops(random_graph())
    padded = graph.pad_edges(g, multiple)
    assert len(padded.senders) % multiple == 0
    assert len(padded.senders) - len(g.senders) < multiple
    for plan, padded_plan in ((None, None), (graph.plan(g), graph.plan(padded))):
        weights, padded_weights = (graph.normalise(x, x.edges) for x in (g, padded))
        np.testing.assert_allclose(
            graph.aggregate(padded, padded_weights, g.nodes, plan=padded_plan),
            graph.aggregate(g, weights, g.nodes, plan=plan),
            rtol=1e-5,
            atol=1e-6,
        )


@pytest.mark.parametrize("kind", ["dense", "sparse"])
@pytest.mark.parametrize("multiples", [(64,), (8, 64), (7, 7, 100)])
def test_padding_keeps_the_contract_of_jraph(kind, multiples):
    g = graph.add_loops(random_graph())
    n, edges = len(g.nodes), len(g.senders)
    if kind == "sparse":
        g = g._replace(nodes=helpers.as_sparse(g.nodes))
    padded = functools.reduce(graph.pad_edges, multiples, g)  # also of a padded one
    assert len(padded.senders) % multiples[-1] == 0 and len(padded.senders) > edges
    assert padded.n_node.tolist() == [n, 1]
    assert padded.n_node.sum() == graph.size(padded.nodes)
    assert padded.n_edge.sum() == len(padded.senders) == len(padded.receivers)
    assert padded.n_edge.sum() == len(padded.edges)
    added = padded.senders[edges:], padded.receivers[edges:]
    assert np.unique(added).tolist() == [n] and not padded.edges[edges:].any()
    if kind == "dense":
        assert not padded.nodes[n].any()
        back = jraph.unpad_with_graphs(padded)
    else:  # jraph does not know sparse features
        back = jraph.unpad_with_graphs(padded._replace(nodes=None))
        back = back._replace(nodes=graph.features(padded))
    helpers.assert_trees_close(back, g, rtol=0, atol=0)


def test_a_graph_that_needs_no_padding_stays_as_it_is():
    g = random_graph()
    assert graph.pad_edges(g, 1) is g and graph.pad_edges(g, len(g.senders)) is g
    assert graph.features(g) is g.nodes and graph.padding(g) == 0


def test_rows_are_added_to_a_matrix_and_taken_away():
    matrix, dense = random_matrix()
    x = np.ones((7, 2), np.float32)
    more = sparse.resize(matrix, 11)
    assert more.shape == (11, 7)
    np.testing.assert_allclose(sparse.matmul(more, x)[:9], dense @ x, rtol=1e-5)
    assert not np.any(sparse.matmul(more, x)[9:])
    helpers.assert_trees_close(sparse.resize(more, 9), matrix, rtol=0, atol=0)


@pytest.mark.parametrize("mode", parallel.MODES)
def test_edges_divided_over_devices_give_the_same(mode):
    g = graph.add_loops(random_graph(n=50, edges=200))
    padded = graph.pad_edges(g, COUNT)
    links = ("edges", "senders", "receivers")
    batch = {"x": g.nodes} | {key: getattr(padded, key) for key in links}

    def evaluate(scale, batch, axis_name=None):
        part = padded._replace(**{key: batch[key] for key in links})
        weights = graph.normalise(part, part.edges, axis_name=axis_name)
        summed = graph.aggregate(part, weights, scale * batch["x"], axis_name=axis_name)
        return {"summed": summed}

    on = parallel.devices(mode, {"x": None} | dict.fromkeys(links, 0))
    placed = parallel.shard(on, batch)
    if mode == "jit":
        assert len(placed["edges"].addressable_shards) == COUNT
        assert placed["edges"].addressable_shards[0].data.shape[0] * COUNT == len(
            padded.edges
        )
    found = parallel.compile_evaluate(on, evaluate)(jnp.float32(2), placed)["summed"]
    weights = graph.normalise(g, g.edges)
    wanted = graph.aggregate(g, weights, 2 * g.nodes, plan=graph.plan(g))
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)


def test_gradient_with_edges_divided_over_devices():
    g = graph.add_loops(random_graph(n=50, edges=200))
    padded = graph.pad_edges(g, COUNT)
    on = parallel.devices("jit")
    senders, receivers, edges = parallel.shard(
        on, (padded.senders, padded.receivers, padded.edges)
    )

    def loss(edges, x, senders, receivers, plan=None):
        part = padded._replace(senders=senders, receivers=receivers)
        weights = graph.normalise(part, edges)
        return jnp.sum(graph.aggregate(part, weights, x, plan=plan) ** 3)

    gradient = jax.grad(loss, (0, 1))
    found = jax.jit(gradient)(edges, g.nodes, senders, receivers)
    wanted = gradient(g.edges, g.nodes, g.senders, g.receivers, graph.plan(g))
    np.testing.assert_allclose(
        found[0][: len(g.edges)], wanted[0], rtol=1e-4, atol=1e-4
    )
    np.testing.assert_allclose(found[1], wanted[1], rtol=1e-4, atol=1e-4)


# Homophily


def test_homophily_by_hand():
    x = np.zeros((6, 1))  # node 3 hangs on 0 to 2, node 5 is alone
    g = graph.build(x, [0, 0, 1, 3, 3, 3, 4], [1, 2, 2, 0, 1, 2, 0])
    labels = np.array([0, 0, 1, 1, 0, 0])
    shares = [2 / 4, 1 / 3, 1 / 3, 1 / 3, 1]
    assert graph.homophily(g, labels) == pytest.approx(np.mean(shares))
    assert graph.homophily(graph.add_loops(g), labels) == pytest.approx(np.mean(shares))
    unknown = np.array([0, 0, 1, 1, -1, 0])
    assert graph.homophily(g, unknown) == pytest.approx(np.mean([1 / 3] * 4))
