"""The search of a policy, layer by layer (sections 3.1 to 3.3).

A network is trained on a part of the images, with crop, flip and cutout. Then layer after
layer is learned by `matching` on others, those before it frozen, until one is nearly all
identity.
"""

import pathlib
import time
from typing import Any, NamedTuple

import jax
import numpy as np
from absl import logging

from iclr22 import loop, parallel, record
from iclr22.deep_autoaugment import (
    classifier,
    groups,
    matching,
    policy,
    space,
    tables,
    training,
)
from iclr22.deep_autoaugment.classifier import Config as Classifier
from iclr22.deep_autoaugment.matching import Config as Matching
from iclr22.deep_autoaugment.policy import Policy
from iclr22.deep_autoaugment.presets import Options
from iclr22.deep_autoaugment.space import Transformation

CURVE = 64  # points of a layer's curve, at most


class Prepared(NamedTuple):
    """Data, their parts, and configurations with all that they decide."""

    x: np.ndarray  # uint8 [n, h, w, c]
    y: np.ndarray  # int32 [n]
    parts: groups.Parts
    options: Options
    transformations: tuple[Transformation, ...]


class Found(NamedTuple):
    """What a search leaves."""

    policy: Policy  # without the control
    transformations: tuple[Transformation, ...]  # with it, where it was there
    probabilities: np.ndarray  # [layers, N], of these
    curves: list[list[tuple[int, float]]]  # of each layer: (update, cosine)
    dropped: np.ndarray | None  # [N], the layer that ended the search
    config: Classifier  # of the network
    params: Any  # of it


