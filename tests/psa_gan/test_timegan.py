"""TimeGAN: errors against closed forms, turns, who learns in which, what is generated."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from iclr22.psa_gan import timegan
from iclr22.psa_gan import timegan_losses as errors
from iclr22.psa_gan.timegan import Config

CONFIG, BATCH = timegan.example(16)


@functools.cache
def started():
    return jax.jit(functools.partial(timegan.init, CONFIG))(jax.random.key(0), BATCH)


@functools.cache
def stepper():
    """`(threshold, state, batch)` to the next state."""

    def step(threshold, state, batch):
        return timegan.train_step(CONFIG._replace(threshold=threshold), state, batch)

    return jax.jit(step)


def draws(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def test_reconstruction_is_the_distance_of_known_values():
    values, recovered = draws(4, 6, 1), draws(4, 6, 1, seed=1)
    known = np.ones((4, 6), np.float32)
    known[1, 2:] = 0
    found = errors.reconstruction_error(recovered, values, known)
    apart = np.abs(values - recovered)[..., 0]
    expected = [apart[0].mean(), apart[1, :2].mean(), apart[2].mean(), apart[3].mean()]
    np.testing.assert_allclose(found, expected, atol=2e-3)
    slope = jax.grad(lambda x: errors.reconstruction_error(x, values, known).sum())
    assert np.isfinite(slope(values)).all() and not np.any(slope(values))
    nothing = errors.reconstruction_error(recovered, values, 0 * known)
    np.testing.assert_array_equal(nothing, 0)


def test_the_supervisors_error_is_of_the_next_step():
    latent = draws(3, 7, 5)
    ahead = np.roll(latent, -1, axis=1)  # tells each next step
    np.testing.assert_allclose(errors.supervised_error(latent, ahead), 0, atol=1e-6)
    told = draws(3, 7, 5, seed=1)
    expected = np.linalg.norm(latent[:, 1:] - told[:, :-1], axis=-1).mean(axis=1)
    found = errors.supervised_error(latent, told)
    np.testing.assert_allclose(found, expected, atol=2e-3)


def test_scores_are_cross_entropies():
    logits = draws(3, 7, 1)
    share = 1 / (1 + np.exp(-logits[..., 0]))
    for real, likely in ((True, share), (False, 1 - share)):
        found = errors.adversarial_error(logits, real)
        np.testing.assert_allclose(found, -np.log(likely).mean(axis=1), rtol=1e-5)
    np.testing.assert_allclose(errors.adversarial_error(0 * logits, True), np.log(2))


def moments_apart(x, y, each):
    """Distance of weighted means and deviations over rows, the mean over steps."""
    total = each.sum(axis=0)
    found = 0.0
    for a, b in ((x, y), (y, x)):
        mean = (each * a).sum(axis=0) / total
        other = (each * b).sum(axis=0) / total
        wide = jnp.sqrt((each * (a - mean) ** 2).sum(axis=0) / total + errors.SMALLEST)
        width = jnp.sqrt(
            (each * (b - other) ** 2).sum(axis=0) / total + errors.SMALLEST
        )
        found = jnp.mean(jnp.abs(mean - other) + jnp.abs(wide - width))
    return found


def test_moments_over_the_batch_have_the_value_and_the_gradient_of_the_plain_formula():
    x, y = draws(20, 5), 0.3 + 1.5 * draws(20, 5, seed=1)
    random = np.random.default_rng(2)
    known = (random.random((20, 5)) > 0.2).astype(np.float32)
    weight = random.uniform(0.5, 1.5, 20).astype(np.float32)
    weight[3] = 0

    def mean(x):  # as the update takes it
        return weight @ errors.moment_error(x, y, known, weight) / weight.sum()

    def plain(x):
        return moments_apart(x, y, jnp.asarray(known * weight[:, None]))

    np.testing.assert_allclose(mean(x), plain(x), rtol=1e-5)
    np.testing.assert_allclose(jax.grad(mean)(x), jax.grad(plain)(x), atol=1e-6)
    shifted = errors.moment_error(y + 0.25, y, known, weight)
    np.testing.assert_allclose(shifted, 0.25, rtol=1e-4)
    constant = jax.grad(lambda x: errors.moment_error(x, y, known, weight).sum())
    assert np.isfinite(constant(np.ones_like(y))).all()


def test_three_phases_and_then_two_turns_to_one():
    config = Config(steps=20, phases=(0.25, 0.5), turns=2)
    found = [int(timegan.turn_of(config, step)) for step in range(20)]
    assert found == 5 * [0] + 5 * [1] + [2, 2, 3, 2, 2, 3, 2, 2, 3, 2]


LEARNING = {  # by turn: networks that change
    0: {"embedder", "recovery"},
    1: {"supervisor"},
    2: {"embedder", "recovery", "generator", "supervisor"},
    3: {"discriminator"},
}


@pytest.mark.parametrize("turn", LEARNING)
def test_in_each_turn_those_learn_whose_it_is(turn):
    step = next(s for s in range(20) if timegan.turn_of(CONFIG, s) == turn)
    state = started()._replace(step=jnp.asarray(step, jnp.int32))
    after, metrics = stepper()(0.15, state, BATCH)
    changed = {
        name
        for name, x in after.params.items()
        if any(
            not np.array_equal(a, b)
            for a, b in zip(
                jax.tree.leaves(x), jax.tree.leaves(state.params[name]), strict=True
            )
        )
    }
    assert changed == LEARNING[turn]
    assert set(metrics) == {"loss"} and int(after.step) == step + 1


def test_a_discriminator_that_is_good_waits():
    state = started()._replace(step=jnp.asarray(5, jnp.int32))
    assert int(timegan.turn_of(CONFIG, 5)) == 3
    after, metrics = stepper()(100.0, state, BATCH)
    assert 0.15 < metrics["loss"] < 100
    for a, b in zip(jax.tree.leaves(after), jax.tree.leaves(state), strict=True):
        if a.shape and not jnp.issubdtype(a.dtype, jax.dtypes.prng_key):
            np.testing.assert_array_equal(a, b)


def test_gradients_go_where_the_description_lets_them():
    """The recovery learns to reconstruct, not to move what is generated; the embedder
    gets lambda of the supervised error, the supervisor eta."""

    @jax.jit
    def slopes(latent, moment):
        config = CONFIG._replace(
            reconstruction_weight=0.0, latent_weight=latent, moment_weight=moment
        )
        total = jax.grad(lambda p: timegan.loss(config, p, BATCH)[0])(started().params)
        return {
            name: jnp.sqrt(sum(jnp.sum(x**2) for x in jax.tree.leaves(own)))
            for name, own in total.items()
        }

    found = slopes(0.0, 100.0)
    assert found["recovery"] == found["embedder"] == found["discriminator"] == 0
    one, less = slopes(1.0, 0.0), slopes(0.1, 0.0)
    assert found["generator"] > 2 * one["generator"] > 0
    np.testing.assert_allclose(less["embedder"], 0.1 * one["embedder"], rtol=1e-3)
    np.testing.assert_allclose(less["supervisor"], one["supervisor"], rtol=1e-5)


def test_windows_are_bounded_and_depend_on_noise_and_series():
    params = started().params
    draw = jax.jit(functools.partial(timegan.apply, CONFIG))
    found = draw(params, BATCH)
    assert found.shape == (16, CONFIG.length) and 0 < found.min() < found.max() < 1
    kept = {name: params[name] for name in timegan.GENERATING}
    np.testing.assert_array_equal(draw(kept, BATCH), found)
    for name, other in (("noise", -BATCH["noise"]), ("series", 1 - BATCH["series"])):
        assert not np.array_equal(draw(params, BATCH | {name: other}), found)


def test_without_conditions_the_series_makes_no_difference():
    config = CONFIG._replace(conditional=False)
    init = jax.jit(functools.partial(timegan.init, config))
    draw = jax.jit(functools.partial(timegan.apply, config))
    params = init(jax.random.key(0), BATCH).params
    other = BATCH | {"series": 1 - BATCH["series"], "features": 0 * BATCH["features"]}
    np.testing.assert_array_equal(draw(params, other), draw(params, BATCH))


def test_missing_values_teach_nothing():
    other = dict(BATCH)
    other["values"] = np.where(BATCH["known"] > 0, BATCH["values"], 7).astype(
        np.float32
    )
    evaluate = jax.jit(functools.partial(timegan.evaluate, CONFIG))
    found = [evaluate(started().params, x) for x in (BATCH, other)]
    for name in found[0]:
        np.testing.assert_array_equal(found[0][name], found[1][name])


def test_level_and_spread_of_a_panel_are_learned():
    state, random = started(), np.random.default_rng(0)
    for _ in range(400):
        noise = random.normal(size=BATCH["noise"].shape).astype(np.float32)
        state, _ = stepper()(0.15, state, BATCH | {"noise": noise})
    draw = jax.jit(functools.partial(timegan.apply, CONFIG))

    def apart(state):
        found = np.asarray(draw(state.params, BATCH))
        mean, spread = BATCH["values"][BATCH["known"] > 0].mean(), 0.25
        return abs(found.mean() - mean), abs(found.std() - spread)

    before, after = apart(started()), apart(state)
    assert max(after) < 0.08 < max(before)
