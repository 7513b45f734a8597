"""Runs: windows of known values of the right series, and what is left out."""

import numpy as np
import pytest

from iclr22 import errors
from iclr22.data.series import simulated, windows
from iclr22.psa_gan import runs

HOLES = np.arange(40, dtype=np.float32)
HOLES[[12, 30]] = np.nan
SERIES = [HOLES, np.arange(100, 130), np.arange(200, 203)]


def test_runs_are_known_values_of_their_series():
    found = runs.of(SERIES, 9)
    assert found.longest == 9
    np.testing.assert_array_equal(found.group, [0, 3, 4])
    np.testing.assert_array_equal(found.first, [0, 12, 29, 38, 68])
    np.testing.assert_array_equal(found.values[29:38], np.arange(31, 40))


def test_panels_and_windows_are_series_too():
    data = windows.scale(simulated.loads(days=3, series=2))
    data.known[[5, 80]] = False
    flat = np.where(data.known, data.values, np.nan)
    found = runs.of(data, 9), runs.of(np.split(flat, [72]), 9)
    assert found[0].content() == found[1].content()
    np.testing.assert_array_equal(
        found[0].first, [0, 66, 129]
    )  # runs of 5 and 8 are out
    rows = runs.of(np.arange(24).reshape(4, 6), 9)
    assert rows.longest == 6 and len(rows.group) == 5


def test_where_most_series_are_shorter_the_windows_are():
    found = runs.of([np.arange(50), np.arange(8), np.arange(6), np.arange(2)], 30)
    assert found.longest == 8
    np.testing.assert_array_equal(found.first, [0, 50, 58])


def test_windows_are_drawn_everywhere_and_stay_in_a_run():
    found, random = runs.of(SERIES, 9), np.random.default_rng(0)
    series = np.repeat([0, 1], 2000)
    length = random.integers(2, 10, 4000)
    begin = found.draw(random, series, length)
    drawn = found.at(begin, length, 12)
    seen = set()
    for owner, size, row in zip(series, length, drawn, strict=True):
        cut = row[-size:]
        assert not row[:-size].any() and np.all(np.diff(cut) == 1)
        assert (cut[0] >= 100) == (owner == 1)
        seen |= set(cut.tolist())
    known = HOLES[~np.isnan(HOLES)]
    assert seen == {*known, *range(100, 130)}


def test_series_without_two_known_values_in_a_row_are_refused():
    with pytest.raises(errors.InputError, match="longest run of known values is 1"):
        runs.of([[1, np.nan, 3], [np.nan]], 8)
