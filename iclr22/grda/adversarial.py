"""One trainer for GRDA, DANN, CDANN, ADDA, MDD and training on sources alone.

The encoder E sees a sample and the embedding of its domain, the predictor F learns from
labelled samples of source domains, an adversary tries to see in the encodings where they
come from (arXiv:2202.03428, section 3). A batch has `slots` samples of every domain:

  x [slots, N, features]; y [slots, N], or [slots, N, outputs]; labelled [slots, N], 1
  where y may be used; weight [slots], 0 on padding; sources [N], 1 for source domains;
  graph: a GraphsTuple of the domains whose nodes are their embeddings z [N, t].
"""

from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from iclr22 import gradients, parallel
from iclr22 import graph as graphs
from iclr22.grda import losses, networks, pairs
from iclr22.grda.adversaries import ADVERSARIES, Players, Turn


class Config(NamedTuple):
    """Hyper-parameters of networks, game and training.

    The defaults are the small budget; the released code has hidden 512, start normal,
    batch 10, steps 5000, halve_every 1000, learning_rate and discriminator_rate 1e-4 and
    sample_vertices 10 on DG-15; on DG-60 rates 1e-5, adversary_weight 0.5, vertices 30.
    """

    RESOLVED = ("adversary", "outputs", "regression")  # by the method and the data

    # against whom the encoder plays; none: training on sources alone
    adversary: Literal["none", "graph", "dann", "cdann", "adda", "mdd"] = "graph"
    # which samples share a slot; shared_index leaks target labels where files are
    # sorted by class, as the released code does
    pairing: Literal["independent", "shared_index", "pseudo_label"] = "independent"
    outputs: int = 2  # classes, or numbers to predict
    regression: bool = False  # squared error instead of cross-entropy
    hidden: int = 64  # width of encodings
    discriminator_outputs: int = 2  # of GRDA's D, whose inner products are logits
    start: networks.Start = "uniform"  # how weights begin; normal: deviation 0.01
    floor: float = 1e-4  # added to probabilities before the logarithm
    adversary_weight: float = 1.0  # lambda
    ramp: bool = False  # lambda grows from 0 to its value over the run, as in DANN
    sample_vertices: int = 0  # domains compared in a step, drawn from the graph; 0: all
    agree_weight: float = 0.5  # of MDD, on sources
    disagree_weight: float = 0.5  # of MDD, on targets
    learning_rate: float = 5e-4  # Adam, of encoder and predictor
    discriminator_rate: float = 5e-4  # Adam, of the adversary
    halve_every: int = 0  # updates after which rates are halved; 0: constant
    batch: int = 16  # samples of every domain per update
    steps: int = 900  # updates


State = gradients.State  # params by player: encoder, predictor, those of the adversary

BATCH_AXES = {
    "x": 0,
    "y": 0,
    "labelled": 0,
    "weight": 0,
    "sources": None,
    "graph": None,
}


def players(config: Config, domains: int) -> dict:
    """Modules by name."""
    hidden, start = config.hidden, config.start
    modules = {
        "encoder": networks.Encoder(hidden, start),
        "predictor": networks.Predictor(hidden, config.outputs, start),
    }
    if config.adversary != "none":
        modules |= ADVERSARIES[config.adversary].build(config, domains)
    return modules


def init(config: Config, key: jax.Array, batch) -> State:
    """Fresh state; `x` and `graph` of the batch give the widths."""
    z = jnp.asarray(batch["graph"].nodes)
    e = jnp.zeros((1, config.hidden))
    inputs = {"encoder": (jnp.zeros((1, batch["x"].shape[-1])), z[:1])}
    params = {}
    for i, (name, module) in enumerate(players(config, len(z)).items()):
        given = inputs.get(name, (e,))
        if name not in ("encoder", "predictor"):
            widths = ADVERSARIES[config.adversary].inputs(config)
            given += tuple(jnp.zeros((1, width)) for width in widths)
        params[name] = module.init(jax.random.fold_in(key, i), *given)["params"]
    return gradients.start(optax.scale_by_adam(), key, params)


def encode(config: Config, params, inputs):
    """Encodings `[..., hidden]` of samples `x [..., features]` with their domains'
    embeddings `z [..., t]`."""
    module = players(config, 0)["encoder"]
    return module.apply({"params": params["encoder"]}, inputs["x"], inputs["z"])


def apply(config: Config, params, inputs, *, key=None):
    """Logits, or numbers in a regression, `[..., outputs]` for `x` and `z`."""
    del key
    module = players(config, 0)["predictor"]
    encodings = encode(config, params, inputs)
    return module.apply({"params": params["predictor"]}, encodings)


