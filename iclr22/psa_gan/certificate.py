"""A certificate for the release of synthetic windows: are they copies, do they betray who
was in the training data?

Two questions. Are synthetic windows nearer to training windows than other real ones are?
And can an attacker who has the synthetic windows alone tell training windows from others
(membership inference by the distance to the nearest synthetic window: Chen et al.,
"GAN-Leaks", CCS 2020)? Distances are root mean squares over the steps of a window.
"""

from typing import NamedTuple

import numpy as np

from iclr22 import checkpoint, errors, metrics

ENTRIES = 1 << 22  # distances at a time
REPEATS = 400  # of the bootstrap
FEWEST = 20  # windows of each kind


class Limits(NamedTuple):
    """What a release must keep."""

    median_ratio: float = (
        0.8  # nearest training window, synthetic over held-out: at least
    )
    low_ratio: float = 0.5  # the same of the 5 % quantiles: at least
    near_copies: float = 0.03  # nearer than 99 % of held-out windows are: at most
    auc: float = 0.55  # upper end of the interval of the attack: at most


class Certificate(NamedTuple):
    """What was measured, and whether it keeps the limits.

    Attributes:
      passed: all limits are kept.
      reasons: what is not kept, in words.
      real_median, synthetic_median: distance of held-out and of synthetic windows to the
        nearest training window, in units of the windows.
      median_ratio, low_ratio: synthetic over held-out, of medians and of 5 % quantiles.
      near_copies: share of synthetic windows that are nearer to a training window than
        99 % of the held-out ones; of independent windows it is .01.
      auc: of the attack; .5 is a guess.
      auc_low, auc_high: its interval of 95 %, from resampled windows.
      train, holdout, synthetic: numbers of windows.
      length: values of a window.
      seed: of the resampling.
    """

    passed: bool
    reasons: tuple[str, ...]
    real_median: float
    synthetic_median: float
    median_ratio: float
    low_ratio: float
    near_copies: float
    auc: float
    auc_low: float
    auc_high: float
    train: int
    holdout: int
    synthetic: int
    length: int
    seed: int
    limits: Limits

    def write(self, path) -> None:
        """As JSON, limits included, atomically."""
        found = self._asdict() | {"limits": self.limits._asdict()}
        checkpoint.write_json(path, found)


def certify(
    train, holdout, synthetic, *, seed: int = 0, limits: Limits | None = None
) -> Certificate:
    """Measure how near synthetic windows are to those that the generator learned from.

    Held-out windows must be like the training windows: of the same series and time of
    year, drawn alike, but unseen, without overlap. Where they differ otherwise the attack
    succeeds whatever the generator does. A copy that is shifted in time or level is no
    near copy here.

    Args:
      train: windows `[n, t]` that the generator was trained on.
      holdout: real windows `[m, t]` that it was not.
      synthetic: its windows `[k, t]`, in the same units.
      seed: of the bootstrap.

    Raises:
      errors.InputError: other shapes, fewer than 20 windows of a kind, values that are not
        finite, or held-out windows that are training windows.
    """
    limits = limits or Limits()
    train, holdout, synthetic = _checked(train, holdout, synthetic)
    real = nearest(holdout, train)
    if np.median(real) == 0:
        raise errors.InputError(
            "expected held-out windows that are not in the training data; found that most "
            "of them are. Hold out other places or series."
        )
    made = nearest(synthetic, train)
    scores = -nearest(train, synthetic), -nearest(holdout, synthetic)
    low, high = _interval(*scores, seed)
    quantiles = np.quantile(made, 0.05), np.quantile(real, 0.05)
    found = {
        "real_median": float(np.median(real)),
        "synthetic_median": float(np.median(made)),
        "median_ratio": float(np.median(made) / np.median(real)),
        "low_ratio": float(quantiles[0] / max(quantiles[1], 1e-12)),
        "near_copies": float(np.mean(made < np.quantile(real, 0.01))),
        "auc": auc(*scores),
        "auc_low": low,
        "auc_high": high,
    }
    reasons = _reasons(found, limits)
    return Certificate(
        passed=not reasons,
        reasons=reasons,
        **found,
        train=len(train),
        holdout=len(holdout),
        synthetic=len(synthetic),
        length=train.shape[1],
        seed=seed,
        limits=limits,
    )


def _reasons(found, limits) -> tuple[str, ...]:
    said = []
    for name, what in (
        (
            "median_ratio",
            "the median distance to training windows, over that of held-out",
        ),
        ("low_ratio", "the 5 % quantile of it"),
    ):
        if not found[name] >= getattr(limits, name):
            said.append(
                f"{what}: expected {getattr(limits, name):g} at least; found "
                f"{found[name]:.3f}"
            )
    for name, what, limit in (
        ("near_copies", "share of near copies", limits.near_copies),
        ("auc_high", "upper end of the membership attack's AUC", limits.auc),
    ):
        if not found[name] <= limit:
            said.append(f"{what}: expected {limit:g} at most; found {found[name]:.3f}")
    return tuple(said)


def nearest(a, b) -> np.ndarray:
    """Root mean square difference `[n]` of windows `a [n, t]` to the nearest of `b [m, t]`,
    a chunk of `a` at a time."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    middle = b.mean(axis=0)  # less is lost in the difference of squares
    a, b = a - middle, b - middle
    squares = np.sum(b**2, axis=1)
    size = max(1, ENTRIES // len(b))
    found = np.empty(len(a))
    for low in range(0, len(a), size):
        part = a[low : low + size]
        best = np.argmin(squares - 2 * part @ b.T, axis=1)
        found[low : low + size] = np.mean((part - b[best]) ** 2, axis=1)
    return np.sqrt(found)


def auc(members, others) -> float:
    """Chance that the score of a member is above that of another; ties count half."""
    scores = np.concatenate([members, others])
    return metrics.auc(scores, np.arange(len(scores)) < len(members))


def _interval(members, others, seed) -> tuple[float, float]:
    """Percentiles 2.5 and 97.5 of the AUC of resampled windows."""
    random = np.random.default_rng(seed)
    found = [
        auc(*(random.choice(x, len(x)) for x in (members, others)))
        for _ in range(REPEATS)
    ]
    low, high = np.quantile(found, [0.025, 0.975])
    return float(low), float(high)


def _checked(*given):
    names = "training", "held-out", "synthetic"
    given = [np.asarray(x, np.float64) for x in given]
    for name, x in zip(names, given, strict=True):
        if x.ndim != 2 or x.shape[1] != given[0].shape[-1] or len(x) < FEWEST:
            raise errors.InputError(
                f"{name} windows: expected {FEWEST} at least, of one length; found shape "
                f"{list(x.shape)}, training windows {list(given[0].shape)}"
            )
        if not np.isfinite(x).all():
            raise errors.InputError(
                f"{name} windows: expected finite values; found others. Leave windows "
                "with missing values out."
            )
    return given
