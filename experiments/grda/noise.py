"""Drawn DG sets whose classes overlap: what the methods make of noise."""

import numpy as np

from experiments import run as runner
from experiments.grda.problem import options_of, rows_of
from iclr22 import data, grda, plots, progress, record
from iclr22.data import domains as domain_data
from iclr22.grda import pipeline

NUISANCE = 1.5  # the two values are plus and minus this, with a deviation of 0.3


def vary_noise(run: runner.Run) -> None:
    """Drawn DG sets whose classes overlap, also where clusters are not classes."""
    run.dataset = "drawn"
    dials = [(n, k) for k in run.options.nuisances for n in run.options.noises]
    for seed in progress.track(run.seeds, "seeds"):
        for noise, nuisance in dials:
            setting = f"noise {noise:g}"
            if nuisance:
                setting += f", nuisance {nuisance}"
            rng = np.random.default_rng((2022, seed))
            found = data.generate_domains(
                rng, noise=noise, points=20 if run.quick else 100
            )
            found = _with_nuisance(rng, found, nuisance)
            hops = domain_data.hops(found.graph, found.sources)
            given = run, found, hops, setting, seed
            if not run.trained:
                run.trains(_configurations(run, found))
            for variant in (*run.options.method, "centres"):
                work = _centres if variant == "centres" else _noisy
                name = f"{variant}-{setting.replace(', ', '-').replace(' ', '')}-{seed}"
                run.cell(name, lambda v=variant, w=work, g=given, n=name: w(*g, v, n))
    path = run.figure("noise", "Target accuracy on drawn DG-15 sets by noise.")
    plots.dots(path, record.summarise(run.rows), ["target/accuracy"])
    run.summary = "Target accuracy on drawn sets; centres: the true boundaries."


def _with_nuisance(rng, found, count):
    """The data with so many features more that have two values and mean nothing."""
    if not count:
        return found
    shape = len(found.x), count
    extra = rng.choice([-NUISANCE, NUISANCE], shape) + 0.3 * rng.standard_normal(shape)
    return found._replace(x=np.hstack([found.x, extra]).astype(np.float32))


def _noisy(run, found, hops, setting, seed, variant, name):
    folder = run.workdir / "training" / name
    fitted = grda.train(
        found, options_of(run, variant), directory=folder, seed=seed, mode=run.mode
    )
    values = grda.target_scores(fitted.model, found)
    return {"rows": rows_of(run, found, hops, variant, setting, seed, values)}


def _centres(run, found, hops, setting, seed, variant, name):
    """Accuracy of the true boundary, the line across the centres: an upper bound."""
    del name
    side = np.sum(found.x[:, :2] * found.graph.nodes[found.domain], axis=1)
    said = np.eye(2)[(side < 0).astype(int)]
    values = pipeline.domain_scores(said, found)
    return {"rows": rows_of(run, found, hops, variant, setting, seed, values)}


def _configurations(run, found):
    """What is trained, the same at every dial."""
    return {
        method: pipeline.config_of(options_of(run, method), found)
        for method in run.options.method
    }
