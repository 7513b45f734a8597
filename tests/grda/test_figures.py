"""Figures of GRDA are written, show the numbers given, and cope with odd data."""

import contextlib
import warnings

import numpy as np
import pytest

import iclr22.data
from iclr22 import errors, graph, plots
from iclr22.data import domains
from iclr22.grda import figures


@pytest.fixture(autouse=True)
def strict():
    """Warnings of any origin fail a test: a figure must be drawn in silence."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        warnings.simplefilter("error", RuntimeWarning)
        yield


@pytest.fixture(autouse=True)
def drawn(monkeypatch):
    """Axes of the figures that a test draws, in order."""
    found, original = [], plots.figure

    @contextlib.contextmanager
    def figure(*args, **options):
        with original(*args, **options) as axes:
            found.extend(np.ravel(axes))
            yield axes

    monkeypatch.setattr(plots, "figure", figure)
    return found


@pytest.fixture
def path(tmp_path):
    yield tmp_path / "figures" / "a.png"
    assert (tmp_path / "figures" / "a.png").read_bytes().startswith(b"\x89PNG")


@pytest.fixture(scope="module")
def dg15():
    return iclr22.data.get("dg15").load()


def tiny(edges=(), n=2, positions=0, classes=1):
    """`n` domains with awkward names, the first a source, at most `classes` classes."""
    rng = np.random.default_rng(0)
    ends = np.array(edges, int).reshape(-1, 2).T
    return domains.DomainData(
        x=rng.normal(size=(6 * n, 2)).astype(np.float32),
        y=(np.arange(6 * n) % (classes + 1) - 1).astype(np.int32),
        domain=np.repeat(np.arange(n), 6).astype(np.int32),
        graph=graph.build(np.zeros((n, positions), np.float32), *ends),
        sources=np.arange(n) == 0,
        class_names=tuple("_$abc"[:classes]),
        domain_names=np.array(["$a_$", "_b$"] + [f"long name {i}" for i in range(n)])[
            :n
        ],
    )


ODD = {
    "no edges": tiny(),
    "two": tiny([(0, 1)]),
    "one place": tiny([(0, 1)], positions=2),
    "parts": tiny([(0, 1), (2, 3), (3, 4)], n=6),
    "star": tiny([(0, i) for i in range(1, 5)], n=5),
    "many": tiny([(i, i + 1) for i in range(59)], n=60, classes=3),
}
odd = pytest.mark.parametrize("data", ODD.values(), ids=ODD)


def one_class(x, domain):
    return np.ones((len(x), 1))


def texts(axis):
    return [x.get_text() for x in axis.texts]


def offsets(axis):
    return np.concatenate([x.get_offsets() for x in axis.collections[1:]])


def test_graph_has_a_panel_per_variant(path, drawn, dg15):
    values = {f"v{i}": np.linspace(0, 100, 15) for i in range(5)}
    values["v1"] = np.where(np.arange(15) == 9, np.nan, values["v1"])
    assert figures.accuracy_on_graph(path, dg15, values) is None
    assert len(drawn) == 8  # two rows of at most four
    assert [x.get_title() for x in drawn[:6]] == [*values, ""]
    lines, targets, sources = drawn[1].collections
    assert len(lines.get_segments()) == 56
    assert len(sources.get_offsets()) == 6 and sources.get_clim() == (0, 100)
    np.testing.assert_array_equal(
        np.ma.filled(targets.get_array(), np.nan), values["v1"][~dg15.sources]
    )
    assert sorted(texts(drawn[1]), key=int) == list(dg15.domain_names)
    assert "no value" in [x.get_text() for x in drawn[4].get_legend().get_texts()]
    (bar,) = drawn[3].child_axes
    assert bar.get_ylabel() == "accuracy [%]" and not drawn[0].child_axes


def test_graph_is_drawn_where_it_lies_without_overlaps(path, drawn, dg15):
    figures.accuracy_on_graph(path, dg15, {"a": np.zeros(15)})
    order = np.argsort(dg15.sources, kind="stable")  # targets are drawn first
    given, shown = np.asarray(dg15.graph.nodes)[order], offsets(drawn[0])
    span = np.ptp(given, axis=0).max()
    assert np.abs(shown - given).max() < 0.15 * span
    apart = np.linalg.norm(shown[:, None] - shown, axis=2) + span * np.eye(15)
    assert apart.min() > 0.04 * span


def test_errors_scale_to_the_largest(path, drawn):
    data = tiny([(0, 1), (1, 2)], n=3)
    values = {"a": np.array([1, np.nan, 7.5]), "b": np.array([0.5, 2, np.inf])}
    figures.accuracy_on_graph(path, data, values, label="MSE", high=None)
    assert drawn[0].collections[-1].get_clim() == (0, 7.5)
    assert drawn[1].child_axes[0].get_ylabel() == "MSE"


@odd
def test_graph_copes_with_odd_data(path, drawn, data):
    figures.accuracy_on_graph(path, data, {"_$x$": np.full(data.size, np.nan)})
    shown = offsets(drawn[0])
    assert np.isfinite(shown).all() and len(np.unique(shown, axis=0)) == data.size
    if data.size > 50:
        assert not texts(drawn[0])
    else:
        assert texts(drawn[0])[:2] == [r"$a_$", r" _b$"]


def test_hops_are_means_over_targets(path, drawn):
    hops = np.array([0, 1, 1, 2, 2, 3, -1])
    values = {
        "a": np.array([100, 1, 3, 5, np.nan, np.nan, 8]),
        "_b$": np.full(7, np.nan),
        "c": np.arange(7),
    }
    figures.score_by_hops(path, hops, values, label="MSE [$]")
    (axis,) = drawn
    a, _, c = axis.containers
    for shown, means in ((a, [2, 5, np.nan, 8]), (c, [1.5, 3.5, 5, 6])):
        np.testing.assert_array_equal(
            np.array(shown.lines[0].get_ydata(), float), means
        )
    low, high = np.array(c.lines[2][0].get_segments())[:2, :, 1].T
    np.testing.assert_allclose(high - low, 1)  # twice the deviation
    joined = np.array(axis.lines[0].get_ydata(), float)  # not with those without a path
    np.testing.assert_array_equal(joined, [2, 5, np.nan])
    ticks = [x.get_text() for x in axis.get_xticklabels()]
    assert ticks == ["1\n(2)", "2\n(2)", "3\n(1)", "none\n(1)"]
    assert len(axis.get_legend().get_texts()) == 3


@pytest.mark.parametrize("hops", [[0, 0], [0, -1], [0, 1]])
def test_hops_of_two_domains(path, hops):
    figures.score_by_hops(path, np.array(hops), {"a": np.ones(2)}, label="x")


@pytest.mark.parametrize("classes", [2, 3])
def test_samples_show_sources_first(path, drawn, dg15, classes):
    asked = []

    def predict(x, domain):
        asked.append(domain)
        assert x.shape == (3600, 2) and x.dtype == np.float32
        logits = x @ np.array([[1, -1, 0], [0, 0, 2]])[:, :classes]
        return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)

    figures.samples(path, dg15, predict)
    hops = domains.hops(dg15.graph, dg15.sources)
    assert len(set(asked)) == len(drawn) == 12 and drawn[0].get_title() == "0: source"
    assert list(hops[asked]) == sorted(hops[asked]) and hops[asked[-1]] == hops.max()
    contours = [x for x in drawn[0].collections if hasattr(x, "levels")]
    assert len(contours) == (1 if classes == 2 else 3)
    image = drawn[0].images[0].get_array()
    assert image.shape == (60, 60, 3)
    left, right = image[0, [0, -1]]  # class 1 is red at the left, class 0 blue
    assert left[0] > left[2] and right[2] > right[0]
    shown = {tuple(row) for row in np.round(offsets_of_points(drawn[0]), 5)}
    own = dg15.x[dg15.domain == asked[0]]
    assert shown == {tuple(row) for row in np.round(own.astype(float), 5)}


def offsets_of_points(axis):
    points = [x for x in axis.collections if not hasattr(x, "levels")]
    return np.concatenate([x.get_offsets() for x in points])


@pytest.mark.parametrize("name", ["no edges", "two", "many"])
def test_samples_cope_with_odd_data(path, drawn, name):
    data = ODD[name]
    figures.samples(path, data, one_class, domains=[0, 1], classes=["_$"])
    legend = drawn[-1].get_legend().get_texts()
    assert [x.get_text() for x in legend] == [r" _$", "unknown"]
    assert drawn[1].get_title().endswith(("1 edge", "no path"))


def test_samples_of_one_point_with_nan_predicted(path):
    data = tiny()
    data = data._replace(x=np.ones_like(data.x))
    figures.samples(path, data, lambda x, u: np.full((len(x), 2), np.nan))


def test_samples_of_other_data_are_refused(tmp_path):
    data = tiny()
    for other in (
        data._replace(x=np.zeros((12, 3))),
        data._replace(y=np.zeros((12, 1), np.float32)),
    ):
        with pytest.raises(errors.InputError, match="two features"):
            figures.samples(tmp_path / "a.png", other, one_class)


LEVELS = ["1", "2", "all"]


def test_error_bars_and_published_numbers(path, drawn):
    ours = {"_a$": [1.0, np.nan, 2.0], "b": [0.5, 0.25, 1.0]}
    published = {"b": [3.0, None, 4.0], "c": [1.0, 1.0, 1.0]}
    figures.error_by_level(path, LEVELS, ours, published)
    (axis,) = drawn
    heights = [[bar.get_height() for bar in bars] for bars in axis.containers]
    np.testing.assert_array_equal(heights[:2], list(ours.values()))
    np.testing.assert_array_equal(axis.lines[1].get_ydata(), [3, np.nan, 4])
    middles = [bar.get_x() + bar.get_width() / 2 for bar in axis.containers[1]]
    np.testing.assert_allclose(axis.lines[1].get_xdata(), middles)
    assert axis.lines[1].get_marker() == "_" and axis.get_yscale() == "linear"
    legend = [x.get_text() for x in axis.get_legend().get_texts()]
    assert sorted(legend) == sorted([r" _a$", "b", "c", "paper"])


@pytest.mark.parametrize(("largest", "scale"), [(2.0, "linear"), (2.2, "log")])
def test_errors_far_apart_are_on_a_log_scale(path, drawn, largest, scale):
    figures.error_by_level(path, LEVELS, {"a": [0.1, 0.0, 1]}, {"a": [largest, 1, 1]})
    assert drawn[0].get_yscale() == scale


def test_errors_may_all_be_missing(path):
    figures.error_by_level(path, LEVELS, {"a": [np.nan] * 3}, {})


def test_training_shows_losses_against_chance(path, drawn):
    curves = {
        "grda": {"step": [0, 10, 20], "adversary": [9, 1e3, np.nan], "edge_auc": [0.9]},
        "_dann$": {"step": [], "adversary": []},
        "source_only": {},
        "mdd": {"adversary": [1.0, 2.0], "edge_auc": None},
    }
    figures.training(path, curves, 15)
    loss, auc = drawn
    np.testing.assert_array_equal(loss.lines[0].get_ydata(), [9, 1e3, np.nan])
    np.testing.assert_array_equal(loss.lines[0].get_xdata(), [0, 10, 20])
    np.testing.assert_allclose(loss.lines[-1].get_ydata(), 10.397208)
    assert loss.lines[-1].get_linestyle() == auc.lines[-1].get_linestyle() == "--"
    np.testing.assert_allclose(loss.get_ylim(), (0, 2.5 * 10.397208))
    assert [x.get_text() for x in loss.get_legend().get_texts()] == ["N ln 2 = 10.4"]
    np.testing.assert_array_equal(auc.lines[0].get_ydata(), [0.9])
    np.testing.assert_array_equal(auc.lines[-1].get_ydata(), 0.5)
    assert len(auc.get_legend().get_texts()) == 5  # the variants and chance


def test_training_of_nothing(path):
    figures.training(path, {}, 2)


@pytest.mark.parametrize("size", [2, 5])
def test_embeddings_keep_their_distances(path, drawn, dg15, size):
    rng = np.random.default_rng(0)
    z = rng.normal(size=(15, 2)) @ np.linalg.qr(rng.normal(size=(size, size)))[0][:2]
    figures.embeddings(path, dg15, z)
    order = np.argsort(dg15.sources, kind="stable")
    shown = offsets(drawn[0])
    np.testing.assert_allclose(
        np.linalg.norm(shown[:, None] - shown, axis=2),
        np.linalg.norm(z[order][:, None] - z[order], axis=2),
        atol=1e-9,
    )
    assert len(texts(drawn[0])) == 15 and len(drawn[0].collections[0].get_paths()) == 56
    assert drawn[0].get_xlabel().split()[1] == (
        "component" if size > 2 else "coordinate"
    )


@pytest.mark.parametrize(
    ("name", "size"), [("no edges", 1), ("two", 4), ("parts", 2), ("many", 4)]
)
def test_embeddings_cope_with_odd_data(path, drawn, name, size):
    data = ODD[name]
    z = np.random.default_rng(0).normal(size=(data.size, size))
    z[-1] = np.nan
    figures.embeddings(path, data, z)
    assert len(texts(drawn[0])) == (data.size - 1 if data.size <= 50 else 0)


def test_states_are_drawn_by_name(path, drawn):
    data = iclr22.data.get("tpt48_east_west").load()
    figures.accuracy_on_graph(path, data, {"a": np.ones(48)}, label="MSE", high=2)
    assert set(texts(drawn[0])) == set(data.domain_names)
