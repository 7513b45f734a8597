"""Filling with a generator whose distribution is known: a Gaussian process per series."""

import functools

import numpy as np
import pytest
from absl import logging

from iclr22 import errors
from iclr22.data.series import Panel, layouts, pjm
from iclr22.data.series.calendar import Step
from iclr22.psa_gan import anchoring, filling, gaps, hidden, naive
from iclr22.psa_gan.filling import Options

SHARE, PERIOD = 0.95, 24
FEW = Options(samples=4, margin=48, artificial=40, runs=24, lags=256)


def trend(series, place):
    """What is known in advance: a daily cycle, of another phase in every series."""
    return 0.5 + 0.2 * np.sin(2 * np.pi * (place / PERIOD + series / 7))


def walk(random, shape, size=0.1):
    """A random walk along the last axis that returns to 0, of a deviation."""
    found = np.empty(shape)
    found[..., 0] = random.normal(size=shape[:-1])
    for t in range(1, shape[-1]):
        shock = np.sqrt(1 - SHARE**2) * random.normal(size=shape[:-1])
        found[..., t] = SHARE * found[..., t - 1] + shock
    return size * found


def draw(series, first, count, *, samples, seed, context):
    """The process itself, without knowledge of the values."""
    assert context is None
    random = np.random.default_rng(seed)
    place = first[:, None] + np.arange(count)
    mean = trend(series[:, None], place)
    return mean + walk(random, (samples, len(series), count), 0.02)


def panel(values):
    return Panel(
        values=tuple(values),
        start=np.full(len(values), np.datetime64("2021-01-04", "s")),
        step=Step(1, "h"),
        ids=tuple(f"s{i}" for i in range(len(values))),
        static=np.zeros((len(values), 0), np.float32),
    )


@functools.cache
def truth(count=6, length=1500):
    random = np.random.default_rng(4)
    place = np.arange(length)
    return tuple(
        100 * i + 10 * (trend(i, place) + walk(random, (length,))) for i in range(count)
    )


def layout_of(values):
    """0 and 1 of the generator are known here."""
    found = layouts.layout(panel(values))
    number = np.arange(len(values))
    return found._replace(low=100.0 * number, range=np.full(len(values), 10.0))


def with_gaps(length=40, each=12, seed=0):
    random = np.random.default_rng(seed)
    values = [x.copy() for x in truth()]
    for x in values:
        for k in range(each):
            first = 120 * k + 20 + random.integers(0, 40)
            x[first : first + length] = np.nan
    return values


@functools.cache
def filled(anchor="covariance"):
    values = with_gaps()
    options = FEW._replace(anchor=anchor)
    found = filling.fill_panel(draw, panel(values), options, layout=layout_of(truth()))
    return values, found


def test_known_values_stay():
    values, found = filled()
    for x, y, low, high in zip(values, *found[:3], strict=True):
        known = ~np.isnan(x)
        for each in (y, low, high):
            np.testing.assert_array_equal(each[known], x[known])
            assert np.isfinite(each).all()
        assert (low[~known] < y[~known]).all() and (y[~known] < high[~known]).all()


def test_bands_cover_what_they_say():
    values, found = filled()
    inside, middle = [], []
    for x, y, low, high in zip(values, truth(), found.low, found.high, strict=True):
        gap = np.isnan(x)
        inside.append((low <= y)[gap] & (y <= high)[gap])
        middle.append(high[gap] - low[gap])
    # 72 gaps of 40 values that hang together: about 150 independent ones.
    assert np.mean(np.concatenate(inside)) == pytest.approx(0.9, abs=0.06)
    width = np.concatenate(middle).reshape(-1, 40).mean(axis=0)
    assert width[0] < 0.7 * width[20] and width[-1] < 0.7 * width[20]


def test_better_than_what_needs_no_generator():
    values, found = filled()
    error = {"generator": _error(values, found.values)}
    error["edges"] = _error(values, filled("edges")[1].values)
    error["none"] = _error(values, filled("none")[1].values)
    for way in naive.WAYS:
        simple = [naive.fill(x, ~np.isnan(x), way, PERIOD) for x in values]
        error[way] = _error(values, simple)
    assert min(error, key=error.__getitem__) == "generator"
    assert error["generator"] < error["edges"] < error["none"]
    assert error["generator"] < 0.9 * min(error[way] for way in naive.WAYS)


def _error(values, found):
    apart = [
        ((x - y) ** 2)[np.isnan(z)]
        for x, y, z in zip(truth(), found, values, strict=True)
    ]
    return np.mean(np.concatenate(apart)) ** 0.5


def test_samples_are_those_of_the_gaps():
    values, found = filled()
    again = gaps.gaps_of(values)
    for each, other in zip(found.gaps, again, strict=True):
        np.testing.assert_array_equal(each, other)
    for i, first, count, drawn in zip(*found.gaps, found.samples, strict=True):
        assert drawn.shape == (4, count)
        np.testing.assert_allclose(
            drawn.mean(axis=0), found.values[i][first : first + count]
        )
    spread = np.mean([x.std(axis=0) for x in found.samples])
    assert 0.05 < spread < 0.3  # of a process of 0.2, less what is known around


