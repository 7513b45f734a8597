"""The graph of a run, the encoder that learns from it, and who is measured where."""

from typing import NamedTuple

import numpy as np

from experiments import run as runner
from iclr22 import data, errors, graph
from iclr22.data import text_graphs
from iclr22.data.text_graphs import TextGraph, simulated
from iclr22.giant_xrt import encoding
from iclr22.giant_xrt.encoding import Encoder
from iclr22.nn import encoders

BAG = "bag"  # --encoder without weights
REGISTERED = {"citeseer": "citeseer_texts", "wordnet": "wordnet_graph"}
QUICK_NODES = 240


class Problem(NamedTuple):
    """One seed's graph.

    Attributes:
      whole: all nodes and links.
      seen: what is learned from: without hidden nodes and held-out links.
      rows: numbers of its nodes in the whole.
      hidden: numbers of the others.
      held: node numbers `[2, e]` of links of the whole that were held out.
      kinds: masks `[splits, n]` of the whole, by the name of their kind.
      encoder: before it learns.
    """

    whole: TextGraph
    seen: TextGraph
    rows: np.ndarray
    hidden: np.ndarray
    held: np.ndarray
    kinds: dict[str, dict[str, np.ndarray]]
    encoder: Encoder


def load(run: runner.Run, seed: int) -> Problem:
    """The graph of a seed: a generated one is drawn anew for each.

    Raises:
      errors.InputError: files or encoders that lack something.
    """
    options, whole = run.options, graph_of(run, seed)
    n = len(whole.texts)
    seen, rows, hidden = whole, np.arange(n), np.zeros(0, int)
    if options.hide:
        seen, rows, hidden = text_graphs.hide(whole, options.hide, seed)
    seen, held = _without_links(seen, options.held_links, seed)
    kinds = _kinds(whole, hidden)
    encoder = encoder_of(run, seen.texts, seed)
    return Problem(whole, seen, rows, hidden, rows[held], kinds, encoder)


def graph_of(run: runner.Run, seed: int) -> TextGraph:
    if run.own:
        options = run.options
        return data.load_own_text_graph(options.texts, options.edges, options.directed)
    entry = data.get(REGISTERED.get(run.dataset, run.dataset))
    if run.quick:
        return entry.synthetic(np.random.default_rng(seed), QUICK_NODES)
    if run.dataset == "csbm":
        return simulated.generate(seed)
    return entry.load(run.data_dir)


def _without_links(found: TextGraph, share: float, seed: int):
    """`(graph, node numbers [2, e] of the links that are held out)`."""
    edges = text_graphs.undirected_edges(found)
    if not share:
        return found, edges[:, :0]
    random = np.random.default_rng((seed, 1))
    out = random.random(edges.shape[1]) < share
    links, n = graph.links(found.nodes.graph), len(found.texts)
    low = np.minimum(links.senders, links.receivers).astype(np.int64)
    high = np.maximum(links.senders, links.receivers)
    away = np.isin(low * n + high, edges[0, out] * n + edges[1, out])
    kept = graph.build(
        np.zeros((n, 0), np.float32),
        links.senders[~away],
        links.receivers[~away],
        weights=links.weights[~away],
        directed=True,
    )
    return found._replace(nodes=found.nodes._replace(graph=kept)), edges[:, out]


def _kinds(whole: TextGraph, hidden) -> dict[str, dict[str, np.ndarray]]:
    """Splits of the labelled nodes; drawn where the data have none. Where nodes are hidden,
    these are tested."""
    labels = whole.nodes.labels
    if not (labels >= 0).any() or len(np.unique(labels[labels >= 0])) < 2:
        return {}
    found = dict(whole.splits)
    if not found and whole.nodes.masks and whole.nodes.masks["test"].any():
        found = {"given": whole.nodes.masks}
    if not found:
        found = {text_graphs.SHARES: text_graphs.draw_shares(labels)}
    if len(hidden):
        away = text_graphs.inductive_masks
        found = {k: away(masks, labels, hidden) for k, masks in found.items()}
    return found


def encoder_of(run: runner.Run, texts, seed: int) -> Encoder:
    """The encoder that is named, or a bag of tokens whose vectors are random.

    Raises:
      errors.InputError: no weights or no vocabulary there, or ones that do not fit.
    """
    options = run.options
    if options.encoder == BAG:
        return encoding.of_bag(
            texts,
            width=options.width,
            tokens=options.tokens,
            seed=seed,
        )
    found = encoders.load(options.encoder, options.vocabulary or None)
    return encoding.of_bert(found, pooling=options.pooling, tokens=options.tokens)


def describe(run: runner.Run, found: Problem) -> None:
    """Facts of the graph for the report, among them who has been seen."""
    nodes, n = found.whole.nodes, len(found.whole.texts)
    edges = text_graphs.undirected_edges(found.whole).shape[1]
    empty = sum(not x.strip() for x in found.whole.texts)
    alone = int(text_graphs.isolated(found.whole).sum())
    run.facts["graph"] = (
        f"{n:,} nodes, {edges:,} links, {alone:,} nodes without one, {empty:,} without "
        "a text"
    )
    run.facts["links held out"] = f"{found.held.shape[1]:,}"
    for kind, masks in found.kinds.items():
        test = masks["test"].any(axis=0)
        seen = np.isin(np.flatnonzero(test), found.rows).mean()
        run.facts[f"test nodes of {kind} whose texts and links were seen"] = (
            f"{100 * seen:.0f} %"
        )
    if len(nodes.class_names):
        run.facts["classes"] = len(nodes.class_names)


def check_encoder(options) -> None:
    """Refuse a name that is neither a bag nor a place."""
    import pathlib

    for name in ("encoder", "vocabulary"):
        path = getattr(options, name)
        if path and path != BAG and not pathlib.Path(path).exists():
            raise errors.InputError(f"--{name}: no such file or folder: {path}")
