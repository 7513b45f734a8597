"""A small recurrent forecaster: what the next values of a series are, and how surely.

It shows what generated values are worth (section 7: forecasts after filling, with and
without a generated history). A GRU reads a context in which values may be missing; every
value to come is told from its last state, the calendar then, and the value one season
before. Spread is that of a Gaussian, as in DeepAR (Salinas et al. 2020). A batch has

  series [b] int; values [b, context + horizon], 0 to 1 over the range of their series, 0
  where missing; known of the same shape; features [b, context + horizon, d]; weight [b].
"""

from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

from iclr22 import gradients, parallel

SMALLEST = 1e-3  # deviation, in units of the context's


class Config(NamedTuple):
    """Hyper-parameters of the network and its training."""

    RESOLVED = ("series", "season")  # by the data

    series: int = 1  # number of them; each has an embedding
    season: int = 24  # values back to one of the same time; 1: the last value
    context: int = 96  # values that are read
    horizon: int = 24  # values that are told
    width: int = 32  # of the recurrent state and of the layer after it
    embedding: int = 8  # width of the vector of a series
    hidden: float = 0.3  # share of training windows of which a part is hidden
    learning_rate: float = 3e-3  # Adam, falling to 0 along a cosine
    batch: int = 64  # windows per update
    steps: int = 1000  # updates


State = gradients.State


class _Last(nn.Module):
    """Last state `[b, width]` of a GRU over `[b, t, d]`; what it makes of its inputs is
    computed for all steps at once."""

    width: int

    @nn.compact
    def __call__(self, x):
        given = nn.Dense(3 * self.width, name="given")(x).swapaxes(0, 1)
        start = nn.initializers.orthogonal()
        kernel = self.param("kernel", start, (self.width, 3 * self.width), jnp.float32)
        bias = self.param("bias", nn.initializers.zeros, (self.width,), jnp.float32)

        def step(state, given):
            gates, new = jnp.split(given, [2 * self.width], axis=-1)
            own_gates, own = jnp.split(state @ kernel, [2 * self.width], axis=-1)
            reset, keep = jnp.split(nn.sigmoid(gates + own_gates), 2, axis=-1)
            new = jnp.tanh(new + reset * (own + bias))
            return keep * state + (1 - keep) * new, None

        state = jnp.zeros((len(x), self.width))
        return jax.lax.scan(step, state, given)[0]


class Network(nn.Module):
    """Means and deviations `[b, horizon]` in units of the context (`standard`)."""

    config: Config

    @nn.compact
    def __call__(self, series, past, told, before):
        """
        Args:
          series: `[b]` int.
          past: `[b, context, d]`, what the GRU reads.
          told: `[b, horizon, d]`, calendar of the values to come.
          before: `[b, horizon, 2]`, values one season before and whether they are known.
        """
        width, horizon = self.config.width, told.shape[1]
        own = nn.Embed(self.config.series, self.config.embedding)(series)
        past = jnp.concatenate([past, _along(own, past.shape[1])], axis=-1)
        state = jnp.concatenate([_Last(width, name="gru")(past), own], axis=-1)
        x = jnp.concatenate([_along(state, horizon), told, before], axis=-1)
        x = nn.relu(nn.Dense(2 * width)(x))
        out = nn.Dense(2, kernel_init=nn.initializers.zeros)(x)
        return before[..., 0] + out[..., 0], nn.softplus(out[..., 1]) + SMALLEST


def _along(x, times):
    """`[b, d]` at every step, `[b, times, d]`."""
    return jnp.broadcast_to(x[:, None], (len(x), times, x.shape[1]))


def standard(values, known):
    """Level and spread `[b, 1]` of contexts `[b, t]`; of few values more those of the
    whole range, 0.5 and 0.25, as if one of them had been seen."""
    count = known.sum(axis=1, keepdims=True) + 1
    level = ((values * known).sum(axis=1, keepdims=True) + 0.5) / count
    apart = (known * (values - level) ** 2).sum(axis=1, keepdims=True) + 0.25**2
    return level, jnp.sqrt(jnp.maximum(apart / count, 0)) + 0.01


