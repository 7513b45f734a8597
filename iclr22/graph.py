"""Graphs as `jraph.GraphsTuple`, and the one operation that every graph model needs.

A graph here is one GraphsTuple: `nodes` are features (`[n, d]` or `sparse.Sparse`),
`edges` are weights `[edges]`, both directions of an undirected edge are present, and
edges are sorted by receiver, then sender.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import jraph
import numpy as np

from iclr22 import parallel, sparse


class NodeData(NamedTuple):
    """A graph whose nodes have classes; host arrays.

    Attributes:
      graph: without self loops and duplicates; see the module.
      labels: `[n]` int32, -1 where unknown.
      class_names: by label.
      node_names: `[n]` strings.
      masks: published splits, `train`, `valid`, `test`: bool `[splits, n]`; may be empty.
    """

    graph: jraph.GraphsTuple
    labels: np.ndarray
    class_names: tuple[str, ...]
    node_names: np.ndarray
    masks: dict[str, np.ndarray]


def build(
    features, senders, receivers, *, weights=None, directed: bool = False
) -> jraph.GraphsTuple:
    """A clean graph from a list of edges: no self loops, no duplicates, sorted.

    Args:
      features: `[n, d]` or `sparse.Sparse`.
      senders, receivers: `[edges]` node numbers.
      weights: `[edges]`, 1 if not given; of duplicates the largest is kept.
      directed: otherwise each edge goes both ways.
    """
    senders, receivers = (np.asarray(x, np.int64) for x in (senders, receivers))
    weights = np.ones(len(senders)) if weights is None else np.asarray(weights)
    if not directed:
        senders, receivers = (
            np.concatenate([senders, receivers]),
            np.concatenate([receivers, senders]),
        )
        weights = np.concatenate([weights, weights])
    n = size(features)
    keep = np.flatnonzero(senders != receivers)
    code = receivers[keep] * n + senders[keep]
    order = np.lexsort((-weights[keep], code))
    first = np.ones(len(order), bool)
    first[1:] = np.diff(code[order]) > 0
    chosen = keep[order[first]]
    return _tuple(features, senders[chosen], receivers[chosen], weights[chosen])


def _tuple(nodes, senders, receivers, weights):
    return jraph.GraphsTuple(
        nodes=nodes,
        edges=np.asarray(weights, np.float32),
        senders=np.asarray(senders, np.int32),
        receivers=np.asarray(receivers, np.int32),
        n_node=np.asarray([size(nodes)], np.int32),
        n_edge=np.asarray([len(senders)], np.int32),
        globals=None,
    )


def size(nodes) -> int:
    """Number of nodes, from their features."""
    return nodes.shape[0]


def normalise_rows(nodes):
    """Features with rows that sum to 1 in absolute value; empty rows stay."""
    if isinstance(nodes, sparse.Sparse):
        rows = nodes.plan.rows
        sums = np.bincount(rows, np.abs(nodes.values), minlength=size(nodes))
        scale = 1 / np.where(sums > 0, sums, 1)
        return nodes._replace(values=(nodes.values * scale[rows]).astype(np.float32))
    sums = np.abs(nodes).sum(axis=1, keepdims=True)
    return (nodes / np.where(sums > 0, sums, 1)).astype(np.float32)


def select_edges(graph, keep) -> jraph.GraphsTuple:
    """The graph with only the edges of a mask `[edges]`."""
    return _tuple(
        graph.nodes, graph.senders[keep], graph.receivers[keep], graph.edges[keep]
    )


def isolate(graph, nodes) -> jraph.GraphsTuple:
    """The graph without any edge that touches a node of the mask `[n]`; loops stay."""
    touched = nodes[graph.senders] | nodes[graph.receivers]
    return select_edges(graph, ~touched | (graph.senders == graph.receivers))


def add_loops(graph) -> jraph.GraphsTuple:
    """The graph with an edge of weight 1 from every node to itself."""
    loops = np.arange(size(graph.nodes))
    senders = np.concatenate([graph.senders, loops])
    receivers = np.concatenate([graph.receivers, loops])
    weights = np.concatenate([graph.edges, np.ones(len(loops), np.float32)])
    order = np.lexsort((senders, receivers))
    return _tuple(graph.nodes, senders[order], receivers[order], weights[order])


def degrees(graph) -> np.ndarray:
    """Incoming edges per node, `[n]`."""
    return np.bincount(graph.receivers, minlength=size(graph.nodes))


def plan(graph, blocks: int = 1) -> sparse.Plan:
    """What makes `aggregate` fast where a device knows its edges; host work.

    Args:
      blocks: devices that edges are divided over: the plans of all, one after the other
        along the axis that divides.
    """
    n = size(graph.nodes)
    parts = np.split(graph.receivers, blocks), np.split(graph.senders, blocks)
    plans = [sparse.plan(*ends, (n, n)) for ends in zip(*parts, strict=True)]
    return sparse.Plan(*map(np.concatenate, zip(*plans, strict=True)))


def pad_edges(graph, multiple: int) -> jraph.GraphsTuple:
    """The graph with edges of weight 0 until their number divides by `multiple`."""
    missing = -len(graph.senders) % multiple
    last = np.full(missing, size(graph.nodes) - 1)
    return _tuple(
        graph.nodes,
        np.concatenate([graph.senders, last]),
        np.concatenate([graph.receivers, last]),
        np.concatenate([graph.edges, np.zeros(missing)]),
    )._replace(n_edge=graph.n_edge)


def aggregate(graph, weights, x, *, plan: sparse.Plan | None = None, axis_name=None):
    """Weighted sum of the senders' rows at each receiver: `[n, k]` to `[n, k]`.

    Args:
      graph: its senders and receivers are used.
      weights: `[edges]`.
      x: `[n, k]`, one row per node.
      plan: of these very edges: all, or under pmap those of this device. Without one, or
        with one of several blocks, edges may be divided by their sharding under jit.
      axis_name: under pmap, what the sum goes over.
    """
    if plan is not None and len(plan.offsets) == len(x) + 1:
        summed = sparse.product(weights, plan, x)
    else:
        summed = sparse.segment_product(
            weights, graph.receivers, graph.senders, x, len(x), ascending=False
        )
    return parallel.reduce(summed, axis_name)


def normalise(graph, weights, *, axis_name=None):
    """Symmetric weights `D^-1/2 A D^-1/2`, `[edges]`; 0 at nodes without edges.

    D counts incoming weight, so a dropped edge (weight 0) is not counted.
    """
    n = size(graph.nodes)
    inside = jax.ops.segment_sum(weights, graph.receivers, n)
    inside = parallel.reduce(inside, axis_name)
    scale = jnp.where(inside > 0, jax.lax.rsqrt(jnp.maximum(inside, 1e-12)), 0.0)
    return weights * scale[graph.senders] * scale[graph.receivers]


def homophily(graph, labels) -> float:
    """Mean over nodes of the share of neighbours with the same label, in 0..1.

    Nodes without neighbours are skipped, as are self loops and unlabelled ends. NaN if
    nothing is left. (Cold Brew, arXiv:2111.04840, section 4: beta.) CiteSeer has 0.7203;
    it has 0.7166 where its 15 nodes without a label are taken for class 0.
    """
    s, r = np.asarray(graph.senders), np.asarray(graph.receivers)
    used = (s != r) & (labels[s] >= 0) & (labels[r] >= 0)
    n = len(labels)
    count = np.bincount(r[used], minlength=n)
    same = np.bincount(r[used], weights=labels[s[used]] == labels[r[used]], minlength=n)
    has = count > 0
    return float(np.mean(same[has] / count[has])) if has.any() else float("nan")
