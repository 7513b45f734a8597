"""Examples that hurt, by the dataset derivative (arXiv:2111.09785, section 5)."""

from typing import NamedTuple

import numpy as np

from iclr22 import errors
from iclr22.diva.closed_form import assess, leave_one_out, relabel_derivative
from iclr22.diva.penalty import choose_l2

DETECTION_L2 = 30.0  # detection wants a stiffer model than prediction does
PATH = (1.0, 3.0, 10.0, 30.0)  # multiples of the best penalty for the path score
SCORES = ("derivative", "trusted", "path", "relabel")


class Detection(NamedTuple):
    """Result of `detect`; all arrays `[n]` unless said otherwise.

    Attributes:
      score: what the ranking is by, higher means more harmful.
      flagged: True where the score exceeds the threshold.
      order: indices from most to least harmful.
      residual: squared norm of the leave-one-out residual.
      predictions: `[n, k]`, leave-one-out predictions.
      l2: the penalty used.
    """

    score: np.ndarray
    flagged: np.ndarray
    order: np.ndarray
    residual: np.ndarray
    predictions: np.ndarray
    l2: float


def detect(
    features,
    targets,
    weights=None,
    *,
    score="path",
    l2=None,
    loss=None,
    threshold=0.0,
    top_fraction=None,
    validation_weights=None,
) -> Detection:
    """Find examples that hurt: wrong labels, outliers, over-represented data.

    A class with a single example cannot be predicted by a model that never saw it, so
    that example always ranks high: read it as "unsupported", not as "wrong". Exact
    duplicates vouch for each other's label: remove them, or use `derivative` with
    `groups`.

    Args:
      features: `[n, p]`; targets: `[n, k]`; weights: `[n]`, ones by default.
      score: what to rank by.
        `derivative`: the paper's, at one penalty.
        `trusted`: the same once more, validated only on examples whose derivative was
          not positive, since wrong labels make bad judges.
        `path`: averaged, standardised, over penalties from the one that predicts best
          to 30 times it and over two losses, `trusted` squared error and
          cross-entropy. The default: ranks best on the data sets of the study.
        `relabel`: the best improvement by moving the example to another class, trusted
          as above (`relabel_derivative`); flags too many at zero.
      l2: penalty (for `path` and `relabel` the smallest one). By default the one that
        predicts best (`choose_l2`), times 30 for `derivative` and `trusted`: a stiffer
        model is harder for a wrong label to bend.
      loss: as in `derivative`; by default `mse`, for `relabel` `cross_entropy`. Not used
        by `path`.
      threshold: scores above it are flagged (the paper's epsilon).
      top_fraction: flag this share of the data instead, whatever its score.
      validation_weights: `[n]`, as in `derivative`.
    """
    if score not in SCORES:
        raise errors.nearest(score, SCORES, "score")
    n = len(features)
    weights = np.ones(n) if weights is None else np.asarray(weights)
    valid = np.ones(n) if validation_weights is None else np.asarray(validation_weights)
    loss = loss or ("cross_entropy" if score == "relabel" else "mse")
    if l2 is None:
        l2 = choose_l2(features, targets, weights, validation_weights=valid).l2
        l2 *= DETECTION_L2 if score in ("derivative", "trusted") else 1.0
    features, targets = np.asarray(features), np.asarray(targets)
    values = _score(score, features, targets, weights, l2, loss, valid)
    order = np.argsort(-values, kind="stable")
    flagged = values > threshold
    if top_fraction is not None:
        flagged = np.zeros(n, bool)
        flagged[order[: round(top_fraction * n)]] = True
    predictions = leave_one_out(features, targets, weights, l2)
    residual = np.sum((targets - predictions) ** 2, axis=1)
    return Detection(values, flagged, order, residual, predictions, float(l2))


def _score(score, features, targets, weights, l2, loss, valid):
    options = {
        "loss": loss,
        "validation_weights": valid,
        "trusted": score != "derivative",
    }
    if score == "relabel":
        moves = np.array(relabel_derivative(features, targets, weights, l2, **options))
        moves[targets > 0] = np.inf
        return -np.min(moves, axis=1)
    if score == "path":
        return _path_score(features, targets, weights, l2, valid)
    return np.asarray(assess(features, targets, weights, l2, **options).derivative)


def _path_score(features, targets, weights, l2, valid):
    """Mean over penalties and losses of standardised derivatives."""
    each = [
        assess(
            features,
            targets,
            weights,
            multiple * l2,
            loss=kind,
            validation_weights=valid,
            trusted=kind == "mse",
        ).derivative
        for multiple in PATH
        for kind in ("mse", "cross_entropy")
    ]
    return np.mean([g / np.std(g) for g in each], axis=0)
