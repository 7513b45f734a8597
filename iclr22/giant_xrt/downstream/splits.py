"""Classifiers on all splits of a graph at once, and the difference of two of them."""

from collections.abc import Mapping
from typing import NamedTuple

import jax
import numpy as np

from iclr22 import errors, graph, metrics, numeric
from iclr22.data.graphs import SPLITS
from iclr22.giant_xrt.downstream import classifier, propagation, training
from iclr22.giant_xrt.downstream.classifier import Config

PRESETS = {  # of each kind of downstream model, for graphs of thousands of nodes
    "mlp": Config(),
    "logistic": Config(layers=1, learning_rate=0.05, weight_decay=1e-4, epochs=100),
    "sgc": Config(),  # mlp on features after two propagations
    "two_hop": Config(),  # mlp on the mean of a node, its neighbours, and theirs
    "graphsage": Config(model="graphsage"),
    "revgat": Config(
        model="revgat",
        layers=3,
        width=64,
        objective="log",
        edge_dropout=0.3,
        learning_rate=5e-3,
    ),
    "c_and_s": Config(),  # mlp, then correct and smooth
}
PAPER = {  # on ogbn-arxiv
    "mlp": Config(layers=3, width=256, epochs=500),
    "graphsage": Config(
        model="graphsage", layers=3, width=256, learning_rate=8e-4, epochs=500
    ),
    "revgat": Config(
        model="revgat",
        layers=2,
        width=256,
        heads=3,
        dropout=0.75,
        input_dropout=0.25,
        edge_dropout=0.3,
        objective="log",
        learning_rate=2e-3,
        epochs=2000,
    ),
}
KINDS = tuple(PRESETS)
MANY = 20_000  # training nodes of a perceptron, above which its updates see a part
LARGE = {"batch_size": 2048, "epochs": 15}  # then
MEMORY = 1 << 27  # numbers in the largest array of the splits that are trained together


class Result(NamedTuple):
    """What came of a classifier on every split.

    Attributes:
      test: accuracy [%] on test nodes `[splits]`, at the epoch with the best on valid.
      valid: that accuracy [%] on valid nodes `[splits]`.
      epoch: its number from 1 `[splits]`.
      isolated: accuracy [%] on test nodes without links `[splits]`, NaN without any.
      predictions: classes `[splits, n]` of all nodes.
    """

    test: np.ndarray
    valid: np.ndarray
    epoch: np.ndarray
    isolated: np.ndarray
    predictions: np.ndarray


class Paired(NamedTuple):
    """A difference over splits that two models share."""

    mean: float  # of the differences
    low: float  # end of the 95 % t interval
    high: float  # its other end
    positive: int  # splits where the first is better
    count: int  # splits


def run(
    kind: str,
    links,
    features,
    labels,
    masks: Mapping[str, np.ndarray],
    *,
    config: Config | None = None,
    seed: int = 0,
    together: int | None = None,
) -> Result:
    """Train one kind of classifier on all splits, in one compiled program.

    Updates see all training nodes of a split at once; those of a perceptron see 2,048 where
    there are more than 20,000, if nothing else is configured. The epoch is chosen on valid
    nodes, the first of the best. A split has a start and dropout of its own, whichever
    others it is trained with; only what is rounded differently, with more of them at a
    time, may change which epoch is chosen.

    Args:
      kind: one of `KINDS`: `mlp`, `logistic` (its case of one layer), `sgc` and `two_hop`
        (a perceptron on propagated features), `graphsage`, `revgat`, or `c_and_s` (a
        perceptron, corrected and smoothed by known labels).
      links: the graph of the nodes, as of `graph.NodeData`; its features are not used.
      features: `[n, d]`; they are centred, see `centred`.
      labels: `[n]`, -1 where unknown.
      masks: `train`, `valid`, `test`, bool `[splits, n]`.
      config: the preset of the kind if not given; `classes` is filled in.
      together: splits that are trained at a time; if not given one on a CPU, elsewhere as
        many as fit into memory.

    Raises:
      errors.InputError: an unknown kind, arrays that do not fit each other, or a split
        without nodes to train, choose or test on.
    """
    if kind not in PRESETS:
        raise errors.nearest(kind, KINDS, "downstream model")
    x, y, masks = _checked(features, labels, masks)
    x = centred(x)
    most = int(masks["train"].sum(axis=1).max())
    config = config or preset(kind, most)
    config = config._replace(classes=max(int(y.max()) + 1, 2))
    if kind in ("sgc", "two_hop"):
        x = getattr(propagation, kind)(links, x)
    shared = {"x": x, "y": np.maximum(y, 0)}
    if config.model != "mlp" or kind == "c_and_s":
        shared |= classifier.on_graph(links, x)
    index = np.arange(len(masks["train"]), dtype=np.int32)
    each = {name: _rows(mask) for name, mask in masks.items() if name != "test"}
    each |= {"index": index, "mask": masks["train"]}
    size = together or _together(config, each, len(y))
    program = training.compiled(config, kind == "c_and_s", size)
    found = program(shared, each, jax.random.key(seed))
    predictions, epoch, valid = map(np.asarray, found)
    right = predictions == y
    edges = graph.links(links)
    alone = np.ones(len(y), bool)
    alone[edges.senders] = alone[edges.receivers] = False
    return Result(
        test=_accuracy(right, masks["test"]),
        valid=valid,
        epoch=epoch + 1,
        isolated=_accuracy(right, masks["test"] & alone),
        predictions=predictions,
    )


