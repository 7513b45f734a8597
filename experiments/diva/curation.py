"""DIVA on the user's own data: a ranked list of what to look at first."""

import numpy as np

from experiments.diva.tasks import Task, featurise, ridge_error
from iclr22 import checkpoint, diva, metrics, record
from iclr22.diva import figures


def curation(run, train, task: Task, names) -> None:
    """Rank the user's examples and suggest what to do with each."""
    model = run.settings.model[0]
    found = run.cell(f"curate-{model}", lambda: curate(run, model, task))
    write_examples(run, train, task, found, names)
    caption = "Leave-one-out loss against the penalty."
    figures.penalty_path(
        run.figure("l2", caption), found["grid"], found["losses"], found["l2"]
    )
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


def curate(run, model, task: Task) -> dict:
    """Score, suggested labels, weights and the numbers that go with them."""
    z, z_test = featurise(run, model, task)
    targets = task.targets
    choice = diva.choose_l2(z, targets)
    found = diva.detect(z, targets, score=run.settings.score)
    new = diva.reweight(z, targets, l2=choice.l2)
    suggestions = np.argmax(found.predictions, axis=1)
    wrong = suggestions != task.y
    rows = [
        ("derivative", model, 0, "train/flagged", 100 * np.mean(found.flagged), ""),
        ("derivative", model, 0, "train/loo_error", 100 * np.mean(wrong), ""),
        ("uniform", model, 0, "train/loo_loss", new.losses[0], ""),
        ("reweight", model, 0, "train/loo_loss", new.losses[-1], ""),
    ]
    if len(task.y_test):
        for name, weights in (("uniform", np.ones(len(z))), ("reweight", new.weights)):
            error = ridge_error(task, z, z_test, weights, choice.l2)
            rows.append((name, model, 0, "test/error", error, ""))
    if task.flips.any():
        quality = metrics.auc(found.score, task.flips)
        rows.append(("derivative", model, 0, "flips/auc", quality, ""))
        quality = metrics.f1(found.flagged, task.flips)
        rows.append(("derivative", model, 0, "flips/f1", quality, ""))
    return {
        "rows": rows,
        "l2": choice.l2,
        "grid": choice.grid,
        "losses": choice.losses,
        "score": found.score,
        "suggestions": suggestions,
        "weights": new.weights,
    }


def write_examples(run, train, task: Task, found, names) -> None:
    """examples.csv, weights.npz and the gallery of the worst and best examples."""
    score = found.get("score", found.get("score_derivative_path"))
    counts = np.bincount(task.y, minlength=task.classes)
    ids = (
        train.get("names", np.arange(len(task.y)))
        if run.own
        else np.arange(len(task.y))
    )
    header = ("rank", "index", "name", "label", "derivative", "suggested", "action")
    rows = []
    for rank, i in enumerate(np.argsort(-score, kind="stable"), start=1):
        label, other = int(task.y[i]), int(found["suggestions"][i])
        if counts[label] == 1:
            action = "only example of its class"
        elif score[i] <= 0:
            action = "keep"
        else:
            action = "review" if other == label else f"relabel to {names[other]}?"
        suggested = names[other]
        rows.append(
            (rank, i, ids[i], names[label], f"{score[i]:.6g}", suggested, action)
        )
    record.write_csv(run.workdir / "examples.csv", header, rows)
    if "weights" in found:
        checkpoint.write_npz(run.workdir / "weights.npz", weights=found["weights"])
    if task.x.ndim == 4:
        caption = (
            "Per class the most harmful (red, with the suggested class) and the most "
            "helpful (green) examples."
        )
        path = run.figure("examples", caption)
        figures.gallery(path, task.x, task.y, score, found["suggestions"], names)
