"""Baselines of recurrent intensity: normal equations, gradients, negatives, graphs."""

import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse
from helpers import assert_trees_close

from iclr22 import errors
from iclr22.data import batching
from iclr22.data.events import sort_events
from iclr22.recurrent_intensity import (
    bpr,
    factorization,
    graph_conv,
    lda,
    negatives,
    requests,
    scores,
)

ALS = factorization.ALS(factors=4, iterations=3, ridge=0.1, confidence=2.0)


def counts_of(shape=(9, 7), share=0.4, seed=0):
    """Random counts with an empty row, an empty column and some above 1."""
    rng = np.random.default_rng(seed)
    dense = rng.poisson(2, shape) * (rng.random(shape) < share)
    dense[2], dense[:, 3] = 0, 0
    return scipy.sparse.csr_array(dense.astype(np.float32))


def blocks(seed=0):
    """Half of the pairs within two blocks, and the mask of what is within."""
    rng = np.random.default_rng(seed)
    inside = np.arange(40)[:, None] % 2 == np.arange(30) % 2
    seen = inside & (rng.random(inside.shape) < 0.5)
    return scipy.sparse.csr_array(seen.astype(np.float32)), inside


def held_out_auc(factors):
    """Chance that a pair within the blocks, not seen in training, beats one outside."""
    counts, inside = blocks()
    s = scores.dense(factorization.score(factors, np.arange(40), np.arange(30)))
    good, bad = s[inside & (counts.toarray() == 0)], s[~inside]
    return np.mean(good[:, None] > bad)


# Counts


def test_history_counts_add_up_repeats():
    log = sort_events([0, 0, 0, 1], [5, 6, 5, 6], [1.0, 2.0, 3.0, 1.0])
    given = requests.make_requests(log, [1, 0], [9.0, 9.0], 1.0)
    found = factorization.history_counts(log, given)
    np.testing.assert_array_equal(found.toarray(), [[0, 1], [2, 1]])
    found = factorization.history_counts(log, given, given.user)
    np.testing.assert_array_equal(found.toarray(), [[2, 1], [0, 1]])


@pytest.mark.parametrize(
    "counts, text",
    [
        (np.zeros((2, 3)), "none in 2 users x 3 items"),
        (np.array([[1, 0], [0, np.nan]]), "nan for user 1, item 1"),
        (np.array([[0, 1], [-2, 1]]), "-2.0 for user 1, item 0"),
        (np.array([[np.inf, 1]]), "inf for user 0, item 0"),
        (np.ones(3), r"shape \[3\]"),
        (None, "NoneType"),
    ],
)
def test_counts_that_are_wrong_name_the_entry(counts, text):
    with pytest.raises(errors.InputError, match=text):
        factorization.fit_als(counts, ALS)


@pytest.mark.parametrize(
    "fields, text",
    [({"factors": 0}, "factors"), ({"iterations": 0}, "iter"), ({"ridge": 0}, "ridge")],
)
def test_hyper_parameters_out_of_range_are_named(fields, text):
    for fit, config in (
        (factorization.fit_als, ALS),
        (factorization.fit_logistic, factorization.Logistic()),
    ):
        with pytest.raises(errors.InputError, match=text):
            fit(counts_of(), config._replace(**fields))


def test_score_of_unknown_number_is_an_error():
    factors = factorization.fit_als(counts_of(), ALS)
    for users, items, text in (([9], [0], "user"), ([0], [0, 7], "item")):
        with pytest.raises(errors.InputError, match=text):
            factorization.score(factors, users, items)


# Least squares


def als_objective(users, items, counts, config):
    n = counts.toarray().astype(np.float64)
    error = (n > 0) - users @ items.T
    ridge = config.ridge * (np.sum(users**2) + np.sum(items**2))
    return np.sum((1 + config.confidence * n) * error**2) + ridge


def test_half_step_solves_the_normal_equations_in_double_precision():
    counts = counts_of()
    items = np.random.default_rng(1).normal(size=(7, 4))
    with jax.enable_x64(True):
        table = factorization.tabulate(counts)
        table = table._replace(value=table.value.astype(np.float64))
        users = np.asarray(factorization.solve_rows(table, jnp.asarray(items), ALS))
    assert users.dtype == np.float64
    n = counts.toarray()
    weight = 1 + ALS.confidence * n
    residual = (weight * ((n > 0) - users @ items.T)) @ items - ALS.ridge * users
    np.testing.assert_allclose(residual, 0, atol=1e-12)
    np.testing.assert_array_equal(users[2], 0)


