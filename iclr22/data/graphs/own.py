"""The user's own graph: two tables, or one npz file."""

import difflib
import os
import pathlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from absl import logging

from iclr22 import errors, graph, sparse
from iclr22.data import checks
from iclr22.data.graphs import SPLITS, NodeData, degree_features

MASKS = tuple(f"{split}_mask" for split in SPLITS)
ROWS = ("x_indptr", "x_indices", "x_data", "x_shape")
ARRAYS = {"x", "y", "edge_index", "ids", "edge_weight", "class_names", *ROWS, *MASKS}


def load_own(
    nodes: str | os.PathLike, edges: str | os.PathLike = "", directed: bool = False
) -> NodeData:
    """The user's own graph, of two tables or of one file of arrays.

    Nodes without a label are in no mask. Classes are numbered as their names sort. No
    pickle is ever executed.

    Args:
      nodes: a .csv with the columns `id`; `label`, empty where unknown; if wanted
        `split`, one of train, valid, test or empty; every other column is a feature, a
        number. Without any, features are made from degrees. Or a .npz, without `edges`:
        `x [n, d]`, or its compressed rows `x_indptr`, `x_indices`, `x_data`, `x_shape`, or
        neither: then features are made from degrees. `y [n]`: whole numbers, -1 where
        unknown, or strings, empty where unknown. `edge_index [2, edges]`: senders and
        receivers, as node numbers or as entries of `ids [n]`. If wanted `edge_weight
        [edges]`, not negative; `class_names`; `train_mask`, `valid_mask`, `test_mask`,
        bool `[n]` or `[splits, n]`.
      edges: a .csv with the columns `source`, `target` and if wanted `weight`, not
        negative.
      directed: edges, and messages, go only from source to target.

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
    found = _read_nodes(nodes)
    number = {name: i for i, name in enumerate(found.names)}
    ends, weights = _read_edges(edges, number)
    labels, class_names = checks.classes(nodes, found.labels)
    masks = {}
    if found.splits:
        splits = np.array(found.splits)
        masks = {split: splits[None] == split for split in SPLITS}
    links = _link(edges, found.features, ends, weights, directed)
    names = np.array(found.names)
    data = _checked(nodes, links, labels, class_names, names, masks)
    return data._replace(feature_names=found.feature_names)


def _from_arrays(path, directed):
    found = checks.read_npz(path)
    missing = [key for key in ("y", "edge_index") if key not in found]
    if missing:
        raise errors.InputError(
            f"{path}: expected the arrays x, y and edge_index; found no "
            f"{' and no '.join(missing)}, but {', '.join(found) or 'nothing'}."
        )
    if unused := found.keys() - ARRAYS:
        logging.warning("%s: not read: %s", path, ", ".join(sorted(unused)))
    labels, class_names = checks.class_arrays(path, found)
    n = len(labels)
    names = (
        checks.shaped(path, found, "ids", "n", n=n) if "ids" in found else np.arange(n)
    )
    values, counts = np.unique(names, return_counts=True)
    if len(values) < n:
        raise _duplicate(path, values[counts.argmax()])
    ends = _find_ends(path, found, names)
    weights = None
    if "edge_weight" in found:
        weights = checks.shaped(
            path, found, "edge_weight", "edges", edges=ends.shape[1]
        )
        weights = checks.real(path, "edge_weight", weights, least=0)
    links = _link(path, _features(path, found, n), ends, weights, directed)
    masks = _read_masks(path, found, n)
    return _checked(path, links, labels, class_names, names.astype(str), masks)


def read_features(path: str | os.PathLike, *, features: Sequence[str] = ()):
    """Nodes without edges, to predict for: `(ids [n] str, features [n, d])`.

    A table as `load_own` takes it (label and split are passed over), or an npz with `x`
    and if wanted `ids`.

    Args:
      features: what the columns of a table have to be called; they may come in any order
        and are returned in this one. Empty if they have no names.

    Raises:
      errors.InputError: what is missing or wrong, and where.
    """
    path = checks.existing(path)
    if path.suffix.lower() != ".npz":
        nodes = _read_nodes(path)
        return np.array(nodes.names), _in_order(path, nodes, features)
    found = checks.read_npz(path)
    if "x" in found:
        n = len(found["x"])
    else:
        n = len(found["x_indptr"]) - 1 if "x_indptr" in found else 0
    x = _features(path, found, n)
    if x.shape[1] == 0:
        raise errors.InputError(f"{path}: expected features x [n, d]; found none.")
    return found.get("ids", np.arange(n)).astype(str), x


def _in_order(path, nodes, features):
    """Columns of a table in the order of these names."""
    place = {name: i for i, name in enumerate(nodes.feature_names)}
    if not features:
        return nodes.features
    missing = [name for name in features if name not in place]
    unknown = [name for name in place if name not in set(features)]
    if missing or unknown:
        wrong = [f"no {checks.few(missing)}"] if missing else []
        wrong += [f"unknown {checks.few(unknown)}"] if unknown else []
        raise errors.InputError(
            f"{path}: expected the {len(features)} features of the graph that was trained "
            f"on; found {', and '.join(wrong)}. Add or remove columns."
        )
    return nodes.features[:, [place[name] for name in features]]


def _duplicate(where, name):
    return errors.InputError(
        f"{where}: expected an id of its own for every node; found {str(name)!r} again."
    )


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
            found = ", ".join(class_names[c] for c in classes) or "none"
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
            f"{str(names[several.argmax()])!r} in several."
        )
    return NodeData(links, labels, class_names, names, masks)


# Two tables


class _Nodes(NamedTuple):
    """A table of nodes."""

    names: list[str]
    labels: list[str]
    splits: list[str]  # none without the column
    features: np.ndarray  # [n, d]
    feature_names: tuple[str, ...]


def _read_nodes(path):
    names, labels, splits, features, where, columns = [], [], [], [], [], {}
    for lines, columns in checks.read_table(path, ("id",)):
        where += lines
        names += checks.strip(columns.pop("id"))
        labels += checks.strip(columns.pop("label", [""] * len(lines)))
        splits += checks.strip(columns.pop("split", ()))
        features.append(checks.numbers(path, lines, columns))
    if not names:
        raise errors.InputError(f"{path}: expected a row for every node; found none.")
    seen = set()
    for line, name in zip(where, names, strict=True):
        if name in seen:
            raise _duplicate(f"{path}, line {line}", name)
        seen.add(name)
    for line, split in zip(where, splits, strict=False):
        if split not in ("", *SPLITS):
            near = difflib.get_close_matches(split, SPLITS, 1, 0.3)
            hint = f" Did you mean {near[0]}?" if near else ""
            raise errors.InputError(
                f"{path}, line {line}: expected a split {', '.join(SPLITS)} or nothing; "
                f"found {split!r}.{hint}"
            )
    return _Nodes(names, labels, splits, np.concatenate(features), tuple(columns))


def _read_edges(path, number):
    """Node numbers `[2, edges]` and weights `[edges]` or None."""
    ends, weights, columns = [np.zeros((2, 0), np.int64)], [], {}
    for lines, columns in checks.read_table(path, ("source", "target")):
        pair = [checks.strip(columns.pop(side)) for side in ("source", "target")]
        found = np.array([[number.get(name, -1) for name in names] for names in pair])
        if (found < 0).any():
            place = (found < 0).any(axis=0).argmax()
            name = pair[found[:, place].argmin()][place]
            raise errors.InputError(
                f"{path}, line {lines[place]}: expected ids of nodes; found {name!r}, "
                "which no node has. Add the node or remove the edge."
            )
        ends.append(found)
        if "weight" in columns:
            weight = {"weight": columns.pop("weight")}
            weights.append(checks.numbers(path, lines, weight, least=0)[:, 0])
    if columns:
        logging.warning("%s: not read: %s", path, ", ".join(columns))
    return np.concatenate(ends, axis=1), np.concatenate(weights) if weights else None


# Arrays


def _features(path, found, n):
    """`[n, d]`, d = 0 if there are none, or `Sparse`."""
    if "x" in found:
        return checks.real(path, "x", checks.shaped(path, found, "x", "n d", n=n))
    here = [key for key in ROWS if key in found]
    if not here:
        return np.zeros((n, 0), np.float32)
    if len(here) == len(ROWS):
        offsets, columns, values, shape = (
            checks.shaped(path, found, key, axes, n1=n + 1)
            for key, axes in zip(ROWS, ("n1", "entries", "entries", "2"), strict=True)
        )
        values = checks.real(path, "x_data", values)
        if (
            all(part.dtype.kind in "iu" for part in (offsets, columns, shape))
            and (offsets[0], offsets[-1]) == (0, len(columns))
            and (np.diff(offsets.astype(np.int64)) >= 0).all()
            and len(columns) == len(values)
            and shape[0] == n
            and columns.min(initial=0) >= 0
            and columns.max(initial=-1) < shape[1]
        ):
            return sparse.from_rows(offsets, columns, values, int(shape[1]))
    raise errors.InputError(
        f"{path}: expected {', '.join(ROWS)} to be the indptr, indices, data and shape of "
        f"a scipy.sparse.csr_array of {n} rows; found {', '.join(here)}, which are not."
    )


def _find_ends(path, found, names):
    """Node numbers `[2, edges]`."""
    ends, n = checks.shaped(path, found, "edge_index", "2 edges"), len(names)
    numbers, what = ends, f"node numbers from 0 to {n - 1}"
    if "ids" in found and (names.dtype.kind == "U") == (ends.dtype.kind == "U"):
        order, what = np.argsort(names), "entries of ids"
        numbers = np.searchsorted(names, ends, sorter=order)
        numbers = order[numbers.clip(max=n - 1)]
        bad = names[numbers] != ends
    elif ends.dtype.kind in "iu":
        bad = (ends < 0) | (ends >= n)
    else:
        bad = np.ones(ends.shape, bool)
    if bad.any():
        place = bad.any(axis=0).argmax()
        raise errors.InputError(
            f"{path}: expected {what} in edge_index; found "
            f"{', '.join(map(str, ends[:, place].tolist()))} in edge {place}."
        )
    return numbers


def _read_masks(path, found, n):
    """Bool masks `[splits, n]`; all three if any is there."""
    masks = {}
    for split, key in zip(SPLITS, MASKS, strict=True):
        if key in found:
            masks[split] = checks.shaped(
                path, {key: np.atleast_2d(found[key])}, key, "splits n", n=n
            )
    if not masks:
        return {}
    kinds = {(mask.dtype.kind, len(mask)) for mask in masks.values()}
    if "train" not in masks or kinds != {("b", len(masks["train"]))}:
        raise errors.InputError(
            f"{path}: expected {', '.join(MASKS)} of type bool and of the same shape, at "
            f"least the first; found {', '.join(masks)}."
        )
    nobody = np.zeros_like(masks["train"])
    return {split: masks.get(split, nobody) for split in SPLITS}
