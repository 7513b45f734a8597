"""Activity lambda(x) by Hawkes processes: exact fits from closed-form moments.

A user's time tau is in horizons from his first event, which is a source of its own; his
other events excite each other (section 3.3 of Ma, Liu and Deoras, ICLR 2022, OpenReview
TZeArecH2Nf, and the released code):

  lambda(tau) = mu + sum_u a_u sum_{tau_k < tau} b_u exp(-b_u (tau - tau_k))
                   + sum_u s_u b_u exp(-b_u tau),     b_u = 1 / scale_u, all >= 0.

The penalised least-squares objective is a quadratic in (a, s, mu) whose matrix needs one
pass over the events. Simultaneous events do not excite each other.
"""

from typing import NamedTuple

import numpy as np
from scipy import linalg, optimize, special

from iclr22 import errors
from iclr22.data.events import ranges
from iclr22.recurrent_intensity import requests

SCALES = tuple(np.geomspace(1e-6, 10, 50))  # of decay, in horizons
PENALTY = 1e3  # C of the least-squares fit; its ridge is 1 / (2 C)
RIDGE = 1e-3  # of the Poisson fit
FLOOR = 1e-10  # in the logarithm of the Poisson fit
USERS = 1 << 15  # whose states are held at once


class Hawkes(NamedTuple):
    """A fitted activity model: theta . h(x) is the expected count in the horizon."""

    theta: np.ndarray  # float64 [2 scales + 1]: self-excitation, start effect, base
    scales: np.ndarray  # float64 [scales], in horizons
    horizon: float  # in the unit of the log
    objective: float  # what the fit reached
    violation: float  # of the conditions of optimality, largest


class Moments(NamedTuple):
    """All that the least-squares objective needs of the data."""

    gram: np.ndarray  # [p, p], sum over users of the integral of h h'
    linear: np.ndarray  # [p], sum over events of h
    count: int  # M: events, and the end of every user


# Histories


def user_times(given: requests.Requests, events):
    """Histories as `times [n]` with `indptr [x + 1]`, in the unit of the log."""
    _, places = ranges(given.start, given.stop)
    indptr = np.concatenate([[0], np.cumsum(given.stop - given.start)])
    return events.time[places], indptr


def _check(times, indptr, end, horizon, scales):
    times, indptr = np.asarray(times, np.float64), np.asarray(indptr, np.int64)
    end, scales = np.asarray(end, np.float64), np.asarray(scales, np.float64)
    if not (np.isfinite(horizon) and horizon > 0) or not (scales > 0).all():
        raise errors.InputError(
            f"expected a horizon and scales above 0; found {horizon} and "
            f"{scales.min(initial=np.inf)}"
        )
    if len(indptr) != len(end) + 1 or indptr[-1] != len(times):
        raise errors.InputError(
            f"expected an end per history and all times in one; found {len(indptr) - 1} "
            f"histories of {indptr[-1]} events, {len(end)} ends, {len(times)} times"
        )
    if not np.isfinite(times).all() or np.isnan(end).any():
        raise errors.InputError("expected times and ends; found NaN or infinite times")
    row = np.repeat(np.arange(len(end)), np.diff(indptr))
    back = np.flatnonzero((np.diff(times) < 0) & (np.diff(row) == 0))
    late = np.flatnonzero(times > end[row])
    if len(back) or len(late):
        place = int(back[0]) + 1 if len(back) else int(late[0])
        raise errors.InputError(
            f"expected the events of a history in order of time, before its end; found "
            f"time {times[place]:.10g} in history {row[place]} "
            + (f"after {times[place - 1]:.10g}" if len(back) else "after its end")
        )
    return times, indptr, end, scales


class _Histories(NamedTuple):
    """Distinct times of histories, longest history first, for steps over positions."""

    order: np.ndarray  # [x], the history in each row
    length: np.ndarray  # [x], distinct times of it, falling
    begin: np.ndarray  # [x], where they begin
    tau: np.ndarray  # [distinct], horizons since the first
    excite: np.ndarray  # [distinct], events at it but for the source
    end: np.ndarray  # [x], horizons; of a history without events: 0


