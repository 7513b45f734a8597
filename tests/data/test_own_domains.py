"""The user's own domains: samples and graph from files, and what is wrong with them."""

import pickle
import re

import numpy as np
import pytest
from data_helpers import Trap, check_domains, column, same_domains, table

from iclr22 import data, errors
from iclr22.data import domains
from iclr22.data.domains import own as own_domains


@pytest.fixture
def warned(monkeypatch):
    """Warnings of the test, as text."""
    found = []
    monkeypatch.setattr(
        own_domains.logging, "warning", lambda text, *rest: found.append(text % rest)
    )
    return found


SAMPLES = [
    ["domain", "label", "a", "b"],
    ["north", "cat", "1", "2"],
    ["south", "", "3", "4.5"],
    ["north", "dog", "-5", "6"],
    ["west", "", "7", "8"],
    ["west", "cat", "9", "1e1"],
]
EDGES = [
    ["source", "target", "weight"],
    ["north", "west", "0.5"],
    ["west", "north", "0.25"],
    ["south", "west", "1"],
    ["south", "south", "1"],
]
PLACES = [["domain", "lon", "lat"], ["west", 0, 0], ["south", 1, 0], ["north", 5, 0]]
MATRIX = np.array([[0, 0, 0.5], [0, 0, 1], [0.5, 1, 0]])


def arrays(path, **content):
    np.savez(path, **{k: v for k, v in content.items() if v is not None})
    return path


def load(folder, samples=SAMPLES, graph=EDGES, **options):
    """Rows are written as tables, dicts as .npz, arrays as .npy."""
    paths = []
    for name, content in (("samples", samples), ("graph", graph)):
        if isinstance(content, dict):
            paths.append(arrays(folder / f"{name}.npz", **content))
        elif isinstance(content, np.ndarray):
            paths.append(folder / f"{name}.npy")
            np.save(paths[-1], content)
        else:
            paths.append(table(folder / f"{name}.csv", content))
    return data.load_own_domains(*paths, **options)


def test_own_tables_come_back(tmp_path, warned):
    found = load(tmp_path, sources=["north"])
    check_domains(found, 5, 3, 2)
    assert found.domain_names.tolist() == ["north", "south", "west"]
    assert found.domain.tolist() == [0, 1, 0, 2, 2]
    assert found.x.tolist() == [[1, 2], [3, 4.5], [-5, 6], [7, 8], [9, 10]]
    assert found.class_names == ("cat", "dog") and found.feature_names == ("a", "b")
    assert found.y.tolist() == [0, -1, 1, -1, 0]  # that of west is kept, for scoring
    assert found.sources.tolist() == [True, False, False]
    np.testing.assert_array_equal(domains.adjacency(found.graph), MATRIX)
    assert found.graph.nodes.shape == (3, 0) and found.standardise
    assert load(tmp_path).sources.tolist() == [True, False, True]
    assert load(tmp_path, sources="north").sources.tolist() == [True, False, False]
    assert not warned


def test_own_graph_in_every_form(tmp_path):
    plain = load(tmp_path)
    same_domains(load(tmp_path, graph=MATRIX), plain)
    same_domains(load(tmp_path, graph={"adjacency": MATRIX}), plain)
    order = [2, 0, 1]
    named = {"adjacency": MATRIX[order][:, order], "names": ["west", "north", "south"]}
    found = load(tmp_path, graph=named)
    assert found.domain_names.tolist() == ["west", "north", "south"]
    assert found.domain.tolist() == [1, 2, 1, 0, 0]
    spread = [[f' "{cell}"' if i else cell for i, cell in enumerate(r)] for r in EDGES]
    text = "\r\n".join(",".join(map(str.strip, row)) for row in spread)
    (tmp_path / "e.csv").write_text("\ufeff" + text, encoding="utf-8", newline="")
    same_domains(
        data.load_own_domains(tmp_path / "samples.csv", tmp_path / "e.csv"), plain
    )
    unweighted = load(tmp_path, graph=column(EDGES, "weight", None))
    assert set(unweighted.graph.edges.tolist()) == {1.0}


