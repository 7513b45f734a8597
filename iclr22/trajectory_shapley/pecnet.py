"""PECNet: first the endpoint, then the way there (Mangalam et al., arXiv 2004.02025; here
as section 2.5 of the sheet has it).

A conditional variational autoencoder proposes where the target will be at the horizon;
codes of past, endpoint and position of target and neighbours are exchanged in rounds of
non-local social pooling; a perceptron fills in the steps between. A batch is rows of
`windows.Windows`: history [batch, time, 6], future [batch, horizon, 2], neighbours
[batch, slots, time, 6], mask [batch, slots], weight [batch], optionally seed [batch]; only
positions are read, kinds are not.

The loss is the squared error of the endpoint and of the path, both averaged over what they
have, plus the divergence of the latent from its prior.

Differs: there is one target per window, so the endpoints of neighbours are the decoder's at
the prior's mean, in training, too (the released code samples or reconstructs them all);
positions are relative to the target's current one; every draw gets a path of its own (the
released code gives one to the endpoint that is nearest to the truth); neighbours
that have just appeared stood still before.
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from iclr22 import gradients, parallel
from iclr22.trajectory_shapley import losses, metrics
from iclr22.trajectory_shapley.augment import augment
from iclr22.trajectory_shapley.pecnet_networks import Network
from iclr22.trajectory_shapley.predictor import Predictor, bind, pick
from iclr22.trajectory_shapley.windows import random_batch

FAR = 6.3  # root mean square of scaled endpoints: pedestrians in metres at 1.86


class Config(NamedTuple):
    """The compact preset for pedestrians in metres; `PAPER` holds what the paper changes."""

    RESOLVED = (
        "horizon",
        "scale",
        "rotate",
    )  # as for trajectron; the unit of the tracks

    shrink: int = 4  # hidden layers of past, decoders and pooling are divided by this
    code: int = 16  # width of the codes of past and endpoint
    latent: int = 16  # width of the latent
    pooling: int = 128  # width in which pooling compares agents, before shrink
    rounds: int = 3  # of social pooling
    horizon: int = 12  # future steps
    # positions are multiplied by this: `scale_for` where they are not in metres
    scale: float = 1.86
    sigma: float = 1.3  # standard deviation of the latent in evaluation
    latent_noise: float = 1.0  # scale of the noise on the latent, in training
    kl_weight: float = 1.0  # of the divergence
    path_weight: float = 1.0  # of the error of the path
    # share of examples that lose some neighbours, in training with coalition dropout
    coalition_dropout: float = 0.5
    past_dropout: float = 0.1  # share of those that lose their past, likewise
    rotate: bool = True  # turn examples by multiples of 15 degrees, in training
    learning_rate: float = 1e-3  # of Adam, constant
    batch: int = 256  # windows per update
    steps: int = 400  # updates in training
    samples: int = 20  # draws behind minADE and minFDE


PAPER = {
    "shrink": 1,
    "learning_rate": 3e-4,
    "batch": 512,
    "steps": 39000,
}
"""What the publication has where it is not the compact preset; it trains plainly. Its 650
epochs of 30,000 windows are 39,000 updates."""

State = gradients.State  # with the best parameters


def scale_for(future) -> float:
    """The `scale` that makes endpoints of `future [windows, horizon, 2]`, in any unit, as
    large as those of pedestrians; with feet at 1.86 training does not settle."""
    square = np.square(np.asarray(future, np.float64)[:, -1]).sum(-1).mean()
    return float(f"{FAR / max(np.sqrt(square), 1e-6):.2g}")


def optimizer(config: Config):
    """Adam with a constant rate."""
    return optax.adam(config.learning_rate)


def _run(config, params, method: str, *args) -> Any:
    return _network(config).apply({"params": params}, *args, method=method)


def _network(config):
    return Network(
        shrink=config.shrink,
        code=config.code,
        latent=config.latent,
        pooling=config.pooling,
        rounds=config.rounds,
        horizon=config.horizon,
    )


def _scaled(config, batch):
    names = [x for x in ("history", "future", "neighbours") if x in batch]
    return batch | {name: config.scale * batch[name] for name in names}


def init(config: Config, key: jax.Array, batch) -> State:
    """Fresh state; shapes come from an example batch."""
    batch = {name: jnp.asarray(x[:1]) for name, x in batch.items()}
    noise = jnp.zeros((1, config.latent))
    params = _network(config).init(key, batch, noise, method="training")["params"]
    return gradients.start(optimizer(config), key, params, keep_best=True)


def apply(config: Config, params, inputs, *, key=None):
    """Paths `[batch, draws, horizon, 2]`; noise depends on `seed [batch]` alone, and where
    there is none on the target's velocity."""
    del key
    velocity = jax.lax.bitcast_convert_type(inputs["history"][:, -1, 2:4], jnp.int32)
    seed = inputs.get("seed", velocity[:, 0] ^ (velocity[:, 1] >> 8))
    history = jnp.stack([jnp.zeros_like(inputs["history"]), inputs["history"]], 1)
    given = {"history": history, "neighbours": inputs["neighbours"], "seed": seed}
    codes, past = encode(config, params, given), jnp.ones(len(seed), bool)
    return draw(config, params, codes, past, inputs["mask"])


