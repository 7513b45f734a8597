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
"""

from typing import NamedTuple

import numpy as np
from scipy import linalg, optimize, special

from iclr22 import errors
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


class Hawkes(NamedTuple):
    """A fitted activity model: theta . h(x) is the expected count in the horizon."""

    theta: np.ndarray  # float64 [2 scales + 1]: self-excitation, start effect, base
    scales: np.ndarray  # float64 [scales], in horizons
    horizon: float  # in the unit of the log
    objective: float  # what the fit reached
    violation: float  # of the conditions of optimality, largest


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

    Requests with a finite time and at least one event count.

    Raises:
      errors.InputError: none is left.
    """
    kept = requests.select(given, np.isfinite(given.time) & (given.stop > given.start))
    times, indptr = user_times(kept, events)
    moments = hawkes_moments(times, indptr, kept.time, horizon, scales)
    theta, violation = minimise(moments, penalty)
    value = float(hawkes_objective(theta, moments, penalty))
    return Hawkes(theta, np.asarray(scales), float(horizon), value, violation)


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

    Raises:
      errors.InputError: no request; counts that are negative or of another number.
    """
    features = features_of(given, events, horizon, scales)
    theta, value, slope = minimise_poisson(features, counts, ridge)
    return Hawkes(theta, np.asarray(scales), float(horizon), value, slope)


def minimise_poisson(features, counts, ridge: float = RIDGE):
    """`(w, objective, largest slope)` of the mean Poisson loss of `features @ w`, with
    w = softplus(omega), by BFGS from omega = 0.

    Args:
      features: `[x, p]`, not negative.
      counts: `[x]`.
    """
    h, y = np.asarray(features, np.float64), np.asarray(counts, np.float64)
    if y.shape != (len(h),) or not len(y) or not (np.isfinite(y) & (y >= 0)).all():
        raise errors.InputError(
            f"expected a count of at least 0 for each of {len(h)} requests; found shape "
            f"{list(y.shape)}, least {y.min(initial=np.inf)}"
        )

    def objective(omega):
        w, slope = np.logaddexp(0, omega), special.expit(omega)
        mean = h @ w
        value = np.mean(mean - y * np.log(FLOOR + mean)) + ridge / 2 * (w @ w)
        gradient = h.T @ (1 - y / (FLOOR + mean)) / len(y) + ridge * w
        return value, gradient * slope

    start = np.zeros(h.shape[1])
    found = optimize.minimize(
        objective, start, jac=True, method="BFGS", options={"maxiter": 2000}
    )
    return np.logaddexp(0, found.x), float(found.fun), float(np.abs(found.jac).max())


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
