"""Training of the encoder by triplets (section 6): parts of a window are near, others far.

A batch has, of each of its windows, a part of it and some of other series:

  windows [batch, 2 + negatives, longest]: the window, its part, the others, each at the
  right end with zeros before; lengths [batch, 2 + negatives] int; weight [batch].
"""

import functools
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from iclr22 import gradients, parallel
from iclr22.psa_gan import runs
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
    lengths: Literal["buckets", "uniform"] = "buckets"  # short ones more often: cheaper
    negatives: int = 5  # windows of other series for each
    terms: Literal["three", "two"] = "three"  # two: without part against others
    batch: int = 16  # windows per update
    learning_rate: float = 3e-3  # of Adam
    steps: int = 400  # updates


State = gradients.State
SHORTEST_BUCKET = 8


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
    found = network(config).apply(variables, inputs["windows"], inputs["lengths"])
    return jnp.asarray(found)


def loss(config: Config, params, batch, *, key=None):
    """`(total, sums)` of the loss of triplets: 3 ln 2 for vectors of zeros.

    Arrays are cut to the bucket that the longest window of the batch needs.
    """
    del key
    longest, sizes = batch["windows"].shape[2], buckets(batch["windows"].shape[2])
    cuts = [functools.partial(_total, config, batch, longest - x) for x in sizes]
    which = jnp.searchsorted(jnp.asarray(sizes), batch["lengths"].max())
    total = _one_of(cuts, which, params)
    return total, {"loss": total, "weight": batch["weight"].sum()}


def _one_of(functions, which, params):
    """The scalar of one function of the parameters. Its gradient is taken where the
    function is chosen: reverse mode through a choice fills space for what all of them
    would keep."""

    @jax.custom_vjp
    def value(params):
        return jax.lax.switch(which, functions, params)

    def forward(params):
        both = [jax.value_and_grad(f) for f in functions]
        return jax.lax.switch(which, both, params)

    def backward(gradient, slope):
        return (jax.tree.map(lambda g: slope * g, gradient),)

    value.defvjp(forward, backward)
    return value(params)


def _total(config, batch, begin, params):
    """Sum of the loss over windows, in arrays without what is before `begin`."""
    n, each, longest = batch["windows"].shape
    windows = batch["windows"].reshape(-1, longest)[:, begin:]
    given = {"windows": windows, "lengths": batch["lengths"].reshape(-1)}
    found = apply(config, params, given).reshape(n, each, -1)
    window, part, others = found[:, 0], found[:, 1], found[:, 2:]
    near = jax.nn.log_sigmoid(jnp.sum(window * part, axis=-1))
    value = -near - _far(window, others)
    if config.terms == "three":
        value -= _far(part, others)
    return batch["weight"] @ value


def _far(one, others):
    return jax.nn.log_sigmoid(-jnp.einsum("nd,nkd->nk", one, others)).mean(axis=1)


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

    All lengths of a batch are of one bucket, which is drawn first, so that short ones are
    cheap.
    """

    runs: runs.Runs
    config: Config
    seed: int = 0
    part: tuple[int, int] = (0, 1)

    def content(self) -> str:
        """A digest of the series."""
        return self.runs.content()

    def __call__(self, step: int) -> dict[str, np.ndarray]:
        """Windows, a part of each, and others of other series, if there is another."""
        random = np.random.default_rng((self.seed, step))
        config, count = self.config, len(self.runs.group) - 1
        size = config.batch, config.negatives
        longest = self._longest(random)
        own = random.integers(count, size=size[0])
        other = own[:, None] + random.integers(1, max(count, 2), size=size)
        lengths = random.integers(1, longest + 1, (size[0], 2 + size[1]))
        lengths[:, 0] = random.integers(2, longest + 1, size[0])
        lengths[:, 1] = random.integers(1, lengths[:, 0] + 1)
        begin = np.empty_like(lengths)
        begin[:, 0] = self.runs.draw(random, own, lengths[:, 0])
        within = lengths[:, 0] - lengths[:, 1] + 1
        begin[:, 1] = begin[:, 0] + random.integers(within)
        begin[:, 2:] = self.runs.draw(random, other % count, lengths[:, 2:])
        windows = self.runs.at(begin, lengths, config.longest)
        index, parts = self.part
        share = config.batch // parts
        rows = slice(index * share, (index + 1) * share)
        weight = np.ones(share, np.float32)
        lengths = lengths[rows].astype(np.int32)
        return {"windows": windows[rows], "lengths": lengths, "weight": weight}

    def _longest(self, random) -> int:
        """Of this batch: buckets are as likely as one over their size."""
        if self.config.lengths == "uniform":
            return self.runs.longest
        sizes = np.array(buckets(self.runs.longest))
        return int(random.choice(sizes, p=1 / sizes / (1 / sizes).sum()))


def batches(series, config: Config, seed: int = 0) -> Triplets:
    """Batches of series (`runs.of`)."""
    index, count = parallel.part()
    found = runs.of(series, config.longest)
    return Triplets(found, config, seed, (index, count))


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
    whole = batches((sine, noise), config, seed)._replace(part=(0, 1))
    return config, whole(0)
