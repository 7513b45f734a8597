"""Gradient matching against gradients of single examples and finite differences."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from iclr22.deep_autoaugment import (
    applying,
    classifier,
    derivatives,
    matching,
    space,
    tables,
)

pytestmark = pytest.mark.eight_devices


@pytest.fixture(scope="module")
def problem():
    """`(config, params, batch)` of two groups under seven transformations."""
    config, batch = matching.example(2)
    ops = ("identity", "invert", "solarize", "autocontrast", "equalize", "posterize")
    chosen = [x for x in space.space(levels=3) if x.op in ops]
    config = config._replace(transformations=tuple(chosen), first=True, chunk=4)
    state = matching.init(config, jax.random.key(1), batch)
    random = np.random.default_rng(0)
    logits = random.normal(size=len(chosen)).astype(np.float32)
    return config, state.params | {"logits": jnp.asarray(logits)}, batch


def flat(tree):
    """All leaves as one vector, in double precision."""
    return np.concatenate(
        [np.asarray(x, np.float64).ravel() for x in jax.tree.leaves(tree)]
    )


def single_gradients(config, params, images, label):
    """Gradient of each image's loss by itself, `[m, parameters]`."""
    network = params["network"]

    @jax.jit
    @jax.grad
    def gradient(weights, x):
        losses = classifier.per_example_loss(
            config.network, weights, network["stats"], x[None], label[None]
        )
        return losses[0]

    return np.stack([flat(gradient(network["weights"], x)) for x in images])


def of_group(config, params, batch, g):
    """`(v, gradients [N, parameters])` of a group by brute force; nothing here is random."""
    made = tables.of(config.transformations, *batch["image"].shape[1:3])
    count = len(config.transformations)
    images = np.repeat(batch["image"][g][None], count, axis=0)
    which = np.arange(count, dtype=np.int32)[:, None]
    keys = jax.random.split(jax.random.key(0), count)
    images = applying.apply_all(made, jnp.asarray(images), jnp.asarray(which), keys)
    label = jnp.asarray(batch["y"][g])
    v = single_gradients(config, params, batch["x"][g], label).mean(axis=0)
    return v, single_gradients(config, params, images, label)


def cosine(v, g):
    """Of two vectors."""
    return v @ g / np.linalg.norm(v) / np.linalg.norm(g)


