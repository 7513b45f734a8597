r"""DIVA: find wrong labels, reweight, extend (ICLR 2022, arXiv:2111.09785).

  python -m experiments.diva                         # digits, bundled, about a minute
  python -m experiments.diva --quick                 # synthetic, seconds
  python -m experiments.diva --dataset=cifar10 --model=efficientnet_lite0 \
      --weights=efficientnet_lite0.npz               # CIFAR-10, minutes of features
  python -m experiments.diva --dataset=mine.npz      # your own data: ranked examples.csv

On a registered data set a share of the labels is flipped and the methods must find them;
reweighting, extension from a pool and removal are measured on clean test labels. On your
own data nothing is flipped unless you ask for it with --noise.
"""

import functools
from typing import Literal, NamedTuple

import jax
import numpy as np

from experiments import run as runner
from experiments.diva.curation import curation, write_examples
from experiments.diva.tasks import Task, featurise, flip, load, make_task, ridge_error
from iclr22 import diva, metrics, plots, progress, record
from iclr22.diva import figures

DETECTORS = {
    "derivative": "derivative",
    **{f"derivative_{s}": s for s in diva.SCORES[1:]},
}
HEADLINES = [  # what, (data set, setting, variant, metric), the paper on its own data
    (f"20 % flipped labels, {name}", (dataset, features, variant, metric), paper)
    for dataset, features in (
        ("digits", "random_relu"),
        ("cifar10", "efficientnet_lite0"),
    )
    for name, variant, metric, paper in (
        ("AUC", "derivative", "flips/auc", "0.90-0.99"),
        ("F1 at zero", "derivative", "flips/f1", "0.68-0.92"),
        ("AUC, path score", "derivative_path", "flips/auc", ""),
        ("AUC, leave-one-out residual", "loo_residual", "flips/auc", ""),
        ("test error [%]", "uniform", "test/error", "20.2-58.9"),
        ("after one step of reweighting", "reweight", "test/error", "19.2-56.3"),
    )
]
# The paper's figure 3: the range over six fine-grained image sets.
PUBLISHED = {"flips/auc": "0.90-0.99", "flips/f1": "0.68-0.92"}
EXTEND_L2 = 4.0  # times what predicts best within the core: the set is going to grow
REMOVERS = ("derivative_path", "loo_residual", "random")
REMOVED = (0.0, 0.1, 0.2, 0.3)


class Settings(NamedTuple):
    """What to measure, and on which features."""

    # features, any of: pixels, random_relu, random_fourier, cnn (trained here),
    # efficientnet_lite0 (needs --weights), features (z of your file); your own data
    # default to features or cnn
    model: tuple[str, ...] = ("random_relu", "random_fourier")
    weights: str = ""  # npz with pretrained EfficientNet-Lite0 weights
    image_size: int = 128  # pixels that images are scaled to for EfficientNet-Lite0
    linearize: str = "head"  # cnn: head (last layer), full, or sub-trees as a+b
    random_features: int = 1024  # number of random features
    # ranks examples in examples.csv and decides what is flagged; see diva.detect
    score: Literal["path", "derivative", "trusted", "relabel"] = "path"
    noise: float = 0.2  # share of labels to flip; on your own data 0 unless given
    train_size: int = 1000  # training examples used of a registered data set
    test_size: int = 0  # test examples used; 0 is all that are left
    neighbors: int = 10  # of KNN-Shapley
    # examples added per round; large batches pick near-duplicates
    extend_batch: int = 5
    # measured besides detection and reweighting; each takes minutes on thousands of
    # images, so only on digits by default
    parts: tuple[str, ...] = ("extend", "removal")
    removal_seeds: int = 1  # seeds of the removal curve, which retrains the network


