"""The user's own graph: tables and arrays, and what is wrong with them."""

import gzip
import pickle
import re

import numpy as np
import pytest
from data_helpers import Trap, column, same_graph, table

from iclr22 import data, errors, graph, sparse

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


def tables(folder, nodes=NODES, edges=EDGES):
    return table(folder / "nodes.csv", nodes), table(folder / "edges.csv", edges)


def test_own_tables_come_back(tmp_path):
    found = data.load_own_graph(*tables(tmp_path))
    assert found.node_names.tolist() == ["ann", "bob", "cid", "dan", "eve", "flo"]
    assert found.class_names == ("ant", "cat", "dog")
    assert found.feature_names == ("age", "income")
    assert found.labels.tolist() == [1, 2, -1, 1, 2, 0]
    assert found.graph.nodes[:2].tolist() == [[1.5, -2], [0, 1000]]
    assert found.graph.senders.tolist() == [1, 2, 0, 0]
    assert found.graph.edges.tolist() == [2, 0.5, 2, 0.5]
    masks = {split: mask.nonzero()[1].tolist() for split, mask in found.masks.items()}
    assert masks == {"train": [0, 1], "valid": [4], "test": [3]}  # cid has no label
    directed = data.load_own_graph(*tables(tmp_path), directed=True)
    assert directed.graph.senders.tolist() == [1, 2, 0]
    assert directed.graph.receivers.tolist() == [0, 0, 1]
    assert directed.graph.edges.tolist() == [1, 0.5, 2]


def test_own_tables_with_the_least_columns(tmp_path):
    nodes = [["label", "id"], *([str(i % 2 * 10 + 2), f"{i}"] for i in range(5))]
    found = data.load_own_graph(*tables(tmp_path, nodes, [["target", "source"], "01"]))
    assert found.masks == {} and found.class_names == ("2", "12")  # as numbers sort
    assert found.graph.nodes.tolist() == [[0, 1]] * 2 + [[1, 0]] * 3
    assert found.feature_names == ()
    assert found.graph.edges.tolist() == [1, 1]


def test_own_tables_from_a_spreadsheet(tmp_path):
    plain = data.load_own_graph(*tables(tmp_path))
    nodes = "\r\n\r\n".join(",".join(f'"{cell}"' for cell in row) for row in NODES)
    (tmp_path / "nodes.csv").write_text("\ufeff" + nodes, encoding="utf-8", newline="")
    edges = [[f" {cell} " for cell in row] for row in EDGES]
    table(tmp_path / "edges.csv", edges)
    same_graph(
        data.load_own_graph(tmp_path / "nodes.csv", tmp_path / "edges.csv"), plain
    )


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
    directed = data.load_own_graph(saved(tmp_path, **GOOD), directed=True)
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
        same_graph(data.load_own_graph(saved(tmp_path, **GOOD | changes)), plain)
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
    ({"y": Y * 1.0 * np.nan}, "at least two classes; found none"),
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
        {"train_mask": 2 * TRUE},
        "of type bool and of the same shape .* or of 0 and 1; found type int64 with",
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
