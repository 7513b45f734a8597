"""Figures, files and words of a run."""

import numpy as np

from experiments import run as runner
from experiments.giant_xrt import paper
from experiments.giant_xrt.problem import Problem
from iclr22 import checkpoint, graph, plots, record
from iclr22.data import text_graphs
from iclr22.giant_xrt import artifact, encoding, figures, tfidf, tree, use

HELD = 2000  # links that are held out and ranked, at most
WORDS = 8  # of a cluster
OFTEN = 0.2  # words in a larger share of texts tell no cluster


def some(held, seed: int) -> np.ndarray:
    """Links `[2, e]` that are ranked, at most `HELD` of them."""
    if held.shape[1] <= HELD:
        return held
    random = np.random.default_rng((seed, 2))
    return held[:, np.sort(random.choice(held.shape[1], HELD, replace=False))]


def draw(run: runner.Run, kept: dict[str, dict]) -> None:
    """Figures: accuracies, rounds of the first seed, the theory of aggregation."""
    summaries = record.summarise(run.rows)
    if any(x.metric == paper.TEST for x in summaries):
        path = run.figure(
            "headline", "Test accuracy [%] by features, mean and 95 % interval."
        )
        plots.bars(path, summaries, paper.VARIANTS, paper.TEST, colours=figures.COLOURS)
    rounds = {name: cell["rounds"] for name, cell in kept.items() if cell["rounds"]}
    if rounds:
        path = run.figure("rounds", "Rounds over levels of the tree, first seed.")
        figures.rounds(path, rounds)
    if run.dataset == "csbm":
        path = run.figure(
            "theory",
            "Two classes found by 2-means, of nodes' features and of means of their "
            "neighbours' (contextual stochastic block model): lines as computed, points as "
            "drawn.",
        )
        figures.theory_curve(path)


def write(run: runner.Run, found: Problem, model: artifact.Model, features) -> None:
    """What the first seed leaves: features, model, tree, missing links, a graph."""
    ids = found.whole.nodes.node_names
    path = run.output("embeddings.npy")
    with checkpoint.atomic(path) as temporary, open(temporary, "wb") as file:
        np.save(file, features)
    record.write_columns(run.output("ids.csv"), {"id": ids})
    artifact.save(run.output("model.npz"), model)
    if model.encoder.config.kind == "bert":
        artifact.export(run.path("encoder"), model.encoder)
    _write_tree(run, found, model)
    if run.options.top < len(found.rows):
        _write_links(run, found, features)
    _write_graph(run, found, features)


def _write_tree(run: runner.Run, found: Problem, model: artifact.Model) -> None:
    """tree.csv: clusters of every level with their words, and whose they are."""
    words_alone = tfidf.Config(pairs=0, letters=0, most=OFTEN)
    vectorizer, weights = tfidf.fit_transform(found.seen.texts, words_alone)
    columns: list[tuple] = []
    for level, size in enumerate(model.tree.sizes[:-1]):
        words = tree.describe(model.tree, level, weights, vectorizer.terms, WORDS)
        members = np.bincount(model.tree.clusters(level), minlength=size)
        for cluster in range(size):
            told = " ".join(term for term, _ in words[cluster])
            parent = int(model.tree.parents[level][cluster])
            columns.append((level, cluster, parent, int(members[cluster]), told))
    names = ("level", "cluster", "parent", "nodes", "words")
    by = zip(*columns, strict=True)
    record.write_columns(
        run.output("tree.csv"), dict(zip(names, map(list, by), strict=True))
    )


def _write_links(run: runner.Run, found: Problem, features) -> None:
    """links.csv: of each node the nearest that are no neighbours yet, by what its text has
    learned from the graph and by the text as it was read before."""
    edges = graph.links(found.whole.nodes.graph)
    ends, top = np.stack([edges.senders, edges.receivers]), run.options.top
    before = encoding.embed(found.encoder, found.whole.texts)
    both = use.together(features, before)
    near = use.suggest_links(both, ends, top, directed=True)
    ids = np.append(found.whole.nodes.node_names, "")
    there = near.nodes >= 0
    first = np.repeat(np.arange(len(features)), there.sum(axis=1))
    rank = np.broadcast_to(np.arange(1, top + 1), near.nodes.shape)
    columns = {
        "source": ids[first],
        "target": ids[near.nodes[there]],
        "rank": rank[there],
        "score": np.round(near.scores[there].astype(float), 6),
    }
    record.write_columns(run.output("links.csv"), columns)


def _write_graph(run: runner.Run, found: Problem, features) -> None:
    """graph.npz: features and links as the experiment of Cold Brew reads them."""
    path = run.output("graph.npz")
    checkpoint.write_npz(path, **text_graphs.arrays(found.whole, features))


def conclusions(run: runner.Run) -> str:
    """What the numbers say, in words."""
    by = {(x.setting, x.variant, x.metric): x.mean for x in record.summarise(run.rows)}
    lines = []
    settings = dict.fromkeys(s for s, v, m in by if m == paper.TEST and v == "giant")
    for setting in settings:
        ours = by[setting, "giant", paper.TEST]
        others = {
            v: x
            for (s, v, m), x in by.items()
            if (s, m) == (setting, paper.TEST) and v != "giant"
        }
        told = ", ".join(f"{paper.TOLD[v]} {x:.1f}" for v, x in others.items())
        better = [paper.TOLD[v] for v, x in others.items() if x >= ours]
        lines.append(
            f"{setting}: GIANT {ours:.1f} % ({told}). As good or better: "
            f"{', '.join(better) or 'none'}."
        )
    ranks = {v: x for (_, v, m), x in by.items() if m == "links/mrr"}
    if ranks:
        told = ", ".join(f"{paper.TOLD[v]} {x:.1f}" for v, x in ranks.items())
        lines.append(f"Mean reciprocal rank of links that were held out [%]: {told}.")
    lines += [f"{name}: {value}" for name, value in run.facts.items() if "seen" in name]
    return "\n".join(lines)
