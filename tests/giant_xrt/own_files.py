"""Files of a user of GIANT-XRT, small, under the names that README.md uses."""

import csv
import json

from iclr22.data import text_graphs
from iclr22.data.text_graphs import simulated
from iclr22.nn import bert
from iclr22.trans_encoder import fresh

PARAMS = simulated.Params(
    nodes=90, classes=3, degree=6.0, topic_words=20, other_words=60, words=12
)


def write(folder):
    """Nodes with texts and labels, as a table and as lines; links; new texts; an encoder."""
    found = simulated.generate(3, PARAMS)
    labels = [f"topic {x}" for x in found.nodes.labels]
    labels[::9] = [""] * len(labels[::9])
    rows = [(f"n{i}", x, labels[i]) for i, x in enumerate(found.texts)]
    _table(folder / "nodes.csv", ("id", "text", "label"), rows)
    with open(folder / "nodes.jsonl", "w", encoding="utf-8") as file:
        for name, text, label in rows:
            file.write(json.dumps({"id": name, "text": text, "label": label}) + "\n")
    edges = text_graphs.undirected_edges(found).T
    ends = [(f"n{a}", f"n{b}") for a, b in edges]
    _table(folder / "edges.csv", ("source", "target"), ends)
    _table(
        folder / "new.csv",
        ("id", "text"),
        [(f"new {i}", r[1]) for i, r in enumerate(rows[:7])],
    )
    words = simulated.vocabulary(PARAMS)
    one = fresh.encoder(words, 16, 1)
    bert.save(folder / "bert", one.config, one.params, one.vocabulary)


def _table(path, head, rows):
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([head, *rows])
