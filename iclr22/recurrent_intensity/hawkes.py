"""Activity lambda(x) by Hawkes processes: exact fits from closed-form moments.

A user's time tau is in horizons from his first event, which is a source of its own; his
other events excite each other (section 3.3 of Ma, Liu and Deoras, ICLR 2022, OpenReview
TZeArecH2Nf, and the released code):

  lambda(tau) = mu + sum_u a_u sum_{tau_k < tau} b_u exp(-b_u (tau - tau_k))
                   + sum_u s_u b_u exp(-b_u tau),     b_u = 1 / scale_u, all >= 0.

The penalised least-squares objective is a quadratic in (a, s, mu) whose matrix needs one
pass over the events. Simultaneous events do not excite each other, but both count in the
integral; the solver of the released code leaves out the product of the two there, so its
kernels differ on logs with ties.

What is predicted is the count of a whole horizon, of which the intensity at T says little:
right after an event the fastest kernels alone are a million. The mean of the process over
the horizon is linear in the same features h(x), so both models are weights of h(x).
"""

from typing import NamedTuple

import numpy as np
from absl import logging
from scipy import linalg, optimize

from iclr22 import errors, numeric
from iclr22.recurrent_intensity import requests
from iclr22.recurrent_intensity.moments import (
    SCALES,
    Moments,
    features_of,
    hawkes_moments,
    user_times,
)

PENALTY = 1e3  # C of the least-squares fit; its ridge is 1 / (2 C)
RIDGE = 1e-3  # of the Poisson fit
FLOOR = 1e-10  # in the logarithm of the Poisson fit
UNSEEN = 0.5  # events that a window without any counts as
FACTORS = 0.1, 10.0  # by which a calibration may scale a process that needs a base, too
EXPLOSION = 1e3  # events in a horizon for one: a kernel that gives more is tamed
STABLE = 0.99  # events that an event of a tamed kernel causes at once
STEPS = 200  # of Newton's method, at most; a dozen are usual


class Hawkes(NamedTuple):
    """A fitted activity model: `min(h(x), ceiling) @ weights` events are expected, at most
    `most`."""

    theta: np.ndarray  # float64 [2 scales + 1]: self-excitation, start effect, base
    scales: np.ndarray  # float64 [scales], in horizons
    horizon: float  # in the unit of the log
    objective: float  # what the fit reached
    violation: float  # of the conditions of optimality, largest
    weights: np.ndarray  # float64 [2 scales + 1], events in the horizon
    ceiling: np.ndarray  # float64 [2 scales + 1], largest h(x) that the weights are for
    most: float = np.inf  # expected of one request at most


def hawkes_objective(theta, moments: Moments, penalty: float = PENALTY):
    """J(theta): mean contrast and ridge; of JAX or NumPy arrays."""
    quadratic = theta @ moments.gram @ theta - 2 * (moments.linear @ theta)
    return quadratic / moments.count + (theta @ theta) / (2 * penalty)


def minimise(moments: Moments, penalty: float = PENALTY):
    """The non-negative minimiser of J, exactly, and the largest violation of optimality
    (relative to the linear term)."""
    matrix = moments.gram / moments.count + np.eye(len(moments.linear)) / (2 * penalty)
    linear = moments.linear / moments.count
    scale = 1 / np.sqrt(np.diag(matrix))
    factor = linalg.cholesky(scale[:, None] * matrix * scale, lower=True)
    wanted = linalg.solve_triangular(factor, scale * linear, lower=True)
    theta = scale * optimize.nnls(factor.T, wanted, maxiter=100 * len(scale))[0]
    gradient = scale * (matrix @ theta - linear)
    violation = np.where(theta > 0, np.abs(gradient), np.maximum(-gradient, 0)).max()
    return theta, float(violation / max(np.abs(scale * linear).max(), 1e-300))


def fit_hawkes(
    given: requests.Requests,
    events,
    horizon: float,
    *,
    scales=SCALES,
    penalty: float = PENALTY,
) -> Hawkes:
    """The process that explains the histories of requests best in least squares.

    Requests with a finite time and at least one event count. Users who differ look like
    one who excites himself: totals need `calibrate`.

    Raises:
      errors.InputError: none is left.
    """
    kept = requests.select(given, np.isfinite(given.time) & (given.stop > given.start))
    times, indptr = user_times(kept, events)
    scales = np.asarray(numeric.real(scales, "scales", ndim=1), np.float64)
    moments = hawkes_moments(times, indptr, kept.time, horizon, scales)
    theta, violation = minimise(moments, penalty)
    value = float(hawkes_objective(theta, moments, penalty))
    weights = horizon_weights(theta, scales)
    ceiling = np.full(len(theta), np.inf)
    return Hawkes(theta, scales, float(horizon), value, violation, weights, ceiling)


