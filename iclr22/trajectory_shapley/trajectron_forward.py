"""What a Trajectron computes of a batch: with everything shown, as training does, and under
coalitions, as attribution does. Configurations are `trajectron.Config`.

For attribution it comes in two halves: `encode` reads histories and edges once per window,
`decode` and `draw` make mixtures or paths of them under one coalition per window.
"""

from __future__ import annotations

import functools
import typing

import jax
import jax.numpy as jnp
import numpy as np

from iclr22.trajectory_shapley import dynamics, networks
from iclr22.trajectory_shapley.metrics import Mixture
from iclr22.trajectory_shapley.predictor import pick

if typing.TYPE_CHECKING:  # that module builds on this one
    from iclr22.trajectory_shapley.trajectron import Config


@functools.lru_cache(maxsize=32)
def network(config: Config) -> networks.Trajectron:
    """The module of a configuration."""
    return networks.Trajectron(
        interaction=config.interaction,
        modes=config.modes,
        decoder=config.decoder,
        hidden=config.hidden,
        attention=config.attention,
        kinds=config.kinds,
        history_in_edges=config.edge_input == "with_history",
        dropout=config.dropout,
        prior_dropout=config.prior_dropout,
    )


def bound(config: Config, params) -> networks.Trajectron:
    """The module with its parameters, whose parts can be called."""
    return network(config).bind({"params": params})


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


def framed(config: Config, batch):
    """The batch with neighbours as edges see them."""
    near = in_frame(config, batch["history"][:, -1], batch["neighbours"])
    return batch | {"neighbours": near}


def _sums(config, neighbours, mask, neighbour_kind):
    """What the edges of `sum` are made of: the sum of the neighbours of each kind.

    Returns `(states [batch, kinds, time, 6], mask, kind, strength [batch, kinds])`.
    """
    member = jax.nn.one_hot(neighbour_kind, config.kinds) * mask[..., None]
    total = jnp.einsum("bsk,bstf->bktf", member, neighbours)
    kind = jnp.broadcast_to(jnp.arange(config.kinds), (len(mask), config.kinds))
    return total, jnp.ones(kind.shape, bool), kind, jnp.minimum(member.sum(1), 1)


def _influence_of_sums(config, module, own, history, batch, mask):
    """Influence `[batch, hidden]` of the sums over the neighbours in `mask`."""
    states, mask, kind, strength = _sums(
        config, batch["neighbours"], mask, batch["neighbour_kind"]
    )
    edges = module.encode_edges(history, states, batch["kind"], kind)
    return module.attend(own, edges * strength[..., None], mask)


def _influence(config, module, own, history, batch):
    """Influence of the neighbours that are there `[batch, hidden]`; None for past only."""
    if config.interaction == "none":
        return None
    neighbours = standardise(config, batch["neighbours"])
    batch = batch | {"neighbours": neighbours}
    if config.interaction == "sum":
        return _influence_of_sums(config, module, own, history, batch, batch["mask"])
    kinds = batch["kind"], batch["neighbour_kind"]
    edges = module.encode_edges(history, neighbours, *kinds)
    return module.attend(own, edges, batch["mask"])


def forward(
    config: Config, module, batch, *, future: bool = False, key=None, noise=None
):
    """`(prior logits, posterior logits, mean, spread)` with everything shown.

    Args:
      module: of `bound`.
      batch: of `framed`.
      future: the posterior sees it; otherwise it is the prior.
      key: of dropout; None is evaluation.
      noise: of the velocities that are fed back; see `networks.Trajectron.decode`.
    """
    keys = [None] * 3 if key is None else jax.random.split(key, 3)
    history = standardise(config, batch["history"])
    own = module.encode_history(history, batch["kind"])
    influence = _influence(config, module, own, history, batch)
    c = module.condition(influence, own, keys[0])
    posterior = prior = module.prior(c, keys[1])
    if future:
        ahead = batch["future"] / config.position_scale
        posterior = module.posterior(c, history[:, -1], ahead, keys[2])
    mean, spread, _ = module.decode(c, history[:, -1], config.horizon, noise=noise)
    return prior, posterior, mean, spread


def mixture(config: Config, logits, mean, spread) -> Mixture:
    """Mixture of positions of what `forward` returns."""
    scale = config.velocity_scale
    return dynamics.integrated_mixture(logits, mean, spread, config.dt, scale)


# Under coalitions


def encode(config: Config, params, inputs):
    """What does not depend on the coalition: codes of histories, with and without the
    past, and of every edge with both."""
    module = bound(config, params)
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
        history = pick(past, codes["history"])
        influence = _influence_of_sums(config, module, own, history, codes, mask)
    return module.condition(influence, own), current


def decode(config: Config, params, codes, past, mask) -> Mixture:
    """Mixture of positions under one coalition per window.

    Args:
      codes: of `encode`.
      past: `[windows]` bool, whether the target's history is seen.
      mask: `[windows, slots]` bool, which edges are.
    """
    module = bound(config, params)
    c, current = _coalition(config, module, codes, past, mask)
    mean, spread, _ = module.decode(c, current, config.horizon)
    return mixture(config, module.prior(c), mean, spread)


def draw(config: Config, params, codes, past, mask):
    """Paths `[windows, draws, horizon, 2]` under one coalition per window.

    Random numbers depend on the window's seed only, so they are common to all coalitions:
    the mode is drawn by the inverse of the cumulated probabilities.
    """
    module = bound(config, params)
    c, current = _coalition(config, module, codes, past, mask)
    chance, noise = _noise(config, codes["seed"])
    cumulated = jnp.cumsum(jax.nn.softmax(module.prior(c)), -1)
    modes = jnp.sum(chance[..., None] > cumulated[:, None, :-1], -1)
    noise = jnp.moveaxis(noise, 2, 0)
    velocity = module.decode(c, current, config.horizon, modes, noise)[2]
    return dynamics.integrate(config.velocity_scale * velocity, config.dt)


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
