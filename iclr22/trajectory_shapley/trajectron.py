"""Trajectron++Edge, Trajectron++ (sum over neighbours) and past only, as one method.

The paper's preset and a compact one that trains in minutes on a CPU (sections 2.5 and 2.6
of the sheet). A batch is rows of `windows.Windows`: history [batch, time, 6], future
[batch, horizon, 2], neighbours [batch, slots, time, 6], mask [batch, slots], kind [batch],
neighbour_kind [batch, slots], weight [batch], and where samples are wanted seed [batch].

The loss is minus the log-likelihood of the mixture weighted by the posterior, plus an
annealed divergence of posterior and prior, minus the information of modes about inputs.
The last two are of batch means; coefficients come from all devices, so the total is a sum
over examples all the same.

Differs: one LSTM reads the edges of all kinds, with a term per pair of kinds, where the
released code has one per pair; velocities leave the decoder standardised.
"""

from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from iclr22 import gradients, parallel
from iclr22.trajectory_shapley import losses, metrics
from iclr22.trajectory_shapley.augment import augment
from iclr22.trajectory_shapley.predictor import Predictor, bind, with_baseline
from iclr22.trajectory_shapley.trajectron_forward import (
    bound,
    decode,
    draw,
    encode,
    forward,
    framed,
    mixture,
    network,
)
from iclr22.trajectory_shapley.windows import random_batch


class Config(NamedTuple):
    """The compact preset for pedestrians; `PAPER` below holds what the paper changes."""

    RESOLVED = ("interaction", "kinds", "dt")  # by the variant and the tracks

    # of neighbours; none: past only
    interaction: Literal["edge", "sum", "none"] = "edge"
    # what an edge reads; with the history it holds a copy of the past
    edge_input: Literal["with_history", "neighbour_only"] = "with_history"
    # what a neighbour's states are relative to: the target's position, or as released
    # its whole state, which tells a hidden past
    edge_frame: Literal["place", "state"] = "place"
    modes: int = 5  # values of the latent
    decoder: int = 64  # width of the GRU
    hidden: int = 32  # width of the LSTMs
    attention: int = 32  # width of the attention
    kinds: int = 1  # kinds of agents in the data
    horizon: int = 12  # future steps
    dt: float = 0.4  # seconds per step
    # positions are divided by this; 0: measured in the tracks, before training
    position_scale: float = 3.0
    velocity_scale: float = 2.0  # velocities are divided by this; 0: measured
    acceleration_scale: float = 1.0  # accelerations are divided by this; 0: measured
    dropout: float = 0.1  # of codes, in training
    prior_dropout: float = 0.1  # of the prior's layer, in training
    # share of examples that lose some neighbours, in training with coalition dropout
    coalition_dropout: float = 0.5
    past_dropout: float = 0.1  # share of those that lose their past, likewise
    rotate: bool = True  # turn examples by multiples of 15 degrees, in training
    action_noise: float = 0.0  # scale of the noise on velocities fed back, in training
    kl_weight: float = 1.0  # of the divergence, after annealing
    kl_minimum: float = 0.07  # nats below which the divergence is not reduced
    kl_crossover: int = 100  # update at which half of the weight is reached
    kl_width: float = 25.0  # updates over which it is reached
    # update at which logits may be half as large as at the end
    clip_crossover: int = 75
    clip_width: float = 15.0  # updates over which that is reached
    learning_rate: float = 4e-3  # Adam, at the start
    # of the learning rate: to 0 at the last update, or as released
    schedule: Literal["cosine", "exponential"] = "cosine"
    decay: float = 0.9999  # of the learning rate per update, if exponential
    clip: float = 1.0  # bound of each gradient
    batch: int = 128  # windows per update
    steps: int = 600  # updates
    samples: int = 20  # draws behind minADE and minFDE
    systematic: bool = False  # modes of draws evenly over their probabilities


PAPER = {
    "edge_frame": "state",
    "modes": 25,
    "decoder": 128,
    "kl_weight": 100.0,
    "dropout": 0.25,
    "action_noise": 1.0,
    "kl_crossover": 400,
    "kl_width": 100.0,
    "clip_crossover": 300,
    "clip_width": 60.0,
    "learning_rate": 1e-3,
    "batch": 256,
    "steps": 3000,
}
"""Where the released configuration is not the compact one; it trains plainly. It has 100
epochs of up to 120 updates under the exponential schedule; with fewer updates the rate has
to end low, as under the cosine."""

State = gradients.State  # with the best parameters


def optimizer(config: Config):
    """Adam with gradients clipped by value."""
    if config.schedule == "cosine":
        rate = optax.cosine_decay_schedule(config.learning_rate, config.steps)
    else:
        rate = optax.exponential_decay(config.learning_rate, 1, config.decay)
    return optax.chain(optax.clip(config.clip), optax.adam(rate))


def init(config: Config, key: jax.Array, batch) -> State:
    """Fresh state; shapes come from an example batch."""
    batch = {name: jnp.asarray(x[:1]) for name, x in batch.items()}

    def touch(module):
        return forward(config, module, batch, future=True)

    params = network(config).init(key, method=touch)["params"]
    return gradients.start(optimizer(config), key, params, keep_best=True)


