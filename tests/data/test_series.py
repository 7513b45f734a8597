"""Time series: steps, calendar, windows."""

import numpy as np
import pytest

from iclr22 import errors
from iclr22.data.series import (
    Panel,
    calendar,
    describe,
    longest_run,
    simulated,
    windows,
)
from iclr22.data.series.calendar import Step

STEPS = [
    Step(1, "s"),
    Step(15, "min"),
    Step(1, "h"),
    Step(6, "h"),
    Step(1, "D"),
    Step(1, "B"),
    Step(1, "W"),
    Step(1, "M"),
    Step(3, "M"),
]


@pytest.mark.parametrize("step", STEPS, ids=str)
@pytest.mark.parametrize("start", ["2024-01-31T00:00:00", "2023-11-08T06:30:00"])
def test_a_step_is_found_again_also_with_gaps(step, start):
    stamps = calendar.times(start, step, 60)
    assert np.all(np.diff(stamps) > np.timedelta64(0, "s"))
    kept = np.delete(stamps, [3, 4, 17, 30])
    assert calendar.detect(kept) == step
    found = calendar.position(stamps[0], step, stamps)
    np.testing.assert_array_equal(found, np.arange(60))
    off = calendar.position(stamps[0], step, stamps[5:] + np.timedelta64(7, "h"))
    assert step.unit in ("s", "min", "h") or np.all(off == -1)


def test_steps_are_read_from_text():
    for step in STEPS:
        assert calendar.parse(str(step)) == step
    told = {"1H": "h", "T": "min", "10T": "10min", "MS": "M", "Q": "3M", "W-SUN": "W"}
    told |= {"1D": "D", "A-DEC": "12M", "2 hours": "2h", "B": "B"}
    for text, step in told.items():
        assert str(calendar.parse(text)) == step
    for text in ("", "m", "0h", "h1", "-1h", "decade"):
        with pytest.raises(
            errors.InputError, match="a step such as 1h, 15min, D, W or M"
        ):
            calendar.parse(text)


def test_months_stay_at_their_ends_and_business_days_leave_out_weekends():
    found = calendar.times("2024-01-31", Step(1, "M"), 4).astype("datetime64[D]")
    assert [str(x) for x in found] == [
        "2024-01-31",
        "2024-02-29",
        "2024-03-31",
        "2024-04-30",
    ]
    days = calendar.times("2024-05-03", Step(1, "B"), 3).astype("datetime64[D]")
    assert [str(x) for x in days] == ["2024-05-03", "2024-05-06", "2024-05-07"]


def test_mixed_frequencies_are_named():
    hours = calendar.times("2024-01-01", Step(1, "h"), 50)
    mixed = np.append(hours, hours[-1] + np.timedelta64(17, "m"))
    with pytest.raises(errors.InputError, match="most 1 h apart, others 17 min"):
        calendar.detect(mixed)
    with pytest.raises(errors.InputError, match="at least two times"):
        calendar.detect(hours[:1])


def test_calendar_features_have_the_values_of_the_sheet():
    hourly = Step(1, "h")
    stamps = ["2023-01-01T00:00:00", "2023-01-01T23:00:00", "2023-12-31T12:00:00"]
    found = calendar.features(np.array(stamps, "M8[s]"), hourly)
    assert found.shape == (3, 4)
    assert found[0, 0] == -0.5 and found[1, 0] == 0.5  # hour
    assert found[0, 1] == 0.5  # 1 January 2023 was a Sunday
    assert (
        found[0, 2] == -0.5 and found[0, 3] == -0.5
    )  # first of the month, of the year
    assert found[2, 2] == 0.5 and found[2, 3] == pytest.approx(364 / 365 - 0.5)
    for unit, width in {"min": 5, "D": 3, "B": 3, "W": 2, "M": 1}.items():
        found = calendar.features(
            calendar.times("2024-01-01", Step(1, unit), 800), Step(1, unit)
        )
        assert found.shape == (800, width)
        assert found.min() >= -0.5 and found.max() <= 0.5
    assert calendar.age(0) == pytest.approx(0.30103)
    assert calendar.age([8, 9])[1] == pytest.approx(np.log10(11))