def test_als_returns_users_that_solve_their_equations():
    counts = counts_of()
    factors = factorization.fit_als(counts, ALS)
    n, weight = counts.toarray(), 1 + ALS.confidence * counts.toarray()
    error = weight * ((n > 0) - factors.users @ factors.items.T)
    residual = error @ factors.items - ALS.ridge * factors.users
    np.testing.assert_allclose(residual, 0, atol=2e-5)
    again = factorization.fold_in(factors, counts, ALS)
    np.testing.assert_allclose(again.users, factors.users, atol=1e-5)


def test_als_objective_never_rises():
    counts = counts_of((30, 20))
    values = []
    for iterations in (1, 2, 4):
        factors = factorization.fit_als(counts, ALS._replace(iterations=iterations))
        values.append(als_objective(factors.users, factors.items, counts, ALS))
    assert np.all(np.diff(values) < 1e-4 * values[0]) and values[-1] < values[0]


def test_pieces_and_chunks_change_nothing():
    counts = counts_of((50, 20))
    other = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)
    tables = [factorization.tabulate(counts, *x) for x in ((16, 2048), (3, 8), (1, 1))]
    assert [len(table.index) for table in tables] != [1, 1, 1]
    found = [factorization.solve_rows(table, other, ALS) for table in tables]
    for x in found[1:]:
        np.testing.assert_allclose(x, found[0], rtol=2e-4, atol=1e-5)


def test_items_without_events_score_zero():
    factors = factorization.fit_als(counts_of(), ALS)
    s = scores.dense(factorization.score(factors, np.arange(9), np.arange(7)))
    np.testing.assert_array_equal(s[:, 3], 0)
    assert (np.delete(s, 3, axis=1) > 0).all()


# Logistic


def test_logistic_gradient_equals_its_formula():
    config = factorization.Logistic(factors=2, confidence=1.5, negatives=2)
    counts = counts_of((20, 7))
    rng = np.random.default_rng(0)
    x, other = (jnp.float32(rng.normal(size=(n, 4))) for n in (20, 7))
    table = factorization.tabulate(counts, 3, 8)
    found = factorization._gradient(table, x, other, jax.random.key(0), config)
    n, p = counts.toarray(), 1 / (1 + np.exp(-x @ other.T))
    drawn = np.minimum(7, 2 * (n > 0).sum(axis=1, keepdims=True)) / 7
    expected = (config.confidence * n * (1 - p) - drawn * p) @ other
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_pool_of_negatives_is_right_on_average():
    config = factorization.Logistic(factors=2, pool=5)
    table = factorization.tabulate(counts_of())
    rng = np.random.default_rng(0)
    x, other = (jnp.float32(rng.normal(size=(n, 4))) for n in (9, 7))
    gradient = lambda key, c: factorization._gradient(table, x, other, key, c)  # noqa: E731
    keys = jax.random.split(jax.random.key(1), 1000)
    found = np.asarray(jax.vmap(lambda key: gradient(key, config))(keys))
    exact = gradient(keys[0], config._replace(pool=7))
    error = np.abs(found.mean(0) - exact)
    assert (error <= 5 * found.std(0) / np.sqrt(len(keys)) + 1e-4).all()


def test_factors_separate_blocks():
    counts, _ = blocks()
    als = factorization.fit_als(counts, ALS._replace(ridge=5.0))
    logistic = factorization.fit_logistic(counts, factorization.Logistic(factors=4))
    pairwise = bpr.Config(factors=4, batch=100, epochs=20, learning_rate=0.3)
    assert held_out_auc(als) > 0.97
    assert held_out_auc(logistic) > 0.97
    assert held_out_auc(bpr.fit_bpr(counts, pairwise)) > 0.97


# Pairwise ranking


def params_of(users=3, items=4, d=2, seed=0):
    rng = np.random.default_rng(seed)
    shapes = {"users": (users, d), "items": (items, d)}
    shapes |= {"user_bias": (users,), "item_bias": (items,)}
    return {k: rng.normal(size=s).astype(np.float32) for k, s in shapes.items()}


def batch_of(user, item, negative_items, negative_users, weight):
    return {
        "user": np.array(user, np.int32),
        "item": np.array(item, np.int32),
        "negative_items": np.array(negative_items, np.int32),
        "negative_users": np.array(negative_users, np.int32),
        "weight": np.array(weight, np.float32),
    }


