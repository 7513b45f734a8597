"""DIVA: find wrong labels, reweight, extend (ICLR 2022, arXiv:2111.09785).

  python -m experiments.diva                         # digits, bundled, about a minute
  python -m experiments.diva --quick                 # synthetic, seconds
  python -m experiments.diva --dataset=cifar10 --model=efficientnet_lite0 \
      --weights=efficientnet_lite0.npz               # CIFAR-10, minutes of features
  python -m experiments.diva --dataset=mine.npz      # your own data: ranked examples.csv

On a registered data set a share of the labels is flipped and the methods must find them;
reweighting, extension from a pool and removal are measured on clean test labels. On your
own data nothing is flipped unless you ask for it with --noise.
"""

import csv
import functools
import io
from typing import Literal, NamedTuple

import jax
import numpy as np

from experiments import run as runner
from iclr22 import (
    checkpoint,
    data,
    diva,
    errors,
    loop,
    metrics,
    parallel,
    plots,
    progress,
    record,
)
from iclr22.data import batching
from iclr22.diva import figures, maps

MODELS = (*maps.MAPS, "cnn", "efficientnet_lite0", "features")
DETECTORS = {
    "derivative": "derivative",
    **{f"derivative_{s}": s for s in diva.SCORES[1:]},
}
PUBLISHED = {
    "flips/auc": "0.90-0.99",
    "flips/f1": "0.68-0.92",
}  # figure 3, six data sets
EXTEND_L2 = 0.1  # stiff enough for a core set of a tenth
REMOVERS = ("derivative_path", "loo_residual", "random")
REMOVED = (0.0, 0.1, 0.2, 0.3)


class Settings(NamedTuple):
    """What to measure, and on which features."""

    model: tuple[str, ...] = ("random_relu", "random_fourier")  # features, any of:
    # pixels, random_relu, random_fourier, cnn (trained here), efficientnet_lite0 (needs
    # --weights), features (z of your file); your own data default to features or cnn
    weights: str = ""  # npz with pretrained EfficientNet-Lite0 weights
    image_size: int = 128  # pixels that images are scaled to for EfficientNet-Lite0
    linearize: str = "head"  # cnn: head (last layer), full, or sub-trees as a+b
    random_features: int = 1024  # number of random features
    score: Literal["path", "derivative", "trusted", "relabel"] = (
        "path"  # ranks examples
    )
    # in examples.csv and decides what is flagged; see diva.detect
    noise: float = 0.2  # share of labels to flip; on your own data 0 unless given
    train_size: int = 1000  # training examples used of a registered data set
    test_size: int = 0  # test examples used; 0 is all that are left
    neighbors: int = 10  # of KNN-Shapley
    extend_batch: int = (
        5  # examples added per round; large batches pick near-duplicates
    )
    removal_seeds: int = 1  # seeds of the removal curve, which retrains the network


class Task(NamedTuple):
    """One seed's problem: images or vectors, given and true labels, test data."""

    x: np.ndarray  # [n, ...]
    y: np.ndarray  # [n] given labels
    clean: np.ndarray  # [n] true labels as far as known
    flips: np.ndarray  # [n] bool
    x_test: np.ndarray  # [t, ...]
    y_test: np.ndarray  # [t]
    classes: int
    seed: int

    @property
    def targets(self):
        """One-hot `[n, classes]`."""
        return diva.one_hot(self.y, self.classes)


def study(run: runner.Run) -> None:
    """Everything, one cell at a time."""
    pool, names = load(run)
    run.facts["examples"] = {split: len(part["y"]) for split, part in pool.items()}
    tasks = [make_task(run, pool, names, seed) for seed in run.seeds]
    if run.own:
        curation(run, pool["train"], tasks[0], names)
        return
    for model in run.settings.model:
        cells = [measure(run, model, t) for t in progress.track(tasks, model)]
        draw_detection(run, model, tasks[0], cells[0])
    draw_overview(run)
    extension(run, tasks, "noisy")
    extension(run, tasks[:2], "clean")  # the paper's gain is not seen here: two will do
    removal(run, tasks[: run.settings.removal_seeds])
    write_examples(run, pool["train"], tasks[0], cells[0], names)
    run.summary = conclusions(run)


def measure(run, model, task: "Task") -> dict:
    """Detection and reweighting on one kind of features and one seed."""
    get = functools.cache(lambda: featurise(run, model, task))
    name = f"{model}-{task.seed}"
    run.cell(f"reweight-{name}", lambda: reweighting(run, model, task, get))
    return run.cell(f"detect-{name}", lambda: detection(run, model, task, get))


