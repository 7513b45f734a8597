"""Domains that a graph relates: published, drawn, and the user's own."""

import csv
import importlib.resources
import os
import pickle
import re
import shutil

import numpy as np
import pytest

from iclr22 import data, errors, graph
from iclr22.data import climate, domains, download, images, own_domains

FILES = importlib.resources.files(data) / "files"
TPT48 = ("tpt48_east_west", "tpt48_north_south")


@pytest.fixture
def warned(monkeypatch):
    """Warnings of the test, as text."""
    found = []
    monkeypatch.setattr(
        own_domains.logging, "warning", lambda text, *rest: found.append(text % rest)
    )
    return found


def check(found, n, size, edges, features=2):
    """Types, shapes and the graph."""
    assert found.size == size == len(found.domain_names) == found.graph.n_node
    assert found.x.shape == (n, features) and found.x.dtype == np.float32
    assert found.y.dtype == (np.float32 if found.regression else np.int32)
    assert found.domain.shape == (n,) and found.domain.dtype == np.int32
    assert found.sources.shape == (size,) and found.sources.dtype == bool
    assert np.bincount(found.domain, minlength=size).min() > 0
    assert found.graph.nodes.shape[0] == size
    assert len(found.graph.senders) == 2 * edges
    matrix = domains.adjacency(found.graph)
    assert matrix.shape == (size, size) and matrix.dtype == np.float32
    np.testing.assert_array_equal(matrix, matrix.T)
    assert np.all(np.diag(matrix) == 0) and np.count_nonzero(matrix) == 2 * edges
    assert np.all((found.graph.edges > 0) & (found.graph.edges <= 1))


def same(a, b):
    """Two `DomainData` hold the same arrays."""
    assert a.class_names == b.class_names and a.standardise == b.standardise
    pairs = [(getattr(a, k), getattr(b, k)) for k in ("x", "y", "domain", "sources")]
    pairs.append((a.domain_names, b.domain_names))
    pairs += [(getattr(a.graph, k), getattr(b.graph, k)) for k in a.graph._fields[:4]]
    for one, other in pairs:
        if one is not None:
            np.testing.assert_array_equal(one, other)
            assert one.dtype == other.dtype


def off_centre(found):
    """Distance of every point from the centre of its class."""
    side = (1 - 2 * found.y)[:, None]
    return np.linalg.norm(found.x - side * found.graph.nodes[found.domain], axis=1)


# The graph


def test_hops_and_matrix_by_hand():
    links = graph.build(np.zeros((6, 0)), [0, 1, 2, 4], [1, 2, 3, 5], weights=[1] * 4)
    links = links._replace(edges=links.edges / 2)
    assert domains.adjacency(links)[0].tolist() == [0, 0.5, 0, 0, 0, 0]
    sources = np.array([True, False, False, False, False, False])
    assert domains.hops(links, sources).tolist() == [0, 1, 2, 3, -1, -1]
    sources[3] = True
    assert domains.hops(links, sources).tolist() == [0, 1, 1, 0, -1, -1]
    assert domains.hops(links, ~sources).tolist() == [1, 0, 0, 1, 0, 0]
    assert domains.hops(links, sources & ~sources).tolist() == [-1] * 6


# DG


PUBLISHED = {  # domains, edges, density, mean, deviation, sources, largest distance
    "dg15": (
        *(15, 56, 0.5333, [-0.012595, 0.005046], [1.468859, 1.534497]),
        *([0, 3, 4, 8, 12, 14], 1.0005),
    ),
    "dg60": (
        *(60, 545, 0.3079, [0.003924, -0.008850], [3.085172, 3.455091]),
        *([2, 14, 23, 33, 41, 59], 1.00001),
    ),
}


