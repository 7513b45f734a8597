"""Logs of events (user, item, time): what they are and how they are ordered.

Loaders return `Events`. Simultaneous events of a user have no order of their own: they
are shuffled by a seed before the log is sorted, and `describe` says how many there are.
"""

from typing import NamedTuple

import numpy as np

from iclr22 import errors, numeric
from iclr22.data import checks

CLOCK = 1e-3  # of a thousandth: times that differ by less from one are whole


class Truth(NamedTuple):
    """What generated a simulated log: a Hawkes process per user times a taste.

    A user's intensity at t is base + sum over past events s of
    sum_k weight[k] decay[k] exp(-decay[k] (t - s)); the item of an event is drawn from
    softmax(columns @ taste[user] + bias).
    """

    base: np.ndarray  # float64 [users], events per unit of time without excitation
    weight: np.ndarray  # float64 [k], events that one event causes; sum below 1
    decay: np.ndarray  # float64 [k], per unit of time
    taste: np.ndarray  # float32 [users, d]
    columns: np.ndarray  # float32 [items, d]
    bias: np.ndarray  # float32 [items]


class Events(NamedTuple):
    """A log, sorted by user and, of a user, by time; host arrays."""

    user: np.ndarray  # int32 [n], ascending
    item: np.ndarray  # int32 [n], from 0
    time: np.ndarray  # float64 [n], ascending within a user
    user_names: np.ndarray  # [users] str
    item_names: np.ndarray  # [items] str
    time_unit: str = "s"
    truth: Truth | None = None  # of a simulated log only


def sort_events(users, items, times, seed: int | None = 0) -> Events:
    """A log from columns in any order; duplicates stay.

    Args:
      users, items: `[n]` labels, whole numbers or strings. They are numbered in their
        order; strings that are all whole numbers, in that of the numbers.
      times: `[n]` numbers, or dates as datetime64.
      seed: of the shuffle that orders simultaneous events of a user; None keeps theirs.

    Raises:
      errors.InputError: no events, columns of different lengths, a time that is not
        finite; the place counts from 0.
    """
    user, user_names = _encode(users)
    item, item_names = _encode(items)
    return order_events(user, item, times, user_names, item_names, seed)


def order_events(
    user, item, times, user_names, item_names, seed: int | None = 0
) -> Events:
    """As `sort_events`, for columns of numbers into names."""
    time = _in_seconds(times)
    if not len(user) == len(item) == len(time) > 0:
        raise errors.InputError(
            "expected as many users, items and times, and at least one; found "
            f"{len(user)}, {len(item)} and {len(time)}."
        )
    if not np.isfinite(time).all():
        place = (~np.isfinite(time)).argmax()
        raise errors.InputError(
            f"event {place}: expected a finite time; found {time[place]}. Correct or "
            "remove the event."
        )
    # This shuffle, then a stable sort, is what the released code does with pandas.
    drawn = slice(None) if seed is None else _permutation(seed, len(time))
    user, item, time = np.asarray(user)[drawn], np.asarray(item)[drawn], time[drawn]
    order = np.lexsort((time, user))
    user, item = (column[order].astype(np.int32) for column in (user, item))
    return Events(user, item, time[order], np.array(user_names), np.array(item_names))


def _in_seconds(times):
    """Times as float64: of dates (datetime64) the seconds since 1970."""
    dates = np.asarray(times)
    if dates.dtype.kind == "M":
        bad = np.isnat(dates)
        times = dates.astype("datetime64[us]").astype(np.int64) / 1e6
        times[bad] = np.nan
    time = numeric.real(times, "times", ndim=1, finite=False)
    return np.asarray(time, np.float64)


def _permutation(seed, n):
    return np.random.RandomState(seed).permutation(n)


