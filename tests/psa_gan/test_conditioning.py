"""Kriging, cross-fade and conformal quantiles, against closed forms and dense algebra."""

import numpy as np
import pytest

from iclr22.psa_gan import conditioning
from iclr22.psa_gan.conditioning import RIDGE


def first_order(length, share=0.9):
    """Correlations of a process whose next value is a share of its last."""
    return share ** np.arange(length)


def paths(random, by_lag, count):
    by_lag = np.asarray(by_lag)
    lags = np.abs(np.subtract.outer(*[np.arange(len(by_lag))] * 2))
    root = np.linalg.cholesky(by_lag[lags] + 1e-9 * np.eye(len(by_lag)))
    return (root @ random.normal(size=(len(by_lag), count))).T


def test_covariance_is_found_where_values_are_missing():
    random = np.random.default_rng(0)
    x = np.concatenate(
        [paths(random, first_order(256), 300), 3 * paths(random, first_order(256), 300)]
    )
    x[random.random(x.shape) < 0.3] = np.nan
    series = np.repeat([0, 1], 300)
    found = conditioning.covariance(x, series, 3)
    expected = first_order(256) * (1 - np.arange(256) / 256)
    np.testing.assert_allclose(found[0], expected, atol=0.06)
    np.testing.assert_allclose(found[1] / 9, expected, atol=0.06)
    np.testing.assert_allclose(
        found[2] / 5, expected, atol=0.06
    )  # never seen: all others
    spectrum = np.fft.rfft(
        np.concatenate([found, found[:, :1] * 0, found[:, :0:-1]], 1)
    )
    assert spectrum.real.min() > -1e-9


@pytest.mark.parametrize("cells", [10, 1 << 22])
def test_samples_are_conditioned_as_a_gaussian_is(cells, monkeypatch):
    monkeypatch.setattr(conditioning, "CELLS", cells)
    monkeypatch.setattr(conditioning, "COLUMNS", 3)
    random = np.random.default_rng(1)
    s, b, t = 3, 4, 12
    samples, values = random.normal(size=(s, b, t)), random.normal(size=(b, t))
    by_lag = np.stack([first_order(t), 2 * first_order(t, 0.5)])
    series = np.array([0, 1, 1, 0])
    known = np.tile([0, 1, 2, 3, 9, 10, 11], (b, 1))
    known[2] = -1
    known[3, 2:5] = -1
    wanted = np.arange(4, 9)
    found, left = conditioning.condition(samples, values, known, wanted, series, by_lag)
    for row in range(b):
        place = known[row][known[row] >= 0]
        lags = np.abs(np.subtract.outer(np.arange(t), np.arange(t)))
        matrix = by_lag[series[row]][lags] + 0.0
        variance = matrix[0, 0]
        among = matrix[np.ix_(place, place)] + RIDGE * variance * np.eye(len(place))
        gain = np.linalg.solve(among, matrix[np.ix_(place, wanted)]).T
        apart = values[row, place] - samples[:, row, place]
        expected = samples[:, row, wanted] + apart @ gain.T
        np.testing.assert_allclose(found[:, row], expected, atol=1e-9)
        spread = (1 + RIDGE) * variance - (
            gain @ matrix[np.ix_(place, wanted)]
        ).diagonal()
        size = (apart.mean(axis=0) ** 2).sum() / variance + conditioning.PRIOR
        spread *= size / (conditioning.PRIOR + len(place))
        np.testing.assert_allclose(left[row], np.sqrt(spread))
    np.testing.assert_array_equal(found[:, 2], samples[:, 2, wanted])  # nothing known


def test_cross_fade_sums_to_one():
    for count in (1, 2, 7):
        before, after = conditioning.cross_fade(count, np.arange(count))
        np.testing.assert_allclose(before + after, 1)
        np.testing.assert_allclose(after, np.arange(1, count + 1) / (count + 1))


def test_samples_meet_both_edges():
    random = np.random.default_rng(2)
    samples, values = random.normal(size=(2, 3, 10)), random.normal(size=(3, 10))
    values[:, 3:7] = np.nan
    edges = np.tile([1, 2], (3, 1)), np.tile([7, 8], (3, 1))
    edges[0][1], edges[1][2] = -1, -1
    count = np.full(3, 4)
    found = conditioning.between_edges(samples, values, edges, 3, count)
    apart = values - samples
    left, right = apart[..., 1:3].mean(axis=2), apart[..., 7:9].mean(axis=2)
    before, after = conditioning.cross_fade(4, np.arange(4))
    shift = left[:, 0, None] * before + right[:, 0, None] * after
    np.testing.assert_allclose(found[:, 0, 3:7], samples[:, 0, 3:7] + shift)
    one_sided = samples[:, 1, 3:7] + right[:, 1, None]
    np.testing.assert_allclose(found[:, 1, 3:7], one_sided)
    np.testing.assert_allclose(found[:, 2, 3:7], samples[:, 2, 3:7] + left[:, 2, None])


def test_conformal_quantile_counts_the_new_one():
    scores = np.arange(1.0, 10.0)[::-1]
    assert conditioning.conformal(scores, 0.9) == 9
    assert conditioning.conformal(scores, 0.5) == 5
    assert conditioning.conformal(scores, 0.91) == np.inf
    assert conditioning.conformal([], 0.5) == np.inf
    random = np.random.default_rng(3)
    inside = [
        random.exponential() <= conditioning.conformal(random.exponential(size=19), 0.9)
        for _ in range(4000)
    ]
    assert np.mean(inside) == pytest.approx(0.9, abs=0.015)
