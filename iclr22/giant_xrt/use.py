"""Use of a model: features of new texts, links that are missing, how good they are."""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import sparse

from iclr22 import errors, neighbours, numeric
from iclr22.giant_xrt import beam, encoding, prediction
from iclr22.giant_xrt.artifact import Model
from iclr22.giant_xrt.encoding import Encoder

NUMBERS = 2**22  # scores in memory at once, where ranks are counted


class Links(NamedTuple):
    """Suggested neighbours of each node, the best first; -1 where there are no more."""

    nodes: np.ndarray  # [n, k] int64
    scores: np.ndarray  # [n, k] float32, -inf there


def encode(model: Model | Encoder, texts: Sequence[str]) -> np.ndarray:
    """Features `[n, h]` float32 of texts, of new nodes as well: no edge is needed.

    Raises:
      errors.InputError: no texts, or something else than text; empty ones are allowed.
    """
    if not len(texts):
        raise errors.InputError("expected texts; found none")
    for place, text in enumerate(texts):
        if not isinstance(text, str):
            raise errors.InputError(
                f"expected texts; found {type(text).__name__} at place {place}"
            )
    encoder = model.encoder if isinstance(model, Model) else model
    return encoding.embed(encoder, texts)


def together(*features) -> np.ndarray:
    """Features `[n, d]` whose cosine is the mean of the cosines of several: those of GIANT
    and of the encoder before it, say, which finds texts that share words."""
    return np.concatenate([neighbours.unit(x) for x in features], axis=1)


def suggest_links(
    features,
    edges,
    k: int = 10,
    *,
    directed: bool = False,
    model: Model | None = None,
    share: float = 0.0,
) -> Links:
    """The best k nodes for each that are not its neighbours yet.

    All pairs are scored, a block at a time: by the cosine of their features, plus a share of
    the logarithm of how sure the matcher is that the first node has neighbours in the
    cluster of the second (0 at best).

    Args:
      features: `[n, h]`, of the model's encoder where there is a share.
      edges: `[2, e]` node numbers, what is there already.
      directed: the first node of an edge may still lack as a suggestion of the second.
      model: with the tree over these nodes; needed for a share.
      share: of the matcher's score; 0: cosines alone.

    Raises:
      errors.InputError: k is below 1 or there are not so many others, unknown nodes, a
        share without a model or with one of other nodes.
    """
    features = numeric.real(features, "features", ndim=2, dtype=np.float32)
    known = _known(len(features), edges, directed)
    matcher = _matcher(features, model) if share else None
    adjust = functools.partial(_adjust, known, matcher, share)
    found = neighbours.nearest(features, k, adjust=adjust)
    none = np.isneginf(found.cosines)
    return Links(np.where(none, -1, found.rows), found.cosines)


def _known(count: int, edges, directed: bool):
    """What is no suggestion, bool CSR `[n, n]`."""
    pairs = numeric.whole(edges, "edges", ndim=2, low=0, high=count - 1)
    if len(pairs) != 2:
        raise errors.InputError(f"edges: expected [2, e]; found {pairs.shape}")
    first, second = pairs if directed else np.concatenate([pairs, pairs[::-1]], axis=1)
    ones = np.ones(len(first), bool)
    return sparse.csr_matrix((ones, (first, second)), shape=(count, count))


def _matcher(features, model: Model | None):
    """`(features, head, cluster of each node)` of the finest level that was learned."""
    if model is None:
        raise errors.InputError(
            "expected a model for the matcher's share; found none. Pass one, or share=0."
        )
    if model.tree.sizes[-1] != len(features):
        raise errors.InputError(
            f"expected features of the model's {model.tree.sizes[-1]} nodes; found "
            f"{len(features)}"
        )
    head = model.heads[-1]
    level = model.tree.sizes.index(len(head["bias"]) - 1)
    return features, head, model.tree.clusters(level)


def _adjust(known, matcher, share: float, block, rows, columns: slice) -> None:
    """Add the matcher's share to a block of cosines and take out what is known."""
    _add(matcher, share, block, rows, columns)
    _leave_out(known[rows], block, columns)


def _add(matcher, share: float, block, rows, columns: slice) -> None:
    if matcher:
        features, head, cluster = matcher
        logits = features[rows] @ head["kernel"][:-1].T + head["bias"][:-1]
        of_cluster = share * beam.log_score(logits, prediction.PROCESSOR)
        block += of_cluster.astype(np.float32)[:, cluster[columns]]


def _leave_out(known, block, columns: slice) -> None:
    row = np.repeat(np.arange(known.shape[0]), np.diff(known.indptr))
    inside = (known.indices >= columns.start) & (known.indices < columns.stop)
    block[row[inside], known.indices[inside] - columns.start] = -np.inf


def mean_reciprocal_rank(
    features,
    edges,
    held,
    *,
    directed: bool = False,
    model: Model | None = None,
    share: float = 0.0,
) -> float:
    """Percent: mean of one over the rank of the second node of a held-out edge among all
    nodes that are no neighbours of the first; equal scores count as half a rank each.

    Other held-out neighbours of the first node are not ranked against. Without `directed`
    each held-out edge counts from both ends.

    Args:
      features, edges, model, share: as in `suggest_links`.
      held: `[2, m]` edges that are not among `edges`.

    Raises:
      errors.InputError: as `suggest_links`; no held-out edges.
    """
    features = numeric.real(features, "features", ndim=2, dtype=np.float32)
    count = len(features)
    known, wanted = _known(count, edges, directed), _known(count, held, directed)
    if not wanted.nnz:
        raise errors.InputError("expected held-out edges; found none")
    matcher = _matcher(features, model) if share else None
    unit, ranks = neighbours.unit(features), []
    known, whole = (known + wanted).tocsr(), slice(0, count)
    first, second = wanted.nonzero()
    chunk = max(1, NUMBERS // count)
    for low in range(0, len(first), chunk):
        rows, true = first[low : low + chunk], second[low : low + chunk]
        place = np.arange(len(rows))
        block = unit[rows] @ unit.T
        _add(matcher, share, block, rows, whole)
        own = block[place, true][:, None]
        block[place, rows] = -np.inf
        _leave_out(known[rows], block, whole)
        ranks.append(1 + (block > own).sum(axis=1) + (block == own).sum(axis=1) / 2)
    return float(100 * np.mean(1 / np.concatenate(ranks)))


def seen(test, known) -> float:
    """Percent of test nodes whose text and edges an encoder was fine-tuned with: no leak of
    labels, as none are looked at, but what transductive means.

    Args:
      test: numbers or names of nodes.
      known: of nodes that were there while it learned.
    """
    test = np.asarray(test)
    return float(100 * np.isin(test, np.asarray(known)).mean()) if len(test) else 0.0