@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_published_domains(name, request):
    folder = None if name == "dg15" else request.getfixturevalue("shared") / "data"
    found = data.get(name).load(folder)
    n, edges, density, mean, deviation, sources, largest = PUBLISHED[name]
    check(found, 100 * n, n, edges)
    assert 2 * edges / (n * (n - 1)) == pytest.approx(density, abs=5e-5)
    np.testing.assert_allclose(found.x.mean(0, np.float64), mean, atol=1e-6)
    np.testing.assert_allclose(found.x.std(0, np.float64), deviation, atol=1e-6)
    assert found.sources.nonzero()[0].tolist() == sources
    assert found.domain.tolist() == np.repeat(np.arange(n), 100).tolist()
    assert found.y.tolist() == ([0] * 50 + [1] * 50) * n
    assert found.class_names == ("0", "1") and found.standardise
    assert not found.regression and set(found.graph.edges.tolist()) == {1.0}
    assert off_centre(found).max() < largest
    if name == "dg15":
        degrees = graph.degrees(found.graph)
        assert (degrees.min(), degrees.max()) == (2, 11)
    assert domains.hops(found.graph, found.sources).min() == 0


def test_bundled_dg15_is_the_published_one(shared):
    bundled = images.read_npz(FILES / "dg15.npz")
    whole = images.read_npz(shared / "data" / "grda" / "dg15.npz")
    keys = {"x", "y", "domain", "adjacency", "angle", "source_domains"}
    assert bundled.keys() == keys  # the embeddings z have no licence
    for key, array in bundled.items():
        np.testing.assert_array_equal(array, whole[key])


def authors_pickle(arrays):
    """The pickle that NumPy 1 writes of a dict of arrays, in protocol 4."""
    content = pickle.dumps(arrays, protocol=4)
    new, old = b"\x16numpy._core.multiarray", b"\x15numpy.core.multiarray"
    assert content.count(new) == 1 and content[:3] == b"\x80\x04\x95"
    length = int.from_bytes(content[3:11], "little") - 1
    return content[:3] + length.to_bytes(8, "little") + content[11:].replace(new, old)


def test_authors_pickle_of_dg60_equals_the_converted_copy(tmp_path, shared):
    copy = images.read_npz(shared / "data" / "grda" / "dg60.npz")
    content = {
        theirs: copy[ours].astype(np.float64) for ours, theirs in domains.KEYS.items()
    }
    content["data"] = np.asfortranarray(content["data"])
    path = tmp_path / "grda" / "toy_d60_spiral.pkl"
    path.parent.mkdir()
    path.write_bytes(authors_pickle(content))
    found = data.get("dg60").load(tmp_path)
    same(found, data.get("dg60").load(shared / "data"))
    for theirs in content:
        other = dict(content)
        other[theirs] = content[theirs] + 1e-9
        path.write_bytes(authors_pickle(other))
        with pytest.raises(errors.InputError, match=f"array {theirs} of DG-60.*Remove"):
            data.get("dg60").load(tmp_path)
    path.write_bytes(authors_pickle({"data": content["data"]}))
    with pytest.raises(errors.InputError, match="array label of DG-60.* or none"):
        data.get("dg60").load(tmp_path)


def test_missing_dg60_is_asked_for_by_name(tmp_path, monkeypatch):
    def fetch(file, folder, data_dir):
        raise download.DownloadError(f"{folder}: {file.url}")

    monkeypatch.setattr(download, "fetch", fetch)
    with pytest.raises(data.DownloadError, match="grda: .*data/toy_d60_spiral.pkl"):
        data.get("dg60").load(tmp_path)


class Trap:
    def __reduce__(self):
        return os.mkdir, (os.environ["TRAP"],)


HOSTILE = {
    "object array": {"data": np.array([Trap()], dtype=object)},
    "no dict": [np.zeros(3)],
    "no arrays": {"data": "text"},
    "list": {"data": [1.0, 2.0]},
}


