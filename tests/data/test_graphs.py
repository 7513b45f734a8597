"""Published graphs, random ones, and the user's own."""

import csv
import gzip
import json
import os
import pickle
import re

import numpy as np
import pytest

from iclr22 import data, errors, graph, sparse
from iclr22.data import download, graphs, images
from iclr22.data.graphs import files as graph_files
from iclr22.data.graphs import own as own_graph

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


def same(a, b):
    """Two `NodeData` hold the same arrays."""
    assert a.class_names == b.class_names and a.masks.keys() == b.masks.keys()
    assert isinstance(a.graph.nodes, sparse.Sparse) == isinstance(
        b.graph.nodes, sparse.Sparse
    )
    pairs = [(a.labels, b.labels), (a.node_names, b.node_names)]
    pairs += [(a.masks[split], b.masks[split]) for split in a.masks]
    pairs += [(getattr(a.graph, k), getattr(b.graph, k)) for k in a.graph._fields[1:-2]]
    nodes = (x.graph.nodes for x in (a, b))
    if isinstance(a.graph.nodes, sparse.Sparse):
        x, y = nodes
        assert x.shape == y.shape
        pairs += [(x.values, y.values), *zip(x.plan, y.plan, strict=True)]
    else:
        pairs.append(tuple(nodes))
    for one, other in pairs:
        if one is not None:
            np.testing.assert_array_equal(one, other)
            assert one.dtype == other.dtype or one.dtype.kind == other.dtype.kind == "U"


# Published graphs


def test_bundled_cora(tmp_path):
    found = data.get("cora").load(tmp_path)
    check(found, *KNOWN["cora"])
    assert {mask.shape for mask in found.masks.values()} == {(1, 2708)}
    assert graph.homophily(found.graph, found.labels) == pytest.approx(0.8252, abs=5e-5)
    assert graph.degrees(found.graph).max() == 168
    assert set(found.graph.nodes.values.tolist()) == {1.0}
    resource = images.read_npz(
        graphs.importlib.resources.files(data) / "files/cora.npz"
    )
    assert resource.keys() == {
        *("num_features", "feat_indptr", "feat_indices", "feat_data"),
        *("edge_index", "labels", "train_mask", "val_mask", "test_mask"),
    }


def test_bundled_cora_can_be_made_again(tmp_path, shared):
    graphs.write_bundle(tmp_path / "cora.npz", shared / "data")
    made = images.read_npz(tmp_path / "cora.npz")
    bundled = images.read_npz(
        graphs.importlib.resources.files(data) / "files" / "cora.npz"
    )
    assert made.keys() == bundled.keys()
    for key, array in made.items():
        np.testing.assert_array_equal(array, bundled[key])
    same(graphs.load_cora(), graphs.load("cora", shared / "data"))
    assert (tmp_path / "cora.npz").stat().st_size < 200_000


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_published_graph_has_the_published_counts(shared, name):
    found = data.get(name).load(shared / "data")
    check(found, *KNOWN[name])
    dense = name == "tolokers" or name.startswith("airport")
    assert isinstance(found.graph.nodes, np.ndarray if dense else sparse.Sparse)
    if found.masks:
        several = graphs.PUBLISHED[name].source is graphs.HETEROPHILOUS
        assert {len(mask) for mask in found.masks.values()} == {10 if several else 1}
    assert not np.any(sum(mask.astype(int) for mask in found.masks.values()) > 1)


@pytest.mark.parametrize(
    "name", ["cora", "citeseer", "chameleon", "texas", "airport_brazil"]
)
def test_original_files_equal_the_converted_copy(tmp_path, shared, name):
    (tmp_path / f"{name}.npz").symlink_to(shared / "data" / "graphs" / f"{name}.npz")
    published = graphs.PUBLISHED[name]
    assert all(
        download.find(file, published.source.folder, shared / "data")
        for file in published.files
    )
    same(graphs.load(name, shared / "data"), graphs.load(name, tmp_path))


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


# Readers of original files


def python2_array(array):
    """A NumPy array as Python 2 pickled it, protocol 0."""
    kind = array.dtype.str
    shape = "".join(f"I{size}\n" for size in array.shape)
    return (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR"
        + f"(I1\n({shape}tcnumpy\ndtype\n(S'{kind[1:]}'\nI0\nI1\ntR".encode()
        + f"(I3\nS'{kind[0]}'\nNNNI-1\nI-1\nI0\ntbI00\n".encode()
        + b"S"
        + repr(array.tobytes())[1:].encode()
        + b"\ntb"
    )