def test_pairwise_loss_equals_its_formula():
    p = params_of()
    s = p["users"] @ p["items"].T + p["user_bias"][:, None] + p["item_bias"]
    batch = batch_of([0, 2], [1, 3], [[2, 3], [0, -1]], [[1], [-1]], [1.0, 2.0])
    softplus = lambda x: np.log1p(np.exp(x))  # noqa: E731
    first = (softplus(s[0, 2] - s[0, 1]) + softplus(s[0, 3] - s[0, 1])) / 2
    first = (first + softplus(s[1, 1] - s[0, 1])) / 2
    second = softplus(s[2, 0] - s[2, 3])  # one side has no negative
    total, sums = bpr.loss(bpr.Config(), p, batch)
    np.testing.assert_allclose(total, first + 2 * second, rtol=1e-5)
    assert sums["weight"] == 3


def test_pairwise_gradient_by_hand():
    p = params_of()
    s = p["users"] @ p["items"].T + p["item_bias"]
    batch = batch_of([0], [1], [[2]], np.zeros((1, 0)), [1.0])
    gradient = jax.grad(lambda p: bpr.loss(bpr.Config(), p, batch)[0])(p)
    pull = 1 / (1 + np.exp(s[0, 1] - s[0, 2]))
    np.testing.assert_allclose(gradient["item_bias"], [0, -pull, pull, 0], rtol=1e-5)
    np.testing.assert_allclose(
        gradient["users"][0], pull * (p["items"][2] - p["items"][1]), rtol=1e-5
    )
    np.testing.assert_array_equal(gradient["user_bias"], 0)


def test_update_is_adagrad_with_decay():
    config, batch = bpr.example()
    config = config._replace(weight_decay=0.1)
    state = bpr.init(config, jax.random.key(0), batch)
    before = jax.device_get(state.params)
    grad = jax.jit(jax.grad(lambda p: bpr.loss(config, p, batch), has_aux=True))
    g, sums = grad(state.params)
    after, _ = bpr.update(config, state, g, sums)
    g = g["items"] / sums["weight"] + 0.1 * before["items"]
    step = 0.3 * g / (np.abs(g) + config.epsilon)
    np.testing.assert_allclose(after.params["items"], before["items"] - step, atol=1e-5)


def test_fit_keeps_the_best_state_and_zeros_unknown_users():
    counts, _ = blocks()
    dense = counts.toarray()
    dense[5], dense[:, 4] = 0, 0
    config = bpr.Config(factors=4, batch=100, epochs=3, side="item")
    factors = bpr.fit_bpr(scipy.sparse.csr_array(dense), config)
    assert not factors.users[5].any() and factors.link == "softplus"
    assert np.isneginf(factors.item_bias[4])
    assert not factors.user_bias.any()  # they cancel where negatives are items


def test_fit_with_checkpoints_gives_the_same_numbers(tmp_path):
    counts, _ = blocks()
    config = bpr.Config(factors=4, batch=100, epochs=2)
    whole = bpr.fit_bpr(counts, config, directory=tmp_path / "a")
    again = bpr.fit_bpr(counts, config)
    assert_trees_close(whole[:4], again[:4], rtol=0, atol=0)


def test_unknown_side_and_a_single_pair_are_errors():
    counts, _ = blocks()
    with pytest.raises(errors.InputError, match="'items'.*Did you mean 'item'"):
        bpr.fit_bpr(counts, bpr.Config(side="items"))
    with pytest.raises(errors.InputError, match="two or more pairs.*found 1"):
        bpr.fit_bpr(scipy.sparse.csr_array(np.eye(1, 3)), bpr.Config())


# Negatives


def sampler_of(counts, happened=None, **fields):
    config = bpr.Config(negatives=10, **fields)
    user, item = happened or counts.tocoo().coords
    pairs = negatives.make_pairs(user, item, counts.shape)
    return negatives.make_sampler(config, counts, pairs)


def test_negatives_never_happened():
    counts = counts_of((9, 7), 0.5)
    user, item = counts.tocoo().coords
    sampler = sampler_of(counts)
    found = negatives.draw(sampler, np.random.default_rng(0), user, item)
    dense = counts.toarray()
    for own, drawn in (
        (dense[user], found["negative_items"]),
        (dense.T[item], found["negative_users"]),
    ):
        taken = np.take_along_axis(own, np.maximum(drawn, 0), axis=1)
        assert not (taken[drawn >= 0] > 0).any()
        assert (drawn >= 0).mean() > 0.8 and drawn.dtype == np.int32


