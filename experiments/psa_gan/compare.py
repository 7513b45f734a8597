"""Comparison of generators on one panel: the table, figures, a certificate of the first."""

import functools

import numpy as np

from experiments import run as runner
from experiments.psa_gan import outputs, problem, scores
from experiments.psa_gan.problem import Problem, Sample
from iclr22 import loop, progress
from iclr22.psa_gan import pipeline, quality

NOISES, DIVERSE = 16, 128  # windows of one place, and places, of the diversity


def compare(run: runner.Run) -> None:
    """All variants and controls of every seed."""
    found = problem.problem_of(run, problem.load(run))
    trained = [x for x in run.options.variant if x in pipeline.VARIANTS]
    problem.plan(run, found, trained)
    samples = {seed: problem.sample(run, found, seed) for seed in run.seeds}
    made = {seed: {} for seed in run.seeds}
    for variant in scores.BOOTSTRAPS:  # refused before others train
        if variant in run.options.variant:
            scores.bootstrap(found, samples[run.seeds[0]], variant, run.seeds[0])
    for variant in progress.track(run.options.variant, "variants"):
        for seed in run.seeds:
            measure = functools.partial(
                _measure, run, found, samples[seed], variant, seed
            )
            cell = run.cell(f"{variant}-{seed}", measure)
            if variant in (*pipeline.VARIANTS, *scores.BOOTSTRAPS):
                made[seed][variant] = np.asarray(cell["windows"])
        loop.forget()
    for seed in progress.track(run.seeds, "scores"):
        score = functools.partial(
            scores.distances, run, found, samples[seed], made[seed], seed
        )
        run.cell(f"distances-{seed}", score)
    outputs.draw(run, found, trained)
    run.summary = outputs.conclusions(run)


def _measure(run, found: Problem, of: Sample, variant: str, seed: int) -> dict:
    """Rows and windows of one generator."""
    more = {}
    if variant in pipeline.VARIANTS:
        fitted = problem.fit(run, found, variant, seed)
        made = problem.synthetic(fitted.model, of)
        more = {"processor_seconds": fitted.seconds, **_diversity(found, fitted, of)}
    elif variant in scores.BOOTSTRAPS:
        made = scores.bootstrap(found, of, variant, seed)
    else:
        made = scores.control(of, variant, seed)
    matched = variant in (
        *pipeline.VARIANTS,
        *scores.BOOTSTRAPS,
    )  # controls: other places
    judge = run.options.judge
    values = scores.qualities(found, of, made, seed, judge, matched=matched) | more
    return {"rows": scores.rows_of(run, variant, seed, values), "windows": made}


def _diversity(found: Problem, fitted: problem.Fitted, of: Sample) -> dict:
    """How much windows of one place differ with the noise, over the deviation of series."""
    few = problem.first_of(of, DIVERSE)
    samples = [problem.synthetic(fitted.model, few, seed) for seed in range(NOISES)]
    edges = found.scaled.first
    spread = [
        found.scaled.values[a:b][found.scaled.known[a:b]].std()
        for a, b in zip(edges[:-1], edges[1:], strict=True)
    ]
    spread = np.array(spread)[few.batch["series"]]
    return {"diversity": quality.diversity(np.stack(samples), spread)}
