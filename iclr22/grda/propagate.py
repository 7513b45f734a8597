"""A plain baseline: clusters of one domain after the other get their neighbours' classes.

K-means cuts every target domain into as many clusters as there are classes. A committee
of networks f(x, z) learns from the labelled domains. Of the neighbouring domains the one
whose clusters it can tell apart most surely is labelled, and the committee learns on.
"""

import functools
from typing import NamedTuple

import jax
import jraph
import numpy as np
from scipy import optimize
from scipy.cluster import vq

from iclr22 import progress
from iclr22.data import domains
from iclr22.data.domains import DomainData
from iclr22.grda import adversarial, batches

ATTEMPTS = 5  # starts of k-means


class Config(NamedTuple):
    """How to propagate."""

    members: int = 3  # networks in the committee
    warm: int = 300  # updates on sources
    turn: int = 60  # updates after each domain
    in_order: bool = True  # domains with fewer hops to a source come first
    # samples are also judged with known neighbours' embeddings
    ask_neighbors: bool = True


def length(config: Config, targets: int) -> int:
    """Updates of a whole run for this many target domains."""
    return config.warm + targets * config.turn


def propagate(
    config: adversarial.Config,
    data: DomainData,
    graph: jraph.GraphsTuple,
    plan: Config,
    seed: int = 0,
) -> tuple[tuple, np.ndarray]:
    """Parameters as of `adversarial`, a set per member, and what each sample was labelled
    `[n]`, -1 in domains that no path joins to a source.

    Args:
      config: of `adversarial`, without an adversary.
      data: classes; x as it enters the network. Labels of targets are not looked at.
      graph: of the domains, embeddings as nodes.
    """
    clusters = _clusters(data, config.outputs, seed)
    labels = np.where(data.sources[data.domain], data.y, -1)
    source = batches.make(data, graph, config.batch, seed=seed)
    learn = _Committee(config, source, plan.members, seed)
    learn(plan.warm)
    linked = domains.adjacency(graph) > 0
    known, hops = data.sources.copy(), domains.hops(graph, data.sources)
    bar = progress.Bar(int((hops > 0).sum()), "propagate")
    while (border := ~known & linked[known].any(axis=0)).any():
        if plan.in_order:
            border &= hops == hops[border].min()
        found = {
            u: _orient(learn, data, clusters, linked[u] & known, u, plan)
            for u in np.flatnonzero(border)
        }
        u = max(found, key=lambda u: found[u][0])  # the surest
        rows = data.domain == u
        labels[rows] = found[u][1][clusters[rows]]
        known[u] = True
        learn.know(labels)
        learn(plan.turn)
        bar.update(int(known.sum() - data.sources.sum()))
    bar.close()
    return learn.members(), labels


class _Committee:
    """Networks that learn side by side from the domains known so far."""

    def __init__(self, config, source, members, seed):
        self.config, self.source, self.step = config, source, 0
        keys = [jax.random.key(1000 * seed + i) for i in range(members)]
        self.states = jax.vmap(lambda k: adversarial.init(config, k, source(0)))(
            jax.numpy.stack(keys)
        )

    def __call__(self, updates):
        drawn = [self.source(self.step + i) for i in range(updates)]
        stacked = jax.tree.map(lambda *x: np.stack(x), *drawn)
        self.states = _learn(self.config)(self.states, stacked)
        self.step += updates

    def know(self, labels):
        """Learn from these, too, `[n]`."""
        known = (labels >= 0).astype(np.float32)
        self.source = self.source._replace(y=np.maximum(labels, 0), labelled=known)

    def members(self):
        """Parameters per member."""
        count = len(self.states.step)
        return tuple(
            jax.tree.map(lambda x, i=i: np.asarray(x[i]), self.states.params)
            for i in range(count)
        )

    def log_probabilities(self, x, z):
        """Mean over members, `[n, classes]`, for x `[n, features]` and z `[n, t]`."""
        size = 1 << max(len(x) - 1, 1).bit_length()  # few shapes to compile
        fill = ((0, size - len(x)), (0, 0))
        inputs = {"x": np.pad(x, fill), "z": np.pad(z, fill)}
        said = _judge(self.config)(self.states.params, inputs)
        return np.asarray(said)[: len(x)]


@functools.lru_cache(maxsize=8)
def _learn(config):
    def one(state, batch):
        return adversarial.train_step(config, state, batch)[0]

    every = jax.vmap(one, in_axes=(0, None))

    def many(states, stacked):
        return jax.lax.scan(lambda s, b: (every(s, b), None), states, stacked)[0]

    return jax.jit(many)


@functools.lru_cache(maxsize=8)
def _judge(config):
    def one(params, inputs):
        return jax.nn.log_softmax(adversarial.apply(config, params, inputs))

    return jax.jit(lambda p, inputs: jax.vmap(one, (0, None))(p, inputs).mean(0))


def _clusters(data, classes, seed):
    """Cluster of every sample of its domain, `[n]`."""
    found = np.zeros(len(data.x), int)
    for u in range(data.size):
        rows = np.flatnonzero(data.domain == u)
        if data.sources[u]:
            continue
        tries = [
            vq.kmeans2(
                data.x[rows].astype(np.float64),
                min(classes, len(rows)),
                minit="++",
                # newer SciPy also calls it rng
                seed=np.random.default_rng((seed, u, attempt)),  # pyright: ignore[reportCallIssue]
            )
            for attempt in range(ATTEMPTS)
        ]
        spread = [np.sum((data.x[rows] - centres[own]) ** 2) for centres, own in tries]
        found[rows] = tries[int(np.argmin(spread))][1]
    return found


def _orient(learn, data, clusters, known, u, plan):
    """How sure the best assignment of clusters to classes is, nats per sample, and the
    assignment: `(margin, class of each cluster)`."""
    rows = np.flatnonzero(data.domain == u)
    ask = [u, *np.flatnonzero(known)] if plan.ask_neighbors else [u]
    z = learn.source.graph.nodes[np.repeat(ask, len(rows))]
    said = learn.log_probabilities(np.tile(data.x[rows], (len(ask), 1)), z)
    said = said.reshape(len(ask), len(rows), -1).mean(axis=0)
    classes = said.shape[1]
    worth = np.stack(
        [said[clusters[rows] == k].sum(axis=0) for k in range(classes)]
    ) / len(rows)
    best = optimize.linear_sum_assignment(-worth)[1]
    total = worth[np.arange(classes), best].sum()
    others = []
    for k in range(classes):  # the best assignment that differs in cluster k
        barred = worth.copy()
        barred[k, best[k]] = -1e9
        other = optimize.linear_sum_assignment(-barred)[1]
        others.append(barred[np.arange(classes), other].sum())
    return total - max(others, default=-np.inf), best
