"""Random graphs whose nodes have classes; they stand in for others in quick runs."""

import numpy as np

from iclr22.data.graphs import NodeData, node_data, split_masks


def degree_corrected_sbm(
    rng: np.random.Generator,
    size: int,
    classes: int = 4,
    mean_degree: float = 6.0,
    homophily: float = 0.8,
    noise: float = 1.0,
    features: int = 16,
    exponent: float = 2.5,
) -> NodeData:
    """A random graph with classes and a power law of degrees; some nodes are isolated.

    Ends of edges are drawn in proportion to the nodes' expected degrees, so the mean
    degree is a little smaller for the duplicates (degree-corrected stochastic block
    model, arXiv:1008.3926).

    Args:
      homophily: share of the edges that stay within a class.
      noise: standard deviation of features `[size, features]` around the means of their
        classes, which are random vectors of length 2.
      exponent: of the density of expected degrees, above 2.
    """
    labels = rng.permutation(np.arange(size) % classes)
    expected = rng.pareto(exponent - 1, size) + 1
    expected *= mean_degree / expected.mean()
    expected = expected.clip(max=np.sqrt(size * mean_degree))  # else mostly duplicates
    edges = _draw_edges(rng, labels, expected, round(size * mean_degree / 2), homophily)
    means = rng.standard_normal((classes, features))
    means *= 2 / np.linalg.norm(means, axis=1, keepdims=True)
    x = means[labels] + noise * rng.standard_normal((size, features))
    masks = split_masks(rng.permutation(size))
    found = node_data(x.astype(np.float32), edges, labels, masks)
    return found._replace(class_names=tuple(map(str, range(classes))))


def _draw_edges(rng, labels, expected, count, homophily):
    """Ends `[2, count]`: places on a line where nodes, by class, are intervals."""
    order = np.argsort(labels, kind="stable")
    ends = np.cumsum(expected[order])
    borders = np.searchsorted(labels[order], np.arange(labels.max() + 2))
    borders = np.concatenate([[0.0], ends])[borders]

    def node_at(place):
        return order[np.searchsorted(ends[:-1], place, side="right")]

    senders = node_at(rng.uniform(0, ends[-1], count))
    low, high = borders[labels[senders]], borders[labels[senders] + 1]
    share, inside = rng.random(count), rng.random(count) < homophily
    outside = (high + share * (ends[-1] - high + low)) % ends[-1]
    place = np.where(inside, low + share * (high - low), outside)
    return np.stack([senders, node_at(place)])


def synthetic(rng: np.random.Generator, size: int) -> NodeData:
    """A random graph of `size` nodes in four classes."""
    return degree_corrected_sbm(rng, size)
