"""How a log is split into training and testing: by users, by time, or by any requests.

After Ma, Liu and Deoras, ICLR 2022 (OpenReview TZeArecH2Nf), and their released code.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import scipy.sparse
from absl import logging
from numpy.typing import ArrayLike

from iclr22 import errors
from iclr22.data.events import Events, offsets, tick
from iclr22.recurrent_intensity.requests import (
    Requests,
    item_counts,
    make_requests,
    select,
    state_now,
)

Asked = tuple[ArrayLike, ArrayLike]  # users [x] and their times [x]
COARSE = 60.0  # a clock of larger steps decides where horizons may begin


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


def make_split(
    events: Events,
    horizon: float,
    test: Asked,
    valid: Asked,
    extra: Sequence[tuple[ArrayLike, ArrayLike, float]] = (),
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
    train = make_requests(events, *_earliest(test), horizon)
    items = candidates(events, train, least_events)
    kept = usable(make_requests(events, *test, horizon), least_history)
    _check_left(events, kept, items, horizon, least_history, least_events)
    before = make_requests(events, *_earliest(valid), horizon)
    return Split(
        events,
        float(horizon),
        train,
        kept,
        usable(make_requests(events, *valid, horizon), least_history),
        tuple(usable(make_requests(events, *x), least_history) for x in extra),
        items,
        candidates(events, before, least_events),
    )


def _check_left(events, kept, items, horizon, least_history, least_events):
    """Refuse a split without anything to test; warn where nothing is to be found."""
    if not len(kept.user) or not len(items):
        raise errors.InputError(
            f"expected test requests with {least_history} or more earlier events and items "
            f"with {least_events} or more; found {len(kept.user)} requests, {len(items)} "
            "items. Take a later time of the split or lower these numbers."
        )
    within = (kept.time <= events.time.max()).any()  # else nothing can be known yet
    if within and not kept.targets[:, items].nnz:
        logging.warning("no test request has a target in its horizon of %g", horizon)


def _earliest(asked: Asked):
    """Each user once, in order of appearance, with his earliest time."""
    users, times = np.asarray(asked[0]), np.asarray(asked[1], np.float64)
    known, first, number = np.unique(users, return_index=True, return_inverse=True)
    earliest = np.full(len(known), np.inf)
    np.minimum.at(earliest, number, times)
    order = np.argsort(first)
    return known[order], earliest[order]


def candidates(events: Events, train: Requests, least: int = 1) -> np.ndarray:
    """Items int32 `[y]` with at least so many events in these histories."""
    return np.flatnonzero(item_counts(events, train) >= least).astype(np.int32)


def usable(given: Requests, least: int) -> Requests:
    """The requests with a finite time and so many events in their history."""
    long = given.stop - given.start >= least
    return select(given, long & np.isfinite(given.time))


def user_split(
    events: Events, seed: int = 0, extra: int = 1, *, share: float = 0.5, **least: int
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
    **least: int,
) -> Split:
    """Every user is tested at the same time T, and validated a horizon earlier.

    Args:
      test_start: T; by default the last horizon of the log is for testing.
      horizon: h; by default a tenth of the time from the first to the last event. It is
        rounded to whole steps where the log's clock has coarse ones, such as days.
      extra: number of V_extra, at T - 2 h, T - 3 h, ...
      least: `least_history` and `least_events` of `make_split`.

    Raises:
      errors.InputError: no event before T, or none from then on.
    """
    first, last = float(events.time.min()), float(events.time.max())
    ahead = _ahead(events, horizon)
    start = last - ahead + np.spacing(abs(last))  # a bit later: the last one is within
    start = start if test_start is None else test_start
    if not first < start <= last:
        raise errors.InputError(
            f"expected events before and after the start of the test; found the first at "
            f"{first:.10g}, the last at {last:.10g}, the start at {start:.10g} with "
            f"a horizon of {ahead:.10g} {events.time_unit}. Choose another horizon or "
            "start."
        )
    users = np.unique(events.user)
    at = [np.full(len(users), start - ahead * k) for k in range(extra + 2)]
    earlier = tuple((users, times, ahead) for times in at[2:])
    return make_split(events, ahead, (users, at[0]), (users, at[1]), earlier, **least)


def _ahead(events, horizon):
    """The horizon, by default a tenth of the log; in whole steps of a coarse clock.

    Where only days are known, an event of the last day would else be some hours old in one
    request and a moment in another, which are worlds apart for fast kernels.
    """
    span = float(events.time.max() - events.time.min())
    if horizon is None and not span > 0:
        raise errors.InputError(
            f"expected events at several times; found all {len(events.time):,} at one. Add "
            "earlier ones, to learn from what followed them."
        )
    ahead, step = span / 10 if horizon is None else float(horizon), tick(events)
    if step < COARSE or not (np.isfinite(ahead) and ahead > 0):
        return ahead
    whole = max(1, round(ahead / step)) * step
    if abs(whole - ahead) > 1e-9 * ahead:
        logging.warning(
            "times of the log are whole steps of %.6g %s: the horizon of %.6g is taken as "
            "%.6g",
            step,
            events.time_unit,
            ahead,
            whole,
        )
    return whole


def split_now(events: Events, horizon: float | None = None, **least: int) -> Split:
    """The whole log trains, and D are the user states at its end, of which no target is
    known; V, a horizon earlier, calibrates.

    Args:
      horizon: h; as in `temporal_split`.
      least: `least_history` and `least_events` of `make_split`.

    Raises:
      errors.InputError: no event before the last horizon.
    """
    first, last = float(events.time.min()), float(events.time.max())
    ahead = _ahead(events, horizon)
    users, end = state_now(events)
    if not first < end - ahead:
        raise errors.InputError(
            f"expected events before the last {ahead:.6g} {events.time_unit}, to learn from "
            f"what followed them; found the first at {first:.10g}, the last at {last:.10g}. "
            "Choose a shorter horizon."
        )
    now = users, np.full(len(users), end)
    before = users, np.full(len(users), end - ahead)
    return make_split(events, ahead, now, before, (), **least)
