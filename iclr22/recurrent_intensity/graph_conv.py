"""A graph convolution from items to user states, trained to rank (a baseline of RIM).

The vector of a user state x = (user, T) is LayerNorm(W sum of the vectors of the last items
before T + b): one convolution on the bipartite graph whose edges go from the items of a
history to its request. A bias depends on how long ago the last event was. It learns from
the targets of requests, in contrast to factors of users, so it can score any request.

A batch is one of `bpr`, its users being requests, and `graph`, on every device: its nodes
are the tokens (0 starts a history, item + 1 is an item) and after them the requests, edges
of weight 1 go from tokens to requests, `nodes` int32 are the recency of each request, 0 of
tokens. It may be padded, see `iclr22.graph`.
"""

import functools
import sys
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from iclr22 import gradients, parallel
from iclr22 import graph as graphs
from iclr22.data.events import ranges
from iclr22.recurrent_intensity import (
    bipartite,
    bpr,
    losses,
    negatives,
    requests,
    splits,
)
from iclr22.recurrent_intensity.counts import training_counts
from iclr22.recurrent_intensity.scores import Scores

EPSILON = 1e-5  # of the LayerNorm
ROWS = 4096  # requests encoded at once


class Config(NamedTuple):
    """Hyper-parameters, those of `bpr.Config` where they have the same meaning.

    Differs: the rate is cut where validation stands still. On a few thousand targets an
    epoch is one update, and Adagrad at rate 1 does not settle by itself.
    """

    RESOLVED = ("items",)  # by the data

    items: int = 0  # of the log
    side: Literal["both", "item", "user"] = "both"  # of the negatives
    factors: int = 32  # width of vectors
    length: int = 256  # events of a history that are read, the newest ones
    scale: float = 0.1  # deviation of initial vectors of items
    negatives: int = 10  # of each target, per side
    smoothing: float = 0.1  # negatives have probability ~ (count + smoothing)^power
    power: float = 0.5  # see smoothing
    learning_rate: float = 1.0  # Adagrad
    epsilon: float = 1e-3  # of Adagrad, outside of the root
    weight_decay: float = 1e-5  # L2, added to gradients
    factor: float = 0.25  # the rate is cut by this where validation stands still
    patience: int = 4  # epochs that it may stand still; -1: the rate stays
    batch: int = 10_000  # targets per update
    epochs: int = 50  # passes over the targets


State = gradients.State


class Model(NamedTuple):
    """A trained convolution."""

    config: Config
    params: dict
    horizon: float  # unit of recency
    known: np.ndarray  # bool [items], with a training event


BATCH_AXES: dict[str, int | None] = {
    "user": 0,
    "item": 0,
    "negative_items": 0,
    "negative_users": 0,
    "weight": 0,
    "graph": None,
}


def init(config: Config, key: jax.Array, batch) -> State:
    """Fresh state; all shapes come from the configuration."""
    del batch
    d, keys = config.factors, jax.random.split(key)
    params = {
        "items": config.scale * jax.random.normal(keys[0], (config.items + 1, d)),
        "item_bias": jnp.zeros(config.items),
        "kernel": jax.nn.initializers.glorot_uniform()(keys[1], (d, d)),
        "bias": jnp.zeros(d),
        "norm_scale": jnp.ones(d),
        "norm_bias": jnp.zeros(d),
        "recency": jnp.zeros(len(bipartite.EDGES) + 1),
    }
    return gradients.start(bpr.optimizer(config), key, params, keep_best=True)


def apply(config: Config, params, inputs, *, key=None):
    """Vectors `[x, d]` and biases `[x]` of the requests of `graph`."""
    del key
    graph, tokens = inputs["graph"], config.items + 1
    recency = graphs.features(graph)
    x = jnp.pad(params["items"], ((0, len(recency) - tokens), (0, 0)))
    total = graphs.aggregate(graph, graph.edges, x)[tokens:]
    hidden = total @ params["kernel"] + params["bias"]
    hidden -= hidden.mean(axis=-1, keepdims=True)
    hidden /= jnp.sqrt(jnp.mean(hidden**2, axis=-1, keepdims=True) + EPSILON)
    vectors = hidden * params["norm_scale"] + params["norm_bias"]
    return vectors, params["recency"][recency[tokens:]]


def loss(config: Config, params, batch, *, key=None):
    """`(total, sums)` over targets, as in `bpr`."""
    del key
    vectors, biases = apply(config, params, batch)
    sums = losses.pairwise(
        {
            "users": vectors,
            "items": params["items"][1:],
            "user_bias": biases,
            "item_bias": params["item_bias"],
        },
        batch,
    )
    return sums["loss"], sums


def train_step(config: Config, state: State, batch, *, axis_name=None):
    """One update; `(State, {"loss", "accuracy"})`."""
    own = functools.partial(loss, config)
    return bpr.update(config, own, state, batch, axis_name)


