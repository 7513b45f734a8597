"""Pairwise ranking: losses and gradients by hand, training, negatives."""

import jax
import numpy as np
import pytest
import scipy.sparse
from count_helpers import blocks, counts_of, held_out_auc
from helpers import assert_trees_close

from iclr22 import errors, gradients
from iclr22.data import batching
from iclr22.recurrent_intensity import bpr, negatives


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

    def softplus(x):
        return np.log1p(np.exp(x))

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
    mean, _ = gradients.mean(g, sums, None)
    after = gradients.apply(bpr.optimizer(config), state, mean)
    stepped, _ = bpr.train_step(config, state, batch)
    assert_trees_close(stepped.params, after.params, rtol=1e-6, atol=1e-7)
    g = g["items"] / sums["weight"] + 0.1 * before["items"]
    step = 0.3 * g / (np.abs(g) + config.epsilon)
    np.testing.assert_allclose(after.params["items"], before["items"] - step, atol=1e-5)


def test_fit_separates_blocks():
    config = bpr.Config(factors=4, batch=100, epochs=20, learning_rate=0.3)
    assert held_out_auc(bpr.fit_bpr(blocks()[0], config)) > 0.97


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
