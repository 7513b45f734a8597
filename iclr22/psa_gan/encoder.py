"""Training of the encoder by triplets (section 6): parts of a window are near, others far.

A batch has, of each of its windows, a part of it and some of other series:

  windows [batch, 2 + negatives, longest]: the window, its part, the others, each at the
  right end with zeros before; lengths [batch, 2 + negatives] int; weight [batch].
"""

from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from iclr22 import gradients, parallel
from iclr22.psa_gan.encoder_networks import Encoder


class Config(NamedTuple):
    """Hyper-parameters of the encoder; the published ones are blocks 10, longest 300,
    negatives 20, batch 32, learning_rate 1e-4."""

    blocks: int = 4  # before the last one; each doubles the dilation
    channels: int = 40  # width of the blocks
    reduced: int = 160  # width of the last one
    out: int = 80  # width of vectors
    kernel: int = 3  # steps of a convolution
    longest: int = 64  # window
    negatives: int = 5  # windows of other series for each
    terms: Literal["three", "two"] = "three"  # two: without part against others
    batch: int = 16  # windows per update
    learning_rate: float = 3e-3  # Adam
    steps: int = 400  # updates


State = gradients.State
SHORTEST_BUCKET = 16


def network(config: Config) -> Encoder:
    """The module."""
    sizes = config.blocks, config.channels, config.reduced, config.out, config.kernel
    return Encoder(*sizes)


def buckets(longest: int) -> tuple[int, ...]:
    """Lengths that arrays are cut to: powers of two up to the longest."""
    found = [SHORTEST_BUCKET]
    while found[-1] < longest:
        found.append(2 * found[-1])
    return (*[x for x in found[:-1] if x < longest], longest)


def init(config: Config, key: jax.Array, batch) -> State:
    """Fresh state."""
    del batch
    x, lengths = jnp.zeros((1, config.longest)), jnp.ones(1, jnp.int32)
    params = network(config).init(key, x, lengths)["params"]
    return gradients.start(optax.adam(config.learning_rate), key, params)


def apply(config: Config, params, inputs, *, key=None):
    """Vectors `[n, out]` of `windows [n, time]` with `lengths [n]`."""
    del key
    variables = {"params": params}
    return network(config).apply(variables, inputs["windows"], inputs["lengths"])


def _vectors(config, params, windows, lengths):
    """The same, in arrays no longer than the longest of these windows needs."""
    longest = windows.shape[-1]
    sizes = buckets(longest)

    def of(size):
        def encode(params):
            given = {"windows": windows[:, longest - size :], "lengths": lengths}
            return apply(config, params, given)

        return encode

    which = jnp.searchsorted(jnp.asarray(sizes), lengths.max())
    return jax.lax.switch(which, [of(size) for size in sizes], params)


def loss(config: Config, params, batch, *, key=None):
    """`(total, sums)` of the loss of triplets: 3 ln 2 for vectors of zeros."""
    del key
    n, each, longest = batch["windows"].shape
    windows = batch["windows"].reshape(n * each, longest)
    lengths = batch["lengths"].reshape(n * each)
    order = jnp.arange(n * each).reshape(n, each)
    groups = (order[:, :1], order[:, 1:2], order[:, 2:])  # parts are short, others vary
    found = [
        _vectors(config, params, windows[rows.ravel()], lengths[rows.ravel()])
        for rows in groups
    ]
    window, part = found[0], found[1]
    others = found[2].reshape(n, each - 2, -1)
    near = jax.nn.log_sigmoid(jnp.sum(window * part, axis=-1))
    far = jax.nn.log_sigmoid(-jnp.einsum("nd,nkd->nk", window, others)).mean(axis=1)
    value = -near - far
    if config.terms == "three":
        value -= jax.nn.log_sigmoid(-jnp.einsum("nd,nkd->nk", part, others)).mean(
            axis=1
        )
    weight = batch["weight"]
    sums = {"loss": weight @ value, "weight": weight.sum()}
    return sums["loss"], sums


def train_step(config: Config, state: State, batch, *, axis_name=None):
    """`(State, {"loss"})` after one update."""

    def objective(params, batch, key):
        return loss(config, params, batch, key=key)

    rule = optax.adam(config.learning_rate)
    return gradients.update(rule, state, objective, batch, axis_name=axis_name)


def evaluate(config: Config, params, batch, *, axis_name=None):
    """Sums of the loss."""
    return parallel.reduce(loss(config, params, batch)[1], axis_name)


class Triplets(NamedTuple):
    """Batches for the encoder, a pure function of the step.

    Attributes:
      series: float32 `[t_i]` each, scaled.
    """

    series: tuple[np.ndarray, ...]
    config: Config
    seed: int = 0
    part: tuple[int, int] = (0, 1)

    def __call__(self, step: int) -> dict[str, np.ndarray]:
        """Lengths of windows are drawn once for a batch, so that short ones are cheap."""
        random = np.random.default_rng((self.seed, step))
        config, count = self.config, len(self.series)
        longest = min(config.longest, min(map(len, self.series)))
        whole = int(random.integers(2, longest + 1))
        part = int(random.integers(1, whole + 1))
        other = int(random.integers(1, longest + 1))
        each = 2 + config.negatives
        windows = np.zeros((config.batch, each, config.longest), np.float32)
        for i in range(config.batch):
            own = int(random.integers(count))
            values = _cut(random, self.series[own], whole)
            windows[i, 0, -whole:] = values
            windows[i, 1, -part:] = _cut(random, values, part)
            for k in range(config.negatives):
                there = (own + int(random.integers(1, max(count, 2)))) % count
                windows[i, 2 + k, -other:] = _cut(random, self.series[there], other)
        lengths = np.full((config.batch, each), other, np.int32)
        lengths[:, 0], lengths[:, 1] = whole, part
        index, parts = self.part
        share = config.batch // parts
        rows = slice(index * share, (index + 1) * share)
        weight = np.ones(share, np.float32)
        return {"windows": windows[rows], "lengths": lengths[rows], "weight": weight}


def _cut(random, values, length):
    begin = int(random.integers(0, len(values) - length + 1))
    return values[begin : begin + length]


def example(size: int = 32, seed: int = 0):
    """Smallest configuration and `size` windows of sines and of noise."""
    random = np.random.default_rng(seed)
    sine = np.sin(np.arange(200) / 3).astype(np.float32)
    noise = random.normal(size=200).astype(np.float32)
    config = Config(
        blocks=1,
        channels=4,
        reduced=6,
        out=5,
        longest=24,
        negatives=2,
        batch=size,
        learning_rate=1e-2,
    )
    return config, Triplets((sine, noise), config, seed)(0)
