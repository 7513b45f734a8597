"""Hidden values and their scores; far forecasts and cold starts with a known generator."""

import functools

import numpy as np
import pytest

from iclr22 import errors
from iclr22.data.series import layouts, simulated
from iclr22.psa_gan import downstream, filling, hidden
from iclr22.psa_gan.downstream import Plan
from iclr22.psa_gan.filling import Options
from iclr22.psa_gan.forecaster import Config
from iclr22.psa_gan.gaps import Gaps

CONFIG = Config(context=24, horizon=12, width=8, batch=16, steps=20, learning_rate=1e-2)
FEW = CONFIG._replace(steps=4)
PLAN = Plan(windows=4, gap=96)
OPTIONS = Options(samples=2, margin=48, artificial=0, runs=6, lags=200)


@functools.cache
def loads():
    return simulated.loads(series=3, days=40)


def drawing(panel, layout):
    """The truth with noise."""

    def draw(series, first, count, *, samples, seed, context):
        del context
        random = np.random.default_rng(seed)
        place = first[:, None] + np.arange(count)
        rows = zip(series, place, strict=True)
        truth = [
            panel.values[i][at.clip(0, len(panel.values[i]) - 1)] for i, at in rows
        ]
        found = layouts.to_scale(layout, series, np.stack(truth))
        return found + 0.05 * random.normal(size=(samples, *found.shape))

    return draw


def test_what_is_hidden():
    panel = loads()
    gaps = hidden.last_but_one(panel, 100)
    assert (gaps.first == 960 - 200).all() and (gaps.count == 100).all()
    found = hidden.hide(panel, gaps)
    for x, y in zip(found.values, panel.values, strict=True):
        assert np.isnan(x[760:860]).all() and (x[:760] == y[:760]).all()
        assert (x[860:] == y[860:]).all()
    with pytest.raises(errors.InputError, match="1500 values at least"):
        hidden.last_but_one(panel, 500)
    with pytest.raises(errors.InputError, match="found none"):
        hidden.hide(panel, Gaps(*np.array([[0], [0], [960]])))


def test_stretches_lie_apart():
    gaps = hidden.stretches(loads(), keep=100, seed=3)
    for i in range(3):
        mine = gaps.series == i
        assert sorted(gaps.count[mine]) == list(hidden.LENGTHS)
        order = np.argsort(gaps.first[mine])
        first, end = (x[mine][order] for x in (gaps.first, gaps.first + gaps.count))
        assert first[0] >= 0 and (first[1:] >= end[:-1]).all() and end[-1] <= 860
    assert not np.array_equal(gaps.first, hidden.stretches(loads(), seed=4).first)
    with pytest.raises(errors.InputError, match="values at least"):
        hidden.stretches(loads(), (300, 300))


def test_scores_by_hand():
    panel = loads()
    gaps = Gaps(np.array([0, 2, 2]), np.array([5, 8, 40]), np.array([3, 2, 1]))
    found = [x + 7.0 for x in panel.values]
    rows = hidden.score(panel, gaps, {"seven": tuple(found)}, "x")
    parts = [panel.values[0][5:8], panel.values[2][[8, 9, 40]]]
    each = [7 / x.mean() for x in parts]
    assert rows[0] == ("x", "seven", "nrmse", pytest.approx(7 / np.mean(parts)))
    assert rows[1] == ("x", "seven", "nrmse/series", pytest.approx(np.mean(each)))
    low = [x - 1.0 for x in panel.values]
    high = [x + 1.0 for x in panel.values]
    high[0] -= 2
    filled = filling.Filled(tuple(found), tuple(low), tuple(high), gaps, ())
    inside, width = hidden.coverage(panel, gaps, filled)
    assert inside.value == pytest.approx(0.5)
    assert width.value == pytest.approx(1 / np.mean(parts))


def test_ways_see_nothing_that_is_hidden():
    panel = loads()
    gaps = hidden.last_but_one(panel, 48)
    found = hidden.ways(hidden.hide(panel, gaps))
    assert set(found) == {"last", "mean", "linear", "seasonal", "seasonal_week"}
    x = panel.values[1]
    np.testing.assert_array_equal(found["seasonal"][1][864:888], x[840:864])
    np.testing.assert_array_equal(found["seasonal"][1][888:912], x[840:864])
    np.testing.assert_array_equal(found["seasonal_week"][1][864:912], x[696:744])


def values_of(rows):
    return {row.way: row.value for row in rows if row.metric == "nrmse"}


def test_far_forecasts():
    panel = loads()
    observed = downstream.far_training(panel, CONFIG, PLAN)
    assert all(np.isnan(x[-144:]).all() for x in observed.values)
    assert not any(np.isnan(x[:-144]).any() for x in observed.values)
    draw = drawing(panel, layouts.layout(observed))
    rows = downstream.far(panel, draw, CONFIG, PLAN, options=OPTIONS)
    assert {row.setting for row in rows} == {"96"}
    found = values_of(rows)
    assert set(found) == {
        *("generator", "generator_alone", "last", "mean", "linear", "seasonal"),
        *("seasonal_week", "nothing", "real"),
    }
    assert found["generator"] < 0.6 * min(found[x] for x in ("last", "mean", "nothing"))
    assert found["real"] < 1.1 * found["generator"]
    assert found["generator_alone"] < 0.15  # it is the truth with noise
    with pytest.raises(errors.InputError, match="found none"):
        downstream.far_training(panel, CONFIG, PLAN._replace(gap=960))


def test_a_generator_of_other_ranges_fills_in_its_own():
    panel = loads()
    layout = layouts.layout(downstream.far_training(panel, FEW, PLAN))
    learned = layout._replace(range=2 * layout.range, low=layout.low - 1)
    draw, alone = drawing(panel, learned), {}
    for name, given in (("its own", learned), ("another's", None)):
        rows = downstream.far(panel, draw, FEW, PLAN, options=OPTIONS, layout=given)
        alone[name] = values_of(rows)["generator_alone"]
    assert 2 * alone["its own"] < alone["another's"]


def test_windows_that_are_forecast():
    series, first = downstream.places(loads(), CONFIG, PLAN, [2, 0])
    assert series.tolist() == [2] * 4 + [0] * 4
    assert first.tolist() == [912, 924, 936, 948] * 2


def test_cold_starts():
    panel, cold = loads(), np.array([0, 2])
    given = downstream.cold_training(panel, 0.9, cold, CONFIG, PLAN)
    for i, x in enumerate(given.values):
        missing = int(0.9 * 912) if i in cold else 0
        assert np.isnan(x[912:]).all() and not np.isnan(x[missing:912]).any()
        assert np.isnan(x[:missing]).all()
    draw = drawing(panel, layouts.layout(given))
    rows = downstream.cold_start(panel, draw, 0.9, cold, FEW, PLAN, options=OPTIONS)
    found = values_of(rows)
    assert set(found) == {"generator", "seasonal", "nothing", "real"}
    assert len(set(found.values())) == 4 and all(0 < x < 1 for x in found.values())
    assert {row.setting for row in rows} == {"0.9"}
    with pytest.raises(errors.InputError, match="from 0 to below 1"):
        downstream.cold_training(panel, 1.0, cold, CONFIG, PLAN)
