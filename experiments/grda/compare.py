"""All methods on one data set: the table, and the model that is kept."""

import functools
import operator

import numpy as np

from experiments import run as runner
from experiments.grda import outputs, paper
from experiments.grda.problem import (
    LEAKS,
    Line,
    Problem,
    configurations,
    lines_of,
    load,
    options_of,
    released,
    rows_of,
)
from iclr22 import grda, progress, record
from iclr22.data.domains import climate
from iclr22.grda import artifact, linear, metrics, pipeline

WINDOWS = 12  # source windows of TPT-48 from one January to the next


def compare(run: runner.Run) -> None:
    """All methods on one data set; figures and files of the first seed."""
    problem = load(run)
    lines = lines_of(run, problem.data)
    lines += [x for x in released(run, problem.data) if x not in lines]
    _describe(run, problem.data)
    run.trains(configurations(run, problem.data, lines))
    kept = {}
    for seed in progress.track(run.seeds, "seeds"):
        for line in lines:
            work = functools.partial(_measure, run, problem, line, seed)
            cell = run.cell(f"{line.name}-{seed}", work)
            kept.setdefault(line, cell)
    if run.dataset in climate.DATASETS and not run.quick:
        run.cell("linear", functools.partial(_linear, run, problem))
    if run.own:
        run.cell("baselines", functools.partial(_baselines, run, problem))
    outputs.draw(run, problem, kept)
    exported = outputs.export(run, problem, kept)
    run.summary = _conclusions(run, problem.data, exported)


def _describe(run, found):
    run.facts["domains"] = f"{found.size}, {int(found.sources.sum())} of them labelled"
    run.facts["samples"] = len(found.x)
    run.facts["edges"] = len(found.graph.senders) // 2


def _measure(run, problem: Problem, line: Line, seed: int) -> dict:
    """Rows of one training, and what the figures and files need of it."""
    found = problem.data
    fitted = grda.train(
        found,
        options_of(run, line),
        directory=run.path("training") / f"{line.name}-{seed}",
        seed=seed,
        mode=run.mode,
    )
    said = grda.predict(fitted.model, found.x, found.domain)
    values = metrics.domain_scores(said, found)
    rows = rows_of(run, problem, line.method, line.pairing, seed, values)
    agreement = fitted.scores[fitted.chosen].agreement
    rows.append((line.method, line.pairing, seed, "selection/agreement", agreement, ""))
    if seed == run.seeds[0]:
        artifact.save(run.path("models") / f"{line.name}.npz", fitted.model)
    return {
        "rows": rows,
        "values": values,
        "said": said,
        "scores": list(fitted.scores[fitted.chosen]),
        **_curves(fitted.curves),
    }


def _curves(logged) -> dict[str, np.ndarray]:
    """How the adversary fared: at which step, its loss, GRDA's AUC of edges."""
    watched = [line for line in logged if "valid/adversary" in line]
    names = {
        "step": "step",
        "adversary": "valid/adversary",
        "edge_auc": "valid/edge_auc",
    }
    return {
        key: np.array([line[name] for line in watched if name in line])
        for key, name in names.items()
    }


def _linear(run, problem: Problem) -> dict:
    """Least squares, and the mean of the source states, for TPT-48; classes one-hot."""
    found = problem.data
    source = found.sources[found.domain]
    aligned = source.copy()
    for u in np.flatnonzero(found.sources):
        rows = np.flatnonzero(found.domain == u)
        aligned[rows] = np.arange(len(rows)) % WINDOWS == 0
    x, y = found.x, found.y
    y = y if found.regression else np.eye(len(found.class_names))[y]
    said = {
        "least_squares": linear.least_squares(x[aligned], y[aligned], x),
        "least_squares_sliding": linear.least_squares(x[source], y[source], x),
        "climatology": np.broadcast_to(y[aligned].mean(axis=0), y.shape),
    }
    rows = []
    for variant, predicted in said.items():
        values = metrics.domain_scores(predicted, found)
        rows += rows_of(run, problem, variant, "independent", 0, values)
    return {"rows": rows}


def _baselines(run, problem: Problem) -> dict:
    """What own data are worth without any adaptation: a linear model of all labelled
    samples of sources on standardised features, and the same answer for everybody."""
    found = problem.data
    x = artifact.scale_of(found.x)(found.x)
    known = found.sources[found.domain]
    if found.regression:
        known &= np.isfinite(found.y).all(axis=1)
        y = found.y[known]
        said = {"least_squares": linear.least_squares(x[known], y, x)}
    else:
        known &= found.y >= 0
        classes = len(found.class_names)
        y = np.eye(classes)[found.y[known]]
        model = linear.logistic_regression(x[known], found.y[known], x, classes)
        said = {"logistic_regression": model}
    said["constant"] = linear.constant(y, len(x))
    rows = []
    for variant, predicted in said.items():
        values = metrics.domain_scores(predicted, found)
        rows += rows_of(run, problem, variant, "independent", 0, values)
    return {"rows": rows}


PLAIN = ("least_squares", "logistic_regression", "constant")  # baselines, in sentences


def _conclusions(run, found, exported: Line) -> str:
    """Which model is kept, which line is ahead by target labels, whether any leaks, and
    who loses to a baseline."""
    metric = "target/mse" if found.regression else "target/accuracy"
    means = [s for s in record.summarise(run.rows) if s.metric == metric]
    how = "named by --export" if run.options.export else "chosen without target labels"
    text = f"Exported: {exported.title}, {how}."
    if not means:
        return text
    better = operator.lt if found.regression else operator.gt
    clean = [s for s in means if s.setting != LEAKS] or means
    ahead = clean[0]
    for line in clean[1:]:
        ahead = line if better(line.mean, ahead.mean) else ahead
    own = next((s for s in means if _is(s, exported)), None)
    if own is not None:
        text += f" On target domains it has {own.mean:.4g} ({metric.split('/')[1]})."
        if better(ahead.mean, own.mean):
            text += (
                f" By their labels, which no choice may use, {ahead.variant} is ahead: "
                f"{ahead.mean:.4g}."
            )
    if any(s.setting == LEAKS for s in means):
        text += (
            f" Rows with {LEAKS} are a reproduction of the released batches, whose "
            "slots hold one class in every domain: they leak target labels."
        )
    values = {s.variant: s.mean for s in clean}
    trained = [name for name in pipeline.METHODS if name in values]
    for name in PLAIN:
        if name in values:
            losing = [other for other in trained if better(values[name], values[other])]
            text += (
                f" {name.replace('_', ' ').capitalize()} ({values[name]:.4g}) beats "
            )
            text += f"{', '.join(losing) or 'none of the methods'}."
    if found.regression and run.dataset in paper.MSE:
        text += " The published scale cannot be had from public data."
    return text


def _is(summary, line: Line) -> bool:
    return (summary.variant, summary.setting) == (line.method, line.pairing)