def prepare(x, y, options: Options | None = None, *, seed=0, names=()) -> Prepared:
    """Check data and options; see `search`."""
    options = options or Options()
    x, y = classifier.checked(x, y)
    parts = groups.parted(
        y,
        options.matching.validation,
        train=options.train_share,
        seed=seed,
        names=names,
    )
    side = min(x.shape[1:3])
    chosen = space.space(
        options.kind,
        levels=options.levels,
        allow=options.allow,
        deny=options.deny,
        cutout=options.cutout or side // 2,
        pad=options.pad or max(1, side // 8),
    )
    tables.of(chosen, *x.shape[1:3])  # an image may be too small for them
    noise = Transformation(space.NOISE, space.MIDDLE, 0.0)
    control = (noise,) if options.control else ()
    network = training.fitted_to(options.pretrain, x[parts.train], y)
    network = network._replace(policy=_fixed(chosen))
    matching_ = options.matching._replace(
        network=network, transformations=(*chosen, *control)
    )
    options = options._replace(pretrain=network, matching=matching_)
    return Prepared(x, y, parts, options, matching_.transformations)


def planned(prepared: Prepared) -> dict[str, Any]:
    """Configurations that are trained, by name."""
    matching_ = prepared.options.matching
    layers = {
        f"layer-{k + 1}": matching_._replace(first=k == 0)
        for k in range(matching_.layers)
    }
    return {"pretrain": prepared.options.pretrain} | layers


def search(
    x,
    y,
    options: Options | None = None,
    *,
    directory=None,
    seed: int = 0,
    mode: str = "jit",
    names=(),
) -> Found:
    """Learn a policy from labelled images.

    Args:
      x: images `[n, h, w]` or `[n, h, w, c]`, uint8, or floats from 0 to 1.
      y: classes `[n]`, whole numbers from 0.
      options: see `preset`.
      directory: an interrupted search goes on from there.
      names: of classes, for messages.

    Raises:
      errors.InputError: other images; fewer than `validation + 1` of a class; operations
        that leave nothing.
    """
    return run(
        prepare(x, y, options, seed=seed, names=names),
        directory=directory,
        seed=seed,
        mode=mode,
    )


def run(prepared: Prepared, *, directory=None, seed: int = 0, mode="jit") -> Found:
    """The search on prepared data."""
    config = prepared.options.matching
    folder = pathlib.Path(directory) if directory else None
    told = {"mode": mode}
    network, seconds = _network(prepared, folder, seed=seed, **told)
    layers: list[np.ndarray] = []
    curves, dropped = [], None
    for k in range(config.layers):
        _tell(config._replace(first=k == 0), k, seconds)
        place = folder / f"layer-{k + 1}" if folder else None
        shares = _layer(prepared, network, layers, place, seed=seed, **told)
        if k and shares[0] > prepared.options.identity:
            logging.info(
                "layer %d is %.1f %% identity: the end", k + 1, 100 * shares[0]
            )
            dropped = shares
            break
        layers.append(shares)
        curves.append(_curve(place))
    learned = np.array(layers)
    chosen, shares = without_control(prepared.transformations, learned)
    return Found(
        policy.of_probabilities(chosen, shares),
        prepared.transformations,
        learned,
        curves,
        dropped,
        prepared.options.pretrain,
        network,
    )


def _network(prepared: Prepared, folder, *, seed: int, mode: str):
    """`(params, seconds per image of an update)` of the network."""
    rows, began = prepared.parts.train, time.monotonic()
    config, params = training.fit(
        prepared.options.pretrain,
        prepared.x[rows],
        prepared.y[rows],
        directory=folder / "pretrain" if folder else None,
        seed=seed,
        mode=mode,
    )
    seconds = (time.monotonic() - began) / (config.steps * config.batch)
    return params, seconds


def _tell(config: Matching, k: int, seconds: float) -> None:
    """What a layer will cost, before it begins; by the speed of what was trained so far."""
    gradients, products = images_of(config)
    per_update = seconds * (gradients + products)
    logging.info(
        "layer %d: %d updates of %d gradients and %d products of images, about %.0f s",
        k + 1,
        config.steps,
        gradients,
        products,
        config.steps * per_update,
    )


def images_of(config: Matching) -> tuple[int, int]:
    """Images of an update that are differentiated backwards, and forwards."""
    count, groups_ = len(config.transformations), config.groups
    copies = count if config.first else count * config.copies
    paths = 1 if config.first else config.paths
    return groups_ * (config.validation + copies), groups_ * paths * count


def _layer(prepared: Prepared, network, before, folder, *, seed: int, mode: str):
    """Probabilities `[N]` of the next layer after those `before`."""
    config, k = prepared.options.matching, len(before)
    config = config._replace(first=k == 0)
    count = len(config.transformations)
    earlier = matching.nothing(config.layers, count)
    if k:
        earlier[:k] = np.log(np.maximum(before, 1e-30))
    state = loop.fit(
        matching,
        config,
        source(prepared, 1000 * seed + k + 1),  # no layer has another one's groups
        loop.Schedule(
            config.steps, log_every=max(1, config.steps // CURVE), save_every=50
        ),
        seed=seed + k,
        mode=mode,
        directory=folder,
        begin={"logits": matching.fresh(count), "before": earlier, "network": network},
        name=f"layer {k + 1}",
    )
    return np.asarray(matching.apply(config, jax.device_get(state.params)))


def source(prepared: Prepared, seed: int, *, held: bool = False) -> groups.Groups:
    """Groups of the search, or of images that it does not see."""
    parts, config = prepared.parts, prepared.options.matching
    valid, rows = (parts.held,) * 2 if held else (parts.valid, parts.search)
    return groups.Groups(
        prepared.x,
        prepared.y,
        valid,
        rows,
        config.groups,
        config.validation,
        prepared.options.balanced,
        seed,
        jax.device_count(),
        parallel.part(),
    )


def _curve(folder) -> list[tuple[int, float]]:
    """`(update, mean cosine since the one before)` as it was logged."""
    lines = record.read_metrics(folder / "metrics.jsonl") if folder else []
    name = "train/cosine"
    return [(line["step"], line[name]) for line in lines if name in line]


def without_control(transformations, shares):
    """`(transformations, probabilities [layers, N])` without the control, which sum to 1."""
    keep = np.array([x.op != space.NOISE for x in transformations])
    left = shares[:, keep]
    chosen = tuple(x for x, kept in zip(transformations, keep, strict=True) if kept)
    return chosen, left / left.sum(axis=1, keepdims=True)


def _fixed(transformations) -> Policy:
    """What the network is trained with: crop, flip and cutout, as far as they are there."""
    layers = []
    for name in ("crop", "resized_crop", "flip", "cutout"):
        layers += [
            (policy.Entry(x.op, x.level, x.value, 1.0),)
            for x in transformations
            if x.op == name
        ]
    return Policy(tuple(layers))
