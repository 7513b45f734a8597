"""The original files of published graphs, and how they are read.

Every reader returns a `NodeData` without class names, with nodes, classes and
splits as published. Features are `sparse.Sparse`, or `[n, d]` where there are few.
"""

import csv
import itertools
import json

import numpy as np

from iclr22 import sparse
from iclr22.data import checks, pickles
from iclr22.data.graphs import NodeData, group_masks, node_data, split_masks

STEMS = {"train": "train", "valid": "val", "test": "test"}  # our names, theirs


def _sparse(rows, columns, values, shape):
    """A `Sparse` from its entries in any order."""
    order = np.lexsort((columns, rows))
    offsets = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=shape[0]))])
    return sparse.from_rows(offsets, columns[order], values[order], shape[1])


def read_converted(path) -> NodeData:
    """Arrays in one file of ours; each edge in one direction at least."""
    found = checks.read_npz(path)
    features, masks = None, {}
    if "feat_indptr" in found:
        features = sparse.from_rows(
            found["feat_indptr"],
            found["feat_indices"],
            found["feat_data"],
            int(found["num_features"]),
        )
    for split, stem in STEMS.items():
        for key in {f"{stem}_mask", f"{stem}_masks"} & found.keys():
            masks[split] = np.atleast_2d(found[key])
    names = found["node_ids"].astype(str) if "node_ids" in found else None
    return node_data(features, found["edge_index"], found["labels"], masks, names)


def read_heterophilous(paths) -> NodeData:
    """One file; edges `[e, 2]`, ten splits."""
    found = checks.read_npz(paths[0])
    dense = found["node_features"]
    rows, columns = np.nonzero(dense)
    features = _sparse(rows, columns, dense[rows, columns], dense.shape)
    masks = {split: found[f"{stem}_masks"] for split, stem in STEMS.items()}
    return node_data(features, found["edges"].T, found["node_labels"], masks)


def read_struc2vec(paths) -> NodeData:
    """Lines of two airports; lines of an airport and its class, below a header."""
    edges, rows = (np.array(path.read_text().split()) for path in paths)
    ids, labels = rows[2:].reshape(-1, 2).astype(np.int64).T
    order = np.argsort(ids)
    edges = np.searchsorted(ids[order], edges.astype(np.int64).reshape(-1, 2).T)
    return node_data(None, edges, labels[order], {}, ids[order].astype(str))


def read_musae(paths) -> NodeData:
    """Lists of features by node; a table of nodes; a table of edges."""
    listed = json.loads(paths[0].read_text(encoding="utf-8"))
    tables = []
    for path in paths[1:]:
        with path.open(newline="", encoding="utf-8") as stream:
            tables.append(list(csv.DictReader(stream)))
    nodes, edges = tables
    n, first = len(nodes), nodes[0]
    number = [int(row["new_id" if "new_id" in first else "id"]) for row in nodes]
    values = [row["page_type" if "page_type" in first else "mature"] for row in nodes]
    labels = np.empty(n, np.int32)
    labels[number] = np.unique(values, return_inverse=True)[1]
    pairs = {(int(row), column) for row in listed for column in listed[row]}
    rows, columns = np.array(sorted(pairs)).T
    shape = (n, columns.max() + 1)
    features = _sparse(rows, columns, np.ones(len(rows)), shape)
    edges = np.array([list(row.values()) for row in edges]).astype(np.int64).T
    # No split was published with these.
    masks = split_masks(np.random.RandomState(0).permutation(n))
    return node_data(features, edges, labels, masks)


def read_planetoid(paths) -> NodeData:
    """Rows of `allx` are nodes in order, rows of `tx` are those that the index lists."""
    *pickled, index = paths
    x, _, tx, ty, allx, ally, neighbours = map(pickles.read, pickled)
    test = np.array(index.read_text().split()).astype(np.int64)
    n, known = int(test.max()) + 1, np.arange(len(ally))
    labels, entries = np.full(n, -1), []
    for nodes, matrix, one_hot in ((known, allx, ally), (test, tx, ty)):
        labels[nodes] = np.where(one_hot.any(axis=1), one_hot.argmax(axis=1), -1)
        rows = np.repeat(nodes, np.diff(matrix["indptr"]))
        entries.append((rows, matrix["indices"], matrix["data"]))
    shape = (n, int(allx.get("_shape", allx.get("shape"))[1]))
    rows, columns, values = map(np.concatenate, zip(*entries, strict=True))
    features = _sparse(rows, columns, values, shape)
    senders = np.repeat(list(neighbours), list(map(len, neighbours.values())))
    edges = senders, list(itertools.chain(*neighbours.values()))
    train = len(x["indptr"]) - 1
    masks = group_masks(n, known[:train], known[train : train + 500], test)
    return node_data(features, edges, labels, masks)
