"""User states as requests, and how a log is split into training and testing.

After Ma, Liu and Deoras, ICLR 2022 (OpenReview TZeArecH2Nf), and their released code. A
request x = (user, T) has as history the events of the user before T and as targets those
in [T, T + h), h being the horizon.
"""

import math
import re
from typing import NamedTuple

import numpy as np
import scipy.sparse
from absl import logging

from iclr22 import errors
from iclr22.data.events import Events, chunks, offsets, ranges

UNITS = {"s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
ROWS = 4096  # of histories cut out at once


class Requests(NamedTuple):
    """User states x = (user, T): everything that a user did before T."""

    user: np.ndarray  # int32 [x]
    time: np.ndarray  # float64 [x], T; may be inf for training requests
    start: np.ndarray  # int64 [x]: events[start:stop] of the log are the history
    stop: np.ndarray  # int64 [x]
    targets: scipy.sparse.csr_array  # float32 [x, items], events in [T, T + h)


class Split(NamedTuple):
    """A log split by requests; D is for testing, V for validation."""

    events: Events
    horizon: float  # h, in the unit of the log
    train: Requests  # one per user that takes part; events before T train
    test: Requests  # D, filtered
    valid: Requests  # V, filtered
    extra: tuple[Requests, ...]  # V_extra
    test_items: np.ndarray  # int32 [y], candidate items of D
    valid_items: np.ndarray  # int32 [y], of V

    @property
    def test_targets(self) -> scipy.sparse.csr_array:
        """Targets of D `[x, y]` among its candidate items."""
        return self.test.targets[:, self.test_items]

    @property
    def valid_targets(self) -> scipy.sparse.csr_array:
        """Targets of V `[x, y]` among its candidate items."""
        return self.valid.targets[:, self.valid_items]


# Requests


def make_requests(events: Events, users, times, horizon: float) -> Requests:
    """Requests of these users at these times, in this order.

    Args:
      users: int `[x]`, numbers of users; a user may come several times.
      times: `[x]`, or one for all; inf: all events are history.
      horizon: of the targets, above 0, in the unit of the log.

    Raises:
      errors.InputError: a horizon that is empty, a time that is NaN, an unknown user.
    """
    user = np.asarray(users, np.int64)
    time = np.broadcast_to(np.asarray(times, np.float64), user.shape)
    _check_requests(events, user, time, horizon)
    begins = offsets(events)
    start, end = begins[user], begins[user + 1]
    stop = _first_from(events.time, start, end, time)
    last = _first_from(events.time, stop, end, time + horizon)
    _, places = ranges(stop, last)
    indptr = np.concatenate([[0], np.cumsum(last - stop)])
    ones = np.ones(len(places), np.float32)
    shape = len(user), len(events.item_names)
    targets = scipy.sparse.csr_array((ones, events.item[places], indptr), shape)
    targets.sum_duplicates()
    return Requests(user.astype(np.int32), time.copy(), start, stop, targets)


def _check_requests(events, user, time, horizon):
    if not (np.isfinite(horizon) and horizon > 0):
        raise errors.InputError(
            f"expected a horizon above 0; found {horizon}. Give a length of time such as "
            "7d, 12h or a number of seconds."
        )
    if np.isnan(time).any():
        raise errors.InputError(
            f"request {np.isnan(time).argmax()}: expected a time; found NaN. Correct or "
            "remove the request."
        )
    bad = (user < 0) | (user >= len(events.user_names))
    if bad.any():
        raise errors.InputError(
            f"request {bad.argmax()}: expected the number of a user, 0 to "
            f"{len(events.user_names) - 1}; found {user[bad.argmax()]}."
        )


def _first_from(times, low, high, wanted):
    """First places in low:high `[x]` with a time of `wanted` or later; all at once."""
    low, high = low.copy(), high.copy()
    while (low < high).any():
        middle = (low + high) // 2
        later = times[np.minimum(middle, len(times) - 1)] >= wanted
        going = low < high
        high = np.where(going & later, middle, high)
        low = np.where(going & ~later, middle + 1, low)
    return low


def select(requests: Requests, keep) -> Requests:
    """The requests that `keep` (bool or numbers) picks."""
    return Requests(*(field[keep] for field in requests))


def find_users(events: Events, names) -> np.ndarray:
    """Numbers int32 `[x]` of users by name; an unknown one is an error."""
    return _find(events.user_names, names, "user")


def find_items(events: Events, names) -> np.ndarray:
    """Numbers int32 `[x]` of items by name; an unknown one is an error."""
    return _find(events.item_names, names, "item")


def _find(known, names, what):
    number = {name: i for i, name in enumerate(known.tolist())}
    names = [str(name) for name in names]
    for name in names:
        if name not in number:
            raise errors.InputError(
                f"unknown {what} {name!r}: expected one of the {len(known)} of the log, "
                f"such as {known[0]!r}. Correct it, or add events of it to the log."
            )
    return np.array([number[name] for name in names], np.int32)


def parse_horizon(text: str | float) -> float:
    """Seconds of a length of time: "7d", "12h", "90min", "2w", "30s" or a number.

    Raises:
      errors.InputError: something else, or not above 0.
    """
    found = re.fullmatch(r"\s*([0-9.eE+-]+)\s*([a-zA-Z]*)\s*", str(text))
    try:
        seconds = float(found[1]) * UNITS[found[2].lower() or "s"]
    except (TypeError, ValueError, KeyError):
        seconds = math.nan
    if not (math.isfinite(seconds) and seconds > 0):
        raise errors.InputError(
            f"expected a horizon above 0, a number and one of {', '.join(UNITS)}, such as "
            f"7d or 12h, or a number of seconds; found {text!r}."
        )
    return seconds


# Splits


def make_split(
    events: Events,
    horizon: float,
    test,
    valid,
    extra=(),
    *,
    least_history: int = 1,
    least_events: int = 1,
) -> Split:
    """A split by any requests, given as pairs of users `[x]` and times `[x]`.

    A user trains on the events before the earliest of his times. Requests with a finite
    time and a long enough history are kept, and items with enough training events are
    candidates; V counts on its own requests as training data.

    Args:
      test, valid: `(users, times)`, before the filter; of D also the training requests.
      extra: `(users, times, horizon)` for each of V_extra.
      least_history: events in the history of a request that is kept.
      least_events: training events of a candidate item.

    Raises:
      errors.InputError: nothing is left of D; horizons, times or users that are wrong.
    """
    train = make_requests(events, *_earliest(*test), horizon)
    items = candidates(events, train, least_events)
    kept = _usable(make_requests(events, *test, horizon), least_history)
    if not len(kept.user) or not len(items):
        raise errors.InputError(
            f"expected test requests with {least_history} or more earlier events and items "
            f"with {least_events} or more; found {len(kept.user)} requests, {len(items)} "
            "items. Take a later time of the split or lower these numbers."
        )
    within = (kept.time <= events.time.max()).any()  # else nothing can be known yet
    if within and not kept.targets[:, items].nnz:
        logging.warning("no test request has a target in its horizon of %g", horizon)
    before = make_requests(events, *_earliest(*valid), horizon)
    return Split(
        events,
        float(horizon),
        train,
        kept,
        _usable(make_requests(events, *valid, horizon), least_history),
        tuple(_usable(make_requests(events, *x), least_history) for x in extra),
        items,
        candidates(events, before, least_events),
    )


def _earliest(users, times):
    """Each user once, in order of appearance, with his earliest time."""
    users, times = np.asarray(users), np.asarray(times, np.float64)
    known, first, number = np.unique(users, return_index=True, return_inverse=True)
    earliest = np.full(len(known), np.inf)
    np.minimum.at(earliest, number, times)
    order = np.argsort(first)
    return known[order], earliest[order]


def candidates(events: Events, train: Requests, least: int = 1) -> np.ndarray:
    """Items int32 `[y]` with at least so many events in these histories."""
    return np.flatnonzero(item_counts(events, train) >= least).astype(np.int32)


def item_counts(events: Events, given: Requests) -> np.ndarray:
    """Events of every item in these histories, int64 `[items]`."""
    count = np.zeros(len(events.item_names), np.int64)
    for part in chunks(given.stop - given.start):
        _, places = ranges(given.start[part], given.stop[part])
        count += np.bincount(events.item[places], minlength=len(count))
    return count


def _usable(requests, least):
    long = requests.stop - requests.start >= least
    return select(requests, long & np.isfinite(requests.time))


def user_split(
    events: Events, seed: int = 0, extra: int = 1, *, share: float = 0.5, **least
) -> Split:
    """Half of the users train, the others are tested after a while of their own.

    The offset d, and the horizon, is the median of the users' spans. D: users of group B
    at first + d; group A trains on all its events. V: group A at first + d. V_extra:
    everybody at first + d - h / 2, with targets in a horizon of h / 2.

    Args:
      seed: of the draw of group A, the same as the released code's with pandas.
      extra: 1, or 0 for no V_extra.
      share: of users in group A.
      least: `least_history` and `least_events` of `make_split`.
    """
    if extra not in (0, 1):
        raise errors.InputError(f"expected extra of 0 or 1; found {extra}.")
    begins = offsets(events)
    users = np.flatnonzero(np.diff(begins))
    first, last = events.time[begins[users]], events.time[begins[users + 1] - 1]
    horizon = float(np.median(last - first))
    if horizon <= 0:
        raise errors.InputError(
            "expected users whose events span some time; found a median span of 0. Use "
            "the temporal split, with a horizon of your choice."
        )
    n = len(users)
    drawn = np.random.RandomState(888 + seed).choice(n, round(share * n), replace=False)
    train = np.isin(np.arange(n), drawn)
    times = first + horizon
    earlier = users, times - horizon / 2, horizon / 2
    return make_split(
        events,
        horizon,
        (users, np.where(train, np.inf, times)),
        (users[train], times[train]),
        (earlier,) * extra,
        **least,
    )


def temporal_split(
    events: Events,
    test_start: float | None = None,
    horizon: float | None = None,
    extra: int = 0,
    **least,
) -> Split:
    """Every user is tested at the same time T, and validated a horizon earlier.

    Args:
      test_start: T; by default the last horizon of the log is for testing.
      horizon: h; by default a tenth of the time from the first to the last event.
      extra: number of V_extra, at T - 2 h, T - 3 h, ...
      least: `least_history` and `least_events` of `make_split`.

    Raises:
      errors.InputError: no event before T, or none from then on.
    """
    first, last = events.time.min(), events.time.max()
    horizon = (last - first) / 10 if horizon is None else float(horizon)
    if test_start is None:  # a bit later, for the last event is to be within
        test_start = last - horizon + np.spacing(abs(last))
    if not first < test_start <= last:
        raise errors.InputError(
            f"expected events before and after the start of the test; found the first at "
            f"{first:.10g}, the last at {last:.10g}, the start at {test_start:.10g} with "
            f"a horizon of {horizon:.10g} {events.time_unit}. Choose another horizon or "
            "start."
        )
    users = np.unique(events.user)
    at = [np.full(len(users), test_start - horizon * k) for k in range(extra + 2)]
    earlier = tuple((users, times, horizon) for times in at[2:])
    return make_split(events, horizon, (users, at[0]), (users, at[1]), earlier, **least)


# Histories


def histories(
    log: Events | Split, requests: Requests, length: int = 256
) -> tuple[np.ndarray, np.ndarray]:
    """The last items of every history as tokens, item + 1, padded with 0 on the right.

    Args:
      log: the events that the requests are of, or their split.

    Returns:
      tokens int32 `[x, length]`, lengths int32 `[x]`.
    """
    lengths = np.minimum(requests.stop - requests.start, length)
    first = requests.stop - lengths
    items = (log.events if isinstance(log, Split) else log).item
    tokens = np.zeros((len(lengths), length), np.int32)
    place = np.arange(length)
    for row in range(0, len(lengths), ROWS):
        part = slice(row, row + ROWS)
        known = place < lengths[part, None]
        taken = np.minimum(first[part, None] + place, len(items) - 1)
        tokens[part] = np.where(known, items[taken] + 1, 0)
    return tokens, lengths.astype(np.int32)


def seen(requests: Requests, events: Events, items) -> np.ndarray:
    """Which candidate items are in each history, for excluding them.

    Args:
      items: int `[y]`, the candidates.

    Returns:
      int32 `[x, longest]`, their numbers among the candidates, each once, ascending,
      padded with -1 on the right; longest is at least 1.
    """
    y = len(items)
    column = np.full(len(events.item_names), -1, np.int64)
    column[items] = np.arange(y)
    rows, columns = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for part in chunks(requests.stop - requests.start):
        row, places = ranges(requests.start[part], requests.stop[part])
        found = column[events.item[places]]
        pairs = np.unique((row * y + found)[found >= 0])
        rows.append(pairs // y + part.start)
        columns.append(pairs % y)
    row = np.concatenate(rows)
    count = np.bincount(row, minlength=len(requests.user))
    rank = np.arange(len(row)) - (np.cumsum(count) - count)[row]
    table = np.full((len(count), max(1, count.max(initial=0))), -1, np.int32)
    table[row, rank] = np.concatenate(columns)
    return table
