"""The data side of the DIVA experiment: one seed's problem and its features."""

import functools
import hashlib
from typing import NamedTuple

import jax
import numpy as np

from experiments import run as runner
from iclr22 import checkpoint, data, diva, errors, loop, parallel, progress
from iclr22.data import batching
from iclr22.diva import maps

NETWORK_SIZE = 32  # pixels of a folder's images for the network trained here
MODELS = (*maps.MAPS, "cnn", "efficientnet_lite0", "features")


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
    tag: str = ""  # in names of what is trained: other labels, another network

    @property
    def targets(self):
        """One-hot `[n, classes]`."""
        return diva.one_hot(self.y, self.classes)


def load(run: runner.Run):
    """`(splits, class names)` of the data set that was asked for."""
    if run.own:
        large = "efficientnet_lite0" in run.settings.model
        size = run.settings.image_size if large else NETWORK_SIZE
        splits, names = data.from_file(run.dataset, image_size=size)
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
    images = np.ascontiguousarray(np.round(images * 255), np.uint8)
    digest = hashlib.sha256(images).hexdigest()
    # Without a test split each seed has its own order of the images, so its own file.
    name, key = f"efficientnet_lite0-{digest[:8]}", {"images": digest, "size": size}
    store = checkpoint.ChunkStore(run.workdir / "chunks", name, key=key)
    return store.fill(
        (len(images), efficientnet.FEATURES),
        np.float32,
        lambda low, high: efficientnet.extract(params, images[low:high], size=size),
        chunk=200,
        progress=lambda chunks: progress.track(chunks, "features", len(chunks)),
    )


def network_features(run, task: Task, inputs):
    """Features from the network trained on the task's own (noisy) labels."""
    name = f"network-{task.seed}{task.tag}"
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


def ridge_error(task, z, z_test, weights, l2) -> float:
    """Test error in percent of the ridge classifier with these weights."""
    coefficients = diva.solve(z, task.targets, weights, l2)
    return 100 * float(np.mean(np.argmax(z_test @ coefficients, axis=1) != task.y_test))
