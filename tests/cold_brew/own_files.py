"""Files of a user of Cold Brew, small, under the names that README.md uses."""

import csv

import numpy as np

from iclr22 import data

NODES, NEW, FEATURES, CLASSES = 120, 10, 12, 3


def write(folder):
    """A graph as two tables and as an archive; nodes that come later, without edges."""
    rng = np.random.default_rng(0)
    y = np.arange(NODES + NEW) % CLASSES
    x = rng.normal(size=(NODES + NEW, FEATURES)) + 2 * np.eye(CLASSES, FEATURES)[y]
    found = data.degree_corrected_sbm(rng, NODES, CLASSES)
    ends = np.stack([found.graph.senders, found.graph.receivers])
    ends = ends[:, ends.max(axis=0) < NODES]
    header = ["id", "label", *(f"f{i}" for i in range(FEATURES))]
    labels = [f"class-{i}" for i in y]
    rows = [[f"n{i}", labels[i], *np.round(values, 3)] for i, values in enumerate(x)]
    _table(folder / "nodes.csv", header, rows[:NODES])
    _table(folder / "new_nodes.csv", header, [[r[0], "", *r[2:]] for r in rows[NODES:]])
    links = [[f"n{a}", f"n{b}"] for a, b in ends.T if a < b]
    _table(folder / "edges.csv", ["source", "target"], links)
    np.savez(
        folder / "graph.npz",
        x=x[:NODES].astype(np.float32),
        y=y[:NODES],
        edge_index=ends,
    )


def _table(path, header, rows):
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
