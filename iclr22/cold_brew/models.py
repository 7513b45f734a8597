"""Models that need no other: a graph network, the simple MLP, GraphMLP.

Each is trained in the rounds of a `Trainer`.
"""

from typing import Any, NamedTuple

import jax
import numpy as np

from iclr22.cold_brew import batches, graph_mlp, perceptron, teacher
from iclr22.cold_brew.rounds import Task, Trainer


class Taught(NamedTuple):
    """A trained graph network.

    Attributes:
      config: of `teacher`.
      params: by round.
      batch: the prepared graph, without labels.
    """

    config: teacher.Config
    params: dict[str, Any]
    batch: dict[str, Any]

    def logits(self) -> np.ndarray:
        """What it says about every node of its graph, `[n, classes]`."""
        return np.asarray(teacher.apply(self.config, self.params["final"], self.batch))


def train_teacher(
    trainer: Trainer, task: Task, config: teacher.Config, name: str
) -> Taught:
    """A graph network after both rounds."""
    prepared = teacher.prepare(
        config,
        task.graph._replace(nodes=task.x),
        devices=jax.device_count(),
        normalise=False,
    )

    def mark(mask):
        return batches.graph_batch(prepared, task, mask)

    found = {}
    for round_ in trainer.rounds:
        found[round_] = trainer.train(
            round_,
            name,
            teacher,
            config,
            config.epochs,
            mark(task.labelled(round_)),
            mark(task.valid),
            {k: mark(m) for k, m in trainer.watch.items()},
        )
    return Taught(config, found, prepared)


def train_mlp(
    trainer: Trainer, task: Task, config: perceptron.Config, name: str
) -> tuple[perceptron.Config, Any]:
    """`(config, params)` of the simple MLP after the last round."""

    def mark(mask):
        return batches.row_batch(task.x, teacher.labels(task.labels, mask))

    params = None
    for round_ in trainer.rounds:
        params = trainer.train(
            round_,
            name,
            perceptron,
            config,
            config.steps,
            mark(task.labelled(round_)),
            mark(task.valid),
            {k: mark(m) for k, m in trainer.watch.items()},
        )
    return config, params


def train_graph_mlp(
    trainer: Trainer, task: Task, config: graph_mlp.Config, name: str
) -> tuple[graph_mlp.Config, Any]:
    """`(config, params)` of GraphMLP after the last round."""
    close = graph_mlp.Closeness(task.graph, config.hops)

    def mark(mask):
        return batches.row_batch(task.x, teacher.labels(task.labels, mask))

    params = None
    for round_ in trainer.rounds:
        labelled = task.labelled(round_)
        pool = task.known(round_) | labelled
        params = trainer.train(
            round_,
            name,
            graph_mlp,
            config,
            config.steps,
            batches.Sampled(config, close, task, labelled, pool, trainer.seed),
            mark(task.valid),
            {k: mark(m) for k, m in trainer.watch.items()},
        )
    return config, params
