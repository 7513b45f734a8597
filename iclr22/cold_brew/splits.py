"""Who is isolated, tail or head, and which nodes train, validate and test.

Masks are bool `[n]` on the host. What a part of the method may see is mask arithmetic:

    groups = split_by_degree(data.graph)
    training = graph.isolate(data.graph, groups.isolation)  # the graph of every model
    split = training_nodes(data, "cora")
    fit, valid = validation_part(split.train, data.labels)  # teacher and baselines
    fit, valid = validation_part(
        split.train, data.labels, exclude=groups.isolation  # student: no cold labels
    )
    split.test & groups.isolation                           # what a number is about

The student's first perceptron needs no labels: it fits `~groups.isolation`.
"""

from typing import NamedTuple

import numpy as np

from iclr22 import errors, graph

KINDS = ("paper", "released")
CORA_TRAIN = 600  # the released code trains on the first 600 nodes of Cora
PLANETOID = ("citeseer", "pubmed")
TEST_SHARE = 0.4  # of the user's data without masks


class Groups(NamedTuple):
    """Three groups of nodes by degree, bool `[n]` each; no node is in two of them."""

    isolation: np.ndarray
    tail: np.ndarray
    head: np.ndarray


class Split(NamedTuple):
    """Nodes whose labels may be used, and nodes to be judged on; bool `[n]` each."""

    train: np.ndarray
    test: np.ndarray


class Parts(NamedTuple):
    """Training nodes to fit on and to choose on; bool `[n]` each."""

    fit: np.ndarray
    valid: np.ndarray


def split_by_degree(
    whole,
    kind: str = "released",
    *,
    head: float = 0.1,
    tail: float = 0.1,
    isolation: float = 0.1,
    halvings: tuple[int, int] = (4, 5),
) -> Groups:
    """Isolation, tail and head of a graph; remove the edges with `graph.isolate`.

    Degrees are incoming edges without self loops; equal degrees stay in node order.

    Args:
      whole: `jraph.GraphsTuple` before isolation.
      kind: "paper" takes shares of the nodes: `isolation` of lowest degree (and every
        node of degree zero); of the nodes that keep a neighbour without those, `tail`
        of lowest remaining degree; of all, `head` of highest degree.
        "released" follows the authors' code: the median of the degrees at or below the
        median, and so on; the lower half of what is left is isolation, the other half
        tail. Degrees are whole numbers, so these groups are larger than a tenth.
      head, tail, isolation: shares in 0..1; only "paper" uses them.
      halvings: medians downwards and upwards, at least 1; only "released" uses them.

    Raises:
      errors.InputError: unknown kind, a share outside 0..1, fewer than one median.

    Source: arXiv:2111.04840, section 4 and the authors' `use_special_split`. Differs:
    the head never holds a node of the other two, which matters where degrees are equal.
    """
    if kind not in KINDS:
        raise errors.nearest(kind, KINDS, "kind of split")
    if not all(0 <= share <= 1 for share in (head, tail, isolation)):
        raise errors.InputError(
            f"expected shares in 0..1; found isolation {isolation}, tail {tail}, "
            f"head {head}"
        )
    if min(halvings) < 1:
        raise errors.InputError(f"expected at least one median; found {halvings}")
    clean = graph.select_edges(whole, whole.senders != whole.receivers)
    if kind == "paper":
        return _by_share(clean, isolation, tail, head)
    return _by_median(graph.degrees(clean), *halvings)


def _by_share(clean, isolation, tail, head):
    degrees = graph.degrees(clean)
    n = len(degrees)
    order = np.argsort(degrees, kind="stable")
    count = max(round(isolation * n), np.sum(degrees == 0))
    isolated = _mask(order[:count], n)
    remaining = graph.degrees(graph.isolate(clean, isolated))
    order = np.argsort(remaining, kind="stable")
    order = order[remaining[order] > 0]
    in_tail = _mask(order[: round(tail * len(order))], n)
    order = np.argsort(-degrees, kind="stable")[: round(head * n)]
    return Groups(isolated, in_tail, _mask(order, n) & ~isolated & ~in_tail)


