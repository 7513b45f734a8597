"""Beam search down a tree of linear classifiers.

The score of a cluster is the product of those along its path; its logarithm is kept, which
does not underflow.
"""

from typing import Any, Literal, get_args

import numpy as np

from iclr22 import errors
from iclr22.giant_xrt import rows
from iclr22.giant_xrt.tree import Tree

Processor = Literal["l1-hinge", "l2-hinge", "l3-hinge", "l4-hinge", "sigmoid"]
PAIRS = 2**22  # of instances and clusters that are looked at together, about


def log_score(margins, processor: Processor) -> np.ndarray:
    """Logarithm of a score from 0 to 1: -max(0, 1 - z)^p, or that of the logistic function
    of a margin z.

    Raises:
      errors.InputError: an unknown name.
    """
    margins = np.asarray(margins, np.float64)
    if processor not in get_args(Processor):
        raise errors.nearest(str(processor), get_args(Processor), "processor")
    if processor == "sigmoid":
        return -np.logaddexp(0, -margins)
    return -(np.maximum(1 - margins, 0) ** int(processor[1]))


def search(
    tree: Tree,
    weights,
    features: Any,
    *,
    beam: int,
    k: int,
    processor: Processor = "l3-hinge",
    last: str = "",
) -> tuple[np.ndarray, np.ndarray]:
    """The best clusters of the last level, for each instance.

    Args:
      tree: whose last level is looked for.
      weights: `[K_t, D + 1]` CSR of each level; the last column is the bias.
      features: `[n, D]` CSR, float32.
      beam: clusters that are followed from a level to the next.
      k: clusters to return.
      processor: of margins to scores.
      last: `noop`: those of the last level rank by their own margin.

    Returns:
      `[n, k]` int64, best first, ties by number, -1 where there are fewer, and `[n, k]`
      float64 logarithms of scores, or margins; -inf beside -1.
    """
    widest = max(
        np.diff(tree.children(level)[1]).max() for level in range(len(tree.sizes))
    )
    block = max(1, PAIRS // (beam * int(widest)))
    levels = [_Level(tree, level, found) for level, found in enumerate(weights)]
    labels = np.full((features.shape[0], k), -1)
    scores = np.full((features.shape[0], k), -np.inf)
    for begin in range(0, features.shape[0], block):
        part = features[begin : begin + block]
        row, found, score = _descend(levels, part, beam, k, processor, last)
        rank = _ranks(row)
        labels[begin + row, rank], scores[begin + row, rank] = found, score
    return labels, scores


def _descend(levels, features, beam, k, processor, last):
    """`(instance, cluster, score)` of the best, by instance and then by rank."""
    row = np.arange(features.shape[0])
    found, score = np.zeros(len(row), np.int64), np.zeros(len(row))
    for place, level in enumerate(levels):
        end = place == len(levels) - 1
        row, found, path, margins = level.below(features, row, found, score)
        score = margins if end and last else path + log_score(margins, processor)
        order = np.lexsort((found, -score, row))
        row, found, score = row[order], found[order], score[order]
        best = _ranks(row) < (k if end else beam)
        row, found, score = row[best], found[best], score[best]
    return row, found, score


def _ranks(row) -> np.ndarray:
    """Places among those of the same row, from 0; rows ascend."""
    first = np.flatnonzero(np.diff(row, prepend=-1))
    return np.arange(len(row)) - np.repeat(first, np.diff(np.append(first, len(row))))


class _Level:
    """The classifiers of a level, those of a parent side by side."""

    def __init__(self, tree: Tree, level: int, weights: Any):
        self.order, self.offsets = tree.children(level)
        sorted_ = weights.tocsr()[self.order]
        self.width = sorted_.shape[1] - 1
        self.data, self.indices, self.indptr = (
            sorted_.data,
            sorted_.indices,
            sorted_.indptr,
        )
        self.place = np.full(self.width + 1, -1, np.int32)

    def below(self, features, row, parent, score):
        """`(instance, child, score of the parent, margin)` of all children."""
        order = np.argsort(parent, kind="stable")
        row, parent, score = row[order], parent[order], score[order]
        many = (self.offsets[1:] - self.offsets[:-1])[parent]
        margins = np.empty(many.sum(), np.float64)
        child = np.empty(len(margins), np.int64)
        starts = np.append(np.flatnonzero(np.diff(parent, prepend=-1)), len(parent))
        done = 0
        for begin, end in zip(starts[:-1], starts[1:], strict=True):
            found = self.margins(features, row[begin:end], parent[begin])
            ahead = done + found.size
            margins[done:ahead] = found.ravel()
            first, after = self.offsets[parent[begin] : parent[begin] + 2]
            child[done:ahead] = np.tile(self.order[first:after], end - begin)
            done = ahead
        return np.repeat(row, many), child, np.repeat(score, many), margins

    def margins(self, features, chosen, parent) -> np.ndarray:
        """`[chosen, children of the parent]`: only features that one of them weighs."""
        first, after = self.offsets[parent : parent + 2]
        part = slice(self.indptr[first], self.indptr[after])
        columns = np.unique(self.indices[part])
        self.place[columns] = np.arange(len(columns))
        dense = np.zeros((len(columns), after - first), np.float32)
        owner = np.repeat(
            np.arange(after - first), np.diff(self.indptr[first : after + 1])
        )
        dense[self.place[self.indices[part]], owner] = self.data[part]
        rest = features[chosen]
        at = self.place[rest.indices]
        known = at >= 0
        ends = np.append(0, np.cumsum(known))[rest.indptr]
        found = rows.csr_of(rest.data[known], at[known], ends, len(columns)) @ dense
        bias = self.place[self.width]
        self.place[columns] = -1
        return found + dense[bias] if bias >= 0 else found
