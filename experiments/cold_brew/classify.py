"""The full table of accuracies; figures, and a student to keep, of the first seed."""

import pathlib

import numpy as np

from experiments import run as runner
from experiments.cold_brew import paper, variants
from experiments.cold_brew.models import Models
from experiments.cold_brew.problem import (
    Problem,
    accuracies,
    check_neighbors,
    describe,
    load,
    make_problem,
)
from iclr22 import checkpoint, cold_brew, graph, progress, record
from iclr22.cold_brew import figures
from iclr22.data.checks import padded

FILES = ("predictions.csv", "student.npz")  # of the first seed, besides embeddings.npz


def classify(run: runner.Run) -> None:
    """The full table; then figures, and a student to keep, of the first seed."""
    found, options = load(run), run.options
    describe(run, found)
    first = make_problem(run, found, run.seeds[0])
    check_neighbors(run, first)
    run.trains(
        variants.configurations(options.models, options.variants, first.task.classes)
    )
    for seed in progress.track(run.seeds, "seeds"):
        models = Models(run, make_problem(run, found, seed))
        for variant in options.variants:
            run.cell(
                f"{variant}-{seed}",
                lambda v=variant, m=models: _score(run, m, v),
            )
        run.cell(f"unmodified-{seed}", lambda m=models: _unmodified(m))
        if seed == run.seeds[0]:
            path = run.figure(
                "embeddings",
                "First two principal components of what the student guesses for every "
                "node (one seed); colour is the class, crosses are isolated, triangles "
                "tail nodes.",
            )
            run.cell(f"kept-{seed}", lambda m=models, p=path: _keep(run, m, p))
    for name in FILES:
        run.output(name)
    _draw(run, first)
    run.summary = _conclusions(run)


def _score(run: runner.Run, models: Models, variant: str) -> dict:
    """Rows of one variant and seed, and what it predicts for every node."""
    scores = models.says(variant)
    problem, options = models.problem, run.options
    values = {f"{g}/accuracy": v for g, v in accuracies(problem, scores).items()}
    if options.models.selection == "test_max" and variant in variants.WATCHED:
        watched = models.trainer.watched(variants.WATCHED[variant])
        values = {
            f"{group}/accuracy_test_max": watched[f"{group}/accuracy"]
            for group in problem.judged
        }
    rows = [
        (
            variant,
            options.split,
            problem.seed,
            metric,
            value,
            paper.published(run.dataset_name, variant, metric),
        )
        for metric, value in values.items()
    ]
    return {"rows": rows, "predicted": np.argmax(scores, axis=1)}


def _unmodified(models: Models) -> dict:
    """The graph with all its edges: GCN, label propagation, and FCR from them."""
    problem = models.problem
    scores = {
        "gcn": models.graph_network("gcn_unmodified", unmodified=True),
        "label_propagation": models.label_propagation(unmodified=True),
        "mlp": models.simple_mlp(),
    }
    rows, overall = [], {}
    for variant, values in scores.items():
        found = accuracies(problem, values)
        overall[variant] = found["overall"]
        for group, value in found.items():
            rows.append(
                (variant, "unmodified", problem.seed, f"{group}/accuracy", value, "")
            )
    ratio = cold_brew.feature_contribution_ratio(
        overall["mlp"], overall["label_propagation"], overall["gcn"]
    )
    if np.isfinite(ratio):
        known = paper.FCR.get(models.run.dataset_name, "")
        rows.append(("fcr", "unmodified", problem.seed, "overall/fcr", ratio, known))
    return {"rows": rows, "fcr": str(ratio)}


def _keep(run: runner.Run, models: Models, path: pathlib.Path) -> dict:
    """Student, embeddings, predictions and a figure of the first seed."""
    problem, fitted = models.problem, models.own_student
    cold_brew.save(run.path("student.npz"), fitted.student)
    groups = np.full(len(fitted.table), "other", "U9")
    for name, mask in problem.groups._asdict().items():
        groups[mask] = name
    checkpoint.write_npz(
        run.path("embeddings.npz"),
        names=padded(problem.data.node_names),
        groups=groups,
        labels=problem.data.labels,
        teacher=fitted.table,
        student=fitted.guesses[0],
    )
    _write_predictions(run, models, groups)
    figures.embeddings(path, fitted.guesses[0], problem.data.labels, problem.groups)
    return {}


def _write_predictions(run: runner.Run, models: Models, groups: np.ndarray) -> None:
    """predictions.csv: every node, by the teacher where it has edges, else the student."""
    problem = models.problem
    by_student = graph.degrees(problem.task.graph) == 0
    chosen = np.where(
        by_student[:, None], models.own_student.logits, models.taught.logits()
    )
    shares = np.exp(chosen - chosen.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    names = np.append(problem.data.class_names, "")
    columns = {
        "id": problem.data.node_names,
        "group": groups,
        "degree": graph.degrees(problem.full),
        "label": names[problem.data.labels],
        "predicted": names[np.argmax(shares, axis=1)],
        "probability": np.round(shares.max(axis=1), 4),
        "by": np.where(by_student, "student", "teacher"),
        "used_in_training": problem.task.train,
    }
    record.write_columns(run.path("predictions.csv"), columns)


def _draw(run: runner.Run, first: Problem) -> None:
    """Accuracy by group, and by degree for the first seed."""
    options = run.options
    summaries = [s for s in record.summarise(run.rows) if s.setting == options.split]
    path = run.figure(
        "accuracy",
        "Test accuracy by group, mean and 95 % interval over seeds; black marks are the "
        "paper's numbers.",
    )
    figures.accuracy_by_group(path, summaries)
    correct = {}
    for variant in options.variants:
        predicted = run.cell(f"{variant}-{first.seed}", dict)["predicted"]
        correct[variant] = predicted == first.task.labels
    path = run.figure(
        "degrees",
        "Test accuracy by degree in the unmodified graph (one seed); nodes counted as "
        "isolated lost their edges before training.",
    )
    buckets = figures.accuracy_by_degree(
        path, graph.degrees(first.full), correct, first.judged["overall"]
    )
    record.write_columns(run.path("degrees.csv"), buckets)


def _conclusions(run: runner.Run) -> str:
    """A few sentences with this run's numbers."""
    watched = run.options.models.selection == "test_max"
    metric = "isolation/accuracy" + ("_test_max" if watched else "")
    means = {
        s.variant: s.mean
        for s in record.summarise(run.rows)
        if s.setting == run.options.split and s.metric == metric
    }
    lines = []
    if {"student", "mlp"} <= set(means):
        others = {k: v for k, v in means.items() if not k.startswith("student")}
        better = [f"{k} {v:.1f}" for k, v in others.items() if v >= means["student"]]
        lines.append(
            f"On isolated nodes the student reaches {means['student']:.1f} %, the simple "
            f"MLP {means['mlp']:.1f} %. As good or better: {', '.join(better) or 'none'}."
        )
    ratios = [row.value for row in run.rows if row.metric == "overall/fcr"]
    lines.append(cold_brew.reading(float(np.mean(ratios)) if ratios else np.nan))
    if watched:
        lines.append("Chosen on test nodes, to compare with published numbers only.")
    return "\n".join(lines)
