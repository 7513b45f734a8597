"""Reweighting: test error after one step on the weights, the traps, the baselines."""

import numpy as np

from experiments import run as runner
from experiments.diva.features import Features, ridge_error
from experiments.diva.tasks import Task
from iclr22 import diva


def reweighting(run: runner.Run, model: str, task: Task, features: Features) -> dict:
    """Test errors of the ridge classifier by the weights that it is trained with."""
    z, targets = features.train, task.targets
    l2 = diva.choose_l2(z, targets).l2
    ones = np.ones(len(z))
    plain = diva.reweight(z, targets, l2=l2, steps=10, keep_best=False, halve=False)
    raw = diva.reweight(z, targets, l2=l2, rule="raw", step_size=0.1, max_weight=np.inf)
    flagged = diva.detect(z, targets, score=run.options.models.score).flagged
    weights = {
        "uniform": ones,
        "reweight": diva.reweight(z, targets, l2=l2).weights,
        "reweight_3_steps": diva.reweight(z, targets, l2=l2, steps=3).weights,
        "reweight_10_plain_steps": plain.weights,
        "reweight_raw": raw.weights,
        "drop_flagged": ~flagged + 0.0,
        "uncertainty_weights": diva.uncertainty_weights(z, targets),
        "without_flips": 1.0 - task.flips,
    }
    held, rest = slice(0, len(z) // 5), slice(len(z) // 5, None)
    meta = ones.copy()
    # The method needs clean validation labels; it gets the given ones.
    meta[rest] = diva.meta_weights(z[rest], targets[rest], z[held], targets[held])
    weights["meta_weights"] = meta
    rows = [
        (name, model, task.seed, "test/error", ridge_error(task, features, w, l2), "")
        for name, w in weights.items()
    ]
    return {"rows": rows, "weights": weights["reweight"], "l2": l2}
