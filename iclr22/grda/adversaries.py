"""What plays against the encoder: GRDA's graph discriminator and those it is compared to.

Every adversary is `build(config, domains) -> modules by name` and `play(config, players,
turn) -> (loss, weight)` `[slots]`. The value is the adversary's own loss. Its gradient
gives every player its own share: the adversary always the whole of it, the encoder -lambda
times it, the predictor nothing. The released code adds both into one accumulator, which
leaves the adversary 1 - lambda of its gradient: none at lambda = 1.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from iclr22.grda import networks, pairs

hold = jax.lax.stop_gradient


class Players(NamedTuple):
    """Networks by name, and their parameters."""

    modules: Mapping[str, nn.Module]
    params: Mapping[str, Any]

    def say(self, name: str, *inputs, held: bool = False) -> Any:
        """Outputs of one of them; `held`: its parameters learn nothing from this."""
        params = self.params[name]
        params = hold(params) if held else params
        return self.modules[name].apply({"params": params}, *inputs)


class Turn(NamedTuple):
    """What an adversary sees of one step.

    Attributes:
      encodings: `[slots, N, hidden]`, of every domain one sample per slot.
      outputs: of the predictor, `[slots, N, outputs]`.
      batch: see `adversarial`.
      key: of the step, the same on all devices; without one all domains are compared.
      weight: `[slots]`, 0 on padding.
      strength: lambda, what the encoder gets is multiplied by it.
      axis_name: of the devices, under pmap.
    """

    encodings: jax.Array
    outputs: jax.Array
    batch: dict
    key: jax.Array | None
    weight: jax.Array
    strength: jax.Array | float
    axis_name: str | None = None


class Adversary(NamedTuple):
    """One way to play."""

    build: Callable  # (config, domains) -> modules by name
    inputs: Callable  # (config) -> widths of what a module gets beside encodings
    play: Callable  # (config, Players, Turn) -> (loss, weight) [slots]


def reverse(x, strength):
    """x itself; its gradient is multiplied by -strength (gradient reversal)."""
    return hold(x) - strength * (x - hold(x))


def _graph(config, players, turn):
    """GRDA: reconstructs the edge between two samples' domains (equation of L_d)."""
    adjacency = pairs.dense(turn.batch["graph"])
    d = players.say("discriminator", reverse(turn.encodings, turn.strength))
    weight = turn.weight
    if config.pairing == "pseudo_label":
        guessed = jnp.argmax(turn.outputs, axis=-1)
        known = turn.batch["labelled"] > 0
        classes = jnp.where(known, turn.batch["y"], guessed)
        key = jax.random.key(0) if turn.key is None else turn.key
        shuffle = jax.random.fold_in(key, 1)
        d, weight = pairs.match(shuffle, classes, weight, d, turn.axis_name)
    vertices = None
    if turn.key is not None and 0 < config.sample_vertices < len(adjacency):
        key = jax.random.fold_in(turn.key, 2)
        vertices = pairs.sample_subgraph(key, adjacency, config.sample_vertices)
    return pairs.discriminator_loss(d, adjacency, vertices), weight


def _domain_loss(logits):
    """Mean over domains of the cross-entropy of which domain it is, `[slots]`."""
    own = jnp.arange(logits.shape[1])
    return optax.softmax_cross_entropy_with_integer_labels(
        logits, jnp.broadcast_to(own, logits.shape[:2])
    ).mean(axis=1)


def _dann(config, players, turn):
    """DANN: tells which of the N domains a sample is from."""
    del config
    logits = players.say("discriminator", reverse(turn.encodings, turn.strength))
    return _domain_loss(logits), turn.weight


def _cdann(config, players, turn):
    """CDANN: so does this one, and it knows what the predictor says."""
    del config
    condition = hold(jax.nn.sigmoid(turn.outputs))
    e = reverse(turn.encodings, turn.strength)
    logits = players.say("discriminator", e, condition)
    return _domain_loss(logits), turn.weight


def _mean(values, mask):
    """Mean over the domains of a mask `[N]`, `[slots]`."""
    return values @ mask / jnp.maximum(mask.sum(), 1)


def _adda(config, players, turn):
    """ADDA: sources from targets; the encoder moves targets to where sources are."""
    del config
    source = turn.batch["sources"]
    said = players.say("discriminator", hold(turn.encodings))[..., 0]
    right = _mean(jax.nn.softplus(-said), source)
    right += _mean(jax.nn.softplus(said), 1 - source)
    fooled = players.say("discriminator", turn.encodings, held=True)[..., 0]
    moved = turn.strength * _mean(jax.nn.softplus(-fooled), 1 - source)
    return right + moved - hold(moved), turn.weight


def _mdd(config, players, turn):
    """MDD: a second predictor agrees on sources and disagrees on targets."""
    source = turn.batch["sources"]
    second = players.say("second", reverse(turn.encodings, turn.strength))
    if config.regression:  # differs: the sheet has classes only; squared distance here
        gap = jnp.mean((second - hold(turn.outputs)) ** 2, axis=-1)
        agree, disagree = gap, jnp.exp(-gap)
    else:
        guessed = hold(jnp.argmax(turn.outputs, axis=-1))[..., None]
        share = jnp.take_along_axis(jax.nn.softmax(second), guessed, axis=-1)[..., 0]
        agree = -jnp.log(share + config.floor)
        disagree = -jnp.log(1 - share + config.floor)
    a, b = config.agree_weight, config.disagree_weight
    loss = a * _mean(agree, source) + b * _mean(disagree, 1 - source)
    return loss / (a + b), turn.weight


def _discriminator(config, outputs):
    """The usual adversary: one network with so many outputs."""
    return {
        "discriminator": networks.Discriminator(config.hidden, outputs, config.start)
    }


def _edges(config, domains):
    del domains
    return _discriminator(config, config.discriminator_outputs)


def _side(config, domains):
    del domains
    return _discriminator(config, 1)


def _conditional(config, domains):
    module = networks.ConditionalDiscriminator(config.hidden, domains, config.start)
    return {"discriminator": module}


def _second(config, domains):
    del domains
    return {"second": networks.Predictor(config.hidden, config.outputs, config.start)}


def _alone(config):
    del config
    return ()


def _beside_outputs(config):
    return (config.outputs,)


ADVERSARIES = {
    "graph": Adversary(build=_edges, inputs=_alone, play=_graph),
    "dann": Adversary(build=_discriminator, inputs=_alone, play=_dann),
    "cdann": Adversary(build=_conditional, inputs=_beside_outputs, play=_cdann),
    "adda": Adversary(build=_side, inputs=_alone, play=_adda),
    "mdd": Adversary(build=_second, inputs=_alone, play=_mdd),
}
