"""Losses of representation learners against draws and formulas written out."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import central_differences

from iclr22 import errors
from iclr22.in_domain import encoding, pcl, vae
from iclr22.in_domain.networks import autoencoder


def gaussians(n=3, d=4, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)), rng.normal(-1, 0.7, (n, d))


def test_divergence_from_a_transition_equals_draws():
    """E log q(z) - log Laplace(z; z0, rate), over both latents."""
    before, after = gaussians(seed=1), gaussians(seed=2)
    after[0][0, 0] = before[0][0, 0]  # the same mean
    rng, rate, total = np.random.default_rng(0), 6.0, 0.0
    for _ in range(20):
        z0, z1 = (
            m + np.exp(s / 2) * rng.normal(size=(20_000, 3, 4))
            for m, s in (before, after)
        )
        log_q = -((z1 - after[0]) ** 2) / np.exp(after[1]) / 2
        log_q = log_q - (after[1] + np.log(2 * np.pi)) / 2
        log_p = np.log(rate / 2) - rate * np.abs(z1 - z0)
        total += (log_q - log_p).sum(-1).mean(0) / 20
    found = jax.jit(vae.from_transition)(before, after, rate)
    np.testing.assert_allclose(found, total, rtol=2e-3)


def test_expected_absolute_value_and_its_slope_at_no_difference():
    np.testing.assert_allclose(
        vae.absolute(0.0, 4.0), 2 * np.sqrt(2 / np.pi), rtol=1e-6
    )
    np.testing.assert_allclose(vae.absolute(-30.0, 1.0), 30, rtol=1e-6)
    slope = jax.grad(vae.absolute, (0, 1))(0.0, 4.0)
    np.testing.assert_allclose(slope, (0, 0.5 * np.sqrt(2 / np.pi) / 2), atol=1e-6)


def test_divergence_from_a_normal_equals_the_formula():
    mean, logarithm = gaussians()
    variance = np.exp(logarithm)
    expected = 0.5 * (mean**2 + variance - 1 - np.log(variance)).sum(1)
    np.testing.assert_allclose(vae.from_normal(mean, logarithm), expected, rtol=1e-5)


def test_posteriors_of_identical_images_are_equal_and_stay():
    one = gaussians()
    first, second = vae.shared(one, one)
    for x, y, given in zip(first, second, one, strict=True):
        np.testing.assert_array_equal(x, y)
        np.testing.assert_allclose(x, given, rtol=1e-6)


def test_latents_that_differ_least_are_averaged():
    """By hand: divergences of 0.005, 8 and 0.02; the middle is about 4."""
    zeros = np.zeros((1, 3), np.float32)
    first, second = vae.shared((zeros, zeros), (np.float32([[0.1, 4, 0.2]]), zeros))
    np.testing.assert_allclose(first[0], [[0.05, 0, 0.1]], atol=1e-6)
    np.testing.assert_allclose(second[0], [[0.05, 4, 0.1]], atol=1e-6)
    other = np.log(np.float32([[3, 1e-6, 1]]))
    first, second = vae.shared((zeros, zeros), (zeros, other))
    np.testing.assert_allclose(np.exp(first[1]), [[2, 1, 1]], rtol=1e-5)
    np.testing.assert_allclose(np.exp(second[1]), [[2, 1e-6, 1]], rtol=1e-5)


def written_out(config, params, batch):
    """Losses of examples without noise."""
    x, x2 = batch["x"] / np.float32(255), batch["x2"] / np.float32(255)
    posteriors = [vae.posterior(config, params, v) for v in (x, x2)]
    if config.kind == "ada_gvae":
        posteriors = vae.shared(*posteriors)
    if config.kind == "beta_vae":
        posteriors = posteriors[:1]
    total = 0
    for (mean, logarithm), image in zip(posteriors, (x, x2), strict=False):
        share = jax.nn.sigmoid(vae.decode(config, params, mean, (8, 8, 1)))
        log = image * jnp.log(share) + (1 - image) * jnp.log(1 - share)
        total += -log.sum((1, 2, 3))
        if config.kind != "slow_vae" or image is x:
            total += config.beta * vae.from_normal(mean, logarithm)
    if config.kind == "slow_vae":
        step = vae.from_transition(*posteriors, config.rate)
        total += config.gamma * step
    return total


@pytest.mark.parametrize("kind", ["beta_vae", "ada_gvae", "slow_vae"])
def test_loss_is_the_sum_of_its_parts(kind):
    config, batch = vae.example(6)
    config = config._replace(kind=kind, beta=3.0, gamma=7.0)
    batch |= {"weight": np.float32([1, 0, 2, 1, 0.5, 1])}
    params = jax.jit(functools.partial(vae.init, config))(
        jax.random.key(1), batch
    ).params
    _, sums = jax.jit(functools.partial(vae.loss, config))(params, batch)
    total = jax.jit(functools.partial(written_out, config))(params, batch)
    np.testing.assert_allclose(sums["loss"], batch["weight"] @ total, rtol=1e-4)
    assert float(sums["weight"]) == 5.5


def test_noise_is_of_the_example_and_has_the_posterior_s_deviation():
    mean, logarithm = np.zeros((2000, 2), np.float32), np.full((2000, 2), np.log(9.0))
    row = np.arange(2000)
    key = jax.random.key(0)
    drawn = jax.jit(vae._drawn)
    z = np.asarray(drawn((mean, logarithm), row, key, 0))
    np.testing.assert_allclose(z.std(0), 3, rtol=0.06)
    back = np.asarray(drawn((mean, logarithm), row[::-1], key, 0))
    np.testing.assert_array_equal(back, z[::-1])
    assert np.abs(np.asarray(drawn((mean, logarithm), row, key, 1)) - z).min() > 0


@pytest.mark.parametrize("shape", [(8, 8, 1), (32, 16, 3), (13, 27, 2)])
def test_decoder_makes_images_of_the_given_shape(shape):
    decoder = autoencoder.Decoder(shape, (4, 6), 8)
    z = np.zeros((3, 5), np.float32)
    made = jax.eval_shape(lambda: decoder.init_with_output(jax.random.key(0), z)[0])
    assert made.shape == (3, *shape)


def test_channels_become_squares():
    x = np.arange(2 * 3 * 8).reshape(1, 2, 3, 8)
    found = np.asarray(autoencoder.spread(jnp.asarray(x)))
    assert found.shape == (1, 4, 6, 2)
    for i, j in np.ndindex(4, 6):
        at = x[0, i // 2, j // 2].reshape(2, 2, 2)[i % 2, j % 2]
        np.testing.assert_array_equal(found[0, i, j], at)


def test_comparison_equals_the_sum_written_out():
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(2, 3, 4))
    a, b, c, d = rng.normal(size=(2, 4)), *rng.normal(size=(3, 4))
    expected = [
        sum(
            abs(a[0, i] * h[i] + a[1, i] * g[i] + b[i]) - (c[i] * h[i] + d[i]) ** 2
            for i in range(4)
        )
        + 0.7
        for h, g in zip(first, second, strict=True)
    ]
    compare = {"a": a, "b": b, "c": c, "d": d, "e": 0.7}
    np.testing.assert_allclose(
        pcl.compared(compare, first, second), expected, rtol=1e-5
    )


@pytest.mark.parametrize("stage", [vae, pcl])
def test_codes_of_many_images_are_those_of_each(stage):
    config, batch = stage.example(5)
    init = jax.jit(functools.partial(stage.init, config))
    params = init(jax.random.key(0), batch).params
    images = np.concatenate([batch["x"]] * 60) / np.float32(255)
    found = stage.encode(config, params, images)
    alone = jax.jit(functools.partial(stage.apply, config))(params, images[:5])
    assert len(found) == 300 > encoding.CHUNK
    np.testing.assert_allclose(found, np.tile(alone, (60, 1)), atol=1e-5)


def test_unknown_kind_is_refused():
    config, batch = vae.example(2)
    with pytest.raises(errors.InputError, match="beta_vae"):
        vae.init(config._replace(kind="betavae"), jax.random.key(0), batch)


def test_slope_of_the_transition_is_its_difference():
    before, after = gaussians(1, 2, seed=4), gaussians(1, 2, seed=5)

    @jax.jit
    def value(mean):
        return vae.from_transition(before, (mean[None], after[1]), 6.0)[0]

    found = jax.grad(value)(after[0][0].astype(np.float32))
    expected = central_differences(value, after[0][0], step=1e-2)
    np.testing.assert_allclose(found, expected, rtol=2e-2)
