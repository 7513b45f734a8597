"""Teacher: a graph convolutional network with structural embeddings (section 2.2).

Also the baselines GCN (no embeddings) and GraphSAGE (`convolution="sage"`). The graph is
trained whole; edges are divided over devices, nodes are on each.
"""

import functools
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import jraph
import numpy as np

from iclr22 import gradients, graph, parallel
from iclr22.cold_brew import losses, training
from iclr22.cold_brew.networks import GraphNetwork, drop
from iclr22.gradients import State

Handover = Literal["logits", "embeddings", "layers"]  # see `handover`


class Config(NamedTuple):
    """Hyper-parameters of the graph network and its training.

    Differs from the released code: the penalty on embeddings is squared (equation 3),
    embeddings start small, logits are not dropped, evaluation is without dropout.
    """

    RESOLVED = ("classes", "objective")  # by the data and the task

    classes: int = 7  # outputs
    convolution: Literal["gcn", "sage"] = "gcn"  # sage: mean of neighbours, own weights
    layers: int = 2  # convolutions
    hidden: int = 64  # width of hidden layers
    # structural embeddings in the first, the middle, the last layers
    embeddings: Literal["000", "100", "001", "111", "110", "011", "101", "010"] = "100"
    embedding_penalty: float = 1e-2  # eta: weight of the squared norm of embeddings
    embedding_std: float = 0.01  # their initial standard deviation
    # how earlier layers come back in
    residual: Literal["none", "residual", "initial", "dense", "jumping"] = "none"
    alpha: float = 0.1  # share of the earlier layer, residual and initial only
    # normalization after each convolution
    norm: Literal["none", "batch", "pair", "node", "mean", "group"] = "none"
    groups: int = 10  # of group normalization
    group_weight: float = 0.001  # lambda of group normalization
    self_loops: bool = True  # every node is its own neighbour
    dropout: float = 0.6  # of the input of every layer
    drop_edge: float = 0.0  # share of edges left out of every update
    drop_node: float = 0.0  # share of nodes cut off from their neighbours per update
    drop_logits: bool = False  # the released code drops outputs too
    objective: Literal["cross_entropy", "link"] = "cross_entropy"  # what is learned
    optimizer: Literal["adam", "sgd"] = "adam"  # update rule
    learning_rate: float = 5e-3  # constant
    weight_decay: float = 5e-4  # L2 on all weights but embeddings
    # updates on the whole graph; validation chooses how many are used
    epochs: int = 300


_EACH: Any = None  # on every device
_DIVIDED: Any = 0
BATCH_AXES = {
    "graph": jraph.GraphsTuple(
        nodes=_EACH,
        edges=_DIVIDED,
        senders=_DIVIDED,
        receivers=_DIVIDED,
        n_node=_EACH,
        n_edge=_EACH,
        globals=_EACH,
    ),
    "plan": _DIVIDED,
    **dict.fromkeys(("y", "target", "hard", "soft", "weight")),
}


def prepare(config: Config, data, *, devices: int = 1, normalise: bool = True) -> dict:
    """A batch without labels from a graph, ready for the device.

    Args:
      data: `jraph.GraphsTuple` on the host, without self loops.
      devices: that edges are divided over.
      normalise: rows of the features are scaled to sum 1, as the paper's code does.
    """
    nodes = graph.normalise_rows(data.nodes) if normalise else data.nodes
    data = data._replace(nodes=nodes)
    if config.self_loops:
        data = graph.add_loops(data)
    data = graph.pad_edges(data, devices)
    return {"graph": data, "plan": graph.plan(data, devices)}


def axes(batch) -> dict:
    """`BATCH_AXES` for the entries that a batch really has."""
    return {name: BATCH_AXES.get(name) for name in batch}


def init(config: Config, key: jax.Array, batch) -> State:
    """Fresh state; the batch gives the number of nodes and features."""
    return training.start(config, key, GraphNetwork(config).init(key, batch))


def forward(config: Config, params, batch, key=None, *, axis_name=None):
    """`((logits, outputs, inner), new stats)`."""
    variables = {"params": params["weights"], "stats": params["stats"]}
    network = GraphNetwork(config, axis_name)
    found, changed = network.apply(variables, batch, key, mutable=["stats"])
    if key is not None and config.drop_logits:
        logits = drop(jax.random.fold_in(key, 1), found[0], config.dropout)
        found = (logits, *found[1:])
    return found, changed.get("stats", {})


def apply(config: Config, params, inputs, *, key=None):
    """Logits `[n, classes]` of a batch (its graph and plan are used)."""
    return forward(config, params, inputs, key)[0][0]


def handover(config: Config, params, batch, kind: Handover = "logits"):
    """What the student learns from, `[n, e]`, without dropout (section 2.3).

    Args:
      kind: `logits`, `embeddings` (the paper's other choice: logits beside every x W +
        E), or `layers` (released code: every layer's output before ReLU).
    """
    logits, outputs, inner = forward(config, params, batch)[0]
    parts = {"logits": [logits], "embeddings": [*inner, logits], "layers": outputs}
    return jnp.concatenate(parts[kind], axis=1)