def test_slopes_and_cosine_are_those_of_single_gradients(problem):
    config, params, batch = problem
    found = jax.jit(functools.partial(matching.matched, config))(
        params, batch, jax.random.key(3)
    )
    p = np.asarray(jax.nn.softmax(params["logits"]), np.float64)
    for g in range(2):
        v, each = of_group(config, params, batch, g)
        mean = p @ each
        tangent = v - mean * (v @ mean) / (mean @ mean)
        wanted = each @ tangent / np.linalg.norm(mean) / np.linalg.norm(v)
        np.testing.assert_allclose(found.slope[g], wanted, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(found.cosine[g], cosine(v, mean), rtol=1e-5)
        assert abs(p @ np.asarray(found.slope[g], np.float64)) < 1e-6


def test_slope_is_that_of_finite_differences_and_of_logits_times_p(problem):
    config, params, batch = problem
    v, each = of_group(config, params, batch, 0)
    logits = np.asarray(params["logits"], np.float64)

    def j(logits):
        p = np.exp(logits - logits.max())
        return cosine(v, p / p.sum() @ each)

    steps = 1e-5 * np.eye(len(logits))
    wanted = [(j(logits + s) - j(logits - s)) / 2e-5 for s in steps]
    found = matching.matched(config, params, batch, jax.random.key(3))
    p = np.asarray(jax.nn.softmax(params["logits"]))
    np.testing.assert_allclose(p * found.slope[0], wanted, rtol=2e-3, atol=2e-6)


def test_cosine_does_not_depend_on_the_length_of_what_is_met():
    random = np.random.default_rng(0)
    v, g = ({"a": jnp.asarray(random.normal(size=5), jnp.float32)} for _ in range(2))
    tangent, found = derivatives.orthogonal(v, g)
    _, scaled = derivatives.orthogonal(jax.tree.map(lambda x: 7 * x, v), g)
    np.testing.assert_allclose(found, cosine(v["a"], g["a"]), rtol=1e-6)
    np.testing.assert_allclose(found, scaled, rtol=1e-6)
    np.testing.assert_allclose(tangent["a"] @ g["a"], 0, atol=1e-6)
    assert float(derivatives.orthogonal(v, v)[1]) == pytest.approx(1)


def test_a_single_transformation_has_no_slope_and_its_own_images_match(problem):
    config, params, batch = problem
    config = config._replace(transformations=config.transformations[:1], validation=1)
    own = batch | {"x": batch["image"][:, None]}
    params = params | {"logits": jnp.zeros(1), "before": params["before"][:, :1]}
    found = matching.matched(config, params, own, jax.random.key(0))
    np.testing.assert_allclose(found.cosine, 1, rtol=1e-5)
    share = jax.nn.softmax(params["logits"])
    np.testing.assert_allclose(
        share * (found.slope - share @ found.slope[0]), 0, atol=1e-6
    )


def test_later_layers_agree_with_the_first_where_nothing_was_drawn_before(problem):
    """Draws of all layers, of which there is but one that does something, in the mean."""
    config, params, batch = problem
    exact = matching.matched(config, params, batch, jax.random.key(0))
    drawn = config._replace(first=False, copies=400, paths=1, chunk=600)
    found = matching.matched(drawn, params, batch, jax.random.key(5))
    np.testing.assert_allclose(found.cosine, exact.cosine, atol=0.02)
    np.testing.assert_allclose(found.slope, exact.slope, atol=0.05)


def test_layers_before_are_applied_before(problem):
    """A layer before that always inverts: the slopes of inverted images."""
    config, params, batch = problem
    ops = [x.op for x in config.transformations]
    before = np.full((1, len(ops)), -1e9, np.float32)
    before[0, ops.index("invert")] = 0
    later = config._replace(first=False, copies=400, paths=1, chunk=600)
    found = matching.matched(
        later, params | {"before": jnp.asarray(before)}, batch, jax.random.key(2)
    )
    inverted = batch | {"image": 255 - batch["image"]}
    wanted = matching.matched(config, params, inverted, jax.random.key(2))
    np.testing.assert_allclose(found.cosine, wanted.cosine, atol=0.02)
    np.testing.assert_allclose(found.slope, wanted.slope, atol=0.05)


def test_variance_over_groups_counts_against_a_transformation():
    config = matching.Config(first=False)
    slope = jnp.asarray([[1.0, 3.0], [1.0, -1.0], [9.0, 9.0]])
    weight = jnp.asarray([1.0, 1.0, 0.0])
    np.testing.assert_allclose(matching.combined(config, slope, weight), [1, 1 - 2])
    first = config._replace(first=True)
    np.testing.assert_allclose(matching.combined(first, slope, weight), [1, 1])


def test_fresh_layers_are_those_of_the_paper():
    p = jax.nn.softmax(matching.fresh(139))
    np.testing.assert_allclose(p[0], 0.955755, rtol=1e-5)
    np.testing.assert_allclose(p[1:], 3.2062e-4, rtol=1e-4)
    assert abs(matching.fresh(139).mean()) < 1e-6


def test_updates_follow_the_slopes(problem):
    config, params, batch = problem
    state = matching.init(config, jax.random.key(1), batch)._replace(params=params)
    state = state._replace(opt_state=matching.optimizer(config).init(params["logits"]))
    found = matching.matched(
        config, params, batch, jax.random.fold_in(state.key, state.step)
    )
    after, metrics = matching.train_step(config, state, batch)
    moved = np.asarray(after.params["logits"] - params["logits"])
    slope = np.asarray(found.slope).mean(axis=0)
    clear = np.abs(slope) > 1e-4
    np.testing.assert_array_equal(np.sign(moved[clear]), np.sign(slope[clear]))
    np.testing.assert_allclose(metrics["cosine"], found.cosine.mean(), rtol=1e-5)
    for name in ("network", "before"):
        jax.tree.map(np.testing.assert_array_equal, after.params[name], params[name])
