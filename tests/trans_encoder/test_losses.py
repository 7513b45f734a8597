"""Losses of pairs: printed values, gradients, optima, contrast by brute force."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from iclr22.trans_encoder import losses, optimisation

LOGITS = jnp.array([0.0, 2.0, -1.0])
LABELS = jnp.array([0.5, 0.9, 0.2])


def mean(kind):
    return lambda x: losses.between(kind, x, LABELS).mean()


def test_soft_cross_entropy_of_three_logits():
    each = losses.soft_cross_entropy(LOGITS, LABELS)
    np.testing.assert_allclose(each, [0.693147, 0.326928, 0.513262], atol=1e-6)
    value, slope = jax.value_and_grad(mean("bce"))(LOGITS)
    np.testing.assert_allclose(value, 0.511112, atol=1e-6)
    np.testing.assert_allclose(slope, [0, -0.006401, 0.022980], atol=1e-6)


def test_squared_error_of_three_predictions():
    value, slope = jax.value_and_grad(mean("mse"))(LOGITS)
    np.testing.assert_allclose(value, 0.966667, atol=1e-6)
    np.testing.assert_allclose(slope, [-1 / 3, 0.733333, -0.8], atol=1e-6)


def test_the_best_constant_is_the_mean_label_and_costs_entropy():
    labels = jnp.array([0.1, 0.4, 0.8, 0.9])

    def of(x):
        return losses.soft_cross_entropy(jnp.full(4, x), labels).mean()

    share = float(labels.mean())
    best = jnp.log(share / (1 - share))
    entropy = -share * np.log(share) - (1 - share) * np.log(1 - share)
    np.testing.assert_allclose(jax.grad(of)(best), 0, atol=1e-7)
    np.testing.assert_allclose(of(best), entropy, rtol=1e-6)
    assert entropy > 0.6 and min(of(best - 0.1), of(best + 0.1)) > of(best)


def test_own_logit_of_each_label_costs_its_entropy():
    labels = np.array([0.2, 0.5, 0.7])
    logits = np.log(labels / (1 - labels))
    entropy = -(labels * np.log(labels) + (1 - labels) * np.log(1 - labels))
    found = losses.soft_cross_entropy(*map(np.float32, (logits, labels)))
    np.testing.assert_allclose(found, entropy, rtol=1e-5)


def test_a_negative_label_has_no_optimum():
    found = losses.soft_cross_entropy(jnp.array([-5.0, -50.0]), -0.1)
    assert found[1] < found[0] < 0


def test_cosine_is_that_of_numpy_and_flat_at_zero():
    one, other = np.random.default_rng(0).normal(size=(2, 5, 4)).astype(np.float32)
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    expected = (one * other).sum(1) / lengths
    np.testing.assert_allclose(losses.cosine(one, other), expected, rtol=1e-5)
    zero = jnp.zeros(4)
    slope = jax.grad(lambda x: losses.cosine(x, jnp.ones(4)))(zero)
    assert np.isfinite(slope).all() and float(losses.cosine(zero, zero)) == 0


@pytest.mark.parametrize("counted", [None, [True, True, False, True]])
def test_contrast_is_that_of_loops(counted):
    one, other = np.random.default_rng(1).normal(size=(2, 4, 3))
    own, expected = np.array([1, 0, 3, 3]), []
    for i in range(4):
        near = [
            one[i] @ x / np.linalg.norm(one[i]) / np.linalg.norm(x) / 0.2 for x in other
        ]
        kept = [j for j in range(4) if counted is None or counted[j]]
        expected.append(-near[own[i]] + np.log(sum(np.exp(near[j]) for j in kept)))
    mask = None if counted is None else jnp.array(counted)
    found, _ = losses.info_nce(one, other, 0.2, own=own, counted=mask)
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_contrast_of_views_that_are_all_alike_is_the_log_of_their_number():
    same = jnp.ones((6, 2))
    np.testing.assert_allclose(
        losses.info_nce(same, same, 0.05)[0], np.log(6), rtol=1e-6
    )


def test_contrast_tells_which_are_found():
    x = jnp.eye(3)
    _, right = losses.info_nce(x, x[jnp.array([0, 2, 1])], 0.1)
    assert right.tolist() == [True, False, False]


def test_tokens_are_counted_as_weights_say():
    logits = np.zeros((1, 3, 4))
    found = losses.tokens_cross_entropy(logits, np.zeros((1, 3), int), np.ones((1, 3)))
    np.testing.assert_allclose(found, np.log(4), rtol=1e-6)
    logits[0, 2, 1] = 50  # wrong, and not counted
    weight = np.array([[1, 1, 0]])
    again = losses.tokens_cross_entropy(logits, np.zeros((1, 3), int), weight)
    np.testing.assert_allclose(again, found, rtol=1e-6)


# The optimiser


@pytest.mark.parametrize(("steps", "peak"), [(100, 10), (25, 3), (30, 3)])
def test_the_rate_rises_for_a_tenth_and_falls_to_nothing(steps, peak):
    values = np.asarray(optimisation.rate(2.0, steps, 0.1)(np.arange(steps + 2)))
    assert optimisation.warm_up(steps, 0.1) == peak == int(np.argmax(values))
    assert values[peak] == 2 and values[0] == values[steps] == values[steps + 1] == 0
    np.testing.assert_allclose(values[1], 2 / peak)
    falling = np.diff(values[peak : steps + 1])
    np.testing.assert_allclose(falling, -2 / (steps - peak), rtol=1e-4)


def test_without_a_share_the_rate_begins_at_its_peak():
    rate = optimisation.rate(3.0, 10)
    np.testing.assert_allclose([rate(i) for i in (0, 5, 10)], [3, 1.5, 0])


def test_the_optimiser_by_hand():
    """Two updates of decoupled decay; biases and norms do not decay; gradients are cut."""
    from iclr22.trans_encoder import bi_encoder

    config, batch = bi_encoder.example(4)
    config = config._replace(learning_rate=0.1, steps=4)
    params = {
        "layer_0": {"output": {"kernel": jnp.array([2.0]), "bias": jnp.array([3.0])}},
        "norm": {"scale": jnp.array([1.0])},
    }
    rule = optimisation.adamw(config)
    state, expected = rule.init(params), [2.0, 3.0, 1.0]
    first, second = np.zeros(3), np.zeros(3)
    for i in range(2):
        g = np.array([6.0, -8.0, 0.0]) * (i + 1)
        tree = {
            "layer_0": {"output": {"kernel": g[:1], "bias": g[1:2]}},
            "norm": {"scale": g[2:]},
        }
        updates, state = rule.update(jax.tree.map(jnp.asarray, tree), state, params)
        params = optax.apply_updates(params, updates)
        g = g / np.linalg.norm(g)
        first, second = 0.9 * first + 0.1 * g, 0.999 * second + 0.001 * g**2
        m, v = first / (1 - 0.9 ** (i + 1)), second / (1 - 0.999 ** (i + 1))
        decay = 0.01 * np.array([1, 0, 0]) * expected
        expected = expected - 0.1 * (1 - i / 4) * (m / (np.sqrt(v) + 1e-6) + decay)
    inner = params["layer_0"]["output"]
    found = [
        float(x[0]) for x in (inner["kernel"], inner["bias"], params["norm"]["scale"])
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_frozen_parts_stay():
    from iclr22.trans_encoder import cross_encoder

    config, batch = cross_encoder.example(8)
    config = config._replace(frozen_embeddings=True, frozen_layers=1)
    start = jax.jit(lambda key: cross_encoder.init(config, key, batch))
    step = jax.jit(lambda state: cross_encoder.train_step(config, state, batch)[0])
    states = [start(jax.random.key(0))]
    for _ in range(2):
        states.append(step(states[-1]))
    moved = [moved_parts(states[0].params, x.params) for x in states[1:]]
    assert moved[0] == set()  # the rate begins at 0
    assert moved[1] == {"pooler", "classifier"}


def moved_parts(before, after):
    """Entries of which some number differs."""
    return {
        name
        for name in before
        for x, y in zip(*map(jax.tree.leaves, (before[name], after[name])), strict=True)
        if (np.asarray(x) != np.asarray(y)).any()
    }