@pytest.mark.parametrize("kind", [*HOSTILE, *range(6), "text", "empty", "cut"])
def test_pickles_are_never_executed(tmp_path, monkeypatch, kind):
    trap = tmp_path / "sprung"
    monkeypatch.setenv("TRAP", str(trap))
    path = tmp_path / "toy_d60_spiral.pkl"
    whole = authors_pickle({"data": np.arange(6.0).reshape(2, 3)})
    path.write_bytes(whole)
    assert domains.read_pickle(path)["data"].tolist() == [[0, 1, 2], [3, 4, 5]]
    if kind in HOSTILE:
        path.write_bytes(pickle.dumps(HOSTILE[kind], protocol=4))
    elif isinstance(kind, int):
        path.write_bytes(pickle.dumps({"data": Trap()}, protocol=kind))
    else:
        path.write_bytes({"text": b"text", "empty": b"", "cut": whole[:-9]}[kind])
    with pytest.raises(
        errors.InputError, match="(?s)spiral.pkl: .* It was not executed"
    ):
        data.get("dg60").load(tmp_path)
    assert not trap.exists()


@pytest.mark.parametrize("kind", sorted(domains.KINDS))
@pytest.mark.parametrize("n, points", [(2, 2), (3, 7), (15, 100), (120, 10), (4, 999)])
def test_drawn_domains_follow_the_rules(kind, n, points):
    found = data.generate_domains(
        np.random.default_rng(n), n, points, kind=kind, sources=min(6, n)
    )
    check(found, n * points, n, len(found.graph.senders) // 2)
    assert off_centre(found).max() < 1 + 1e-5
    assert found.y.sum() == n * (points // 2) and found.sources.sum() == min(6, n)
    assert domains.hops(found.graph, np.arange(n) == 0).min() == 0  # connected
    centres = found.graph.nodes.astype(np.float64)
    away = np.linalg.norm(centres, axis=1)
    unit = centres / away[:, None]
    assert (unit @ unit.T)[domains.adjacency(found.graph) > 0].min() >= 0.2
    angle = np.arctan2(unit[:, 1], unit[:, 0]) % (2 * np.pi)
    spiral = domains.KINDS[kind]
    np.testing.assert_allclose(away, 1 + spiral.spread * angle, atol=1e-4)
    assert angle.max() <= spiral.angles


def test_drawn_domains_link_as_often_as_their_angles_say():
    found = data.generate_domains(np.random.default_rng(0), 300, 2, kind="dg60")
    unit = found.graph.nodes / np.linalg.norm(found.graph.nodes, axis=1, keepdims=True)
    chance = np.triu(unit @ unit.T, 1)
    linked = domains.adjacency(found.graph)
    for low, high in ((0.2, 0.4), (0.4, 0.7), (0.7, 1.0)):
        between = (chance > low) & (chance <= high)
        expected = chance[between].mean()
        assert linked[between].mean() == pytest.approx(expected, abs=0.02)


def test_noise_makes_classes_overlap():
    def errors_of_best(noise):
        found = data.generate_domains(np.random.default_rng(0), noise=noise)
        side = (found.x * found.graph.nodes[found.domain]).sum(axis=1)
        return ((side < 0) != found.y).mean()

    clean, some, much = map(errors_of_best, (0.0, 0.6, 2.0))
    assert clean == 0 and 0.001 < some < much


def test_drawn_domains_depend_on_their_seed_alone():
    first, second, other = (
        data.generate_domains(np.random.default_rng(s)) for s in (3, 3, 4)
    )
    same(first, second)
    assert not np.array_equal(first.x, other.x)
    drawn = data.get("dg60_drawn")
    same(drawn.load(None), drawn.load(None))
    check(drawn.load(None), 6000, 60, len(drawn.load(None).graph.senders) // 2)
    assert drawn.load(None).sources.sum() == 6


def test_shape_of_the_spiral_may_be_chosen():
    found = data.generate_domains(np.random.default_rng(0), angles=0.5, spread=0)
    np.testing.assert_allclose(np.linalg.norm(found.graph.nodes, axis=1), 1, atol=1e-6)
    assert found.graph.nodes[:, 0].min() > np.cos(0.5)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"kind": "dg16"}, "Unknown kind of domains 'dg16'. Did you mean .*'dg15'"),
        ({"domains": 0}, "at least 1 domain.*found 0 domains"),
        ({"points": 1}, "found 15 domains, 1 points"),
        ({"sources": 16}, "16 sources"),
        ({"sources": 0}, "0 sources"),
        ({"threshold": 1.1}, "expected a threshold .* at 1.1. Lower it"),
    ],
)
def test_impossible_drawings_are_refused(options, message):
    with pytest.raises(errors.InputError, match=message):
        data.generate_domains(np.random.default_rng(0), **options)


