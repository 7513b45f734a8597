"""Comparison of predictors on one data set: errors, contributions, figures of the first."""

import functools
import json
from collections.abc import Callable

import numpy as np

from experiments import run as runner
from experiments.trajectory_shapley import games, outputs, paper, problem
from experiments.trajectory_shapley.problem import Problem, setting_of
from iclr22 import progress, record
from iclr22.trajectory_shapley import evaluation, figures, scores
from iclr22.trajectory_shapley.artifact import Model, predictor_of
from iclr22.trajectory_shapley.attribute import attribute
from iclr22.trajectory_shapley.blocks import Estimation
from iclr22.trajectory_shapley.coalitions import Rules
from iclr22.trajectory_shapley.windows import Windows, evenly, sample_windows, select

PECNET_SHARE = 4  # PECNet draws for every coalition: so much fewer windows
RELEASED = 10  # draws of the released estimator


def compare(run: runner.Run) -> None:
    """Errors of all variants on the test part, contributions of some, figures."""
    options = run.options
    found = problem.problem_of(run, problem.load(run))
    chosen = sample_windows(found.test, options.windows)
    run.facts["attribution"] = games.told_cost(run, chosen)
    models = [
        (variant, training)
        for variant in options.variant
        for training in options.training
        if not (variant == "constant_velocity" and training != options.training[0])
    ]
    problem.plan(run, found, models)
    cells = [(*model, seed) for seed in run.seeds for model in models]
    for variant, training, seed in progress.track(cells, "models"):
        name = f"{variant}-{training}"
        model = functools.partial(problem.fit, run, found, variant, training, seed)
        errors = functools.partial(_errors, run, found, model, seed)
        run.cell(f"errors-{name}-{seed}", errors)
        for baseline in options.baseline if variant in options.attributed else ():
            values = functools.partial(
                _values, run, found, chosen, model, seed, baseline
            )
            run.cell(f"values-{name}-{baseline}-{seed}", values)
    _draw(run, found, chosen)
    run.summary = conclusions(run)


def _errors(run, found: Problem, fit: Callable[[], Model], seed: int) -> dict:
    """Rows of errors with and without neighbours, and of what leaving these out costs with
    its interval by recording or stretch of time."""
    model = fit()
    setting = setting_of(run, model.training)
    each = evaluation.errors_of(model, found.test)
    measured = {name: x.mean() for name, x in each.items()}
    cluster = scores.clusters(found.test)
    for name in ("nll", "min_ade"):
        if name in each:
            cost = (each[f"{name}_without"] - each[name])[:, None]
            ((mean, low, high),) = scores.intervals(cost, np.ones_like(cost), cluster)
            ends = {"": mean, "_low": low, "_high": high}
            measured |= {f"delta_{name}{k}": v for k, v in ends.items()}
    key = run.dataset_name, setting, model.variant
    rows = [
        (model.variant, setting, seed, name, float(value), paper.published(*key, name))
        for name, value in measured.items()
        if np.isfinite(value)
    ]
    return {"rows": rows}


def _values(
    run, found: Problem, chosen: Windows, fit: Callable[[], Model], seed: int, baseline
) -> dict:
    """Rows of contributions."""
    model = fit()
    variant = model.variant
    if variant == "pecnet":
        few = max(1, len(chosen.mask) // PECNET_SHARE)
        chosen = select(chosen, evenly(len(chosen.mask), few))
    result = games.play(
        run,
        predictor_of(model),
        chosen,
        found.data.train,
        seed=seed,
        baseline=baseline,
        name=f"{variant}-{model.training}-{seed}",
    )
    first = baseline == run.options.baseline[0]
    ending = "" if first else f"_{baseline}_baseline"
    setting = setting_of(run, model.training)
    rows = games.rows_of(result, variant, setting, seed, ending)
    if first and variant in ("edge", "sum"):
        rows += _released(run, model, chosen, setting, seed)
    return {"rows": rows, "scores": json.loads(json.dumps(result.scores._asdict()))}


def _released(run, model, chosen, setting, seed) -> list[tuple]:
    """Rows of the released estimator."""
    found = attribute(
        predictor_of(model),
        chosen,
        Rules(metrics=(run.options.metric,)),
        Estimation(estimator="banzhaf", samples=RELEASED, seed=seed),
        mode=run.mode,
    )
    values = {
        "banzhaf/past": found.values[:, 0, 0].mean(),
        "banzhaf/efficiency_gap": games.efficiency_gap(found),
    }
    return [
        (model.variant, setting, seed, name, value, "")
        for name, value in values.items()
    ]


def _draw(run, found: Problem, chosen: Windows):
    """The bars over all seeds; a scene and the horizon of the first model."""
    options = run.options
    path = run.figure("contributions", "Contributions by variant, training, baseline.")
    figures.headline(path, record.summarise(run.rows))
    picks = [v for v in options.variant if v in options.attributed]
    if not picks:
        return
    variant, training, seed = picks[0], options.training[-1], run.seeds[0]
    model = problem.fit(run, found, variant, training, seed)
    result = games.play(
        run,
        predictor_of(model),
        chosen,
        found.data.train,
        seed=seed,
        name=f"{variant}-{training}-{seed}",
    )
    outputs.draw(run, result, model, found.tracks)


def conclusions(run: runner.Run) -> str:
    """A few sentences from the means over seeds."""
    means = {
        (s.variant, s.setting, s.metric): s.mean for s in record.summarise(run.rows)
    }
    lines = []
    for variant in ("edge", "sum"):
        for training in run.options.training:
            key = (variant, setting_of(run, training))
            if (*key, "sis") in means:
                found = {k[2]: v for k, v in means.items() if k[:2] == key}
                lines.append(_sentence(variant, training, found))
    return "\n".join(lines)


def _sentence(variant: str, training: str, found: dict[str, float]) -> str:
    strongest, mean = (
        (found[f"{name}_low"], found[f"{name}_high"])
        for name in ("delta_sis", "delta_mean")
    )
    more = strongest[0] > 0 or mean[0] > 0
    return (
        f"{variant}, {training}: past {found['shapley/past']:.3g}, strongest neighbour "
        f"{found['sis']:.3g}, mean neighbour {found['shapley/neighbour_mean']:.3g}, random "
        f"agent {found['shapley/random_agent']:.3g}; beyond random ones "
        f"{strongest[0]:.3g} to {strongest[1]:.3g} (strongest), {mean[0]:.3g} to "
        f"{mean[1]:.3g} (mean): neighbours count "
        f"{'more' if more else 'no more'} than random agents."
    )