def apply(config: Config, params, inputs, *, key=None):
    """Mixture of positions `[batch, modes, horizon, 2]` for a batch."""
    module, inputs = bound(config, params), framed(config, inputs)
    prior, _, mean, spread = forward(config, module, inputs, key=key)
    return mixture(config, prior, mean, spread)


def loss(config: Config, params, batch, *, key=None, step=None, axis_name=None):
    """`(total, sums)` over examples; `step=None` is after all annealing."""
    batch, noise, key = _disturbed(config, framed(config, batch), key)
    module = bound(config, params)
    prior, posterior, mean, spread = forward(
        config, module, batch, future=True, key=key, noise=noise
    )
    step = 1e9 if step is None else step
    share = losses.anneal(step, config.clip_crossover, config.clip_width)
    most = 0.05 + 4.95 * share
    log_p, log_q = (
        jax.nn.log_softmax(jnp.clip(x, -most, most)) for x in (prior, posterior)
    )
    steps = metrics.nll(mixture(config, log_q, mean, spread), batch["future"])
    divergence = jnp.sum(jnp.exp(log_q) * (log_q - log_p), -1)
    weight = batch["weight"]
    information = losses.information(log_p, weight, axis_name)
    kl = losses.at_least(config.kl_minimum, divergence, weight, axis_name)
    beta = losses.anneal(step, config.kl_crossover, config.kl_width)
    beta = config.kl_weight * beta
    total = jnp.sum(weight * (steps.sum(-1) - information)) + beta * kl
    sums = {
        "loss": total,
        "nll": jnp.sum(weight * steps.mean(-1)),
        "kl": jnp.sum(weight * divergence),
        "information": jnp.sum(weight * information),
        "weight": jnp.sum(weight),
    }
    return total, sums


def _disturbed(config, batch, key):
    """What training changes, by a key: the batch, noise on velocities, the key of dropout;
    nothing without one."""
    if key is None:
        return batch, None, None
    keys = jax.random.split(key, 3)
    batch = augment(
        batch,
        keys[0],
        rotate=config.rotate,
        coalition=config.coalition_dropout,
        past=config.past_dropout,
    )
    noise = None
    if config.action_noise:
        shape = (config.horizon, len(batch["mask"]), config.modes, 2)
        noise = config.action_noise * jax.random.normal(keys[1], shape)
    return batch, noise, keys[2]


def train_step(config: Config, state: State, batch, *, axis_name=None):
    """One update on the mean of the loss."""

    def objective(params, batch, key):
        return loss(
            config, params, batch, key=key, step=state.step, axis_name=axis_name
        )

    return gradients.update(
        optimizer(config), state, objective, batch, axis_name=axis_name
    )


def evaluate(config: Config, params, batch, *, axis_name=None):
    """Sums of the NLL per step, and with seeds in the batch of minADE and minFDE."""
    weight = batch["weight"]
    steps = metrics.nll(apply(config, params, batch), batch["future"])
    sums = {"loss": weight @ steps.mean(-1), "weight": weight.sum()}
    sums["nll"] = sums["loss"]
    if "seed" in batch:
        samples = sample(config, params, batch)
        ade, fde = metrics.best_of(samples, batch["future"])
        sums |= {"min_ade": weight @ ade, "min_fde": weight @ fde}
        kde = metrics.kde_nll(samples, batch["future"]).mean(-1)
        sums["kde_nll"] = weight @ kde
    return parallel.reduce(sums, axis_name)


def sample(config: Config, params, batch):
    """Paths `[batch, draws, horizon, 2]`; noise depends on `seed [batch]` alone."""
    codes = encode(config, params, with_baseline(batch))
    past = jnp.ones(len(batch["mask"]), bool)
    return draw(config, params, codes, past, batch["mask"])


def predictor(config: Config, params) -> Predictor:
    """The model as attribution needs it; the same functions for every `params`."""
    return bind(config, params, encode=encode, decode=decode, samples=draw)


def example(size: int = 16, seed: int = 0):
    """Smallest configuration and windows whose first neighbour tells which way to go."""
    rng = np.random.default_rng(seed)
    batch, horizon = random_batch(rng, size, spread=0.3), 3
    steps = np.arange(1, horizon + 1, dtype=np.float32)[:, None]
    way = batch["neighbours"][:, :1, -1, 2:4] + batch["history"][:, -1:, 2:4]
    batch |= {
        "future": steps * way,
        "kind": rng.integers(0, 2, size).astype(np.int32),
        "neighbour_kind": rng.integers(0, 2, (size, 2)).astype(np.int32),
    }
    config = Config(
        kinds=2,
        horizon=horizon,
        learning_rate=0.02,
        modes=2,
        decoder=8,
        hidden=8,
        attention=4,
        samples=2,
        dropout=0.0,
        prior_dropout=0.0,
        action_noise=0.0,
        rotate=False,
        coalition_dropout=0.0,
        past_dropout=0.0,
    )
    return config, batch
