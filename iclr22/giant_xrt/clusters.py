"""The classifiers of one level: those of a parent share their instances, and are learned
together."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from iclr22.giant_xrt import rows, svm

SHARED = 6000  # instances, at most, whose inner products are all kept
SMALL = 512  # instances of a problem that is solved together with others
ENTRIES = 2**18  # of arrays of what is solved together, at most: caches hold them
PRODUCTS = 60  # that a solution takes, about
WEIGHTS = 2**24  # that are made before small ones are dropped, about


class Instances(NamedTuple):
    """What classifiers learn from.

    Attributes:
      features: `[r, D + 1]` CSR, float64, with a column of ones.
      products: `[r, r]` their inner products, or None where they are many.
    """

    features: Any
    products: np.ndarray | None

    @classmethod
    def of(cls, features: Any) -> "Instances":
        many = features.shape[0] > SHARED or not _few(features, 16)
        return cls(features, None if many else svm.gram(features))

    def inner(self, chosen) -> np.ndarray:
        """Inner products of some."""
        if self.products is not None:
            return self.products[np.ix_(chosen, chosen)]
        return svm.gram(rows.part(self.features, chosen)[0])


class Level(NamedTuple):
    """What there is to learn on a level.

    Attributes:
      active: `[r, K_(t-1)]`, which instances take part below each parent.
      labels: `[r, K_t]`, above 0 for positives.
      costs: `[r, K_t]` of positives, as a multiple of the others'.
    """

    active: Any
    labels: Any
    costs: Any


class _Problem(NamedTuple):
    """The children of a parent: of each positive its instance among `chosen`, its child
    among `children`, and what it costs."""

    chosen: np.ndarray
    children: np.ndarray
    instance: np.ndarray
    child: np.ndarray
    costs: np.ndarray

    def arrays(self, cost: float, count=None, width=None):
        """`(signs, costs)`, each `[count, width]`; what is added costs nothing."""
        shape = count or len(self.chosen), width or len(self.children)
        signs, costs = np.full(shape, -1.0), np.zeros(shape)
        costs[: len(self.chosen), : len(self.children)] = cost
        signs[self.instance, self.child] = 1
        costs[self.instance, self.child] = cost * self.costs
        return signs, costs


def fit(
    instances: Instances, level: Level, order, offsets, cost, threshold, tolerance
) -> Any:
    """Weights `[K_t, D + 1]` CSR, float32, of all clusters of a level.

    Args:
      order, offsets: children by parent, `Tree.children`.
      cost: C of an error.
      threshold: weights smaller than this are dropped.
      tolerance: of `svm.solve`.
    """
    count, width = level.labels.shape[1], instances.features.shape[1]
    small, parts, owners = [], [], []
    for problem in _problems(level, order, offsets):
        if len(problem.chosen) <= SMALL:
            small.append(problem)
        elif (found := _large(instances, problem, cost, tolerance)) is not None:
            parts.append(_pruned(found, threshold))
            owners.append(problem.children)
        else:
            small.append(problem)
    none = np.zeros(0, np.int64)
    duals = [(none, none, np.zeros(0))]
    duals += [_together(instances, x, cost, tolerance) for x in _groups(small)]
    child, instance, value = (np.concatenate(x) for x in zip(*duals, strict=True))
    shape = count, instances.features.shape[0]
    dual: Any = sp.csr_matrix((value, (child, instance)), shape=shape)
    found = _summed(dual, instances.features, threshold)
    if parts:
        place: Any = sp.csr_matrix(sp.vstack(parts))
        spread = np.concatenate(owners), np.arange(place.shape[0])
        ones = np.ones(place.shape[0], np.float32)
        found = found + sp.csr_matrix((ones, spread), shape=(count, len(ones))) @ place
    return sp.csr_matrix(found, shape=(count, width), dtype=np.float32)


def _problems(level: Level, order, offsets) -> Iterator[_Problem]:
    """One for each parent with children and instances."""
    active = level.active.tocsc()
    labels, costs = level.labels.tocsc()[:, order], level.costs.tocsc()[:, order]
    for values in (labels, costs, active):
        values.sort_indices()
    for parent, (begin, end) in enumerate(zip(offsets[:-1], offsets[1:], strict=True)):
        chosen = active.indices[active.indptr[parent] : active.indptr[parent + 1]]
        if begin == end or not len(chosen):
            continue
        part = slice(labels.indptr[begin], labels.indptr[end])
        child = np.repeat(
            np.arange(end - begin), np.diff(labels.indptr[begin : end + 1])
        )
        instance = np.searchsorted(chosen, labels.indices[part])
        yield _Problem(chosen, order[begin:end], instance, child, costs.data[part])


def _groups(problems: list[_Problem]) -> Iterator[list[_Problem]]:
    """Problems of about the same size, so many that their arrays stay in bounds."""
    group, widest = [], 0
    for problem in sorted(problems, key=lambda x: len(x.chosen), reverse=True):
        largest = len(group[0].chosen) if group else len(problem.chosen)
        widest = max(widest, len(problem.children))
        entries = (len(group) + 1) * largest * max(largest, widest)
        if group and (entries > ENTRIES or len(problem.chosen) < 0.7 * largest - 8):
            yield group
            group, widest = [], len(problem.children)
        group.append(problem)
    if group:
        yield group


def _together(instances, group, cost, tolerance):
    """`(cluster, instance, coefficient)` of the solutions of problems with few instances."""
    count = max(len(x.chosen) for x in group)
    width = max(len(x.children) for x in group)
    products = np.zeros((len(group), count, count))
    for place, problem in enumerate(group):
        size = len(problem.chosen)
        products[place, :size, :size] = instances.inner(problem.chosen)
    arrays = [x.arrays(cost, count, width) for x in group]
    signs, costs = (np.stack(x) for x in zip(*arrays, strict=True))
    found = svm.solve(svm.Kernel(products), signs, costs, tolerance)
    problem, instance, child = np.nonzero(found)
    chosen = np.zeros((len(group), count), np.int64)
    children = np.zeros((len(group), width), np.int64)
    for place, x in enumerate(group):
        chosen[place, : len(x.chosen)] = x.chosen
        children[place, : len(x.children)] = x.children
    value = found[problem, instance, child]
    return children[problem, child], chosen[problem, instance], value


def _large(instances, problem, cost, tolerance):
    """Weights `[children, D + 1]` of many instances; None where sums over instances are
    the faster way."""
    features, left = rows.part(instances.features, problem.chosen)
    many = instances.products is not None and len(problem.chosen) <= SHARED
    if many or _few(features, len(problem.children)):
        return None
    space = svm.Primal(features, features.T.tocsr())
    signs, costs = problem.arrays(cost)
    step = max(1, ENTRIES // features.shape[1])
    found = []
    for begin in range(0, len(problem.children), step):
        part = slice(begin, begin + step)
        found.append(svm.solve(space, signs[:, part], costs[:, part], tolerance).T)
    found = sp.coo_matrix(np.concatenate(found))
    parts = found.data, (found.row, left[found.col])
    shape = len(problem.children), instances.features.shape[1]
    return sp.csr_matrix(parts, shape=shape)


def _few(features, width: int) -> bool:
    """Whether products of instances are faster to compute with than features: operations,
    those of dense arrays at a fifth."""
    count = features.shape[0]
    often = np.bincount(features.indices).astype(np.float64)
    used = np.count_nonzero(often)
    once = 2 * np.minimum(often**2, count**2 / 25).sum()
    kernel = once + PRODUCTS * width * count**2 / 5
    primal = PRODUCTS * width * (2 * features.nnz + 6 * used)
    return count <= SHARED and kernel < primal


def _summed(dual, features, threshold) -> Any:
    """Weights of coefficients of instances, `[K_t, D + 1]`, some rows at a time."""
    entries = features.nnz / max(features.shape[0], 1)
    ends = np.cumsum(np.diff(dual.indptr)) * entries // WEIGHTS
    starts = np.append(np.flatnonzero(np.diff(ends, prepend=-1)), dual.shape[0])
    found = [
        _pruned(dual[begin:end] @ features, threshold)
        for begin, end in zip(starts[:-1], starts[1:], strict=True)
    ]
    return sp.vstack(found, format="csr")


def _pruned(weights, threshold) -> Any:
    weights = weights.tocsr()
    kept = (np.abs(weights.data) >= threshold) & (weights.data != 0)
    ends = np.append(0, np.cumsum(kept))[weights.indptr]
    data = weights.data[kept].astype(np.float32)
    found = rows.csr_of(data, weights.indices[kept], ends, weights.shape[1])
    found.sort_indices()
    return found