@pytest.mark.parametrize("size", [4, 40, 50, 300, 333])
@pytest.mark.parametrize("name", ["dg15", "dg60", TPT48[0], TPT48[0] + "_classes"])
def test_stand_ins_have_the_size_that_is_asked_for(name, size):
    found = data.get(name).synthetic(np.random.default_rng(0), size)
    edges = len(found.graph.senders) // 2
    check(found, size, found.size, edges, 6 if name in climate.DATASETS else 2)
    assert 0 < found.sources.sum() < found.size and np.isfinite(found.x).all()
    assert domains.hops(found.graph, found.sources).min() >= 0


# TPT-48


def least_squares(found):
    """Mean over target states of the error of a linear model of source calendar years."""

    def years(state):
        rows = np.flatnonzero(found.domain == state)[
            :: 12 if found.sources[state] else 1
        ]
        return np.c_[found.x[rows], np.ones(len(rows))], found.y[rows]

    pairs = [years(state) for state in found.sources.nonzero()[0]]
    x, y = map(np.concatenate, zip(*pairs, strict=True))
    assert x.shape == (288, 7)
    model = np.linalg.lstsq(x, y, rcond=None)[0]
    targets = [years(state) for state in (~found.sources).nonzero()[0]]
    return np.mean([((x @ model - y) ** 2).mean() for x, y in targets])


@pytest.mark.parametrize(
    "name, levels, error",
    [(TPT48[0], [8, 7, 9], 0.0467), (TPT48[1], [10, 6, 8], 0.0388)],
)
def test_tpt48_is_as_published(name, levels, error):
    found = data.get(name).load(None)
    check(found, 24 * 133 + 24 * 12, 48, 105, features=6)
    assert found.y.shape == (3480, 6) and found.regression and found.class_names == ()
    assert found.standardise is False and found.domain_names[:3].tolist() == [
        *("AL", "AR", "AZ")
    ]
    counts = np.bincount(found.domain)
    assert set(counts[found.sources]) == {133} and set(counts[~found.sources]) == {12}
    hops = domains.hops(found.graph, found.sources).clip(max=3)
    assert np.bincount(hops).tolist() == [24, *levels]
    assert np.all(np.diff(found.domain) >= 0)
    assert least_squares(found) == pytest.approx(error, abs=1e-3)
    names = found.domain_names.tolist()
    linked = domains.adjacency(found.graph)
    assert linked[names.index("ME")].sum() == 1 and linked[names.index("MO")].sum() == 8
    assert linked[names.index("AZ"), names.index("CO")] == 0
    place = dict(zip(names, found.graph.nodes, strict=True))
    assert place["WA"][0] < place["ME"][0] and place["FL"][1] < place["MN"][1]


def test_tpt48_windows_and_scale():
    found = data.get(TPT48[0]).load(None)
    with open(FILES / "tpt48.csv", newline="") as stream:
        rows = list(csv.reader(stream))
    degrees = np.array([row[1:] for row in rows[1:]], float)
    months = np.array([int(name[-2:]) for name in rows[0][1:]])
    seen = np.concatenate(
        [
            degrees[found.sources].ravel(),
            degrees[~found.sources][:, months <= 6].ravel(),
        ]
    )
    values = (degrees - seen.mean()) / seen.std()
    for state in (0, 47):  # a source and a target
        step = 1 if found.sources[state] else 12
        rows = found.domain == state
        for i in (0, 1, 11):
            year = values[state, i * step : i * step + 12]
            both = np.concatenate([found.x[rows][i], found.y[rows][i]])
            np.testing.assert_allclose(both, year, atol=1e-5)
    assert found.sources[0] and not found.sources[47]


