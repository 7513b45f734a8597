"""One round: what it learns from, where its head begins, what it leaves.

The parts are in `candidates`, `bootstrap`, `matcher` and `prediction`.
"""

import time
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from absl import logging
from scipy import sparse

from iclr22 import loop
from iclr22.giant_xrt import (
    bootstrap,
    candidates,
    encoding,
    matcher,
    prediction,
    ranking,
)
from iclr22.giant_xrt.encoding import Encoder
from iclr22.giant_xrt.prediction import Predicted
from iclr22.giant_xrt.targets import Targets
from iclr22.giant_xrt.tree import Tree
from iclr22.nn.tokens import Texts

SAVES = 4  # checkpoints of a round
LOOKED = 512  # nodes whose loss is told before and after a round


class Options(NamedTuple):
    """How rounds go; how each learns is `matcher.Config`."""

    steps: tuple[int, ...] = (
        2500,
    )  # updates of each round; the last of all further ones
    most_clusters: int = 2048  # levels with more clusters are not learned
    negatives: candidates.Negatives = (
        "tfn+man"  # parents: true ones, predicted, or both
    )
    top: int = 20  # clusters that are predicted for each node
    most_candidates: int = 256  # of a node; negatives beyond it are left out
    heads: bootstrap.Start = (
        "linear"  # begin at classifiers, parents' rows, or at random
    )
    cost: float = 1.0  # C of these classifiers


def steps(options: Options, place: int) -> int:
    """Updates of a round."""
    return options.steps[min(place, len(options.steps) - 1)]


class Task(NamedTuple):
    """What does not change from round to round."""

    texts: Texts
    targets: Targets
    tree: Tree
    labels: list[Any]  # CSR [r, K_t] of each level
    config: matcher.Config
    options: Options
    seed: int
    mode: str
    digest: str  # of all these


class Round(NamedTuple):
    """How the encoder stands after a round; before the first nothing is predicted."""

    encoder: Encoder
    head: Any = None
    predicted: Predicted | None = None
    row: dict[str, float] | None = None
    features: np.ndarray | None = None  # [n, h], where they were needed


def learn(task: Task, before: Round, place: int, level: int, folder) -> Round:
    """A round, from how the one before ended.

    Args:
      place: number of the round.
      level: of the tree.
      folder: of checkpoints, or None.
    """
    began, labels = time.monotonic(), task.labels[level]
    above = _above(task, before, place, level)
    found = candidates.of(
        above,
        task.tree.matrix(level),
        labels,
        most=task.options.most_candidates,
        seed=task.seed + place,
    )
    widest = int(found.lengths.max())
    config = task.config._replace(
        clusters=task.tree.sizes[level],
        widest=widest if task.config.pad_like_pecos else 0,
        steps=steps(task.options, place),
    )
    head = _first_head(task, before, place, level, above, config)
    params = _trained(task, before, place, config, found, head, folder)
    encoder = before.encoder._replace(params=params["encoder"])
    after = Round(encoder, features=encoding.embed(encoder, task.texts))
    predicted = prediction.predict(
        params["head"],
        _vectors(task, after, slice(None)),
        task.options.top,
        parents=task.tree.parents[level] if place else None,
        above=before.predicted,
    )
    row = {
        "clusters": config.clusters,
        "candidates": float(found.lengths.mean()),
        "widest": widest,
        "steps": config.steps,
        "begin": _looked(task, config, before, head, found),
        "end": _looked(task, config, after, params["head"], found),
        "recall": 100 * float(ranking.recall(labels, predicted.clusters)[-1]),
        "seconds": time.monotonic() - began,
    }
    logging.info("round %d: %s", place, row)
    return after._replace(head=params["head"], predicted=predicted, row=row)


def _trained(task: Task, before: Round, place, config, found, head, folder):
    """Parameters after the updates of a round, on the host."""
    source = candidates.batches(
        task.texts,
        task.targets.rows,
        found,
        size=config.batch,
        limit=config.encoder.tokens,
        seed=task.seed + place,
        devices=jax.device_count(),
    )
    state = loop.fit(
        matcher,
        config,
        source,
        loop.Schedule(config.steps, save_every=-(-config.steps // SAVES)),
        seed=task.seed + place,
        mode=task.mode,
        directory=folder,
        begin={"encoder": before.encoder.params, "head": head},
        name=f"{config.clusters} clusters",
    )
    return jax.tree.map(_on_host, state.params)


def _on_host(x) -> np.ndarray:
    return np.asarray(x.addressable_data(0))


def _above(task: Task, before: Round, place: int, level: int):
    """Clusters of the level above whose children are candidates, bool CSR."""
    if not place:
        return sparse.csr_matrix(np.ones((len(task.targets.rows), 1), bool))
    predicted = before.predicted.clusters if before.predicted else None
    return candidates.parents(task.labels[level - 1], predicted, task.options.negatives)


def _first_head(task: Task, before: Round, place, level, above, config):
    """Where the head of a round begins."""
    found = None
    if place:
        found = bootstrap.head(
            task.options.heads,
            task.tree.parents[level],
            above=above,
            labels=task.labels[level],
            vectors=_vectors(task, before, slice(None)),
            before=before.head,
            cost=task.options.cost,
            seed=task.seed + place,
        )
    if found is None:
        key = jax.random.key(task.seed + place)
        found = jax.device_get(matcher.fresh_head(config, key))
    return found


def _vectors(task: Task, of: Round, rows) -> np.ndarray:
    """Vectors of nodes that are trained on, these rows of them."""
    nodes = task.targets.rows[rows]
    if of.features is not None:
        return of.features[nodes]
    return encoding.embed(of.encoder, task.texts, nodes)


def _looked(task: Task, config, of: Round, head, found) -> float:
    """Mean loss of some nodes that are trained on, without dropout."""
    count = len(task.targets.rows)
    rows = np.random.default_rng(task.seed).permutation(count)[:LOOKED]
    batch = candidates.padded(found, rows, int(found.lengths.max()))
    vectors = jnp.asarray(_vectors(task, of, rows))
    logits = matcher.scores(
        jax.tree.map(jnp.asarray, head), vectors, batch["candidates"]
    )
    each = matcher.example_loss(config, logits, batch["counts"], batch["real"])
    return float(each.mean())
