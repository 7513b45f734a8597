"""Which clusters a node's neighbours are in, by the vectors of nodes and heads of levels.

A cluster scores `beam.log_score` of its logit plus the score of its parent, which was found
by the encoder of the round before.
"""

from typing import Any, NamedTuple

import numpy as np

from iclr22.giant_xrt import beam

PROCESSOR = "l3-hinge"
NUMBERS = 2**22  # scores that are in memory at once


class Predicted(NamedTuple):
    """The best clusters of each node, the best first, of equal ones the first."""

    clusters: np.ndarray  # [r, k] int32; -1 where there are no more
    scores: np.ndarray  # [r, k] float32, up to 0; -inf there


def predict(
    head, vectors, k: int = 20, *, parents: Any = None, above: Predicted | None = None
) -> Predicted:
    """The best k clusters of a level.

    Args:
      head: `kernel [K + 1, h]` and `bias [K + 1]`, padding last.
      vectors: `[r, h]`.
      parents: `[K]` cluster above of each; with `above`.
      above: what was predicted at the level above: its children are searched. All
        clusters if None.
    """
    kernel, bias = (np.asarray(head[x])[:-1] for x in ("kernel", "bias"))
    k = min(k, len(bias))
    count = len(vectors)
    found = Predicted(np.empty((count, k), np.int32), np.empty((count, k), np.float32))
    chunk = max(1, NUMBERS // len(bias))
    for low in range(0, count, chunk):
        rows = slice(low, min(low + chunk, count))
        logits = np.asarray(vectors[rows]) @ kernel.T + bias
        scores = beam.log_score(logits, PROCESSOR)
        if above is not None:
            scores += _of_parents(above, rows, parents.max() + 1)[:, parents]
        found.clusters[rows], found.scores[rows] = best(scores, k)
    return found


def _of_parents(above: Predicted, rows, count: int) -> np.ndarray:
    """Scores `[n, count]` of all clusters of the level above, -inf of what is not among
    the predicted."""
    clusters = above.clusters[rows]
    found = np.full((len(clusters), count + 1), -np.inf, np.float32)
    np.put_along_axis(
        found, clusters, above.scores[rows], axis=1
    )  # -1: the last column
    return found[:, :count]


def best(scores, k: int) -> tuple[np.ndarray, np.ndarray]:
    """`(columns [n, k], scores [n, k])` of the k largest in each row, the largest first, of
    equal ones the first; column -1 where a score is -inf."""
    if k < scores.shape[1]:
        floor = np.partition(scores, -k, axis=1)[:, -k][:, None]
        above = scores > floor
        level = scores == floor  # as many of the first of these as there is room for
        room = k - above.sum(axis=1, keepdims=True)
        kept = above | (level & (np.cumsum(level, axis=1) <= room))
        columns = np.nonzero(kept)[1].reshape(-1, k)
    else:
        columns = np.broadcast_to(np.arange(k), scores.shape)
    values = np.take_along_axis(scores, columns, axis=1)
    order = np.argsort(-values, axis=1, kind="stable")
    columns, values = (np.take_along_axis(x, order, axis=1) for x in (columns, values))
    return np.where(np.isneginf(values), -1, columns), values