@pytest.mark.parametrize("name", TPT48)
def test_months_to_be_predicted_are_not_in_the_scale(tmp_path, name):
    before = data.get(name).load(None)
    state = str(before.domain_names[~before.sources][3])
    for file in ("us48_states.csv", "us48_adjacency.csv", "tpt48.csv"):
        shutil.copy(FILES / file, tmp_path)
    with open(tmp_path / "tpt48.csv", newline="") as stream:
        rows = list(csv.reader(stream))
    place = [row[0] for row in rows].index(state)

    def changed(month):
        cells = [row[:] for row in rows]
        cells[place][rows[0].index(month)] = "99"
        table(tmp_path / "tpt48.csv", cells)
        return climate.read_tpt48(tmp_path, climate.TASKS[name])

    after = changed("2010-09")
    same(after._replace(y=before.y), before)
    where = np.argwhere(after.y != before.y)
    first = np.flatnonzero(before.domain_names[before.domain] == state)[0]
    assert where.tolist() == [[first + 2, 2]]  # third year, third month of output
    after = changed("2010-03")  # an input month moves the scale, thus everything
    assert (after.y != before.y).mean() > 0.99


@pytest.mark.parametrize(
    "name, counts", [(TPT48[0], [110, 97, 81]), (TPT48[1], [153, 102, 33])]
)
def test_tpt48_as_classes(name, counts):
    numbers, found = data.get(name).load(None), data.get(f"{name}_classes").load(None)
    check(found, 3480, 48, 105, features=6)
    assert found.class_names == climate.CLASSES and not found.regression
    same(found._replace(y=numbers.y, class_names=()), numbers)
    source = found.sources[found.domain]
    assert np.ptp(np.bincount(found.y[source])) <= 1  # thirds
    assert np.bincount(found.y[~source]).tolist() == counts


def test_warmth_by_hand():
    year = np.array([0, 1, 2, 3, 4, 5, 6, 5, 4, 3, 2, 1.0])
    gains = np.tile(np.repeat([-3, 0, 3], 12), (2, 1))  # cold, normal, warm years
    values = np.tile(year, (2, 3)) + gains
    values[1] = 10 + 2 * values[1]  # another climate
    labels = climate.warmth(values, np.array([True, False]))
    assert labels.shape == (2, 25) and labels[0].tolist() == sorted(labels[0])
    assert labels[:, ::12].tolist() == [[0, 1, 2], [0, 1, 2]]
    values[1, 12:18] += 90  # January to June moves what is normal for the state
    other = climate.warmth(values, np.array([True, False]))
    assert other[0].tolist() == labels[0].tolist() and other[1, ::12].max() == 0
    values[1, 18] += 1e6  # a month to be predicted moves its own windows only
    last = climate.warmth(values, np.array([True, False]))
    assert np.flatnonzero((last != other)[:, ::12].any(axis=0)).tolist() == [1]


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda rows: rows[:-1], "one row of the state WY; found 0. Add"),
        (lambda rows: [*rows, rows[1]], "one row of the state AL; found 2"),
        (lambda rows: [r[:-1] for r in rows], "whole years .* found 143. Add or"),
        (lambda rows: [r[:1] for r in rows], "whole years .* found 0"),
        (lambda rows: [rows[0], [*rows[1][:-1], "warm"], *rows[2:]], "found 'warm'"),
    ],
)
def test_tables_of_tpt48_with_an_error_are_refused(tmp_path, change, message):
    for file in ("us48_states.csv", "us48_adjacency.csv"):
        shutil.copy(FILES / file, tmp_path)
    with open(FILES / "tpt48.csv", newline="") as stream:
        table(tmp_path / "tpt48.csv", change(list(csv.reader(stream))))
    with pytest.raises(errors.InputError, match=f"tpt48.csv.*{message}"):
        climate.read_tpt48(tmp_path, "east24", classes=True)


# The user's own domains


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


