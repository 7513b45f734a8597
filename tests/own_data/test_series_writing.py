"""Generated panels come back in the user's own format, within bounds."""

import csv
import gzip
import json

import numpy as np
import pytest

from iclr22 import data, errors
from iclr22.data.series import calendar, formats
from iclr22.data.series.calendar import Step
from iclr22.data.series.writing import constrain, write_own

DATES = {  # first time of a file and its step
    "2024-03": Step(1, "M"),
    "2024-03-30": Step(1, "D"),
    "20240330": Step(1, "D"),
    "2024-03-30T22": Step(1, "h"),
    "2024-03-30T22:00": Step(1, "h"),
    "2024-03-30 22:00": Step(1, "h"),
    "2024-03-30 22:00:00": Step(6, "h"),
    "2024-03-30T22:00:30": Step(15, "s"),
    "20240330T2200": Step(15, "min"),
    "2024-03-30T22:00Z": Step(1, "h"),
    "2024-03-30 22:00:00+00:00": Step(1, "h"),
}


def dates(first, step, count):
    """As a file that begins with this one writes them."""
    pattern = formats._pattern([first])
    start = calendar.at(np.datetime64(formats.moment(first)), step, np.arange(count))
    return [x.strftime(pattern) for x in start.tolist()]


def same_panel(a, b):
    assert a.ids == b.ids and a.step == b.step and a.static_names == b.static_names
    np.testing.assert_array_equal(a.static, b.static)
    np.testing.assert_array_equal(a.start, b.start)
    for one, other in zip(a.values, b.values, strict=True):
        np.testing.assert_array_equal(one, other)


def rewritten(path):
    """The panel of a file, and a file that it is written to in the same format."""
    panel = data.load_own_series(path, step=steps.get(path.name))
    again = path.with_name(f"again_{path.name}")
    write_own(again, panel, like=path)
    found = data.load_own_series(again, step=steps.get(path.name))
    same_panel(found, panel)
    return again


steps = {"x.txt": Step(1, "h"), "x.jsonl": Step(1, "h"), "x.json.gz": Step(1, "D")}


@pytest.mark.parametrize("first", DATES)
def test_wide_tables_come_back_letter_for_letter(first, tmp_path):
    when = dates(first, DATES[first], 30)
    assert when[0] == first
    rows = ["when,load,price,few"]
    rows += [f"{t},{100 + i},{i / 8:.3f},{i % 3}.5" for i, t in enumerate(when)]
    rows[4] = rows[4].replace(",103,", ",NaN,")
    path = tmp_path / "x.csv"
    path.write_text("\n".join(rows) + "\n")
    assert rewritten(path).read_text() == path.read_text()


@pytest.mark.parametrize("by_time", [False, True])
def test_long_tables_keep_columns_numbers_and_order(by_time, tmp_path):
    when = dates("2024-03-30 22:00", Step(1, "h"), 20)
    sizes = {"shop 2": (3, 0.25), "shop 1": (40, 1.5)}
    rows = [
        (t, *size, name, f"{i / 10 + len(name):.1f}")
        for name, size in sizes.items()
        for i, t in enumerate(when)
    ]
    if by_time:
        rows.sort(key=lambda row: row[0])
    path = tmp_path / "x.csv"
    with open(path, "w", newline="") as stream:
        header = ("time", "size", "share", "id", "value")
        csv.writer(stream, lineterminator="\n").writerows([header, *rows])
    panel = data.load_own_series(path)
    assert panel.static_names == ("size", "share")  # several numbers of a series
    np.testing.assert_array_equal(panel.static, [[3, 0.25], [40, 1.5]])
    assert rewritten(path).read_text() == path.read_text()
    assert formats.read_format(path).by_time == by_time


