"""Histories of requests as a graph: from the items of a history to its request.

Its nodes are item tokens (item + 1; 0 is the token that starts a history), then requests.
"""

import numpy as np

from iclr22 import errors
from iclr22 import graph as graphs
from iclr22.data.events import Events, ranges
from iclr22.recurrent_intensity import requests

EDGES = 0.1, 0.3, 1.0, 3.0, 10.0  # of recency, in horizons


def build_graph(
    events: Events,
    given: requests.Requests,
    horizon: float,
    *,
    items: int,
    length: int = 256,
):
    """The bipartite graph of requests, as a batch has it; host arrays.

    A history is the token 0 and its items, of which the last `length` are read. The
    edges are padded to a power of two.

    Args:
      horizon: the unit of recency, in that of the log.
      items: of the log.
    """
    check_times(given)
    count = given.stop - given.start
    # Place start - 1 is the token 0.
    first = np.maximum(given.start - 1, given.stop - length)
    row, place = ranges(first, given.stop)
    begins = place < given.start[row]
    tokens = np.where(begins, 0, events.item[np.maximum(place, 0)] + 1)
    last = events.time[np.maximum(given.stop - 1, 0)]
    ago = np.where(count > 0, given.time - last, np.inf)
    recency = np.searchsorted(np.array(EDGES) * horizon, ago, side="right")
    graph = connect(items, recency, tokens, row)
    return graphs.pad_edges(graph, 1 << (len(row) - 1).bit_length())


def connect(items: int, recency, tokens, rows):
    """Tokens, then requests as nodes; an edge to each of the requests `rows`, ascending."""
    nodes = np.pad(recency.astype(np.int32), (items + 1, 0))
    return graphs.make(nodes, tokens, rows + items + 1, np.ones(len(rows)))


def check_times(given: requests.Requests) -> None:
    """Raises `errors.InputError` without any request, or where one has no finite time."""
    if not len(given.user):
        raise errors.InputError("expected at least one request; found none")
    bad = ~np.isfinite(given.time)
    if bad.any():
        raise errors.InputError(
            f"request {bad.argmax()}: expected a finite time, from which its last event "
            f"is counted; found {given.time[bad.argmax()]}. Give the time of the request."
        )
