"""Activity lambda(x) of user states: counts, moving averages, `intensity` of any activity
model (section 3.3), and streams, whose users go on without their histories."""

from typing import NamedTuple

import numpy as np

from iclr22 import errors
from iclr22.data.events import ranges
from iclr22.recurrent_intensity import hawkes, requests

FEW = 0.01  # count of users and items without events


class Activity(NamedTuple):
    """An activity that needs no training."""

    kind: str  # pop: events of the history; ema: those of about the last horizon
    horizon: float = 1.0  # in the unit of the log


def intensity(
    model: Activity | hawkes.Hawkes, given: requests.Requests, events
) -> np.ndarray:
    """lambda(x) `[x]` of requests: of Hawkes models the expected count in the horizon."""
    if isinstance(model, hawkes.Hawkes):
        features = hawkes.features_of(given, events, model.horizon, model.scales)
        return features @ model.theta
    kinds = {"pop": pop, "ema": lambda *x: ema(*x, model.horizon)}
    if model.kind not in kinds:
        raise errors.nearest(model.kind, kinds, "activity")
    return kinds[model.kind](given, events)


def pop(given: requests.Requests, events=None) -> np.ndarray:
    """0.01 + number of past events `[x]`."""
    del events
    return FEW + (given.stop - given.start)


def ema(given: requests.Requests, events, horizon: float) -> np.ndarray:
    """Sum of exp(-(T - t) / h) over past events `[x]`.

    Raises:
      errors.InputError: a horizon that is not above 0.
    """
    if not (np.isfinite(horizon) and horizon > 0):
        raise errors.InputError(
            f"expected a horizon above 0; found {horizon}. Give it in the unit of the log."
        )
    row, places = ranges(given.start, given.stop)
    ages = (given.time[row] - events.time[places]) / horizon
    return np.bincount(row, np.exp(-ages), minlength=len(given.user))


def item_pop(split: requests.Split) -> np.ndarray:
    """0.01 + training events of every item of the log, float64 `[items]`."""
    return FEW + requests.item_counts(split.events, split.train)


# Streams


class HawkesState(NamedTuple):
    """Where users stand, to go on without their histories."""

    first: np.ndarray  # [x], time of the first event; NaN without any
    last: np.ndarray  # [x], of the newest
    sums: np.ndarray  # [x, scales], decayed sums of events after the first, at `last`


def start_state(users: int, scales=hawkes.SCALES) -> HawkesState:
    """Users without events."""
    none = np.full(users, np.nan)
    return HawkesState(none, none.copy(), np.zeros((users, len(scales))))


def update_state(
    state: HawkesState, users, times, horizon: float, scales=hawkes.SCALES
) -> HawkesState:
    """The state after one new event of each of these users `[n]`, all different.

    Raises:
      errors.InputError: a user who is unknown or comes twice; a time that is not finite
        or is before the newest event of its user.
    """
    users, times = np.asarray(users), np.asarray(times, np.float64)
    _check_update(state, users, times)
    first, last, sums = (x.copy() for x in state)
    new = np.isnan(first[users])
    left = np.where(new, 0.0, times - last[users]) / horizon
    sums[users] *= np.exp(-left[:, None] / np.asarray(scales))
    sums[users] += ~new[:, None]
    first[users] = np.where(new, times, first[users])
    last[users] = times
    return HawkesState(first, last, sums)


def _check_update(state, users, times):
    bad = (users < 0) | (users >= len(state.first))
    if bad.any():
        raise errors.InputError(
            f"expected users 0 to {len(state.first) - 1}; found {users[bad.argmax()]}. "
            "Start a state with room for all users."
        )
    known, count = np.unique(users, return_counts=True)
    if (count > 1).any():
        raise errors.InputError(
            f"expected every user once; found user {known[count.argmax()]} "
            f"{count.max()} times. Update with one event of a user at a time, in order."
        )
    if not np.isfinite(times).all():
        place = (~np.isfinite(times)).argmax()
        raise errors.InputError(
            f"expected finite times; found {times[place]} of user {users[place]}. Correct "
            "or remove the event."
        )
    late = times < state.last[users]
    if late.any():
        user = users[late.argmax()]
        raise errors.InputError(
            f"expected new events after those before; found one of user {user} before "
            f"{state.last[user]:.10g}. Sort the events, or compute features anew."
        )


def state_features(
    state: HawkesState, end, horizon: float, scales=hawkes.SCALES
) -> np.ndarray:
    """`hawkes.hawkes_features` of all users of a state at `end`, one time or `[x]`.

    Raises:
      errors.InputError: an end before the newest event of a user.
    """
    early = np.broadcast_to(end, state.last.shape) < state.last
    if early.any():
        user = early.argmax()
        raise errors.InputError(
            f"expected an end after all events; found one of user {user} at "
            f"{state.last[user]:.10g}. Ask for a later time, or compute features anew."
        )
    rate = 1 / np.asarray(scales)
    some = ~np.isnan(state.first)[:, None]
    since = lambda t: np.nan_to_num((end - t) / horizon)[:, None]  # noqa: E731
    excited = rate * state.sums * np.exp(-since(state.last) * rate)
    source = np.where(some, rate * np.exp(-since(state.first) * rate), 0.0)
    return np.hstack([excited, source, np.ones((len(some), 1))])
