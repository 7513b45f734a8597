"""The user's own graph with texts: a file of nodes and a file of links."""

import functools
import os
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from absl import logging

from iclr22 import errors
from iclr22.data import checks, text_graphs
from iclr22.data.graphs import SPLITS, own_tables
from iclr22.data.text_graphs import TextGraph, files

WHAT = "a .jsonl (or .jsonl.gz) or .csv with the fields id and text"
OTHERS = ("text", "label", "split")


class Texts(NamedTuple):
    """Nodes without links."""

    ids: np.ndarray  # [n] strings
    texts: tuple[str, ...]


class _Nodes(NamedTuple):
    """A file of nodes: names, and a text in each of the other columns that it has."""

    names: list[str]
    columns: dict[str, list[str]]
    lines: list[int]


def load_own(
    texts: str | os.PathLike, edges: str | os.PathLike, directed: bool = False
) -> TextGraph:
    """The user's own graph with texts.

    Self loops are dropped; of links between the same nodes the one of the largest weight
    is kept. Both are told, as are nodes without links and empty texts, which stay. Nodes
    without a label are in no mask.

    Args:
      texts: a .jsonl or .jsonl.gz, an object in every line, or a .csv. Fields: `id`, a text
        or a whole number; `text`, with tabs and ends of lines if it has some; if wanted
        `label`, empty where unknown; `split`, one of train, valid (or val), test or empty.
        Others are passed over.
      edges: a .csv, or lines of JSON, with `source` and `target`, which are ids of nodes,
        and if wanted `weight`, not negative.
      directed: links go only from source to target.

    Raises:
      errors.InputError: what is missing or wrong, with file and line.
    """
    texts, edges = checks.existing(texts, WHAT), checks.existing(edges)
    nodes = _read_nodes(texts, OTHERS)
    number = {name: i for i, name in enumerate(nodes.names)}
    ends, weights = own_tables.read_edges(edges, number, _reader(edges, ("weight",)))
    ends, weights = _cleaned(edges, ends, weights, directed)
    labels, class_names = checks.classes(texts, nodes.columns["label"])
    found = text_graphs.make(
        nodes.columns["text"],
        ends,
        labels=labels,
        class_names=class_names,
        names=checks.text_array(nodes.names),
        splits=_splits(texts, nodes, labels, class_names),
        weights=weights,
        directed=directed,
    )
    alone = text_graphs.isolated(found)
    if alone.any():
        logging.warning(
            "%s: %d of %d nodes have no links, such as %s; they get features from their "
            "texts alone",
            edges,
            alone.sum(),
            len(alone),
            checks.short(nodes.names[alone.argmax()]),
        )
    logging.info(
        "%s, %s: %d nodes, %d links, %d labels of %d classes",
        texts,
        edges,
        len(alone),
        ends.shape[1],
        (labels >= 0).sum(),
        len(class_names),
    )
    return found


def load_texts(path: str | os.PathLike) -> Texts:
    """Ids and texts of nodes without links, as new ones are; fields as in `load_own`.

    Raises:
      errors.InputError: what is missing or wrong, with file and line.
    """
    path = checks.existing(path, WHAT)
    nodes = _read_nodes(path, ("text",))
    return Texts(checks.text_array(nodes.names), tuple(nodes.columns["text"]))


def _reader(path, wanted) -> Callable:
    """What reads blocks of a file of this kind, given the path and required columns."""
    if files.is_lines(path):
        return functools.partial(files.read_lines, wanted=wanted)
    return functools.partial(checks.read_table, free=("text",))


def _read_nodes(path, wanted) -> _Nodes:
    names, lines, held = [], [], {}
    columns: dict[str, list[str]] = {name: [] for name in wanted}
    for where, block in _reader(path, wanted)(path, ("id",)):
        held |= dict.fromkeys(block)
        for name in wanted:
            cells = block.get(name, [""] * len(where))
            exact = name == "text" and files.is_lines(path)
            columns[name] += cells if exact else checks.strip(cells)
        names += checks.strip(block["id"])
        lines += where
    own_tables.check_names(path, names, lines)
    if "text" not in held:
        raise errors.InputError(
            f"{path}: expected {WHAT}; found no text, but {checks.few(held)}. Name the "
            "field that holds the texts so."
        )
    if passed := [name for name in held if name not in ("id", *wanted)]:
        logging.warning("%s: not read: %s", path, checks.few(passed))
    _tell_empty(path, columns["text"], lines)
    return _Nodes(names, columns, lines)


def _tell_empty(path, texts, lines) -> None:
    empty = [line for line, x in zip(lines, texts, strict=True) if not x.strip()]
    if len(empty) == len(texts):
        raise errors.InputError(f"{path}: expected texts; found empty ones only.")
    if empty:
        logging.warning(
            "%s: %d of %d texts are empty, the first in line %d; these nodes stay",
            path,
            len(empty),
            len(texts),
            empty[0],
        )


def _cleaned(path, ends, weights, directed):
    """Ends `[2, e]` and weights without self loops and duplicates, which are told."""
    loops = ends[0] == ends[1]
    if loops.any():
        logging.warning("%s: %d self loops are left out", path, loops.sum())
    ends = ends[:, ~loops]
    weights = np.ones(ends.shape[1]) if weights is None else weights[~loops]
    if not ends.shape[1]:
        raise errors.InputError(
            f"{path}: expected links between different nodes; found none. The texts alone "
            "are encoded by an encoder that is there already."
        )
    key = ends if directed else np.sort(ends, axis=0)
    order = np.lexsort((-weights, *key[::-1]))
    first = np.ones(len(order), bool)
    first[1:] = (np.diff(key[:, order], axis=1) != 0).any(axis=0)
    if again := np.count_nonzero(~first):
        logging.warning(
            "%s: %d links were there before and are left out; of each the largest weight "
            "counts",
            path,
            again,
        )
    kept = np.sort(order[first])
    return ends[:, kept], weights[kept]


def _splits(path, nodes: _Nodes, labels, class_names) -> dict:
    """The masks of the user, `[1, n]`, if labels allow to learn by them."""
    cells = nodes.columns["split"]
    given = [
        own_tables.split_name(path, line, cell)
        for line, cell in zip(nodes.lines, cells, strict=True)
    ]
    if len(class_names) == 1:
        raise errors.InputError(
            f"{path}: expected labels of at least two classes, or none at all; found "
            f"{checks.shown(class_names[0])} only."
        )
    if not any(given) or not class_names:
        return {}
    given = np.array(given)
    masks = {split: (given == split)[None] & (labels >= 0) for split in SPLITS}
    classes = np.unique(labels[masks["train"][0]])
    if len(classes) < 2:
        found = checks.few(class_names[c] for c in classes) or "none"
        raise errors.InputError(
            f"{path}: expected labels of at least two classes in train; found {found}. "
            "Fill in more labels, or leave out the column split."
        )
    return {"own": masks}
