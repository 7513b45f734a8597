"""Batches of Cold Brew's stages: the whole graph, or rows of features."""

import jax
import numpy as np

from iclr22 import sparse
from iclr22.cold_brew import graph_mlp, teacher
from iclr22.cold_brew.rounds import Task
from iclr22.data import batching


def graph_batch(prepared: dict, task: Task, weight) -> batching.Whole:
    """The whole graph with `weight` `[n]` on the nodes that count."""
    batch = prepared | teacher.labels(task.labels, weight)
    return batching.Whole(batch, teacher.axes(batch))


def row_batch(x, labels: dict, extra=None) -> batching.Whole:
    """Rows of features that count, as one batch for a perceptron.

    Few rows become dense and divide over devices; of many sparse ones all stay, so that
    shapes do not depend on which are used.
    """
    n = len(labels["y"])
    extra = np.zeros((n, 0, 0), np.float32) if extra is None else extra
    batch = labels | {"extra": extra}
    rows = np.flatnonzero(labels["weight"])
    if isinstance(x, sparse.Sparse):
        if 4 * len(rows) > n:
            return batching.Whole(batch | {"x": x})
        x = sparse.to_dense(sparse.take(x, rows))
    else:
        x = x[rows]
    batch = {name: value[rows] for name, value in batch.items()} | {"x": x}
    missing = -len(rows) % jax.device_count()
    batch = {k: np.concatenate([v, v[:1].repeat(missing, 0)]) for k, v in batch.items()}
    batch["weight"][len(rows) :] = 0
    return batching.Whole(batch, 0)


class Sampled:
    """Batches of GraphMLP: nodes drawn from a pool, with how close they are.

    Attributes:
      pool: `[n]` bool, who is drawn; labelled: `[n]` bool, whose labels are used.
    """

    def __init__(
        self,
        config: graph_mlp.Config,
        close: graph_mlp.Closeness,
        task: Task,
        labelled,
        pool,
        seed: int,
    ):
        self._close, self._task, self._seed = close, task, seed
        self._labelled, self._pool = labelled, np.flatnonzero(pool)
        size = min(config.batch_size, len(self._pool))
        self._size = size - size % jax.device_count()

    def __call__(self, step: int) -> dict:
        """This process's rows of batch number `step`."""
        rng = np.random.default_rng((self._seed, step))
        rows = rng.choice(self._pool, self._size, replace=False)
        marks = teacher.labels(self._task.labels[rows], np.ones(self._size))
        labelled = self._labelled[rows]
        marks["hard"] *= labelled * self._size / max(labelled.sum(), 1)
        drawn = {"x": _dense(self._task.x, rows), "closeness": self._close(rows)}
        return batching.Whole(marks | drawn, 0)(step)


def _dense(x, rows):
    sparse_x = isinstance(x, sparse.Sparse)
    return sparse.to_dense(sparse.take(x, rows)) if sparse_x else x[rows]