def _distinct(times, indptr, end, horizon) -> _Histories:
    row = np.repeat(np.arange(len(end)), np.diff(indptr))
    first = np.zeros(len(end))
    some = np.diff(indptr) > 0
    first[some] = times[indptr[:-1][some]]
    tau = (times - first[row]) / horizon
    new = np.ones(len(tau), bool)
    new[1:] = (tau[1:] != tau[:-1]) | (row[1:] != row[:-1])
    place = np.flatnonzero(new)
    count = np.diff(np.append(place, len(tau))).astype(np.float64)
    count[tau[place] == 0] -= 1  # the source
    length = np.bincount(row[place], minlength=len(end))
    order = np.argsort(-length, kind="stable")
    begin = np.cumsum(length) - length
    end = np.where(some, (np.where(some, end, 0) - first) / horizon, 0.0)
    return _Histories(order, length[order], begin[order], tau[place], count, end[order])


def _states(found: _Histories, rate, rows: slice, look):
    """Decayed sums `[n, scales]` and last times `[n]` of rows after their last event.

    `look(before, after, tau, excite)` sees every step over the first rows that have one
    more time: sums just before (None at the first) and after.
    """
    length, begin = found.length[rows], found.begin[rows]
    sums = np.zeros((len(length), len(rate)))
    last = np.zeros(len(length))
    alive = np.searchsorted(-length, -np.arange(length[0] if len(length) else 0) - 0.5)
    for position, n in enumerate(alive):
        at = begin[:n] + position
        tau, excite = found.tau[at], found.excite[at]
        before = None
        if position:
            sums[:n] *= np.exp(-np.subtract(tau, last[:n])[:, None] * rate)
            before = sums[:n].copy() if look else None
        sums[:n] += excite[:, None]
        last[:n] = tau
        if look:
            look(before, sums[:n], tau, excite)
    return sums, last


def hawkes_features(times, indptr, end, horizon: float, scales=SCALES) -> np.ndarray:
    """Features h(x) `[x, 2 scales + 1]` of histories at their end; float64.

    Decayed sums of the events after the first, decay of the first, 1; without events
    (0, ..., 0, 1). Times are in the unit of the horizon.

    Args:
      times: `[n]`, those of history i are `times[indptr[i]:indptr[i + 1]]`, ascending.
      indptr: `[x + 1]`.
      end: `[x]`, T of each request, after its events.

    Raises:
      errors.InputError: unsorted or infinite times, an end before its events.
    """
    times, indptr, end, scales = _check(times, indptr, end, horizon, scales)
    rate, p = 1 / scales, len(scales)
    found = _distinct(times, indptr, end, horizon)
    features = np.zeros((len(end), 2 * p + 1))
    features[:, -1] = 1
    for low in range(0, len(end), USERS):
        rows = slice(low, low + USERS)
        sums, last = _states(found, rate, rows, None)
        order, some = found.order[rows], found.length[rows] > 0
        left = found.end[rows] - last
        features[order, :p] = rate * sums * np.exp(-left[:, None] * rate)
        source = rate * np.exp(-found.end[rows][:, None] * rate)
        features[order, p:-1] = np.where(some[:, None], source, 0.0)
    return features


def hawkes_moments(times, indptr, end, horizon: float, scales=SCALES) -> Moments:
    """Gram matrix and linear term of the objective, arguments as in `hawkes_features`.

    Between events the states v decay, so the integral of v_i v_j over an interval is
    (v_i v_j at its start - v_i v_j at its end) / (b_i + b_j): sums of outer products.
    """
    times, indptr, end, scales = _check(times, indptr, end, horizon, scales)
    some = np.diff(indptr) > 0
    if not (some & np.isfinite(end)).any():
        raise errors.InputError(
            "expected at least one user with an event and a finite end; found none"
        )
    if not (some & np.isfinite(end)).all():
        raise errors.InputError(
            "expected histories with an event and a finite end only; found "
            f"{np.sum(~some)} without events, {np.sum(~np.isfinite(end))} without an end"
        )
    rate = 1 / scales
    found = _distinct(times, indptr, end, horizon)
    total = _Sums(rate)
    for low in range(0, len(end), USERS):
        rows = slice(low, low + USERS)
        sums, last = _states(found, rate, rows, total.step)
        left = (found.end[rows] - last)[:, None]
        total.leave(sums * np.exp(-left * rate), found.end[rows])
    events = len(times) - len(end)
    return total.moments(float(found.end.sum()), events + 2 * len(end))


