"""Features of histories for Hawkes processes, and the moments that an exact fit needs.

Times of a user are in horizons from his first event. States are decayed sums of his
events, which change by steps only; both features and moments take one pass over them,
user after user side by side.
"""

from typing import NamedTuple

import numpy as np

from iclr22 import errors, numeric
from iclr22.data.events import ranges
from iclr22.recurrent_intensity import requests

SCALES = tuple(np.geomspace(1e-6, 10, 50))  # of decay, in horizons
USERS = 1 << 15  # whose states are held at once
LONGEST = 512  # distinct times of a history that are stepped through one by one


class Moments(NamedTuple):
    """All that the least-squares objective of `hawkes` needs of the data."""

    gram: np.ndarray  # [p, p], sum over users of the integral of h h'
    linear: np.ndarray  # [p], sum over events of h
    count: int  # M: events, and the end of every user


def user_times(given: requests.Requests, events):
    """Histories as `times [n]` with `indptr [x + 1]`, in the unit of the log."""
    _, places = ranges(given.start, given.stop)
    indptr = np.concatenate([[0], np.cumsum(given.stop - given.start)])
    return events.time[places], indptr


def _check(times, indptr, end, horizon, scales):
    times, end, scales = (
        np.asarray(numeric.real(x, name, ndim=1, finite=False), np.float64)
        for x, name in ((times, "times"), (end, "end"), (scales, "scales"))
    )
    indptr = numeric.whole(indptr, "indptr")
    if not (np.isfinite(horizon) and horizon > 0) or not (scales > 0).all():
        raise errors.InputError(
            f"expected a horizon and scales above 0; found {horizon} and "
            f"{scales.min(initial=np.inf)}"
        )
    if (
        len(indptr) != len(end) + 1
        or (np.diff(indptr, prepend=0) < 0).any()
        or (indptr[0], indptr[-1]) != (0, len(times))
    ):
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


class _Pieces(NamedTuple):
    """Distinct times of histories, in pieces of at most LONGEST that follow each other,
    so that a single long history is also worked on in many rows at once."""

    history: np.ndarray  # [r], the one that a piece is of
    number: np.ndarray  # [r], of the piece within its history, from 0
    length: np.ndarray  # [r], distinct times
    begin: np.ndarray  # [r], where they begin
    end: np.ndarray  # [r], horizons: the next piece, or the end; without events: 0
    tau: np.ndarray  # [distinct], horizons since the first event
    excite: np.ndarray  # [distinct], events at it but for the source

    def final(self) -> np.ndarray:
        """Last pieces `[x]`, a history each, in order."""
        return np.flatnonzero(np.append(np.diff(self.history), 1))


def _pieces(times, indptr, end, horizon) -> _Pieces:
    row = np.repeat(np.arange(len(end)), np.diff(indptr))
    first = np.zeros(len(end))
    some = np.diff(indptr) > 0
    first[some] = times[indptr[:-1][some]]
    tau = (times - first[row]) / horizon
    new = np.ones(len(tau), bool)
    new[1:] = (tau[1:] != tau[:-1]) | (row[1:] != row[:-1])
    place = np.flatnonzero(new)
    excite = np.diff(np.append(place, len(tau))).astype(np.float64)
    excite[tau[place] == 0] -= 1  # the source
    length = np.bincount(row[place], minlength=len(end))
    end = np.where(some, (np.where(some, end, 0) - first) / horizon, 0.0)
    tau = tau[place]

    history, number = ranges(0 * length, np.maximum(1, -(-length // LONGEST)))
    begin = (np.cumsum(length) - length)[history] + number * LONGEST
    size = np.minimum(length[history] - number * LONGEST, LONGEST)
    stop = end[history]
    later = np.flatnonzero(number)
    stop[later - 1] = tau[begin[later]]
    return _Pieces(history, number, size, begin, stop, tau, excite)


def _carry(found: _Pieces, rate):
    """Sums that each piece begins with, as a table and the place of every piece in it.

    Place 0 holds zeros, for those that begin a history.
    """
    later = np.flatnonzero(found.number)
    slot = np.where(found.number > 0, np.cumsum(found.number > 0), 0)
    table = np.zeros((len(later) + 1, len(rate)))
    if not len(later):
        return table, slot
    before = later - 1  # all of one length, LONGEST
    sums, last = _states(found, rate, before, (table, 0 * slot), None)
    end = found.end[before]
    sums *= np.exp(-np.subtract(end, last)[:, None] * rate)
    kept = np.exp(-np.subtract(end, found.tau[found.begin[before]])[:, None] * rate)
    turn = found.number[later]
    order = np.argsort(turn, kind="stable")
    for at in np.split(order, np.flatnonzero(np.diff(turn[order])) + 1):
        old = table[slot[before[at]]]  # zeros where the piece before is the first
        table[at + 1] = sums[at] + kept[at] * old
    return table, slot


def _states(found: _Pieces, rate, rows, carry, look):
    """Decayed sums `[n, scales]` and last times `[n]` of pieces after their last event.

    `look(position, before, after, tau, excite)` sees every step over those of the first
    rows that have one more time: the sums just before and just after.

    Args:
      rows: int `[n]`, pieces, longest first.
      carry: of `_carry`.
    """
    length, begin = found.length[rows], found.begin[rows]
    table, slot = carry
    sums, last = table[slot[rows]], np.zeros(len(rows))
    alive = np.searchsorted(-length, -np.arange(length[0] if len(length) else 0) - 0.5)
    for position, n in enumerate(alive):
        at = begin[:n] + position
        tau, excite = found.tau[at], found.excite[at]
        if position:
            sums[:n] *= np.exp(-np.subtract(tau, last[:n])[:, None] * rate)
        before = sums[:n].copy() if look else None
        sums[:n] += excite[:, None]
        last[:n] = tau
        if look:
            look(position, before, sums[:n], tau, excite)
    return sums, last


def _longest_first(found: _Pieces, rows):
    """The pieces `rows` in chunks, longest first."""
    rows = rows[np.argsort(-found.length[rows], kind="stable")]
    return (rows[low : low + USERS] for low in range(0, len(rows), USERS))


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
    found = _pieces(times, indptr, end, horizon)
    carry = _carry(found, rate)
    features = np.zeros((len(end), 2 * p + 1))
    features[:, -1] = 1
    for rows in _longest_first(found, found.final()):
        sums, last = _states(found, rate, rows, carry, None)
        order, some = found.history[rows], found.length[rows] > 0
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
    found = _pieces(times, indptr, end, horizon)
    carry = _carry(found, rate)
    total = _Sums(rate)
    for rows in _longest_first(found, np.arange(len(found.length))):
        sums, last = _states(found, rate, rows, carry, total.step)
        left = (found.end[rows] - last)[:, None]
        total.leave(sums * np.exp(-left * rate), found.end[rows])
    length = float(found.end[found.final()].sum())
    return total.moments(length, len(times) + len(end))


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

    def step(self, position, before, after, tau, excite):
        if position:
            self.linear[:-1] += excite @ self.leave(before, tau)
        else:  # the piece before has left; the source does not excite its own time
            on = np.flatnonzero(tau)
            self.linear[:-1] += excite[on] @ self._state(before[on], tau[on])
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


def features_of(given: requests.Requests, events, horizon, scales=SCALES):
    """`hawkes_features` of requests."""
    times, indptr = user_times(given, events)
    return hawkes_features(times, indptr, given.time, horizon, scales)
