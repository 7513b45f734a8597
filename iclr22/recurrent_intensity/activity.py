"""Activity lambda(x) of user states: counts, moving averages, and `intensity` of any
activity model (section 3.3)."""

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
    """Sum of exp(-(T - t) / h) over past events `[x]`."""
    row, places = ranges(given.start, given.stop)
    ages = (given.time[row] - events.time[places]) / horizon
    return np.bincount(row, np.exp(-ages), minlength=len(given.user))


def item_pop(split: requests.Split) -> np.ndarray:
    """0.01 + training events of every item of the log, float64 `[items]`."""
    _, places = ranges(split.train.start, split.train.stop)
    size = len(split.events.item_names)
    return FEW + np.bincount(split.events.item[places], minlength=size)
