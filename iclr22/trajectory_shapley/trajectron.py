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

import functools
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from iclr22 import parallel
from iclr22.trajectory_shapley import augment, metrics, networks
from iclr22.trajectory_shapley.predictor import Predictor, bound, pick
from iclr22.trajectory_shapley.training import State, start, update
from iclr22.trajectory_shapley.windows import random_batch


class Config(NamedTuple):
    """The compact preset for pedestrians; `PAPER` below holds what the paper changes."""

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
    position_scale: float = 3.0  # positions are divided by this
    velocity_scale: float = 2.0  # velocities are divided by this
    acceleration_scale: float = 1.0  # accelerations are divided by this
    dropout: float = 0.1  # of codes, in training
    prior_dropout: float = 0.1  # of the prior's layer, in training
    coalition_dropout: float = 0.5  # share of examples that lose some neighbours
    past_dropout: float = 0.1  # share of examples that lose their past
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
    "coalition_dropout": 0.0,
    "past_dropout": 0.0,
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
"""Where the released configuration is not the compact one. It has 100 epochs of up to 120
updates under `--schedule=exponential`; with fewer `--steps` the rate has to end low."""


def optimizer(config: Config):
    """Adam with gradients clipped by value."""
    if config.schedule == "cosine":
        rate = optax.cosine_decay_schedule(config.learning_rate, config.steps)
    else:
        rate = optax.exponential_decay(config.learning_rate, 1, config.decay)
    return optax.chain(optax.clip(config.clip), optax.adam(rate))


@functools.lru_cache(maxsize=32)
def network(config: Config) -> networks.Trajectron:
    """The module of a configuration."""
    return networks.Trajectron(
        config.interaction,
        config.modes,
        config.decoder,
        config.hidden,
        config.attention,
        config.kinds,
        config.edge_input == "with_history",
        config.dropout,
        config.prior_dropout,
    )


def init(config: Config, key: jax.Array, batch) -> State:
    """Fresh state; shapes come from an example batch."""
    batch = {name: jnp.asarray(x[:1]) for name, x in batch.items()}

    def touch(module):
        return _forward(config, module, batch, future=True)

    params = network(config).init(key, method=touch)["params"]
    return start(optimizer(config), key, params)


def standardise(config: Config, states):
    """States `[..., 6]` in the units of the network."""
    scale = [config.position_scale, config.velocity_scale, config.acceleration_scale]
    return states / np.repeat(np.asarray(scale, np.float32), 2)


def in_frame(config: Config, target, neighbours):
    """Neighbours as edges see them, `[batch, ..., time, 6]`; missing rows stay zeros.

    Windows hold them minus the target's whole state. With `edge_frame="place"` velocities
    and accelerations are the neighbours' own: otherwise any neighbour tells the velocity
    of a target whose past is hidden, and is credited with it.

    Args:
      target: the target's last state `[batch, 6]`.
    """
    if config.edge_frame == "state":
        return neighbours
    own = jnp.concatenate([jnp.zeros_like(target[:, :2]), target[:, 2:]], -1)
    own = own.reshape(len(own), *[1] * (neighbours.ndim - 2), 6)
    return jnp.where((neighbours != 0).any(-1, keepdims=True), neighbours + own, 0)


def _framed(config, batch):
    near = in_frame(config, batch["history"][:, -1], batch["neighbours"])
    return batch | {"neighbours": near}


def _module(config, params):
    return network(config).bind({"params": params})


def _slots(config, neighbours, mask, neighbour_kind):
    """What edges are made of: neighbours, or for `sum` the sum of each kind.

    Returns `(states [batch, slots, time, 6], mask, kind, strength [batch, slots])`.
    """
    if config.interaction == "edge":
        return neighbours, mask, neighbour_kind, None
    member = jax.nn.one_hot(neighbour_kind, config.kinds) * mask[..., None]
    total = jnp.einsum("bsk,bstf->bktf", member, neighbours)
    kind = jnp.broadcast_to(jnp.arange(config.kinds), (len(mask), config.kinds))
    return total, jnp.ones(kind.shape, bool), kind, jnp.minimum(member.sum(1), 1)


def _influence(config, module, own, history, batch, mask):
    """Influence of the neighbours in `mask` `[batch, hidden]`; None for past only."""
    if config.interaction == "none":
        return None
    neighbours = standardise(config, batch["neighbours"])
    states, mask, kind, strength = _slots(
        config, neighbours, mask, batch["neighbour_kind"]
    )
    edges = module.encode_edges(history, states, batch["kind"], kind)
    edges = edges if strength is None else edges * strength[..., None]
    return module.attend(own, edges, mask)