def test_no_negative_where_everything_happened():
    counts = scipy.sparse.csr_array(np.ones((2, 3), np.float32))
    found = negatives.draw(sampler_of(counts), np.random.default_rng(0), [0], [1])
    assert (found["negative_items"] == -1).all()
    assert (found["negative_users"] == -1).all()


def test_negatives_follow_their_weights():
    counts = scipy.sparse.csr_array(np.array([[4, 0, 1], [5, 0, 99]], np.float32))
    sampler = sampler_of(counts, happened=([1], [2]), power=0.5, smoothing=0.1)
    rows = np.zeros(20_000, int)
    found = negatives.draw(sampler, np.random.default_rng(0), rows, rows)
    weight = (np.array([9, 0, 100]) + 0.1) ** 0.5
    p, n = weight / weight.sum(), found["negative_items"].size
    share = np.bincount(found["negative_items"].ravel()) / n
    assert (np.abs(share - p) < 5 * np.sqrt(p * (1 - p) / n)).all()


@pytest.mark.parametrize("side, empty", [("item", "users"), ("user", "items")])
def test_one_side_draws_nothing_for_the_other(side, empty):
    sampler = sampler_of(counts_of(), side=side)
    found = negatives.draw(sampler, np.random.default_rng(0), [0, 1], [0, 1])
    assert found[f"negative_{empty}"].shape == (2, 0)


def test_pairs_in_a_small_table_are_the_same(monkeypatch):
    rng = np.random.default_rng(0)
    user, item = rng.integers(0, 50, 300), rng.integers(0, 60, 300)
    asked = rng.integers(0, 50, (500, 1)), rng.integers(0, 60, (500, 3))
    exact = negatives.contains(negatives.make_pairs(user, item, (50, 60)), *asked)
    monkeypatch.setattr(negatives, "TABLE", 64)
    small = negatives.make_pairs(user, item, (50, 60))
    assert len(small.table) == 64
    np.testing.assert_array_equal(negatives.contains(small, *asked), exact)
    known = set(zip(user.tolist(), item.tolist(), strict=True))
    pairs = np.broadcast_arrays(*asked)
    wanted = [
        x in known for x in zip(*(p.ravel().tolist() for p in pairs), strict=True)
    ]
    np.testing.assert_array_equal(exact.ravel(), wanted)


def test_batches_are_a_function_of_the_step_whoever_draws():
    counts = counts_of((9, 8), 0.9)
    user, item = counts.tocoo().coords
    pairs = batching.make({"user": user, "item": item}, 16)._replace(part=(0, 1))
    whole = bpr.Sampled(pairs, sampler_of(counts), seed=3)
    parts = [whole._replace(part=(i, 2))(5) for i in range(2)]
    joined = {k: np.concatenate([part[k] for part in parts]) for k in parts[0]}
    assert_trees_close(whole(5), joined, rtol=0, atol=0)
    assert (whole(5)["negative_items"] != whole(6)["negative_items"]).any()


# Graph convolution


def log_of():
    """Three users; the second has no event before time 5."""
    return sort_events(
        ["a", "a", "a", "a", "b", "c", "c"],
        [0, 1, 2, 0, 3, 3, 1],
        [1.0, 2.0, 3.0, 6.0, 7.0, 4.0, 4.8],
    )


def model_of(length=3, d=2):
    config = graph_conv.Config(items=4, factors=d, length=length)
    state = graph_conv.init(config, jax.random.key(0), None)
    params = jax.tree.map(
        lambda x: jnp.cos(jnp.arange(x.size) + x.ravel()).reshape(x.shape), state.params
    )
    return graph_conv.Model(config, jax.device_get(params), 1.0, np.ones(4, bool))