def python2_matrix(dense):
    """A SciPy matrix of compressed rows as Python 2 pickled it, protocol 0."""
    rows, columns = np.nonzero(dense)
    counts = np.bincount(rows, minlength=len(dense))
    parts = {
        "indptr": np.concatenate([[0], np.cumsum(counts)]).astype(np.int32),
        "indices": columns.astype(np.int32),
        "data": dense[rows, columns].astype(np.float64),
    }
    begin = (
        "ccopy_reg\n_reconstructor\n(cscipy.sparse.csr\ncsr_matrix\nc__builtin__\nobject"
        f"\nNtR(dS'_shape'\n(I{dense.shape[0]}\nI{dense.shape[1]}\ntsS'maxprint'\nI50\ns"
    )
    items = [b"S'%s'\n%ss" % (k.encode(), python2_array(v)) for k, v in parts.items()]
    return begin.encode() + b"".join(items) + b"b"


def test_planetoid_quirks(tmp_path):
    """Nodes 0 to 502 are in allx, 503 to 506 in tx but in another order, 505 nowhere."""
    rng = np.random.default_rng(0)
    dense = rng.integers(0, 3, (507, 4)) * rng.integers(0, 2, (507, 4))
    one_hot = np.eye(3, dtype=np.int32)[rng.integers(0, 3, 507)]
    test = [506, 503, 504]
    neighbours = {i: [] for i in range(507)} | {0: [1, 1, 0, 506], 1: [0], 506: [0]}
    entries = "".join(
        f"I{i}\n(l{''.join(f'I{j}{chr(10)}a' for j in js)}s"
        for i, js in neighbours.items()
    )
    content = {
        "x": python2_matrix(dense[:3]),
        "y": python2_array(one_hot[:3]),
        "tx": python2_matrix(dense[test]),
        "ty": python2_array(one_hot[test]),
        "allx": python2_matrix(dense[:503]),
        "ally": python2_array(one_hot[:503]),
        "graph": b"ccollections\ndefaultdict\n(c__builtin__\nlist\ntR"
        + entries.encode(),
    }
    for name, pickled in content.items():
        (tmp_path / f"ind.small.{name}").write_bytes(pickled + b".")
    (tmp_path / "ind.small.test.index").write_text("506\n503\n504\n")
    paths = [tmp_path / p.format("small") for p in graphs.PLANETOID.paths]
    found = graph_files.read_planetoid(paths)
    dense[505] = 0
    np.testing.assert_array_equal(found.graph.nodes, dense)
    labels = np.where(np.arange(507) == 505, -1, one_hot.argmax(1))
    np.testing.assert_array_equal(found.labels, labels)
    assert found.graph.senders.tolist() == [1, 506, 0, 0]
    assert found.graph.receivers.tolist() == [0, 0, 1, 506]
    where = {split: np.flatnonzero(mask[0]) for split, mask in found.masks.items()}
    assert where["train"].tolist() == [0, 1, 2]
    assert where["valid"].tolist() == list(range(3, 503))
    assert where["test"].tolist() == [503, 504, 506]


class Trap:
    def __reduce__(self):
        return os.mkdir, (os.environ["TRAP"],)


HOSTILE = {
    "reduce": b"cos\nmkdir\n(S'%s'\ntR.",
    "inst": b"(S'%s'\nios\nmkdir\n.",
    "obj": b"(cos\nmkdir\nS'%s'\no.",
    "eval": b'c__builtin__\neval\n(S\'__import__("os").mkdir("%s")\'\ntR.',
    "getattr": b"c__builtin__\ngetattr\n(c__builtin__\nlist\nS'%s'\ntR.",
    "factory": b"ccollections\ndefaultdict\n(cos\nmkdir\ntR(S'%s'\nI1\ns.",
    "dotted": b"\x80\x04\x8c\x0bcollections\x8c\x17defaultdict.__class__%s\x93.",
    "numpy": b"cnumpy\nload\n(S'%s'\ntR.",
    "persistent": b"P%s\n.",
    "extension": b"\x82\x01%s.",
    "object array": b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\n"
    b"tR(I1\n(I1\ntcnumpy\ndtype\n(S'O8'\nI0\nI1\ntR(I3\nS'|'\nNNNI-1\nI-1\nI63\ntbI00\n"
    b"S'%s'\ntb.",
    "text": b"%s",
    "empty": b"",
}


