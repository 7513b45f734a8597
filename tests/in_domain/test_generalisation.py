"""The report on how far a model generalises, and its figures."""

import json
import re

import factor_helpers
import numpy as np
import pytest

from iclr22 import errors
from iclr22.data.factors import Factor, Grid
from iclr22.in_domain import (
    certificate,
    certificate_figures,
    evaluating,
    figures,
    generalisation,
    oracles,
    splits,
)

GRID = Grid(
    (
        Factor("shape", ("a <b>", "c | d", "e"), "categorical"),
        *factor_helpers.small_grid(size=6, x=12).factors,
    )
)


def reported(split, error=0.0):
    """Report of a model that stays in its range, and misreads the last factor by `error`."""
    train, test = splits.make_split(GRID, split)
    numbers = GRID.numbers(test)
    found = oracles.clamp(numbers, GRID, splits.held_out(GRID, train))
    found[:, 2] += error * np.where(np.arange(len(found)) % 2, 1, -1)
    return evaluating.analysed(found, GRID, train, test, split=split)


def certified():
    train, _ = splits.make_split(GRID, "extrapolation")
    numbers, inside = certificate.audit(GRID, train, 3000)
    held = splits.held_out(GRID, train)
    found = oracles.clamp(numbers, GRID, held)
    found += 0.01 * np.random.default_rng(0).normal(size=found.shape)
    codes = certificate.parts(inside)
    return certificate.certify(found, numbers, GRID, codes, held)


def test_verdicts_say_on_which_splits_a_factor_is_read():
    found = generalisation.verdicts(
        {"random": reported("random"), "extrapolation": reported("extrapolation", 0.05)}
    )
    assert found["shape"] == "is read on every split, R2 1.00 or more"
    assert "like those of training (R2 1.00), less on extrapol" in found["size"]
    assert "clamp oracle" not in found["size"]  # it is the clamp oracle
    assert found["x"].endswith("on extrapolation it does not reach the clamp oracle")
    bad = generalisation.verdicts({"random": reported("random", 0.4)})
    assert bad["x"].startswith(
        "is not read, even on images like those of training: R2 -"
    )
    alone = generalisation.verdicts({"any_low": reported("any_low")})
    assert alone["x"] == "R2 1.00 on any low; there is no random split to compare with"


def test_the_page_holds_everything(tmp_path):
    reports = {"random": reported("random"), "extrapolation": reported("extrapolation")}
    found = certified()
    page = generalisation.write(
        tmp_path / "report",
        reports,
        certificate=found,
        images={"extrapolation": lambda rows: np.full((len(rows), 4, 4, 3), 0.5)},
        facts={"model": "clamp <oracle>"},
    )
    text = page.read_text()
    assert "clamp &lt;oracle&gt;" in text and "<oracle>" not in text
    assert not re.findall(r'(?:src|href)="(?!data:)', text)
    for band in found.bands:
        assert band.verdict.split(":")[0] in text or "a &lt;b&gt;" in text
    pictures = sorted(x.name for x in page.parent.glob("*.png"))
    assert text.count("<img") == len(pictures) == 9
    assert all((page.parent / x).stat().st_size > 2000 for x in pictures)
    plain = page.with_suffix(".md").read_text()
    assert set(re.findall(r"\]\((.*?)\)", plain)) == set(pictures)
    score = reports["extrapolation"].scores["rsquared"]
    assert f"{score:.3f}" in plain and f"{score:.3f}" in text
    about = json.loads((page.parent / "certificate.json").read_text())
    assert about["factors"][1]["inside"]["numbers"][-1] < 5


def test_reports_of_one_grid_are_needed():
    with pytest.raises(errors.InputError, match="found none"):
        generalisation.verdicts({})
    one = reported("random")
    other = one._replace(grid=factor_helpers.small_grid(a=2))
    with pytest.raises(errors.InputError, match="of one grid"):
        generalisation.verdicts({"a": one, "b": other})


def test_figures_of_models_are_drawn_whatever_is_missing(tmp_path):
    table = {
        "cnn": {"random": [0.99, 0.98], "any_low": [-3.0, -0.2]},
        "soft_argmax": {"random": [0.999999]},
    }
    path = tmp_path / "certificate.png"
    certificate_figures.picture(path, certified(), GRID)
    assert path.stat().st_size > 20_000
    for draw in (figures.heat_map, figures.main_plot, figures.ranks):
        path = tmp_path / f"{draw.__name__}.png"
        draw(path, table)
        assert path.stat().st_size > 5000
    assert figures.rank_of(table, "random") == {"soft_argmax": 1, "cnn": 2}
    assert figures.rank_of(table, "any_low") == {"cnn": 1}