@pytest.mark.parametrize(
    "first,count", [(0, 30), (970, 30), (100, 500), (0, 1), (0, 990)]
)
@pytest.mark.parametrize("anchor", ["covariance", "edges"])
def test_gaps_anywhere(first, count, anchor):
    y = truth(length=1000, count=2)[1]
    known = np.ones(1000, bool)
    known[first : first + count] = False
    options = FEW._replace(anchor=anchor, artificial=10)
    given = np.where(known, y, np.nan)
    found = filling.fill_gap(
        draw, given, known, options, series=1, limits=(100.0, 110.0), seed=3
    )
    assert np.isfinite(found.values[0]).all()
    assert (found.low[0] <= found.high[0]).all()
    again = filling.fill_gap(
        draw,
        np.where(known, y, -1e9),
        known,
        options,
        series=1,
        limits=(100.0, 110.0),
        seed=3,
    )
    np.testing.assert_array_equal(found.values[0], again.values[0])
    rest = ~known
    free = np.mean((y - trend(1, np.arange(1000)) * 10 - 100)[rest] ** 2) ** 0.5
    most = 1.3 if anchor == "covariance" else 2.5
    assert np.mean((found.values[0] - y)[rest] ** 2) ** 0.5 < most * free


def test_nothing_missing_and_everything_missing():
    values = [x.copy() for x in truth(length=500)]
    found = filling.fill_panel(draw, panel(values), FEW)
    for x, each in zip(values, zip(*found[:3], strict=True), strict=True):
        assert all(np.array_equal(x, y) for y in each)
    assert not found.samples and not len(found.gaps.count)
    y = values[2]
    with pytest.raises(errors.InputError, match="expected known values, or the limits"):
        filling.fill_gap(draw, y, np.zeros(len(y), bool), FEW)
    limits = (200.0, 210.0)
    found = filling.fill_gap(
        draw, y, np.zeros(len(y), bool), FEW, series=2, limits=limits
    )
    expected = 200 + 10 * trend(2, np.arange(len(y)))
    assert np.abs(found.values[0] - expected).max() < 1.5
    one = values[:2] + [np.full(500, np.nan)] + values[3:]
    found = filling._fill(
        filling.Source(
            draw, tuple((x - 100 * i) / 10 for i, x in enumerate(one)), FEW, 0
        )
    )
    inside = (found.low[2] <= (y - 200) / 10) & ((y - 200) / 10 <= found.high[2])
    assert np.isfinite(found.values[2]).all() and 0.6 < inside.mean() <= 1


def test_bands_without_calibration_are_told(monkeypatch):
    said = []
    monkeypatch.setattr(
        logging, "warning", lambda text, *rest: said.append(text % rest)
    )
    y = truth()[0][:20]
    known = np.arange(20) < 3
    found = filling.fill_gap(draw, y, known, FEW, limits=(0.0, 10.0))
    assert np.isfinite(found.high[0]).all()
    assert len(said) == 1 and "17 values" in said[0] and "1.64" in said[0]


def test_memory_is_bounded(monkeypatch):
    monkeypatch.setattr(anchoring, "DRAWN", 4 * 256 * 3)
    sizes = []

    def watched(series, first, count, *, samples, seed, context):
        sizes.append(len(series) * count * samples)
        return draw(series, first, count, samples=samples, seed=seed, context=context)

    filling.fill_panel(watched, panel(with_gaps()), FEW, layout=layout_of(truth()))
    assert max(sizes) <= 4 * 256 * 3


def test_context_is_the_values_before():
    seen = []

    def continued(series, first, count, *, samples, seed, context):
        seen.append((first, context))
        return draw(series, first, count, samples=samples, seed=seed, context=None)

    values, options = with_gaps(), FEW._replace(context=5)
    filling.fill_panel(continued, panel(values), options, layout=layout_of(truth()))
    for first, context in seen:
        assert context.shape == (len(first), 5) and np.isfinite(context).all()
    np.testing.assert_array_equal(
        gaps.held(np.array([[np.nan, 1, np.nan, 2], [np.nan] * 4])),
        [[1, 1, 1, 2], [0.5] * 4],
    )


def test_senseless_options_are_refused():
    y = truth()[0]
    for options in (FEW._replace(samples=0), FEW._replace(level=1.0)):
        with pytest.raises(errors.InputError, match="expected samples and margin"):
            filling.fill_gap(draw, y, y > 0, options)
    with pytest.raises(errors.InputError, match="and which of them"):
        filling.fill_gap(draw, y, y[:3] > 0, FEW)


@pytest.mark.slow
def test_a_week_of_real_loads(shared):
    """With the mean of each hour of the week for a generator."""
    whole = pjm.load(str(shared / "data"))
    gaps_ = hidden.last_but_one(whole, 168)
    seen = hidden.hide(whole, gaps_)
    layout = layouts.layout(seen)
    usual = [_profile(x) for x in seen.values]

    def weekly(series, first, count, *, samples, seed, context):
        del seed, context
        place = first[:, None] + np.arange(count)
        mean = np.stack(
            [usual[i][at % 168] for i, at in zip(series, place, strict=True)]
        )
        scaled = layouts.to_scale(layout, series, mean)
        return np.broadcast_to(scaled, (samples, *scaled.shape))

    found = filling.fill_panel(weekly, seen, Options(samples=1), layout=layout)
    rows = hidden.score(whole, gaps_, {"ours": found.values, **hidden.ways(seen)})
    error = {row.way: row.value for row in rows if row.metric == "nrmse/series"}
    assert min(error, key=error.__getitem__) == "ours"
    inside, _ = hidden.coverage(whole, gaps_, found)
    assert 0.85 < inside.value < 0.95


def _profile(x):
    """Mean of each hour of the week, from the first value on."""
    return np.nanmean(np.append(x, [np.nan] * (-len(x) % 168)).reshape(-1, 168), axis=0)