def test_own_graph_from_coordinates(tmp_path):
    found = load(tmp_path, graph=PLACES, neighbors=1)
    check_domains(found, 5, 3, 2)  # of west and south each other, of north south
    assert found.graph.nodes.tolist() == [[5, 0], [1, 0], [0, 0]]  # as names sort
    assert domains.adjacency(found.graph)[0].tolist() == [0, 1, 0]
    whole = load(tmp_path, graph=PLACES)  # more neighbours than there are
    assert len(whole.graph.senders) == 6
    line = load(tmp_path, graph=column(PLACES, "lat", None), neighbors=1)
    assert line.graph.nodes.shape == (3, 0)
    np.testing.assert_array_equal(line.graph.senders, found.graph.senders)


def test_own_domains_that_are_numbers_sort_as_numbers(tmp_path):
    samples = {
        "x": np.eye(4),
        "y": np.array([0, 1, -1, 1]),
        "domain": np.array([10, 10, 9, 100]),
    }
    chain = np.diag([1.0, 1.0], 1) + np.diag([1.0, 1.0], -1)
    plain = load(tmp_path, samples, chain)
    assert plain.domain_names.tolist() == ["9", "10", "100"]
    assert plain.domain.tolist() == [1, 1, 0, 2] and plain.class_names == ("0", "1")
    assert domains.hops(plain.graph, plain.sources).tolist() == [1, 0, 0]
    for changes in (
        {"domain": np.array(["10", "10", "9", "100"])},
        {"domain": np.array([b"10", b"10", b"9", b"100"])},
        {"domain": samples["domain"].astype(float)},
        {"y": np.array(["0", "1", "", "1"])},
        {"y": np.array([0.0, 1, -1, 1])},
        {"class_names": np.array(["0", "1"])},
    ):
        same_domains(load(tmp_path, samples | changes, chain), plain)
    assert load(tmp_path, samples, chain, sources=[10]).sources.sum() == 1


def test_own_regression(tmp_path):
    rows = column(SAMPLES, "label", ["1", "", "-2.5", "", "3"])
    found = load(tmp_path, rows, regression=True)
    check_domains(found, 5, 3, 2)
    assert found.regression and found.class_names == () and found.y.shape == (5, 1)
    np.testing.assert_array_equal(found.y[:, 0], [1, np.nan, -2.5, np.nan, 3])
    several = [
        [*row, c] for row, c in zip(rows, ["label_2", 5, "", 6, "", 7], strict=True)
    ]
    both = load(tmp_path, several, regression=True)
    np.testing.assert_array_equal(both.y[:, 1], [5, np.nan, 6, np.nan, 7])
    assert both.x.shape == (5, 2) and both.sources.tolist() == [True, False, True]
    samples = {"x": both.x, "y": both.y, "domain": both.domain_names[both.domain]}
    same_domains(load(tmp_path, samples, regression=True), both)
    same_domains(load(tmp_path, samples | {"y": both.y[:, 0]}, regression=True), found)
    whole = load(tmp_path, samples | {"y": np.arange(5)}, regression=True)
    assert whole.y.ravel().tolist() == [0, 1, 2, 3, 4]


def test_own_tables_of_many_rows(tmp_path):
    n = 9001  # more than one block
    rng = np.random.default_rng(0)
    x, domain = rng.normal(size=(n, 2)).astype(np.float32), rng.integers(0, 7, n)
    rows = [["a", "domain", "label", "b"]]
    rows += [
        [a, d, i % 3, b] for i, (d, (a, b)) in enumerate(zip(domain, x, strict=True))
    ]
    found = load(tmp_path, rows, np.ones((7, 7)), sources=[2])
    np.testing.assert_allclose(found.x, x, rtol=1e-6)
    np.testing.assert_array_equal(found.domain, domain)
    assert found.y.tolist() == [i % 3 for i in range(n)]


