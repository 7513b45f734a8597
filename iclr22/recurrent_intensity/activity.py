"""Activity lambda(x) of user states: counts, moving averages, and `intensity` of any
activity model (section 3.3)."""

from typing import NamedTuple

import numpy as np

from iclr22 import errors
from iclr22.data.events import ranges
from iclr22.recurrent_intensity import hawkes, requests

FEW = 0.01  # count of users without events
KINDS = ("pop", "ema")


class Activity(NamedTuple):
    """An activity that needs no training."""

    kind: str  # pop: events of the history; ema: those of about the last horizon
    horizon: float = 1.0  # in the unit of the log


def intensity(
    model: Activity | hawkes.Hawkes, given: requests.Requests, events
) -> np.ndarray:
    """lambda(x) `[x]` of requests: of Hawkes models the expected count in the horizon."""
    if isinstance(model, hawkes.Hawkes):
        return hawkes.expected_events(model, given, events)
    if model.kind not in KINDS:
        raise errors.nearest(model.kind, KINDS, "activity")
    return pop(given) if model.kind == "pop" else ema(given, events, model.horizon)


def pop(given: requests.Requests) -> np.ndarray:
    """0.01 + number of past events `[x]`."""
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
