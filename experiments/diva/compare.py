"""All that is measured on a registered data set, one cell at a time."""

import functools

from experiments import run as runner
from experiments.diva import outputs
from experiments.diva.detection import detection
from experiments.diva.extension import extension
from experiments.diva.features import featurise
from experiments.diva.removal import removal
from experiments.diva.reweighting import reweighting
from experiments.diva.tasks import Pool, Task, make_task
from iclr22 import progress


def compare(run: runner.Run, pool: Pool) -> None:
    """Detection and reweighting on every kind of features, then the parts asked for."""
    tasks = [make_task(run, pool, seed) for seed in run.seeds]
    found = {}
    for model in pool.model:
        found[model] = [_measure(run, model, t) for t in progress.track(tasks, model)]
        outputs.draw_detection(run, model, tasks[0], found[model][0])
    outputs.draw_overview(run, pool.model)
    model = pool.model[0]
    if "extend" in run.options.parts:
        extension(run, tasks, model, "noisy")
        # No gain is expected of clean pools: two seeds will do.
        extension(run, tasks[:2], model, "clean")
    if "removal" in run.options.parts:
        removal(run, tasks[: run.options.removal_seeds], found[model])
    outputs.write_examples(run, pool, tasks[0], found[model][0])
    run.summary = outputs.conclusions(run, pool.model)


def _measure(run: runner.Run, model: str, task: Task) -> dict:
    """Detection and reweighting on one kind of features and one seed."""
    get = functools.cache(lambda: featurise(run, model, task))
    name = f"{model}-{task.seed}"
    run.cell(f"reweight-{name}", lambda: reweighting(run, model, task, get()))
    return run.cell(f"detect-{name}", lambda: detection(run, model, task, get()))