@pytest.mark.parametrize("kind", [*HOSTILE, *range(6)])
def test_pickles_are_never_executed(tmp_path, monkeypatch, kind):
    trap = tmp_path / "sprung"
    monkeypatch.setenv("TRAP", str(trap))
    path = tmp_path / "ind.cora.x"
    hostile = HOSTILE.get(kind)
    if hostile is None:  # as Python 3 writes it, in every protocol
        path.write_bytes(pickle.dumps([Trap()], protocol=kind))
    else:
        path.write_bytes(hostile.replace(b"%s", str(trap).encode()))
    with pytest.raises(
        errors.InputError, match="(?s)ind.cora.x: .* It was not executed"
    ):
        graph_files.read_pickle(path)
    assert not trap.exists()


def test_truncated_pickle_is_an_error(tmp_path):
    whole = python2_matrix(np.eye(3)) + b"."
    path = tmp_path / "x"
    path.write_bytes(whole)
    parts = graph_files.read_pickle(path)
    assert parts["indices"].tolist() == [0, 1, 2] and parts["_shape"] == (3, 3)
    for end in range(0, len(whole) - 1, 7):
        path.write_bytes(whole[:end])
        with pytest.raises(errors.InputError):
            graph_files.read_pickle(path)


@pytest.mark.parametrize("kind", ["facebook", "twitch"])
def test_musae_files(tmp_path, kind):
    paths = [tmp_path / name for name in ("features", "target", "edges")]
    listed = {"2": [4, 1], "0": [], "1": [0, 0], "3": [2]}
    paths[0].write_text(json.dumps(listed))
    if kind == "facebook":
        rows = [
            '0,9,"A, b",tvshow',
            "1,8,Ü,company",
            "2,7,c,tvshow",
            "3,6,d,politician",
        ]
        header, pairs, labels = (
            "id,facebook_id,page_name,page_type",
            "id_1,id_2",
            [2, 0, 2, 1],
        )
    else:  # the table is not in the order of the nodes
        rows = ["7,1,True,5,False,3", "8,1,False,5,False,0", "9,1,True,5,False,1"]
        rows += ["6,1,False,5,True,2"]
        header, pairs, labels = (
            "id,days,mature,views,partner,new_id",
            "from,to",
            [0, 1, 0, 1],
        )
    paths[1].write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    paths[2].write_text(f"{pairs}\n0,1\n1,0\n2,2\n3,1\n")
    found = graph_files.read_musae(paths)
    assert found.labels.tolist() == labels
    assert found.graph.senders.tolist() == [1, 0, 3, 1]
    dense = [[0] * 5, [1, 0, 0, 0, 0], [0, 1, 0, 0, 1], [0, 0, 1, 0, 0]]
    np.testing.assert_array_equal(found.graph.nodes, dense)
    assert [m.sum() for m in found.masks.values()] == [2, 1, 1]


def test_features_from_degrees():
    edges = [(0, i) for i in range(1, 6)] + [(1, 2), (2, 3)]
    links = graph.build(np.zeros((7, 0)), *np.array(edges).T)
    found = graph_files.degree_features(links)  # degrees 5 2 3 2 1 1 0
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
    same(first, second)
    assert not np.array_equal(first.graph.nodes, other.graph.nodes)


# The user's own graph

NODES = [
    ["id", "label", "split", "age", "income"],
    ["ann", "cat", "train", "1.5", "-2"],
    ["bob", "dog", "train", "0", "1e3"],
    ["cid", "", "train", "3", "4"],
    ["dan", "cat", "test", "5", "6"],
    ["eve", "dog", "valid", "7", "8"],
    ["flo", "ant", "", "9", "10"],
]
EDGES = [
    ["source", "target", "weight"],
    ["ann", "bob", "2"],
    ["bob", "ann", "1"],
    ["cid", "ann", "0.5"],
    ["eve", "eve", "1"],
]