def loss(config: Config, params, batch, *, key=None):
    """`(total, sums)` over examples; `key=None` decodes the posterior's mean."""
    noise = jnp.zeros((len(batch["mask"]), config.latent))
    if key is not None:
        keys = jax.random.split(key)
        batch = augment(
            batch,
            keys[0],
            rotate=config.rotate,
            coalition=config.coalition_dropout,
            past=config.past_dropout,
        )
        noise = config.latent_noise * jax.random.normal(keys[1], noise.shape)
    batch = _scaled(config, batch)
    found = _run(config, params, "training", batch, noise)
    endpoint, path, mean, log_variance = found
    at_end = jnp.mean((endpoint - batch["future"][:, -1]) ** 2, -1)
    on_way = jnp.mean((path - batch["future"]) ** 2, (-1, -2))
    divergence = losses.normal_divergence(mean, log_variance)
    weight = batch["weight"]
    each = at_end + config.path_weight * on_way + config.kl_weight * divergence
    sums = {
        "loss": weight @ each,
        "endpoint": weight @ at_end,
        "path": weight @ on_way,
        "kl": weight @ divergence,
        "weight": weight.sum(),
    }
    return sums["loss"], sums


def train_step(config: Config, state: State, batch, *, axis_name=None):
    """One update on the mean of the loss."""

    def objective(params, batch, key):
        return loss(config, params, batch, key=key)

    return gradients.update(
        optimizer(config), state, objective, batch, axis_name=axis_name
    )


def evaluate(config: Config, params, batch, *, axis_name=None):
    """Sums of minADE (also as `loss`: what the best parameters are chosen by), minFDE, and
    the NLL per step of a kernel estimate over the draws."""
    samples, weight = apply(config, params, batch), batch["weight"]
    ade, fde = metrics.best_of(samples, batch["future"])
    nll = weight @ metrics.kde_nll(samples, batch["future"]).mean(-1)
    sums = {"min_ade": weight @ ade, "min_fde": weight @ fde}
    sums |= {"loss": sums["min_ade"], "nll": nll, "kde_nll": nll}
    return parallel.reduce(sums | {"weight": weight.sum()}, axis_name)


def encode(config: Config, params, inputs):
    """What does not depend on the coalition: features of all neighbours, and endpoints and
    features of the target, without and with its past, for every draw."""
    inputs = _scaled(config, inputs)
    run = functools.partial(_run, config, params)
    past = run("past", inputs["history"][..., :2])[:, :, None]
    noise = config.sigma * _noise(config, inputs["seed"])
    shape = (len(noise), 2, config.samples)
    past = jnp.broadcast_to(past, (*shape, config.code))
    latent = jnp.broadcast_to(noise[:, None], (*shape, config.latent))
    endpoint = run("endpoint", past, latent)
    return {
        "endpoint": endpoint,
        "target": run("features", past, endpoint, jnp.zeros_like(endpoint)),
        "others": run("neighbours", inputs["neighbours"]),
    }


def _noise(config, seeds):
    """Standard normals `[windows, draws, latent]`; the same for every coalition."""

    def one(seed):
        key = jax.random.fold_in(jax.random.key(0), seed)
        return jax.random.normal(key, (config.samples, config.latent))

    return jax.vmap(one)(seeds)


def draw(config: Config, params, codes, past, mask):
    """Paths `[windows, draws, horizon, 2]` under one coalition per window.

    Args:
      codes: of `encode`.
      past: `[windows]` bool, whether the target's history is seen.
      mask: `[windows, slots]` bool, which neighbours take part in pooling.
    """

    def one(given):
        target, endpoint = given
        args = (target, codes["others"], endpoint, mask)
        return _run(config, params, "path", *args)

    each = (pick(past, codes[x]).swapaxes(0, 1) for x in ("target", "endpoint"))
    paths = jax.lax.map(one, tuple(each))  # draws one by one: memory
    return paths.swapaxes(0, 1) / config.scale


def decode(config: Config, params, codes, past, mask):
    """`draw` as outputs of a predictor without a density."""
    return {"samples": draw(config, params, codes, past, mask)}


def predictor(config: Config, params) -> Predictor:
    """The model as attribution needs it; the same functions for every `params`."""
    return bind(config, params, encode=encode, decode=decode, samples=draw)


def example(size: int = 16, seed: int = 0):
    """Smallest configuration and windows that go on as they came, past their neighbour."""
    rng = np.random.default_rng(seed)
    batch, horizon = random_batch(rng, size, spread=1.0), 3
    history = batch["history"]
    steps = np.arange(1, horizon + 1, dtype=np.float32)[:, None]
    aside = 0.2 * np.sign(batch["neighbours"][:, :1, -1, :2])
    batch["future"] = steps * (history[:, -1:, :2] - history[:, :1, :2] - aside)
    config = Config(
        horizon=horizon,
        learning_rate=0.01,
        shrink=32,
        code=4,
        latent=2,
        rounds=1,
        samples=3,
        latent_noise=0.0,
        rotate=False,
        coalition_dropout=0.0,
        past_dropout=0.0,
    )
    return config, batch
