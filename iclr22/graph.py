"""Graphs as `jraph.GraphsTuple`, and the one operation that every graph model needs.

A graph here is one GraphsTuple: `nodes` are features (`[n, d]` or `sparse.Sparse`),
`edges` are weights `[edges]`, both directions of an undirected edge are present, and
edges are sorted by receiver, then sender.

Messages go through `aggregate`, a product with a sparse matrix, and not through
`jraph.segment_sum`: the product keeps the order of its entries and that of its gradient in
a plan, made once, and is three to five times as fast on a CPU, forward and backward
(`experiments/benchmarks/message_passing.py` measures it).

Edges that are to be divided over devices are padded, by `pad_edges`, as jraph has it: the
graph is followed by a second one, of one node without features to which all padding edges
belong. Only the GraphsTuple knows of that node; whatever else a batch or a model has per
node (labels, weights, embeddings, hidden layers) stays `[n]`. A stage therefore

  takes its input from `features(graph)`, not from `graph.nodes`, and n from it;
  sums over neighbours by `normalise` and `aggregate`, which take and return `[n, k]`;
  pads by `padding(graph)` what else it indexes by senders or receivers: the padding node
    is number n, one beyond the last.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import jraph
import numpy as np

from iclr22 import parallel, sparse
from iclr22.sparse import Array, Sparse


class NodeData(NamedTuple):
    """A graph whose nodes have classes; host arrays.

    Attributes:
      graph: without self loops and duplicates; see the module. Features are float32, or
        float64 where that would blur the user's own numbers.
      labels: `[n]` int32, -1 where unknown.
      class_names: by label.
      node_names: `[n]` strings.
      masks: published splits, `train`, `valid`, `test`: bool `[splits, n]`; may be empty.
      feature_names: of the columns of the features, if they have any.
    """

    graph: jraph.GraphsTuple
    labels: np.ndarray
    class_names: tuple[str, ...]
    node_names: np.ndarray
    masks: dict[str, np.ndarray]
    feature_names: tuple[str, ...] = ()


class Links(NamedTuple):
    """Edges of a graph."""

    senders: Array  # [edges]
    receivers: Array  # [edges]
    weights: Array  # [edges]


def links(graph: jraph.GraphsTuple) -> Links:
    """The edges of a graph that has some; by its type a GraphsTuple may lack them."""
    senders, receivers, weights = graph.senders, graph.receivers, graph.edges
    assert senders is not None and receivers is not None
    assert isinstance(weights, Array)
    return Links(senders, receivers, weights)


def make(
    nodes: Array | Sparse, senders: Array, receivers: Array, weights: Array
) -> jraph.GraphsTuple:
    """One graph of these very edges, as int32 and float32; see `build`."""
    n_node, n_edge = [size(nodes)], [len(senders)]
    return _tuple(nodes, senders, receivers, weights, n_node=n_node, n_edge=n_edge)


def _tuple(nodes, senders, receivers, weights, *, n_node, n_edge):
    # jraph's annotations say JAX's arrays; NumPy's serve as well and stay on the host.
    return jraph.GraphsTuple(
        nodes=nodes,
        edges=np.asarray(weights, np.float32),
        senders=np.asarray(senders, np.int32),  # pyright: ignore[reportArgumentType]
        receivers=np.asarray(receivers, np.int32),  # pyright: ignore[reportArgumentType]
        n_node=np.asarray(n_node, np.int32),  # pyright: ignore[reportArgumentType]
        n_edge=np.asarray(n_edge, np.int32),  # pyright: ignore[reportArgumentType]
        globals=None,
    )


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
    return make(features, senders[chosen], receivers[chosen], weights[chosen])


def size(nodes) -> int:
    """Number of nodes, from their features."""
    return nodes.shape[0]


def padding(graph) -> int:
    """Number of padding nodes, 0 or 1; see `pad_edges`."""
    return len(graph.n_node) - 1


def features(graph):
    """Features of the graph's own nodes, `[n, d]` or `sparse.Sparse`; no padding."""
    if not padding(graph):
        return graph.nodes
    n = size(graph.nodes) - padding(graph)
    if isinstance(graph.nodes, Sparse):
        return sparse.resize(graph.nodes, n)
    return graph.nodes[:n]


def normalise_rows(nodes):
    """Features with rows that sum to 1 in absolute value; empty rows stay."""
    if isinstance(nodes, Sparse):
        rows = np.asarray(nodes.plan.rows)
        sums = np.bincount(rows, np.abs(nodes.values), minlength=size(nodes))
        scale = 1 / np.where(sums > 0, sums, 1)
        return nodes._replace(values=(nodes.values * scale[rows]).astype(np.float32))
    sums = np.abs(nodes).sum(axis=1, keepdims=True)
    return (nodes / np.where(sums > 0, sums, 1)).astype(np.float32)


def select_edges(graph, keep) -> jraph.GraphsTuple:
    """The graph with only the edges of a mask `[edges]`."""
    return make(
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
    return make(graph.nodes, senders[order], receivers[order], weights[order])


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
    """The graph with edges of weight 0 until their number divides by `multiple`.

    A graph whose edges divide stays as it is. Otherwise a padding graph of one node, whose
    features are 0, and of the missing edges, from that node to itself, comes after it:
    `n_node` is `[n, 1]`, `n_edge` `[edges, missing]`. A padded graph gets more edges of its
    padding node. This is the last thing that is done to a graph on the host: the
    functions above take one that is not padded.

    `jraph.unpad_with_graphs` gives the graph back, apart from sparse features, which it
    does not know: those are `features(graph)`.
    """
    missing = -len(graph.senders) % multiple
    if not missing:
        return graph
    n, own = size(graph.nodes) - padding(graph), int(graph.n_edge[0])
    return _tuple(
        _with_rows(graph.nodes, n + 1),
        np.concatenate([graph.senders, np.full(missing, n)]),
        np.concatenate([graph.receivers, np.full(missing, n)]),
        np.concatenate([graph.edges, np.zeros(missing)]),
        n_node=[n, 1],
        n_edge=[own, len(graph.senders) - own + missing],
    )


def _with_rows(nodes, rows: int):
    """Features `[n, ...]` followed by zeros, `[rows, ...]`."""
    if isinstance(nodes, Sparse):
        return sparse.resize(nodes, rows)
    return np.pad(nodes, [(0, rows - len(nodes))] + [(0, 0)] * (nodes.ndim - 1))


def aggregate(graph, weights, x, *, plan: sparse.Plan | None = None, axis_name=None):
    """Weighted sum of the senders' rows at each receiver: `[n, k]` to `[n, k]`.

    Args:
      graph: its senders and receivers are used; it may be padded.
      weights: `[edges]`.
      x: `[n, k]`, one row per node, without padding.
      plan: of these very edges: all, or under pmap those of this device. Without one, or
        with one of several blocks, edges may be divided by their sharding under jit.
      axis_name: under pmap, what the sum goes over.
    """
    n = len(x)
    if padding(graph):
        x = jnp.pad(x, ((0, padding(graph)), (0, 0)))
    if plan is not None and len(plan.offsets) == len(x) + 1:
        summed = sparse.product(weights, plan, x)
    else:
        summed = sparse.segment_product(
            weights, graph.receivers, graph.senders, x, len(x), ascending=False
        )
    return parallel.reduce(summed[:n], axis_name)


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
