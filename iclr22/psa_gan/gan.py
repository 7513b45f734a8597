"""The game of one depth: generator and discriminator take turns (section 4).

A batch has windows of length `length` and what they are conditioned on:

  series [batch] int; values [batch, length] and known [batch, length], 0 where a value is
  missing; features [batch, length, d]; context [batch, context], values before; noise and
  again [batch, length], standard normal; share [batch], uniform, for the gradient penalty;
  weight [batch].

Missing values are 0 in real and generated windows alike, so nobody learns from them.
"""

from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from iclr22 import gradients, parallel
from iclr22.psa_gan import losses, networks
from iclr22.psa_gan.spectral import COLLECTION


class Config(NamedTuple):
    """Hyper-parameters of the networks and of the game.

    The defaults are for short runs; published scripts have learning_rate 5e-5, batch 512,
    warmup 50, average 0, and nearest and random for upsample and skip; depths of about
    100,000 updates, half of them to fade in.
    """

    RESOLVED = ("series", "depth")  # by the data, by the stage

    series: int = 1  # number of them; each has an embedding
    depth: int = 0  # windows have length 8 2^depth in this game
    length: int = 32  # of full windows, a power of two from 8 on
    context: int = 0  # values before the window that psa_gan_c continues; 0: half of it
    grow: bool = True  # from short windows to long ones
    width: int = 32  # channels
    keys: int = 1  # width of queries and keys of the attention
    values: int = 1  # width of its values
    embedding: int = 10  # width of the vector of a series
    attention: bool = True  # attention in every block
    upsample: Literal["linear", "nearest"] = "linear"  # nearest: released code
    skip: Literal["identity", "random"] = "identity"  # random: released code
    calendar: Literal["linear", "cyclic"] = "linear"  # cyclic: sines and cosines, too
    noise: Literal["pooled", "unit"] = "pooled"  # unit: of variance 1 where it enters
    output: Literal["plain", "local"] = "plain"  # local: from 0 to 1 in every window
    objective: losses.Kind = "least_squares"  # of the game
    moment_weight: float = 1.0  # of the moment loss; 0: without
    # paired: distance from the real window's; score: of their distribution over noises
    moment: Literal["paired", "score"] = "paired"
    penalty_weight: float = 0.0  # of the gradient penalty; 10 with wasserstein
    turns: int = 1  # updates of the discriminator after each one of the generator
    warmup: int = 5  # the same at the beginning of the first depth
    warmup_turns: int = 25  # updates of the generator until that is over
    fade: float = 0.5  # share of its updates in which a new depth comes in; 0: at once
    learning_rate: float = 5e-4  # Adam, of both
    fall: float = 0.0  # share of the last depth in which it falls to 0, by a cosine
    average: float = 0.99  # decay of the moving average of the generator; 0: none
    batch: int = 128  # windows per update
    steps: int = 5000  # updates, divided over the depths


State = gradients.State  # params by player, {params, spectral} each, and the average

PLAYERS = ("generator", "discriminator")


def players(config: Config) -> dict:
    """Both networks."""
    sizes = {
        "series": config.series,
        "length": config.length,
        "width": config.width,
        "keys": config.keys,
        "values": config.values,
        "embedding": config.embedding,
        "attention": config.attention,
    }
    generator = networks.Generator(
        **sizes,
        context=config.context,
        upsample=config.upsample,
        skip=config.skip,
        noise=config.noise,
        output=config.output,
    )
    return {"generator": generator, "discriminator": networks.Discriminator(**sizes)}


def optimizer(config: Config) -> optax.GradientTransformation:
    """Of each player."""
    return optax.adam(config.learning_rate)


def init(config: Config, key: jax.Array, batch) -> State:
    """Fresh state with the parameters of every depth."""
    features = jnp.zeros((1, *batch["features"].shape[1:]))
    series, noise = jnp.zeros(1, jnp.int32), jnp.zeros((1, config.length))
    context = jnp.zeros((1, config.context)) if config.context else None
    modules, keys = players(config), jax.random.split(key)
    params = {
        "generator": networks.init(
            modules["generator"], keys[0], series, features, noise, context
        ),
        "discriminator": networks.init(
            modules["discriminator"], keys[1], series, features, noise
        ),
    }
    rule = optimizer(config)
    opt_state = {name: rule.init(params[name]["params"]) for name in PLAYERS}
    if config.average:
        params["average"] = jax.tree.map(jnp.array, params["generator"])
    return State(jnp.zeros((), jnp.int32), params, opt_state, key)


