"""The user's own graph: two tables, or one npz file."""

import os
import pathlib
from collections.abc import Sequence

import numpy as np
from absl import logging

from iclr22 import errors, graph
from iclr22.data import checks
from iclr22.data.graphs import SPLITS, NodeData, degree_features, own_arrays, own_tables


def load_own(
    nodes: str | os.PathLike, edges: str | os.PathLike = "", directed: bool = False
) -> NodeData:
    """The user's own graph, of two tables or of one file of arrays.

    Nodes without a label are in no mask. Classes are numbered as their names sort. Labels
    are unknown as `labels.mark_unknown` has it. No pickle is ever executed.

    Args:
      nodes: a .csv with the columns `id`; `label`, empty, NA or NaN where unknown; if
        wanted `split`, one of train, valid (or val), test or empty; every other column is
        a feature, a number. Without any, features are made from degrees. Or a .npz,
        without `edges`: `x [n, d]`, or its compressed rows `x_indptr`, `x_indices`,
        `x_data`, `x_shape`, or neither: then features are made from degrees. `y [n]`:
        whole numbers, -1 where unknown, or strings. `edge_index [2, edges]`: senders and
        receivers, as node numbers or as entries of `ids [n]`. If wanted `edge_weight
        [edges]`, not negative; `class_names`; `train_mask`, `valid_mask` (or `val_mask`),
        `test_mask`, bool or 0 and 1, `[n]`, `[splits, n]` or `[n, splits]`.
      edges: a .csv with the columns `source`, `target` and if wanted `weight`, not
        negative.
      directed: edges, and messages, go only from source to target.

    Returns:
      Features are float32, or float64 where float32 would blur a column.

    Raises:
      errors.InputError: what is missing or wrong, and where.
    """
    if edges:
        return _from_tables(checks.existing(nodes), checks.existing(edges), directed)
    if pathlib.Path(nodes).suffix.lower() != ".npz":
        raise errors.InputError(
            f"{nodes}: expected one .npz file, or two .csv files, nodes and edges; "
            "found no file of edges. Name it, too."
        )
    return _from_arrays(checks.existing(nodes), directed)


def _from_tables(nodes, edges, directed):
    found = own_tables.read_nodes(nodes)
    number = {name: i for i, name in enumerate(found.names)}
    ends, weights = own_tables.read_edges(edges, number)
    labels, class_names = checks.classes(nodes, found.labels)
    masks = {}
    if found.splits:
        splits = np.array(found.splits)
        masks = {split: splits[None] == split for split in SPLITS}
    links = _link(edges, found.features, ends, weights, directed)
    names = checks.text_array(found.names)
    data = _checked(nodes, links, labels, class_names, names, masks)
    return data._replace(feature_names=found.feature_names)


def _from_arrays(path, directed):
    found = checks.read_npz(path)
    missing = [key for key in ("y", "edge_index") if key not in found]
    if missing:
        raise errors.InputError(
            f"{path}: expected the arrays x, y and edge_index; found no "
            f"{' and no '.join(missing)}, but {checks.few(found) or 'nothing'}."
        )
    if unused := found.keys() - own_arrays.ARRAYS:
        logging.warning("%s: not read: %s", path, checks.few(sorted(unused)))
    labels, class_names = checks.class_arrays(path, found)
    n = len(labels)
    names = _ids(path, found, n)
    values, counts = np.unique(names, return_counts=True)
    if len(values) < n:
        raise own_tables.duplicate(path, values[counts.argmax()])
    ends = own_arrays.find_ends(path, found, names)
    weights = None
    if "edge_weight" in found:
        weights = checks.shaped(
            path, found, "edge_weight", "edges", edges=ends.shape[1]
        )
        weights = checks.real(path, "edge_weight", weights, least=0)
    links = _link(path, own_arrays.read_rows(path, found, n), ends, weights, directed)
    masks = own_arrays.read_masks(path, found, n)
    return _checked(path, links, labels, class_names, names.astype(str), masks)


def read_features(path: str | os.PathLike, *, features: Sequence[str] = ()):
    """Nodes without edges, to predict for: `(ids [n] str, features [n, d])`.

    A table as `load_own` takes it (label and split are passed over and not needed), or an
    npz with `x` and if wanted `ids`.

    Args:
      features: what the columns of a table have to be called; they may come in any order
        and are returned in this one, others are passed over. Empty if they have no names.

    Raises:
      errors.InputError: what is missing or wrong, and where.
    """
    path = checks.existing(path)
    if path.suffix.lower() != ".npz":
        nodes = own_tables.read_nodes(path, features=features, predict=True)
        return checks.text_array(nodes.names), nodes.features
    found = checks.read_npz(path)
    key = next((key for key in ("x", "x_indptr") if key in found), None)
    if key is None or not found[key].ndim or not len(found[key]):
        raise errors.InputError(f"{path}: expected features x [n, d]; found none.")
    n = len(found[key]) - (key == "x_indptr")
    x = own_arrays.read_rows(path, found, n)
    if x.shape[1] == 0:
        raise errors.InputError(f"{path}: expected features x [n, d]; found none.")
    return _ids(path, found, n).astype(str), x


def _ids(path, found, n):
    """Names of the nodes `[n]`: texts or whole numbers."""
    if "ids" not in found:
        return np.arange(n)
    return checks.name_array(path, "ids", checks.shaped(path, found, "ids", "n", n=n))


def _link(path, features, ends, weights, directed):
    """The clean graph, with features made from degrees if there are none."""
    links = graph.build(features, *ends, weights=weights, directed=directed)
    if not len(graph.links(links).senders):
        raise errors.InputError(
            f"{path}: expected edges between different nodes; found none."
        )
    if features.shape[1] == 0:
        logging.warning("%s: found no features; made some from degrees", path)
        links = links._replace(nodes=degree_features(links))
    return links


def _checked(path, links, labels, class_names, names, masks):
    """All of it, unlabelled nodes in no mask, if there is something to learn."""
    masks = {split: mask & (labels >= 0) for split, mask in masks.items()}
    for mask in masks.get("train", labels[None] >= 0):
        classes = np.unique(labels[mask])
        if len(classes) < 2:
            found = checks.few(class_names[c] for c in classes) or "none"
            raise errors.InputError(
                f"{path}: expected labels of at least two classes"
                f"{' in train' if masks else ''}; found {found}. Fill in more labels."
            )
    several = np.zeros(len(labels), bool)
    if masks:
        several = (np.stack(list(masks.values())).sum(axis=0) > 1).any(axis=0)
    if several.any():
        raise errors.InputError(
            f"{path}: expected every node in at most one of {', '.join(SPLITS)}; found "
            f"{checks.shown(names[several.argmax()])} in several."
        )
    return NodeData(links, labels, class_names, names, masks)