# Data.


def load(run: runner.Run):
    """`(splits, class names)` of the data set that was asked for."""
    if run.own:
        splits, names = data.from_file(run.dataset, image_size=run.settings.image_size)
        choose_model(run, splits["train"])
    else:
        entry = data.get(run.dataset)
        rng = np.random.default_rng(0)
        splits = entry.synthetic(rng, 400) if run.quick else entry.load(run.data_dir)
        names = entry.info.class_names
    classes = 1 + max(int(part["y"].max()) for part in splits.values())
    return splits, list(names) or [str(i) for i in range(classes)]


def choose_model(run, train) -> None:
    """Features for own data: those of the file if it has any, else a network's.

    What a model needs must be in the file; better to hear so before any long work.
    """
    model = run.settings.model or (("features",) if "z" in train else ("cnn",))
    for name in model:
        field = "z" if name == "features" else "x"
        if field not in train:
            raise errors.InputError(
                f"--model={name} needs {field} in {run.dataset}; found {', '.join(train)}"
            )
    run.settings = run.settings._replace(model=model)


def make_task(run, pool, names, seed: int) -> Task:
    """Choose and flip with the seed. With a test split only the flips vary by seed."""
    s, train = run.settings, pool["train"]
    field = "z" if s.model == ("features",) else "x"
    x, y = train[field], train["y"]
    rng = np.random.default_rng(seed)
    if run.own or "test" in pool:
        order, test = np.arange(len(y)), pool.get("test", {field: x[:0], "y": y[:0]})
        x_test, y_test = test[field], test["y"]
    else:
        order = rng.permutation(len(y))
        rest = order[s.train_size :] if s.train_size < len(y) else order[len(y) // 2 :]
        x_test, y_test = x[rest], y[rest]
        order = order[: len(y) - len(rest)]
    order = order if run.own else order[: s.train_size]
    keep = slice(None, s.test_size or None)
    clean = y[order]
    noisy, flips = flip(clean, len(names), s.noise, rng)
    if run.own:
        flips |= train.get("flipped", np.zeros(len(y), bool))
    scale = float(x.max()) if x.dtype.kind == "u" else 1.0
    x, x_test = (np.asarray(a, np.float32) / scale for a in (x[order], x_test[keep]))
    return Task(x, noisy, clean, flips, x_test, y_test[keep], len(names), seed)


def flip(labels, classes: int, share: float, rng):
    """Replace a share of labels by another class, uniformly: `(labels, flipped)`.

    Differs: the paper draws the replacement from all classes or does not say; here it
    is always a different one, so that every flip is wrong.
    """
    n = len(labels)
    flips = np.zeros(n, bool)
    flips[rng.choice(n, round(share * n), replace=False)] = True
    shift = rng.integers(1, classes, n)
    return np.where(flips, (labels + shift) % classes, labels), flips


# Features.


def featurise(run, model: str, task: Task, size: int = 0):
    """`(features [n, m], test features [t, m])` for one kind of features."""
    both = np.concatenate([task.x, task.x_test])
    if model in maps.MAPS:
        size = size or run.settings.random_features
        size //= 2 if model == "random_fourier" else 1
        make = maps.MAPS[model](task.x, task.seed, size)
        z = make(both)
    elif model == "efficientnet_lite0":
        z = maps.finish(lambda _: pretrained(run, both), task.x)(both)
    elif model == "features":
        z = maps.finish(lambda x: x, task.x)(both)
    elif model == "cnn":
        z = network_features(run, task, both)
    else:
        raise errors.nearest(model, MODELS, "model")
    return z[: len(task.x)], z[len(task.x) :]


def pretrained(run, images):
    """EfficientNet-Lite0 features `[n, 1280]`, computed in chunks that survive a kill."""
    from iclr22.nn import efficientnet

    if not run.settings.weights:
        raise errors.InputError("--model=efficientnet_lite0 needs --weights=FILE.npz")
    params = efficientnet.load_weights(run.settings.weights)
    size = run.settings.image_size
    images = np.asarray(np.round(images * 255), np.uint8)
    store = checkpoint.ChunkStore(run.workdir / "chunks", "efficientnet_lite0")
    return store.fill(
        (len(images), efficientnet.FEATURES),
        np.float32,
        lambda low, high: efficientnet.extract(params, images[low:high], size=size),
        chunk=200,
        progress=lambda chunks: progress.track(chunks, "features", len(chunks)),
    )


def network_features(run, task: Task, inputs):
    """Features from the network trained on the task's own (noisy) labels."""
    name = f"network-{task.seed}"
    config = run.config._replace(classes=task.classes)
    arrays = {"x": task.x, "y": task.y.astype(np.int32)}
    batches = batching.make(
        arrays, config.batch_size, seed=task.seed, devices=jax.device_count()
    )
    plan = loop.Schedule(config.steps, log_every=50, save_every=100, scan=10)
    state = loop.fit(
        diva,
        config,
        batches,
        plan,
        seed=task.seed,
        mode=run.mode,
        directory=run.workdir / "training" / name,
        name=name,
    )
    config, params = diva.fuse(config, jax.device_get(state.params))
    if run.settings.linearize == "head":
        layer = jax.jit(functools.partial(diva.features, config, params))
        return maps.finish(lambda x: layer(x), task.x)(inputs)
    return kernel_features(run, config, params, inputs, name)


def kernel_features(run, config, params, inputs, name):
    """Features with the Gram matrix of the linearized network, or part of it."""
    part = run.settings.linearize
    subtree = () if part == "full" else tuple(part.split("+"))
    apply = functools.partial(diva.apply, config)
    block = diva.gram(apply, params, subtree=subtree)
    chunk = 64
    place = parallel.shard_rows(parallel.devices())
    rows = diva.gram_rows(block, inputs, chunk=chunk, place=place)
    store = checkpoint.ChunkStore(run.workdir / "chunks", f"gram-{name}")
    gram = store.fill(
        (len(inputs), len(inputs)),
        np.float32,
        rows,
        chunk=chunk,
        progress=lambda chunks: progress.track(chunks, "Gram matrix", len(chunks)),
    )
    gram = np.asarray(gram) / np.mean(np.diagonal(gram))
    return diva.gram_factor(gram)


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


def ridge_error(task, z, z_test, weights, l2) -> float:
    """Test error in percent of the ridge classifier with these weights."""
    coefficients = diva.solve(z, task.targets, weights, l2)
    return 100 * float(np.mean(np.argmax(z_test @ coefficients, axis=1) != task.y_test))


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
    task = task._replace(y=np.where(core, task.clean, labels))
    z, z_test = featurise(run, model, task, run.settings.random_features // 4)
    targets, l2 = task.targets, EXTEND_L2
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


def removal(run, tasks) -> None:
    """Test accuracy of the network against the share of examples removed."""
    curves: dict[str, list] = {}
    for task in tasks:
        found = run.cell(f"removal-{task.seed}", lambda t=task: remove_once(run, t))
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


def remove_once(run, task: Task) -> dict:
    """Retrain on what is left after removing the top of each ranking."""
    model = run.settings.model[0]
    found = run.cell(f"detect-{model}-{task.seed}", dict)
    scores = {name: found[f"score_{name}"] for name in REMOVERS[:-1]}
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


# Own data: what to look at first.


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
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        ("rank", "index", "name", "label", "derivative", "suggested", "action")
    )
    for rank, i in enumerate(np.argsort(-score, kind="stable"), start=1):
        label, other = int(task.y[i]), int(found["suggestions"][i])
        if counts[label] == 1:
            action = "only example of its class"
        elif score[i] <= 0:
            action = "keep"
        else:
            action = "review" if other == label else f"relabel to {names[other]}?"
        suggested = names[other]
        row = (rank, i, ids[i], names[label], f"{score[i]:.6g}", suggested, action)
        writer.writerow(row)
    with checkpoint.atomic(run.workdir / "examples.csv") as temporary:
        temporary.write_text(text.getvalue())
    if "weights" in found:
        checkpoint.write_npz(run.workdir / "weights.npz", weights=found["weights"])
    if task.x.ndim == 4:
        caption = (
            "Per class the most harmful (red, with the suggested class) and the most "
            "helpful (green) examples."
        )
        path = run.figure("examples", caption)
        figures.gallery(path, task.x, task.y, score, found["suggestions"], names)


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
    },
    "mnist": {"train_size": 2000, "extend_batch": 20},
    "fashion_mnist": {"train_size": 5000, "test_size": 2000, "extend_batch": 50},
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
        own_data=True,
    )