def optimizer(config: Config) -> optax.GradientTransformation:
    """Adam on a cosine, gradients cut at length 1."""
    rate = optax.cosine_decay_schedule(config.learning_rate, config.steps)
    return optax.chain(optax.clip_by_global_norm(1.0), optax.adam(rate))


def init(config: Config, key: jax.Array, batch) -> State:
    """Fresh state."""
    one = {name: jnp.asarray(x[:1]) for name, x in batch.items()}
    params = Network(config).init(key, *_inputs(config, one)[0])["params"]
    return gradients.start(optimizer(config), key, params)


def _inputs(config, batch):
    """What the network gets, and level and spread of each context."""
    past = config.context
    values, known = batch["values"][:, :past], batch["known"][:, :past]
    level, spread = standard(values, known)
    z = known * (values - level) / spread
    features = batch["features"]
    read = jnp.stack([z, known], axis=-1)
    read = jnp.concatenate([read, features[:, :past]], axis=-1)
    ahead = np.arange(config.horizon)
    places = past - config.season + ahead % config.season
    if config.season > past:  # no such value is read
        before = jnp.zeros((len(z), config.horizon, 2))
    else:
        before = jnp.stack([z[:, places], known[:, places]], axis=-1)
    told = features[:, past : past + config.horizon]
    return (batch["series"], read, told, before), (level, spread)


def apply(config: Config, params, inputs, *, key=None):
    """Means and deviations `[b, horizon]`, scaled as the values; of `inputs` the values
    after the context are not looked at, and may be absent."""
    del key
    given, (level, spread) = _inputs(config, inputs)
    mean, deviation = _told(config, params, given)
    return level + spread * mean, spread * deviation


def _told(config, params, given) -> tuple[jax.Array, jax.Array]:
    found: Any = Network(config).apply({"params": params}, *given)
    return found


def loss(config: Config, params, batch, *, key=None):
    """`(total, sums)`: negative log-likelihood in units of the context, mean over the
    known values to come; squared errors are sums over the same, scaled values."""
    del key
    given, (level, spread) = _inputs(config, batch)
    mean, deviation = _told(config, params, given)
    wanted = (batch["values"] - level) / spread
    wanted, known = (x[:, config.context :] for x in (wanted, batch["known"]))
    apart = (wanted - mean) / deviation
    each = 0.5 * apart**2 + jnp.log(deviation) + 0.5 * np.log(2 * np.pi)
    count = jnp.maximum(known.sum(axis=1), 1)
    weight = batch["weight"]
    squares = known * ((wanted - mean) * spread) ** 2
    sums = {
        "loss": weight @ ((each * known).sum(axis=1) / count),
        "squared": weight @ (squares.sum(axis=1) / count),
        "weight": weight.sum(),
    }
    return sums["loss"], sums


def train_step(config: Config, state: State, batch, *, axis_name=None):
    """`(State, {"loss", "squared"})` after one update."""

    def objective(params, batch, key):
        return loss(config, params, batch, key=key)

    rule = optimizer(config)
    return gradients.update(rule, state, objective, batch, axis_name=axis_name)


def evaluate(config: Config, params, batch, *, axis_name=None):
    """Sums of the loss and of squared errors."""
    return parallel.reduce(loss(config, params, batch)[1], axis_name)


def example(size: int = 32, seed: int = 0):
    """Smallest configuration and `size` windows of sines of a period of 4, some of their
    values missing."""
    random = np.random.default_rng(seed)
    time = np.arange(12) + random.integers(0, 4, size)[:, None]
    values = (
        0.5 + 0.4 * np.sin(time * np.pi / 2) + 0.02 * random.normal(size=(size, 12))
    )
    known = (random.random((size, 12)) > 0.1).astype(np.float32)
    batch = {
        "series": random.integers(0, 2, size).astype(np.int32),
        "values": (values * known).astype(np.float32),
        "known": known,
        "features": np.stack([time % 4 / 3 - 0.5] * 2, axis=2).astype(np.float32),
        "weight": np.ones(size, np.float32),
    }
    config = Config(
        series=2,
        season=4,
        context=8,
        horizon=4,
        width=8,
        embedding=2,
        learning_rate=3e-2,
    )
    return config, batch
