"""Names that users give: drawn, printed and written as they are, and run by nobody."""

import csv
import warnings

import pytest

from iclr22 import plots, record, report
from iclr22.data import tables

ODD = ["$10 - 50% of $20", r"$\frac$", "_hidden", "a\\b", "<b>&", "= 1", "{x}", "$"]


def rows(name="a", variant="b"):
    return [
        record.Result("toy", name, variant, "", seed, "test/error", 1.5 + seed, "2.0")
        for seed in (0, 1)
    ]


@pytest.mark.parametrize("name", ODD)
def test_names_are_no_formulas_in_figures(name, tmp_path):
    with plots.figure(tmp_path / "x.png") as axis:
        axis.plot([1, 2], [1, 1000], label=f"is {name}")
        axis.set(title=name, xlabel=name, yscale="log")
        axis.set_xticks([1, 2], [name, name])
        axis.legend()
    ticks = [x.get_text() for x in axis.get_yticklabels()]
    assert ticks and not any("$" in x for x in ticks)
    assert any(x in ("100", "1e+02") for x in ticks)
    assert axis.get_title() == name
    assert (tmp_path / "x.png").stat().st_size > 1000


def test_results_with_odd_names_come_back_and_are_drawn(tmp_path):
    found = [row for name in ODD for row in rows(name, name)]
    record.write_results(tmp_path / "results.csv", found)
    assert record.read_results(tmp_path / "results.csv") == found
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plots.dots(tmp_path / "x.png", record.summarise(found), ["test/error"])


FORMULAS = ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\tx", "'=1", "''=1"]
PLAIN = ["a=1", "-1.5", "+49", "1e-3", "'quoted'", "", "ünïcode", "-inf", 7, -0.5]


@pytest.mark.parametrize("cell", FORMULAS + PLAIN)
def test_a_spreadsheet_runs_no_cell(cell, tmp_path):
    record.write_csv(tmp_path / "x.csv", ["id"], [[cell]])
    with open(tmp_path / "x.csv", newline="", encoding="utf-8") as file:
        written = list(csv.reader(file))[1:]
    (text,) = written[0] if written[0] else [""]
    assert text == (f"'{cell}" if cell in FORMULAS else str(cell))
    assert record.plain_cell(text) == str(cell)
    assert tables.strip([f" {text}"]) == [str(cell).strip()]


def test_names_of_files_that_are_not_unicode(tmp_path):
    name = "caf\udce9"  # as Python has a byte that is not UTF-8
    record.write_results(tmp_path / "results.csv", rows(name))
    assert "caf\\udce9" in (tmp_path / "results.csv").read_text()
    facts = {"command": f"--dataset={name}.npz"}
    path = tmp_path / "report.html"
    report.write(path, title=name, summary="", rows=rows(), figures={}, facts=facts)
    assert "caf\\udce9.npz" in path.read_text()
