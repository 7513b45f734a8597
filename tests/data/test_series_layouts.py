"""Layouts: features of any stretch of a series, and values back in their units."""

import numpy as np
import pytest

from iclr22 import bundle, errors
from iclr22.data.series import Panel, calendar, layouts, windows
from iclr22.data.series.calendar import Step

START = {"h": "2024-01-01T05", "B": "2024-01-03", "M": "2023-11-30", "W": "2024-02-05"}


def panel(unit="h", static=((3, 1, 5), (9, 1, 7), (5, 1, 6))):
    random = np.random.default_rng(0)
    static = np.array(static, np.float32)
    return Panel(
        values=tuple(random.normal(5 * i, 1 + i, 20 + 7 * i) for i in range(3)),
        start=np.datetime64(START[unit], "s") + np.arange(3) * np.timedelta64(7, "D"),
        step=Step(1, unit),
        ids=("a", "b", "c"),
        static=static,
        static_names=("size", "same", "age")[: static.shape[1]],
    )


@pytest.mark.parametrize("unit", START)
def test_features_of_a_stretch_are_those_of_the_whole(unit):
    given = panel(unit)
    data = windows.scale(given)
    assert (
        data.features.shape[1]
        == (len(given.static_names) + 1)
        + {
            "h": 4,
            "B": 3,
            "M": 1,
            "W": 2,
        }[unit]
    )
    series, first = np.array([2, 0, 1, 2]), np.array([3, 0, 11, 19])
    found = layouts.features(data.layout, series, first, 9)
    rows = (data.first[series] + first)[:, None] + np.arange(9)
    np.testing.assert_array_equal(found, data.features[rows])
    assert found.dtype == np.float32


@pytest.mark.parametrize("unit", START)
def test_before_the_first_and_after_the_last_value_time_goes_on(unit):
    """Against a panel that has these values, too."""
    given = panel(unit)
    whole = layouts.layout(given)
    stamps = layouts.stamps(whole, [1], [-6], 60)[0]
    assert stamps[6] == calendar.at(given.start[1], given.step, 0)
    assert np.all(np.diff(stamps) > np.timedelta64(0, "s"))
    np.testing.assert_array_equal(
        calendar.position(stamps[0], given.step, stamps), np.arange(60)
    )
    longer = given._replace(start=np.full(3, stamps[0]), values=(np.arange(60.0),) * 3)
    longer = windows.scale(longer).features[60:120]
    found = layouts.features(whole, [1], [-6], 60)[0]
    np.testing.assert_array_equal(found[:, :-1], longer[:, :-1])
    np.testing.assert_allclose(found[:, -1], np.log10(2 + np.arange(-6, 54).clip(0)))


def test_numbers_of_series_become_features_within_half():
    given = panel()
    found = layouts.layout(given)
    told = layouts.features(found, [0, 1, 2], [0, 0, 0], 2)[..., -4:-1]
    expected = np.array([[-0.5, 0, -0.5], [0.5, 0, 0.5], [-1 / 6, 0, 0]], np.float32)
    np.testing.assert_allclose(told, np.stack([expected] * 2, axis=1), atol=1e-6)
    other = layouts.static_features(found, [[6, 4, 5]])
    np.testing.assert_allclose(other, [[0, 0, -0.5]], atol=1e-6)


def test_values_come_back_in_their_units():
    given = panel()
    data = windows.scale(given)
    for i, x in enumerate(given.values):
        scaled = data.values[data.first[i] : data.first[i + 1]]
        assert scaled.min() == 0 and scaled.max() == 1
        back = layouts.to_units(data.layout, [i, i], np.stack([scaled] * 2))
        np.testing.assert_allclose(back, [x, x], rtol=1e-6, atol=1e-5)
        again = layouts.to_scale(data.layout, [i, i], back)
        np.testing.assert_allclose(again, [scaled] * 2, atol=1e-6)


def test_a_layout_is_kept_in_a_file(tmp_path):
    given = layouts.layout(panel("M"))
    about, arrays = layouts.pack(given)
    path = tmp_path / "x.npz"
    bundle.save(path, "layout", 1, about=about, trees={"layout": arrays})
    found = bundle.load(
        path, "layout", 1, lambda x: layouts.unpack(x.about, x.trees["layout"])
    )
    for one, other in zip(found, given, strict=True):
        np.testing.assert_array_equal(one, other)
        assert type(one) is type(other)
    assert found.start.dtype == given.start.dtype


def test_synthetic_values_are_scaled_as_the_real_ones():
    given = panel()
    real = windows.scale(given)
    twice = given._replace(values=tuple(2 * x for x in given.values))
    found = windows.scale(twice, real.layout)
    for i, x in enumerate(twice.values):
        rows = slice(found.first[i], found.first[i + 1])
        expected = (x - real.low[i]) / real.range[i]
        np.testing.assert_allclose(found.values[rows], expected, atol=1e-6)
    constant = given._replace(values=tuple(np.full(30, x.mean()) for x in given.values))
    assert len(windows.scale(constant, real.layout).values) == 90
    with pytest.raises(errors.InputError, match="expected the series a, b, c; found"):
        windows.scale(given._replace(ids=("a", "c", "b")), real.layout)


def test_one_series_is_enough_and_told(caplog):
    given = panel()
    one = given._replace(
        values=given.values[:1],
        ids=("a",),
        start=given.start[:1],
        static=given.static[:1],
    )
    batch = windows.make(windows.scale(one), 8, size=4)(0)
    assert set(batch["series"]) == {0} and "one series only, a" in caplog.text


def test_constant_series_are_told_and_refused_where_all_are(caplog):
    given = panel()
    one = given._replace(values=(np.full(9, 4.0), *given.values[1:]))
    found = windows.scale(one)
    assert "1 series are constant: a" in caplog.text
    assert np.all(found.values[:9] == 0) and found.range[0] == 1 and found.low[0] == 4
    flat = given._replace(values=tuple(np.full(9, float(i)) for i in range(3)))
    with pytest.raises(errors.InputError, match="that vary; found 3 that are constant"):
        windows.scale(flat)
    with pytest.raises(errors.InputError, match="one series at least; found none"):
        windows.scale(given._replace(values=(), ids=()))


def test_cyclic_features_join_the_ends_of_a_day():
    given = panel("h")
    data = windows.scale(given, cyclic=True)
    plain = windows.scale(given)
    wide, few = data.features.shape[1], plain.features.shape[1]
    assert wide == few + 8  # sine and cosine of hour, weekday, day and day of the year
    parts = few - 1 - len(given.static_names)
    np.testing.assert_array_equal(data.features[:, :parts], plain.features[:, :parts])
    stamps = layouts.stamps(data.layout, [0], [0], 20)[0]
    hour = (stamps.astype(np.int64) // 3600) % 24
    angle = 2 * np.pi * hour / 24
    found = data.features[:20, parts : parts + 2]
    np.testing.assert_allclose(found[:, 0], np.sin(angle), atol=1e-6)
    np.testing.assert_allclose(found[:, 1], np.cos(angle), atol=1e-6)
    like = windows.scale(given, data.layout)
    np.testing.assert_array_equal(like.features, data.features)
    assert layouts.unpack(*layouts.pack(data.layout)).cyclic