def table(path, rows):
    with open(path, "w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows(rows)
    return path


def tables(folder, nodes=NODES, edges=EDGES):
    return table(folder / "nodes.csv", nodes), table(folder / "edges.csv", edges)


def column(rows, name, values):
    """The rows with other cells in a column; None takes the column away."""
    j = rows[0].index(name)
    if values is None:
        return [row[:j] + row[j + 1 :] for row in rows]
    cells = [name, *values]
    return [row[:j] + [c] + row[j + 1 :] for row, c in zip(rows, cells, strict=True)]


def test_own_tables_come_back(tmp_path):
    found = data.load_own_graph(*tables(tmp_path))
    assert found.node_names.tolist() == ["ann", "bob", "cid", "dan", "eve", "flo"]
    assert found.class_names == ("ant", "cat", "dog")
    assert found.labels.tolist() == [1, 2, -1, 1, 2, 0]
    assert found.graph.nodes[:2].tolist() == [[1.5, -2], [0, 1000]]
    assert found.graph.senders.tolist() == [1, 2, 0, 0]
    assert found.graph.edges.tolist() == [2, 0.5, 2, 0.5]
    masks = {split: mask.nonzero()[1].tolist() for split, mask in found.masks.items()}
    assert masks == {"train": [0, 1], "valid": [4], "test": [3]}  # cid has no label
    directed = own_graph.from_csv(*tables(tmp_path), directed=True)
    assert directed.graph.senders.tolist() == [1, 2, 0]
    assert directed.graph.receivers.tolist() == [0, 0, 1]
    assert directed.graph.edges.tolist() == [1, 0.5, 2]


def test_own_tables_with_the_least_columns(tmp_path):
    nodes = [["label", "id"], *([str(i % 2 * 10 + 2), f"{i}"] for i in range(5))]
    found = data.load_own_graph(*tables(tmp_path, nodes, [["target", "source"], "01"]))
    assert found.masks == {} and found.class_names == ("2", "12")  # as numbers sort
    assert found.graph.nodes.tolist() == [[0, 1]] * 2 + [[1, 0]] * 3
    assert found.graph.edges.tolist() == [1, 1]


def test_own_tables_from_a_spreadsheet(tmp_path):
    plain = data.load_own_graph(*tables(tmp_path))
    nodes = "\r\n\r\n".join(",".join(f'"{cell}"' for cell in row) for row in NODES)
    (tmp_path / "nodes.csv").write_text("\ufeff" + nodes, encoding="utf-8", newline="")
    edges = [[f" {cell} " for cell in row] for row in EDGES]
    table(tmp_path / "edges.csv", edges)
    same(data.load_own_graph(tmp_path / "nodes.csv", tmp_path / "edges.csv"), plain)


def test_own_tables_of_many_rows(tmp_path):
    n = 9001  # more than one block
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, 2)).astype(np.float32)
    ends = rng.integers(0, n, (2, 2 * n))
    nodes = [["id", "label", "a", "b"]]
    nodes += [[f"n{i}", i % 3, *map(repr, map(float, row))] for i, row in enumerate(x)]
    edges = [["source", "target"], *([f"n{s}", f"n{r}"] for s, r in ends.T)]
    found = data.load_own_graph(*tables(tmp_path, nodes, edges))
    np.testing.assert_array_equal(found.graph.nodes, x)
    np.testing.assert_array_equal(found.graph.senders, graph.build(x, *ends).senders)


