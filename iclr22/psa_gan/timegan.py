"""TimeGAN, the recurrent baseline: a GAN in a space that an autoencoder learns.

Yoon, Jarrett, van der Schaar, "Time-series Generative Adversarial Networks", NeurIPS 2019,
from the published description. An embedder and a recovery make latent steps of values and
back; a supervisor tells each latent step from those before; a generator makes latent steps
from noise, which the supervisor goes over; a discriminator judges latent steps. Training
has three phases, told apart by the number of the update:

  1. embedder and recovery reconstruct windows;
  2. the supervisor learns the next latent step;
  3. all together: two updates of generator, supervisor, embedder and recovery, then one of
     the discriminator, where that is not too good already.

A batch is that of `gan`: `series`, `values`, `known`, `features`, `noise`, `weight`. As
the other generators it may be told series and calendar (`conditional`); the published one
is not. What the description leaves open (weights, layers, the moments) is as released.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from iclr22 import gradients, parallel
from iclr22.psa_gan import timegan_losses as errors
from iclr22.psa_gan import timegan_networks


class Config(NamedTuple):
    """Hyper-parameters for as much processor time as PSA-GAN's 5,000 batches take; the
    released ones are layers 3, batch 128, 50,000 updates of each phase, which learn less in
    that time: an update of phase 3 costs four times as much."""

    RESOLVED = ("series", "length", "conditional")  # by data, by who trains

    series: int = 1  # number of them; each has an embedding
    length: int = 32  # of windows
    conditional: bool = True  # generator and discriminator know series and calendar
    width: int = 24  # of recurrent states and latent steps
    layers: int = 1  # GRUs in a network, one less in the supervisor
    embedding: int = 10  # width of the vector of a series
    phases: tuple[float, float] = (
        0.3,
        0.5,
    )  # shares of updates, ends of phases 1 and 2
    turns: int = 2  # updates of the generator for each one of the discriminator
    threshold: float = 0.15  # loss below which the discriminator waits
    reconstruction_weight: float = 10.0  # of the error of reconstruction
    latent_weight: float = 1.0  # of the next step's error for the embedder (lambda)
    supervised_weight: float = 10.0  # of the next step's error for the generator (eta)
    early_weight: float = 1.0  # of scores before the supervisor (gamma)
    moment_weight: float = 100.0  # of means and deviations over the batch
    learning_rate: float = 1e-3  # Adam, of all
    batch: int = 64  # windows per update
    steps: int = 3500  # updates, of all phases


State = gradients.State  # params by network; an optimiser for each of GROUPS

GROUPS = {
    "autoencoder": ("embedder", "recovery"),
    "maker": ("generator", "supervisor"),
    "judge": ("discriminator",),
}
GENERATING = ("generator", "supervisor", "recovery")  # what `apply` needs


def networks(config: Config) -> dict:
    """Modules by name."""
    given = config.series, config.embedding, config.conditional
    return timegan_networks.build(config.width, config.layers, given)


def init(config: Config, key: jax.Array, batch) -> State:
    """Fresh state."""
    shape = batch["features"].shape[1:]
    params = timegan_networks.init(networks(config), key, config.width, shape)
    rule = optax.adam(config.learning_rate)
    opt_state = {name: rule.init(_group(params, name)) for name in GROUPS}
    return State(jnp.zeros((), jnp.int32), params, opt_state, key)


def _group(params, name):
    return {network: params[network] for network in GROUPS[name]}


def _runner(config, params):
    return timegan_networks.runner(networks(config), params)


def apply(config: Config, params, inputs, *, key=None):
    """Windows `[batch, length]`, 0 to 1, for `series`, `features` and `noise`."""
    del key
    run = _runner(config, params)
    latent = run("supervisor", _generated(run, inputs))
    return run("recovery", latent)[..., 0]


def _generated(run, batch):
    """Latent steps `[b, t, width]` of the generator, before the supervisor."""
    noise = batch["noise"][..., None]
    return run("generator", noise, batch["series"], batch["features"])


# Turns: each `(total, sums)` over the windows of a batch


def _read(batch):
    """Values `[b, t, 1]` with 0 where missing, and where they are known `[b, t]`."""
    known = batch["known"]
    return (batch["values"] * known)[..., None], known


def _reconstruct(config, params, batch, axis_name):
    """Phase 1, of the autoencoder."""
    del axis_name
    run, (values, known) = _runner(config, params), _read(batch)
    error = errors.reconstruction_error(
        run("recovery", run("embedder", values)), values, known
    )
    each = config.reconstruction_weight * error
    return _sums(batch["weight"], loss=each, reconstruction=error)


def _supervise(config, params, batch, axis_name):
    """Phase 2, of the supervisor; the embedder stays."""
    del axis_name
    run, (values, _) = _runner(config, params), _read(batch)
    latent = run("embedder", values, fixed=True)
    error = errors.supervised_error(latent, run("supervisor", latent))
    each = config.supervised_weight * error
    return _sums(batch["weight"], loss=each, supervised=error)


def _join(config, params, batch, axis_name):
    """Phase 3, of autoencoder, generator and supervisor at once; gradients go where the
    description lets them."""
    run, (values, known) = _runner(config, params), _read(batch)
    latent = run("embedder", values)
    rebuilt = errors.reconstruction_error(run("recovery", latent), values, known)
    early = _generated(run, batch)
    # Real and generated steps at once. The error's weight is eta for the supervisor, and,
    # as its gradient is made smaller on the way, lambda for the embedder.
    still = jax.lax.stop_gradient(latent)
    share = config.latent_weight / max(config.supervised_weight, 1e-9)
    shared = still + share * (latent - still)
    told, late = jnp.split(run("supervisor", jnp.concatenate([shared, early])), 2)
    supervised = errors.supervised_error(shared, told)
    both, given = jnp.concatenate([late, early]), (batch["series"], batch["features"])
    logits = run("discriminator", both, *given, fixed=True)
    scores = [errors.adversarial_error(x, True) for x in jnp.split(logits, 2)]
    generated = run("recovery", late, fixed=True)[..., 0]
    moment = errors.moment_error(
        generated, values[..., 0], known, batch["weight"], axis_name
    )
    each = (
        config.reconstruction_weight * rebuilt
        + config.supervised_weight * supervised
        + scores[0]
        + config.early_weight * scores[1]
        + config.moment_weight * moment
    )
    parts = {"reconstruction": rebuilt, "supervised": supervised, "moment": moment}
    return _sums(batch["weight"], loss=each, adversarial=scores[0], **parts)


def _judge(config, params, batch, axis_name):
    """Phase 3, of the discriminator."""
    del axis_name
    run, (values, _) = _runner(config, params), _read(batch)
    early = _generated(run, batch)
    steps = [run("embedder", values), run("supervisor", early), early]
    steps = jax.lax.stop_gradient(jnp.concatenate(steps))
    logits = run("discriminator", steps, batch["series"], batch["features"])
    real, late, early = jnp.split(logits, 3)
    each = (
        errors.adversarial_error(real, True)
        + errors.adversarial_error(late, False)
        + config.early_weight * errors.adversarial_error(early, False)
    )
    return _sums(batch["weight"], loss=each)


def _sums(weight, **each):
    sums = {name: weight @ x for name, x in each.items()}
    return sums["loss"], sums | {"weight": weight.sum()}


TURNS = (
    (_reconstruct, ("autoencoder",)),
    (_supervise, ("maker",)),
    (_join, ("autoencoder", "maker")),
    (_judge, ("judge",)),
)


def turn_of(config: Config, step):
    """Which of the turns an update is: 0 reconstruct, 1 supervise, 2 join, 3 judge."""
    first, second = (round(share * config.steps) for share in config.phases)
    judged = (step - second) % (config.turns + 1) == config.turns
    late = jnp.where(judged, 3, 2)
    return jnp.where(step < first, 0, jnp.where(step < second, 1, late))


def loss(config: Config, params, batch, *, key=None):
    """That of phase 3 but the discriminator's: `(total, sums)`."""
    del key
    return _join(config, params, batch, None)


