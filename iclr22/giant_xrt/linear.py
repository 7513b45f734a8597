"""XR-Linear: a linear classifier for each cluster of a tree, trained where its parent holds.

Extreme multi-label classification coarse to fine (Zhang et al., NeurIPS 2021, section 3, and
the PECOS library): which of thousands of labels an instance has is asked of the clusters
below those that are likely, not of all labels.
"""

from typing import Any, Literal, NamedTuple

import numpy as np
import scipy.sparse as sp

from iclr22 import errors
from iclr22.giant_xrt import beam as beams
from iclr22.giant_xrt import clusters, rows, targets
from iclr22.giant_xrt.tree import Tree


class Config(NamedTuple):
    """How clusters are learned."""

    cost: float = 1.0  # C, of an error beside the weights
    threshold: float = 0.1  # smaller weights become 0; 0.001: better, larger
    negatives: Literal["tfn", "tfn+man"] = (
        "tfn"  # instances of the parent, and mistaken ones
    )
    matched: int = 20  # clusters that an instance is taken for, with tfn+man
    cost_sensitive: bool = False  # positives cost their share of the instance's labels
    tolerance: float = 1e-3  # share that an objective may be above its smallest value
    processor: beams.Processor = "l3-hinge"  # of margins to scores
    last: Literal["", "noop"] = ""  # noop: labels rank by their margin alone


class Model(NamedTuple):
    """Classifiers of all clusters.

    Attributes:
      tree: over the labels.
      weights: of each level `[K_t, D + 1]` CSR, float32; the last column is the bias.
      processor, last: as in `Config`.
    """

    tree: Tree
    weights: tuple[Any, ...]
    processor: beams.Processor = "l3-hinge"
    last: Literal["", "noop"] = ""


DEFAULT = Config()


def fit_linear(features, labels, tree: Tree, config: Config = DEFAULT) -> Model:
    """Train the classifiers of all levels.

    A cluster is learned from the instances that have a label in its parent ("teacher
    forcing negatives", tfn), and with tfn+man from those that the levels so far take for it
    ("matcher-aware negatives"), as an L2-loss support vector machine with a bias that
    counts as a weight.

    Args:
      features: `[r, D]` sparse, in rows of length 1 as a rule.
      labels: `[r, L]` sparse, relevance of labels, 0 where there is none.
      tree: over the L labels.
      config: see `Config`.

    Raises:
      errors.InputError: sizes that do not fit; features that are not finite; no instances.
    """
    features, labels = _checked(features, labels)
    levels = targets.up(labels, tree)
    instances = clusters.Instances.of(rows.with_ones(features.astype(np.float64)))
    weights: list[Any] = []
    for level, found in enumerate(levels):
        active = _active(Model(tree, tuple(weights)), features, levels, config)
        options = config.cost, config.threshold, config.tolerance
        costs = rows.csr(_shares(found) if config.cost_sensitive else found > 0)
        parts = clusters.Level(active, found, costs.astype(np.float64))
        weights.append(clusters.fit(instances, parts, *tree.children(level), *options))
    return Model(tree, tuple(weights), config.processor, config.last)


def predict(
    model: Model, features, *, beam: int = 10, k: int = 10
) -> tuple[np.ndarray, np.ndarray]:
    """The k best labels by beam search.

    Args:
      features: `[n, D]` sparse.
      beam: clusters of a level that are followed; as many as there are: all is searched.
      k: labels, at most.

    Returns:
      `labels [n, k]` int64, best first, ties by number, -1 where there are fewer, and
      `scores [n, k]` float64: the product along the path, from 0 to 1, or the margin of
      the label with `last="noop"`; -inf beside labels of -1.

    Raises:
      errors.InputError: features of another width, beam or k below 1.
    """
    features = rows.csr(features).astype(np.float32)
    width = model.weights[0].shape[1] - 1
    if features.shape[1] != width:
        raise errors.InputError(
            f"expected features of {width} columns, as trained; found {features.shape[1]}"
        )
    if beam < 1 or k < 1:
        raise errors.InputError(f"expected beam and k from 1; found {beam} and {k}")
    labels, scores = beams.search(
        model.tree,
        model.weights,
        features,
        beam=beam,
        k=k,
        processor=model.processor,
        last=model.last,
    )
    if not model.last:
        scores = np.where(labels < 0, -np.inf, np.exp(scores))
    return labels, scores


def _checked(features, labels):
    features, labels = rows.csr(features), rows.csr(labels)
    if features.shape[0] != labels.shape[0] or not features.shape[0]:
        raise errors.InputError(
            "expected features and labels of the same instances, one at least; found "
            f"{features.shape[0]} rows of features and {labels.shape[0]} of labels"
        )
    if not np.isfinite(features.data).all() or not np.isfinite(labels.data).all():
        raise errors.InputError(
            "features, labels: expected finite numbers; found others"
        )
    if labels.nnz and labels.data.min() < 0:
        raise errors.InputError(
            f"labels: expected relevance from 0; found {labels.data.min():g}"
        )
    labels = labels.astype(np.float32, copy=True)
    labels.eliminate_zeros()
    return features.astype(np.float32), labels


def _active(model: Model, features, levels, config: Config) -> Any:
    """`[r, K_(t-1)]` of bool: instances that take part in learning the children of each
    cluster of the last level there is in the model."""
    level = len(model.weights)
    if not level:
        return rows.csr(np.ones((features.shape[0], 1), bool))
    taught = levels[level - 1] > 0
    if config.negatives == "tfn":
        return taught
    above = Tree(model.tree.parents[:level])
    found, _ = beams.search(
        above,
        model.weights,
        features,
        beam=config.matched,
        k=min(config.matched, above.sizes[-1]),
        processor=config.processor,
    )
    row, column = np.nonzero(found >= 0)
    parts = np.ones(len(row), bool), (row, found[row, column])
    return taught + sp.csr_matrix(parts, shape=taught.shape, dtype=bool)


def _shares(labels) -> Any:
    """Labels as shares of their row."""
    sums = np.asarray(labels.sum(1)).ravel()
    return sp.diags(1 / np.where(sums > 0, sums, 1)) @ labels


def to_arrays(model: Model) -> dict[str, Any]:
    """A model as arrays, to keep; `from_arrays` reads it back."""
    levels = {
        str(level): {"parents": parents, "data": x.data, "indices": x.indices}
        | {"indptr": x.indptr, "width": np.array(x.shape[1])}
        for level, (parents, x) in enumerate(
            zip(model.tree.parents, model.weights, strict=True)
        )
    }
    return {"levels": levels}


def from_arrays(
    arrays, processor: beams.Processor = "l3-hinge", last: Literal["", "noop"] = ""
) -> Model:
    """What `to_arrays` took apart.

    Raises:
      KeyError, ValueError: something else.
    """
    levels = [arrays["levels"][str(level)] for level in range(len(arrays["levels"]))]
    tree = Tree(tuple(np.asarray(x["parents"], np.int64) for x in levels))
    weights = tuple(
        rows.csr_of(x["data"], x["indices"], x["indptr"], int(x["width"]))
        for x in levels
    )
    if tree.sizes != tuple(x.shape[0] for x in weights):
        raise ValueError(f"weights of {[x.shape for x in weights]} for {tree.sizes}")
    return Model(tree, weights, processor, last)
