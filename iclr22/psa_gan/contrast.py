"""A second encoder, trained by contrast at every scale of time, in the style of TS2Vec.

Yue et al., "TS2Vec: Towards Universal Representation of Time Series", AAAI 2022: two
overlapping parts of a window are encoded with values hidden at random; where they overlap,
a step of the one is near the same step of the other, far from other windows at this step
(instances) and from other steps of this window (time). Steps are then pooled in pairs, until
one is left. A batch has

  windows [batch, 2, longest]: the first part at the right end, the second at the left,
  zeros beside them; lengths [batch, 2] int; seen [batch, 2, longest], 0 where hidden;
  weight [batch].

The last half of the first array and the first half of the second are the same steps.
"""

from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

from iclr22 import errors, gradients, parallel
from iclr22.psa_gan import runs
from iclr22.psa_gan.encoder_networks import shifted
from iclr22.psa_gan.spectral import Plain, weight_and_bias

NONE = -1e9  # similarity of what does not count


class Config(NamedTuple):
    """Hyper-parameters; those of the paper are blocks 10, width 64, out 320, batch 8,
    learning_rate 1e-3."""

    blocks: int = 4  # before the last one; each doubles the dilation
    width: int = 40  # of the blocks
    out: int = 80  # width of vectors
    kernel: int = 3  # steps of a convolution
    longest: int = 64  # window; its parts overlap in half of it
    hidden: float = 0.5  # share of values that are hidden in training
    instances: float = (
        0.5  # share of the contrast with other windows; rest: other steps
    )
    batch: int = 16  # windows per update
    learning_rate: float = 1e-3  # Adam, falling to 0 along a cosine
    steps: int = 400  # updates


State = gradients.State


class _Dilated(nn.Module):
    """A convolution around every step, `[n, time, c]` to `[n, time, width]`."""

    width: int
    kernel: int
    dilation: int

    @nn.compact
    def __call__(self, x):
        weight, bias = weight_and_bias(self, x.shape[-1], self.kernel, self.width)
        middle = (self.kernel - 1) // 2
        steps = [(i - middle) * self.dilation for i in range(self.kernel)]
        return shifted(x, weight, steps) + bias


class Network(nn.Module):
    """Vectors of every step, `[n, time, out]`."""

    config: Config

    @nn.compact
    def __call__(self, x, there, seen):
        """Of windows `[n, time]`; `there`: 1 within them; `seen`: 0 where hidden."""
        config, there = self.config, there[..., None]
        y = Plain(config.width, name="inputs")(x[..., None])
        y = y * seen[..., None] * there
        widths = [config.width] * config.blocks + [config.out]
        for i, width in enumerate(widths):
            before = y
            for j in range(2):
                name = f"block_{i}_{j}"
                layer = _Dilated(width, config.kernel, 2**i, name=name)
                y = layer(nn.gelu(y)) * there
            if i == config.blocks:
                before = Plain(width, name="residual")(before) * there
            y = y + before
        return y


def init(config: Config, key: jax.Array, batch) -> State:
    """Fresh state."""
    del batch
    x = jnp.zeros((1, config.longest))
    params = Network(config).init(key, x, x, x)["params"]
    return gradients.start(_optimizer(config), key, params)


def _optimizer(config):
    return optax.adam(optax.cosine_decay_schedule(config.learning_rate, config.steps))


def apply(config: Config, params, inputs, *, key=None):
    """Vectors `[n, out]` of `windows [n, time]`, at the right end, with `lengths [n]`: the
    largest of every step's."""
    del key
    x = inputs["windows"]
    there = _there(inputs["lengths"], x.shape[1])
    seen = jnp.ones_like(x)
    y = jnp.asarray(Network(config).apply({"params": params}, x, there, seen))
    return jnp.where(there[..., None] > 0, y, -jnp.inf).max(axis=1)


def _there(lengths, time):
    """1 in the last so many of `time` steps."""
    return (jnp.arange(time) >= time - lengths[..., None]).astype(jnp.float32)


def loss(config: Config, params, batch, *, key=None, axis_name=None):
    """`(total, sums)` of the contrasts at all scales."""
    del key
    windows, half = batch["windows"], config.longest // 2
    n, _, time = windows.shape
    first, second = (_there(batch["lengths"][:, i], time) for i in (0, 1))
    there = jnp.stack([first, second[:, ::-1]], axis=1)
    rows = (x.reshape(2 * n, time) for x in (windows, there, batch["seen"]))
    y = jnp.asarray(Network(config).apply({"params": params}, *rows))
    y = y.reshape(n, 2, time, -1)
    both = jnp.stack([y[:, 0, time - half :], y[:, 1, :half]], axis=1)
    weight = batch["weight"]
    counted = parallel.gather((weight > 0) + 0.0, axis_name)
    mine = _mine(n, axis_name)
    value, scales, share = jnp.zeros(n), 0, config.instances
    while True:
        value += share * _instances(both, counted, mine, axis_name)
        scales += 1
        if both.shape[2] == 1:
            break
        value += (1 - share) * _steps(both)
        both = _halved(both)
    sums = {"loss": weight @ value / scales, "weight": weight.sum()}
    return sums["loss"], sums


