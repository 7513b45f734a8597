"""Features of a task's examples, of each kind that `--model` names."""

import functools
import hashlib
from typing import NamedTuple

import numpy as np

from experiments import run as runner
from experiments.diva.tasks import FILE, PRETRAINED, VECTORS, Task
from iclr22 import checkpoint, diva, errors, parallel, progress
from iclr22.diva import artifact, maps, pipeline

MODELS = (*maps.MAPS, "cnn", PRETRAINED, FILE, VECTORS)


class Features(NamedTuple):
    """Features of a task, and the network that they are of, if it can give more."""

    train: np.ndarray  # [n, m]
    test: np.ndarray  # [t, m]
    network: artifact.Extractor | None = None


def featurise(run: runner.Run, model: str, task: Task, size: int = 0) -> Features:
    """One kind of features.

    Args:
      size: number of random features, if not that of the options.
    """
    both, network = np.concatenate([task.x, task.x_test]), None
    if model in maps.MAPS:
        size = size or run.options.random_features
        size //= 2 if model == "random_fourier" else 1
        make = maps.MAPS[model](task.x, task.seed, size)
        z = make(both)
    elif model == PRETRAINED:
        z = maps.finish(lambda _: pretrained(run, both), task.x)(both)
    elif model == VECTORS:
        size = size or run.options.random_features
        z = maps.best(task.x, task.targets, task.seed, size)(both)
    elif model == FILE:
        z = maps.finish(lambda x: x, task.x)(both)
    elif model == "cnn":
        z, network = network_features(run, task, both)
    else:
        raise errors.nearest(model, MODELS, "model")
    return Features(z[: len(task.x)], z[len(task.x) :], network)


def pretrained(run: runner.Run, images):
    """EfficientNet-Lite0 features `[n, 1280]`, computed in chunks that survive a kill."""
    from iclr22.nn import efficientnet

    params = efficientnet.load_weights(run.options.weights)
    size = run.options.image_size
    images = np.ascontiguousarray(np.round(images * 255), np.uint8)
    digest = hashlib.sha256(images.tobytes()).hexdigest()
    # Without a test split each seed has its own order of the images, so its own file.
    name, key = f"{PRETRAINED}-{digest[:8]}", {"images": digest, "size": size}
    store = checkpoint.ChunkStore(run.path("chunks"), name, key=key)
    return store.fill(
        (len(images), efficientnet.FEATURES),
        np.float32,
        lambda low, high: efficientnet.extract(params, images[low:high], size=size),
        chunk=200,
        progress=lambda chunks: progress.track(chunks, "features", len(chunks)),
    )


def network_features(run: runner.Run, task: Task, inputs):
    """`(features, network)` of one trained on the task's own (noisy) labels."""
    name = f"network-{task.seed}{task.tag}"
    config, params = pipeline.fit(
        run.trained["cnn"],
        task.x,
        task.y,
        directory=run.path("training") / name,
        seed=task.seed,
        mode=run.mode,
        name=name,
    )
    if run.options.linearize == "head":
        network = artifact.extractor(config, params, task.x)
        return network(inputs), network
    return kernel_features(run, config, params, inputs, name), None


def kernel_features(run: runner.Run, config, params, inputs, name: str):
    """Features with the Gram matrix of the linearized network, or part of it."""
    part = run.options.linearize
    subtree = () if part == "full" else tuple(part.split("+"))
    apply = functools.partial(diva.apply, config)
    block = diva.gram(apply, params, subtree=subtree)
    chunk = 64
    place = parallel.shard_rows(parallel.devices())
    rows = diva.gram_rows(block, inputs, chunk=chunk, place=place)
    store = checkpoint.ChunkStore(run.path("chunks"), f"gram-{name}")
    gram = store.fill(
        (len(inputs), len(inputs)),
        np.float32,
        rows,
        chunk=chunk,
        progress=lambda chunks: progress.track(chunks, "Gram matrix", len(chunks)),
    )
    gram = np.asarray(gram) / np.mean(np.diagonal(gram))
    return diva.gram_factor(gram)


def ridge_error(task: Task, features: Features, weights, l2) -> float:
    """Test error in percent of the ridge classifier with these weights."""
    coefficients = diva.solve(features.train, task.targets, weights, l2)
    outputs = np.argmax(features.test @ coefficients, axis=1)
    return 100 * float(np.mean(outputs != task.y_test))
