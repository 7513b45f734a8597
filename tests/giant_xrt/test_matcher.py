"""One round of fine-tuning: exact losses, updates by row; and the rival on single links."""

import functools

import giant_helpers
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from helpers import assert_trees_close

from iclr22.giant_xrt import encoding, link, matcher, row_adam, tuning

LOGITS = jnp.array([[0.5, -0.5, 2.0, 0.0]])
COUNTS = jnp.array([[2.0, 0, 1, 0]])
REAL = jnp.ones((1, 4), bool)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("weighted_squared_hinge", 0.4375),
        ("squared_hinge", 0.375),
        ("hinge", 0.5),
        ("weighted_hinge", 0.625),
        ("bce", np.log1p(np.exp([-0.5, -0.5, -2, 0])).sum()),
    ],
)
def test_losses_are_those_of_the_sheet(kind, value):
    config = matcher.Config(loss=kind)
    found = matcher.example_loss(config, LOGITS, COUNTS, REAL)
    np.testing.assert_allclose(found, [value], rtol=1e-6)
    wide = jnp.concatenate([LOGITS, 9 * jnp.ones((1, 3))], axis=1)
    real = jnp.arange(7)[None] < 4
    counts = jnp.concatenate([COUNTS, jnp.ones((1, 3))], axis=1)
    masked = matcher.example_loss(config, wide, counts, real)
    np.testing.assert_allclose(masked, found, rtol=1e-6)


def test_padding_as_in_pecos_counts_one_and_thins_the_mean():
    config = matcher.Config(pad_like_pecos=True, widest=10)
    found = matcher.example_loss(config, LOGITS, COUNTS, REAL)
    np.testing.assert_allclose(found, [(1.75 + 6) / 10], rtol=1e-6)
    own = matcher.example_loss(config._replace(widest=0), LOGITS, COUNTS, REAL)
    np.testing.assert_allclose(own, [0.4375], rtol=1e-6)


def test_all_rows_or_some_of_them_score_the_same(monkeypatch):
    random = np.random.default_rng(0)
    head = {"kernel": random.normal(size=(9, 3)), "bias": random.normal(size=9)}
    vectors, candidates = random.normal(size=(5, 3)), random.integers(0, 9, (5, 4))
    dense = matcher.scores(head, vectors, candidates)
    monkeypatch.setattr(matcher, "DENSE", 0)
    given = jax.tree.map(jnp.asarray, (head, vectors))
    np.testing.assert_allclose(matcher.scores(*given, candidates), dense, rtol=1e-5)
    by_hand = vectors @ head["kernel"].T + head["bias"]
    wanted = np.take_along_axis(by_hand, candidates, 1)
    np.testing.assert_allclose(dense, wanted, rtol=1e-5)


def test_touched_rows_are_found_once():
    numbers = jnp.array([[5, 2, 2], [7, 5, 1]])
    used = jnp.array([[1, 1, 1], [0, 1, 0]], bool)
    found = row_adam.touched(numbers, used, 8)
    assert found.rows.tolist() == [2, 5, 8, 8, 8, 8]
    assert found.place[jnp.array([2, 5])].tolist() == [0, 1]


def test_rows_in_every_step_are_as_with_dense_adam():
    random = np.random.default_rng(0)
    table = {"a": jnp.asarray(random.normal(size=(4, 3))), "b": jnp.ones(4)}
    rule, rows = optax.adam(0.1, eps=1e-8), jnp.array([0, 1, 2, 3, 4])
    other, dense, moments = table, rule.init(table), row_adam.start(table)
    for step in range(3):
        gradient = {"a": jnp.asarray(random.normal(size=(4, 3))), "b": jnp.arange(4.0)}
        change, dense = rule.update(gradient, dense, other)
        other = optax.apply_updates(other, change)
        given = jax.tree.map(lambda x: jnp.concatenate([x, x[:1]]), gradient)
        table, moments = row_adam.update(table, moments, rows, given, 0.1, step)
    assert_trees_close(table, other, rtol=1e-4, atol=1e-6)


def rows_of(tree, rows):
    return jax.tree.map(lambda x: np.asarray(x)[rows], tree)


def test_only_rows_of_the_batch_move():
    config, batch = matcher.example(8)
    batch["weight"][4:] = 0
    state = jax.jit(functools.partial(matcher.init, config))(jax.random.key(0), batch)
    step = jax.jit(functools.partial(matcher.train_step, config))
    after = state
    for _ in range(2):  # the rate of the first is 0
        after, _ = step(after, batch)
    used = {
        "head": np.unique(batch["candidates"][:4][batch["real"][:4]]),
        "table": np.unique(batch["ids"][:4][batch["ids"][:4] > 0]),
    }
    before, now = (tuning.split(x.params)[1] for x in (state, after))
    for name, rows in used.items():
        length = len(jax.tree.leaves(before[name])[0])
        others = np.setdiff1d(np.arange(length), rows)
        assert len(others)
        assert_trees_close(rows_of(now[name], others), rows_of(before[name], others))
        assert not any(
            x.any() for x in jax.tree.leaves(rows_of(after.opt_state[name], others))
        )
    moved = np.abs(now["head"]["bias"] - before["head"]["bias"])
    assert (moved[used["head"]] > 0).all()
    assert not np.asarray(now["head"]["kernel"])[-1].any()


