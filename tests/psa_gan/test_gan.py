"""The game: turns, fade, what a turn changes, missing values."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from iclr22.psa_gan import gan, networks
from iclr22.psa_gan.gan import Config

CONFIG, BATCH = gan.example(16)


@functools.cache
def started():
    return jax.jit(functools.partial(gan.init, CONFIG))(jax.random.key(0), BATCH)


@functools.cache
def stepper(config=CONFIG):
    return jax.jit(functools.partial(gan.train_step, config))


def changed(a, b):
    return any(
        not np.array_equal(x, y)
        for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    )


@pytest.mark.parametrize("turns", [1, 2])
def test_turns_follow_the_schedule(turns):
    config = Config(turns=turns, warmup=5, warmup_turns=3)
    found = [bool(gan.is_generators(config, step)) for step in range(30)]
    expected = [step % 6 == 0 for step in range(18)]
    expected += [step % (turns + 1) == 0 for step in range(12)]
    assert found == expected
    later = config._replace(depth=1)
    assert [bool(gan.is_generators(later, s)) for s in range(6)] == [
        step % (turns + 1) == 0 for step in range(6)
    ]


def test_fade_rises_to_one():
    config = Config(depth=1, length=16, fade=0.5, steps=16)
    found = [float(gan.fade_of(config, step)) for step in range(6)]
    np.testing.assert_allclose(found, [0.25, 0.5, 0.75, 1, 1, 1])
    assert gan.fade_of(config._replace(depth=0), 0) == 1
    assert gan.fade_of(config._replace(fade=0.0), 0) == 1


def test_learning_rate_falls_at_the_end_of_the_last_depth():
    config = Config(depth=1, length=16, fall=0.5, steps=16)
    found = [float(gan.rate_of(config, step)) for step in range(8)]
    falling = 0.5 + 0.5 * np.cos(np.pi * np.arange(4) / 4)
    np.testing.assert_allclose(found, [1, 1, 1, 1, *falling], rtol=1e-6)
    assert gan.rate_of(config._replace(depth=0), 7) == 1
    assert gan.rate_of(config._replace(fall=0.0), 7) == 1


def test_other_noise_is_part_of_the_moment_score():
    config = CONFIG._replace(moment="score", depth=0)
    after, metrics = stepper(config)(started(), BATCH)
    same = BATCH | {"again": BATCH["noise"]}
    other, plain = stepper(config)(started(), same)
    assert metrics["moment"] < plain["moment"]
    assert changed(after.params["generator"], other.params["generator"])


def test_a_turn_changes_its_player_alone():
    state = started()
    after, metrics = stepper()(state, BATCH)
    assert set(metrics) == {"loss", "moment", "score"}
    assert changed(after.params["generator"], state.params["generator"])
    assert changed(after.params["average"], state.params["average"])
    assert not changed(after.params["discriminator"], state.params["discriminator"])
    last, _ = stepper()(after, BATCH)
    assert not changed(last.params["generator"], after.params["generator"])
    for part in ("params", "spectral"):
        now, before = (x.params["discriminator"][part] for x in (last, after))
        assert changed(now, before)


def test_missing_values_are_seen_by_nobody():
    other = dict(BATCH)
    hidden = 1 - BATCH["known"]
    assert hidden.sum() > 5
    other["values"] = BATCH["values"] + 100 * hidden
    state = started()
    for _ in range(2):
        first, second = (stepper()(state, x)[0] for x in (BATCH, other))
        assert not changed(first.params, second.params)
        state = first


def test_real_windows_are_averages_of_what_is_known():
    config = CONFIG._replace(depth=0)
    mean, known = gan.real(config, BATCH)
    for i in range(len(mean)):
        for t in range(8):
            both = BATCH["known"][i, 2 * t : 2 * t + 2]
            values = BATCH["values"][i, 2 * t : 2 * t + 2][both > 0]
            assert known[i, t] == (len(values) > 0)
            if len(values):
                assert mean[i, t] == pytest.approx(values.mean(), rel=1e-5)


def test_windows_are_those_of_the_average():
    state, _ = stepper()(started(), BATCH)
    windows = gan.apply(CONFIG, state.params, BATCH)
    assert windows.shape == (16, networks.length_of(CONFIG.depth))
    plain = dict(state.params)
    del plain["average"]
    assert not np.allclose(windows, gan.apply(CONFIG, plain, BATCH))


@pytest.mark.parametrize("objective", ["wasserstein", "hinge"])
def test_other_games_train(objective):
    config = CONFIG._replace(objective=objective, penalty_weight=10.0, depth=0)
    state = started()
    for _ in range(3):
        state, metrics = stepper(config)(state, BATCH)
    assert all(np.isfinite(x) for x in metrics.values())


def test_level_and_spread_are_learned():
    config = CONFIG._replace(warmup_turns=0, learning_rate=3e-3, depth=0)
    first = gan.evaluate(config, started().params, BATCH)

    def many(state, _):
        return gan.train_step(config, state, BATCH)

    state, _ = jax.jit(lambda s: jax.lax.scan(many, s, None, length=400))(started())
    last = gan.evaluate(config, state.params, BATCH)
    assert last["moment"] < 0.5 * first["moment"]
    assert jnp.isfinite(last["loss"])