def apply(config: Config, params, inputs, *, key=None):
    """Windows `[batch, 8 2^depth]` for `series`, `features`, `noise` and `context`; of the
    average, if there is one."""
    del key
    return _generate(config, params.get("average", params["generator"]), inputs, None)


def _generate(config, variables, inputs, fade, **options):
    context = inputs["context"] if config.context else None
    return players(config)["generator"].apply(
        variables,
        inputs["series"],
        inputs["features"],
        inputs["noise"],
        context,
        depth=config.depth,
        fade=fade,
        **options,
    )


def _judge(config, variables, batch, windows, fade, **options):
    """Scores `[batch]` of windows; several stacked ones of the same batch at once."""
    times = len(windows) // len(batch["series"])
    return players(config)["discriminator"].apply(
        variables,
        jnp.tile(batch["series"], times),
        jnp.tile(batch["features"], (times, 1, 1)),
        windows,
        depth=config.depth,
        fade=fade,
        **options,
    )


def real(config: Config, batch):
    """Real windows at this depth and what of them is known, `[batch, 8 2^depth]` each: the
    average of the known values that a step stands for."""
    times = config.length // networks.length_of(config.depth)
    known = networks.pool(batch["known"][..., None], times)[..., 0]
    total = (batch["values"] * batch["known"])[..., None]
    mean = networks.pool(total, times)[..., 0] / jnp.maximum(known, 1e-6)
    return mean, (known > 0).astype(mean.dtype)


def fade_of(config: Config, step) -> jax.Array | float:
    """Share of the newest depth: rises to 1 over so much of its updates."""
    rising = config.fade * updates(config)
    if not rising or _is_first(config):
        return 1.0
    return jnp.minimum((step + 1) / rising, 1.0)


def rate_of(config: Config, step) -> jax.Array | float:
    """Share of the learning rate: 1, at the end of the last depth a falling cosine."""
    falling = config.fall * updates(config)
    if not falling or config.depth < networks.depth_of(config.length):
        return 1.0
    left = jnp.clip((updates(config) - step) / falling, 0, 1)
    return 0.5 - 0.5 * jnp.cos(jnp.pi * left)


def updates(config: Config) -> int:
    """Of this depth: all depths have as many, the last what is left."""
    if not config.grow:
        return config.steps
    deepest = networks.depth_of(config.length)
    share = config.steps // (deepest + 1)
    return config.steps - deepest * share if config.depth == deepest else share


def _is_first(config):
    return not config.depth or not config.grow


def is_generators(config: Config, step):
    """Whose turn an update is: the generator begins, then the discriminator has some."""
    period = config.warmup + 1
    end = config.warmup_turns * period if _is_first(config) else 0
    warm = step % period == 0
    return jnp.where(step < end, warm, (step - end) % (config.turns + 1) == 0)


def loss(config: Config, params, batch, *, key=None):
    """The generator's: `(total, sums)`."""
    del key
    total, (sums, _) = _of_generator(config, params, params["generator"], batch, None)
    return total, sums


def _of_generator(config, params, own, batch, fade):
    """`(total, (sums, vectors))` of the generator's turn; own: its variables."""
    windows, after = _generate(config, own, batch, fade, mutable=[COLLECTION])
    target, known = real(config, batch)
    judged = _judge(config, params["discriminator"], batch, windows * known, fade)
    if config.moment == "score":
        again = batch | {"noise": batch["again"]}
        other = _generate(config, own, again, fade)
        moment = losses.moment_score(windows, other, target, known)
    else:
        moment = losses.moment_loss(windows, target, known)
    each = losses.generator_loss(config.objective, judged)
    each = each + config.moment_weight * moment
    sums = _sums(batch["weight"], loss=each, moment=moment, score=judged)
    return sums["loss"], (sums, after[COLLECTION])


