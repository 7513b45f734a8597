"""Figures, files and words of the study."""

import numpy as np

from experiments import run as runner
from experiments.diva import paper
from experiments.diva.tasks import Pool, Task
from iclr22 import checkpoint, plots, record
from iclr22.diva import figures


def draw_detection(run: runner.Run, model: str, task: Task, found) -> None:
    """Histogram, precision-recall and penalty path of the first seed."""
    scores = {name: found[f"score_{name}"] for name in found["names"]}
    caption = f"Scores of correct and flipped labels ({model}, one seed)."
    path = run.figure(f"scores-{model}", caption)
    figures.score_histogram(path, scores["derivative_path"], task.flips)
    caption = f"Precision against recall of the flipped labels ({model}, one seed)."
    path = run.figure(f"precision_recall-{model}", caption)
    figures.precision_recall(path, scores, task.flips)
    caption = f"Leave-one-out loss against the penalty ({model}, one seed)."
    path = run.figure(f"l2-{model}", caption)
    figures.penalty_path(path, found["grid"], found["losses"], found["l2"])


def draw_overview(run: runner.Run, models: tuple[str, ...]) -> None:
    """Bars of detection and lines of reweighting, over all features and seeds."""
    rows = record.summarise(run.rows)
    auc, f1 = (paper.RANGES["derivative", x] for x in ("flips/auc", "flips/f1"))
    caption = (
        "Flipped labels found, mean and 95 % interval over seeds. The paper's range over "
        f"six other data sets: AUC {auc}, F1 {f1}."
    )
    path = run.figure("detection", caption)
    plots.dots(path, rows, ("flips/auc", "flips/f1"))
    before: dict[str, list[float]] = {}
    after: dict[str, list[float]] = {}
    for row in run.rows:
        if row.metric == "test/error" and row.setting in models:
            chosen = {"uniform": before, "reweight": after}.get(row.variant)
            if chosen is not None:
                chosen.setdefault(row.setting, []).append(row.value)
    caption = "Test error per seed before and after one step on the weights."
    figures.paired_errors(run.figure("reweight", caption), before, after)


def conclusions(run: runner.Run, models: tuple[str, ...]) -> str:
    """A few sentences with this run's numbers."""
    means = {
        (s.setting, s.variant, s.metric): s.mean for s in record.summarise(run.rows)
    }
    return "\n".join(_conclusion(run, model, means) for model in models)


def _conclusion(run, model, means):
    def mean(variant, metric):
        return means[model, variant, metric]

    return (
        f"{model}: the derivative finds {100 * run.options.noise:.0f} % flipped "
        f"labels with AUC {mean('derivative', 'flips/auc'):.3f} and F1 "
        f"{mean('derivative', 'flips/f1'):.3f} at zero; averaged over the penalty "
        f"path and trusted, {mean('derivative_path', 'flips/auc'):.3f} and "
        f"{mean('derivative_path', 'flips/f1'):.3f}. The plain leave-one-out residual "
        f"ranks with AUC {mean('loo_residual', 'flips/auc'):.3f}. One step of "
        f"reweighting takes the test error from {mean('uniform', 'test/error'):.2f} "
        f"to {mean('reweight', 'test/error'):.2f} %."
    )


def write_examples(run: runner.Run, pool: Pool, task: Task, found) -> None:
    """examples.csv, weights.npz and the gallery of the worst and best examples."""
    score = found.get("score", found.get("score_derivative_path"))
    ids = np.arange(len(task.y))
    if run.own:
        ids = pool.splits["train"].get("names", ids)
    counts = np.bincount(task.y, minlength=task.classes)
    flagged = found.get("flagged", score > 0)
    kind = "score" if run.own else "derivative"
    header = ("rank", "index", "name", "label", kind, "suggested", "action")
    rows = []
    for rank, i in enumerate(np.argsort(-score, kind="stable"), start=1):
        label, other = int(task.y[i]), int(found["suggestions"][i])
        suggested = pool.names[other]
        action = _action(flagged[i], suggested if other != label else "")
        if counts[label] == 1:
            action = "only example of its class"
        shown = f"{score[i]:.6g}"
        rows.append((rank, i, ids[i], pool.names[label], shown, suggested, action))
    record.write_csv(run.path("examples.csv"), header, rows)
    if "weights" in found:
        checkpoint.write_npz(run.path("weights.npz"), weights=found["weights"])
    if task.x.ndim == 4:
        caption = (
            "Per class the most harmful (red, with the suggested class) and the most "
            "helpful (green) examples."
        )
        path = run.figure("examples", caption)
        figures.gallery(path, task.x, task.y, score, found["suggestions"], pool.names)


def _action(flagged: bool, other: str) -> str:
    """What to do with an example; `other` is the suggested class if it is another."""
    if not flagged:
        return "keep"
    return f"relabel to {other}?" if other else "review"