def _mine(n, axis_name):
    """Numbers of this device's windows among those of all."""
    first = 0 if axis_name is None else n * jax.lax.axis_index(axis_name)
    return first + jnp.arange(n)


def _halved(both):
    """Largest of pairs of steps, `[n, 2, t, c]`; of an odd number the last is left out."""
    n, _, t, c = both.shape
    return both[:, :, : t // 2 * 2].reshape(n, 2, t // 2, 2, c).max(axis=3)


def _instances(both, counted, mine, axis_name):
    """Contrast `[n]` of each step with that of other windows; `both [n, 2, t, c]`."""
    others = parallel.gather(both, axis_name)
    near = jnp.einsum("btc,btc->bt", both[:, 0], both[:, 1])
    itself = mine[:, None] == jnp.arange(len(others))
    value = 0.0
    for i in (0, 1):
        logits = [
            jnp.einsum("btc,ntc->btn", both[:, i], others[:, j])
            + jnp.where((counted == 0) | (itself & (i == j)), NONE, 0.0)[:, None]
            for j in (0, 1)
        ]
        value += jax.nn.logsumexp(jnp.concatenate(logits, axis=-1), axis=-1) - near
    return value.mean(axis=1) / 2


def _steps(both):
    """Contrast `[n]` of each step with other steps of its window."""
    n, _, t, c = both.shape
    flat = both.reshape(n, 2 * t, c)
    logits = flat @ flat.swapaxes(1, 2) + NONE * jnp.eye(2 * t)
    near = jnp.einsum("btc,btc->bt", both[:, 0], both[:, 1])
    return jax.nn.logsumexp(logits, axis=-1).mean(axis=1) - near.mean(axis=1)


def train_step(config: Config, state: State, batch, *, axis_name=None):
    """`(State, {"loss"})` after one update."""

    def objective(params, batch, key):
        return loss(config, params, batch, key=key, axis_name=axis_name)

    rule = _optimizer(config)
    return gradients.update(rule, state, objective, batch, axis_name=axis_name)


def evaluate(config: Config, params, batch, *, axis_name=None):
    """Sums of the loss."""
    sums = loss(config, params, batch, axis_name=axis_name)[1]
    return parallel.reduce(sums, axis_name)


class Crops(NamedTuple):
    """Batches of overlapping parts, a pure function of the step."""

    runs: runs.Runs
    config: Config
    seed: int = 0
    part: tuple[int, int] = (0, 1)

    def content(self) -> str:
        """A digest of the series."""
        return self.runs.content()

    def __call__(self, step: int) -> dict[str, np.ndarray]:
        """Parts of windows of any series."""
        random = np.random.default_rng((self.seed, step))
        config, longest = self.config, self.runs.longest
        half = config.longest // 2
        index, parts = self.part
        share = config.batch // parts
        own = random.integers(len(self.runs.group) - 1, size=config.batch)
        begin = self.runs.draw(random, own, np.full(config.batch, longest))
        place = random.integers(longest - half + 1, size=config.batch)
        left = random.integers(place + 1)
        right = random.integers(longest - half - place + 1)
        lengths = np.stack([half + left, half + right], axis=1)
        begins = np.stack([begin + place - left, begin + place], axis=1)
        windows = self.runs.at(begins, lengths, config.longest)
        turn = config.longest - lengths[:, 1, None] + np.arange(config.longest)
        windows[:, 1] = np.take_along_axis(windows[:, 1], turn % config.longest, axis=1)
        seen = random.random(windows.shape) >= config.hidden
        rows = slice(index * share, (index + 1) * share)
        return {
            "windows": windows[rows],
            "lengths": lengths[rows].astype(np.int32),
            "seen": seen[rows].astype(np.float32),
            "weight": np.ones(share, np.float32),
        }


def batches(series, config: Config, seed: int = 0) -> Crops:
    """Batches of series (`runs.of`).

    Raises:
      errors.InputError: runs of known values are shorter than half of `longest`.
    """
    found = runs.of(series, config.longest)
    if found.longest < config.longest // 2:
        raise errors.InputError(
            f"expected series with {config.longest // 2} known values in a row, half of the "
            f"longest window; found {found.longest} in the usual series. Choose shorter "
            "windows."
        )
    return Crops(found, config, seed, parallel.part())


def example(size: int = 32, seed: int = 0):
    """Smallest configuration and `size` windows of sines of many phases and of noise."""
    random = np.random.default_rng(seed)
    sine = np.sin(np.arange(200) / 3).astype(np.float32)
    noise = random.normal(size=200).astype(np.float32)
    config = Config(
        blocks=1, width=6, out=5, longest=8, batch=size, learning_rate=2e-2, hidden=0.1
    )
    whole = batches((sine, noise), config, seed)._replace(part=(0, 1))
    return config, whole(0)
