"""Trajectron++: mixtures, dynamics, the loss of batch means, coalitions (sections 2.5, 7.2)."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from iclr22.trajectory_shapley import (
    augment,
    dynamics,
    losses,
    metrics,
    networks,
    trajectron,
    trajectron_forward,
)
from iclr22.trajectory_shapley.predictor import with_baseline

INTERACTIONS = ("edge", "sum", "none")


@functools.cache
def fitted(interaction):
    """`(config, params, batch with seeds)` after a few updates."""
    config, batch = trajectron.example(24)
    config = config._replace(interaction=interaction)
    state = jax.jit(functools.partial(trajectron.init, config))(
        jax.random.key(1), batch
    )
    step = jax.jit(functools.partial(trajectron.train_step, config))
    for _ in range(3):
        state, _ = step(state, batch)
    return config, state.params, batch | {"seed": np.arange(24, dtype=np.int32)}


@functools.cache
def compiled(function, config):
    return jax.jit(functools.partial(function, config))


@functools.cache
def coalition(interaction):
    given = trajectron.predictor(*fitted(interaction)[:2])

    def run(params, batch, past, mask):
        codes = given.encode(params, with_baseline(batch))
        return given.decode(params, codes, past, mask), given.samples(
            params, codes, past, mask
        )

    return jax.jit(run)


def outputs(interaction, *, past=None, mask=None, **changed):
    """Mixture and draws of a coalition."""
    _, params, batch = fitted(interaction)
    batch = batch | changed
    past = np.ones(24, bool) if past is None else past
    mask = batch["mask"] if mask is None else mask
    return coalition(interaction)(params, batch, past, mask)


def assert_close(a, b, tolerance=1e-5):
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_allclose(x, y, rtol=tolerance, atol=tolerance)


def test_density_of_one_standard_step_is_the_known_number():
    mixture = metrics.Mixture(
        jnp.zeros(1), jnp.zeros((1, 1, 2)), jnp.array([[[1.0, 0, 1]]])
    )
    found = metrics.step_log_prob(mixture, jnp.zeros((1, 2)))
    np.testing.assert_allclose(found, [-1.837877], rtol=1e-6)


def test_mixture_density_equals_scipy():
    rng = np.random.default_rng(0)
    logits, mean = rng.normal(size=3), rng.normal(size=(3, 4, 2))
    root = rng.normal(size=(3, 4, 2, 2))
    cov = root @ root.swapaxes(-1, -2) + 0.3 * np.eye(2)
    y = rng.normal(size=(4, 2))
    weights = np.exp(logits) / np.exp(logits).sum()
    expected = [
        sum(
            w * stats.multivariate_normal(mean[k, t], cov[k, t]).pdf(y[t])
            for k, w in enumerate(weights)
        )
        for t in range(4)
    ]
    packed = np.stack([cov[..., 0, 0], cov[..., 0, 1], cov[..., 1, 1]], -1)
    found = metrics.step_log_prob(metrics.Mixture(logits, mean, packed), y)
    np.testing.assert_allclose(found, np.log(expected), rtol=1e-5)
    capped = metrics.nll(metrics.Mixture(logits, mean, packed), y, cap=-9.0)
    np.testing.assert_allclose(capped, 9.0, rtol=1e-6)


def test_integrated_velocities_are_sums_of_means_and_covariances():
    rng = np.random.default_rng(1)
    mean, spread = rng.normal(size=(5, 2)), rng.normal(size=(5, 3)) * 0.3
    found = dynamics.integrated_mixture(jnp.zeros(1), mean, spread, dt=0.5, scale=3.0)
    np.testing.assert_allclose(found.mean, 0.5 * 3 * np.cumsum(mean, 0), rtol=1e-5)
    sigma = 3 * np.exp(spread[:, :2])
    cov = np.stack(
        [sigma[:, 0] ** 2, spread[:, 2] * sigma.prod(1), sigma[:, 1] ** 2], 1
    )
    np.testing.assert_allclose(found.cov, 0.25 * np.cumsum(cov, 0), rtol=1e-5)


def test_draws_have_the_deviations_and_the_correlation_that_are_asked_for():
    noise = np.random.default_rng(0).normal(size=(200_000, 2))
    drawn = networks.correlated(noise, jnp.array([np.log(2.0), np.log(0.5), 0.6]))
    np.testing.assert_allclose(np.cov(drawn.T), [[4, 0.6], [0.6, 0.25]], atol=0.03)


def test_errors_of_draws_are_smallest_on_their_own():
    y = np.zeros((3, 2))
    near_then_far = np.array([[0.1, 0], [0.1, 0], [5, 0]])
    far_then_near = np.array([[4.0, 0], [4, 0], [0.5, 0]])
    ade, fde = metrics.best_of(np.stack([near_then_far, far_then_near]), y)
    np.testing.assert_allclose((ade, fde), (5.2 / 3, 0.5), rtol=1e-6)


def test_kernel_estimate_equals_scipy():
    rng = np.random.default_rng(2)
    samples, y = rng.normal(size=(40, 2, 2)), rng.normal(size=(2, 2))
    kernel = [stats.gaussian_kde(samples[:, t].T).logpdf(y[t])[0] for t in range(2)]
    np.testing.assert_allclose(
        metrics.kde_nll(samples, y), -np.array(kernel), rtol=1e-4
    )


def test_gradient_of_information_is_that_of_the_entropies():
    logits = jax.random.normal(jax.random.key(0), (6, 3))
    weight = jnp.array([1.0, 1, 1, 1, 0, 1])

    def ours(logits):
        return weight @ losses.information(jax.nn.log_softmax(logits), weight, None)

    def entropy(p):
        return -jnp.sum(p * jnp.log(p), -1)

    def direct(logits):
        p = jax.nn.softmax(logits)[weight > 0]
        return 5 * (entropy(p.mean(0)) - entropy(p).mean())

    np.testing.assert_allclose(ours(logits), direct(logits), rtol=1e-5)
    assert_close(jax.grad(ours)(logits), jax.grad(direct)(logits))


@pytest.mark.parametrize("level, slope", [(0.01, 0.0), (0.2, 1.0)])
def test_divergence_below_its_minimum_is_left_alone(level, slope):
    least, weight = trajectron.Config().kl_minimum, jnp.ones(4)

    def total(x):
        return losses.at_least(least, x, weight, None)

    given = jnp.full(4, level)
    np.testing.assert_allclose(total(given), 4 * max(level, 0.07), rtol=1e-6)
    np.testing.assert_allclose(jax.grad(total)(given), slope)


@pytest.mark.parametrize("interaction", INTERACTIONS)
def test_coalition_of_all_is_the_model_itself(interaction):
    config, params, batch = fitted(interaction)
    mixture, draws = outputs(interaction)
    assert_close(mixture, compiled(trajectron.apply, config)(params, batch))
    assert_close(draws, compiled(trajectron.sample, config)(params, batch))


@pytest.mark.parametrize("interaction", INTERACTIONS)
def test_order_of_neighbours_and_hidden_ones_do_not_matter(interaction):
    batch = fitted(interaction)[2]
    swapped = {
        name: batch[name][:, ::-1] for name in ("neighbours", "mask", "neighbour_kind")
    }
    assert_close(outputs(interaction), outputs(interaction, **swapped))
    first = batch["mask"] & np.array([True, False])
    loud = batch["neighbours"].copy()
    loud[:, 1] += 100
    assert_close(
        outputs(interaction, mask=first),
        outputs(interaction, mask=first, neighbours=loud),
        tolerance=0,
    )


def test_neighbours_count_unless_they_are_left_out():
    batch = fitted("edge")[2]
    none = np.zeros_like(batch["mask"])
    for interaction in INTERACTIONS:
        shown, hidden = outputs(interaction), outputs(interaction, mask=none)
        gap = np.abs(shown[0].mean - hidden[0].mean).max()
        assert gap == 0 if interaction == "none" else gap > 1e-3
        moved = outputs(interaction, mask=none, neighbours=batch["neighbours"] + 3)
        assert_close(hidden, moved, tolerance=0)


@pytest.mark.parametrize("interaction", INTERACTIONS)
def test_a_past_that_is_left_out_is_not_seen(interaction):
    batch = fitted(interaction)[2]
    none = np.zeros(24, bool)
    faster = np.float32([0, 0, 1, 1, 1, 1])  # seen from it, neighbours are slower
    there = (batch["neighbours"] != 0).any(-1, keepdims=True)
    near = np.where(there, batch["neighbours"] - faster, 0)
    hidden = outputs(interaction, past=none)
    other = batch["history"] + faster
    assert_close(
        hidden, outputs(interaction, past=none, history=other, neighbours=near)
    )


def test_edges_without_history_do_not_depend_on_the_past():
    config, batch = trajectron.example(8)
    config = config._replace(edge_input="neighbour_only")
    params = compiled(trajectron.init, config)(jax.random.key(0), batch).params
    inputs = with_baseline(batch | {"seed": np.arange(8)})
    edges = compiled(trajectron.encode, config)(params, inputs)["edges"]
    np.testing.assert_array_equal(edges[:, 0], edges[:, 1])


def test_random_numbers_belong_to_windows_and_not_to_batches():
    config, params, batch = fitted("edge")
    back = {name: x[::-1] for name, x in batch.items()}
    draw = functools.partial(compiled(trajectron.sample, config), params)
    assert_close(draw(batch), draw(back)[::-1])
    even = config._replace(systematic=True, samples=4)
    chance = np.sort(trajectron_forward._noise(even, batch["seed"])[0], 1)
    np.testing.assert_allclose(np.diff(chance), 0.25, atol=1e-6)


def test_players_are_left_out_as_often_as_asked():
    _, batch = trajectron.example(4000)
    batch["mask"][:] = True
    shares = {"rotate": False, "coalition": 0.5, "past": 0.1}
    found = augment.augment(batch, jax.random.key(0), **shares)
    kept = np.asarray(found["mask"])
    assert (
        abs(kept.mean() - 0.75) < 0.02
    )  # half of them at a rate of a half in the mean
    gone = (np.asarray(found["history"]) == 0).all((1, 2))
    assert abs(gone.mean() - 0.1) < 0.02
    assert abs((~kept).all(1).mean() - 0.5 / 3) < 0.02


def test_turns_keep_lengths_and_angles():
    _, batch = trajectron.example(12)
    kept = {"rotate": True, "coalition": 0.0, "past": 0.0}
    found = augment.augment(batch, jax.random.key(0), **kept)

    def dots(b):
        return np.einsum("btf,bsf->bts", b["future"], b["future"])

    np.testing.assert_allclose(dots(found), dots(batch), atol=1e-4)

    def cross(b):
        relative = b["neighbours"][:, 0, -1, 2:4]
        return np.einsum("btf,bf->bt", b["future"], relative)

    np.testing.assert_allclose(cross(found), cross(batch), atol=1e-4)
    assert np.abs(found["future"] - batch["future"]).max() > 0.1
