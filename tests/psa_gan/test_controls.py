"""Trivial generators: what each of them keeps, and what it takes away."""

import numpy as np
import pytest

from iclr22 import errors
from iclr22.data.series import simulated, windows
from iclr22.psa_gan import controls

REAL = np.random.default_rng(0).random((50, 16)).astype(np.float32)
DATA = windows.scale(simulated.loads(days=20, series=3))
DATA.known[30] = False


def test_margins_that_controls_keep():
    found = controls.shuffled(REAL, 1)
    np.testing.assert_array_equal(np.sort(found, axis=1), np.sort(REAL, axis=1))
    assert (found != REAL).mean() > 0.8
    flat = controls.constant(REAL)
    np.testing.assert_allclose(flat, np.repeat(REAL.mean(1)[:, None], 16, 1))
    wide = np.repeat(REAL[:2, :1], 4000, 1) + np.tile([[-1.0, 1.0]], 2000)
    found = controls.moment_noise(wide, 1)
    np.testing.assert_allclose(found.mean(1), wide.mean(1), atol=0.06)
    np.testing.assert_allclose(found.std(1), 1, atol=0.05)
    found = controls.uniform(REAL, 1)
    assert found.min() >= REAL.min() and found.max() <= REAL.max()
    assert (controls.noisy(REAL, 0.1, 1) - REAL).std() == pytest.approx(0.1, rel=0.1)
    middle = controls.smooth(REAL, 3)
    np.testing.assert_allclose(middle[:, 5], REAL[:, 4:7].mean(1), rtol=1e-6)
    np.testing.assert_allclose(
        middle[:, 0], (2 * REAL[:, 0] + REAL[:, 1]) / 3, rtol=1e-6
    )


def begins_of(part, series):
    """Places of a series where these values begin."""
    low, high = DATA.first[series], DATA.first[series + 1]
    views = np.lib.stride_tricks.sliding_window_view(DATA.values[low:high], len(part))
    known = np.lib.stride_tricks.sliding_window_view(DATA.known[low:high], len(part))
    return np.flatnonzero((views == part).all(axis=1) & known.all(axis=1))


def test_blocks_are_of_the_same_series():
    series = np.repeat([0, 1, 2], 40)
    found = controls.block_bootstrap(DATA, series, 20, block=8, seed=1)
    assert found.shape == (120, 20)
    begins = []
    for row, i in zip(found, series, strict=True):
        for low in (0, 8, 16):
            places = begins_of(row[low : low + 8], i)
            assert len(places)
            begins.append(places[0])
    assert len(set(begins)) > 150 and min(begins) < 20 and max(begins) > 450


def test_seasonal_blocks_are_of_other_cycles_at_the_same_place():
    random = np.random.default_rng(1)
    series = np.repeat([0, 1, 2], 40)
    first = random.integers(0, 400, 120)
    found = controls.seasonal_bootstrap(DATA, series, first, 32, season=24, seed=1)
    for row, i, begin in zip(found, series, first, strict=True):
        for low in (0, 24):
            places = begins_of(row[low : low + 24], i)
            assert ((places - begin - low) % 24 == 0).all() and len(places)
            assert begin + low not in places


def test_one_cycle_has_no_other():
    short = windows.scale(simulated.loads(days=1, series=1))
    place = np.zeros(1, int)
    with pytest.raises(errors.InputError, match="at place 0 of a season of 24; found"):
        controls.seasonal_bootstrap(short, place, place, 24, season=24)


def test_known_generators_depend_on_the_seed_alone():
    series, first = np.arange(3).repeat(5), np.arange(40, 55)
    found = [
        controls.known_generators(DATA, series, first, 16, seed=s) for s in (0, 0, 1)
    ]
    assert len(found[0]) >= 8
    for name, x in found[0].items():
        assert x.shape == (15, 16) and x.dtype == np.float32
        np.testing.assert_array_equal(x, found[1][name])
        fixed = name in ("constant", "smooth")
        assert np.array_equal(x, found[2][name]) == fixed
