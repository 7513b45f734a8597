"""From windows to a trained model: variants, how they train, their configurations.

A variant is a predictor: Trajectron++ with an edge per neighbour (`edge`), with a sum over
neighbours (`sum`), without them (`past_only`), PECNet, constant velocity. It trains `plain`,
or with `coalition_dropout`, which leaves out players as attribution will.
"""

import functools
from typing import Any, NamedTuple

import jax
import numpy as np

from iclr22 import errors, loop, plateau
from iclr22.data import batching
from iclr22.trajectory_shapley import baselines, pecnet, trajectron
from iclr22.trajectory_shapley.artifact import INTERACTION, VARIANTS, Model
from iclr22.trajectory_shapley.pecnet import Config as Pecnet
from iclr22.trajectory_shapley.trajectron import Config as Trajectron
from iclr22.trajectory_shapley.windows import (
    Windows,
    distance,
    evenly,
    select,
    to_batch,
)

TRAININGS = ("plain", "coalition_dropout")
VALID = 2000  # windows that choose the best parameters, at most


class Options(NamedTuple):
    """A variant, how it is trained, and the hyper-parameters of all."""

    MAIN = "trajectron"
    RESOLVED = ("variant", "training")  # by who trains

    variant: str = "edge"  # of VARIANTS
    training: str = "coalition_dropout"  # of TRAININGS
    trajectron: Trajectron = Trajectron()  # of edge, sum and past_only
    pecnet: Pecnet = Pecnet()  # of PECNet


class Data(NamedTuple):
    """What is trained on; all windows have equally many slots, for one compile."""

    train: Windows
    valid: Windows  # that choose the best parameters
    kinds: tuple[str, ...] = ("agent",)  # of agents, as in the tracks
    dt: float = 0.4  # seconds per step


class Fitted(NamedTuple):
    """What `train` found."""

    model: Model
    steps: int  # updates that were made
    loss: float  # of validation, of the parameters that were kept


def config_of(options: Options, data: Data):
    """The configuration that is trained: what variant, training and data decide filled in.

    None for constant velocity, which has none.

    Raises:
      errors.InputError: an unknown variant or training.
    """
    if options.variant not in VARIANTS:
        raise errors.nearest(options.variant, VARIANTS, "variant")
    if options.training not in TRAININGS:
        raise errors.nearest(options.training, TRAININGS, "training")
    if options.variant == "constant_velocity":
        return None
    if options.variant == "pecnet":
        config = _pecnet(options, data)
    else:
        config = _trajectron(options.trajectron, data)
        config = config._replace(interaction=INTERACTION[options.variant])
    if options.training == "plain":
        config = config._replace(coalition_dropout=0.0, past_dropout=0.0)
    return config


def _trajectron(config: Trajectron, data: Data) -> Trajectron:
    measured = {
        name: value
        for name, value in scales(data.train).items()
        if not getattr(config, name)
    }
    return config._replace(kinds=len(data.kinds), dt=data.dt, **measured)


def _pecnet(options: Options, data: Data) -> Pecnet:
    shared = options.trajectron
    config = options.pecnet._replace(horizon=shared.horizon, rotate=shared.rotate)
    scale = pecnet.scale_for(data.train.future)
    if not 0.5 < scale / config.scale < 2:  # not metres: feet, pixels
        config = config._replace(scale=scale)
    return config


def scales(windows: Windows) -> dict[str, float]:
    """Scales of positions, velocities and accelerations as they are in windows: root mean
    squares of neighbours' distances (or of histories), targets' velocities and so on.
    """
    squares = (windows.history.astype(float) ** 2).mean((0, 1)).reshape(3, 2).sum(1)
    apart = distance(windows)[windows.mask].astype(float) ** 2
    found = np.sqrt([apart.mean() if len(apart) else squares[0], *squares[1:]])
    names = ("position_scale", "velocity_scale", "acceleration_scale")
    return {k: float(f"{max(v, 1e-3):.2g}") for k, v in zip(names, found, strict=True)}


def train(
    data: Data,
    options: Options | None = None,
    *,
    directory=None,
    seed: int = 0,
    mode: str = "jit",
) -> Fitted:
    """Train one variant; the parameters that were best on the validation windows are kept.

    Args:
      options: which variant, how, and its hyper-parameters.
      directory: of checkpoints; an interrupted training goes on from there.

    Raises:
      errors.InputError: an unknown variant or training; another horizon than the windows'.
    """
    options = Options() if options is None else options
    config, windows = config_of(options, data), data.train
    model = _frame(options, config, data)
    if config is None:
        params = baselines.fit(windows.history, windows.future, data.dt)
        return Fitted(model._replace(params=params), 0, float("nan"))
    if config.horizon != model.horizon:
        raise errors.InputError(
            f"expected windows with a horizon of {config.horizon} frames, that of the "
            f"options; found {model.horizon}"
        )
    state = _fit(config, data, options, directory, seed, mode)
    params = jax.device_get(state.best.params)
    fitted = model._replace(params=params)
    return Fitted(fitted, config.steps, float(state.best.loss))


def _frame(options: Options, config: Any, data: Data) -> Model:
    """A model without parameters."""
    return Model(
        variant=options.variant,
        training=options.training,
        config=config,
        params={},
        dt=data.dt,
        history=data.train.history.shape[1],
        horizon=data.train.future.shape[1],
        kinds=tuple(data.kinds),
    )


def _fit(config: Any, data: Data, options: Options, directory, seed, mode):
    """The last state of a training, which holds the best."""
    devices = jax.device_count()
    batches = batching.make(
        to_batch(data.train), config.batch, seed=seed, devices=devices
    )
    held = to_batch(select(data.valid, evenly(len(data.valid.mask), VALID)))
    plan = loop.Schedule(
        config.steps,
        save_every=max(config.steps // 4, 1),
        evaluate_every=max(config.steps // 8, 1),
        scan=min(10, config.steps),
    )
    return loop.fit(
        pecnet if options.variant == "pecnet" else trajectron,
        config,
        batches,
        plan,
        seed=seed,
        mode=mode,
        directory=directory,
        valid=lambda: batching.in_order(held, config.batch, devices=devices),
        review=functools.partial(plateau.review, patience=-1),
        name=f"{options.variant}, {options.training}, seed {seed}",
    )
