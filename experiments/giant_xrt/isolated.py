"""Cold Brew on features of GIANT: nodes whose links neither of the two has seen."""

import pathlib
from typing import Any, NamedTuple

import numpy as np

from experiments import run as runner
from experiments.giant_xrt import fit, paper, problem
from experiments.giant_xrt.problem import Problem
from iclr22 import cold_brew, errors, graph, loop, plots, progress, record
from iclr22.cold_brew import artifact, models, pipeline
from iclr22.cold_brew.rounds import Trainer
from iclr22.cold_brew.splits import Split
from iclr22.data import text_graphs
from iclr22.giant_xrt import encoding, figures, reduced
from iclr22.giant_xrt import pipeline as giant

VARIANTS = ("frozen", "tfidf", "giant")  # features; the first two know no link
MODELS = ("student", "teacher", "mlp")
COLD = "isolation/accuracy"
SCALE = "columns"  # of features, for Cold Brew
OPTIONS = cold_brew.Options()


class Cold(NamedTuple):
    """One seed's graph, and who is isolated and who judged in it."""

    found: Problem  # what is seen has no link of an isolated node
    nodes: graph.NodeData  # of the whole graph, with the masks that are used
    isolation: np.ndarray  # bool [n]
    split: Split


def isolated(run: runner.Run) -> None:
    """All features of every seed; a figure of the table."""
    first = load(run, run.seeds[0])
    _describe(run, first)
    learned = fit.planned(run, first.found)
    run.trains(
        fit.configurations(run, first.found, learned)
        | configurations(len(first.nodes.class_names))
    )
    for seed in progress.track(run.seeds, "seeds"):
        here = first if seed == run.seeds[0] else None
        for variant in VARIANTS:

            def measure(variant=variant, seed=seed, here=here):
                cold = here or load(run, seed)
                return {"rows": measured(run, cold, learned, variant, seed)}

            run.cell(f"isolated-{variant}-{seed}", measure)
        loop.forget()
    path = run.figure(
        "isolated", "Test accuracy [%] on nodes whose links were taken away."
    )
    summaries = record.summarise(run.rows)
    plots.bars(path, summaries, paper.VARIANTS, COLD, colours=figures.COLOURS)
    run.summary = _conclusions(run)


def load(run: runner.Run, seed: int) -> Cold:
    """The graph, with the kind of splits that tests the most nodes; several seeds take
    several of its splits.

    Raises:
      errors.InputError: no labels, or too few nodes of some kind.
    """
    whole = problem.graph_of(run, seed)
    nodes, texts = whole.nodes, whole.texts
    if len(nodes.class_names) < 2:
        raise errors.InputError(
            "--task=isolated expects nodes with labels of two classes or more; found "
            f"{len(nodes.class_names)}"
        )
    kinds = list(whole.splits.values()) or [nodes.masks]
    masks = max(kinds, key=lambda x: np.count_nonzero(x.get("test", 0)))
    nodes = nodes._replace(masks=masks)
    index = seed % min((len(x) for x in masks.values()), default=1)
    split = cold_brew.training_nodes(nodes, "the graph", index, seed=seed)
    away = cold_brew.split_by_degree(nodes.graph, "released").isolation
    _check(nodes, away, split, seed)
    kept = nodes._replace(graph=graph.isolate(nodes.graph, away))
    seen, encoder = whole._replace(nodes=kept), problem.encoder_of(run, texts, seed)
    every, none = np.arange(len(texts)), np.zeros((2, 0), int)
    found = Problem(whole, seen, every, none[0], none, {}, encoder)
    return Cold(found, nodes, away, split)


def _check(nodes: graph.NodeData, away, split, seed: int) -> None:
    """Somebody trains, chooses, is found by Cold Brew and judged."""
    valid = cold_brew.validation_part(split.train, nodes.labels, seed=seed).valid
    found = (
        np.count_nonzero(valid),
        np.count_nonzero(split.test & away),
        np.count_nonzero(~away & ~valid),
    )
    least = 1, 1, OPTIONS.lookup.neighbors + 1
    if any(x < y for x, y in zip(found, least, strict=True)):
        raise errors.InputError(
            "--task=isolated expects training nodes to choose on, test nodes of low degree "
            f"and nodes that keep links, {least[0]}, {least[1]} and {least[2]} or more; "
            "found {}, {} and {}".format(*found)
        )