class _Sums:
    """Running sums over steps of `_states`; the state is (sums, decay of the source)."""

    def __init__(self, rate):
        p = len(rate)
        self.rate = rate
        self.outer = np.zeros((2 * p, 2 * p))  # starts minus ends
        self.single = np.zeros(2 * p)
        self.linear = np.zeros(2 * p + 1)

    def _state(self, sums, tau):
        return np.hstack([sums, np.exp(-tau[:, None] * self.rate)])

    def step(self, before, after, tau, excite):
        if before is not None:
            v = self.leave(before, tau)
            self.linear[:-1] += excite @ v  # the source does not excite its own time
        self.linear[-1] += excite.sum()
        v = self._state(after, tau)
        self.outer += v.T @ v
        self.single += v.sum(axis=0)

    def leave(self, sums, tau):
        """End of an interval."""
        v = self._state(sums, tau)
        self.outer -= v.T @ v
        self.single -= v.sum(axis=0)
        return v

    def moments(self, length, count):
        rate = np.tile(self.rate, 2)
        p = len(rate)
        gram = np.zeros((p + 1, p + 1))
        gram[:p, :p] = self.outer * np.outer(rate, rate) / np.add.outer(rate, rate)
        gram[:p, p] = gram[p, :p] = self.single
        gram[p, p] = length
        return Moments(gram, self.linear * np.append(rate, 1.0), count)


# Fits


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


def features_of(given: requests.Requests, events, horizon, scales=SCALES):
    """`hawkes_features` of requests."""
    times, indptr = user_times(given, events)
    return hawkes_features(times, indptr, given.time, horizon, scales)


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


# Streams


class HawkesState(NamedTuple):
    """Where users stand, to go on without their histories."""

    first: np.ndarray  # [x], time of the first event; NaN without any
    last: np.ndarray  # [x], of the newest
    sums: np.ndarray  # [x, scales], decayed sums of events after the first, at `last`


def start_state(users: int, scales=SCALES) -> HawkesState:
    """Users without events."""
    none = np.full(users, np.nan)
    return HawkesState(none, none.copy(), np.zeros((users, len(scales))))


def update_state(
    state: HawkesState, users, times, horizon: float, scales=SCALES
) -> HawkesState:
    """The state after one new event of each of these users `[n]`, all different.

    Raises:
      errors.InputError: a time before the newest event of its user.
    """
    users, times = np.asarray(users), np.asarray(times, np.float64)
    if np.any(times < state.last[users]):
        user = users[np.argmax(times < state.last[users])]
        raise errors.InputError(
            f"expected new events after those before; found one of user {user} before "
            f"{state.last[user]:.10g}. Sort the events, or compute features anew."
        )
    first, last, sums = (x.copy() for x in state)
    new = np.isnan(first[users])
    left = np.where(new, 0.0, times - last[users]) / horizon
    sums[users] *= np.exp(-left[:, None] / np.asarray(scales))
    sums[users] += ~new[:, None]
    first[users] = np.where(new, times, first[users])
    last[users] = times
    return HawkesState(first, last, sums)


def state_features(state: HawkesState, end, horizon: float, scales=SCALES):
    """`hawkes_features` of all users of a state at `end`, one time or `[x]`."""
    rate = 1 / np.asarray(scales)
    some = ~np.isnan(state.first)[:, None]
    since = lambda t: np.nan_to_num((end - t) / horizon)[:, None]  # noqa: E731
    excited = rate * state.sums * np.exp(-since(state.last) * rate)
    source = np.where(some, rate * np.exp(-since(state.first) * rate), 0.0)
    return np.hstack([excited, source, np.ones((len(some), 1))])