def loss(config: Config, params, batch, *, key=None, strength=None, axis_name=None):
    """Losses of all players: `(total, sums)`, sums over slots.

    The gradient of `total` is each player's own (see `adversaries`); its value is L_f
    plus the adversary's loss, which nobody minimises as a whole.

    Args:
      key: of the step, for the sub-graph; None compares all domains.
      strength: lambda, if it is not that of the configuration.
    """
    strength = config.adversary_weight if strength is None else strength
    z = jnp.asarray(batch["graph"].nodes)
    inputs = {"x": batch["x"], "z": z}  # of a domain in all slots, embedded once
    encodings = encode(config, params, inputs)
    playing = Players(players(config, len(z)), params)
    outputs = playing.say("predictor", encodings)
    sums = losses.labelled_sums(
        outputs,
        batch,
        regression=config.regression,
        floor=config.floor,
        axis_name=axis_name,
    )
    total = sums["loss"]
    if config.adversary != "none":
        turn = Turn(
            encodings=encodings,
            outputs=outputs,
            batch=batch,
            key=key,
            weight=batch["weight"],
            strength=strength,
            axis_name=axis_name,
        )
        against, weights = ADVERSARIES[config.adversary].play(config, playing, turn)
        sums["adversary"] = weights @ against
        total += sums["adversary"]
    return total, sums


def train_step(config: Config, state: State, batch, *, axis_name=None):
    """One update of all players at once; `(State, {"loss", "score", "adversary"})`."""
    strength = config.adversary_weight * _ramp(config, state.step)

    def objective(params, batch, key):
        total, sums = loss(
            config, params, batch, key=key, strength=strength, axis_name=axis_name
        )
        return total, (sums, None)

    key = gradients.step_key(state)  # one on all devices: they see the same sub-graph
    grads, metrics, _ = gradients.mean_gradient(
        objective, state.params, batch, key, axis_name=axis_name
    )
    updates, opt_state = optax.scale_by_adam().update(grads, state.opt_state)
    params = optax.apply_updates(state.params, _scaled(config, state.step, updates))
    state = state._replace(step=state.step + 1, params=params, opt_state=opt_state)
    return state, metrics


def _ramp(config, step):
    """2 / (1 + exp(-10 p)) - 1 at the share p of the run (DANN), or 1."""
    return jnp.tanh(5 * step / config.steps) if config.ramp else 1.0


def _scaled(config, step, updates):
    """Updates times minus the learning rate of their player."""
    decay = 0.5 ** (step / config.halve_every) if config.halve_every else 1.0
    own = {"encoder": config.learning_rate, "predictor": config.learning_rate}

    def scaled(name, updates):
        rate = own.get(name, config.discriminator_rate)
        return jax.tree.map(lambda u: -rate * decay * u, updates)

    return {name: scaled(name, update) for name, update in updates.items()}


def evaluate(config: Config, params, batch, *, axis_name=None):
    """Sums over slots of loss, score, adversary's loss and, for GRDA, edge AUC; labels
    of target domains are not looked at."""
    _, sums = loss(config, params, batch, axis_name=axis_name)
    if config.adversary == "graph":
        z = jnp.asarray(batch["graph"].nodes)
        module = players(config, len(z))["discriminator"]
        encodings = encode(config, params, {"x": batch["x"], "z": z})
        d = module.apply({"params": params["discriminator"]}, encodings)
        auc = pairs.edge_auc(d, pairs.dense(batch["graph"]))
        sums["edge_auc"] = batch["weight"] @ auc
    return parallel.reduce(sums, axis_name)


def example(size: int = 32, seed: int = 0):
    """Smallest configuration and `size` slots of five domains in a chain."""
    rng = np.random.default_rng(seed)
    n = 5
    y = rng.integers(0, 2, (size, n)).astype(np.int32)
    x = np.stack([2.0 * y - 1, np.zeros((size, n))], -1)
    x += 0.3 * rng.normal(size=x.shape)
    domains = graphs.build(
        rng.normal(size=(n, 2)).astype(np.float32), np.arange(n - 1), np.arange(1, n)
    )
    sources = np.array([1, 0, 1, 0, 0], np.float32)
    batch = {
        "x": x.astype(np.float32),
        "y": y,
        "labelled": np.broadcast_to(sources, y.shape).copy(),
        "weight": np.ones(size, np.float32),
        "sources": sources,
        "graph": domains,
    }
    config = Config(
        pairing="pseudo_label",
        hidden=8,
        adversary_weight=0.1,
        sample_vertices=3,
        learning_rate=1e-2,
    )
    return config, batch


def pad(batch, extra: int) -> dict:
    """The batch with `extra` slots of noise and weight 0, for the shared tests."""
    grown = dict(batch)
    for name in ("x", "y", "labelled", "weight"):
        rows = np.repeat(batch[name][:1], extra, axis=0)
        rows = 100 * rows if name == "x" else rows
        grown[name] = np.concatenate([batch[name], rows])
    grown["weight"][-extra:] = 0
    return grown
