"""Measures of likeness, by brute force and where the answer is known."""

import numpy as np
import pytest
from scipy import stats

from iclr22 import errors
from iclr22.psa_gan import discriminative, quality

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(20, 9))


def waves(n, period, seed=0):
    phase = np.random.default_rng(seed).random((n, 1))
    return np.sin(2 * np.pi * (np.arange(16) / period + phase))


def test_autocorrelation_by_brute_force():
    expected = np.zeros(4)
    for row in X:
        row = row - row.mean()
        expected += [row[k:] @ row[:-k] / (row @ row) for k in range(1, 5)]
    np.testing.assert_allclose(quality.autocorrelation(X), expected / 20)
    flat = np.vstack([X, np.ones((5, 9))])
    np.testing.assert_allclose(quality.autocorrelation(flat), expected / 20)
    assert not quality.autocorrelation(np.ones((2, 6))).any()
    assert quality.autocorrelation_distance(X, X) == 0
    assert quality.autocorrelation_distance(waves(50, 8), X[:, [0] * 16] * 0) > 0.4


def test_the_spectrum_of_a_wave_is_one_line():
    found = quality.spectrum(waves(30, 8))
    np.testing.assert_allclose(found, np.eye(8)[1], atol=1e-12)
    assert quality.spectrum_distance(waves(9, 8), waves(9, 8, 1)) < 1e-9
    assert quality.spectrum_distance(waves(9, 8), waves(9, 4)) == pytest.approx(1)


def test_profiles_are_means_at_the_same_hour():
    phase = RANDOM.integers(0, 7, 20)
    found = quality.profile(X, phase, 7)
    for hour in range(7):
        seen = [
            X[i, j] for i in range(20) for j in range(9) if (phase[i] + j) % 7 == hour
        ]
        assert found[hour] == pytest.approx(np.mean(seen))
    assert np.isnan(quality.profile(X[:1], phase[:1], 12)).sum() == 3
    same = quality.profile_correlation(X, 2 * X + 1, phase, phase, 7)
    assert same == pytest.approx(1)
    moved = quality.profile_correlation(X, -X, phase, phase, 7)
    assert moved == pytest.approx(-1)
    flat = quality.profile_correlation(X, np.ones_like(X), phase, phase, 7)
    assert np.isnan(flat)


def test_marginal_distance_is_in_standard_deviations():
    assert quality.marginal_distance(X, X + 3 * X.std()) == pytest.approx(3)
    other = RANDOM.normal(size=(30, 9))
    expected = stats.wasserstein_distance(X.ravel(), other.ravel()) / X.std()
    assert quality.marginal_distance(X, other) == pytest.approx(expected)


def test_diversity_is_the_spread_over_noise():
    spread = np.array([0.5, 2.0, 1.0])
    samples = RANDOM.normal(size=(400, 3, 6)) * spread[:, None]
    assert quality.diversity(samples, spread) == pytest.approx(1, abs=0.05)
    assert quality.diversity(samples[:1].repeat(3, 0), spread) < 1e-9
    assert np.isnan(quality.diversity(samples, 0 * spread))
    with pytest.raises(errors.InputError, match=r"found \[3, 6\] and \[3\]"):
        quality.diversity(samples[0], spread)


def test_a_forecaster_learns_what_is_in_the_windows():
    real, made = waves(200, 8), waves(200, 8, 1)
    assert quality.synthetic_for_real(made, real) < 0.01
    assert quality.synthetic_for_real(waves(200, 5, 1), real) > 0.3
    past, after = made[:, :12] - made.mean(0)[:12], made[:, 12:] - made.mean(0)[12:]
    weight = np.linalg.lstsq(
        np.vstack([past, np.sqrt(1e-3 * np.sum(past**2) / 12) * np.eye(12)]),
        np.vstack([after, np.zeros((12, 4))]),
        rcond=None,
    )[0]
    guess = (real[:, :12] - made.mean(0)[:12]) @ weight + made.mean(0)[12:]
    expected = np.sqrt(np.mean((guess - real[:, 12:]) ** 2))
    expected /= np.abs(real[:, 12:]).mean()
    assert quality.synthetic_for_real(made, real) == pytest.approx(expected)
    with pytest.raises(errors.InputError, match="from 1 to 15.*found 16"):
        quality.synthetic_for_real(made, real, horizon=16)


def test_components_are_those_of_the_covariance():
    found = quality.components(X, X[:3] + 1, count=3)
    values, vectors = np.linalg.eigh(np.cov(X, rowvar=False))
    for k in range(3):
        assert abs(found.axes[:, k] @ vectors[:, -1 - k]) == pytest.approx(1)
    np.testing.assert_allclose(found.share, values[::-1][:3] / values.sum())
    np.testing.assert_allclose(
        np.var(found.places[0], axis=0, ddof=1), values[::-1][:3]
    )
    moved = (X[:3] + 1 - X.mean(0)) @ found.axes
    np.testing.assert_allclose(found.places[1], moved)


def test_a_classifier_tells_what_differs_and_only_that():
    config = discriminative.Config(steps=120, width=8)
    real, same, other = waves(300, 8), waves(300, 8, 1), waves(300, 6, 2)
    found = discriminative.discriminative_score(real, same, config=config)
    assert found < 0.12
    found = discriminative.discriminative_score(real, other, config=config)
    assert found > 0.4
    again = discriminative.discriminative_score(real, other, config=config)
    assert again == found


def test_windows_that_do_not_fit_are_refused():
    with pytest.raises(errors.InputError, match=r"\[20, 9\] and \[20, 5\]"):
        quality.spectrum_distance(X, X[:, :5])
    with pytest.raises(errors.InputError, match="finite"):
        quality.marginal_distance(X, np.full_like(X, np.nan))
    with pytest.raises(errors.InputError, match="ten windows"):
        discriminative.discriminative_score(X, X[:5])


def test_sinusoids_correlate_with_their_period_alone():
    time = np.arange(32)
    phase = np.linspace(0, 6, 20)[:, None]
    waves = 3 + np.sin(2 * np.pi * time / 24 + phase)
    assert quality.period_correlation(waves, 24) == pytest.approx(1)
    assert quality.period_correlation(np.ones((4, 32)), 24) == 0
    noise = np.random.default_rng(0).normal(size=(2000, 32))
    assert quality.period_correlation(noise, 24) == pytest.approx(
        np.sqrt(2 / 31), abs=0.03
    )
    with pytest.raises(errors.InputError, match="three values"):
        quality.period_correlation(np.ones((4, 2)), 24)


def test_spread_is_relative_to_that_of_real_windows():
    real = np.random.default_rng(0).normal(size=(50, 16))
    assert quality.spread_ratio(real, 0.5 * real + 7) == pytest.approx(0.5)
