"""What tests of data share: tables, traps, graphs and domains that are alike."""

import csv
import os

import numpy as np

from iclr22 import data, sparse
from iclr22.data import domains


def check_domains(found, n, size, edges, features=2):
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


def same_domains(a, b):
    """Two `DomainData` hold the same arrays."""
    assert a.class_names == b.class_names and a.standardise == b.standardise
    pairs = [(getattr(a, k), getattr(b, k)) for k in ("x", "y", "domain", "sources")]
    pairs.append((a.domain_names, b.domain_names))
    pairs += [(getattr(a.graph, k), getattr(b.graph, k)) for k in a.graph._fields[:4]]
    for one, other in pairs:
        if one is not None:
            np.testing.assert_array_equal(one, other)
            assert one.dtype == other.dtype


def same_graph(a, b):
    """Two `NodeData` hold the same arrays."""
    assert a.class_names == b.class_names and a.masks.keys() == b.masks.keys()
    assert isinstance(a.graph.nodes, sparse.Sparse) == isinstance(
        b.graph.nodes, sparse.Sparse
    )
    pairs = [(a.labels, b.labels), (a.node_names, b.node_names)]
    pairs += [(a.masks[split], b.masks[split]) for split in a.masks]
    pairs += [(getattr(a.graph, k), getattr(b.graph, k)) for k in a.graph._fields[1:-2]]
    nodes = (x.graph.nodes for x in (a, b))
    if isinstance(a.graph.nodes, sparse.Sparse):
        x, y = nodes
        assert x.shape == y.shape
        pairs += [(x.values, y.values), *zip(x.plan, y.plan, strict=True)]
    else:
        pairs.append(tuple(nodes))
    for one, other in pairs:
        if one is not None:
            np.testing.assert_array_equal(one, other)
            assert one.dtype == other.dtype or one.dtype.kind == other.dtype.kind == "U"


def walkers(positions, frames=None, scene=None, **more):
    """Tracks of agents: positions `[agents, frames, 2]`, one scene, 0.5 s apart."""
    positions = np.asarray(positions, np.float32)
    agents, n = positions.shape[:2]
    agent = np.repeat(np.arange(agents), n)
    frame = np.tile(np.arange(n), agents) if frames is None else np.ravel(frames)
    scene = 0 * agent if scene is None else np.repeat(scene, n)
    names = tuple(f"s{i}" for i in range(scene.max() + 1))
    rows = scene, agent, frame, positions.reshape(-1, 2), 0 * agent
    given = {"kinds": ("agent",), "dt": 0.5, "radius": 3.0} | more
    return data.sort_tracks(data.Tracks(*rows, names, **given))


def random_walkers(agents, n, seed=0, **more):
    rng = np.random.default_rng(seed)
    return walkers(rng.normal(0, 0.5, (agents, n, 2)).cumsum(1), **more)


def column(rows, name, values):
    """The rows with other cells in a column; None takes the column away."""
    j = rows[0].index(name)
    if values is None:
        return [row[:j] + row[j + 1 :] for row in rows]
    cells = [name, *values]
    return [row[:j] + [c] + row[j + 1 :] for row, c in zip(rows, cells, strict=True)]


def table(path, rows):
    with open(path, "w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows(rows)
    return path


class Trap:
    """Makes the folder $TRAP if a pickle of it is executed."""

    def __reduce__(self):
        return os.mkdir, (os.environ["TRAP"],)