def _describe(run: runner.Run, cold: Cold) -> None:
    whole, seen = cold.found.whole, cold.found.seen
    links, left = (text_graphs.undirected_edges(x).shape[1] for x in (whole, seen))
    judged = np.count_nonzero(cold.split.test & cold.isolation)
    run.facts["graph"] = f"{len(whole.texts):,} nodes, {links:,} links"
    run.facts["links of nodes that are not isolated"] = f"{left:,}"
    run.facts["training nodes"] = f"{cold.split.train.sum():,}"
    run.facts["test nodes"] = f"{cold.split.test.sum():,}, {judged:,} of them isolated"


def configurations(classes: int) -> dict[str, Any]:
    """What Cold Brew trains, by name."""
    found = pipeline.configs_of(OPTIONS, classes)
    student = {"student_mlp1": found.mlp1, "student_mlp2": found.mlp2}
    return {"teacher": found.teacher, **student, "mlp": found.mlp}


def features(run: runner.Run, cold: Cold, learned, variant: str, seed: int):
    """Features `[n, h]` of all nodes."""
    found = cold.found
    if variant == "tfidf":
        return reduced.components(found.whole.texts, seed=seed)
    if variant == "frozen":
        return encoding.embed(found.encoder, found.whole.texts)
    told = {"directory": _folder(run, seed, variant), "seed": seed, "mode": run.mode}
    options = learned._replace(variant=variant)
    return giant.train(found.seen, found.encoder, options, **told).features


def _folder(run: runner.Run, seed: int, name: str) -> pathlib.Path:
    return run.path("training") / str(seed) / name


def measured(run: runner.Run, cold: Cold, learned, variant: str, seed: int) -> list:
    """Rows of Cold Brew's models on features of a variant."""
    x = features(run, cold, learned, variant, seed)
    nodes = cold.nodes._replace(graph=cold.nodes.graph._replace(nodes=x))
    task = cold_brew.task_of(
        nodes, cold.isolation, cold.split.train, seed=seed, scale=SCALE
    )
    folder, trained = _folder(run, seed, f"cold_{variant}"), run.trained
    trainer = Trainer(folder, seed=seed, mode=run.mode)
    taught = models.train_teacher(trainer, task, trained["teacher"], "teacher")
    student = pipeline.train_student(trainer, task, OPTIONS, taught, "student")
    mlp = models.train_mlp(trainer, task, trained["mlp"], "mlp")
    says = (student.logits, taught.logits(), artifact.outputs(mlp, task.x))
    test = cold.split.test
    groups = {COLD: test & cold.isolation, "overall/accuracy": test}
    rows, name = [], fit.shown(run, variant)
    for model, logits in zip(MODELS, says, strict=True):
        right = np.argmax(logits, axis=1) == nodes.labels
        for metric, mask in groups.items():
            value = 100 * float(np.mean(right[mask]))
            rows.append((name, f"cold_brew, {model}", seed, metric, value, ""))
    return rows


def _conclusions(run: runner.Run) -> str:
    """What the numbers say, in words."""
    found = record.summarise(run.rows)
    by = {(x.setting, x.variant): x.mean for x in found if x.metric == COLD}
    names, lines = [fit.shown(run, x) for x in VARIANTS], []
    for model in MODELS:
        told = (f"{paper.TOLD[x]} {by[f'cold_brew, {model}', x]:.1f}" for x in names)
        lines.append(f"{model}: {', '.join(told)}")
    best = max(by, key=by.__getitem__)
    return (
        "Accuracy [%] on nodes whose links were taken away before anything was trained, "
        f"by features. {'; '.join(lines)}. The best: {best[0]}, {paper.TOLD[best[1]]}."
    )
