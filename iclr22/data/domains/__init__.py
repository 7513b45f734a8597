"""Domains that a graph relates: what such data are, and their graph as a matrix.

Loaders return `DomainData`.
"""

from typing import NamedTuple

import jraph
import numpy as np

from iclr22 import graph


class DomainData(NamedTuple):
    """Samples of domains that a graph relates; host arrays.

    Attributes:
      x: `[n, features]` float32; float64 where that would blur the user's own numbers.
      y: `[n]` int32 classes, -1 where unknown; or `[n, outputs]`, as x, NaN where
        unknown: then the task is regression.
      domain: `[n]` int32, a node of the graph.
      graph: of the N domains, both directions of every edge, weights in (0, 1]. Its nodes
        are positions `[N, 2]` to draw them at, or `[N, 0]`; never an input of a model.
      sources: bool `[N]`, domains whose labels may be used in training. Labels of others
        are there for scoring only.
      class_names: by class; empty for regression.
      domain_names: `[N]` strings.
      standardise: False where x and y already are on the scale that results are published
        on, True where the user of the data should bring x to mean 0 and deviation 1.
      feature_names: of the columns of x, if they have any.
    """

    x: np.ndarray
    y: np.ndarray
    domain: np.ndarray
    graph: jraph.GraphsTuple
    sources: np.ndarray
    class_names: tuple[str, ...]
    domain_names: np.ndarray
    standardise: bool = True
    feature_names: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Number of domains, N."""
        return len(self.sources)

    @property
    def regression(self) -> bool:
        """Whether y are numbers to predict, not classes."""
        return self.y.dtype.kind == "f"


def adjacency(links) -> np.ndarray:
    """Weights of the edges of a graph as a matrix `[N, N]` float32; 0 without an edge."""
    n = graph.size(links.nodes)
    matrix = np.zeros((n, n), np.float32)
    matrix[links.senders, links.receivers] = links.edges
    return matrix


def hops(links, sources) -> np.ndarray:
    """Edges to the nearest of the sources (bool `[N]`): `[N]` int, -1 where no path is."""
    linked = adjacency(links) > 0
    border = np.asarray(sources, bool)
    distance = np.where(border, 0, -1)
    while border.any():
        border = linked[border].any(axis=0) & (distance < 0)
        distance[border] = distance.max() + 1
    return distance
