"""Published graphs and random ones."""

import importlib.resources

import numpy as np
import pytest
from data_helpers import same_graph

from iclr22 import data, graph, sparse
from iclr22.data import checks, download
from iclr22.data.graphs import degree_features, published

# Nodes, undirected edges, features, stored entries, class counts, sizes of the first split.
KNOWN = {
    "cora": (2708, 5278, 1433, 49216, "351 217 418 818 426 298 180", "140 500 1000"),
    "citeseer": (3327, 4552, 3703, 105165, "249 590 668 701 596 508", "120 500 1000"),
    "pubmed": (19717, 44324, 500, 988031, "4103 7739 7875", "60 500 1000"),
    "chameleon": (2277, 31371, 2325, 29157, "456 460 453 521 387", "1092 729 456"),
    "squirrel": (
        5201,
        198353,
        2089,
        93477,
        "1042 1040 1039 1040 1040",
        "2496 1664 1041",
    ),
    "chameleon_filtered": (890, 8854, 2325, None, None, "409 287 194"),
    "squirrel_filtered": (2223, 46998, 2089, None, None, "1053 718 452"),
    "actor": (7600, 26659, 932, 40977, "853 1337 1630 1815 1965", "3648 2432 1520"),
    "cornell": (183, 277, 1703, None, None, "87 59 37"),
    "texas": (183, 279, 1703, None, None, "87 59 37"),
    "wisconsin": (251, 450, 1703, None, None, "120 80 51"),
    "airport_brazil": (131, 1003, 8, None, "32 32 32 35", None),
    "airport_europe": (399, 5993, 9, None, "99 99 99 102", None),
    "airport_usa": (1190, 13599, 9, None, "297 297 297 299", None),
    "tolokers": (11758, 519000, 10, None, "9192 2566", "5879 2939 2940"),
    "facebook": (22470, 170823, 4714, 314583, None, "13482 4494 4494"),
    "twitch_de": (9498, 153138, 3170, 193132, None, "5698 1900 1900"),
}


def check(found, nodes, edges, features, entries, counts, sizes):
    links, n = found.graph, len(found.labels)
    assert (n, len(links.senders)) == (nodes, 2 * edges) == (links.n_node, links.n_edge)
    assert links.nodes.shape == (nodes, features)
    if entries:
        assert len(links.nodes.values) == entries
    if counts:
        known = found.labels[found.labels >= 0]
        assert np.bincount(known).tolist() == list(map(int, counts.split()))
    assert found.labels.dtype == np.int32 and found.labels.max() + 1 == len(
        found.class_names
    )
    if sizes:
        first = [found.masks[split][0].sum() for split in ("train", "valid", "test")]
        assert first == list(map(int, sizes.split()))
    for mask in found.masks.values():
        assert mask.shape[1:] == (n,) and mask.dtype == bool
        assert not (mask & (found.labels < 0)).any()
    assert found.node_names.shape == (n,) and len(set(found.node_names.tolist())) == n
    assert np.all(links.senders != links.receivers) and np.all(links.edges == 1)
    code = links.receivers.astype(int) * n + links.senders
    back = links.senders.astype(int) * n + links.receivers
    assert np.all(np.diff(code) > 0)
    np.testing.assert_array_equal(code, np.sort(back))


# Published graphs


def test_bundled_cora(tmp_path):
    found = data.get("cora").load(tmp_path)
    check(found, *KNOWN["cora"])
    assert {mask.shape for mask in found.masks.values()} == {(1, 2708)}
    assert graph.homophily(found.graph, found.labels) == pytest.approx(0.8252, abs=5e-5)
    assert graph.degrees(found.graph).max() == 168
    assert set(found.graph.nodes.values.tolist()) == {1.0}
    assert (importlib.resources.files(data) / "files/cora.npz").stat().st_size < 200_000
    resource = checks.read_npz(importlib.resources.files(data) / "files/cora.npz")
    assert resource.keys() == {
        *("num_features", "feat_indptr", "feat_indices", "feat_data"),
        *("edge_index", "labels", "train_mask", "val_mask", "test_mask"),
    }


def test_bundled_cora_is_the_published_one(shared):
    same_graph(published.load_cora(), published.load("cora", shared / "data"))


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_published_graph_has_the_published_counts(shared, name):
    found = data.get(name).load(shared / "data")
    check(found, *KNOWN[name])
    dense = name == "tolokers" or name.startswith("airport")
    assert isinstance(found.graph.nodes, np.ndarray if dense else sparse.Sparse)
    if found.masks:
        several = published.PUBLISHED[name].source is published.HETEROPHILOUS
        assert {len(mask) for mask in found.masks.values()} == {10 if several else 1}
    assert not np.any(sum(mask.astype(int) for mask in found.masks.values()) > 1)


