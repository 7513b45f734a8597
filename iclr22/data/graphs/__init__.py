"""Graphs whose nodes have classes: what they are made of.

Loaders return `graph.NodeData`.
"""

import numpy as np

from iclr22 import graph, sparse
from iclr22.graph import NodeData

SPLITS = ("train", "valid", "test")
DENSE = 64  # at most this many features are kept as an ordinary array


def degree_features(links) -> np.ndarray:
    """Features of nodes that have none, from a graph: `[n, buckets]`.

    One-hot: no neighbour, one, 2 or 3, 4 to 7, and so on. They tell how a node is
    linked, not who it is; a node whose edges are taken away should lose them too.
    """
    bucket = np.frexp(graph.degrees(links))[1]
    return np.eye(bucket.max() + 1, dtype=np.float32)[bucket]


def node_data(features, edges, labels, masks, names=None) -> NodeData:
    """Without class names. Features: `[n, d]`, `Sparse`, or None to make them up."""
    n = len(labels)
    links = graph.build(np.zeros((n, 0)) if features is None else features, *edges)
    if features is None:
        links = links._replace(nodes=degree_features(links))
    elif isinstance(features, sparse.Sparse) and features.shape[1] <= DENSE:
        links = links._replace(nodes=sparse.to_dense(features))
    names = np.arange(n).astype(str) if names is None else names
    return NodeData(links, labels.astype(np.int32), (), names, masks)


def split_masks(order) -> dict[str, np.ndarray]:
    """Masks `[1, n]` of 60, 20 and 20 percent of the nodes in this order."""
    n = len(order)
    return group_masks(n, *np.split(order, [int(0.6 * n), int(0.8 * n)]))


def group_masks(n, *groups) -> dict[str, np.ndarray]:
    """Masks `[1, n]` from the nodes of train, valid and test."""
    nodes = np.arange(n)
    return {
        split: np.isin(nodes, group)[None]
        for split, group in zip(SPLITS, groups, strict=True)
    }
