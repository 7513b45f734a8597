"""User states as requests: whose history, up to when, and what came after.

After Ma, Liu and Deoras, ICLR 2022 (OpenReview TZeArecH2Nf), and their released code. A
request x = (user, T) has as history the events of the user before T and as targets those
in [T, T + h), h being the horizon.
"""

import math
import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import scipy.sparse

from iclr22 import errors, numeric
from iclr22.data import checks
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


def make_requests(events: Events, users, times, horizon: float) -> Requests:
    """Requests of these users at these times, in this order.

    Args:
      users: int `[x]`, numbers of users; a user may come several times.
      times: `[x]`, or one for all; inf: all events are history.
      horizon: of the targets, above 0, in the unit of the log.

    Raises:
      errors.InputError: a horizon that is empty, a time that is NaN, an unknown user.
    """
    user = numeric.whole(users, "users")
    time = np.asarray(numeric.real(times, "times", ndim=(0, 1), finite=False))
    time = np.broadcast_to(time.astype(np.float64), user.shape)
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
    user, time, start, stop = (x[keep] for x in requests[:4])
    return Requests(
        user, time, start, stop, scipy.sparse.csr_array(requests.targets[keep])
    )


def find_users(events: Events, names) -> np.ndarray:
    """Numbers int32 `[x]` of users by name; an unknown one is an error."""
    return _find(events.user_names, names, "user")


def find_items(events: Events, names) -> np.ndarray:
    """Numbers int32 `[x]` of items by name; an unknown one is an error."""
    return _find(events.item_names, names, "item")


def state_now(events: Events) -> tuple[np.ndarray, float]:
    """All users `[x]` of a log, and the time just after its last event."""
    return np.unique(events.user), float(np.nextafter(events.time.max(), np.inf))


def item_counts(events: Events, given: Requests) -> np.ndarray:
    """Events of every item in these histories, int64 `[items]`."""
    count = np.zeros(len(events.item_names), np.int64)
    for part in chunks(given.stop - given.start):
        _, places = ranges(given.start[part], given.stop[part])
        count += np.bincount(events.item[places], minlength=len(count))
    return count


def join(parts: Sequence[Requests]) -> Requests:
    """Requests of several sets, one after the other."""
    targets = scipy.sparse.vstack([part.targets for part in parts], format="csr")
    user, time, start, stop = (
        np.concatenate(x) for x in zip(*(part[:4] for part in parts), strict=True)
    )
    return Requests(user, time, start, stop, scipy.sparse.csr_array(targets))


def _find(known, names, what):
    known = known.tolist()
    number = {name: i for i, name in enumerate(known)}
    names = [str(name) for name in names]
    for name in names:
        if name not in number:
            raise errors.InputError(
                f"unknown {what} {checks.shown(name)}: expected one of the {len(known)} of "
                f"the log, such as {checks.shown(known[0])}. Correct it, or add "
                "events of it to the log."
            )
    return np.array([number[name] for name in names], np.int32)


def parse_horizon(text: str | float) -> float:
    """Seconds of a length of time: "7d", "12h", "90min", "2w", "30s" or a number.

    Raises:
      errors.InputError: something else, or not above 0.
    """
    found = re.fullmatch(r"\s*([0-9.eE+-]+)\s*([a-zA-Z]*)\s*", str(text))
    number, unit = found.groups() if found else ("", "")
    try:
        seconds = float(number) * UNITS[unit.lower() or "s"]
    except (ValueError, KeyError):
        seconds = math.nan
    if not (math.isfinite(seconds) and seconds > 0):
        raise errors.InputError(
            f"expected a horizon above 0, a number and one of {', '.join(UNITS)}, such as "
            f"7d or 12h, or a number of seconds; found {text!r}."
        )
    return seconds


def histories(
    events: Events, requests: Requests, length: int = 256
) -> tuple[np.ndarray, np.ndarray]:
    """The last items of every history as tokens, item + 1, padded with 0 on the right.

    Returns:
      tokens int32 `[x, length]`, lengths int32 `[x]`.
    """
    lengths = np.minimum(requests.stop - requests.start, length)
    first = requests.stop - lengths
    tokens = np.zeros((len(lengths), length), np.int32)
    place = np.arange(length)
    for row in range(0, len(lengths), ROWS):
        part = slice(row, row + ROWS)
        known = place < lengths[part, None]
        taken = np.minimum(first[part, None] + place, len(events.item) - 1)
        tokens[part] = np.where(known, events.item[taken] + 1, 0)
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
