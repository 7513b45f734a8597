"""Perceptrons on features: MLP1, MLP2 and the simple MLP (sections 2.4 and 2.7).

MLP1 guesses a node's teacher embedding (`objective="mse"`, or soft labels); MLP2 classifies
from features and what was discovered in the teacher's table, given as `extra`; the simple
MLP has no extra.
"""

from typing import Literal, NamedTuple

import flax.linen as nn
import jax
import numpy as np

from iclr22 import parallel
from iclr22.cold_brew import losses as train
from iclr22.cold_brew.losses import State
from iclr22.cold_brew.networks import Linear, drop


class Config(NamedTuple):
    """Hyper-parameters of a perceptron and its training."""

    outputs: int = 7  # classes, or width of the embedding; set from the data
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
    objective: Literal["cross_entropy", "mse", "link"] = "cross_entropy"  # see train
    temperature: float = 1.0  # of the teacher's soft labels
    optimizer: Literal["adam", "sgd"] = "adam"  # update rule
    learning_rate: float = 5e-3  # constant
    weight_decay: float = 5e-4  # L2 on all weights
    steps: int = 300  # updates; validation chooses how many are used


class Network(nn.Module):
    """Features `[n, d]` and extra inputs `[n, parts, e]` to outputs `[n, outputs]`."""

    config: Config

    @nn.compact
    def __call__(self, x, extra, key=None):
        config = self.config
        depth = config.blocks * config.skip or config.layers
        keys = [None] * (depth + 2)
        if key is not None:
            keys = list(jax.random.split(key, depth + 2))
        x = drop(keys.pop(), x, config.input_dropout)
        width = config.width if config.layers or config.blocks else config.outputs
        h = Linear(width, name="input")(x)
        if extra.shape[1] * extra.shape[2]:
            h = h + Linear(width, bias=False, name="extra")(self._extra(extra))
        if config.blocks:
            return Linear(config.outputs, name="output")(self._blocks(h, keys))
        if not config.layers:
            return h
        for i in range(config.layers):
            h = h if i == 0 else Linear(width, name=f"layer{i}")(h)
            h = drop(keys.pop(), self._activate(h, i), config.dropout)
        return Linear(config.outputs, name="output")(h)

    def _extra(self, extra):
        if self.config.scale_extra:
            start = nn.initializers.constant(1e-4)
            scale = self.param("scale", start, (extra.shape[1], 1))
            extra = scale * extra
        return extra.reshape(len(extra), extra.shape[1] * extra.shape[2])

    def _activate(self, h, i):
        if self.config.layer_norm:
            h = nn.LayerNorm(name=f"norm{i}")(h)
        return getattr(nn, self.config.activation)(h)

    def _blocks(self, h, keys):
        """x + Block(x), each block narrow-wide-narrow as in the released code."""
        config, wide = self.config, self.config.width * 3 // 2 + 2
        for block in range(config.blocks):
            x = h
            for i in range(config.skip - 1):
                name = f"block{block}_{i}"
                x = nn.LayerNorm(name=f"{name}_norm")(Linear(wide, name=name)(x))
                x = drop(keys.pop(), getattr(nn, config.activation)(x), config.dropout)
            h = h + Linear(config.width, name=f"block{block}_out")(x)
        return h


def init(config: Config, key: jax.Array, batch) -> State:
    """Fresh state; `x` and `extra` of the batch give the widths."""
    network = Network(config)
    return train.start(config, key, network.init(key, batch["x"], batch["extra"]))


def apply(config: Config, params, inputs, *, key=None):
    """Outputs `[n, outputs]` for a batch with `x` and `extra`."""
    variables = {"params": params["weights"]}
    return Network(config).apply(variables, inputs["x"], inputs["extra"], key)


def loss(config: Config, params, batch, *, key=None):
    """Summed loss and sums of what is reported; see `train.losses`."""
    outputs = apply(config, params, batch, key=key)
    return train.losses(config.objective, outputs, batch, config.temperature)


def train_step(config: Config, state: State, batch, *, axis_name=None):
    """One update; `(State, {"loss", "accuracy"})`."""

    def objective(weights, key):
        key = parallel.fold_axis(key, axis_name)
        total, sums = loss(config, {"weights": weights, "stats": {}}, batch, key=key)
        return total, (sums, {})

    return train.update(config, state, objective, axis_name)


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
