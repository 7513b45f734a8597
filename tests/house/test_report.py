"""The page stands alone and says what was measured; figures are readable images."""

import html.parser
import math
import re
import sys
import warnings

import numpy as np
import pytest

from iclr22 import errors, plots, record, report

ROWS = [
    record.Result("m", "digits", "ours", "cnn", seed, "test/error", value, "12.5")
    for seed, value in enumerate((1.0, 2.0, 4.5))
]
POINTS = [
    record.Result("m", "digits", "ours", f"cnn/size={n}", 0, "test/error", 100 / n)
    for n in (7, 13)
]
FACTS = {"command": "python -m x --a=<1>", "seeds": [0, 1, 2], "jax": "0.10"}


class Page(html.parser.HTMLParser):
    """Tags with their attributes, and the visible text within each kind of tag."""

    def __init__(self, path):
        super().__init__()
        self.tags, self.open, self.texts = [], [], {}
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in ("br", "meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        for tag in self.open:
            self.texts[tag] = self.texts.get(tag, "") + data


@pytest.fixture
def figure(tmp_path):
    path = tmp_path / "figures" / "a.png"
    with plots.figure(path) as axis:
        axis.plot([1, 2])
    return path


def write(folder, figure, *, rows=(), **changes):
    options = {
        "title": "m on digits",
        "summary": "First.\n\nSecond.",
        "rows": [*ROWS, *POINTS, *rows],
        "figures": {str(figure): "A line."},
        "facts": FACTS,
    }
    return report.write(folder / "report.html", **options | changes)


def test_page_refers_to_nothing_outside(tmp_path, figure):
    path = write(tmp_path, figure)
    page = Page(path)
    assert not page.open
    links = [
        value
        for _, attributes in page.tags
        for name, value in attributes.items()
        if name in ("src", "href", "srcset", "action", "data", "poster")
    ]
    assert links and all(x.startswith("data:image/png;base64,") for x in links)
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"https?://|@import|url\(|<script|<link|<iframe", text)
    figure.unlink()  # the page keeps its own copy


def test_page_holds_numbers_and_published_values(tmp_path, figure):
    page = Page(write(tmp_path, figure))
    interval = 4.302653 * np.std([1, 2, 4.5], ddof=1) / math.sqrt(3)
    assert f"2.50 ± {interval:.2f}published 12.5" in page.texts["table"]
    assert "up to 3 seeds" in page.texts["body"]
    assert "First." in page.texts["p"] and "Second." in page.texts["p"]
    assert "A line." in page.texts["figcaption"]
    for key, value in FACTS.items():
        assert key in page.texts["table"] and str(value) in page.texts["code"]


def test_page_folds_points_of_curves(tmp_path, figure):
    page = Page(write(tmp_path, figure))
    folded = page.texts["details"]
    for n in (7, 13):
        assert f"size={n}" in folded and f"{100 / n:.2f}" in folded
        assert page.texts["body"].count(f"size={n}") == 1
    assert "2.50" not in folded
    assert "<details>" not in report.results_table(ROWS)


@pytest.mark.parametrize(
    "place",
    ["title", "summary", "dataset", "variant", "setting", "metric", "published"],
)
def test_page_escapes_markup(tmp_path, figure, place):
    wild = "<b onclick=x>&\"'"
    if place in ("title", "summary"):
        page = Page(write(tmp_path, figure, **{place: wild}))
    else:
        row = ROWS[0]._replace(**{place: wild})
        page = Page(write(tmp_path, figure, rows=[row]))
    assert "b" not in dict(page.tags)
    assert wild in page.texts["html"]


def test_page_escapes_captions_and_facts(tmp_path, figure):
    wild = "<b onclick=x>&\"'"
    page = Page(write(tmp_path, figure, figures={figure: wild}, facts={wild: wild}))
    assert "b" not in dict(page.tags)
    assert dict(page.tags)["img"]["alt"] == wild
    assert page.texts["figcaption"] == wild and page.texts["code"] == wild


def test_page_without_results_is_a_page(tmp_path):
    path = report.write(
        tmp_path / "a.html", title="t", summary="", rows=[], figures={}, facts={}
    )
    assert not Page(path).open


@pytest.mark.parametrize(
    ("mean", "interval", "text"),
    [
        (0.91234, 0.0123, "0.912 ± 0.012"),
        (12.345, math.nan, "12.35"),
        (-3.0, 0.5, "-3.00 ± 0.50"),
    ],
)
def test_number_has_digits_that_fit(mean, interval, text):
    assert report.number(mean + 1e-9, interval) == text


def image(path):
    """Pixels of a PNG; it must not be one colour."""
    from matplotlib import image

    assert path.read_bytes().startswith(b"\x89PNG")
    pixels = image.imread(path)
    assert pixels.min() < pixels.max()
    return pixels


def test_figure_saves_a_readable_png(figure):
    height, width = image(figure).shape[:2]
    assert (width, height) == (650, 416)  # 5 x 3.2 inches at 130 dots
    assert [x.name for x in figure.parent.iterdir()] == ["a.png"]


def test_figure_that_fails_leaves_nothing(tmp_path):
    from matplotlib import pyplot

    with pytest.raises(ZeroDivisionError), plots.figure(tmp_path / "a.png"):
        raise ZeroDivisionError
    assert not list(tmp_path.iterdir()) and not pyplot.get_fignums()


@pytest.mark.parametrize("metrics", [["test/error"], ["test/other", "test/error"]])
def test_dots_saves_a_panel_per_metric(tmp_path, metrics):
    rows = [*ROWS, ROWS[0]._replace(variant="theirs", setting="b", published="")]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        path = plots.dots(tmp_path / "a.png", record.summarise(rows), metrics)
    assert image(path).shape[1] == 702 * len(metrics)


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("0.9", (0.9, 0.9)),
        ("0.68-0.92", (0.68, 0.92)),
        ("-0.5", (-0.5, -0.5)),
        ("1e-3", (1e-3, 1e-3)),
        ("-2--1", (-2, -1)),
        ("1e-3-0.02", (1e-3, 0.02)),
        ("", None),
        ("not given", None),
    ],
)
def test_published_range_is_read(text, span):
    assert plots.published_range(text) == span


def test_missing_matplotlib_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with (
        pytest.raises(errors.InputError, match="pip install 'iclr22.plot.'"),
        plots.figure(tmp_path / "a.png"),
    ):
        pass
    assert not list(tmp_path.iterdir())
