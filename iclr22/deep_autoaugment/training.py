"""A classifier from images and labels, and how often it is right."""

import functools
import math

import jax
import numpy as np

from iclr22 import loop
from iclr22.data import batching
from iclr22.deep_autoaugment import classifier
from iclr22.deep_autoaugment.classifier import Config

FLAT = 1 / 255  # deviation of a channel at least; one that never varies has none


def fitted_to(config: Config, x, y) -> Config:
    """The configuration with what the data decide, where it is not set: the number of
    classes, and each channel's mean and deviation.

    Args:
      x: images `[n, h, w, c]` uint8.
      y: classes `[n]`.
    """
    if not config.classes:
        config = config._replace(classes=int(np.max(y)) + 1)
    if config.mean and config.std:
        return config
    counts = np.stack([np.bincount(x[..., c].ravel(), minlength=256) for c in _each(x)])
    share, level = counts / counts[0].sum(), np.arange(256) / 255
    mean = share @ level
    std = np.sqrt((share * (level - mean[:, None]) ** 2).sum(1))
    return config._replace(
        mean=config.mean or tuple(float(v) for v in mean.round(4)),
        std=config.std or tuple(max(float(v), FLAT) for v in std.round(4)),
    )


def _each(x):
    return range(x.shape[-1])


def fit(
    config: Config,
    x,
    y,
    *,
    directory=None,
    seed: int = 0,
    mode: str = "jit",
    valid=None,
    begin=None,
):
    """`(config, params)` of a classifier trained for `config.steps` updates.

    Args:
      config: what the data decide is filled in (`fitted_to`).
      x: images `[n, h, w]` or `[n, h, w, c]`, uint8, or real numbers from 0 to 1.
      y: classes `[n]`, whole numbers from 0.
      directory: for checkpoints and curves; a run that is started again continues there.
      valid: `(x, y)` whose loss and accuracy are recorded there.
      begin: parameters to start from, as of `loop.fit`.

    Raises:
      errors.InputError: other images or classes (`classifier.checked`).
    """
    x, y = classifier.checked(x, y)
    config = fitted_to(config, x, y)
    arrays = {"x": x, "y": y, "row": np.arange(len(y), dtype=np.int32)}
    on = jax.local_device_count() if mode == "pmap" else jax.device_count()
    batches = batching.make(arrays, config.batch, seed=seed, devices=on)
    if valid is not None:
        held = dict(zip(("x", "y"), classifier.checked(*valid), strict=True))
        valid = functools.partial(batching.in_order, held, config.batch, devices=on)
    state = loop.fit(
        classifier,
        config,
        batches,
        loop.Schedule(config.steps, save_every=max(config.steps // 4, 1)),
        seed=seed,
        mode=mode,
        directory=directory,
        valid=valid,
        begin=begin,
        name="classifier",
    )
    return config, jax.tree.map(np.asarray, state.params)


def accuracy(config: Config, params, x, y) -> float:
    """Percent of images whose class is found.

    Args:
      x: images `[n, h, w]` or `[n, h, w, c]`, uint8, or real numbers from 0 to 1.
      y: classes `[n]`.
    """
    x, y = classifier.checked(x, y)
    config = config._replace(policy=None)  # of training alone: one program for all
    batches = batching.in_order(
        {"x": x, "y": y}, config.batch, whole=True
    )  # fits in memory
    found = [jax.device_get(_evaluate(config, params, batch)) for batch in batches]
    right = math.fsum(float(sums["accuracy"]) for sums in found)
    return right / math.fsum(float(sums["weight"]) for sums in found)


_evaluate = jax.jit(classifier.evaluate, static_argnums=0)