ID, LABEL, SPLIT, AGE = "id", "label", "split", "age"
WRONG_TABLES = [
    (
        {"nodes": column(NODES, ID, None)},
        "nodes.csv, line 1: .* column id.* found label,",
    ),
    ({"nodes": [["id;label"], ["a;b"]]}, "separated by commas; found id;label"),
    ({"nodes": []}, "column id, .* found nothing"),
    ({"nodes": NODES[:1]}, "a row for every node; found none"),
    ({"nodes": column(NODES, AGE, [*"12345", "six"])}, "line 7, column age: .* 'six'"),
    (
        {"nodes": column(NODES, AGE, [*"12", "nan", *"456"])},
        "line 4, column age.*'nan'",
    ),
    ({"nodes": column(NODES, AGE, ["1e99", *"23456"])}, "line 2, column age.*'1e99'"),
    ({"nodes": column(NODES, AGE, ["", *"23456"])}, "line 2, column age: .*found ''"),
    ({"nodes": column(NODES, ID, [*"abcdea"])}, "nodes.csv, line 7: .* 'a' again"),
    (
        {"nodes": [*NODES[:3], NODES[3][:4], *NODES[4:]]},
        "line 4: expected 5 cells .* 4",
    ),
    ({"nodes": [r + [r[-1]] for r in NODES]}, "different names; found id, label"),
    ({"nodes": column(NODES, LABEL, None)}, "two classes in train; found none"),
    ({"nodes": column(NODES, LABEL, [""] * 6)}, "two classes in train; found none"),
    ({"nodes": column(NODES, LABEL, ["", "", "", *"xyz"])}, "in train; found none"),
    ({"nodes": column(NODES, LABEL, ["x"] * 6)}, "two classes in train; found x"),
    (
        {"nodes": column(column(NODES, LABEL, ["x"] * 6), SPLIT, None)},
        "at least two classes; found x",
    ),
    (
        {"nodes": column(NODES, SPLIT, ["train", "training", *[""] * 4])},
        "line 3: .* found 'training'. Did you mean train",
    ),
    ({"nodes": column(NODES, SPLIT, [*["train"] * 5, "Test"])}, "Did you mean test"),
    ({"nodes": column(NODES, SPLIT, ["test"] * 6)}, "two classes in train; found none"),
    ({"edges": column(EDGES, "target", None)}, "edges.csv, line 1: .* column target"),
    (
        {"edges": [*EDGES, ["ann", "zoe", "1"]]},
        "edges.csv, line 6: expected ids of nodes; found 'zoe'",
    ),
    ({"edges": [*EDGES, ["xi", "ann", "1"]]}, "line 6: .* found 'xi'"),
    ({"edges": column(EDGES, "weight", [1, 2, -1, 3])}, "line 4, column weight.*'-1'"),
    (
        {"edges": column(EDGES, "weight", [1, 2, 3, "nan"])},
        "line 5, column weight.*nan",
    ),
    ({"edges": EDGES[:1]}, "edges.csv: expected edges .* found none"),
    ({"edges": [EDGES[0], EDGES[4]]}, "edges between different nodes; found none"),
]


@pytest.mark.parametrize("changes, message", WRONG_TABLES)
def test_own_tables_with_an_error_are_refused(tmp_path, changes, message):
    with pytest.raises(errors.InputError, match=message) as caught:
        data.load_own_graph(*tables(tmp_path, **changes))
    assert "\n" not in str(caught.value)


def test_own_tables_that_are_no_tables(tmp_path):
    nodes, edges = tables(tmp_path)
    with pytest.raises(errors.InputError, match="no.csv: expected a file; found none"):
        data.load_own_graph(tmp_path / "no.csv", edges)
    with pytest.raises(errors.InputError, match="no.csv: expected a file; found none"):
        data.load_own_graph(nodes, tmp_path / "no.csv")
    with pytest.raises(errors.InputError, match="found no file of edges"):
        data.load_own_graph(nodes)
    with pytest.raises(errors.InputError, match="no.npz: expected a file; found none"):
        data.load_own_graph(tmp_path / "no.npz")
    for content in (gzip.compress(nodes.read_bytes()), b"id,label\n\xff,a\n"):
        (tmp_path / "n.csv").write_bytes(content)
        with pytest.raises(errors.InputError, match="comma-separated table in UTF-8"):
            data.load_own_graph(tmp_path / "n.csv", edges)


X = np.arange(12.0).reshape(4, 3)
Y = np.array([0, 1, -1, 1])
INDEX = np.array([[0, 1, 2], [1, 2, 0]])
GOOD = {"x": X, "y": Y, "edge_index": INDEX}
ROWS = {
    "x_indptr": np.array([0, 1, 1, 3, 3]),
    "x_indices": np.array([2, 0, 1]),
    "x_data": np.array([1.0, 2.0, 3.0]),
    "x_shape": np.array([4, 3]),
}


def saved(folder, **arrays):
    np.savez(folder / "own.npz", **{k: v for k, v in arrays.items() if v is not None})
    return folder / "own.npz"


def test_own_arrays_come_back(tmp_path):
    found = data.load_own_graph(saved(tmp_path, **GOOD))
    np.testing.assert_array_equal(found.graph.nodes, X)
    assert found.graph.nodes.dtype == np.float32 and found.labels.dtype == np.int32
    assert found.labels.tolist() == Y.tolist() and found.class_names == ("0", "1")
    assert found.node_names.tolist() == [*"0123"] and found.masks == {}
    assert found.graph.senders.tolist() == [1, 2, 0, 2, 0, 1]
    directed = own_graph.from_npz(saved(tmp_path, **GOOD), directed=True)
    assert directed.graph.senders.tolist() == [2, 0, 1]


