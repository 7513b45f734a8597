"""Stretches of any length against the windows that they are made of; series in units."""

import functools

import jax
import numpy as np
import pytest

from iclr22 import errors
from iclr22.data.series import Panel, calendar, layouts
from iclr22.data.series.calendar import Step
from iclr22.psa_gan import gan, generation
from iclr22.psa_gan.artifact import Model

LENGTH, HALF = 16, 8


def panel(counts=(70, 45), missing=()):
    """Hourly series that begin at different days, of one number each."""
    random = np.random.default_rng(1)
    values = [50 * (i + 1) + 20 * random.random(n) for i, n in enumerate(counts)]
    for i, place in missing:
        values[i][place] = np.nan
    return Panel(
        values=tuple(values),
        start=np.array(["2024-03-01T05", "2024-03-02T00"], "M8[s]"),
        step=Step(1, "h"),
        ids=("a", "b"),
        static=np.array([[1.0], [3.0]], np.float32),
        static_names=("size",),
    )


@functools.cache
def model(context=0) -> Model:
    """A generator as it begins, with some attention and different series."""
    layout = layouts.layout(panel())
    config = gan.Config(
        series=2, depth=1, length=LENGTH, context=context, width=8, embedding=3
    )
    batch = {"features": layouts.features(layout, [0], [0], LENGTH)}
    init = jax.jit(functools.partial(gan.init, config))
    params = jax.device_get(init(jax.random.key(3), batch).params)
    return Model("gan", config, {"generator": params["generator"]}, layout)


def windows(one: Model, series, first, noise, context=None):
    """Windows `[b, LENGTH]` as the stage makes them."""
    series, first = np.asarray(series), np.asarray(first)
    inputs = {
        "series": series.astype(np.int32),
        "features": layouts.features(one.layout, series, first, LENGTH),
        "noise": noise.astype(np.float32),
        "context": np.zeros((len(series), 0), np.float32),
    }
    if context is not None:
        inputs["context"] = context
    return generation.windows_of(one, inputs)


def noise_of(seed, number, rows):
    return np.random.default_rng((seed, number)).normal(size=(rows, LENGTH))


SERIES, FIRST = [0, 1, 1], [3, -20, 100]