def study(run: runner.Run) -> None:
    """Everything, one cell at a time."""
    pool, names = load(run)
    run.facts["examples"] = {split: len(part["y"]) for split, part in pool.items()}
    tasks = [make_task(run, pool, names, seed) for seed in run.seeds]
    if run.own:
        curation(run, pool["train"], tasks[0], names)
        return
    found = {}
    for model in run.settings.model:
        found[model] = [measure(run, model, t) for t in progress.track(tasks, model)]
        draw_detection(run, model, tasks[0], found[model][0])
    draw_overview(run)
    first = found[run.settings.model[0]]
    if "extend" in run.settings.parts:
        extension(run, tasks, "noisy")
        extension(
            run, tasks[:2], "clean"
        )  # no gain is expected here: two seeds will do
    if "removal" in run.settings.parts:
        removal(run, tasks[: run.settings.removal_seeds], first)
    write_examples(run, pool["train"], tasks[0], first[0], names)
    run.summary = conclusions(run)


def measure(run, model, task: Task) -> dict:
    """Detection and reweighting on one kind of features and one seed."""
    get = functools.cache(lambda: featurise(run, model, task))
    name = f"{model}-{task.seed}"
    run.cell(f"reweight-{name}", lambda: reweighting(run, model, task, get))
    return run.cell(f"detect-{name}", lambda: detection(run, model, task, get))


# Detection of flipped labels.


def detection(run, model, task: Task, get) -> dict:
    """Scores of every detector, and the rows of their AUC and F1."""
    z, _ = get()
    targets = task.targets
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
    neighbors = run.settings.neighbors
    scores["knn_shapley"] = -diva.knn_shapley(z, task.y, neighbors=neighbors)
    other = cleanlab_scores(z, task.y)
    if other is not None:
        scores["cleanlab"] = other
    flagged = int(np.sum(scores["derivative"] > 0))
    rows = []
    for name, score in scores.items():
        # A score without a natural zero flags as many as the derivative does.
        signed = name in DETECTORS or name == "knn_shapley"
        threshold = 0.0 if signed else np.sort(score)[-flagged - 1]
        found = (
            ("flips/auc", metrics.auc(score, task.flips)),
            ("flips/f1", metrics.f1(score > threshold, task.flips)),
            ("flips/best_f1", metrics.best_f1(score, task.flips)),
        )
        for metric, value in found:
            published = PUBLISHED.get(metric, "") if name == "derivative" else ""
            rows.append((name, model, task.seed, metric, value, published))
    suggestions = np.argmax(detected["derivative_path"].predictions, axis=1)
    arrays = {f"score_{name}": score for name, score in scores.items()}
    arrays |= {"grid": choice.grid, "losses": choice.losses, "suggestions": suggestions}
    return {"rows": rows, "l2": choice.l2, "names": list(scores)} | arrays


def _detection_l2(score, l2):
    return l2 * (diva.DETECTION_L2 if score in ("derivative", "trusted") else 1.0)


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


# Reweighting.


