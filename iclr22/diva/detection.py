"""Examples that hurt, by the dataset derivative (arXiv:2111.09785, section 5)."""

from typing import NamedTuple

import numpy as np

from iclr22 import errors, numeric
from iclr22.diva import checks, logistic
from iclr22.diva.closed_form import assess, leave_one_out, relabel_derivative
from iclr22.diva.penalty import choose_l2

DETECTION_L2 = 30.0  # detection wants a stiffer model than prediction does
PATH = (1.0, 3.0, 10.0, 30.0)  # multiples of the best penalty for the path score
SCORES = (
    "consensus",
    "confidence",
    "residual",
    "derivative",
    "trusted",
    "path",
    "relabel",
)
CLASSES = ("consensus", "confidence", "relabel")  # scores that need targets of classes
TYPICAL = 0.1  # smallest prediction that counts as typical of a class
OUTLYING = 3.0  # robust standard deviations at which a residual is flagged


class Detection(NamedTuple):
    """Result of `detect`; all arrays `[n]` unless said otherwise.

    Attributes:
      score: what the ranking is by, higher means more harmful.
      flagged: True where the score exceeds the threshold; with `consensus` and
        `confidence` only where also another class is suggested.
      suggested: `[n]`, the class that the model without an example predicts, each class
        measured by what is typical of it (`suggest`); None where targets are no classes.
      order: indices from most to least harmful.
      residual: squared norm of the leave-one-out residual.
      predictions: `[n, k]`, leave-one-out predictions.
      l2: the penalty used.
      log_loss: mean negative logarithm of the probability of the given labels without the
        example, which says what of several features to believe; NaN where targets are no
        classes.
    """

    score: np.ndarray
    flagged: np.ndarray
    suggested: np.ndarray | None
    order: np.ndarray
    residual: np.ndarray
    predictions: np.ndarray
    l2: float
    log_loss: float


