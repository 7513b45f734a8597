"""Graphs whose nodes carry texts: what they are, parts of them, and splits.

Loaders return `TextGraph`.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from iclr22 import errors, graph, numeric
from iclr22.data.graphs import SPLITS
from iclr22.graph import NodeData

SHARES, CLASSES = "60_20_20", "per_class"  # kinds of splits that are drawn here


class TextGraph(NamedTuple):
    """A graph whose nodes carry texts; on the host.

    Attributes:
      texts: `[n]`, one for each node, as they are: with tabs and ends of lines, or empty.
      nodes: links, labels (-1 where unknown), names of classes and nodes. The features of
        its graph are `[n, 0]`, as they are yet to be made from the texts. `masks` are
        published or given splits `[splits, n]`, or empty.
      directed: whether links go one way; otherwise both directions are there.
      splits: masks as in `nodes` by the name of their kind, where there are several kinds;
        `nodes.masks` are those of the first.
    """

    texts: tuple[str, ...]
    nodes: NodeData
    directed: bool = False
    splits: dict[str, dict[str, np.ndarray]] = {}


class Hidden(NamedTuple):
    """A graph without some of its nodes."""

    kept: TextGraph  # the others, numbered anew in their order
    rows: np.ndarray  # numbers of nodes that are kept, ascending
    hidden: np.ndarray  # of those that are not, ascending


def make(
    texts,
    edges,
    *,
    labels=None,
    class_names: tuple[str, ...] = (),
    names=None,
    splits: dict | None = None,
    weights=None,
    directed: bool = False,
) -> TextGraph:
    """A graph from its parts, without self loops and duplicates.

    Args:
      texts: `[n]`.
      edges: node numbers `[2, e]`.
      labels: `[n]`, -1 where unknown; all if not given.
      names: `[n]` strings; numbers if not given.
      splits: masks by the name of their kind; see `TextGraph`.
      weights: `[e]`.
    """
    n, splits = len(texts), splits or {}
    labels = np.full(n, -1) if labels is None else labels
    names = np.arange(n).astype(str) if names is None else names
    senders, receivers = edges
    links = graph.build(
        np.zeros((n, 0), np.float32),
        senders,
        receivers,
        weights=weights,
        directed=directed,
    )
    masks = next(iter(splits.values()), {})
    data = NodeData(links, labels.astype(np.int32), class_names, names, masks)
    return TextGraph(tuple(texts), data, directed, splits if len(splits) > 1 else {})


def arrays(found: TextGraph, features) -> dict[str, np.ndarray]:
    """What `np.savez` makes a file of that `graphs.own.load_own` reads, for methods of
    graphs with features.

    Args:
      features: `[n, d]`, made from the texts.
    """
    links, nodes = graph.links(found.nodes.graph), found.nodes
    held = {
        "x": np.asarray(features, np.float32),
        "y": nodes.labels,
        "edge_index": np.stack([links.senders, links.receivers]),
        "edge_weight": np.asarray(links.weights),
        "ids": nodes.node_names.astype(str),
        "class_names": np.array(nodes.class_names, str),
    }
    return held | {f"{split}_mask": mask for split, mask in nodes.masks.items()}


def isolated(found: TextGraph) -> np.ndarray:
    """Bool `[n]`: nodes without any link, in either direction."""
    links = graph.links(found.nodes.graph)
    alone = np.ones(len(found.texts), bool)
    alone[links.senders] = alone[links.receivers] = False
    return alone


def undirected_edges(found: TextGraph) -> np.ndarray:
    """Node numbers `[2, e]`, each pair of linked nodes once, the lower number first."""
    links = graph.links(found.nodes.graph)
    low = np.minimum(links.senders, links.receivers).astype(np.int64)
    high = np.maximum(links.senders, links.receivers)
    code = np.unique(low * len(found.texts) + high)
    return np.stack(np.divmod(code, len(found.texts)))


def select(found: TextGraph, rows) -> TextGraph:
    """The graph of these nodes and the links between them, numbered anew.

    Args:
      rows: different node numbers `[m]`, in the wanted order, or a mask `[n]`.
    """
    rows = np.arange(len(found.texts))[rows]
    number = np.full(len(found.texts), -1)
    number[rows] = np.arange(len(rows))
    links, nodes = graph.links(found.nodes.graph), found.nodes
    ends = number[np.stack([links.senders, links.receivers])]
    inside = (ends >= 0).all(axis=0)
    chosen = graph.build(
        np.zeros((len(rows), 0), np.float32),
        *ends[:, inside],
        weights=links.weights[inside],
        directed=True,
    )
    return found._replace(
        texts=tuple(found.texts[i] for i in rows),
        nodes=nodes._replace(
            graph=chosen,
            labels=nodes.labels[rows],
            node_names=nodes.node_names[rows],
            masks={k: x[:, rows] for k, x in nodes.masks.items()},
        ),
        splits={
            kind: {k: x[:, rows] for k, x in masks.items()}
            for kind, masks in found.splits.items()
        },
    )


def hide(found: TextGraph, share: float = 0.2, seed: int = 0) -> Hidden:
    """Take some nodes away with all their links, as if they were yet to come.

    What is trained on the rest has seen neither their texts nor their links (the inductive
    protocol); only their texts are used afterwards.

    Args:
      share: of the nodes, above 0 and below 1; they are drawn at random.

    Raises:
      errors.InputError: a share out of range, or one that leaves no node on a side.
    """
    n = len(found.texts)
    count = round(float(numeric.real(share, "share", ndim=0)) * n)
    if not 0 < count < n:
        raise errors.InputError(
            f"share: expected some of the {n} nodes and not all; found {share}, which is "
            f"{count} nodes"
        )
    hidden = np.sort(np.random.default_rng(seed).permutation(n)[:count])
    rows = np.setdiff1d(np.arange(n), hidden)
    return Hidden(select(found, rows), rows, hidden)


def inductive_masks(masks, labels, hidden) -> dict[str, np.ndarray]:
    """Masks `[splits, n]` that train and choose on nodes that are seen, and test on all
    hidden ones that have a label.

    Args:
      hidden: node numbers.
    """
    away = np.zeros(len(labels), bool)
    away[hidden] = True
    test = np.broadcast_to(away & (labels >= 0), masks["train"].shape)
    return {
        "train": masks["train"] & ~away,
        "valid": masks["valid"] & ~away,
        "test": test,
    }


def draw_shares(labels, splits: int = 10, seed: int = 0) -> dict[str, np.ndarray]:
    """Masks `[splits, n]` of 60, 20 and 20 percent of the labelled nodes, at random."""

    def draw(random, known):
        order = random.permutation(known)
        return np.split(order, [round(0.6 * len(order)), round(0.8 * len(order))])

    return _drawn(labels, splits, seed, draw)


def draw_per_class(
    labels, count: int = 20, valid: int = 500, splits: int = 10, seed: int = 0
) -> dict[str, np.ndarray]:
    """Masks `[splits, n]` with so many nodes of each class for training.

    Args:
      count: of a class that has fewer than twice as many nodes, half of them are taken.
      valid: nodes of all classes to choose by; at most half of the rest, which is tested.
    """

    def draw(random, known):
        order = random.permutation(known)
        of = labels[order]
        most = np.bincount(of, minlength=of.max() + 1) // 2
        before = np.zeros(len(order), int)  # of the same class
        for c in range(len(most)):
            before[of == c] = np.arange(np.count_nonzero(of == c))
        train = before < np.minimum(most, count)[of]
        rest = order[~train]
        chosen = min(valid, len(rest) // 2)
        return order[train], rest[:chosen], rest[chosen:]

    return _drawn(labels, splits, seed, draw)


def _drawn(labels, splits: int, seed: int, draw: Callable) -> dict[str, np.ndarray]:
    """Masks from a function that divides the labelled nodes, once for every split."""
    known = np.flatnonzero(labels >= 0)
    if not len(known):
        raise errors.InputError("expected labelled nodes to split; found none")
    masks = {split: np.zeros((splits, len(labels)), bool) for split in SPLITS}
    for s in range(splits):
        parts = draw(np.random.default_rng((seed, s)), known)
        for split, part in zip(SPLITS, parts, strict=True):
            masks[split][s, part] = True
    return masks
