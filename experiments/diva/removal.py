"""Removal of what was flagged, with the real network retrained."""

import functools

import jax
import numpy as np

from experiments import run as runner
from experiments.diva.tasks import Task
from iclr22 import diva
from iclr22.diva import figures, fit_subsets

REMOVERS = ("derivative_path", "loo_residual", "random")
REMOVED = (0.0, 0.1, 0.2, 0.3)


def removal(run: runner.Run, tasks: list[Task], detected: list[dict]) -> None:
    """Test accuracy of the network against the share of examples removed."""
    cells = [
        run.cell(f"removal-{task.seed}", lambda t=task, s=scores: _remove(run, t, s))
        for task, scores in zip(tasks, detected, strict=False)
    ]
    curves = {name: [cell[name] for cell in cells] for name in REMOVERS}
    path = run.figure(
        "removal",
        "The network retrained from scratch without the examples ranked most harmful, "
        "by each ranking; test accuracy.",
    )
    shares = 100 * np.asarray(REMOVED)
    figures.curves(
        path, shares, curves, xlabel="removed [%]", ylabel="test accuracy [%]"
    )


def _remove(run, task: Task, detected) -> dict:
    """Retrain on what is left after removing the top of each ranking."""
    scores = {name: detected[f"score_{name}"] for name in REMOVERS[:-1]}
    scores["random"] = np.random.default_rng(task.seed).random(len(task.y))
    accuracy = _retrained(run, task, _subsets(scores))
    rest = np.reshape(accuracy[1:], (len(scores), -1))
    curves = np.insert(rest, 0, accuracy[0], axis=1)
    rows = [
        (name, f"cnn/removed={share:.2f}", task.seed, "test/accuracy", value, "")
        for name, values in zip(scores, curves, strict=True)
        for share, value in zip(REMOVED, values, strict=True)
    ]
    return {"rows": rows} | dict(zip(scores, curves, strict=True))


def _subsets(scores) -> np.ndarray:
    """Weights `[1 + removers x shares, n]`; the first removes nothing, for all."""
    subsets = []
    for score in scores.values():
        order = np.argsort(-score, kind="stable")
        for share in REMOVED[1:]:
            subsets.append(np.ones(len(order), np.float32))
            subsets[-1][order[: round(share * len(order))]] = 0
    return np.stack([np.ones_like(subsets[0]), *subsets])


def _retrained(run, task: Task, subsets) -> list[float]:
    """Test accuracy in percent of a network for every subset of the examples."""
    config = run.trained["removal"]
    arrays = {"x": task.x, "y": task.y.astype(np.int32)}
    params = fit_subsets(config, arrays, subsets, jax.random.key(task.seed))
    predict = jax.jit(functools.partial(diva.apply, config))
    accuracy = []
    for i in range(len(subsets)):
        one = jax.tree.map(lambda p, i=i: p[i], params)
        outputs = np.argmax(predict(one, task.x_test), axis=1)
        accuracy.append(100 * float(np.mean(outputs == task.y_test)))
    return accuracy
