"""Time series of users: tables, wide and long, formats of others, and what is refused."""

import gzip
import json

import numpy as np
import pytest

from iclr22 import data, errors
from iclr22.data.series import files
from iclr22.data.series.calendar import Step

HOURS = [f"2024-01-0{1 + i // 24}T{i % 24:02}:00" for i in range(48)]


def table(path, header, rows):
    lines = [",".join(map(str, row)) for row in (header, *rows)]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_wide_and_long_tables_are_one_panel(tmp_path):
    a, b = np.arange(48.0), 100 - np.arange(48.0)
    wide = table(tmp_path / "w.csv", ("when", "a", "b"), zip(HOURS, a, b, strict=True))
    rows = [
        (name, t, v, size)
        for name, x, size in (("a", a, 3), ("b", b, 4))
        for t, v in zip(HOURS, x, strict=True)
    ]
    head = ("id", "time", "value", "size")
    long = table(tmp_path / "l.csv", head, rows)
    for path in (wide, long):
        found = data.load_own_series(path)
        assert found.ids == ("a", "b") and found.step == Step(1, "h")
        np.testing.assert_array_equal(found.values[0], a)
        np.testing.assert_array_equal(found.values[1], b)
        assert str(found.start[0]) == "2024-01-01T00:00:00"
    assert found.static_names == ("size",)
    np.testing.assert_array_equal(found.static, [[3], [4]])


def test_gaps_and_empty_cells_are_missing_values(tmp_path):
    kept = [(t, "" if i == 5 else i) for i, t in enumerate(HOURS) if i not in (9, 10)]
    found = data.load_own_series(table(tmp_path / "w.csv", ("time", "x"), kept))
    missing = np.flatnonzero(np.isnan(found.values[0]))
    np.testing.assert_array_equal(missing, [5, 9, 10])
    assert len(found.values[0]) == 48 and found.values[0][-1] == 47


def test_formats_of_others(tmp_path):
    lines = [
        {"start": "2024-01-01", "target": [1, None, 3], "item_id": "x"},
        {"start": "2024-01-02 06:00", "target": [4, 5, "NaN", 7]},
    ]
    path = tmp_path / "d.jsonl.gz"
    path.write_bytes(gzip.compress("\n".join(map(json.dumps, lines)).encode()))
    found = data.load_own_series(path, step=Step(1, "h"))
    assert found.ids == ("x", "1") and str(found.start[1]) == "2024-01-02T06:00:00"
    np.testing.assert_array_equal(found.values[0], [1, np.nan, 3])
    path = tmp_path / "solar.txt.gz"
    path.write_bytes(gzip.compress(b"1,2\n3,4\n5,6\n"))
    found = data.load_own_series(path, step=Step(10, "min"))
    np.testing.assert_array_equal(found.values, [[1, 3, 5], [2, 4, 6]])
    path = tmp_path / "m4.csv"
    path.write_text('"V1","V2","V3","V4"\n"H1","5","6",""\n"H2","7","8","9"\n')
    found = files.read_m4(path, Step(1, "h"))
    assert found.ids == ("H1", "H2")
    assert [x.tolist() for x in found.values] == [[5, 6], [7, 8, 9]]


def rows(**changed):
    """A table of hours with another cell or time here and there."""
    found = [[t, str(i)] for i, t in enumerate(HOURS)]
    for place, value in changed.items():
        row, column = int(place[1:]), "tv".index(place[0])
        found[row][column] = value
    return found


REFUSED = {
    "runs backwards": (
        rows(t20=HOURS[3]),
        "line 22: .* that rise.*time runs backwards",
    ),
    "repeats": (rows(t20=HOURS[19]), "line 22: .*time repeats"),
    "a word": (rows(v7="many"), "line 9, column x: expected a number.*'many'"),
    "no time": (rows(t7="soon"), "line 9, column time: expected a time.*'soon'"),
    "mixed": (rows(t47="2024-01-02T23:17"), "one frequency; found most 1 h apart"),
    "nothing known": ([[t, ""] for t in HOURS], "expected numbers in series 'x'"),
    "no rows": ([], "a row for every time; found none"),
    "one row": (rows()[:1], "at least two times"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_series_is_refused(case, tmp_path):
    given, message = REFUSED[case]
    path = table(tmp_path / "w.csv", ("time", "x"), given)
    with pytest.raises(errors.InputError, match=message) as caught:
        data.load_own_series(path)
    assert str(path) in str(caught.value) and len(str(caught.value)) < 600


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("x.jsonl", "{}", "line 1: expected an object with start and target"),
        ("x.txt", "1,2\n3\n", "line 2: expected 2 numbers"),
        ("x.txt", "1,two\n", "line 1: expected numbers"),
        ("x.txt", "", "a row for every time"),
        ("x.parquet", "", "expected a file .csv"),
        ("x.csv", "time\n2024-01-01\n", "or one of times and one for each series"),
    ],
)
def test_broken_files_are_refused(name, text, message, tmp_path):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(errors.InputError, match=message):
        data.load_own_series(path, step=Step(1, "h"))


def test_without_a_step_json_lines_are_refused(tmp_path):
    (tmp_path / "x.jsonl").write_text('{"start": "2024-01-01", "target": [1]}')
    with pytest.raises(errors.InputError, match="the step of its values"):
        data.load_own_series(tmp_path / "x.jsonl")


def test_categories_of_json_lines_are_passed_over_and_told(tmp_path, caplog):
    path = tmp_path / "x.jsonl"
    path.write_text('{"start": "2024-01-01", "target": [1, 2], "feat_static_cat": [0]}')
    with caplog.at_level("WARNING", logger="absl"):
        data.load_own_series(path, step=Step(1, "h"))
    assert "feat_static_cat is not read" in caplog.text and str(path) in caplog.text


def test_metadata_of_gluonts_tell_the_step(tmp_path):
    (tmp_path / "metadata").mkdir()
    (tmp_path / "train").mkdir()
    path = tmp_path / "train" / "data.json"
    path.write_text('{"start": "2024-01-01", "target": [1, 2]}')
    told = tmp_path / "metadata" / "metadata.json"
    told.write_text('{"freq": "1H", "prediction_length": 24}')
    assert data.load_own_series(path).step == Step(1, "h")
    told.write_text('{"freq": "fortnight"}')
    with pytest.raises(errors.InputError, match="a step such as 1h.*'fortnight'"):
        data.load_own_series(path)


def test_series_of_several_frequencies_are_refused(tmp_path):
    given = [("a", t, i) for i, t in enumerate(HOURS)]
    given += [("b", t, i) for i, t in enumerate(HOURS[::6])]
    path = table(tmp_path / "l.csv", ("id", "time", "value"), given)
    with pytest.raises(errors.InputError, match="frequency, h; found series 'b' .* 6"):
        data.load_own_series(path)


def test_months_may_be_written_without_days(tmp_path):
    months = [f"{2020 + i // 12}-{1 + i % 12:02}" for i in range(30)]
    given = [(t, i) for i, t in enumerate(months)]
    found = data.load_own_series(table(tmp_path / "m.csv", ("month", "x"), given))
    assert found.step == Step(1, "M") and len(found.values[0]) == 30


def test_numbers_of_a_series_do_not_change(tmp_path):
    given = [("a", t, i, 1 + (i == 30)) for i, t in enumerate(HOURS)]
    path = table(tmp_path / "l.csv", ("id", "time", "value", "size"), given)
    with pytest.raises(errors.InputError, match="line 32, column size: expected 1"):
        data.load_own_series(path)