def _encode(labels):
    """Numbers `[n]` of labels, and the labels in order as strings."""
    labels = np.asarray(labels)
    if labels.dtype.kind in "bf":  # as data frames hold whole numbers with a gap
        labels = numeric.whole(labels, "users and items")
    if labels.dtype.kind == "O":
        missing = np.flatnonzero([x is None or x != x for x in labels.tolist()])
        if len(missing):
            raise errors.InputError(
                f"event {missing[0]}: expected a user and an item; found "
                f"{labels[missing[0]]}. Fill it in or remove the event."
            )
    if labels.dtype.kind not in "iu":
        known, number = np.unique(labels.astype(str), return_inverse=True)
        order = checks.sort_names(known)
        place = np.empty(len(order), np.int64)
        place[order] = np.arange(len(order))
        return place[number], known[order]
    known, number = np.unique(labels, return_inverse=True)
    return number, known.astype(str)


def offsets(events: Events) -> np.ndarray:
    """Where users begin, int64 `[users + 1]`: events[o[u]:o[u + 1]] are those of u."""
    return np.searchsorted(events.user, np.arange(len(events.user_names) + 1))


def ranges(start, stop) -> tuple[np.ndarray, np.ndarray]:
    """All places of the ranges start:stop `[x]`: their rows and the places `[total]`."""
    size = np.maximum(np.asarray(stop) - start, 0)
    row = np.repeat(np.arange(len(size)), size)
    before = np.cumsum(size) - size
    return row, np.arange(len(row)) - (before - start)[row]


def chunks(sizes, most: int = 1 << 22) -> list[slice]:
    """Rows in slices of at most `most` in total, or of one row that is larger."""
    ends = np.cumsum(sizes)
    found, start = [], 0
    while start < len(ends):
        done = ends[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, done + most, side="right")))
        found.append(slice(start, stop))
        start = stop
    return found


def select_events(events: Events, keep) -> Events:
    """The events where `keep` (bool `[n]`) holds; users and items without any are gone.

    Raises:
      errors.InputError: none are left.
    """
    keep = np.asarray(keep, bool)
    if not keep.any():
        raise errors.InputError(
            f"expected events to keep; found none of {len(keep)}. Ask for less."
        )
    users, user = np.unique(events.user[keep], return_inverse=True)
    items, item = np.unique(events.item[keep], return_inverse=True)
    return events._replace(
        user=user.astype(np.int32),
        item=item.astype(np.int32),
        time=events.time[keep],
        user_names=events.user_names[users],
        item_names=events.item_names[items],
        truth=None,  # a thinned log is of another process
    )


def second_half(events: Events) -> Events:
    """The later half of every user's events, as the paper uses MovieLens-1M.

    Of n events those of rank n / 2 and later are kept, ranks from 1.
    """
    start = offsets(events)
    rank = np.arange(len(events.user)) - start[events.user] + 1
    return select_events(events, 2 * rank >= np.diff(start)[events.user])


def tick(events: Events) -> float:
    """The step of the log's clock, in its unit: the largest of which all times are a whole
    number apart, such as a day where only dates were kept; 0 if there is none.
    """
    times = np.unique(events.time)
    steps = 1000 * (times[1:] - times[0])
    if not len(steps) or (np.abs(steps - np.rint(steps)) > CLOCK).any():
        return 0.0
    return float(np.gcd.reduce(np.rint(steps).astype(np.int64))) / 1000


def describe(events: Events) -> dict[str, float]:
    """Counts of a log and what its order and repeats are worth.

    Returns:
      `users`, `items`, `events`; `tie_rate`, the share of events at the same time as
      another of their user, whose order means nothing; `repeat_rate`, the share that are
      of an item the user had before; `duplicates`, events that equal an earlier one in
      user, item and time; `span`, from the first to the last event.
    """
    user, item, time = events[:3]
    n = len(user)
    same = (user[1:] == user[:-1]) & (time[1:] == time[:-1])
    tied = np.concatenate([[False], same]) | np.concatenate([same, [False]])
    pairs = np.unique(user.astype(np.int64) * len(events.item_names) + item)
    order = np.lexsort((item, time, user))
    u, i, t = user[order], item[order], time[order]
    again = (u[1:] == u[:-1]) & (i[1:] == i[:-1]) & (t[1:] == t[:-1])
    return {
        "users": len(np.unique(user)),
        "items": len(np.unique(item)),
        "events": n,
        "tie_rate": float(tied.mean()),
        "repeat_rate": 1 - len(pairs) / n,
        "duplicates": int(again.sum()),
        "span": float(time.max() - time.min()),
    }