def horizon_weights(theta, scales) -> np.ndarray:
    """Weights of h(x) `[2 scales + 1]` that give the expected count in the horizon.

    The means of the decayed sums y obey dy/dt = -b y + b lambda, and lambda is linear in
    them: one matrix exponential. Kernels that explode within a horizon, as those of users
    who differ can seem to, are scaled down to barely stable ones.
    """
    theta = np.array(theta, np.float64)
    found = _horizon_weights(theta, scales)
    if not (found <= EXPLOSION).all():
        theta[: len(scales)] *= STABLE / theta[: len(scales)].sum()
        found = _horizon_weights(theta, scales)
    return found


def _horizon_weights(theta, scales):
    active = np.flatnonzero(theta[:-1] > 0)
    k, excited = len(active), active < len(scales)
    decay = np.tile(1 / np.asarray(scales), 2)[active]
    gain = theta[np.append(active, len(theta) - 1)]
    system = np.zeros((k + 2, k + 2))  # sums, then the constant 1, then the count
    system[:k, :k] = -np.diag(decay)
    system[:k, : k + 1] += np.where(excited, decay, 0)[:, None] * gain
    system[k + 1, : k + 1] = gain
    found = np.zeros(len(theta))
    with np.errstate(over="ignore", invalid="ignore"):
        row = linalg.expm(system)[k + 1]
    # Rounding of an exponential of 1e6 must not make a weight negative.
    found[active], found[-1] = np.fmax(row[:k], 0), row[k]
    found[:-1][active[~np.isfinite(row[:k])]] = np.inf
    return found


def calibrate(model: Hawkes, given: requests.Requests, events, counts) -> Hawkes:
    """The model times a factor, and a base where it has too little of one, so that all
    requests together expect their counts `[x]`: a Poisson fit of these two numbers.

    A process fitted to users who differ ranks them, but its total can be off by a half; if
    few users have most events, it expects nothing of the others. Of nobody is more
    expected than twice the largest count.
    """
    if not len(given.user):
        logging.warning("no user had an event before the last horizon: not calibrated")
        return model
    counts = _some(counts, len(given.user), model.horizon)
    expected = expected_events(model, given, events)
    total, sum_ = counts.sum(), expected.sum()
    factor = 1.0  # of which requests that expect nothing say nothing
    if sum_ >= 1:
        columns = np.stack([np.ones(len(expected)), expected], axis=1)
        factor = np.clip(minimise_poisson(columns, counts, 0.0)[0][1], *FACTORS)
    base = (total - factor * sum_) / len(counts)
    if base <= RIDGE * total / len(counts):
        base, factor = 0.0, total / sum_
    weights = factor * model.weights
    weights[-1] += base
    return model._replace(weights=weights, most=_most(counts))


def _most(counts) -> float:
    """What is expected of one at most: twice the largest count, which holds by itself
    where a later log is like the calibrated one."""
    return 2 * max(float(counts.max()), 1.0)


def expected_events(model: Hawkes, given: requests.Requests, events) -> np.ndarray:
    """Expected counts in the horizon of requests `[x]`."""
    features = features_of(given, events, model.horizon, model.scales)
    return np.minimum(np.minimum(features, model.ceiling) @ model.weights, model.most)


