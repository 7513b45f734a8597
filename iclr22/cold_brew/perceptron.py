"""Perceptrons on features: MLP1, MLP2 and the simple MLP (sections 2.4 and 2.7).

MLP1 guesses a node's teacher embedding (`objective="mse"`, or soft labels); MLP2 classifies
from features and what was discovered in the teacher's table, given as `extra`; the simple
MLP has no extra.
"""

from typing import Literal, NamedTuple

import jax
import numpy as np

from iclr22 import gradients, parallel
from iclr22.cold_brew import losses, networks, training
from iclr22.gradients import State


class Config(NamedTuple):
    """Hyper-parameters of a perceptron and its training."""

    # by the data, and by what is trained
    RESOLVED = ("outputs", "objective", "temperature", "scale_extra")

    outputs: int = 7  # classes, or width of the embedding
    layers: int = 2  # hidden layers
    width: int = 128  # of hidden layers
    blocks: int = 0  # residual blocks instead of plain layers
    skip: int = 2  # linear maps within a residual block
    layer_norm: bool = False  # after every hidden linear map
    activation: Literal["relu", "gelu"] = "relu"  # after every hidden linear map
    dropout: float = 0.5  # after every hidden layer
    input_dropout: float = 0.0  # of the features
    # learned factors on extra inputs, as the released code has
    scale_extra: bool = False
    objective: Literal["cross_entropy", "mse", "link"] = "cross_entropy"  # see losses
    temperature: float = 1.0  # of the teacher's soft labels
    optimizer: Literal["adam", "sgd"] = "adam"  # update rule
    learning_rate: float = 5e-3  # constant
    weight_decay: float = 5e-4  # L2 on all weights
    steps: int = 300  # updates; validation chooses how many are used


def init(config: Config, key: jax.Array, batch) -> State:
    """Fresh state; `x` and `extra` of the batch give the widths."""
    network = networks.Perceptron(config)
    return training.start(config, key, network.init(key, batch["x"], batch["extra"]))


def apply(config: Config, params, inputs, *, key=None):
    """Outputs `[n, outputs]` for a batch with `x` and `extra`."""
    variables = {"params": params["weights"]}
    network = networks.Perceptron(config)
    return network.apply(variables, inputs["x"], inputs["extra"], key)


def loss(config: Config, params, batch, *, key=None):
    """Summed loss and sums of what is reported; see `losses.summed`."""
    outputs = apply(config, params, batch, key=key)
    return losses.summed(config.objective, outputs, batch, config.temperature)


def train_step(config: Config, state: State, batch, *, axis_name=None):
    """One update; `(State, {"loss", "accuracy"})`."""

    def objective(weights, batch, key):
        total, sums = loss(config, {"weights": weights, "stats": {}}, batch, key=key)
        return total, (sums, {})

    key = gradients.step_key(state, axis_name)
    return training.update(config, state, objective, batch, key, axis_name=axis_name)


def evaluate(config: Config, params, batch, *, axis_name=None):
    """Sums of loss, accuracy (times 100) and weight over the weighted rows."""
    return parallel.reduce(loss(config, params, batch)[1], axis_name)


def example(size: int = 32, seed: int = 0):
    """Smallest configuration and `size` rows of three classes, with soft targets."""
    rng = np.random.default_rng(seed)
    y = np.arange(size, dtype=np.int32) % 3
    x = np.eye(3, 6)[y] + 0.3 * rng.normal(size=(size, 6))
    ones = np.ones(size, np.float32)
    batch = {
        "x": x.astype(np.float32),
        "extra": rng.normal(size=(size, 2, 3)).astype(np.float32),
        "y": y,
        "target": np.eye(3, dtype=np.float32)[y],
        "hard": ones,
        "soft": ones,
        "weight": ones,
    }
    config = Config(outputs=3, width=8, dropout=0.0, scale_extra=True)
    return config._replace(learning_rate=0.05), batch
