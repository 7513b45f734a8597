"""A classifier trained with a policy: steps against arithmetic written out, copies, padding."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import assert_trees_close

from iclr22 import errors, gradients
from iclr22.deep_autoaugment import classifier, networks, optimisation, policy
from iclr22.deep_autoaugment.policy import Entry, Policy

DRAWN = Policy(
    (
        (Entry("flip", 6, 0.0, 0.5), Entry("invert", 6, 0.0, 0.5)),
        (Entry("translate_x", 9, 0.225, 0.5), Entry("identity", 6, 0.0, 0.5)),
    )
)
PLAIN = {"momentum": 0.0, "weight_decay": 0.0, "clip": 0.0, "nesterov": False}


def problem(size=8, **changes):
    """`(config, batch, state)` of the example, made of differing images."""
    config, batch = classifier.example(size)
    config = config._replace(policy=None, copies=1)._replace(**changes)
    state = jax.jit(functools.partial(classifier.init, config))(
        jax.random.key(0), batch
    )
    return config, batch, state


def stepped(config, state, batch):
    return jax.jit(functools.partial(classifier.train_step, config))(state, batch)


def mean_loss(config, stats, weights, x, y, weight):
    """Loss on images as they are, with moments of the batch; new stats beside it."""
    logits, stats = networks.forward(config, weights, stats, x, weight)
    chosen = jnp.take_along_axis(jax.nn.log_softmax(logits), y[:, None], 1)[:, 0]
    return -(weight @ chosen) / weight.sum(), stats


def slope(config, state, x, batch):
    """`(gradient, stats)` of `mean_loss`."""
    given = jnp.asarray(x), batch["y"], batch["weight"]
    grad = jax.grad(
        functools.partial(mean_loss, config, state.params["stats"]), has_aux=True
    )
    return jax.jit(grad)(state.params["weights"], *given)


# The network


def test_losses_and_logits_are_of_normalised_images_and_remembered_moments():
    config, batch, state = problem()
    x, params = batch["x"], state.params
    given = (x / 255 - np.array(config.mean)) / np.array(config.std)
    variables = {"params": params["weights"], "stats": params["stats"]}
    expected = networks.module(config).apply(variables, np.float32(given))
    found = classifier.apply(config, params, x)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    losses = classifier.per_example_loss(
        config, params["weights"], params["stats"], x, batch["y"]
    )
    by_hand = -jax.nn.log_softmax(expected)[np.arange(len(x)), batch["y"]]
    np.testing.assert_allclose(losses, by_hand, rtol=1e-4, atol=1e-5)
    total, sums = classifier.loss(config, params, batch)
    np.testing.assert_allclose(total, by_hand.sum(), rtol=1e-4)
    right = np.mean(np.argmax(expected, 1) == batch["y"]) * 100
    np.testing.assert_allclose(sums["accuracy"] / sums["weight"], right, rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "changes", "free"),
    [
        ("wrn", {"depth": 10}, 2 * (2 * 3 + 1) + 1),
        ("shake_shake", {"depth": 8, "width": 8}, 2 * (4 + 1) * 3 + 1),
        ("resnet", {"depth": 50}, 2 * (3 * 16 + 4 + 1) + 1),
        ("efficientnet", {"size": 32}, 1),
    ],
)
def test_l2_leaves_out_norms_and_the_bias_of_the_head(name, changes, free):
    """`free`: scales and shifts of all norms, and one bias more."""
    config = classifier.example(1)[0]._replace(network=name, **changes)
    x = np.zeros((1, 32, 32, 3), np.uint8)
    shapes = jax.eval_shape(
        lambda: networks.init(config, jax.random.key(0), x)["weights"]
    )
    chosen = optimisation.decayed(shapes)
    pairs = list(zip(jax.tree.leaves(shapes), jax.tree.leaves(chosen), strict=True))
    assert all(kept for x, kept in pairs if x.ndim > 1)
    assert sum(not kept for _, kept in pairs) == free


def test_an_efficientnet_begins_at_a_file_but_for_its_head(monkeypatch):
    file = {"stem": {"kernel": 1.0}, "classifier": {"kernel": 2.0, "bias": 2.0}}
    monkeypatch.setattr(networks.efficientnet, "load_weights", lambda path: file)
    own = {"stem": {"kernel": 0.0}, "classifier": {"kernel": 3.0, "bias": 4.0}}
    begun = networks.pretrained("file.npz")({"weights": own, "stats": {}})
    wanted = {"stem": {"kernel": 1.0}, "classifier": {"kernel": 3.0, "bias": 4.0}}
    assert begun == {"weights": wanted, "stats": {}}


def test_unknown_networks_and_types_are_refused():
    config = classifier.Config(classes=2)
    with pytest.raises(errors.InputError, match="Unknown network 'vgg'.*wrn"):
        networks.module(config._replace(network="vgg"))
    with pytest.raises(errors.InputError, match="accelerator for bfloat16"):
        problem(dtype="bfloat16")


def test_state_is_float32_where_an_accelerator_computes_in_less(monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    config, batch = classifier.example(4)
    config = config._replace(dtype="bfloat16", depth=10, policy=None)
    init = functools.partial(classifier.init, config)
    before = jax.eval_shape(init, jax.random.key(0), batch)
    step = functools.partial(classifier.train_step, config)
    after, metrics = jax.eval_shape(step, before, batch)
    pair = (
        jax.tree.map(lambda x: (x.shape, x.dtype), tree) for tree in (before, after)
    )
    assert len({str(types) for types in pair}) == 1
    assert {x.dtype for x in jax.tree.leaves(metrics)} == {jnp.dtype("float32")}


# The update


def test_rate_is_a_line_and_then_a_cosine():
    at = optimisation.rate(0.4, 110, 10)
    assert float(at(0)) == 0
    np.testing.assert_allclose([at(5), at(10)], [0.2, 0.4], rtol=1e-6)
    for step in (10, 35, 60, 109, 110):
        expected = 0.2 * (1 + math.cos(math.pi * (step - 10) / 100))
        np.testing.assert_allclose(at(step), expected, rtol=1e-5, atol=1e-8)
    np.testing.assert_allclose(optimisation.rate(0.4, 100)(0), 0.4, rtol=1e-6)


def test_two_updates_equal_nesterov_written_out():
    """As in PyTorch: cut, decay added, velocity, then the gradient and 0.9 of it."""
    changes = {"learning_rate": 0.3, "weight_decay": 0.1, "clip": 0.1, "steps": 4}
    config, batch, state = problem(**changes)
    weights = state.params["weights"]
    velocity = jax.tree.map(np.zeros_like, weights)
    mask, now = optimisation.decayed(weights), state
    for step in range(2):
        grads, stats = slope(config, now, batch["x"], batch)
        norm = math.sqrt(sum(np.sum(np.square(g)) for g in jax.tree.leaves(grads)))
        assert norm > config.clip  # so that it is cut
        grads = jax.tree.map(
            lambda g, w, kept, norm=norm: g * 0.1 / norm + 0.1 * kept * w,
            grads,
            weights,
            mask,
        )
        velocity = jax.tree.map(lambda v, g: 0.9 * v + g, velocity, grads)
        rate = 0.15 * (1 + math.cos(math.pi * step / 4))
        weights = jax.tree.map(
            lambda w, v, g, rate=rate: w - rate * (g + 0.9 * v),
            weights,
            velocity,
            grads,
        )
        now = now._replace(params={"weights": weights, "stats": stats})
        state, _ = stepped(config, state, batch)
        expected = {"weights": weights, "stats": stats}
        assert_trees_close(state.params, expected, rtol=1e-4, atol=1e-5)


def test_l2_is_a_part_of_the_gradient_that_is_cut():
    changes = PLAIN | {"l2": 0.3, "clip": 0.01, "learning_rate": 1.0}
    config, batch, state = problem(**changes)
    weights = state.params["weights"]
    grads, _ = slope(config, state, batch["x"], batch)
    mask = optimisation.decayed(weights)
    whole = jax.tree.map(lambda g, w, kept: g + 0.6 * kept * w, grads, weights, mask)
    norm = math.sqrt(sum(np.sum(np.square(g)) for g in jax.tree.leaves(whole)))
    after, metrics = stepped(config, state, batch)
    expected = jax.tree.map(lambda w, g: w - 0.01 * g / norm, weights, whole)
    assert_trees_close(after.params["weights"], expected, rtol=1e-4, atol=1e-6)
    plain = mean_loss(
        config, state.params["stats"], weights, batch["x"], batch["y"], batch["weight"]
    )
    np.testing.assert_allclose(metrics["loss"], plain[0], rtol=1e-4)


# The policy


def copies_by_hand(config, state, batch):
    """Images of each copy: a key of the step, of the copy, of the row."""
    key, found = gradients.step_key(state), []
    for copy in range(config.copies):
        own = jax.random.fold_in(key, copy) if config.copies > 1 else key
        keys = classifier.of_rows(jax.random.split(own)[0], batch["row"])
        found.append(np.asarray(policy.augment(config.policy, batch["x"], keys)))
    return found


@pytest.mark.parametrize("copies", [1, 3])
def test_gradient_of_copies_is_the_mean_of_theirs(copies):
    changes = PLAIN | {"policy": DRAWN, "copies": copies, "learning_rate": 0.5}
    config, batch, state = problem(**changes)
    batch["weight"] = np.arange(8) % 3 / np.float32(2)
    images = copies_by_hand(config, state, batch)
    assert all(np.any(x != batch["x"], axis=(1, 2, 3)).sum() > 2 for x in images)
    assert len({x.tobytes() for x in images}) == copies
    slopes = [slope(config, state, x, batch) for x in images]
    mean = jax.tree.map(lambda *g: sum(g) / copies, *(grads for grads, _ in slopes))
    before = state.params["weights"]
    after, metrics = stepped(config, state, batch)
    expected = jax.tree.map(lambda w, g: w - 0.5 * g, before, mean)
    assert_trees_close(after.params["weights"], expected, rtol=1e-4, atol=1e-6)
    assert_trees_close(after.params["stats"], slopes[-1][1], rtol=1e-4, atol=1e-5)
    of_each = [
        mean_loss(config, state.params["stats"], before, x, batch["y"], batch["weight"])
        for x in images
    ]
    loss = np.mean([float(value) for value, _ in of_each])
    np.testing.assert_allclose(metrics["loss"], loss, rtol=1e-4)


def test_draws_come_from_the_row_and_the_key():
    config, batch, _ = problem(policy=DRAWN)
    run = jax.jit(functools.partial(classifier.augmented, config))
    key, order = jax.random.key(1), np.array([3, 1, 7, 0, 2, 5, 6, 4])
    found = np.asarray(run(batch["x"], batch["row"], key))
    moved = run(batch["x"][order], batch["row"][order], key)
    np.testing.assert_array_equal(moved, found[order])
    assert np.any(run(batch["x"], batch["row"] + 8, key) != found)
    assert np.any(run(batch["x"], batch["row"], jax.random.key(2)) != found)


def test_evaluation_sees_images_as_they_are():
    config, batch, state = problem()
    with_policy = config._replace(policy=DRAWN, copies=4)
    pair = (classifier.evaluate(c, state.params, batch) for c in (config, with_policy))
    assert_trees_close(*pair, rtol=0)


def test_rows_of_padding_change_nothing():
    config, batch, state = problem(policy=DRAWN, copies=2, l2=0.1)
    rng = np.random.default_rng(0)
    padded = {k: np.concatenate([v, v[:3]]) for k, v in batch.items()}
    padded["x"][8:] = rng.integers(0, 256, padded["x"][8:].shape)
    padded["weight"][8:] = 0
    pair = [stepped(config, state, x) for x in (batch, padded)]
    assert_trees_close(pair[0][1], pair[1][1], rtol=1e-4)
    assert_trees_close(pair[0][0].params, pair[1][0].params, rtol=1e-4, atol=1e-5)


def test_keys_of_a_shake_shake_come_from_the_row(monkeypatch):
    """A module in its place says which keys it gets."""

    class Spy:
        def apply(self, variables, x, weight, keys, *, mutable):
            drawn = jax.vmap(lambda key: jax.random.normal(key, (3,)))(keys)
            return drawn, {"stats": variables["stats"]}

    monkeypatch.setattr(networks, "module", lambda config, axis_name: Spy())
    config = classifier.example(1)[0]._replace(network="shake_shake", policy=None)
    _, batch = classifier.example(6)
    batch["weight"] = np.eye(6, dtype=np.float32)[4]
    params, key = {"weights": {}, "stats": {}}, jax.random.key(0)

    def total(key, rows):
        given = batch | {"row": np.asarray(rows, np.int32)}
        return float(classifier.loss(config, params, given, key=key)[0])

    found = total(key, range(6))
    assert total(key, [9, 8, 7, 6, 4, 5]) == found  # the fourth alone has weight
    assert total(key, [0, 1, 2, 3, 5, 4]) != found
    assert total(jax.random.key(1), range(6)) != found