def _by_median(degrees, down, up):
    n = len(degrees)
    low = np.ones(n, bool)
    for _ in range(down):
        low = degrees <= np.median(degrees[low])
    high = np.ones(n, bool)
    for _ in range(up):
        high = degrees >= np.median(degrees[high])
    order = np.argsort(degrees, kind="stable")
    order = order[low[order]]
    isolated = _mask(order[: len(order) // 2], n)
    in_tail = low & ~isolated
    return Groups(isolated, in_tail, high & ~low)


def _mask(index, n):
    mask = np.zeros(n, bool)
    mask[index] = True
    return mask


def training_nodes(
    data: graph.NodeData, dataset_name: str, split_index: int = 0, *, seed: int = 0
) -> Split:
    """Which labelled nodes train and which test.

    Cora: the first 600 train, the rest test. CiteSeer, PubMed: the first published
    `train` mask (Planetoid's public one), every other node tests. Anything else: the
    published masks number `split_index`, `train` and `valid` together (take `valid` out
    again with `validation_part(..., published=...)`); without a `test` mask all others
    test. No masks at all: a random 60/40, each class divided.

    Args:
      data: labels of -1 are in neither mask.
      dataset_name: as in the registry, or any name for the user's own data.
      split_index: row of the published masks.
      seed: of the random split.

    Raises:
      errors.InputError: no such row, or no `train` mask where the data set needs one.

    Source: the authors' trainer, and arXiv:2111.04840, section 4.
    """
    labelled = data.labels >= 0
    name = dataset_name.lower()
    n = len(data.labels)
    if name == "cora":
        train, test = np.arange(n) < CORA_TRAIN, None
    elif name in PLANETOID:
        train, test = _row(data.masks, "train", 0, dataset_name), None
    elif data.masks:
        train, test = _published(data.masks, split_index, dataset_name)
    else:
        test = _stratified(labelled, data.labels, TEST_SHARE, seed)
        train = ~test
    test = ~train if test is None else test
    return Split(train & labelled, test & labelled & ~train)


def _published(masks, index, name):
    test = _row(masks, "test", index, name) if "test" in masks else None
    if "train" not in masks and test is not None:
        return ~test, test
    train = _row(masks, "train", index, name)
    if "valid" in masks:
        train = train | _row(masks, "valid", index, name)
    return train, test


def _row(masks, key, index, name):
    if key not in masks:
        raise errors.InputError(
            f"{name}: expected a mask {key!r}; found {', '.join(masks) or 'none'}"
        )
    rows = np.atleast_2d(masks[key])
    if not 0 <= index < len(rows):
        raise errors.InputError(
            f"{name}: expected a split number in 0..{len(rows) - 1}; found {index}"
        )
    return rows[index].astype(bool)


def validation_part(
    train_mask, labels, share: float = 0.2, seed: int = 0, exclude=None, published=None
) -> Parts:
    """Training nodes divided into those to fit on and those to choose on.

    The authors choose on test accuracy; this is what we do instead. Each class is
    divided by `share`, with at least one node on both sides if it has two; a class of
    one node is fitted.

    Args:
      train_mask: `[n]` bool, `Split.train`.
      labels: `[n]` int, -1 in neither part.
      share: of the training nodes that choose, in 0..1.
      seed: of the random choice.
      exclude: `[n]` bool, nodes of neither part: `Groups.isolation` for the student.
      published: `[n]` bool, a published `valid` mask to use instead of a random part.

    Raises:
      errors.InputError: share outside 0..1; `published` holds no training node (the
        public masks of CiteSeer and PubMed: their valid nodes are tested on here).
    """
    if not 0 <= share <= 1:
        raise errors.InputError(f"expected a share in 0..1; found {share}")
    labels = np.asarray(labels)
    usable = np.asarray(train_mask, bool) & (labels >= 0)
    if exclude is not None:
        usable = usable & ~np.asarray(exclude, bool)
    if published is None:
        valid = _stratified(usable, labels, share, seed)
    else:
        valid = usable & np.asarray(published, bool)
        if not valid.any():
            raise errors.InputError(
                "expected a validation mask inside the training nodes; found no node "
                "in both. Leave it out for a random part of the training nodes."
            )
    return Parts(usable & ~valid, valid)


def _stratified(mask, labels, share, seed):
    """A random `share` of each class inside `mask` `[n]`, as a mask."""
    index = np.flatnonzero(mask)
    rng = np.random.default_rng(seed)
    order = index[np.lexsort((rng.random(len(index)), labels[index]))]
    _, group, counts = np.unique(labels[order], return_inverse=True, return_counts=True)
    rank = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
    wanted = np.minimum(np.maximum(np.round(share * counts), 1), counts - 1)
    return _mask(order[rank < wanted[group]], len(mask))