def _forward(config, module, batch, *, future=False, key=None, noise=None):
    """`(prior logits, posterior logits, mean, spread)` with everything present."""
    keys = [None] * 3 if key is None else jax.random.split(key, 3)
    history = standardise(config, batch["history"])
    own = module.encode_history(history, batch["kind"])
    influence = _influence(config, module, own, history, batch, batch["mask"])
    c = module.condition(influence, own, keys[0])
    prior = module.prior(c, keys[1])
    ahead = batch["future"] / config.position_scale if future else None
    posterior = module.posterior(c, history[:, -1], ahead, keys[2]) if future else prior
    mean, spread, _ = module.decode(c, history[:, -1], config.horizon, noise=noise)
    return prior, posterior, mean, spread


def _mixture(config, logits, mean, spread):
    scale = config.velocity_scale
    return networks.integrated_mixture(logits, mean, spread, config.dt, scale)


def apply(config: Config, params, inputs, *, key=None):
    """Mixture of positions `[batch, modes, horizon, 2]` for a batch."""
    module, inputs = _module(config, params), _framed(config, inputs)
    prior, _, mean, spread = _forward(config, module, inputs, key=key)
    return _mixture(config, prior, mean, spread)


def _augment(config, batch, key):
    keys = jax.random.split(key)
    if config.rotate:
        batch = augment.turn(batch, keys[0])
    if config.coalition_dropout or config.past_dropout:
        shares = {"coalition": config.coalition_dropout, "past": config.past_dropout}
        batch = augment.drop_players(batch, keys[1], **shares)
    return batch


def _anneal(step, crossover, width):
    return jax.nn.sigmoid((step - crossover) / width)


def loss(config: Config, params, batch, *, key=None, step=None, axis_name=None):
    """`(total, sums)` over examples; `step=None` is after all annealing."""
    keys = [None] * 3 if key is None else jax.random.split(key, 3)
    noise, batch = None, _framed(config, batch)
    if key is not None:
        batch = _augment(config, batch, keys[0])
        if config.action_noise:
            shape = (config.horizon, len(batch["mask"]), config.modes, 2)
            noise = config.action_noise * jax.random.normal(keys[1], shape)
    prior, posterior, mean, spread = _forward(
        config, _module(config, params), batch, future=True, key=keys[2], noise=noise
    )
    step = 1e9 if step is None else step
    bound = 0.05 + 4.95 * _anneal(step, config.clip_crossover, config.clip_width)
    log_p, log_q = (
        jax.nn.log_softmax(jnp.clip(x, -bound, bound)) for x in (prior, posterior)
    )
    steps = metrics.nll(_mixture(config, log_q, mean, spread), batch["future"])
    divergence = jnp.sum(jnp.exp(log_q) * (log_q - log_p), -1)
    weight = batch["weight"]
    information = _information(log_p, weight, axis_name)
    kl = _clamped(config, divergence, weight, axis_name)
    beta = config.kl_weight * _anneal(step, config.kl_crossover, config.kl_width)
    total = jnp.sum(weight * (steps.sum(-1) - information)) + beta * kl
    sums = {
        "loss": total,
        "nll": jnp.sum(weight * steps.mean(-1)),
        "kl": jnp.sum(weight * divergence),
        "information": jnp.sum(weight * information),
        "weight": jnp.sum(weight),
    }
    return total, sums


def _information(log_p, weight, axis_name):
    """Information of modes about inputs per example `[batch]`.

    The mean over the batch is H(mean p) - mean H(p); with the mean distribution held
    constant its gradient is the same, as changes of a distribution add up to zero.
    """
    p = jnp.exp(log_p)
    sums = jax.lax.stop_gradient((weight @ p, weight.sum()))
    total, count = parallel.reduce(sums, axis_name)
    mean = jnp.log(jnp.maximum(total / jnp.maximum(count, 1), 1e-9))
    return jnp.sum(p * (log_p - mean), -1)


def _clamped(config, divergence, weight, axis_name):
    """Sum of divergences; constant where their mean is below the minimum."""
    sums = jax.lax.stop_gradient((weight @ divergence, weight.sum()))
    total, count = parallel.reduce(sums, axis_name)
    low = total < config.kl_minimum * count
    return jnp.where(low, config.kl_minimum * weight.sum(), weight @ divergence)


def train_step(config: Config, state: State, batch, *, axis_name=None):
    """One update on the mean of the loss."""

    def objective(params, key):
        return loss(
            config, params, batch, key=key, step=state.step, axis_name=axis_name
        )

    return update(optimizer(config), state, objective, axis_name)