def reweighting(run, model, task: Task, get) -> dict:
    """Test error after one step on the weights, the traps, and the baselines."""
    z, z_test = get()
    targets = task.targets
    l2 = diva.choose_l2(z, targets).l2
    options = {"l2": l2, "keep_best": False, "halve": False}
    ones = np.ones(len(z))
    weights = {
        "uniform": ones,
        "reweight": diva.reweight(z, targets, l2=l2).weights,
        "reweight_3_steps": diva.reweight(z, targets, l2=l2, steps=3).weights,
        "reweight_10_plain_steps": diva.reweight(
            z, targets, steps=10, **options
        ).weights,
        "reweight_raw": diva.reweight(
            z, targets, l2=l2, rule="raw", step_size=0.1, max_weight=np.inf
        ).weights,
        "drop_flagged": ~diva.detect(z, targets, score=run.settings.score).flagged
        + 0.0,
        "uncertainty_weights": diva.uncertainty_weights(z, targets),
        "without_flips": 1.0 - task.flips,
    }
    held, rest = slice(0, len(z) // 5), slice(len(z) // 5, None)
    meta = (
        ones.copy()
    )  # the method needs clean validation labels; it gets the given ones
    meta[rest] = diva.meta_weights(z[rest], targets[rest], z[held], targets[held])
    weights["meta_weights"] = meta
    rows = [
        (name, model, task.seed, "test/error", ridge_error(task, z, z_test, w, l2), "")
        for name, w in weights.items()
    ]
    return {"rows": rows, "weights": weights["reweight"], "l2": l2}


# Extension from a pool.


def extension(run, tasks, kind: str) -> None:
    """Grow a tenth of the data from the rest, against adding at random."""
    curves = {"extend": [], "uniform": []}
    model = run.settings.model[0]
    for task in tasks:
        found = run.cell(
            f"extend-{kind}-{task.seed}",
            lambda t=task: extend_once(run, model, t, kind),
        )
        for name in curves:
            curves[name].append(found[name])
        sizes = found["sizes"]
    path = run.figure(
        f"extend-{kind}",
        f"Extension of a core set from a {kind} pool ({model}): test error against size; "
        "shading is the range over seeds.",
    )
    figures.curves(path, sizes, curves, xlabel="examples", ylabel="test error [%]")


def extend_once(run, model, task: Task, kind: str) -> dict:
    """Test errors at ten sizes; the last is the whole pool."""
    rng = np.random.default_rng(1000 + task.seed)
    n = len(task.x)
    core = np.arange(n) < n // 10
    share = 0.3 if kind == "noisy" else 0.0
    labels, _ = flip(task.clean, task.classes, share, rng)
    labels = np.where(core, task.clean, labels)
    task = task._replace(y=labels, tag=f"-extend-{kind}")
    z, z_test = featurise(run, model, task, run.settings.random_features // 4)
    targets = task.targets
    l2 = EXTEND_L2 * diva.choose_l2(z[core], targets[core]).l2
    batch = run.settings.extend_batch
    grown = diva.extend(z, targets, core, l2=l2, batch=batch, stop=False)
    random = np.concatenate(
        [np.flatnonzero(core), rng.permutation(np.flatnonzero(~core))]
    )
    chosen = np.concatenate([np.flatnonzero(core), grown.order])
    sizes = np.linspace(n // 10, n, 10).astype(int)
    result, rows = {"sizes": sizes}, []
    for name, order in (("extend", chosen), ("uniform", random)):
        errors_ = []
        for size in sizes:
            weights = np.isin(np.arange(n), order[:size]).astype(float)
            errors_.append(ridge_error(task, z, z_test, weights, l2))
            setting = f"{model}/{kind}/size={size}"
            rows.append((name, setting, task.seed, "test/error", errors_[-1], ""))
        result[name] = np.asarray(errors_)
    helpful = np.flatnonzero(grown.best_derivative >= 0)
    result["stop"] = int(core.sum() + batch * (helpful[0] if len(helpful) else n))
    return result | {"rows": rows}


# Removal of what was flagged, with the real network retrained.


def removal(run, tasks, detected) -> None:
    """Test accuracy of the network against the share of examples removed."""
    curves: dict[str, list] = {}
    for task, scores in zip(tasks, detected, strict=False):
        found = run.cell(
            f"removal-{task.seed}", lambda t=task, s=scores: remove_once(run, t, s)
        )
        for name in REMOVERS:
            curves.setdefault(name, []).append(found[name])
    path = run.figure(
        "removal",
        "The network retrained from scratch without the examples ranked most harmful, "
        "by each ranking; test accuracy.",
    )
    shares = 100 * np.asarray(REMOVED)
    labels = {"xlabel": "removed [%]", "ylabel": "test accuracy [%]"}
    figures.curves(path, shares, curves, **labels)


def remove_once(run, task: Task, detected) -> dict:
    """Retrain on what is left after removing the top of each ranking."""
    scores = {name: detected[f"score_{name}"] for name in REMOVERS[:-1]}
    scores["random"] = np.random.default_rng(task.seed).random(len(task.y))
    subsets = [np.ones(len(task.y), np.float32)]  # nothing removed: once for all
    for score in scores.values():
        order = np.argsort(-score, kind="stable")
        for share in REMOVED[1:]:
            subsets.append(np.ones(len(order), np.float32))
            subsets[-1][order[: round(share * len(order))]] = 0
    config = run.config._replace(classes=task.classes)
    arrays = {"x": task.x, "y": task.y.astype(np.int32)}
    key = jax.random.key(task.seed)
    params = diva.fit_subsets(config, arrays, np.stack(subsets), key)
    predict = jax.jit(functools.partial(diva.apply, config))
    accuracy = []
    for i in range(len(subsets)):
        one = jax.tree.map(lambda p, i=i: p[i], params)
        outputs = np.argmax(predict(one, task.x_test), axis=1)
        accuracy.append(100 * float(np.mean(outputs == task.y_test)))
    rest = np.reshape(accuracy[1:], (len(scores), -1))
    accuracy = np.insert(rest, 0, accuracy[0], axis=1)
    rows = [
        (name, f"cnn/removed={share:.2f}", task.seed, "test/accuracy", value, "")
        for name, values in zip(scores, accuracy, strict=True)
        for share, value in zip(REMOVED, values, strict=True)
    ]
    return {"rows": rows} | dict(zip(scores, accuracy, strict=True))


# Figures and words of the study.


def draw_detection(run, model, task: Task, found) -> None:
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


def draw_overview(run) -> None:
    """Bars of detection and lines of reweighting, over all features and seeds."""
    rows = record.summarise(run.rows)
    caption = (
        "Flipped labels found, mean and 95 % interval over seeds. The paper's range over "
        f"six other data sets: AUC {PUBLISHED['flips/auc']}, F1 {PUBLISHED['flips/f1']}."
    )
    path = run.figure("detection", caption)
    plots.dots(path, rows, ("flips/auc", "flips/f1"))
    before, after = {}, {}
    for row in run.rows:
        if row.metric == "test/error" and row.setting in run.settings.model:
            chosen = {"uniform": before, "reweight": after}.get(row.variant)
            if chosen is not None:
                chosen.setdefault(row.setting, []).append(row.value)
    caption = "Test error per seed before and after one step on the weights."
    figures.paired_errors(run.figure("reweight", caption), before, after)


def conclusions(run) -> str:
    """A few sentences with this run's numbers."""
    means = {
        (s.setting, s.variant, s.metric): s.mean for s in record.summarise(run.rows)
    }
    lines = []
    for model in run.settings.model:
        get = lambda variant, metric, m=model: means[m, variant, metric]  # noqa: E731
        lines.append(
            f"{model}: the derivative finds {100 * run.settings.noise:.0f} % flipped "
            f"labels with AUC {get('derivative', 'flips/auc'):.3f} and F1 "
            f"{get('derivative', 'flips/f1'):.3f} at zero; averaged over the penalty "
            f"path and trusted, {get('derivative_path', 'flips/auc'):.3f} and "
            f"{get('derivative_path', 'flips/f1'):.3f}. The plain leave-one-out residual "
            f"ranks with AUC {get('loo_residual', 'flips/auc'):.3f}. One step of "
            f"reweighting takes the test error from {get('uniform', 'test/error'):.2f} "
            f"to {get('reweight', 'test/error'):.2f} %."
        )
    return "\n".join(lines)


PRESETS = {
    "cifar10": {
        "model": ("efficientnet_lite0",),
        "train_size": 5000,
        "test_size": 2000,
        "extend_batch": 50,
        "parts": (),
    },
    "mnist": {"train_size": 2000, "extend_batch": 20, "parts": ()},
    "fashion_mnist": {
        "train_size": 5000,
        "test_size": 2000,
        "extend_batch": 50,
        "parts": (),
    },
    "own": {"model": (), "noise": 0.0},
}

if __name__ == "__main__":
    runner.main(
        study,
        method="diva",
        config=diva.Config(),
        settings=Settings(),
        datasets=("digits", "cifar10", "mnist", "fashion_mnist"),
        presets=PRESETS,
        own_data="dataset",
    )