def test_json_lines_come_back(tmp_path):
    lines = [
        '{"start": "2024-01-01 00:00", "target": [1, null, 3], "item_id": "b", '
        '"feat_static_real": [0.5, 2]}\n',
        '{"start": "2024-01-02 06:00", "target": [4.25, 5.00], "item_id": "a", '
        '"feat_static_real": [1, 3]}\n',
    ]
    path = tmp_path / "x.jsonl"
    path.write_text("".join(lines))
    assert rewritten(path).read_text() == path.read_text()
    path = tmp_path / "x.json.gz"
    text = '{"start": "2024-01-01", "target": [1, "NaN", 3]}\n'
    path.write_bytes(gzip.compress(text.encode()))
    assert gzip.decompress(rewritten(path).read_bytes()).decode() == text


def test_tables_of_lstnet_come_back(tmp_path):
    path = tmp_path / "x.txt"
    path.write_text("1.5,2\n3.0,4\n5.5,6\n")
    assert rewritten(path).read_text() == path.read_text()
    panel = data.load_own_series(path, step=Step(1, "h"))
    short = panel._replace(values=(panel.values[0], panel.values[1][:2]))
    with pytest.raises(errors.InputError, match="series of one length without missing"):
        write_own(tmp_path / "y.txt", short, like=path)


def test_generated_values_have_the_decimals_of_their_series(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("t,count,share\n2024-01-01,3,0.25\n2024-01-02,12,1e-3\n")
    panel = data.load_own_series(path)
    values = (np.array([2.6, -0.4, np.nan]), np.array([0.1, 1 / 3, 2e-7]))
    form = formats.read_format(path)
    write_own(tmp_path / "y.csv", panel._replace(values=values), like=form)
    rows = list(csv.reader((tmp_path / "y.csv").open()))
    assert [row[1] for row in rows[1:]] == ["3", "0", ""]
    assert [float(row[2]) for row in rows[1:]] == [0.1, 1 / 3, 2e-7]
    json.dumps(form._asdict())  # it is kept with a model


def test_new_series_and_times_are_written_too(tmp_path):
    """What is generated may be longer, have hours where dates were days, and new ids."""
    path = tmp_path / "x.csv"
    path.write_text("day,b,a\n2024-01-01,1,2.5\n2024-01-02,3,4.5\n")
    panel = data.load_own_series(path)
    more = panel._replace(
        ids=("a", "new", "b"),
        values=(np.arange(4.0), np.array([7.26]), np.arange(3.0)),
        start=np.array(["2024-01-01T06", "2024-01-02T06", "2024-01-01T06"], "M8[s]"),
        static=np.zeros((3, 0), np.float32),
    )
    write_own(tmp_path / "y.csv", more, like=path)
    assert (tmp_path / "y.csv").read_text().splitlines() == [
        "day,b,a,new",
        "2024-01-01T06:00:00,0,0.0,",
        "2024-01-02T06:00:00,1,1.0,7.3",
        "2024-01-03T06:00:00,2,2.0,",
        "2024-01-04T06:00:00,,3.0,",
    ]
    apart = more._replace(start=more.start + np.array([0, 3600, 0], "m8[s]"))
    with pytest.raises(errors.InputError, match="whole steps of D apart.*'new'"):
        write_own(tmp_path / "y.csv", apart, like=path)


def test_constraints_hold():
    random = np.random.default_rng(0)
    values = random.normal(0, 5, (50, 4))
    values[3, 2] = np.nan
    found = constrain(values, low=-1, high=2.5)
    np.testing.assert_array_equal(found, np.clip(values, -1, 2.5))
    found = constrain(values, low=0.2, high=[1.0, 2.5, 3, 9], integer=True)
    assert np.isnan(found[3, 2]) and np.nanmin(found) == 1
    np.testing.assert_array_equal(np.nanmax(found, axis=0)[:3], [1, 2, 3])
    np.testing.assert_array_equal(constrain([0.5, 1.5, 2.5], integer=True), [0, 2, 2])
    np.testing.assert_array_equal(constrain([1.25, -7]), [1.25, -7])
    with pytest.raises(errors.InputError, match="a number between them; found 2 and 1"):
        constrain(values, low=2, high=1)
    with pytest.raises(errors.InputError, match="a whole number between"):
        constrain(values, low=0.2, high=0.8, integer=True)
