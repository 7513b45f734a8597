"""Detection of flipped labels: the derivative, its variants, and what it is compared to."""

import numpy as np

from experiments import run as runner
from experiments.diva import paper
from experiments.diva.features import Features
from experiments.diva.tasks import Task
from iclr22 import diva, metrics

DETECTORS = {
    "derivative": "derivative",
    **{f"derivative_{score}": score for score in ("trusted", "path", "relabel")},
}


def detection(run: runner.Run, model: str, task: Task, features: Features) -> dict:
    """Scores of every detector, and the rows of their AUC and F1."""
    z, targets = features.train, task.targets
    choice = diva.choose_l2(z, targets)
    detected = {
        name: diva.detect(z, targets, score=score, l2=_detection_l2(score, choice.l2))
        for name, score in DETECTORS.items()
    }
    scores = {name: found.score for name, found in detected.items()}
    ones = np.ones(len(z))
    loo = diva.leave_one_out(z, targets, ones, choice.l2)
    scores["loo_residual"] = np.sum((targets - loo) ** 2, axis=1)
    scores["influence"] = diva.influence(z, targets, ones, choice.l2)
    neighbors = run.options.neighbors
    scores["knn_shapley"] = -diva.knn_shapley(z, task.y, neighbors=neighbors)
    other = cleanlab_scores(z, task.y)
    if other is not None:
        scores["cleanlab"] = other
    suggestions = np.argmax(detected["derivative_path"].predictions, axis=1)
    arrays = {f"score_{name}": score for name, score in scores.items()}
    arrays |= {"grid": choice.grid, "losses": choice.losses, "suggestions": suggestions}
    rows = _rows(model, task, scores)
    return {"rows": rows, "l2": choice.l2, "names": list(scores)} | arrays


def _detection_l2(score, l2):
    return l2 * (diva.DETECTION_L2 if score in ("derivative", "trusted") else 1.0)


def _rows(model, task, scores):
    """AUC and F1 of every score; one without a natural zero flags as many as the
    derivative does."""
    flagged = int(np.sum(scores["derivative"] > 0))
    rows = []
    for name, score in scores.items():
        signed = name in DETECTORS or name == "knn_shapley"
        threshold = 0.0 if signed else np.sort(score)[-flagged - 1]
        found = (
            ("flips/auc", metrics.auc(score, task.flips)),
            ("flips/f1", metrics.f1(score > threshold, task.flips)),
            ("flips/best_f1", metrics.best_f1(score, task.flips)),
        )
        for metric, value in found:
            known = paper.RANGES.get((name, metric), "")
            rows.append((name, model, task.seed, metric, value, known))
    return rows


def cleanlab_scores(z, labels):
    """One minus self-confidence of 5-fold logistic regression; None without cleanlab."""
    try:
        from cleanlab.rank import get_label_quality_scores
        from sklearn.linear_model import LogisticRegression
        from sklearn.model_selection import cross_val_predict
    except ImportError:
        return None
    model = LogisticRegression(max_iter=200)
    probabilities = cross_val_predict(model, z, labels, cv=5, method="predict_proba")
    return 1 - get_label_quality_scores(labels, probabilities)