def test_aggregation_equals_its_dense_formula():
    log, model = log_of(), model_of()
    given = requests.make_requests(log, [0, 1, 2], 5.0, 1.0)
    p = model.params
    members = np.zeros((3, 5))  # tokens: 0 starts a history, items from 1 on
    members[0, [1, 2, 3]] = 1  # three events fill the length
    members[1, 0] = 1
    members[2, [0, 4, 2]] = 1
    hidden = members @ p["items"] @ p["kernel"] + p["bias"]
    centred = hidden - hidden.mean(axis=1, keepdims=True)
    normal = centred / np.sqrt(np.mean(centred**2, axis=1, keepdims=True) + 1e-5)
    vectors, biases = graph_conv.encode(model, log, given)
    expected = normal * p["norm_scale"] + p["norm_bias"]
    np.testing.assert_allclose(vectors, expected, rtol=1e-5, atol=1e-6)
    # 2 horizons ago: below 3; no event: the last; 0.2 ago: below 0.3
    np.testing.assert_allclose(biases, p["recency"][[3, 5, 1]])


def test_padded_edges_and_chunks_change_nothing(monkeypatch):
    log, model = log_of(), model_of()
    given = requests.make_requests(log, [0, 1, 2, 0, 2], [5, 5, 5, 2.5, 9], 1.0)
    whole = graph_conv.encode(model, log, given)
    graph = graph_conv.build_graph(log, given, 1.0, 3)
    assert len(graph.edges) == 16 and graph.edges.sum() == graph.n_edge[0] < 16
    noisy = graph._replace(senders=np.where(graph.edges > 0, graph.senders, 4))
    found = graph_conv.apply(model.config, model.params, {"graph": noisy})
    assert_trees_close(whole, found, rtol=1e-5, atol=1e-6)
    monkeypatch.setattr(graph_conv, "ROWS", 2)
    assert_trees_close(
        whole, graph_conv.encode(model, log, given), rtol=1e-5, atol=1e-6
    )


def test_requests_without_time_or_none_are_errors():
    log, model = log_of(), model_of()
    for users, times, text in (
        ([0, 1], [5, np.inf], "request 1"),
        ([], 1.0, "found none"),
    ):
        given = requests.make_requests(log, users, times, 1.0)
        with pytest.raises(errors.InputError, match=text):
            graph_conv.encode(model, log, given)


def walks(users=60, items=12, seed=0):
    """Users who stay among the even or the odd items."""
    rng = np.random.default_rng(seed)
    kind = np.arange(users) % 2
    item = 2 * rng.integers(0, items // 2, (users, 10)) + kind[:, None]
    time = np.sort(rng.random((users, 10)), axis=1) * 10
    return sort_events(np.repeat(np.arange(users), 10), item.ravel(), time.ravel())


def test_graph_conv_learns_what_follows_a_history():
    log = walks()
    split = requests.user_split(log, extra=1)
    config = graph_conv.Config(factors=4, negatives=4, epochs=20, learning_rate=0.3)
    model = graph_conv.fit_graph_conv(split, config, extra=True)
    assert model.config.items == 12
    found = graph_conv.score(model, log, split.test, split.test_items)
    scores.check(found)
    s = scores.dense(found)
    names = log.item_names.astype(int)[split.test_items]
    inside = split.test.user[:, None] % 2 == names % 2
    assert np.mean(s[inside][:, None] > s[~inside]) > 0.95


def test_graph_conv_scores_unknown_items_zero():
    log, model = log_of(), model_of()
    model = model._replace(known=np.array([True, True, False, True]))
    given = requests.make_requests(log, [0], 5.0, 1.0)
    s = scores.dense(graph_conv.score(model, log, given, [2, 0]))
    assert s[0, 0] == 0 and s[0, 1] > 0


def test_joined_requests_keep_their_order():
    log = log_of()
    parts = [
        requests.make_requests(log, u, t, 9.0) for u, t in (([2, 0], 2.5), ([1], 0))
    ]
    found = graph_conv.join(parts)
    np.testing.assert_array_equal(found.user, [2, 0, 1])
    np.testing.assert_array_equal(
        found.targets.toarray(), np.concatenate([x.targets.toarray() for x in parts])
    )


# Topics


def test_topics_without_scikit_learn_name_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.decomposition", None)
    with pytest.raises(errors.InputError, match=r'pip install "iclr22\[peers\]"'):
        lda.fit_lda(requests.user_split(walks()))


def test_topics_are_distributions():
    pytest.importorskip("sklearn")
    log = walks()
    split = requests.user_split(log)
    model = lda.fit_lda(split, lda.Config(factors=2, word_prior=0.1))
    np.testing.assert_allclose(model.topics.sum(axis=0), 1, rtol=1e-5)
    found = lda.score(model, log, split.test, np.arange(12))
    np.testing.assert_allclose(scores.dense(found).sum(axis=1), 1, rtol=1e-4)
