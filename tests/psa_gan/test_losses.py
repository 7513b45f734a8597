"""Losses and the Frechet distance have the values of their formulas."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import linalg

from iclr22 import errors
from iclr22.psa_gan import frechet, losses

RANDOM = np.random.default_rng(0)
WINDOWS = RANDOM.normal(size=(6, 10))


def test_least_squares_of_a_perfect_discriminator():
    real, fake = np.ones(4), np.zeros(4)
    assert not np.any(losses.discriminator_loss("least_squares", real, fake))
    assert np.all(losses.generator_loss("least_squares", fake) == 0.5)


def test_hinge_and_wasserstein_push_the_right_way():
    real, fake = np.array([2.0, 0.5]), np.array([-2.0, 0.5])
    found = losses.discriminator_loss("hinge", real, fake)
    np.testing.assert_allclose(found, [0, 2])
    found = losses.discriminator_loss("wasserstein", real, fake)
    np.testing.assert_allclose(found, [-4, 0])
    for kind in ("hinge", "wasserstein"):
        np.testing.assert_allclose(losses.generator_loss(kind, fake), [2, -0.5])


def test_moment_loss_is_of_level_and_spread():
    same = losses.moment_loss(WINDOWS, WINDOWS)
    np.testing.assert_allclose(same, 0, atol=1e-7)
    np.testing.assert_allclose(losses.moment_loss(WINDOWS - 3, WINDOWS), 3, rtol=1e-5)
    doubled = losses.moment_loss(2 * WINDOWS, WINDOWS)
    expected = np.abs(WINDOWS.mean(1)) + WINDOWS.std(1, ddof=1)
    np.testing.assert_allclose(doubled, expected, rtol=1e-5)
    other = RANDOM.normal(size=WINDOWS.shape)
    order = RANDOM.permutation(10)
    np.testing.assert_allclose(
        losses.moment_loss(other[:, order], WINDOWS),
        losses.moment_loss(other, WINDOWS),
        rtol=1e-5,
    )


def test_moment_score_is_least_for_the_distribution_of_the_real_ones():
    one, two, three = (RANDOM.normal(size=(6, 10)) for _ in range(3))
    expected = 0
    for i in range(2):
        x, y, z = (losses.moments(w, np.ones((6, 10)))[i] for w in (one, two, three))
        expected += (abs(x - z) + abs(y - z) - abs(x - y)) / 2
    found = losses.moment_score(one, two, three)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    places = RANDOM.normal(size=(3, 4000, 1))
    shape = RANDOM.normal(size=10)
    wide = {}
    for width in (0.0, 0.5, 1.0, 1.5):  # of the levels; those of real windows have 1
        first, second = width * places[0] + shape, width * places[1] + shape
        real = places[2] + shape
        score = float(losses.moment_score(first, second, real).mean())
        wide[width] = score, float(losses.moment_loss(first, real).mean())
    assert min(wide, key=lambda w: wide[w][0]) == 1.0
    assert min(wide, key=lambda w: wide[w][1]) == 0.0  # the paper's: no spread at all


def test_constant_windows_have_a_gradient():
    slope = jax.grad(lambda x: jnp.sum(losses.moment_loss(x, WINDOWS)))(
        jnp.ones((6, 10))
    )
    assert np.all(np.isfinite(slope)) and np.any(slope)
    _, spread = losses.moments(jnp.ones((2, 5)), jnp.ones((2, 5)))
    np.testing.assert_array_equal(spread, 0)


def test_moments_are_of_what_is_known():
    known = RANDOM.random(WINDOWS.shape) > 0.3
    mean, spread = losses.moments(WINDOWS, known)
    for i in range(len(WINDOWS)):
        row = WINDOWS[i, known[i]]
        assert mean[i] == pytest.approx(row.mean(), rel=1e-5)
        assert spread[i] == pytest.approx(row.std(ddof=1), rel=1e-4)
    hidden = np.where(known, WINDOWS, 100)
    found = losses.moment_loss(hidden, WINDOWS, known)
    np.testing.assert_allclose(found, 0, atol=1e-6)


def test_gradient_penalty_of_a_linear_score():
    slope = jnp.array([3.0, 4.0])
    found = losses.gradient_penalty(
        lambda x: x @ slope, jnp.ones((5, 2)), jnp.zeros((5, 2)), jnp.linspace(0, 1, 5)
    )
    np.testing.assert_allclose(found, 16, rtol=1e-5)


def sampled(mean, covariance, n=50_000):
    return np.random.default_rng(1).multivariate_normal(mean, covariance, n)


def test_frechet_distance_has_known_values():
    a = RANDOM.normal(size=(200, 5))
    assert frechet.frechet_distance(a, a) == pytest.approx(0, abs=1e-6)
    shift = np.array([1.0, -2.0, 0.5, 0.0, 3.0])
    assert frechet.frechet_distance(a, a + shift) == pytest.approx(shift @ shift)
    narrow = RANDOM.normal(size=(1000, 1))
    narrow = (narrow - narrow.mean()) / narrow.std(ddof=1)
    assert frechet.frechet_distance(narrow, 2 * narrow) == pytest.approx(1)


def test_frechet_distance_equals_the_textbook_root_and_its_symmetries():
    a = RANDOM.normal(size=(300, 4)) @ RANDOM.normal(size=(4, 4))
    b = RANDOM.normal(size=(250, 4)) @ RANDOM.normal(size=(4, 4)) + 1
    mean = a.mean(0) - b.mean(0)
    one, two = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = np.real(np.asarray(linalg.sqrtm(one @ two)))
    expected = mean @ mean + np.trace(one + two - 2 * root)
    assert frechet.frechet_distance(a, b) == pytest.approx(expected, rel=1e-8)
    assert frechet.frechet_distance(b, a) == pytest.approx(expected, rel=1e-8)
    turn = linalg.qr(RANDOM.normal(size=(4, 4)))[0]
    assert frechet.frechet_distance(a @ turn, b @ turn) == pytest.approx(expected)
    flat = np.hstack([a, a[:, :1]])  # a covariance without full rank
    assert np.isfinite(frechet.frechet_distance(flat, flat + 1))


def test_the_extrapolated_distance_has_less_bias():
    a, b = np.split(np.random.default_rng(2).normal(size=(1200, 20)), 2)
    plain, beyond = frechet.frechet_distance(a, b), frechet.extrapolated(a, b)
    assert plain > 0.2  # though both are of one distribution
    assert abs(beyond) < 0.25 * plain


def test_whitening_takes_away_what_the_encoder_stretched():
    a, b = RANDOM.normal(size=(300, 4)), RANDOM.normal(size=(200, 4)) + 0.5
    found = frechet.whitened(a, b, share=0)
    np.testing.assert_allclose(np.cov(found[0], rowvar=False), np.eye(4), atol=1e-9)
    stretch = RANDOM.normal(size=(4, 4))
    other = frechet.whitened(a @ stretch, b @ stretch, share=0)
    distance = frechet.frechet_distance(*found)
    assert frechet.frechet_distance(*other) == pytest.approx(distance)
    kept = frechet.whitened(a * [1, 1, 1, 1e-6], b, share=0.1)[0]
    assert kept.std(axis=0).min() < 1e-4  # a direction without variance does not count


@pytest.mark.parametrize(
    ("a", "b", "said"),
    [
        (np.ones((3, 2)), np.ones((3, 4)), r"\[3, 2\] and \[3, 4\]"),
        (np.ones((1, 2)), np.ones((3, 2)), "at least two rows"),
        (np.full((3, 2), np.nan), np.ones((3, 2)), "finite"),
    ],
)
def test_samples_that_do_not_fit_are_refused(a, b, said):
    with pytest.raises(errors.InputError, match=said):
        frechet.frechet_distance(a, b)
