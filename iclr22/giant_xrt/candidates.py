"""Clusters that a node is scored on in a round, and batches of nodes with them.

Candidates of a level are the children of some clusters of the level above: those that the
node's neighbours are in (`tfn`), those that the matcher of the round before predicts (`man`),
or both; and the clusters of this level that its neighbours are in (Zhang et al., NeurIPS
2021, section 3; Chien et al., ICLR 2022, section 4).

Differs: the released code pads all nodes to the most candidates of any, without a limit; here
negatives beyond a limit are left out, drawn by a seed, and batches have one of a few widths.
"""

import itertools
from typing import Any, Literal, NamedTuple

import numpy as np
from absl import logging
from scipy import sparse

from iclr22 import errors, identity, parallel
from iclr22.data import batching
from iclr22.nn import tokens, wordpiece
from iclr22.nn.tokens import Texts

Negatives = Literal["tfn", "man", "tfn+man"]
NEGATIVES = ("tfn", "man", "tfn+man")
ROWS = 2**14  # nodes whose candidates are made at once
ROUND = 8  # widths are multiples of it
WORTH = 2**22  # candidates of padding that a further width saves in an epoch, at least


class Candidates(NamedTuple):
    """Clusters of each of r nodes, ascending, with the neighbours in them."""

    offsets: np.ndarray  # [r + 1] int64, where each node's begin
    clusters: np.ndarray  # [total] int32
    counts: np.ndarray  # [total] float32, 0 of negatives
    of: int  # clusters of the level

    @property
    def lengths(self) -> np.ndarray:
        """Candidates of each node, `[r]`."""
        return np.diff(self.offsets)


def parents(labels, predicted=None, negatives: Negatives = "tfn+man"):
    """Clusters of the level above whose children are candidates, bool CSR `[r, k]`.

    Args:
      labels: CSR `[r, k]`, neighbours in clusters of the level above.
      predicted: `[r, top]` clusters that the matcher predicts there, -1 for none; needed
        where `negatives` say `man`.

    Raises:
      errors.InputError: an unknown kind of negatives, or nothing predicted.
    """
    if negatives not in NEGATIVES:
        raise errors.nearest(negatives, NEGATIVES, "kind of negatives")
    found = sparse.csr_matrix(labels.shape, dtype=bool)
    if "tfn" in negatives:
        found = found + (labels > 0)
    if "man" in negatives:
        if predicted is None:
            raise errors.InputError(f"{negatives}: expected predicted clusters")
        found = found + _as_matrix(predicted, labels.shape)
    return sparse.csr_matrix(found)


def _as_matrix(predicted, shape):
    row = np.repeat(np.arange(len(predicted)), predicted.shape[1])
    column = predicted.ravel()
    kept = column >= 0
    ones = np.ones(int(kept.sum()), bool)
    return sparse.csr_matrix((ones, (row[kept], column[kept])), shape=shape)


def of(
    above: Any, children, labels: Any, *, most: int = 256, seed: int = 0
) -> Candidates:
    """Candidates of all nodes at one level.

    Args:
      above: bool CSR `[r, k]` of `parents`; for the first level ones `[r, 1]`.
      children: CSR `[K, k]` of the tree, which level's cluster is whose child.
      labels: CSR `[r, K]`, neighbours in clusters of this level.
      most: candidates of a node; positive ones stay, negative ones beyond are left out at
        random, which is told.
      seed: of what is left out.
    """
    down: Any = sparse.csr_matrix(children, dtype=np.float64).T.tocsr()
    random, left = np.random.default_rng(seed), 0
    parts = []
    for low in range(0, labels.shape[0], ROWS):
        rows = slice(low, low + ROWS)
        wanted = labels[rows].astype(np.float64)
        reached = above[rows].astype(np.float64) @ down
        reached.data[:] = 1
        # Positives are counts + 1 here, so that a candidate with count 0 stays stored.
        both: Any = sparse.csr_matrix(reached.maximum(wanted.astype(bool)) + wanted)
        both.sort_indices()
        kept = _within(both, most, random)
        left += both.nnz - len(kept)
        row = np.repeat(np.arange(both.shape[0]), np.diff(both.indptr))[kept]
        lengths = np.bincount(row, minlength=both.shape[0])
        parts.append((lengths, both.indices[kept], both.data[kept] - 1))
    lengths, clusters, counts = (np.concatenate(x) for x in zip(*parts, strict=True))
    if left:
        share = 100 * left / (left + len(clusters))
        logging.info(
            "%.1f %% of negative candidates are left out, so that a node has %d at most",
            share,
            most,
        )
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return Candidates(
        offsets,
        clusters.astype(np.int32),
        counts.astype(np.float32),
        labels.shape[1],
    )


def _within(matrix, most: int, random) -> np.ndarray:
    """Places of entries that are kept: all positives, negatives at random up to `most`."""
    lengths = np.diff(matrix.indptr)
    if lengths.max(initial=0) <= most:
        return np.arange(matrix.nnz)
    row = np.repeat(np.arange(len(lengths)), lengths)
    order = np.lexsort((random.random(matrix.nnz), matrix.data <= 1, row))
    rank = np.arange(matrix.nnz) - np.repeat(matrix.indptr[:-1], lengths)
    positive = matrix.data[order] > 1
    return np.sort(order[(rank < most) | positive])