def evaluate(config: Config, params, batch, *, axis_name=None):
    """Sums over targets of loss and accuracy (percent)."""
    return parallel.reduce(loss(config, params, batch)[1], axis_name)


# Training and use


def config_of(config: Config, split: splits.Split) -> Config:
    """The configuration for the items of a log."""
    return config._replace(items=len(split.events.item_names))


def fit_graph_conv(
    split: splits.Split,
    config: Config,
    *,
    extra: bool = False,
    seed: int = 0,
    directory=None,
    mode: str = "jit",
) -> Model:
    """Train on the targets of V; a fifth of them says which epoch is kept.

    Negatives are in proportion to the counts of targets; neither items of the history
    nor targets are drawn.

    Args:
      extra: train on the requests of V_extra as well.

    Raises:
      errors.InputError: no request, or fewer than two targets; an unknown side.
    """
    given = requests.join((split.valid, *split.extra)) if extra else split.valid
    config = config_of(config, split)
    graph = _graph(config, split.events, given, split.horizon)
    user, item = given.targets.tocoo().coords
    pairs = {"user": user, "item": item, "weight": given.targets.data}
    sampler = _sampler(config, split.events, given)
    params = bpr.train(
        sys.modules[__name__],
        config,
        pairs,
        sampler,
        seed=seed,
        directory=directory,
        mode=mode,
        name=f"graph_conv {seed}",
        shared={"graph": graph},
    )
    counts = training_counts(split)
    known = np.bincount(counts.indices, minlength=config.items) > 0
    return Model(config, params, split.horizon, known)


def _graph(config, events, given, horizon):
    sizes = {"items": config.items, "length": config.length}
    return bipartite.build_graph(events, given, horizon, **sizes)


def _sampler(config, events, given):
    """Negatives of requests: of neither the history nor the targets."""
    user, item = given.targets.tocoo().coords
    row, places = ranges(given.start, given.stop)
    happened = negatives.make_pairs(
        np.concatenate([row, user]),
        np.concatenate([events.item[places], item]),
        given.targets.shape,
    )
    return negatives.make_sampler(config, given.targets, happened)


def encode(model: Model, events, given: requests.Requests):
    """Vectors float32 `[x, d]` and biases `[x]` of requests, in chunks."""
    bipartite.check_times(given)
    count = len(given.user)
    size = min(ROWS, 1 << (count - 1).bit_length())
    found = []
    for low in range(0, count, size):
        rows = np.minimum(np.arange(low, low + size), count - 1)  # one shape
        part = requests.select(given, rows)
        graph = _graph(model.config, events, part, model.horizon)
        found.append(jax.device_get(_apply(model.config, model.params, graph)))
    return tuple(np.concatenate(x)[:count] for x in zip(*found, strict=True))


@functools.partial(jax.jit, static_argnums=0)
def _apply(config, params, graph):
    return apply(config, params, {"graph": graph})


def score(model: Model, events, given: requests.Requests, items) -> Scores:
    """Scores of requests and items (numbers in the log); items without a training event
    get 0."""
    vectors, biases = encode(model, events, given)
    items = np.asarray(items)
    bias = np.where(model.known[items], model.params["item_bias"][items], -np.inf)
    return Scores(
        vectors,
        model.params["items"][items + 1],
        biases,
        bias.astype(np.float32),
        np.ones(len(vectors), np.float32),
        "softplus",
    )


# For the shared tests


def example(size: int = 16, seed: int = 0):
    """Smallest configuration, six requests and targets of the kind of their history."""
    config, batch = bpr.example(size, seed)
    user = batch["user"] % 6
    batch["user"] = user + (batch["item"] - user) % 2  # even and odd items
    batch["negative_items"] = batch["item"][:, None] // 2 * 2 + np.array([[1], [0]])[
        batch["item"] % 2
    ].repeat(3, axis=1)
    batch["negative_users"] = np.repeat(batch["user"][:, None] ^ 1, 3, axis=1)
    receivers = np.arange(6).repeat(4)
    place = np.tile(np.arange(4), 6)
    tokens = np.where(place == 0, 0, 2 * (place - 1) + receivers % 2 + 1)
    config = Config(items=6, factors=4, negatives=3, learning_rate=0.1)
    batch["graph"] = bipartite.connect(config.items, np.zeros(6), tokens, receivers)
    batch = {
        k: v if k in ("graph", "weight") else v.astype("i4") for k, v in batch.items()
    }
    return config, batch


def pad(batch, extra: int) -> dict:
    """The batch with `extra` targets of weight 0, for the shared tests."""
    grown = {
        name: np.concatenate([x, np.repeat(x[:1], extra, axis=0)])
        for name, x in batch.items()
        if name != "graph"
    }
    grown["weight"][-extra:] = 0
    return grown | {"graph": batch["graph"]}
