"""GraphMLP (Hu et al., arXiv:2106.04051), a baseline: an MLP that learns with the graph.

Nodes that a few hops connect are pulled together by a contrastive loss; prediction needs
features only.
"""

from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from iclr22 import gradients, graph, parallel
from iclr22.cold_brew import losses, networks, training
from iclr22.gradients import State


class Config(NamedTuple):
    """Hyper-parameters; the defaults are the sheet's unified setting."""

    RESOLVED = ("outputs",)  # by the data

    outputs: int = 7  # classes
    width: int = 256  # of both hidden layers
    dropout: float = 0.6  # after the first hidden layer
    contrast: float = 10.0  # weight of the contrastive loss
    temperature: float = 1.0  # tau of the contrastive loss
    hops: int = 3  # r: power of the normalised adjacency that says who is close
    batch_size: int = 256  # nodes per update
    optimizer: Literal["adam", "sgd"] = "adam"  # update rule
    learning_rate: float = 5e-3  # constant
    weight_decay: float = 5e-4  # L2 on all weights
    steps: int = 300  # updates; validation chooses how many are used


def contrast(z, closeness, counted, temperature, others=None):
    """Neighbour contrast per node, `[n]`: minus log of the close share (section 2.7).

    Args:
      z: `[n, k]`.
      closeness: `[n, m]`, the power of the adjacency between these and the others.
      counted: `[m]`, 0 for padding.
      others: `[m, k]`, by default z itself; an entry that is the node itself must have
        closeness -1.

    Nodes without anyone close give 0.
    """
    others = z if others is None else others
    similar = jnp.exp(_unit(z) @ _unit(others).T / temperature)
    similar = jnp.where(closeness < 0, 0.0, similar) * counted
    close = jnp.sum(jnp.maximum(closeness, 0) * similar, axis=1)
    share = close / jnp.maximum(jnp.sum(similar, axis=1), 1e-12)
    return jnp.where(close > 0, -jnp.log(jnp.where(close > 0, share, 1.0)), 0.0)


def _unit(x):
    """Rows of length 1; a row of zeros (empty features) stays, with a gradient of 0."""
    squares = jnp.sum(x**2, axis=1, keepdims=True)
    some = squares > 1e-18
    return x * jnp.where(some, jax.lax.rsqrt(jnp.where(some, squares, 1.0)), 0.0)


def init(config: Config, key: jax.Array, batch) -> State:
    """Fresh state; `x` of the batch gives the width."""
    network = networks.GraphMLP(config)
    return training.start(config, key, network.init(key, batch["x"]))


def apply(config: Config, params, inputs, *, key=None):
    """Logits `[n, outputs]` for a batch with `x`."""
    network = networks.GraphMLP(config)
    return network.apply({"params": params["weights"]}, inputs["x"], key)[0]


def loss(config: Config, params, batch, *, key=None, axis_name=None):
    """Cross-entropy plus contrast, summed; closeness `[n, all n of the batch]`."""
    variables = {"params": params["weights"]}
    logits, z = networks.GraphMLP(config).apply(variables, batch["x"], key)
    total, sums = losses.summed("cross_entropy", logits, batch)
    if key is None:
        return total, sums
    others, counted = (
        parallel.gather(x, axis_name) for x in (z, (batch["weight"] > 0) + 0.0)
    )
    far = contrast(z, batch["closeness"], counted, config.temperature, others)
    total = total + config.contrast * jnp.sum(batch["weight"] * far)
    return total, sums | {"loss": total}


def train_step(config: Config, state: State, batch, *, axis_name=None):
    """One update; `(State, {"loss", "accuracy"})`."""

    def objective(weights, batch, key):
        params = {"weights": weights, "stats": {}}
        total, sums = loss(config, params, batch, key=key, axis_name=axis_name)
        return total, (sums, {})

    key = gradients.step_key(state, axis_name)
    return training.update(config, state, objective, batch, key, axis_name=axis_name)


def evaluate(config: Config, params, batch, *, axis_name=None):
    """Sums of cross-entropy, accuracy (times 100) and weight over the weighted rows."""
    return parallel.reduce(loss(config, params, batch)[1], axis_name)


class Closeness:
    """Powers of the normalised adjacency (with self loops) between sampled nodes.

    Rows are multiplied out for the sample only, so the power itself is never held.
    """

    def __init__(self, training, hops: int):
        from scipy import sparse

        looped = graph.add_loops(training)
        weights = np.asarray(graph.normalise(looped, looped.edges))
        n = graph.size(training.nodes)
        pairs = (looped.receivers, looped.senders)
        self._matrix = sparse.csr_matrix((weights, pairs), shape=(n, n))
        self._hops = hops

    def __call__(self, rows) -> np.ndarray:
        """`[b, b]` float32 for node numbers `[b]`; -1 marks the node itself."""
        left = self._matrix[rows]
        for _ in range(self._hops - 2):
            left = left @ self._matrix
        right = self._matrix[:, rows]
        found = (left @ right if self._hops > 1 else left[:, rows]).toarray()
        found[rows[:, None] == rows[None, :]] = -1
        return found.astype(np.float32)


def example(size: int = 32, seed: int = 0):
    """Smallest configuration and `size` rows of three classes."""
    rng = np.random.default_rng(seed)
    y = np.arange(size, dtype=np.int32) % 3
    x = np.eye(3, 6)[y] + 0.3 * rng.normal(size=(size, 6))
    near = (y[:, None] == y) * rng.random((size, size)).astype(np.float32)
    np.fill_diagonal(near, -1)
    ones = np.ones(size, np.float32)
    batch = {
        "x": x.astype(np.float32),
        "closeness": near.astype(np.float32),
        "y": y,
        "target": np.zeros((size, 0), np.float32),
        "hard": ones,
        "soft": np.zeros(size, np.float32),
        "weight": ones,
    }
    config = Config(outputs=3, width=8, dropout=0.0, contrast=0.1)
    return config._replace(learning_rate=0.05), batch


def pad(batch, extra: int) -> dict:
    """The batch with rows of weight 0, for the shared tests."""
    grown = {k: np.concatenate([v, v[:extra]]) for k, v in batch.items()}
    grown["weight"][-extra:] = 0
    near = np.pad(grown["closeness"], ((0, 0), (0, extra)), constant_values=1.0)
    return grown | {"closeness": near}
