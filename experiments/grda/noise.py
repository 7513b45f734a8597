"""Drawn DG sets whose classes overlap: what the methods make of noise."""

import functools
from typing import NamedTuple

import numpy as np

from experiments import run as runner
from experiments.grda.problem import (
    LEAKS,
    Line,
    Problem,
    configurations,
    lines_of,
    options_of,
    problem_of,
    rows_of,
)
from iclr22 import data, grda, plots, progress, record
from iclr22.data import domains
from iclr22.grda import metrics

NUISANCE = 1.5  # the two values are plus and minus this, with a deviation of 0.3


class Dial(NamedTuple):
    """How a set is drawn."""

    noise: float
    nuisance: int

    @property
    def setting(self) -> str:
        """As rows have it."""
        more = f", nuisance {self.nuisance}" if self.nuisance else ""
        return f"noise {self.noise:g}{more}"

    @property
    def name(self) -> str:
        """Of cells and folders."""
        return self.setting.replace(", ", "-").replace(" ", "")


def vary_noise(run: runner.Run) -> None:
    """Drawn DG sets whose classes overlap, also where clusters are not classes."""
    options = run.options
    dials = [Dial(n, k) for k in options.nuisances for n in options.noises]
    first = _draw(run, dials[0], run.seeds[0]).data
    lines = lines_of(run, first)
    run.trains(configurations(run, first, lines))  # the same at every dial
    for seed in progress.track(run.seeds, "seeds"):
        for dial in dials:
            problem, end = _draw(run, dial, seed), f"{dial.name}-{seed}"
            for line in lines:
                work = functools.partial(_measure, run, problem, dial, line, seed)
                run.cell(f"{line.method}-{end}", work)
            run.cell(
                f"centres-{end}",
                functools.partial(_centres, run, problem, dial, seed),
            )
    path = run.figure("noise", "Target accuracy on drawn DG-15 sets by noise.")
    plots.dots(path, record.summarise(run.rows), ["target/accuracy"])
    run.summary = "Target accuracy on drawn sets; centres: the true boundaries."


def _draw(run, dial: Dial, seed: int) -> Problem:
    """The set of a dial and a seed."""
    rng = np.random.default_rng((2022, seed))
    points = 20 if run.quick else 100
    found = data.generate_domains(rng, noise=dial.noise, points=points)
    return problem_of(_with_nuisance(rng, found, dial.nuisance))


def _with_nuisance(rng, found: domains.DomainData, count: int) -> domains.DomainData:
    """The data with so many features more that have two values and mean nothing."""
    if not count:
        return found
    shape = len(found.x), count
    extra = rng.choice([-NUISANCE, NUISANCE], shape) + 0.3 * rng.standard_normal(shape)
    return found._replace(x=np.hstack([found.x, extra]).astype(np.float32))


def _measure(run, problem: Problem, dial: Dial, line: Line, seed: int) -> dict:
    folder = run.path("training") / f"{line.method}-{dial.name}-{seed}"
    fitted = grda.train(
        problem.data,
        options_of(run, line),
        directory=folder,
        seed=seed,
        mode=run.mode,
    )
    values = grda.target_scores(fitted.model, problem.data)
    leaks = f", {LEAKS}" if line.pairing == LEAKS else ""
    setting = dial.setting + leaks
    return {"rows": rows_of(run, problem, line.method, setting, seed, values)}


def _centres(run, problem: Problem, dial: Dial, seed: int) -> dict:
    """Accuracy of the true boundary, the line across the centres: an upper bound."""
    found = problem.data
    centres = np.asarray(found.graph.nodes)[found.domain]
    side = np.sum(found.x[:, :2] * centres, axis=1)
    said = np.eye(2)[(side < 0).astype(int)]
    values = metrics.domain_scores(said, found)
    return {"rows": rows_of(run, problem, "centres", dial.setting, seed, values)}
