"""Logs of events (user, item, time): what they are, published ones, how they are ordered.

Loaders return `Events`. Simultaneous events of a user have no order of their own: they
are shuffled by a seed before the log is sorted, and `describe` says how many there are.
"""

from typing import NamedTuple

import numpy as np


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