class Batches(NamedTuple):
    """Batches of nodes, pure functions of the step; see `batches`.

    Nodes are grouped by the widths of their arrays. In every epoch each group is shuffled,
    and so are the batches of all groups among each other.
    """

    texts: Texts
    nodes: np.ndarray  # [r] which text a node of the candidates has
    candidates: Candidates
    groups: tuple[np.ndarray, ...]  # rows of candidates
    widths: tuple[tuple[int, int], ...]  # of tokens and of candidates, by group
    size: int  # nodes of a batch
    limit: int  # tokens of a text
    seed: int = 0
    part: tuple[int, int] = (0, 1)  # (index, count) of this process

    def content(self) -> str:
        """Digest of what all batches are made from."""
        arrays = [self.texts.tokens, self.texts.offsets, self.nodes, *self.candidates]
        sizes = self.widths, self.size, self.limit, self.seed
        return "-".join([identity.content(arrays), *map(str, sizes)])

    @property
    def counts(self) -> tuple[int, ...]:
        """Batches of an epoch by group; the last of each is filled up with weight 0."""
        return batching.per_epoch(self.groups, self.size)

    @property
    def per_epoch(self) -> int:
        """Batches of an epoch."""
        return sum(self.counts)

    def __call__(self, step: int) -> dict[str, np.ndarray]:
        """Batch number `step`."""
        which, rows = batching.of_groups(self.groups, self.size, self.seed, step)
        return self.rows(rows, *self.widths[which])

    def rows(self, rows, width: int, most: int) -> dict[str, np.ndarray]:
        """These nodes as a padded batch, this process's part of it."""
        mine = batching.own(self.size, self.part)
        rows, weight = (x[mine] for x in batching.padded(rows, self.size))
        found = tokens.alone(self.texts, self.nodes[rows], width, self.limit)
        batch = {"ids": found.ids, "lengths": found.lengths, "weight": weight}
        return batch | padded(self.candidates, rows, most)


def padded(candidates: Candidates, rows, width: int) -> dict[str, np.ndarray]:
    """`candidates`, `real` and `counts` `[n, width]` of nodes, as `matcher` takes them."""
    begin, lengths = candidates.offsets[rows], candidates.lengths[rows]
    place = np.arange(width)
    real = place < lengths[:, None]
    source = np.where(real, begin[:, None] + place, 0)
    return {
        "candidates": np.where(real, candidates.clusters[source], candidates.of),
        "real": real,
        "counts": np.where(real, candidates.counts[source], 0),
    }


def batches(
    texts: Texts,
    nodes,
    candidates: Candidates,
    *,
    size: int,
    limit: int,
    seed: int = 0,
    devices: int = 1,
) -> Batches:
    """Batches of nodes with their candidates.

    Args:
      texts: of all nodes.
      nodes: `[r]` which text each row of the candidates has.
      size: nodes of a batch; made to fit the devices.
      limit: tokens that a text is cut to.

    Raises:
      errors.InputError: no nodes, or ones without a candidate.
    """
    if not len(nodes) or not candidates.lengths.all():
        raise errors.InputError(
            "expected nodes with candidates; found "
            f"{int((candidates.lengths == 0).sum())} of {len(nodes)} without"
        )
    lengths = np.minimum(tokens.alone_lengths(texts, nodes), limit)
    of_tokens, of_clusters = wordpiece.worth(lengths), widths(candidates.lengths)
    which = np.searchsorted(of_tokens, lengths) * len(of_clusters)
    which += np.searchsorted(of_clusters, candidates.lengths)
    pairs = list(itertools.product(of_tokens, of_clusters))
    groups = {pairs[i]: np.flatnonzero(which == i) for i in np.unique(which)}
    size = max(1, -(-min(size, len(nodes)) // devices)) * devices
    return Batches(
        texts,
        np.asarray(nodes, np.int64),
        candidates,
        tuple(groups.values()),
        tuple(groups),
        size,
        limit,
        seed,
        parallel.part(),
    )


def widths(lengths, most: int = 3, worth: int = WORTH) -> tuple[int, ...]:
    """At most three widths, multiples of 8, for rows of these lengths `[n]`, with the least
    padding; each further one has to save as many numbers as it is `worth`."""
    rounded = -(-np.maximum(np.asarray(lengths), 1) // ROUND) * ROUND
    sizes, numbers = np.unique(rounded, return_counts=True)
    best, cost = (int(sizes[-1]),), sizes[-1] * numbers.sum()
    for further in range(1, most):
        for others in itertools.combinations(sizes[:-1].tolist(), further):
            given = np.array([*others, sizes[-1]])
            here = given[np.searchsorted(given, sizes)] @ numbers + worth * further
            if here < cost:
                best, cost = tuple(given.tolist()), here
    return best