def _of_discriminator(config, params, own, batch, fade):
    """The same of the discriminator's turn."""
    windows = _generate(config, params["generator"], batch, fade)
    windows = jax.lax.stop_gradient(windows)
    target, known = real(config, batch)
    both = jnp.concatenate([target, windows * known])
    scores, after = _judge(config, own, batch, both, fade, mutable=[COLLECTION])
    good, bad = jnp.split(scores, 2)
    each = losses.discriminator_loss(config.objective, good, bad)
    if config.penalty_weight:

        def score(x):
            return _judge(config, own, batch, x, fade)

        share = batch["share"]
        steep = losses.gradient_penalty(score, target, windows * known, share)
        each = each + config.penalty_weight * steep
    moment = losses.moment_loss(windows, target, known)
    sums = _sums(batch["weight"], loss=each, moment=moment, score=bad)
    return sums["loss"], (sums, after[COLLECTION])


def _sums(weight, **each):
    return {name: weight @ x for name, x in each.items()} | {"weight": weight.sum()}


def train_step(config: Config, state: State, batch, *, axis_name=None):
    """One update of the player whose turn it is; `(State, {"loss", "moment", "score"})`,
    the loss of that player and the discriminator's score of generated windows."""
    fade = fade_of(config, state.step)
    turns = {"generator": _of_generator, "discriminator": _of_discriminator}

    def play(name):
        def update(state):
            own = state.params[name]

            def objective(params, batch, key):
                del key
                variables = own | {"params": params}
                return turns[name](config, state.params, variables, batch, fade)

            grads, metrics, vectors = gradients.mean_gradient(
                objective, own["params"], batch, None, axis_name=axis_name
            )
            changes, opt_state = optimizer(config).update(grads, state.opt_state[name])
            changes = jax.tree.map(lambda x: x * rate_of(config, state.step), changes)
            after = optax.apply_updates(own["params"], changes)
            params = state.params | {name: {"params": after, COLLECTION: vectors}}
            if name == "generator" and config.average:
                params["average"] = _averaged(config, params)
            opt_state = state.opt_state | {name: opt_state}
            return state._replace(params=params, opt_state=opt_state), metrics

        return update

    first = is_generators(config, state.step)
    state, metrics = jax.lax.cond(first, *map(play, PLAYERS), state)
    return state._replace(step=state.step + 1), metrics


def _averaged(config, params):
    """The moving average after an update; its vectors are those of the generator, until
    `spectral.settled` finds its own."""

    def mixed(old, new):
        return config.average * old + (1 - config.average) * new

    now, average = params["generator"], params["average"]
    weights = jax.tree.map(mixed, average["params"], now["params"])
    return {"params": weights, COLLECTION: now[COLLECTION]}


def evaluate(config: Config, params, batch, *, axis_name=None):
    """Sums of the discriminator's loss, the moment loss and the score of generated
    windows; the newest depth has its full share, vectors stay."""
    _, (sums, _) = _of_discriminator(
        config, params, params["discriminator"], batch, None
    )
    return parallel.reduce(sums, axis_name)


def example(size: int = 32, seed: int = 0):
    """Smallest configuration with a fade-in, and `size` windows of two series."""
    random = np.random.default_rng(seed)
    length = 16
    series = random.integers(0, 2, size).astype(np.int32)
    time = np.arange(length) + random.integers(0, 8, size)[:, None]
    values = 0.5 + 0.3 * np.sin(time * np.pi / 4) * (1 + series[:, None])
    known = (random.random((size, length)) > 0.1).astype(np.float32)
    batch = {
        "series": series,
        "values": values.astype(np.float32),
        "known": known,
        "features": random.uniform(-0.5, 0.5, (size, length, 2)).astype(np.float32),
        "context": random.random((size, 4)).astype(np.float32),
        "noise": random.normal(size=(size, length)).astype(np.float32),
        "share": random.random(size).astype(np.float32),
        "again": random.normal(size=(size, length)).astype(np.float32),
        "weight": np.ones(size, np.float32),
    }
    config = Config(
        series=2,
        depth=1,
        length=length,
        context=4,
        width=8,
        embedding=3,
        steps=24,
        average=0.9,
    )
    return config, batch