def test_gradients_of_touched_rows_are_those_of_the_whole_table():
    config, batch = matcher.example(8)
    config = config._replace(clip=1e9, warm_up=0.0)
    state = matcher.init(config, jax.random.key(0), batch)
    after, metrics = jax.jit(functools.partial(matcher.train_step, config))(
        state, batch
    )

    def mean(params):
        total, sums = matcher.loss(config, params, batch)
        return total / sums["weight"]

    value, gradient = jax.jit(jax.value_and_grad(mean))(state.params)
    np.testing.assert_allclose(metrics["loss"], value, rtol=1e-5)
    whole = tuning.split(gradient)[1]
    for name, moments in whole.items():
        first = jax.tree.map(lambda x: x / 0.1, after.opt_state[name].mean)
        assert_trees_close(first, moments, rtol=1e-4, atol=1e-7)


def test_head_and_encoder_are_cut_apart():
    config, batch = matcher.example(8)
    config = config._replace(clip=1e-3, warm_up=0.0)
    state = matcher.init(config, jax.random.key(0), batch)
    after, _ = jax.jit(functools.partial(matcher.train_step, config))(state, batch)
    for name in ("head", "table"):
        first = jax.tree.map(lambda x: x / 0.1, after.opt_state[name].mean)
        np.testing.assert_allclose(optax.tree.norm(first), 1e-3, rtol=1e-2)


def test_rates_rise_then_fall_and_the_head_has_its_own():
    config = matcher.Config(steps=100, warm_up=0.1)
    rate = tuning.rate(config, 2.0)
    found = [float(rate(i)) for i in (0, 5, 10, 55, 100)]
    np.testing.assert_allclose(found, [0, 1, 2, 1, 0], atol=1e-6)
    assert float(tuning.rate(config._replace(warm_up=0.0), 2.0)(0)) == 2


def bert_round(**changes):
    encoder = giant_helpers.of_bert()
    config = matcher.Config(
        encoder.config, 3, learning_rate=1e-2, steps=20, dropout=0.0, **changes
    )
    read = encoding.read(encoder, giant_helpers.texts(8))
    given = encoding.tokens.alone(read, np.arange(8), 8)
    batch = {
        "ids": given.ids,
        "lengths": given.lengths,
        "candidates": np.tile(np.arange(3, dtype=np.int32), (8, 1)),
        "real": np.ones((8, 3), bool),
        "counts": np.eye(3, dtype=np.float32)[np.arange(8) % 3],
        "weight": np.ones(8, np.float32),
    }
    return config, batch, encoder


def test_frozen_layers_stay_and_the_rest_learns():
    config, batch, encoder = bert_round(frozen_layers=1, frozen_embeddings=True)
    begin = {
        "encoder": encoder.params,
        "head": matcher.fresh_head(config, jax.random.key(1)),
    }
    state = matcher.init(config, jax.random.key(0), batch)._replace(params=begin)
    step = jax.jit(functools.partial(matcher.train_step, config))
    for _ in range(20):
        state, metrics = step(state, batch)
    for name, before in encoder.params.items():
        now = jax.device_get(state.params["encoder"][name])
        moved = any(
            np.abs(a - b).max() > 0
            for a, b in zip(jax.tree.leaves(before), jax.tree.leaves(now), strict=True)
        )
        assert moved == (name == "layer_1"), name
    first = matcher.loss(config, begin, batch)[0] / 8
    assert metrics["loss"] < 0.9 * first


def test_links_are_told_from_strangers():
    """Two pairs by hand: the first is near, the second is not."""
    config, batch = link.example(2)
    config = config._replace(middle=0.25, temperature=0.5)
    params = link.init(config, jax.random.key(0), batch).params
    both = np.asarray(link.apply(config, params, batch))
    unit = both / np.linalg.norm(both, axis=-1, keepdims=True)
    logits = (unit[:, 0] @ unit[:, 1].T - 0.25) / 0.5
    wanted = [
        np.log1p(np.exp(-logits[i, i])) + np.log1p(np.exp(logits[i, 1 - i]))
        for i in (0, 1)
    ]
    total, sums = link.loss(config, params, batch)
    np.testing.assert_allclose(total, sum(wanted), rtol=1e-5)
    right = sum(logits[i, i] > logits[i, 1 - i] for i in (0, 1))
    np.testing.assert_allclose(sums["accuracy"], 100 * right)
    batch["weight"][1] = 0  # nobody is a stranger then
    total, _ = link.loss(config, params, batch)
    np.testing.assert_allclose(total, np.log1p(np.exp(-logits[0, 0])), rtol=1e-5)