def table(path, rows):
    with open(path, "w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows(rows)
    return path


def arrays(path, **content):
    np.savez(path, **{k: v for k, v in content.items() if v is not None})
    return path


def column(rows, name, cells):
    """The rows with other cells in a column; None takes the column away."""
    j = rows[0].index(name)
    if cells is None:
        return [row[:j] + row[j + 1 :] for row in rows]
    cells = [name, *cells]
    return [row[:j] + [c] + row[j + 1 :] for row, c in zip(rows, cells, strict=True)]


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
    check(found, 5, 3, 2)
    assert found.domain_names.tolist() == ["north", "south", "west"]
    assert found.domain.tolist() == [0, 1, 0, 2, 2]
    assert found.x.tolist() == [[1, 2], [3, 4.5], [-5, 6], [7, 8], [9, 10]]
    assert found.class_names == ("cat", "dog")
    assert found.y.tolist() == [0, -1, 1, -1, 0]  # that of west is kept, for scoring
    assert found.sources.tolist() == [True, False, False]
    np.testing.assert_array_equal(domains.adjacency(found.graph), MATRIX)
    assert found.graph.nodes.shape == (3, 0) and found.standardise
    assert load(tmp_path).sources.tolist() == [True, False, True]
    assert load(tmp_path, sources="north").sources.tolist() == [True, False, False]
    assert not warned


def test_own_graph_in_every_form(tmp_path):
    plain = load(tmp_path)
    same(load(tmp_path, graph=MATRIX), plain)
    same(load(tmp_path, graph={"adjacency": MATRIX}), plain)
    order = [2, 0, 1]
    named = {"adjacency": MATRIX[order][:, order], "names": ["west", "north", "south"]}
    found = load(tmp_path, graph=named)
    assert found.domain_names.tolist() == ["west", "north", "south"]
    assert found.domain.tolist() == [1, 2, 1, 0, 0]
    spread = [[f' "{cell}"' if i else cell for i, cell in enumerate(r)] for r in EDGES]
    text = "\r\n".join(",".join(map(str.strip, row)) for row in spread)
    (tmp_path / "e.csv").write_text("\ufeff" + text, encoding="utf-8", newline="")
    same(data.load_own_domains(tmp_path / "samples.csv", tmp_path / "e.csv"), plain)
    unweighted = load(tmp_path, graph=column(EDGES, "weight", None))
    assert set(unweighted.graph.edges.tolist()) == {1.0}


def test_own_graph_from_coordinates(tmp_path):
    found = load(tmp_path, graph=PLACES, neighbors=1)
    check(found, 5, 3, 2)  # of west and south each other, of north south
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
        same(load(tmp_path, samples | changes, chain), plain)
    assert load(tmp_path, samples, chain, sources=[10]).sources.sum() == 1


def test_own_regression(tmp_path):
    rows = column(SAMPLES, "label", ["1", "", "-2.5", "", "3"])
    found = load(tmp_path, rows, regression=True)
    check(found, 5, 3, 2)
    assert found.regression and found.class_names == () and found.y.shape == (5, 1)
    np.testing.assert_array_equal(found.y[:, 0], [1, np.nan, -2.5, np.nan, 3])
    several = [
        [*row, c] for row, c in zip(rows, ["label_2", 5, "", 6, "", 7], strict=True)
    ]
    both = load(tmp_path, several, regression=True)
    np.testing.assert_array_equal(both.y[:, 1], [5, np.nan, 6, np.nan, 7])
    assert both.x.shape == (5, 2) and both.sources.tolist() == [True, False, True]
    samples = {"x": both.x, "y": both.y, "domain": both.domain_names[both.domain]}
    same(load(tmp_path, samples, regression=True), both)
    same(load(tmp_path, samples | {"y": both.y[:, 0]}, regression=True), found)
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
        {"samples": column(SAMPLES, LABEL, ["cat", "NaN", "dog", "", ""])},
        "line 3, column label: expected a class, or an empty cell .* found 'NaN'",
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
    ({"y": GOOD["y"] * np.nan}, "whole numbers .* found nan in place 0"),
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