X = np.arange(10.0).reshape(5, 2)
GOOD = {"x": X, "y": np.array([0, 1, -1, 1, 0]), "domain": np.array([0, 0, 1, 2, 2])}
REAL = {**GOOD, "y": np.arange(10.0).reshape(5, 2)}
NUMBER = column(SAMPLES, "label", ["1", "", "2", "", "3"])
LABEL = "label"
WRONG = [
    # the graph
    (
        {"graph": MATRIX * [[1], [1], [0.5]]},
        "symmetric.*0.5 from north to west and 0.25",
    ),
    (
        {"graph": -MATRIX},
        "graph.npy: expected weights from 0 to 1; found -0.5 from north",
    ),
    ({"graph": 2 * MATRIX}, "weights from 0 to 1; found 2.0 from south to west"),
    (
        {"graph": MATRIX * np.nan},
        "finite numbers in adjacency; found nan in place 0, 0",
    ),
    ({"graph": MATRIX.astype(str)}, "adjacency of real numbers; found type <U"),
    ({"graph": MATRIX[:2]}, r"\[3, 3\] for the domains north, south, west.*\[2, 3\]"),
    (
        {"graph": np.ones((4, 4))},
        r"expected a matrix \[3, 3\] .* found \[4, 4\]. Leave out",
    ),
    ({"graph": {"matrix": MATRIX}}, "the array adjacency .* found matrix. Rename"),
    (
        {"graph": {"adjacency": np.ones((4, 4)), "names": [*"ab", "south", "west"]}},
        "samples.csv, line 2: expected a domain of .*graph.npz; found 'north'",
    ),
    (
        {"graph": {"adjacency": MATRIX, "names": ["north", "west", "west"]}},
        "all different",
    ),
    ({"graph": column(EDGES, "weight", [1, 2, 1, 1])}, "line 3, column weight: .*'2'"),
    (
        {"graph": column(EDGES, "weight", [1, 1, -1, 1])},
        "line 4, column weight: .*'-1'",
    ),
    (
        {"graph": column(EDGES, "weight", [1, 1, 0, 1])},
        "above 0 and at most 1; found '0'",
    ),
    (
        {"graph": column(EDGES, "weight", [1, 1, "x", 1])},
        "line 4, column weight: .*'x'",
    ),
    ({"graph": EDGES[:1]}, "graph.csv: expected a row for every edge; found none"),
    (
        {"graph": [*EDGES, ["west", "nowhere", 1]]},
        "graph.csv: expected domains that have samples; found also 'nowhere'",
    ),
    (
        {"graph": column(EDGES, "target", None)},
        "line 1: .* found source, weight. Name the",
    ),
    ({"graph": [["a;b"], ["c;d"]]}, "separated by commas; found a;b"),
    (
        {"graph": [*PLACES, ["nord", 1, 1]]},
        "line 5: expected domains that have samples; found 'nord'.*Nearest: north",
    ),
    ({"graph": [*PLACES, PLACES[1]]}, "line 5: expected one row .* found 'west' again"),
    (
        {"graph": PLACES[:3]},
        "samples.csv, line 2: expected a domain of .*; found 'north'",
    ),
    ({"graph": column(PLACES, "lon", ["nan", 1, 2])}, "line 2, column lon: .* 'nan'"),
    ({"graph": [[row[0]] for row in PLACES]}, "rows with coordinates, .* found none"),
    ({"graph": PLACES, "neighbors": 0}, "neighbors of 1 or more; found 0"),
    # samples
    (
        {"samples": [*SAMPLES, ["sough", "cat", 1, 2]]},
        "samples.csv, line 7: expected a domain of .*graph.csv; found 'sough'.*: south",
    ),
    (
        {"samples": [*SAMPLES, ["", "cat", 1, 2]]},
        "line 7: expected a domain of .*found ''",
    ),
    (
        {"samples": column(SAMPLES, "domain", None)},
        "line 1: .* the column domain.* label",
    ),
    (
        {"samples": column(SAMPLES, LABEL, None)},
        "line 1: .*column label; found domain, a",
    ),
    (
        {"samples": SAMPLES[:1]},
        "samples.csv: expected a row for every sample; found none",
    ),
    (
        {"samples": [row[:2] for row in SAMPLES]},
        "line 1: expected features.*found none",
    ),
    ({"samples": column(SAMPLES, "a", [*"1234", "inf"])}, "line 6, column a: .* 'inf'"),
    (
        {"samples": column(SAMPLES, "b", [*"12", "nan", *"45"])},
        "line 4, column b: .*nan",
    ),
    (
        {"samples": column(SAMPLES, LABEL, ["cat", "-inf", "dog", "", ""])},
        "line 3, column label: expected a class, or an empty cell .* found '-inf'",
    ),
    (
        {"samples": column(SAMPLES, LABEL, [""] * 5)},
        "in at least one domain.*found none",
    ),
    (
        {"samples": column(SAMPLES, LABEL, ["cat"] * 5)},
        "two classes .*; found only cat",
    ),
    ({"sources": ["west"]}, "two classes in source domains; found only cat"),
    ({"sources": ["norht"]}, "sources: .* found 'norht'. Nearest: north"),
    ({"sources": ["north", "south"]}, "every source domain; found none in south"),
    (
        {"samples": [[*row, "1"] for row in SAMPLES[1:]], "regression": True},
        "column domain",
    ),
    (
        {"samples": [[*SAMPLES[0], "label_2"], *([*row, "1"] for row in SAMPLES[1:])]},
        "one column of classes, label; found label, label_2. Several are for regression",
    ),
    # regression
    (
        {"regression": True},
        "line 2, column label: expected a finite number; found 'cat'",
    ),
    (
        {
            "regression": True,
            "samples": column(NUMBER, LABEL, ["1", "inf", "", "", ""]),
        },
        "line 3, column label: .* 'inf'",
    ),
    (
        {"regression": True, "samples": column(SAMPLES, LABEL, None)},
        "column label or label_<something>; found domain, a, b",
    ),
    (
        {
            "regression": True,
            "samples": [[*NUMBER[0], "label_2"], *([*row, "1"] for row in NUMBER[1:])],
        },
        "line 3: expected all of label, label_2 or none",
    ),
    ({"regression": True, "samples": column(NUMBER, LABEL, [""] * 5)}, "one domain"),
]
WRONG_ARRAYS = [
    ({"x": None}, "arrays x, y and domain; found no x, but y, domain"),
    ({"y": None, "domain": None}, "found no domain and no y, but x"),
    ({"x": X[:, 0]}, r"x of shape \[n, features\]; found \[5\]"),
    ({"x": np.where(X == 5, np.nan, X)}, "numbers in x; found nan in place 2, 1"),
    ({"x": np.where(X == 5, np.inf, X)}, "numbers in x; found inf in place 2, 1"),
    ({"x": X[:, :0]}, r"samples with features in x .* \[5, 0\]"),
    ({"y": GOOD["y"][:4]}, r"y of shape \[n\], with n = 5; found \[4\]"),
    ({"y": GOOD["y"] - 1}, "from 0 to at most 4, or -1 .* found -2 in place 2"),
    ({"y": GOOD["y"] / 2}, "whole numbers .* found 0.5 in place 1"),
    ({"y": GOOD["y"] * np.nan}, "at least one domain, a source; found none"),
    ({"y": np.array([*"abcab"]), "class_names": [*"ab"]}, "among class_names.*also c"),
    ({"y": GOOD["y"] * 0 - 1}, "at least one domain, a source; found none"),
    ({"domain": GOOD["domain"][:3]}, r"domain of shape \[n\], with n = 5"),
    ({"domain": GOOD["domain"] / 2}, "strings or whole numbers in domain; .*float64"),
]
WRONG_OUTPUTS = [
    (
        {"y": np.where(REAL["y"] == 3, np.inf, REAL["y"])},
        "in y; found inf in place 1, 1",
    ),
    ({"y": np.where(REAL["y"] == 3, np.nan, REAL["y"])}, "outputs .* in sample 1"),
    ({"y": REAL["y"] * np.nan}, "at least one domain, a source; found none"),
    ({"y": REAL["y"].astype(str)}, "y of real numbers"),
    ({"y": REAL["y"][:, :0]}, r"labels in y; found shapes \[5, 2\] and \[5, 0\]"),
    ({"y": REAL["y"][..., None]}, r"y of shape \[n, outputs\]"),
]


