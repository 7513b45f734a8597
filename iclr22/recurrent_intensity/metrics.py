"""How good choices are: precision, recall, coverage, perplexity, calibration, lift.

Definitions are those of the released code of Ma, Liu and Deoras (ICLR 2022, OpenReview
TZeArecH2Nf). What it calls precision counts events: a target that occurs several times is
several hits, so events per recommendation pass 1 where people do the same again. The share
of recommendations that were right is `pair_precision`; without repeats both are equal.
"""

from typing import NamedTuple

import numpy as np
from scipy import sparse

from iclr22 import errors, numeric
from iclr22.recurrent_intensity import matching

OFF = 0.25  # of a total, from which on it is said


def perplexity(counts) -> float:
    """exp of the entropy of counts `[n]`: among how many equal ones they spread.

    0 if there is nothing to count.
    """
    counts = np.asarray(numeric.real(counts, "counts", finite=False), np.float64)
    counts = counts[counts > 0]
    if not len(counts):
        return 0.0
    q = counts / counts.sum()
    return float(np.exp(-np.sum(q * np.log(q))))


def plan_metrics(
    plan, targets, *, minimum: float = 0.0, task: str = "item"
) -> dict[str, float]:
    """Precision, in events and in pairs, recall, coverage, perplexity of an assignment.

    Args:
      plan: sparse `[x, y]`, 0/1 or probabilities.
      targets: sparse `[x, y]`, counts in the horizon.
      minimum: the least that the size of the plan counts as in precision, so that a plan
        that serves less than asked is not better for it: 0 for item and user
        recommendation, |Y| C for matching with upper bounds, |X| k with lower bounds.
      task: item, recall is the mean over users; user, over items.

    Returns:
      `precision` (events per assignment, the paper's), `pair_precision` (share of the
      assignments with an event, at most 1), `recall`, `item_coverage`, `user_coverage`
      (share of items and users with an assignment), `item_perplexity`, `user_perplexity`.

    Raises:
      errors.InputError: plan and targets differ in shape; an unknown task.
    """
    if task not in ("item", "user"):
        raise errors.nearest(task, ("item", "user"), "task")
    plan, targets = (sparse.csr_array(x, dtype=np.float64) for x in (plan, targets))
    if plan.shape != targets.shape:
        raise errors.InputError(
            f"expected plan and targets of one shape; found {plan.shape} and "
            f"{targets.shape}"
        )
    axis = 1 if task == "item" else 0
    hits = plan.multiply(targets)
    recall = hits.sum(axis) / np.maximum(1, targets.sum(axis))
    items, users = (np.asarray(plan.sum(a), np.float64) for a in (0, 1))
    size = max(plan.sum(), minimum, 1e-12)
    return {
        "precision": float(hits.sum() / size),
        "pair_precision": float(plan.multiply(targets > 0).sum() / size),
        "recall": float(np.mean(recall)),
        "item_coverage": float(np.mean(items > 0)),
        "user_coverage": float(np.mean(users > 0)),
        "item_perplexity": perplexity(items),
        "user_perplexity": perplexity(users),
    }


def item_metrics(columns, targets) -> dict[str, float]:
    """`plan_metrics` of items recommended to users, `[x, k]`; -1 is none."""
    plan = matching.as_plan(columns, targets.shape[1])
    return plan_metrics(plan, targets, task="item")


def user_metrics(rows, targets) -> dict[str, float]:
    """`plan_metrics` of users chosen for items, `[y, c]`; -1 is none."""
    plan = matching.as_plan(rows, targets.shape[0]).T
    return plan_metrics(plan, targets, task="user")


class Calibration(NamedTuple):
    """Predicted against realised counts, by bins of the prediction, lowest first."""

    count: np.ndarray  # int64 [bins], how many predictions
    predicted: np.ndarray  # [bins], mean
    realised: np.ndarray  # [bins], mean
    error: np.ndarray  # [bins], standard error of `realised`; nan for fewer than two


def calibration(expected, realised, bins: int = 10) -> Calibration:
    """Predicted `[n]` against realised `[n]` counts in equal bins of the prediction.

    Equal predictions fall into one bin, so bins may differ in size; empty ones are left
    out.

    Raises:
      errors.InputError: lengths differ, or a prediction is not a number.
    """
    expected, realised = _pair(expected, realised)
    values, group = np.unique(expected, return_inverse=True)
    count = np.bincount(group)
    sums, squares = (np.bincount(group, w) for w in (realised, realised**2))
    return _merged(count, values * count, sums, squares, bins)


