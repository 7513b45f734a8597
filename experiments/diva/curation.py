"""DIVA on the user's own data: a ranked list of what to look at first, and a model."""

import numpy as np

from experiments import run as runner
from experiments.diva import outputs
from experiments.diva.features import featurise, ridge_error
from experiments.diva.tasks import Pool, Task, make_task
from iclr22 import errors, metrics
from iclr22.diva import artifact, figures, pipeline


def curation(run: runner.Run, pool: Pool) -> None:
    """Rank the user's examples and suggest what to do with each."""
    if len(pool.model) != 1:
        raise errors.InputError(
            "your own data are ranked by one kind of features; found "
            f"--model={','.join(pool.model)}"
        )
    (model,) = pool.model
    task = make_task(run, pool, run.seeds[0])
    found = run.cell(f"curate-{model}", lambda: _curate(run, pool, model, task))
    outputs.write_examples(run, pool, task, found)
    caption = "Leave-one-out loss against the penalty."
    path = run.figure("l2", caption)
    figures.penalty_path(path, found["grid"], found["losses"], found["l2"])
    if task.flips.any():
        caption = "Precision and recall of the labels known to be wrong."
        path = run.figure("precision_recall", caption)
        figures.precision_recall(path, {"score": found["score"]}, task.flips)
    flagged = int(np.sum(found["score"] > 0))
    run.summary = (
        f"{flagged} of {len(task.y)} examples are flagged. examples.csv ranks all of "
        "them, most harmful first; weights.npz holds the weights after one step of "
        "reweighting. Look before you delete: a flagged example may be rare, not wrong."
    )
    if run.path("model.npz").exists():
        run.summary += " model.npz is the network with a linear head of these weights."


def _curate(run, pool: Pool, model: str, task: Task) -> dict:
    """Score, suggested labels, weights and the numbers that go with them."""
    features = featurise(run, model, task)
    found = pipeline.curate(features.train, task.targets, run.options.models.score)
    if features.network:
        made = pipeline.with_head(
            features.network,
            features.train,
            task.targets,
            found,
            pool.names,
            task.scale,
        )
        artifact.save(run.path("model.npz"), made)
    suggestions = np.argmax(found.detection.predictions, axis=1)
    return {
        "rows": _rows(model, task, features, found, suggestions),
        "l2": found.penalty.l2,
        "grid": found.penalty.grid,
        "losses": found.penalty.losses,
        "score": found.detection.score,
        "suggestions": suggestions,
        "weights": found.reweighting.weights,
    }


def _rows(model, task: Task, features, found: pipeline.Curation, suggestions):
    new, flagged = found.reweighting, found.detection.flagged
    wrong = suggestions != task.y
    rows = [
        ("derivative", model, 0, "train/flagged", 100 * np.mean(flagged), ""),
        ("derivative", model, 0, "train/loo_error", 100 * np.mean(wrong), ""),
        ("uniform", model, 0, "train/loo_loss", new.losses[0], ""),
        ("reweight", model, 0, "train/loo_loss", new.losses[-1], ""),
    ]
    if len(task.y_test):
        for name, weights in (
            ("uniform", np.ones(len(task.y))),
            ("reweight", new.weights),
        ):
            error = ridge_error(task, features, weights, found.penalty.l2)
            rows.append((name, model, 0, "test/error", error, ""))
    if task.flips.any():
        quality = metrics.auc(found.detection.score, task.flips)
        rows.append(("derivative", model, 0, "flips/auc", quality, ""))
        quality = metrics.f1(flagged, task.flips)
        rows.append(("derivative", model, 0, "flips/f1", quality, ""))
    return rows
