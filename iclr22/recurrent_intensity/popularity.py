"""The item model that knows no users: how often an item was chosen in training."""

from typing import NamedTuple

import numpy as np

from iclr22.recurrent_intensity import requests, splits
from iclr22.recurrent_intensity.scores import Scores

FEW = 0.01  # count of items without events


class Popularity(NamedTuple):
    """Counts of items."""

    counts: np.ndarray  # float64 [items], 0.01 + training events


def fit(split: splits.Split) -> Popularity:
    """The counts of all items of the log in `split.train`."""
    return Popularity(FEW + requests.item_counts(split.events, split.train))


def score(model: Popularity, events, given: requests.Requests, items) -> Scores:
    """Shares of items (numbers in the log) of all counts, the same for all requests: with
    an activity that is an expected count, expected events."""
    del events
    share = model.counts[items] / model.counts.sum()
    x, columns = len(given.user), share[:, None].astype(np.float32)
    return Scores(
        rows=np.ones((x, 1), np.float32),
        columns=columns,
        row_bias=np.zeros(x, np.float32),
        column_bias=np.zeros(len(columns), np.float32),
        rate=np.ones(x, np.float32),
        link="identity",
    )
