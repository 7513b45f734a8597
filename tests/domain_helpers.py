"""What tests of published and of the user's own domains share."""

import csv
import os

import numpy as np

from iclr22.data import domains


def check(found, n, size, edges, features=2):
    """Types, shapes and the graph."""
    assert found.size == size == len(found.domain_names) == found.graph.n_node
    assert found.x.shape == (n, features) and found.x.dtype == np.float32
    assert found.y.dtype == (np.float32 if found.regression else np.int32)
    assert found.domain.shape == (n,) and found.domain.dtype == np.int32
    assert found.sources.shape == (size,) and found.sources.dtype == bool
    assert np.bincount(found.domain, minlength=size).min() > 0
    assert found.graph.nodes.shape[0] == size
    assert len(found.graph.senders) == 2 * edges
    matrix = domains.adjacency(found.graph)
    assert matrix.shape == (size, size) and matrix.dtype == np.float32
    np.testing.assert_array_equal(matrix, matrix.T)
    assert np.all(np.diag(matrix) == 0) and np.count_nonzero(matrix) == 2 * edges
    assert np.all((found.graph.edges > 0) & (found.graph.edges <= 1))


def same(a, b):
    """Two `DomainData` hold the same arrays."""
    assert a.class_names == b.class_names and a.standardise == b.standardise
    pairs = [(getattr(a, k), getattr(b, k)) for k in ("x", "y", "domain", "sources")]
    pairs.append((a.domain_names, b.domain_names))
    pairs += [(getattr(a.graph, k), getattr(b.graph, k)) for k in a.graph._fields[:4]]
    for one, other in pairs:
        if one is not None:
            np.testing.assert_array_equal(one, other)
            assert one.dtype == other.dtype


def table(path, rows):
    with open(path, "w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows(rows)
    return path


class Trap:
    """Makes the folder $TRAP if a pickle of it is executed."""

    def __reduce__(self):
        return os.mkdir, (os.environ["TRAP"],)