@pytest.mark.parametrize(
    "name", ["cora", "citeseer", "chameleon", "texas", "airport_brazil"]
)
def test_original_files_equal_the_converted_copy(tmp_path, shared, name):
    (tmp_path / f"{name}.npz").symlink_to(shared / "data" / "graphs" / f"{name}.npz")
    known = published.PUBLISHED[name]
    assert all(
        download.find(file, known.source.folder, shared / "data")
        for file in known.files
    )
    same_graph(published.load(name, shared / "data"), published.load(name, tmp_path))


def test_citeseer_has_unlabelled_and_isolated_nodes(shared):
    found = data.get("citeseer").load(shared / "data")
    unknown = found.labels < 0
    assert unknown.sum() == 15
    assert (graph.degrees(found.graph) == 0).sum() == 48
    assert np.all(
        sparse.to_dense(sparse.take(found.graph.nodes, unknown.nonzero()[0])) == 0
    )
    # Loaders that take nodes without a label for class 0 find another number.
    zero = np.where(unknown, 0, found.labels)
    assert graph.homophily(found.graph, zero) == pytest.approx(0.7166, abs=5e-5)
    measured = graph.homophily(found.graph, found.labels)
    assert measured == pytest.approx(0.7203, abs=5e-5)


def test_missing_files_are_asked_for_by_name(tmp_path, monkeypatch):
    def fetch(file, folder, data_dir):
        raise download.DownloadError(f"{folder}: {file.url}")

    monkeypatch.setattr(download, "fetch", fetch)
    with pytest.raises(data.DownloadError, match="musae: .*input/features/DE.json"):
        data.get("twitch_de").load(tmp_path)


def test_features_from_degrees():
    edges = [(0, i) for i in range(1, 6)] + [(1, 2), (2, 3)]
    links = graph.build(np.zeros((7, 0)), *np.array(edges).T)
    found = degree_features(links)  # degrees 5 2 3 2 1 1 0
    assert found.argmax(axis=1).tolist() == [3, 2, 2, 2, 1, 1, 0]
    assert found.shape == (7, 4) and found.sum(axis=1).tolist() == [1.0] * 7


# Random graphs


def test_random_graph_is_as_asked():
    found = data.degree_corrected_sbm(np.random.default_rng(0), 4000)
    links, degrees = found.graph, graph.degrees(found.graph)
    assert links.nodes.shape == (4000, 16) and links.nodes.dtype == np.float32
    assert np.bincount(found.labels).tolist() == [1000] * 4
    assert found.class_names == ("0", "1", "2", "3")
    assert degrees.mean() == pytest.approx(6, rel=0.06)
    assert 0.01 < (degrees == 0).mean() < 0.1
    assert 60 < degrees.max() < 250 and np.median(degrees) < 5
    same_class = found.labels[links.senders] == found.labels[links.receivers]
    assert same_class.mean() == pytest.approx(0.8, abs=0.02)
    sizes = [mask.sum() for mask in found.masks.values()]
    assert sizes == [2400, 800, 800]
    assert np.all(sum(mask.astype(int) for mask in found.masks.values()) == 1)
    # Tail of a power law: P(degree > t) falls as t ** -1.5 for density exponent 2.5.
    ratio = (degrees > 32).mean() / (degrees > 16).mean()
    assert ratio == pytest.approx(2**-1.5, rel=0.35)


@pytest.mark.parametrize("homophily, noise", [(0.2, 0.1), (0.95, 3.0)])
def test_random_graph_is_learnable_from_features_or_from_links(homophily, noise):
    found = data.degree_corrected_sbm(
        np.random.default_rng(1), 1000, homophily=homophily, noise=noise
    )
    x, y = found.graph.nodes, found.labels
    weights = np.asarray(graph.normalise(found.graph, found.graph.edges))
    smooth = np.asarray(graph.aggregate(found.graph, weights, x))

    def accuracy(x):
        means = np.stack([x[y == label].mean(axis=0) for label in range(4)])
        return (((x[:, None] - means) ** 2).sum(2).argmin(1) == y).mean()

    if noise < 1:
        assert accuracy(x) > 0.99 > accuracy(smooth)
    else:
        assert accuracy(smooth) > accuracy(x) + 0.1


def test_random_graph_depends_on_its_seed_alone():
    first, second, other = (
        data.degree_corrected_sbm(np.random.default_rng(s), 60) for s in (3, 3, 4)
    )
    same_graph(first, second)
    assert not np.array_equal(first.graph.nodes, other.graph.nodes)