def handover_width(config: Config, kind: Handover = "logits") -> int:
    """The e of `handover`."""
    framed = config.residual != "none"
    inner = config.hidden * (config.layers - (not framed))
    inner += 0 if framed else config.classes
    after = config.classes if framed else 0
    return {
        "logits": config.classes,
        "embeddings": inner + config.classes,
        "layers": inner + after,
    }[kind]


def from_features(config: Config, params, x, kind: Handover = "logits") -> np.ndarray:
    """`handover` for nodes nobody has seen, `[q, e]`: no edges, no embeddings.

    Only for networks whose normalization looks at one node at a time in evaluation
    (`none`, `batch`, `node`, `group`); with `pair` and `mean` rows depend on each other.

    Args:
      x: features `[q, d]`, dense or Sparse, scaled as in training.
    """
    batch = _bare(config, x)
    return np.asarray(_from_features(config, kind)(without_embeddings(params), batch))


def bare_shape(config: Config, params, x, kind: Handover = "logits"):
    """Shape and type of what `from_features` would say; nothing is computed."""
    return jax.eval_shape(_from_features(config, kind), params, _bare(config, x))


def _bare(config, x):
    return prepare(config, graph.build(x, [], []), normalise=False)


@functools.lru_cache(maxsize=32)
def _from_features(config, kind):
    def call(params, batch):
        n = graph.size(batch["graph"].nodes)
        weights = {
            name: layer | {"embedding": jnp.zeros((n, layer["embedding"].shape[1]))}
            if "embedding" in layer
            else layer
            for name, layer in params["weights"].items()
        }
        return handover(config, params | {"weights": weights}, batch, kind)

    return jax.jit(call)


def without_embeddings(params) -> dict:
    """Parameters that new nodes need: embeddings keep their width only, `[0, k]`."""
    weights = {
        name: layer | {"embedding": layer["embedding"][:0]}
        if "embedding" in layer
        else layer
        for name, layer in params["weights"].items()
    }
    return params | {"weights": weights}


def loss(config: Config, params, batch, *, key=None, axis_name=None):
    """Summed loss of equation 3 and sums of what is reported; see `losses`."""
    (logits, *_), _ = forward(config, params, batch, key, axis_name=axis_name)
    return _with_penalty(config, params["weights"], logits, batch)


def _with_penalty(config, weights, logits, batch):
    total, sums = losses.summed(config.objective, logits, batch)
    penalty = sum(
        jnp.sum(layer["embedding"] ** 2)
        for layer in weights.values()
        if "embedding" in layer
    )
    return total + config.embedding_penalty * penalty * sums["weight"], sums


def train_step(config: Config, state: State, batch, *, axis_name=None):
    """One update on the whole graph; `(State, {"loss", "accuracy"})`."""

    def objective(weights, batch, key):
        params = {"weights": weights, "stats": state.params["stats"]}
        (logits, *_), stats = forward(config, params, batch, key, axis_name=axis_name)
        total, sums = _with_penalty(config, weights, logits, batch)
        return total, (sums, stats)

    key = gradients.step_key(state)  # the same on all devices, which see all nodes
    return training.update(config, state, objective, batch, key, axis_name=axis_name)


def evaluate(config: Config, params, batch, *, axis_name=None):
    """Sums of loss, accuracy (times 100) and weight over the weighted nodes."""
    sums = loss(config, params, batch, axis_name=axis_name)[1]
    return parallel.reduce(sums, axis_name)


def example(size: int = 32, seed: int = 0):
    """Smallest configuration and a graph of `size` nodes in three classes."""
    rng = np.random.default_rng(seed)
    y = np.arange(size, dtype=np.int32) % 3
    x = np.eye(3, 6)[y] + 0.3 * rng.random((size, 6))
    senders = np.arange(size).repeat(4)[1:]  # so that eight devices have to pad
    data = graph.build(
        x.astype(np.float32),
        senders,
        (senders + 3 * rng.integers(1, 9, len(senders))) % size,
    )
    config = Config(classes=3, hidden=8, dropout=0.0, norm="node", residual="jumping")
    config = config._replace(learning_rate=0.05)
    batch = prepare(config, data, devices=jax.device_count())
    return config, batch | labels(y, np.ones(size))


def labels(y, weight, *, target=None, soft=0.0) -> dict:
    """The entries of a batch that say what is wanted of its nodes (see `losses`)."""
    n = len(y)
    weight = np.asarray(weight, np.float32)
    return {
        "y": np.asarray(y, np.int32),
        "target": np.zeros((n, 0), np.float32)
        if target is None
        else np.asarray(target),
        "hard": np.ones(n, np.float32),
        "soft": np.broadcast_to(np.float32(soft), n).copy(),
        "weight": weight,
    }


def pad(batch, extra: int) -> dict:
    """The batch with `extra` edges of weight 0, for the shared tests."""
    g = batch["graph"]
    return batch | {"graph": graph.pad_edges(g, len(g.senders) + extra), "plan": None}
