"""Constant velocity, PECNet, and what training leaves out."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import numbers

from iclr22 import errors
from iclr22.trajectory_shapley import augment, baselines, metrics, pecnet


def game(batch, seed=0):
    """Inputs of `Predictor.encode` for a batch, where a dropped past stands still."""
    history = np.stack([np.zeros_like(batch["history"]), batch["history"]], 1)
    seeds = np.arange(seed, seed + len(history), dtype=np.int32)
    return {"history": history, "neighbours": batch["neighbours"], "seed": seeds}


def everyone(batch):
    return jnp.ones(len(batch["mask"]), bool), jnp.asarray(batch["mask"])


# Constant velocity


def test_constant_velocity_goes_on_and_stands_still_without_a_past():
    batch = pecnet.example(size=3)[1]
    batch["history"][:, -1, 2:4] = [[1, 0], [0, -2], [3, 4]]
    path = baselines.constant_velocity(batch["history"], 2, 0.5)
    np.testing.assert_allclose(path[2], [[1.5, 2], [3, 4]])
    given = baselines.predictor({"cov": np.ones((2, 3), np.float32)}, 0.5)
    codes = given.encode(given.params, game(batch))
    past, mask = jnp.array([True, False, True]), jnp.asarray(batch["mask"])
    mixture = given.decode(given.params, codes, past, mask)
    np.testing.assert_allclose(
        mixture.mean[:, 0], np.where([[[1]], [[0]], [[1]]], path, 0)
    )
    samples = given.samples(given.params, codes, past, mask)
    np.testing.assert_allclose(samples, mixture.mean)


def test_constant_velocity_knows_how_wrong_it_is():
    history, error = numbers(4000, 3, 6), numbers(4000, 2, 2, seed=1) - 2
    future = baselines.constant_velocity(history, 2, 0.4) + error
    params = baselines.fit(history, future, 0.4)
    np.testing.assert_allclose(params["cov"], [[9, 0, 9]] * 2, atol=0.6)
    mixture = metrics.Mixture(
        np.zeros((4000, 1)), (future - error)[:, None], params["cov"]
    )
    # Of a normal distribution with deviation 3: log(2 pi 9) + 1.
    np.testing.assert_allclose(metrics.nll(mixture, future).mean(), 5.035, atol=0.05)
    with pytest.raises(errors.InputError, match="training windows and found none"):
        baselines.fit(history[:0], future[:0], 0.4)


# PECNet


@pytest.fixture(scope="module")
def small():
    """Configuration, parameters and a batch of PECNet."""
    config, batch = pecnet.example(size=6)
    config = config._replace(rounds=3, samples=2)
    state = jax.jit(functools.partial(pecnet.init, config))(jax.random.key(1), batch)
    return config, state.params, batch


@functools.partial(jax.jit, static_argnums=0)
def play(config, params, inputs, past, mask):
    return pecnet.draw(
        config, params, pecnet.encode(config, params, inputs), past, mask
    )


def paths(small, past, mask, batch=None, seed=0):
    config, params, own = small
    return play(config, params, game(own if batch is None else batch, seed), past, mask)


def test_pecnet_game_is_the_model_with_inputs_left_out(small):
    config, params, batch = small
    past, mask = everyone(batch)
    less = mask & (jnp.arange(mask.shape[1]) > 0)
    still = batch | {"history": np.zeros_like(batch["history"]), "mask": less}
    seeds = {"seed": np.arange(len(mask), dtype=np.int32)}
    apply = jax.jit(functools.partial(pecnet.apply, config))
    for given, seen, coalition in ((batch, past, mask), (still, ~past, less)):
        expected = apply(params, given | seeds)
        found = paths(small, seen, coalition)
        np.testing.assert_allclose(found, expected, atol=1e-5)
    assert np.abs(paths(small, past, less) - paths(small, past, mask)).max() > 1e-3
    assert pecnet.predictor(config, params).decode is (
        pecnet.predictor(config, None).decode
    )


def test_pecnet_neighbours_are_a_set_and_masked_ones_are_not_there(small):
    past, mask = everyone(small[2])
    whole = paths(small, past, mask)
    batch = dict(small[2], neighbours=small[2]["neighbours"][:, ::-1])
    np.testing.assert_allclose(
        paths(small, past, mask[:, ::-1], batch), whole, atol=1e-5
    )
    noise = 100 * numbers(*batch["neighbours"].shape)
    seen = small[2]["mask"][..., None, None]
    batch["neighbours"] = np.where(seen, small[2]["neighbours"], noise)
    np.testing.assert_array_equal(paths(small, past, mask, batch), whole)


def test_pecnet_noise_is_of_the_window(small):
    past, mask = everyone(small[2])
    first, other = (paths(small, past, mask, seed=seed) for seed in (0, 1))
    assert np.abs(first - other).max() > 1e-3
    same = {k: np.repeat(v[:1], 6, axis=0) for k, v in small[2].items()}
    found = [paths(small, *everyone(same), same, seed) for seed in (7, 8)]
    np.testing.assert_allclose(found[0][1:], found[1][:-1], atol=1e-6)


def test_pecnet_neighbour_that_has_just_appeared_stood_still(small):
    config, params, batch = small
    states = np.array(batch["neighbours"][:, :1])
    states[:, :, :-1] = 0
    still = np.repeat(states[:, :, -1:], states.shape[2], axis=2)
    read = functools.partial(pecnet._run, config, params, "neighbours")
    np.testing.assert_allclose(read(states), read(still), atol=1e-6)


def test_pecnet_loss_has_literal_values(small):
    config, params, batch = small
    config = config._replace(scale=2.0, path_weight=3.0, kl_weight=0.5)
    params = jax.tree.map(jnp.zeros_like, params)
    latent = config.latent
    # The posterior's mean is 1 and its log variance 0: divergence 1/2 per dimension.
    params["read_both"]["Dense_2"]["bias"] = jnp.repeat(jnp.array([1.0, 0.0]), latent)
    weight = np.arange(6, dtype=np.float32)
    total, sums = pecnet.loss(config, params, batch | {"weight": weight})
    square = np.square(2 * batch["future"])
    np.testing.assert_allclose(
        sums["endpoint"], weight @ square[:, -1].mean(-1), rtol=1e-5
    )
    np.testing.assert_allclose(sums["path"], weight @ square.mean((1, 2)), rtol=1e-5)
    np.testing.assert_allclose(sums["kl"], weight.sum() * latent / 2, rtol=1e-5)
    expected = sums["endpoint"] + 3 * sums["path"] + 0.5 * sums["kl"]
    np.testing.assert_allclose(total, expected, rtol=1e-6)


def test_pecnet_scale_is_of_the_unit():
    metres = numbers(50, 4, 2)
    assert pecnet.scale_for(10 * metres) == pytest.approx(
        pecnet.scale_for(metres) / 10, rel=0.06
    )
    assert pecnet.scale_for(np.full((2, 3, 2), 3.387 / np.sqrt(2))) == 1.9


def test_pecnet_has_the_widths_of_the_publication():
    config = pecnet.Config()._replace(**pecnet.PAPER)
    batch = pecnet.example(size=1)[1]
    batch["history"] = np.zeros((1, 8, 6), np.float32)
    batch["neighbours"] = np.zeros((1, 2, 8, 6), np.float32)
    batch["future"] = np.zeros((1, 12, 2), np.float32)
    init = functools.partial(pecnet.init, config)
    params = jax.eval_shape(init, jax.random.key(0), batch).params
    widths = {
        name: [layers["Dense_0"]["kernel"].shape[0]]
        + [layer["kernel"].shape[1] for layer in layers.values()]
        for name, layers in params.items()
    }
    assert widths == {
        "read_past": [16, 512, 256, 16],
        "read_endpoint": [2, 8, 16, 16],
        "read_both": [32, 8, 50, 32],
        "write_endpoint": [32, 1024, 512, 1024, 2],
        "write_path": [34, 1024, 512, 256, 22],
        "query": [34, 256, 128, 64, 128],
        "key": [34, 256, 128, 64, 128],
        "value": [34, 256, 128, 64, 34],
    }


# What training leaves out


def test_dropped_players_come_in_the_shares_asked_for():
    batch = {"mask": np.ones((4000, 9), bool), "history": np.ones((4000, 2, 6))}
    drop = functools.partial(augment.drop_players, coalition=0.5, past=0.1)
    left = jax.jit(drop)(batch, jax.random.key(0))
    kept = np.asarray(left["mask"]).sum(1)
    # A uniform rate makes every number of the nine as likely as any other.
    share = np.bincount(kept, minlength=10) / 4000
    np.testing.assert_allclose(share, [0.05] * 9 + [0.55], atol=0.02)
    gone = np.asarray(left["history"] == 0)
    assert (gone.all((1, 2)) == gone.any((1, 2))).all()
    assert abs(gone.mean() - 0.1) < 0.02


def test_turns_are_the_same_for_all_of_an_example():
    _, batch = pecnet.example(size=50)
    turned = jax.jit(augment.turn)(batch, jax.random.key(0))
    for name in ("future", "neighbours"):
        before, after = (
            np.einsum("bi,b...i->b...", x["history"][:, 0, 2:4], x[name][..., :2])
            for x in (batch, turned)
        )
        np.testing.assert_allclose(after, before, atol=1e-4)
    before, after = batch["future"][:, -1], np.asarray(turned["future"])[:, -1]
    cross = before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0]
    angle = np.degrees(np.arctan2(cross, (before * after).sum(1)))
    np.testing.assert_allclose(angle / 15, np.round(angle / 15), atol=1e-3)
    assert len(np.unique(np.round(angle / 15))) > 10