def train_step(config: Config, state: State, batch, *, axis_name=None):
    """`(State, {"loss"})` after one update of those whose turn it is; the loss is theirs."""
    rule = optax.adam(config.learning_rate)

    def play(of, groups):
        def update(state):
            trained = {k: v for g in groups for k, v in _group(state.params, g).items()}

            def objective(own, batch, key):
                del key
                total, sums = of(config, state.params | own, batch, axis_name)
                return total, (sums, None)

            grads, metrics, _ = gradients.mean_gradient(
                objective, trained, batch, None, axis_name=axis_name
            )
            params, opt_state = dict(state.params), dict(state.opt_state)
            for group in groups:
                changes, opt_state[group] = rule.update(
                    _group(grads, group), state.opt_state[group]
                )
                params |= _changed(_group(state.params, group), changes)
            after = state._replace(params=params, opt_state=opt_state)
            loss = metrics["loss"]
            if groups == ("judge",):
                after = _chosen(loss < config.threshold, state, after)
            return after, {"loss": loss}

        return update

    turn = turn_of(config, state.step)
    state, metrics = jax.lax.switch(turn, [play(*x) for x in TURNS], state)
    return state._replace(step=state.step + 1), metrics


def _changed(params, changes) -> dict:
    return jax.tree.map(jnp.add, params, changes)


def _chosen(first, a, b):
    """Of two states the first where that is true, else the second."""
    params, opt_state = jax.tree.map(
        lambda x, y: jnp.where(first, x, y),
        (a.params, a.opt_state),
        (b.params, b.opt_state),
    )
    return a._replace(params=params, opt_state=opt_state)


def evaluate(config: Config, params, batch, *, axis_name=None):
    """Sums of the errors of phase 3 but the discriminator's."""
    return parallel.reduce(_join(config, params, batch, axis_name)[1], axis_name)


def example(size: int = 32, seed: int = 0):
    """Smallest configuration that comes to all turns, and `size` windows of two levels."""
    random = np.random.default_rng(seed)
    length = 6
    series = random.integers(0, 2, size).astype(np.int32)
    values = 0.25 + 0.5 * series[:, None] + random.normal(0, 0.05, (size, length))
    known = (random.random((size, length)) > 0.1).astype(np.float32)
    batch = {
        "series": series,
        "values": (values * known).astype(np.float32),
        "known": known,
        "features": random.uniform(-0.5, 0.5, (size, length, 2)).astype(np.float32),
        "noise": random.normal(size=(size, length)).astype(np.float32),
        "weight": np.ones(size, np.float32),
    }
    config = Config(
        series=2,
        length=length,
        width=6,
        layers=1,
        embedding=2,
        phases=(0.1, 0.15),
        reconstruction_weight=30.0,
        moment_weight=1.0,
        supervised_weight=1.0,
        learning_rate=5e-2,
        steps=20,
    )
    return config, batch
