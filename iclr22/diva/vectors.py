"""Wrong labels of vectors of any scale: what to rank them by is decided by the data."""

from typing import NamedTuple

import numpy as np

from iclr22 import numeric
from iclr22.diva import maps
from iclr22.diva.detection import Detection, detect

LARGEST = 3 * 10**7  # examples x columns x classes of a logistic regression


class Ranking(NamedTuple):
    """A detection, and the features `[n, m]` that weights may be fitted on."""

    detection: Detection
    features: np.ndarray


def rank_vectors(
    x, targets, *, score: str | None = None, seed: int = 0, size: int = 1024
) -> Ranking:
    """`detect` for vectors as users have them: standardised, on what predicts best.

    Classes are ranked by the model that predicts given labels best where it has not seen
    them (`log_loss`): ridge regression on random ReLU features or on the vectors, or
    logistic regression on the vectors, which alone has a class between two others (grades,
    ages) without many examples.

    Args:
      x: `[n, d]`, any units; a constant is added.
      targets: as in `detect`; score: the same; with one given there is no choice.
      size: number of random features.

    Raises:
      errors.InputError: as `detect`.
    """
    x = numeric.real(x, "x", ndim=2)
    return rank_scaled(maps.scaling_of(x)(x), targets, score, seed, size)


def rank_scaled(inputs, targets, score=None, seed: int = 0, size: int = 1024):
    """`rank_vectors` of vectors that are scaled already."""
    features = maps.best(inputs, targets, seed, size)(inputs)
    found = detect(features, targets, score=score)
    small = inputs.size * np.shape(targets)[1] <= LARGEST
    if found.suggested is not None and score in (None, "consensus") and small:
        linear = maps.pixels(inputs)(inputs)
        other = detect(linear, targets, score="confidence")
        if other.log_loss < found.log_loss:
            found = other
    return Ranking(found, features)
