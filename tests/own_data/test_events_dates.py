"""Timestamps of own logs: which kind they are is found, said, and the same in all rows."""

import datetime

import numpy as np
import pytest

from iclr22 import data, errors
from iclr22.data.events import times

DAY = datetime.datetime(2024, 2, 28, 22, 30, 15, tzinfo=datetime.UTC)
MOMENTS = [DAY + datetime.timedelta(days=9 * i, hours=5 * i) for i in range(6)]
SECONDS = np.array([moment.timestamp() for moment in MOMENTS])
DATES = np.floor(SECONDS / 86400) * 86400


def load(folder, stamps, **options):
    path = folder / "events.csv"
    rows = [f"u{i % 2},i{i % 3},{x}\n" for i, x in enumerate(stamps)]
    path.write_text("user,item,timestamp\n" + "".join(rows), encoding="utf-8")
    return data.load_own_events(path, **options)


def spelled(form):
    return [moment.strftime(form) for moment in MOMENTS]


def counted(unit, start=SECONDS):
    return [f"{round(x / times.UNITS[unit])}" for x in start]


@pytest.mark.parametrize(
    ("stamps", "expected", "words"),
    [
        pytest.param(spelled("%Y%m%d"), DATES, "dates YYYYMMDD", id="YYYYMMDD"),
        pytest.param(
            [f"{x}.0" for x in spelled("%Y%m%d")], DATES, "YYYYMMDD", id="as floats"
        ),
        pytest.param(
            spelled("%Y%m%d%H%M"), SECONDS - 15, "YYYYMMDDhhmm", id="YYYYMMDDhhmm"
        ),
        pytest.param(
            spelled("%Y%m%d%H%M%S"), SECONDS, "YYYYMMDDhhmmss", id="YYYYMMDDhhmmss"
        ),
        pytest.param(counted("s"), SECONDS, "seconds since 1970", id="s"),
        pytest.param(counted("ms"), SECONDS, "milliseconds since 1970", id="ms"),
        pytest.param(counted("us"), SECONDS, "microseconds since 1970", id="us"),
        pytest.param(counted("ns"), SECONDS, "nanoseconds since 1970", id="ns"),
        pytest.param(
            [f"{x:.7e}" for x in SECONDS * 1e3], SECONDS, "milliseconds", id="1.7e12"
        ),
        pytest.param(spelled("%Y-%m-%d"), DATES, "dates", id="ISO date"),
        pytest.param(spelled("%Y-%m-%dT%H:%M:%SZ"), SECONDS, "dates", id="ISO time"),
        pytest.param(
            [spelled("%Y-%m-%d")[0], *spelled("%Y%m%d")[1:]],
            DATES,
            "dates",
            id="both kinds of dates",
        ),
        pytest.param(
            [0, 1, *np.linspace(4e7, 6e8, 4)],
            np.array([0, 1, *np.linspace(4e7, 6e8, 4)]),
            "seconds",
            id="20 years from 0",
        ),
        pytest.param(range(6), np.arange(6), "seconds: 5.787e-05 d", id="from 0"),
    ],
)
def test_kinds_are_found_and_said(tmp_path, caplog, stamps, expected, words):
    with caplog.at_level("INFO", logger="absl"):
        found = load(tmp_path, stamps)
    np.testing.assert_allclose(np.sort(found.time), expected, rtol=1e-7)
    np.testing.assert_allclose(
        np.sort(found.time) - expected[0], expected - expected[0], atol=150
    )
    assert words in caplog.text and "name their unit" in caplog.text


@pytest.mark.parametrize("unit", times.UNITS)
def test_units_can_be_named(tmp_path, unit):
    found = load(tmp_path, [1, 2, 40], unit=unit)
    np.testing.assert_allclose(
        np.sort(found.time), np.array([1, 2, 40]) * times.UNITS[unit]
    )


@pytest.mark.parametrize("kind", times.WRITTEN)
def test_named_dates_are_dates(tmp_path, kind):
    stamp = "20240229123000"[: len(kind)]
    (found,) = load(tmp_path, [stamp], unit=kind).time
    date = datetime.datetime(2024, 2, 29, tzinfo=datetime.UTC).timestamp()
    assert found == date + (0 if kind == "YYYYMMDD" else 12.5 * 3600)
    with pytest.raises(errors.InputError, match=f"line 3, .*a date {kind}"):
        load(tmp_path, [stamp, "17"], unit=kind)


@pytest.mark.parametrize(
    ("stamps", "place", "words"),
    [
        (counted("s"), counted("ms")[0], "seconds, as in most rows"),
        (counted("ms"), counted("s")[0], "milliseconds, as in most rows"),
        (counted("us"), counted("ns")[0], "microseconds, as in most rows"),
        (counted("ns"), counted("us")[0], "nanoseconds, as in most rows"),
        (counted("s"), "0", "seconds, as in most rows"),
        (counted("s"), "-1", "seconds, as in most rows"),
        (counted("s"), "20240301", "seconds, as in most rows"),
        (spelled("%Y%m%d"), "20240230", "a date YYYYMMDD, as in most rows"),
        (spelled("%Y%m%d"), "20241301", "a date YYYYMMDD, as in most rows"),
        (spelled("%Y%m%d"), "1709200000", "a date YYYYMMDD, as in most rows"),
        (spelled("%Y%m%d%H%M%S"), "20240301256100", "a date YYYYMMDDhhmmss"),
        (counted("s"), "2024-03-01", "a finite number"),
        (spelled("%Y-%m-%d"), "1709200000", "a date such as"),
        (spelled("%Y-%m-%d"), "1212121600000", "a date such as"),
    ],
)
def test_a_row_of_another_kind_is_named(tmp_path, stamps, place, words):
    mixed = [*stamps[:4], place, *stamps[4:]]
    with pytest.raises(errors.InputError, match=f"line 6, column timestamp.*{words}"):
        load(tmp_path, mixed)


@pytest.mark.parametrize(("unit", "other"), [("s", "ms"), ("ms", "s"), ("ms", "us")])
def test_a_named_unit_is_checked_as_well(tmp_path, unit, other):
    mixed = [*counted(unit), counted(other)[0]]
    with pytest.raises(errors.InputError, match="line 8, column timestamp"):
        load(tmp_path, mixed, unit=unit)


def test_an_unknown_unit_names_all(tmp_path):
    with pytest.raises(errors.InputError, match="Did you mean .*'us'"):
        load(tmp_path, [1], unit="µs")