def fit_hawkes_poisson(
    given: requests.Requests,
    events,
    horizon: float,
    counts,
    *,
    scales=SCALES,
    ridge: float = RIDGE,
) -> Hawkes:
    """Weights of the same features that explain counts `[x]` in the horizon of requests,
    by Poisson regression: expected counts, calibrated to that window.

    Columns are in events: each kernel is integrated over the horizon, so that an event of
    any age is 1 at most in each. (The ridge of the released code is on columns up to 1e6:
    weights of the fastest ones cost nothing there, and a buyer of the last second would
    be expected to buy thousands of times.) Later requests count as no more extreme, in
    any column, than those of the fit.

    Raises:
      errors.InputError: no request; counts that are negative or of another number.
    """
    counts = _some(counts, len(given.user), horizon)
    scales = np.asarray(numeric.real(scales, "scales", ndim=1), np.float64)
    features = features_of(given, events, horizon, scales)
    unit = np.append(np.tile(-scales * np.expm1(-1 / scales), 2), 1.0)
    weights, value, slope = minimise_poisson(features * unit, counts, ridge)
    weights = weights * unit
    ceiling = features.max(axis=0)
    most = _most(counts)
    return Hawkes(weights, scales, float(horizon), value, slope, weights, ceiling, most)


def _some(counts, number, horizon) -> np.ndarray:
    """The counts; UNSEEN events spread over all requests where there is none."""
    counts = _check_counts(counts, number)
    if counts.any():
        return counts
    logging.warning(
        "no event in a horizon of %.6g by users who had one before: how many are to be "
        "expected can only be guessed; choose a longer horizon",
        horizon,
    )
    return np.full(number, UNSEEN / number)


def _check_counts(counts, number) -> np.ndarray:
    y = np.asarray(numeric.real(counts, "counts", finite=False), np.float64)
    if y.shape != (number,) or not number or not (np.isfinite(y) & (y >= 0)).all():
        raise errors.InputError(
            f"expected a count of at least 0 for each of {number} requests; found shape "
            f"{list(y.shape)}, least {y.min(initial=np.inf)}. (Without requests no user "
            "had an event before the last horizon: choose a shorter one.)"
        )
    return y


def minimise_poisson(features, counts, ridge: float = RIDGE):
    """`(w, objective, violation)` of the mean Poisson loss of `features @ w` and a ridge,
    w >= 0: exactly, by Newton steps that are non-negative least squares each.

    Args:
      features: `[x, p]`, not negative.
      counts: `[x]`.
    """
    h = np.asarray(numeric.real(features, "features", ndim=2), np.float64)
    y = _check_counts(counts, len(h))

    def loss(w):
        mean = h @ w
        return np.mean(mean - y * np.log(FLOOR + mean)) + ridge / 2 * (w @ w)

    def slope(w):
        return h.T @ (1 - y / (FLOOR + h @ w)) / len(y) + ridge * w

    w = np.full(h.shape[1], max(y.mean(), 1e-3) / max(h.sum() / len(h), 1e-3))
    value = loss(w)
    for _ in range(STEPS):
        gradient = slope(w)
        free = (w > 0) | (gradient < 0)
        if _violation(w, gradient) < 1e-12 or not free.any():
            break
        step = np.zeros_like(w)
        step[free] = _newton(h[:, free], y, w[free], gradient[free], ridge, h @ w)
        size = 1.0
        while not loss(w + size * step) <= value + 1e-4 * size * (gradient @ step):
            size /= 2
            if size < 1e-12:
                return w, float(value), _violation(w, gradient)
        w = np.maximum(w + size * step, 0)
        value = loss(w)
    return w, float(value), _violation(w, slope(w))


def _violation(w, gradient) -> float:
    return float(np.where(w > 0, np.abs(gradient), np.maximum(-gradient, 0)).max())


def _newton(h, y, w, gradient, ridge, mean):
    """The step to the non-negative minimiser of the loss's quadratic at w."""
    curved = (h.T * (y / (FLOOR + mean) ** 2 / len(y))) @ h + ridge * np.eye(len(w))
    scale = 1 / np.sqrt(np.maximum(np.diag(curved), 1e-300))
    matrix = scale[:, None] * curved * scale + 1e-13 * np.eye(len(w))
    factor = linalg.cholesky(matrix, lower=True)
    wanted = scale * (curved @ w - gradient)
    wanted = linalg.solve_triangular(factor, wanted, lower=True)
    return scale * optimize.nnls(factor.T, wanted, maxiter=100 * len(w))[0] - w


def kernel_table(model: Hawkes) -> list[dict]:
    """Per scale (in horizons): events that an event causes (`excitation`) and that follow
    the first one (`start`)."""
    p = len(model.scales)
    return [
        {"scale": float(s), "excitation": float(a), "start": float(b)}
        for s, a, b in zip(
            model.scales, model.theta[:p], model.theta[p:-1], strict=True
        )
    ]
