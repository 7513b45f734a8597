"""All methods on one data set: the table, and the model that is kept."""

import numpy as np

from experiments import run as runner
from experiments.grda import outputs, paper
from experiments.grda.problem import (
    CURVES,
    LEAKS,
    load,
    options_of,
    pairing_of,
    rows_of,
)
from iclr22 import grda, progress, record
from iclr22.data import domains as domain_data
from iclr22.data.domains import climate
from iclr22.grda import artifact, linear, pipeline

WINDOWS = 12  # source windows of TPT-48 from one January to the next


def compare(run: runner.Run) -> None:
    """All methods on one data set; figures and files of the first seed."""
    found = load(run)
    _describe(run, found)
    hops = domain_data.hops(found.graph, found.sources)
    plan = _plan(run, found)
    run.trains(
        {
            f"{variant}-{pairing}": pipeline.config_of(
                options_of(run, variant, pairing), found
            )
            for variant, pairing in plan
        }
    )
    kept = {}
    for seed in progress.track(run.seeds, "seeds"):
        for variant, pairing in plan:
            cell = run.cell(
                f"{variant}-{pairing}-{seed}",
                lambda v=variant, p=pairing, s=seed: _measure(
                    run, found, hops, v, p, s
                ),
            )
            if seed == run.seeds[0]:
                kept[variant if pairing != LEAKS else f"{variant} ({LEAKS})"] = cell
    if run.dataset in climate.DATASETS and not run.quick:
        run.cell("linear", lambda: _linear(run, found, hops))
    outputs.draw(run, found, hops, kept)
    outputs.export(run, found, hops, kept)
    run.summary = _conclusions(run, found)


def _plan(run, found):
    """(method, pairing) of every line of the table."""
    lines = [
        (variant, pairing_of(run, variant))
        for variant in run.options.method
        if not (variant == "propagate" and found.regression)
    ]
    equal = len(set(np.bincount(found.domain, minlength=found.size))) == 1
    if run.options.reproduce and equal and ("grda", LEAKS) not in lines:
        if "grda" in run.options.method:
            lines.append(("grda", LEAKS))
    return lines


def _describe(run, found):
    run.facts["domains"] = f"{found.size}, {int(found.sources.sum())} of them labelled"
    run.facts["samples"] = len(found.x)
    run.facts["edges"] = len(found.graph.senders) // 2


def _measure(run, found, hops, variant, pairing, seed) -> dict:
    """Rows of one run, and what the figures and files need of it."""
    folder = run.workdir / "training" / f"{variant}-{pairing}-{seed}"
    fitted = grda.train(
        found,
        options_of(run, variant, pairing),
        directory=folder,
        seed=seed,
        mode=run.mode,
    )
    said = grda.predict(fitted.model, found.x, found.domain)
    values = pipeline.domain_scores(said, found)
    rows = rows_of(run, found, hops, variant, pairing, seed, values)
    scores = fitted.scores[fitted.chosen]
    rows.append((variant, pairing, seed, "selection/agreement", scores.agreement, ""))
    if seed == run.seeds[0]:
        artifact.save(run.workdir / "models" / f"{variant}-{pairing}.npz", fitted.model)
    watched = [line for line in fitted.curves if "valid/adversary" in line]
    names = ("step", "valid/adversary", "valid/edge_auc")
    curves = {
        key: np.array([line[name] for line in watched if name in line])
        for key, name in zip(CURVES, names, strict=True)
    }
    return {"rows": rows, "values": values, "said": said, **curves}


def _linear(run, found, hops):
    """Least squares, and the mean of the source states, for TPT-48; classes one-hot."""
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
    for variant, values in said.items():
        scores = pipeline.domain_scores(values, found)
        rows += rows_of(run, found, hops, variant, "independent", 0, scores)
    return {"rows": rows}


def _conclusions(run, found):
    metric = "target/mse" if found.regression else "target/accuracy"
    means = [s for s in record.summarise(run.rows) if s.metric == metric]
    if not means:
        return ""
    clean = [s for s in means if s.setting != LEAKS] or means
    pick = min if found.regression else max
    best = pick(clean, key=lambda s: s.mean)
    text = (
        f"Best on target domains without their labels: {best.variant}, {best.mean:.4g}."
    )
    if any(s.setting == LEAKS for s in means):
        text += (
            " Rows with shared_index are a reproduction of the released batches, whose "
            "slots hold one class in every domain: they leak target labels."
        )
    by_name = {s.variant: s.mean for s in clean}
    if "least_squares" in by_name:
        line = by_name["least_squares"]
        losing = [v for v in pipeline.METHODS if v in by_name]
        losing = [v for v in losing if pick(by_name[v], line) == line != by_name[v]]
        text += f" Least squares beats {', '.join(losing) or 'none of the methods'}."
    if found.regression and run.dataset in paper.MSE:
        text += " The published scale cannot be had from public data."
    return text
