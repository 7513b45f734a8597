"""Weights of examples, of sources and of augmentations by the dataset derivative.

Source: arXiv:2111.09785, section 5.
"""

from typing import NamedTuple

import numpy as np

from iclr22 import errors, numeric
from iclr22.diva import checks
from iclr22.diva.closed_form import assess, derivative


class Reweighting(NamedTuple):
    """Result of `reweight`: weights `[n]`, the trail of them and its losses.

    Attributes:
      weights: the chosen weights.
      trail: `[steps + 1, n]`, weights after each step, the start first.
      losses: `[steps + 1]`, leave-one-out loss at each of them.
    """

    weights: np.ndarray
    trail: np.ndarray
    losses: np.ndarray


def reweight(
    features,
    targets,
    weights=None,
    *,
    l2,
    loss="mse",
    steps=1,
    step_size=0.5,
    rule="std",
    max_weight=3.0,
    renormalise=False,
    keep_best=True,
    halve=True,
    validation_weights=None,
) -> Reweighting:
    """Gradient steps on the weights, down the leave-one-out loss.

    One step is the safe default: the loss is an unbiased estimate only at the start.
    More steps zig-zag and over-fit it (ten steps raise the test error on digits), so
    each further step is halved and the iterate with the least loss is kept.

    Args:
      rule: `std` divides the derivative by its standard deviation at the start, so that
        `step_size` is in units of typical weights; `raw` is the paper's plain step
        (0.1 there), whose effect depends on the scale of the loss.
      max_weight: upper clip of the weights; the lower is 0.
      renormalise: rescale to the initial sum of weights after every step.
      keep_best: return the iterate with the smallest leave-one-out loss, not the last.
      halve: halve the step size after each step.
      The rest as in `derivative`.
    """
    if rule not in ("std", "raw"):
        raise errors.nearest(rule, ("std", "raw"), "rule")
    features = checks.examples(features)
    weights = np.asarray(checks.row_weights(weights, len(features)), float)
    valid = checks.row_weights(validation_weights, len(features), "validation_weights")
    options = {"loss": loss, "validation_weights": valid}
    now = assess(features, targets, weights, l2, **options)
    scale = float(np.std(now.derivative)) if rule == "std" else 1.0
    if scale == 0:
        raise errors.InputError(
            "the derivative is constant: there is nothing to reweight"
        )
    trail, losses = [weights], [float(now.loss)]
    for step in range(steps):
        size = step_size * 0.5**step if halve else step_size
        moved = np.clip(trail[-1] - size * now.derivative / scale, 0, max_weight)
        if renormalise:
            moved *= weights.sum() / moved.sum()
        now = assess(features, targets, moved, l2, **options)
        trail.append(moved)
        losses.append(float(now.loss))
    # The first step is taken on trust; later ones must lower the loss.
    best = 1 + int(np.argmin(losses[1:])) if keep_best and steps else steps
    return Reweighting(trail[best], np.stack(trail), np.asarray(losses))


def aggregate(
    features,
    targets,
    sources,
    *,
    l2,
    loss="mse",
    step_size=1.0,
    max_weight=3.0,
    validation_weights=None,
):
    """Weight several sources of data against each other.

    All examples of a source share one weight; its derivative is the sum of theirs.

    Args:
      sources: `[n]` source ids; the rest as in `reweight`.

    Returns:
      `(ids [s], weights [s], derivatives [s])`: one step from weights of 1, sized so that
      the source with the steepest derivative per example moves by `step_size`; a weight
      of 0 means "leave this source out". Derivatives are sums over each source.
    """
    features = checks.examples(features)
    ids, member = _groups(sources, len(features), "sources")
    if len(ids) < 2:
        raise errors.InputError(f"expected at least two sources; found {ids.tolist()}")
    g = derivative(
        features,
        targets,
        np.ones(len(features)),
        l2,
        loss=loss,
        validation_weights=validation_weights,
    )
    total = np.bincount(member, weights=g)
    mean = total / np.bincount(member)
    weights = np.clip(1 - step_size * mean / np.abs(mean).max(), 0, max_weight)
    return ids, weights, total


def augmentation_probabilities(weights, transforms):
    """Share of the total weight on each transform, `(ids [t], probabilities [t])`.

    Build the set as the originals plus one transformed copy for each transform,
    reweight it, then sample augmentations with these probabilities (section 5.4).
    """
    weights = numeric.real(weights, "weights", ndim=1)
    ids, member = _groups(transforms, len(weights), "transforms")
    total = np.bincount(member, weights=weights)
    if weights.min() < 0 or not total.sum() > 0:
        raise errors.InputError(
            "expected weights of 0 and more, not all of them 0; found a smallest of "
            f"{weights.min()} and a sum of {total.sum()}"
        )
    return ids, total / total.sum()


def _groups(ids, n: int, what: str):
    """`(sorted ids, position of each row's)` of ids `[n]` of any type."""
    ids = np.asarray(ids)
    if ids.shape != (n,):
        raise errors.InputError(
            f"expected {what} [n] with n = {n}, one per row; found {ids.shape}"
        )
    return np.unique(ids, return_inverse=True)