def preset(kind: str, count: int) -> Config:
    """The configuration of a kind for so many training nodes."""
    chosen = PRESETS[kind]
    many = chosen.model == "mlp" and count > MANY
    return chosen._replace(**LARGE) if many else chosen


def centred(x) -> np.ndarray:
    """Features `[n, d]` less their mean, divided by one deviation of all of them: what is
    common to all nodes says nothing, and a perceptron's first steps depend on the size."""
    x = np.asarray(x, np.float32) - np.mean(x, axis=0, dtype=np.float64).astype(
        np.float32
    )
    return x / max(float(x.std()), 1e-9)


def paired(one, other) -> Paired:
    """How much better the first is, over splits `[splits]` that both were measured on.

    The interval is that of Student's t; of a single split it has no width.

    Raises:
      errors.InputError: of different lengths, or none.
    """
    one, other = (
        numeric.real(x, name, ndim=1, dtype=np.float64)
        for x, name in ((one, "one"), (other, "other"))
    )
    if len(one) != len(other) or not len(one):
        raise errors.InputError(
            f"expected two results on the same splits; found {len(one)} and {len(other)}"
        )
    gap = one - other
    mean, half = metrics.student(gap)
    half = half if len(gap) > 1 else 0.0
    return Paired(mean, mean - half, mean + half, int((gap > 0).sum()), len(gap))


def _checked(features, labels, masks):
    """Features float32, labels int64 and masks bool `[splits, n]` that fit."""
    x = numeric.real(features, "features", ndim=2, dtype=np.float32)
    n = len(x)
    y = numeric.whole(labels, "labels", ndim=1, low=-1)
    missing = [name for name in SPLITS if name not in masks]
    if missing:
        raise errors.InputError(
            f"masks: expected {', '.join(SPLITS)}; found no {', '.join(missing)}"
        )
    masks = {name: np.atleast_2d(np.asarray(masks[name], bool)) for name in SPLITS}
    shapes = {name: mask.shape for name, mask in masks.items()}
    if len(y) != n or set(shapes.values()) != {(len(masks["train"]), n)}:
        raise errors.InputError(
            f"expected labels and masks of the {n} nodes that have features; found "
            f"{len(y)} labels and masks of the shapes "
            f"{', '.join(f'{k} {list(v)}' for k, v in shapes.items())}"
        )
    masks = {name: mask & (y >= 0) for name, mask in masks.items()}
    for name, mask in masks.items():
        empty = ~mask.any(axis=1)
        if empty.any():
            raise errors.InputError(
                f"masks: expected labelled nodes in {name} of every split; found none in "
                f"split {empty.argmax()}"
            )
    return x, y, masks


def _rows(mask) -> dict[str, np.ndarray]:
    """Numbers of the nodes of masks `[splits, m]`, padded, with weights."""
    counts = mask.sum(axis=1)
    place = np.arange(counts.max())
    order = np.argsort(~mask, axis=1, kind="stable")[:, : counts.max()]
    return {
        "rows": order.astype(np.int32),
        "weight": (place < counts[:, None]).astype(np.float32),
    }


def _together(config: Config, each, n: int) -> int:
    """A number of splits that divides them, and fits; on a CPU one is the fastest."""
    if jax.default_backend() == "cpu":
        return 1
    rows = n if config.model != "mlp" else max(n // 4, each["train"]["rows"].shape[1])
    most = max(1, MEMORY // (rows * config.width * config.heads * config.layers))
    count = len(each["index"])
    return max(x for x in range(1, count + 1) if count % x == 0 and x <= most)


def _accuracy(right, mask) -> np.ndarray:
    """In percent, `[splits]`; NaN without nodes."""
    count = mask.sum(axis=1)
    share = (right & mask).sum(axis=1) / np.maximum(count, 1)
    return np.where(count > 0, 100 * share, np.nan)