def panel(*values):
    return Panel(
        values=tuple(np.array(x, float) for x in values),
        start=np.full(len(values), np.datetime64("2024-01-01", "s")),
        step=Step(1, "h"),
        ids=tuple("abcdef"[: len(values)]),
        static=np.zeros((len(values), 0), np.float32),
    )


def test_scaling_is_of_each_series_and_comes_back():
    given = panel([2, 4, np.nan, 6], [5, 5, 5])
    data = windows.scale(given)
    np.testing.assert_allclose(data.values, [0, 0.5, 0, 1, 0, 0, 0])
    np.testing.assert_array_equal(data.known, [True, True, False, True] + 3 * [True])
    back = data.low[0] + data.range[0] * data.values[[0, 1, 3]]
    np.testing.assert_allclose(back, [2, 4, 6])
    with pytest.raises(errors.InputError, match="series 'b': expected values"):
        windows.scale(panel([1, 2], [np.nan, np.nan]))


def test_windows_are_those_of_their_series_and_context():
    data = windows.scale(panel(np.arange(30), 100 + np.arange(50) ** 2, np.arange(5)))
    batches = windows.make(data, 8, context=4, size=64, seed=3)
    batch = batches(7)
    assert batch["values"].shape == (64, 8) and batch["context"].shape == (64, 4)
    assert set(batch["series"]) == {0, 1}  # the third is too short
    series, first = batches.places(7)
    for i in range(64):
        whole = data.values[data.first[series[i]] : data.first[series[i] + 1]]
        begin = first[i]
        assert begin >= 4
        np.testing.assert_array_equal(batch["values"][i], whole[begin : begin + 8])
        np.testing.assert_array_equal(batch["context"][i], whole[begin - 4 : begin])
        assert batch["features"][i, 0, -1] == pytest.approx(np.log10(2 + begin))
    np.testing.assert_array_equal(batches(7)["values"], batch["values"])
    assert not np.array_equal(batches(8)["values"], batch["values"])
    halves = [batches._replace(part=(i, 2))(7)["values"] for i in range(2)]
    np.testing.assert_array_equal(np.concatenate(halves), batch["values"])


def test_windows_with_too_little_known_are_left_out():
    values = np.arange(40.0)
    values[10:30] = np.nan
    data = windows.scale(panel(values))
    begins = windows.make(data, 10, least=0.8).begins[0]
    expected = [i for i in range(31) if np.mean(~np.isnan(values[i : i + 10])) >= 0.8]
    np.testing.assert_array_equal(begins, expected)
    with pytest.raises(errors.InputError, match="at least 41 values"):
        windows.make(data, 41)


def test_series_that_are_too_short_are_told(caplog):
    data = windows.scale(panel(np.arange(30), np.arange(7), np.arange(5)))
    assert [len(x) for x in windows.make(data, 8).begins] == [23, 0, 0]
    assert "2 of 3 series are left out: they are shorter than 8 values" in caplog.text
    assert "b, c" in caplog.text


def test_generated_panels_have_their_cycles():
    found = simulated.loads(1, series=3, days=28)
    told = describe(found)
    assert told["series"] == 3 and told["missing"] == 0 and told["shortest"] == 672
    for values in found.values:
        profile = values.reshape(28, 24)
        across = np.corrcoef(profile[:14].mean(0), profile[14:].mean(0))[0, 1]
        assert across > 0.95
        assert profile[[5, 6, 12, 13]].mean() < profile[[0, 1, 2, 3]].mean()
    for values in simulated.sines(1, series=3).values:
        centred = values - values.mean()
        again = np.corrcoef(centred[:-24], centred[24:])[0, 1]
        assert again > 0.99


def test_the_longest_gap_is_counted():
    mask = np.array([True, False, True, True, True, False, True])
    assert longest_run(mask) == 3 and longest_run(~mask) == 1
    assert longest_run(np.zeros(4, bool)) == 0
