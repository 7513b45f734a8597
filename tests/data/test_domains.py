"""Domains that a graph relates: published and drawn; TPT-48."""

import csv
import importlib.resources
import pickle
import shutil

import numpy as np
import pytest
from data_helpers import Trap, check_domains, same_domains, table

from iclr22 import data, errors, graph
from iclr22.data import checks, domains, download
from iclr22.data.domains import climate, files, simulated

FILES = importlib.resources.files(data) / "files"
TPT48 = ("tpt48_east_west", "tpt48_north_south")


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
    check_domains(found, 100 * n, n, edges)
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
    bundled = checks.read_npz(FILES / "dg15.npz")
    whole = checks.read_npz(shared / "data" / "grda" / "dg15.npz")
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
    copy = checks.read_npz(shared / "data" / "grda" / "dg60.npz")
    content = {
        theirs: copy[ours].astype(np.float64) for ours, theirs in files.KEYS.items()
    }
    content["data"] = np.asfortranarray(content["data"])
    path = tmp_path / "grda" / "toy_d60_spiral.pkl"
    path.parent.mkdir()
    path.write_bytes(authors_pickle(content))
    found = data.get("dg60").load(tmp_path)
    same_domains(found, data.get("dg60").load(shared / "data"))
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
    assert files.read_pickle(path)["data"].tolist() == [[0, 1, 2], [3, 4, 5]]
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


@pytest.mark.parametrize("kind", sorted(simulated.KINDS))
@pytest.mark.parametrize("n, points", [(2, 2), (3, 7), (15, 100), (120, 10), (4, 999)])
def test_drawn_domains_follow_the_rules(kind, n, points):
    found = data.generate_domains(
        np.random.default_rng(n), n, points, kind=kind, sources=min(6, n)
    )
    check_domains(found, n * points, n, len(found.graph.senders) // 2)
    assert off_centre(found).max() < 1 + 1e-5
    assert found.y.sum() == n * (points // 2) and found.sources.sum() == min(6, n)
    assert domains.hops(found.graph, np.arange(n) == 0).min() == 0  # connected
    centres = found.graph.nodes.astype(np.float64)
    away = np.linalg.norm(centres, axis=1)
    unit = centres / away[:, None]
    assert (unit @ unit.T)[domains.adjacency(found.graph) > 0].min() >= 0.2
    angle = np.arctan2(unit[:, 1], unit[:, 0]) % (2 * np.pi)
    spiral = simulated.KINDS[kind]
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
    same_domains(first, second)
    assert not np.array_equal(first.x, other.x)
    drawn = data.get("dg60_drawn")
    same_domains(drawn.load(None), drawn.load(None))
    check_domains(drawn.load(None), 6000, 60, len(drawn.load(None).graph.senders) // 2)
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
    check_domains(found, size, found.size, edges, 6 if name in climate.DATASETS else 2)
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
    check_domains(found, 24 * 133 + 24 * 12, 48, 105, features=6)
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
    same_domains(after._replace(y=before.y), before)
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
    check_domains(found, 3480, 48, 105, features=6)
    assert found.class_names == climate.CLASSES and not found.regression
    same_domains(found._replace(y=numbers.y, class_names=()), numbers)
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