@pytest.mark.parametrize("count", [1, 7, 16, 17, 24, 25, 43])
def test_a_stretch_is_its_windows_outside_of_overlaps(count):
    found = generation.draw(model(), SERIES, FIRST, count, seed=5, candidates=1)
    assert found.shape == (1, 3, count) and found.dtype == np.float32
    number = 1 + max(0, -(-(count - LENGTH) // HALF))
    parts = [
        windows(model(), SERIES, np.add(FIRST, HALF * i), noise_of(5, i, 3))
        for i in range(number)
    ]
    expected = np.concatenate([x[:, :HALF] for x in parts] + [parts[-1][:, HALF:]], 1)
    share = np.arange(1, HALF + 1) / (HALF + 1)  # of the later window
    for i, (early, late) in enumerate(zip(parts[:-1], parts[1:], strict=True), 1):
        mixed = (1 - share) * early[:, HALF:] + share * late[:, :HALF]
        expected[:, HALF * i : HALF * (i + 1)] = mixed
    np.testing.assert_allclose(found[0], expected[:, :count], atol=1e-6)
    assert np.ptp(expected, axis=1).min() > 1e-3  # something to tell apart


@pytest.mark.parametrize("count", [5, 16, 40, 41])
def test_fades_sum_to_one(count, monkeypatch):
    def ones(_, inputs):
        return np.ones((len(inputs["series"]), LENGTH), np.float32)

    monkeypatch.setattr(generation, "windows_of", ones)
    found = generation.draw(model(), SERIES, FIRST, count, samples=2)
    np.testing.assert_allclose(found, 1, rtol=1e-6)


def test_of_candidates_the_one_that_continues_best_is_taken():
    tries = 6
    found = generation.draw(model(), [0], [0], 24, seed=2, candidates=tries)[0, 0]
    first = windows(model(), [0], [0], noise_of(2, 0, 1))[0]
    others = windows(model(), [0] * tries, [HALF] * tries, noise_of(2, 1, tries))
    apart = [np.sum((x[:HALF] - first[HALF:]) ** 2) for x in others]
    np.testing.assert_allclose(found[:HALF], first[:HALF], atol=1e-6)
    best = others[int(np.argmin(apart))]
    np.testing.assert_allclose(found[LENGTH:], best[HALF:], atol=1e-6)
    assert np.argmin(apart) != 0


def test_a_seed_makes_the_same_numbers_in_any_chunks(monkeypatch):
    draw = functools.partial(generation.draw, model(), SERIES, FIRST, 30, samples=2)
    found = draw(seed=1)
    np.testing.assert_array_equal(draw(seed=1), found)
    assert np.abs(draw(seed=2) - found).min(axis=2).max() > 1e-6
    assert np.abs(found[0] - found[1]).mean() > 1e-4  # samples differ
    monkeypatch.setattr(generation, "CHUNK", 4)
    np.testing.assert_allclose(draw(seed=1), found, atol=1e-6)


def test_context_is_the_values_before():
    one, before = model(context=10), np.random.default_rng(0).random((3, 10))
    found = generation.draw(one, SERIES, FIRST, 40, context=before, seed=4)[0]
    context = before.astype(np.float32)
    for i in range(3):
        low = LENGTH * i
        expected = windows(one, SERIES, np.add(FIRST, low), noise_of(4, i, 3), context)
        part = found[:, low : low + LENGTH]
        np.testing.assert_allclose(part, expected[:, : part.shape[1]], atol=1e-6)
        context = np.concatenate([context, expected], axis=1)[:, -10:]
    other = generation.draw(one, SERIES, FIRST, 40, context=before + 1, seed=4)[0]
    assert np.abs(other - found).max() > 1e-4


def test_context_of_a_panel_holds_what_is_missing():
    one = model(context=10)
    given = panel(missing=[(0, slice(24, 27)), (1, slice(0, 3))])
    found = generation.context_of(one, given, [0, 1, 1], [30, 7, 45])
    scaled = [
        layouts.to_scale(one.layout, [i], x[None])[0]
        for i, x in enumerate(given.values)
    ]
    expected = scaled[0][20:30].copy()
    expected[4:7] = scaled[0][23]  # held from before
    np.testing.assert_allclose(found[0], expected, rtol=1e-6)
    early = np.concatenate([np.full(6, scaled[1][3]), scaled[1][3:7]])
    np.testing.assert_allclose(found[1], early, rtol=1e-6)
    np.testing.assert_allclose(found[2], scaled[1][35:45], rtol=1e-6)
    with pytest.raises(errors.InputError, match="continues 10 values.*found none"):
        generation.context_of(one, None, [0], [30])
    with pytest.raises(errors.InputError, match="series 'a'.*among the 10 before"):
        generation.context_of(one, given, [0], [0])


def test_series_come_back_in_units_and_dates():
    found = generation.generate(model(), seed=3)
    assert found.ids == ("a", "b") and found.step == Step(1, "h")
    assert [len(x) for x in found.values] == [70, 45]
    np.testing.assert_array_equal(found.start, panel().start)
    np.testing.assert_array_equal(found.static, panel().static)
    drawn = generation.draw(model(), [0, 1], [0, 0], 70, seed=3)[0]
    for i, x in enumerate(panel().values):
        width = x.max() - x.min()
        expected = x.min() + width * drawn[i, : len(x)].astype(np.float64)
        np.testing.assert_allclose(found.values[i], expected)


def test_samples_of_chosen_series_from_other_dates():
    found = generation.generate(
        model(), 20, series=[1], first=-30, samples=3, context=None
    )
    assert found.ids == ("b#0", "b#1", "b#2")
    start = calendar.at(panel().start[1], Step(1, "h"), -30)
    assert found.start.tolist() == [start.item()] * 3
    assert {len(x) for x in found.values} == {20}
    assert found.static.tolist() == [[3.0]] * 3 and found.static_names == ("size",)
    assert not np.array_equal(found.values[0], found.values[1])


def test_a_generator_with_context_continues_a_panel():
    one = model(context=10)
    found = generation.generate(one, 5, series=[0], first=70, context=panel(), seed=1)
    before = generation.context_of(one, panel(), [0], [70])
    drawn = generation.draw(one, [0], [70], 5, seed=1, context=before)[0]
    np.testing.assert_allclose(
        found.values[0], layouts.to_units(one.layout, [0], drawn)[0]
    )
    assert found.start[0] == calendar.at(panel().start[0], Step(1, "h"), 70)


def test_senseless_requests_are_told():
    with pytest.raises(errors.InputError, match="series from 0 to 1; found .*2"):
        generation.generate(model(), series=[2])
    with pytest.raises(errors.InputError, match="one value and one sample"):
        generation.generate(model(), 0)
    with pytest.raises(errors.InputError, match="one sample at least; found 4 and 0"):
        generation.draw(model(), [0], [0], 4, samples=0)


def test_windows_of_any_number_are_those_of_each(monkeypatch):
    noise = noise_of(0, 0, 11)
    series, first = np.arange(11) % 2, np.arange(11)
    together = windows(model(), series, first, noise)
    monkeypatch.setattr(generation, "CHUNK", 4)
    np.testing.assert_allclose(
        windows(model(), series, first, noise), together, atol=1e-6
    )
    alone = windows(model(), series[5:6], first[5:6], noise[5:6])
    np.testing.assert_allclose(alone[0], together[5], atol=1e-6)