def refused(message, *arguments, **options):
    with pytest.raises(errors.InputError, match=message) as caught:
        load(*arguments, **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("changes, message", WRONG)
def test_own_files_with_an_error_are_refused(tmp_path, changes, message):
    refused(message, tmp_path, **changes)


@pytest.mark.parametrize("changes, message", WRONG_ARRAYS)
def test_own_arrays_with_an_error_are_refused(tmp_path, changes, message):
    refused(message, tmp_path, GOOD | changes, MATRIX)


@pytest.mark.parametrize("changes, message", WRONG_OUTPUTS)
def test_own_outputs_with_an_error_are_refused(tmp_path, changes, message):
    refused(message, tmp_path, REAL | changes, MATRIX, regression=True)


def test_own_files_that_are_missing_or_no_files(tmp_path, monkeypatch):
    load(tmp_path)
    samples, edges = tmp_path / "samples.csv", tmp_path / "graph.csv"
    for pair in ((samples, tmp_path / "no.csv"), (tmp_path / "no.npz", edges)):
        with pytest.raises(
            errors.InputError, match="no.*: expected a file; found none"
        ):
            data.load_own_domains(*pair)
    monkeypatch.setenv("TRAP", str(tmp_path / "sprung"))
    trap = np.array([[Trap()]], dtype=object)
    np.save(tmp_path / "graph.npy", trap, allow_pickle=True)
    np.savez(tmp_path / "samples.npz", x=trap, y=[0], domain=[0])
    with pytest.raises(errors.InputError, match="without Python objects"):
        data.load_own_domains(samples, tmp_path / "graph.npy")
    with pytest.raises(errors.InputError, match="without Python objects"):
        data.load_own_domains(tmp_path / "samples.npz", edges)
    for content in (b"", b"text", pickle.dumps(trap)):
        (tmp_path / "graph.npy").write_bytes(content)
        with pytest.raises(errors.InputError, match="expected an .npy file"):
            data.load_own_domains(samples, tmp_path / "graph.npy")
    edges.write_bytes(b"source,target\n\xff,a\n")
    with pytest.raises(errors.InputError, match="comma-separated table in UTF-8"):
        data.load_own_domains(samples, edges)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"graph": MATRIX * 0}, "no domains are linked.*GRDA then reduces"),
        (
            {"graph": [["source", "target"], ["north", "west"], ["south", "south"]]},
            "graph.csv: no path to a source from: south",
        ),
        (
            {
                "graph": [["source", "target"], ["north", "south"], ["west", "west"]],
                "sources": ["north", "west"],
            },
            "graph.csv: not connected with north: west",
        ),
        (
            {"samples": column(SAMPLES, LABEL, [*"aabab"])},
            "every domain is a source: there is no target",
        ),
        (
            {"samples": column(SAMPLES, LABEL, [*"axbxc"]), "sources": ["north"]},
            "no source domain has a label of: c, x",
        ),
        (
            {"graph": [[*EDGES[0], "more"], *([*row, "1"] for row in EDGES[1:])]},
            "graph.csv: not read: more",
        ),
    ],
)
def test_what_is_doubtful_is_said(tmp_path, warned, changes, message):
    load(tmp_path, **changes)
    assert len(warned) == 1 and re.search(message, warned[0]), warned


def test_at_most_five_domains_are_named(tmp_path, warned):
    domain = np.array([0, 0, *range(1, 8)])
    samples = {"x": np.eye(9), "y": np.arange(9) % 2, "domain": domain}
    linked = np.zeros((8, 8))
    linked[0, 1] = linked[1, 0] = 1
    load(tmp_path, samples, linked, sources=[0])
    assert warned == [
        f"{tmp_path}/graph.npy: no path to a source from: 2, 3, 4, 5, 6 and 1 more"
    ]