def evaluate(config: Config, params, batch, *, axis_name=None):
    """Sums of the NLL per step, and with seeds in the batch of minADE and minFDE."""
    mixture = apply(config, params, batch)
    weight = batch["weight"]
    steps = metrics.nll(mixture, batch["future"])
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


def with_baseline(batch):
    """Inputs of `encode` where nothing is going to be left out."""
    history = jnp.stack([jnp.zeros_like(batch["history"]), batch["history"]], 1)
    names = ("neighbours", "kind", "neighbour_kind", "seed")
    return {name: batch[name] for name in names} | {"history": history}


def encode(config: Config, params, inputs):
    """What does not depend on the coalition: codes of histories, with and without the
    past, and of every edge with both."""
    module = _module(config, params)
    history = standardise(config, inputs["history"])
    present = inputs["history"][:, 1, -1]
    neighbours = standardise(config, in_frame(config, present, inputs["neighbours"]))
    kind, neighbour_kind = inputs["kind"], inputs["neighbour_kind"]
    codes = {"current": history[:, :, -1], "seed": inputs["seed"], "kind": kind}
    codes["own"] = jnp.stack(
        [module.encode_history(history[:, i], kind) for i in (0, 1)], 1
    )
    if config.interaction == "edge":
        edges = [
            module.encode_edges(history[:, i], neighbours, kind, neighbour_kind)
            for i in (0, 1)
        ]
        codes["edges"] = jnp.stack(edges, 1)
    if config.interaction == "sum":
        codes["history"], codes["neighbours"] = history, neighbours
        codes["neighbour_kind"] = neighbour_kind
    return codes


def _coalition(config, module, codes, past, mask):
    """Condition and current state of one coalition per window."""
    own, current = pick(past, codes["own"]), pick(past, codes["current"])
    influence = None
    if config.interaction == "edge":
        influence = module.attend(own, pick(past, codes["edges"]), mask)
    if config.interaction == "sum":
        states, mask, kind, strength = _slots(
            config, codes["neighbours"], mask, codes["neighbour_kind"]
        )
        history = pick(past, codes["history"])
        edges = module.encode_edges(history, states, codes["kind"], kind)
        influence = module.attend(own, edges * strength[..., None], mask)
    return module.condition(influence, own), current


def decode(config: Config, params, codes, past, mask):
    """Mixture of positions under one coalition per window.

    Args:
      codes: of `encode`.
      past: `[windows]` bool, whether the target's history is seen.
      mask: `[windows, slots]` bool, which edges are.
    """
    module = _module(config, params)
    c, current = _coalition(config, module, codes, past, mask)
    mean, spread, _ = module.decode(c, current, config.horizon)
    return _mixture(config, module.prior(c), mean, spread)


def draw(config: Config, params, codes, past, mask):
    """Paths `[windows, draws, horizon, 2]` under one coalition per window.

    Random numbers depend on the window's seed only, so they are common to all coalitions:
    the mode is drawn by the inverse of the cumulated probabilities.
    """
    module = _module(config, params)
    c, current = _coalition(config, module, codes, past, mask)
    chance, noise = _noise(config, codes["seed"])
    cumulated = jnp.cumsum(jax.nn.softmax(module.prior(c)), -1)
    modes = jnp.sum(chance[..., None] > cumulated[:, None, :-1], -1)
    noise = jnp.moveaxis(noise, 2, 0)
    velocity = module.decode(c, current, config.horizon, modes, noise)[2]
    return networks.integrate(config.velocity_scale * velocity, config.dt)


def _noise(config, seeds):
    """Uniforms `[windows, draws]` and normals `[windows, draws, horizon, 2]`."""

    def one(seed):
        keys = jax.random.split(jax.random.fold_in(jax.random.key(0), seed))
        chance = jax.random.uniform(keys[0], (config.samples,))
        if config.systematic:
            chance = (jnp.arange(config.samples) + chance[0]) / config.samples
        shape = (config.samples, config.horizon, 2)
        return chance, jax.random.normal(keys[1], shape)

    return jax.vmap(one)(seeds)


def predictor(config: Config, params) -> Predictor:
    """The model as attribution needs it; the same functions for every `params`."""
    return Predictor(*bound((encode, decode, draw), config), params)


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
    off = {"dropout": 0.0, "prior_dropout": 0.0, "action_noise": 0.0, "rotate": False}
    off |= {"coalition_dropout": 0.0, "past_dropout": 0.0}
    small = {"modes": 2, "decoder": 8, "hidden": 8, "attention": 4, "samples": 2}
    config = Config(kinds=2, horizon=horizon, learning_rate=0.02, **small, **off)
    return config, batch
