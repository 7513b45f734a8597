"""The engine alone: neighbours of unseen nodes are ranked by XR-Linear on tf-idf."""

import functools
import time

import numpy as np

from experiments import run as runner
from experiments.giant_xrt import problem
from iclr22 import graph
from iclr22.giant_xrt import linear, ranking, targets, tfidf, tree
from iclr22.giant_xrt.pifa import pifa

TEST, BEAM, K = 0.2, 10, 5  # share of nodes that are unseen; of predictions
SPLIT = 0  # seed of the split, which all runs share


def rank(run: runner.Run) -> None:
    """Precision and recall of every seed's tree."""
    for seed in run.seeds:
        run.cell(f"linear-{seed}", functools.partial(_measure, run, seed))
    found = [row.value for row in run.rows if row.metric == "xmc/p_at_1"]
    run.summary = (
        f"The first of the nodes that XR-Linear ranks is a neighbour for {np.mean(found):.1f} "
        f"% of nodes that it has not seen (mean of {len(found)} trees)."
    )


def split(labels, seed: int = SPLIT) -> tuple[np.ndarray, np.ndarray]:
    """`(train, test)`: rows with a label, in two parts."""
    known = np.flatnonzero(np.diff(labels.indptr))
    order = np.random.RandomState(seed).permutation(known)
    count = int(TEST * len(order))
    return np.sort(order[count:]), np.sort(order[:count])


def _measure(run: runner.Run, seed: int) -> dict:
    options, whole = run.options.models.tree, problem.graph_of(run, seed)
    links = graph.links(whole.nodes.graph)
    edges = np.stack([links.senders, links.receivers])
    n = len(whole.texts)
    found = targets.neighbours(n, edges, directed=True, most=options.hubs)
    labels, features = found.labels, tfidf.fit_transform(whole.texts)[1][found.rows]
    train, test = split(labels)
    began = time.process_time()
    vectors = pifa(labels[train], features[train])
    planted = tree.build_tree(
        vectors,
        leaf=options.leaf,
        splits=options.splits,
        least=options.least,
        seed=seed,
    )
    model = linear.fit_linear(features[train], labels[train], planted)
    seconds = time.process_time() - began
    best, _ = linear.predict(model, features[test], beam=BEAM, k=K)
    values = {
        f"xmc/p_at_{k + 1}": 100 * x
        for k, x in enumerate(ranking.precision(labels[test], best))
    }
    values["xmc/r_at_5"] = 100 * ranking.recall(labels[test], best)[-1]
    values["xmc/seconds"] = seconds
    rows = [
        ("tfidf", "xr-linear", seed, name, float(x), "") for name, x in values.items()
    ]
    return {"rows": rows}