def test_own_arrays_with_everything(tmp_path):
    path = saved(
        tmp_path,
        **ROWS,
        y=np.array(["b", "a", "", "b"]),
        ids=np.array([40, 30, 20, 10]),
        edge_index=np.array([[40, 10], [30, 20]]),
        edge_weight=np.array([2, 3]),
        class_names=np.array(["b", "a"]),
        train_mask=np.array([[1, 1, 1, 0], [0, 1, 0, 1]], bool),
        test_mask=np.array([[0, 0, 0, 1], [1, 0, 0, 0]], bool),
        other=Y,
    )
    found = data.load_own_graph(path)
    dense = [[0, 0, 1], [0, 0, 0], [2, 3, 0], [0, 0, 0]]
    np.testing.assert_array_equal(sparse.to_dense(found.graph.nodes), dense)
    assert found.labels.tolist() == [0, 1, -1, 0] and found.class_names == ("b", "a")
    assert found.node_names.tolist() == ["40", "30", "20", "10"]
    assert found.graph.senders.tolist() == [1, 0, 3, 2]
    assert found.graph.edges.tolist() == [2, 2, 3, 3]
    assert found.masks["train"].tolist() == [
        [True, True, False, False],
        [False, True, False, True],
    ]
    assert found.masks["valid"].tolist() == [[False] * 4] * 2
    assert found.masks["test"].shape == (2, 4)


def test_own_arrays_of_other_kinds(tmp_path):
    plain = data.load_own_graph(saved(tmp_path, **GOOD))
    ids = np.array([*"wxyz"])
    for changes in (
        {"y": np.array(["0", "1", "", "1"])},
        {"y": np.array([b"0", b"1", b"", b"1"])},
        {"y": Y.astype(float)},
        {"x": X.astype(np.int8)},
        {"edge_index": INDEX.astype(np.uint8)},
        {"edge_weight": np.ones(3, bool)},
        {"class_names": np.array(["0", "1"])},
    ):
        same(data.load_own_graph(saved(tmp_path, **GOOD | changes)), plain)
    for index in (INDEX, ids[INDEX], ids[INDEX].astype("S")):
        found = data.load_own_graph(
            saved(tmp_path, **GOOD | {"ids": ids, "edge_index": index})
        )
        assert found.node_names.tolist() == [*"wxyz"]
        np.testing.assert_array_equal(found.graph.senders, plain.graph.senders)
    for kind in (np.uint8, bool):
        y = np.array([0, 1, 1, 0])
        found = data.load_own_graph(saved(tmp_path, **GOOD | {"y": y.astype(kind)}))
        assert found.labels.tolist() == [0, 1, 1, 0]
    found = data.load_own_graph(saved(tmp_path, **GOOD | {"x": None}))
    assert found.graph.nodes.tolist() == [[0, 0, 1]] * 3 + [[1, 0, 0]]