def detect(
    features,
    targets,
    weights=None,
    *,
    score=None,
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
      features: `[n, p]`, with a constant column and columns of comparable scale
        (`diva.rank_vectors` for others); targets: `[n, k]`, one-hot rows for classes, columns
        of numbers for regression; weights: `[n]`, ones by default.
      score: what to rank by; by default `consensus` for classes, else `residual`.
        `consensus`: by how much the model without the example prefers another class, each
          class measured by what is typical of it, and by how much all others would be
          predicted better if the example moved there (`relabel`); each divided by its
          standard deviation, added. Ranks best on the data of the study, and rare
          classes are not taken for wrong ones.
        `confidence`: a half less the probability of the given class by logistic
          regression in five folds, which unlike ridge regression can have a class between
          two others; for hundreds of columns, not thousands.
        `residual`: norm of the leave-one-out residual in robust standard deviations,
          less 3. For numbers as targets: there the derivative says which way the others
          pull, not how far off an example is.
        `derivative`: the paper's, at one penalty.
        `trusted`: the same once more, validated only on examples whose derivative was
          not positive, since wrong labels make bad judges.
        `path`: averaged, standardised, over penalties from the one that predicts best
          to 30 times it and over two losses, `trusted` squared error and
          cross-entropy (`huber` where targets are no classes).
        `relabel`: the best improvement by moving the example to another class, trusted
          as above (`relabel_derivative`); flags too many at zero.
      l2: penalty (for `path` the smallest one). By default the one that
        predicts best (`choose_l2`), times 30 for `derivative` and `trusted`: a stiffer
        model is harder for a wrong label to bend.
      loss: as in `derivative`; by default `mse`, for `relabel` and `consensus`
        `cross_entropy`. Not used by `path` and `residual`.
      threshold: scores above it are flagged (the paper's epsilon).
      top_fraction: flag this share of the data instead, whatever its score.
      validation_weights: `[n]`, as in `derivative`.

    Raises:
      errors.InputError: as `derivative`; a score of classes on other targets.
    """
    features = checks.examples(features)
    targets = np.asarray(numeric.real(targets, "targets"))
    checks.check_targets(targets, len(features))
    labels = checks.labels_of(targets)
    if score is None:
        score = "residual" if labels is None else "consensus"
    if score not in SCORES:
        raise errors.nearest(score, SCORES, "score")
    if score in CLASSES and labels is None:
        raise errors.InputError(
            f"score={score!r} needs one-hot targets of two or more classes; found "
            f"{np.shape(targets)} with other numbers. Use diva.one_hot, or "
            "score='residual' for numbers."
        )
    n = len(features)
    weights = checks.row_weights(weights, n)
    valid = checks.row_weights(validation_weights, n, "validation_weights")
    loss = loss or ("cross_entropy" if score in CLASSES else "mse")
    if l2 is None:
        l2 = choose_l2(features, targets, weights, validation_weights=valid).l2
        l2 *= DETECTION_L2 if score in ("derivative", "trusted") else 1.0
    if score == "confidence":
        predictions = logistic.cross_validated(features, labels, targets.shape[1])
    else:
        predictions = np.asarray(leave_one_out(features, targets, weights, l2))
    residual = np.sum((targets - predictions) ** 2, axis=1)
    values = _score(score, features, targets, weights, l2, loss, valid)
    values = _with_predictions(score, values, predictions, residual, labels)
    suggested, log_loss = _read(score, predictions, labels)
    order = np.argsort(-values, kind="stable")
    flagged = values > threshold
    if score in ("consensus", "confidence"):
        flagged &= suggested != labels
    if top_fraction is not None:
        flagged = np.zeros(n, bool)
        flagged[order[: round(top_fraction * n)]] = True
    return Detection(
        values, flagged, suggested, order, residual, predictions, float(l2), log_loss
    )


def _with_predictions(score, values, predictions, residual, labels):
    """The scores that are about predictions, alone or in part; others as they are."""
    if score == "residual":
        return _standing_out(np.sqrt(residual))
    if score == "confidence":
        return 0.5 - predictions[np.arange(len(labels)), labels]
    if score == "consensus":
        return _scaled(values) + _scaled(_margin(predictions, labels))
    return values


def _read(score, predictions, labels):
    """Suggested classes and the log loss of the given ones, where there are classes."""
    if labels is None:
        return None, float("nan")
    loss = logistic.log_loss if score == "confidence" else logistic.calibrated_loss
    return suggest(predictions, labels), loss(predictions, labels)


def suggest(predictions, labels) -> np.ndarray:
    """Classes `[n]`: of the largest prediction, in units of what is typical of a class.

    What is typical of a class is the mean leave-one-out prediction of it over the examples
    labelled so: a threshold per class, after confident learning (Northcutt et al., JAIR
    2021). Without, examples of a class of 5 % are nearly all taken for another.

    Args:
      predictions: `[n, k]`, leave-one-out; labels: `[n]`, given.
    """
    return np.argmax(_in_units_of_class(predictions, labels), axis=1)


def _in_units_of_class(predictions, labels):
    k = predictions.shape[1]
    own = predictions[np.arange(len(labels)), labels]
    count = np.maximum(np.bincount(labels, minlength=k), 1)
    typical = np.bincount(labels, weights=own, minlength=k) / count
    return predictions / np.maximum(typical, TYPICAL * np.abs(predictions).max())


def _margin(predictions, labels):
    """How far the best other class is above the given one, `[n]`."""
    values = _in_units_of_class(predictions, labels)
    rows = np.arange(len(labels))
    own = values[rows, labels].copy()
    values[rows, labels] = -np.inf
    return np.max(values, axis=1) - own


def _standing_out(size):
    """Sizes `[n]` in robust standard deviations, 0 where it is `OUTLYING` of them."""
    spread = 1.4826 * np.median(size)
    if not spread > 1e-12 * np.max(size, initial=0.0):
        spread = float(np.mean(size)) or 1.0  # most are predicted exactly
    return size / spread - OUTLYING


def _scaled(values):
    """Values with standard deviation 1; zeros where they are all the same."""
    spread = np.std(values)
    return values / spread if spread > 0 else np.zeros_like(values)


def _score(score, features, targets, weights, l2, loss, valid):
    options = {
        "loss": loss,
        "validation_weights": valid,
        "trusted": score != "derivative",
    }
    if score in ("residual", "confidence"):
        return np.zeros(len(targets))  # they are about predictions
    if score in CLASSES:
        moves = np.array(relabel_derivative(features, targets, weights, l2, **options))
        moves[targets > 0] = np.inf
        return -np.min(moves, axis=1)
    if score == "path":
        return _path_score(features, targets, weights, l2, valid)
    return np.asarray(assess(features, targets, weights, l2, **options).derivative)


def _path_score(features, targets, weights, l2, valid):
    """Mean over penalties and losses of standardised derivatives."""
    other = "huber" if checks.labels_of(targets) is None else "cross_entropy"
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
        for kind in ("mse", other)
    ]
    return np.mean([_scaled(np.asarray(g)) for g in each], axis=0)
