"""Comparison of generators on one panel: the table, figures, a certificate of the first."""

import functools

import numpy as np

from experiments import run as runner
from experiments.psa_gan import outputs, paper, problem, scores
from experiments.psa_gan.problem import Problem
from iclr22 import progress
from iclr22.psa_gan import pipeline


def compare(run: runner.Run) -> None:
    """All variants and controls of every seed."""
    found = problem.problem_of(run, problem.load(run))
    trained = [x for x in run.options.variant if x in pipeline.VARIANTS]
    problem.plan(run, found, trained)
    judges = functools.cache(functools.partial(scores.encoders, run, found))
    for seed in progress.track(run.seeds, "seeds"):
        given = functools.cache(functools.partial(_given, run, found, judges, seed))
        for variant in progress.track(run.options.variant, f"variants, seed {seed}"):
            measure = functools.partial(_measure, run, found, judges, given, variant)
            run.cell(f"{variant}-{seed}", functools.partial(measure, seed))
    outputs.draw(run, found, trained)
    run.summary = outputs.conclusions(run)


def _given(run, found: Problem, judges, seed: int):
    """Windows of a seed, and the controls of them."""
    of = problem.sample(run, found, seed)
    return of, scores.controls_of(found, of, judges(), seed)


def _measure(run, found: Problem, judges, given, variant: str, seed: int) -> dict:
    """Rows of one generator and the first of its windows."""
    of, against = given()
    more = {}
    if variant in pipeline.VARIANTS:
        fitted = problem.fit(run, found, variant, seed)
        made = problem.synthetic(fitted.model, of)
        more = {"processor_seconds": fitted.seconds}
    else:
        made = against.windows[variant]
    values = scores.measure(run, found, of, judges(), against, made, seed) | more
    setting = problem.setting_of(run)
    rows = [
        (variant, setting, seed, name, value, _published(run, variant, setting, name))
        for name, value in values.items()
    ]
    return {"rows": rows, "windows": np.asarray(made[: outputs.KEPT], np.float32)}


def _published(run, variant, setting, metric):
    return paper.published(run.dataset_name, variant, setting, metric)