TRUE = np.ones(4, bool)
WRONG_ARRAYS = [
    (
        {"y": None},
        "expected the arrays x, y and edge_index; found no y, but x, edge_index",
    ),
    ({"y": None, "edge_index": None}, "no y and no edge_index, but x"),
    ({"y": Y[:3]}, r"x of shape \[n, d\], with n = 3; found \[4, 3\]"),
    ({"y": Y[:, None]}, r"y of shape \[n\]; found \[4, 1\]"),
    ({"x": X[:, 0]}, r"x of shape \[n, d\], with n = 4; found \[4\]"),
    (
        {"x": np.where(X == 7, np.nan, X)},
        "finite numbers in x; found nan in place 2, 1",
    ),
    ({"x": X * 1e300}, "finite numbers in x; found inf in place 0, 1"),
    ({"x": X.astype(str)}, "x of real numbers; found type <U"),
    ({"y": Y + 0.5}, "whole numbers from 0 to at most 3, .* found 0.5 in place 0"),
    ({"y": Y * 1.0 * np.nan}, "whole numbers .* found nan"),
    ({"y": Y - 1}, "or -1 where unknown; found -2 in place 2"),
    ({"y": Y + 100}, "found 100 in place 0. Number the classes from 0"),
    ({"y": Y * 1j}, "whole numbers .* found 0j in place 0"),
    ({"y": np.array([*"abca"]), "class_names": np.array(["a", "b"])}, "found also c"),
    ({"y": Y * 0}, "at least two classes; found 0"),
    ({"y": Y * 0 - 1}, "at least two classes; found none"),
    ({"edge_index": INDEX.T}, r"edge_index of shape \[2, edges\]; found \[3, 2\]"),
    ({"edge_index": INDEX + 2}, "node numbers from 0 to 3 in .*; found 3, 4 in edge 1"),
    ({"edge_index": INDEX - 1}, "from 0 to 3 in edge_index; found -1, 0 in edge 0"),
    ({"edge_index": INDEX / 2}, "from 0 to 3 in edge_index; found 0.0, 0.5 in edge 0"),
    ({"edge_index": INDEX.astype(str)}, "node numbers .* found 0, 1 in edge 0"),
    ({"edge_index": INDEX[:, :0]}, "edges between different nodes; found none"),
    (
        {"edge_index": INDEX[:1].repeat(2, 0)},
        "edges between different nodes; found none",
    ),
    ({"ids": np.array([4, 5, 6, 6])}, "id of its own for every node; found '6' again"),
    (
        {"ids": np.array([4, 5, 6, 7])},
        "entries of ids in edge_index; found 0, 1 in edge",
    ),
    ({"ids": np.array([4, 5, 6])}, r"ids of shape \[n\], with n = 4; found \[3\]"),
    ({"edge_weight": np.ones(2)}, r"edge_weight of shape \[edges\], with edges = 3"),
    ({"edge_weight": np.array([1, 2, -3])}, "at least 0 in edge_weight; found -3.0 in"),
    ({"edge_weight": np.array([1, np.nan, 3])}, "in edge_weight; found nan in place 1"),
    ({"train_mask": TRUE[:3]}, r"train_mask of shape \[splits, n\], with n = 4; found"),
    (
        {"train_mask": TRUE.astype(int)},
        "of type bool and of the same shape, .* found train",
    ),
    ({"test_mask": TRUE}, "at least the first; found test"),
    (
        {"train_mask": TRUE, "test_mask": TRUE},
        "at most one of train, valid, test; found '0' in",
    ),
    ({"train_mask": TRUE, "test_mask": np.stack([TRUE] * 2)}, "of the same shape"),
    ({"train_mask": ~TRUE, "test_mask": TRUE}, "two classes in train; found none"),
    (
        {"x": None, **ROWS, "x_shape": None},
        "x_shape to be .* found x_indptr, x_indices",
    ),
    ({"x": None, **ROWS, "x_shape": np.array([4, 2])}, "csr_array of 4 rows"),
    ({"x": None, **ROWS, "x_shape": np.array([5, 3])}, "csr_array of 4 rows"),
    ({"x": None, **ROWS, "x_indices": np.array([-1, 0, 1])}, "csr_array of 4 rows"),
    ({"x": None, **ROWS, "x_data": np.ones(2)}, "csr_array of 4 rows"),
    ({"x": None, **ROWS, "x_indptr": np.array([0, 2, 1, 3, 3])}, "csr_array of 4 rows"),
    ({"x": None, **ROWS, "x_indptr": np.array([0, 1, 3])}, r"x_indptr of shape \[n1\]"),
    ({"x": None, **ROWS, "x_data": np.array([1, 2, np.inf])}, "in x_data; found inf"),
]


@pytest.mark.parametrize("changes, message", WRONG_ARRAYS)
def test_own_arrays_with_an_error_are_refused(tmp_path, changes, message):
    with pytest.raises(errors.InputError, match=message) as caught:
        data.load_own_graph(saved(tmp_path, **GOOD | changes))
    assert "\n" not in str(caught.value) and re.match(".*own.npz", str(caught.value))


def test_own_arrays_are_never_unpickled(tmp_path, monkeypatch):
    monkeypatch.setenv("TRAP", str(tmp_path / "sprung"))
    path = saved(tmp_path, **GOOD | {"y": np.array([Trap()] * 4, object)})
    with pytest.raises(errors.InputError, match="'y': .* without Python objects"):
        data.load_own_graph(path)
    path.write_bytes(pickle.dumps(Trap()))
    with pytest.raises(errors.InputError, match="without Python objects"):
        data.load_own_graph(path)
    assert not (tmp_path / "sprung").exists()