def _pair(expected, realised):
    """Predictions and counts as float64 `[n]`."""
    expected, realised = (
        np.asarray(numeric.real(x, name, finite=False), np.float64)
        for x, name in ((expected, "expected"), (realised, "realised"))
    )
    if expected.shape != realised.shape or expected.ndim != 1 or not len(expected):
        raise errors.InputError(
            f"expected as many predictions as counts; found {expected.shape} and "
            f"{realised.shape}"
        )
    if np.isnan(expected).any():
        place = np.isnan(expected).argmax()
        raise errors.InputError(f"expected predictions; found nan in place {place}")
    return expected, realised


class Totals(NamedTuple):
    """Expected and realised events of users, and of the few with the most expected."""

    users: int
    expected: float
    realised: float
    top: int  # the few
    top_expected: float
    top_realised: float
    spread: float  # variance of realised counts over their mean, at least 1

    def is_off(self) -> bool:
        """Whether one of the two is further off than `is_off` grants."""
        few = is_off(self.top_expected, self.top_realised, self.spread)
        return few or is_off(self.expected, self.realised, self.spread)


def totals(expected, realised, share: float = 0.01) -> Totals:
    """Sums of expected `[n]` and realised `[n]` counts, and those of a share of the users
    with the most expected, at least one; ties share their counts.

    Raises:
      errors.InputError: as `calibration`.
    """
    expected, realised = _pair(expected, realised)
    top = max(1, round(share * len(expected)))
    least = np.sort(expected)[-top]
    sure, tied = expected > least, expected == least
    part = sure + tied * ((top - sure.sum()) / tied.sum())
    spread = realised.var() / max(realised.mean(), 1e-12)
    return Totals(
        users=len(expected),
        expected=float(expected.sum()),
        realised=float(realised.sum()),
        top=top,
        top_expected=float(part @ expected),
        top_realised=float(part @ realised),
        spread=max(1.0, float(spread)),
    )


def is_off(expected: float, realised: float, spread: float = 1.0) -> bool:
    """Whether a total is more than a quarter off, and by more than chance explains: twice
    the root of a count, times that of its spread (events of a user come together)."""
    chance = 2 * np.sqrt(spread * max(realised, 1.0))
    return abs(expected - realised) > max(OFF * realised, chance)


def _merged(count, predicted, realised, squared, bins):
    """Sums by groups of equal predictions, lowest first, put together to bins."""
    middle = (np.cumsum(count) - count / 2) / count.sum()
    group = np.minimum((middle * bins).astype(np.int64), bins - 1)
    n, predicted, realised, squared = (
        np.bincount(group, w, bins) for w in (count, predicted, realised, squared)
    )
    keep = n > 0
    n, predicted, realised = n[keep], predicted[keep], realised[keep]
    mean = realised / n
    spread = np.maximum(squared[keep] - n * mean**2, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        error = np.sqrt(np.where(n > 1, spread / (n - 1), np.nan) / n)
    return Calibration(n.astype(np.int64), predicted / n, mean, error)


class Gains(NamedTuple):
    """What contacting the best users first gains."""

    share: np.ndarray  # [points], of users contacted
    gained: np.ndarray  # [points], of all hits
    lift: np.ndarray  # [points], gained / share; 1 is contacting at random


def gains(scores_of_users, hits, points: int = 100) -> Gains:
    """Cumulative gains and lift of users `[n]` ranked by score; ties share their hits.

    Raises:
      errors.InputError: lengths differ, a score is NaN, or there is no hit.
    """
    s = np.asarray(numeric.real(scores_of_users, "scores", finite=False))
    hits = np.asarray(numeric.real(hits, "hits"), np.float64)
    if s.shape != hits.shape or s.ndim != 1 or np.isnan(s).any():
        raise errors.InputError(
            f"expected one score and number of hits per user; found shapes {s.shape} and "
            f"{hits.shape}, {np.isnan(s).sum()} scores of them nan"
        )
    if not hits.sum() > 0:
        raise errors.InputError("expected at least one hit; found none")
    _, group = np.unique(-s, return_inverse=True)
    users = np.append(0, np.cumsum(np.bincount(group))) / len(s)
    found = np.append(0, np.cumsum(np.bincount(group, hits))) / hits.sum()
    share = np.arange(1, points + 1) / points
    gained = np.interp(share, users, found)
    return Gains(share, gained, gained / share)
