"""DIVA on the user's own data: a ranked list of what to look at first, and a model."""

import numpy as np
from absl import logging

from experiments import run as runner
from experiments.diva import outputs
from experiments.diva.features import featurise, ridge_error
from experiments.diva.tasks import VECTORS, Pool, Task, make_task
from iclr22 import errors, metrics
from iclr22.diva import artifact, figures, pipeline

VANISHING = 0.5  # share of a class that has to be left


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
    flagged = int(np.sum(found["flagged"]))
    run.summary = vanishing(pool, task, found) + (
        f"{flagged} of {len(task.y)} examples are flagged. examples.csv ranks all of "
        "them, most harmful first; weights.npz holds the weights after one step of "
        "reweighting. Look before you delete: a flagged example may be rare, not wrong."
    )
    if run.path("model.npz").exists():
        run.summary += " model.npz is the network with a linear head of these weights."


def _curate(run, pool: Pool, model: str, task: Task) -> dict:
    """Score, suggested labels, weights and the numbers that go with them."""
    features = featurise(run, model, task)
    score, targets = run.options.models.score, task.targets
    if model == VECTORS:
        size = run.options.random_features
        found = pipeline.curate_inputs(task.x, targets, score, task.seed, size)
    else:
        found = pipeline.curate(features.train, targets, score)
    if features.network and task.scaling:
        made = pipeline.with_head(
            features.network,
            features.train,
            task.targets,
            found,
            pool.names,
            task.scaling,
            found.penalty.l2,
        )
        artifact.save(run.path("model.npz"), made)
    suggestions = found.detection.suggested
    return {
        "rows": _rows(run, model, task, features, found),
        "l2": found.penalty.l2,
        "grid": found.penalty.grid,
        "losses": found.penalty.losses,
        "score": found.detection.score,
        "flagged": found.detection.flagged,
        "suggestions": suggestions,
        "weights": found.reweighting.weights,
    }


def vanishing(pool: Pool, task: Task, found) -> str:
    """A sentence for every class of which most examples are flagged; else nothing."""
    words = []
    for label, name in enumerate(pool.names):
        members = task.y == label
        count, kept = members.sum(), (members & ~found["flagged"]).sum()
        if count and kept < VANISHING * count:
            words.append(
                f"Of class {name} {count - kept} of {count} examples are flagged: if all "
                "are moved or removed, the class vanishes. The features may not tell it "
                "from others; look at it before all else."
            )
    if words:
        logging.warning("%s", " ".join(words))
    return "".join(f"{line}\n" for line in words)


def _rows(run, model, task: Task, features, found: pipeline.Curation):
    new, flagged = found.reweighting, found.detection.flagged
    wrong = np.argmax(found.detection.predictions, axis=1) != task.y
    score = run.options.models.score
    rows = [
        (score, model, 0, "train/flagged", 100 * np.mean(flagged), ""),
        ("uniform", model, 0, "train/loo_error", 100 * np.mean(wrong), ""),
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
        rows.append((score, model, 0, "flips/auc", quality, ""))
        quality = metrics.f1(flagged, task.flips)
        rows.append((score, model, 0, "flips/f1", quality, ""))
    return rows
