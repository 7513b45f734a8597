"""The stage of all downstream models: a network that classifies nodes by their features.

A batch of a perceptron is rows of features; any rows make one. That of a graph network is
the whole graph (`on_graph`), which stays on one device.
"""

from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from iclr22 import errors, gradients, graph, parallel
from iclr22.giant_xrt.downstream import networks, propagation
from iclr22.gradients import State

EPSILON = float(1 - np.log(2))  # of the objective "log"


class Config(NamedTuple):
    """Hyper-parameters of a classifier and its training."""

    RESOLVED = ("classes",)  # by the data

    model: Literal["mlp", "graphsage", "revgat"] = "mlp"  # network
    classes: int = 7  # of nodes
    layers: int = 2  # with the one that makes logits; 1 is a logistic regression
    width: int = 128  # of hidden layers; of each head of revgat
    heads: int = 2  # of attention, revgat
    groups: int = 2  # of channels in reversible layers, revgat
    batch_norm: bool = True  # after every hidden layer
    dropout: float = 0.5  # after every hidden layer
    input_dropout: float = 0.0  # of the features
    edge_dropout: float = 0.0  # links that attention does not see, revgat
    # cross-entropy, or log(e + cross-entropy) with e = 1 - log 2, for wrong labels
    objective: Literal["cross_entropy", "log"] = "cross_entropy"
    learning_rate: float = 0.01  # of Adam, constant
    weight_decay: float = 0.0  # L2 penalty of kernels, within the gradient
    batch_size: int = 0  # training rows that an update of mlp sees; 0: all
    epochs: int = 60  # times that all training nodes are seen; validation chooses one


def optimizer(config: Config) -> optax.GradientTransformation:
    """Adam with the penalty inside the gradient."""

    def kernels(weights):
        return jax.tree.map(lambda x: x.ndim > 1, weights)

    return optax.chain(
        optax.add_decayed_weights(config.weight_decay, kernels),
        optax.adam(config.learning_rate),
    )


def init(config: Config, key: jax.Array, batch) -> State:
    """Fresh state; `x` of the batch gives the number of features."""
    if config.model not in networks.NETWORKS:
        raise errors.nearest(config.model, networks.NETWORKS, "model")
    if config.model == "revgat" and (config.width % config.groups or config.layers < 2):
        raise errors.InputError(
            f"revgat: expected two layers or more and a width that {config.groups} groups "
            f"divide; found {config.layers} layers of width {config.width}"
        )
    variables = networks.NETWORKS[config.model](config).init(key, batch)
    params = {"weights": variables["params"], "stats": variables.get("stats", {})}
    return gradients.start(optimizer(config), key, params, trained="weights")


def _forward(config, params, batch, key, axis_name=None):
    """`(logits, new stats)`."""
    rows = {"axis_name": axis_name} if config.model == "mlp" else {}
    network = networks.NETWORKS[config.model](config, **rows)
    variables = {"params": params["weights"], "stats": params["stats"]}
    logits, changed = network.apply(variables, batch, key, mutable=["stats"])
    return logits, changed.get("stats", {})


def apply(config: Config, params, inputs, *, key=None):
    """Logits `[n, classes]` of a batch; its labels and weights are not used."""
    return _forward(config, params, inputs, key)[0]


def _summed(config, logits, batch):
    each = optax.softmax_cross_entropy_with_integer_labels(logits, batch["y"])
    if config.objective == "log":
        each = jnp.log(EPSILON + each) - np.log(EPSILON)
    weight = batch["weight"]
    total = jnp.sum(weight * each)
    right = jnp.sum(weight * (jnp.argmax(logits, 1) == batch["y"]))
    return total, {"loss": total, "accuracy": 100 * right, "weight": jnp.sum(weight)}


def loss(config: Config, params, batch, *, key=None):
    """Summed loss and sums of loss, accuracy (times 100) and weight."""
    return _summed(config, apply(config, params, batch, key=key), batch)


def train_step(config: Config, state: State, batch, *, axis_name=None):
    """One update; `(State, {"loss", "accuracy"})`."""

    def objective(weights, batch, key):
        params = {"weights": weights, "stats": state.params["stats"]}
        logits, stats = _forward(config, params, batch, key, axis_name)
        total, sums = _summed(config, logits, batch)
        return total, (sums, stats)

    weights, key = state.params["weights"], gradients.step_key(state, axis_name)
    grads, metrics, stats = gradients.mean_gradient(
        objective, weights, batch, key, axis_name=axis_name
    )
    rule = optimizer(config)
    return gradients.apply(rule, state, grads, trained="weights", stats=stats), metrics


def evaluate(config: Config, params, batch, *, axis_name=None):
    """Sums of loss, accuracy (times 100) and weight over the weighted rows."""
    return parallel.reduce(loss(config, params, batch)[1], axis_name)


def on_graph(links, x) -> dict:
    """The entries of a batch that a graph network needs, for features `x [n, d]`.

    Args:
      links: a graph without self loops and padding; its features are not used.
    """
    n = len(x)
    bare = graph.make(np.zeros((n, 0), np.float32), *graph.links(links))
    mean, looped = propagation.means(bare), graph.add_loops(bare)
    return {
        "x": np.asarray(x, np.float32),
        "near": mean @ x,  # mean of the neighbours' features
        "graph": bare,
        "plan": graph.plan(bare),
        "mean": mean.data,  # of links, in their order
        "looped": looped,
        "looped_plan": graph.plan(looped),
        "size": graph.degrees(looped).astype(np.float32),
    }


def example(size: int = 32, seed: int = 0):
    """Smallest configuration and `size` rows of three classes."""
    rng = np.random.default_rng(seed)
    y = np.arange(size, dtype=np.int32) % 3
    x = np.eye(3, 6)[y] + 0.3 * rng.normal(size=(size, 6))
    batch = {
        "x": x.astype(np.float32),
        "y": y,
        "weight": np.ones(size, np.float32),
    }
    return Config(classes=3, width=8, dropout=0.0, learning_rate=0.05), batch
