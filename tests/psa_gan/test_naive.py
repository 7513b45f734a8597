"""Naive fillings and their error, against closed forms and brute force."""

import numpy as np
import pytest

from iclr22 import errors
from iclr22.psa_gan import naive


def test_error_is_relative_to_size():
    truth = np.array([2.0, -2.0, 4.0, np.nan])
    found = truth + np.array([1.0, -1.0, 1.0, 0.0])
    assert naive.nrmse(truth, found) == pytest.approx(1 / (8 / 3))
    assert naive.nrmse(truth, truth) == 0
    assert naive.nrmse(10 * truth, 10 * found) == pytest.approx(3 / 8)
    known = np.array([True, False, False, False])
    assert naive.nrmse(truth, found, known) == pytest.approx(0.5)
    assert np.isnan(naive.nrmse(truth, found, ~known & False))
    with pytest.raises(errors.InputError, match="as many values"):
        naive.nrmse(truth, found[:2])


def by_hand(values, known, way, season):
    """Value by value."""
    found = values.copy()
    for t in np.flatnonzero(~known):
        step = season if way == "seasonal" else 1
        before = [s for s in range(t - step, -1, -step) if known[s]]
        after = [s for s in range(t + step, len(values), step) if known[s]]
        if way == "mean" or not before + after:
            found[t] = values[known].mean()
        elif way == "linear" and before and after:
            a, b = before[0], after[0]
            found[t] = values[a] + (values[b] - values[a]) * (t - a) / (b - a)
        else:
            found[t] = values[(before + after)[0]]
    return found


@pytest.mark.parametrize("way", naive.WAYS)
@pytest.mark.parametrize("share", [0.1, 0.6, 0.95])
def test_filled_as_by_hand(way, share):
    random = np.random.default_rng(int(100 * share))
    values, known = random.normal(size=50), random.random(50) > share
    known[17] = True
    given = np.where(known, values, np.nan)
    expected = by_hand(np.where(known, values, 0), known, way, 7)
    np.testing.assert_allclose(naive.fill(given, known, way, 7), expected)


def test_a_forecast_goes_on_with_the_last_season():
    values = np.concatenate([np.arange(6.0), np.zeros(5)])
    known = np.arange(11) < 6
    assert naive.fill(values, known, "seasonal", 3)[6:].tolist() == [3, 4, 5, 3, 4]
    assert naive.fill(values, known, "last")[6:].tolist() == [5] * 5
    assert naive.fill(values, known, "linear")[6:].tolist() == [5] * 5
    assert naive.fill(values, known, "mean")[6:].tolist() == [2.5] * 5


def test_bad_input_is_told():
    values, known = np.ones(4), np.ones(4, bool)
    with pytest.raises(errors.InputError, match="seasonal"):
        naive.fill(values, known, "sesonal")
    with pytest.raises(errors.InputError, match="0 known"):
        naive.fill(values, ~known, "mean")
    with pytest.raises(errors.InputError, match="season of 1"):
        naive.fill(values, known, "seasonal", 0)
