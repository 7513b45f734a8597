"""A trained predictor of paths: predict, hand it to attribution, write and read it."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from iclr22 import bundle, errors
from iclr22.trajectory_shapley import baselines, pecnet, trajectron
from iclr22.trajectory_shapley.predictor import Predictor, with_baseline
from iclr22.trajectory_shapley.windows import Windows, to_batch

KIND, VERSION = "trajectory predictor", 2
INTERACTION = {"edge": "edge", "sum": "sum", "past_only": "none"}  # of Trajectrons
VARIANTS = (*INTERACTION, "constant_velocity", "pecnet")
ONLY_TRAINING = (  # fields of configurations that a trained model no longer depends on
    "coalition_dropout",
    "past_dropout",
    "steps",
    "batch",
    "learning_rate",
    "schedule",
    "decay",
    "rotate",
    "kl_weight",
    "dropout",
    "prior_dropout",
    "action_noise",
    "kl_crossover",
    "clip_crossover",
    "kl_width",
    "clip_width",
    "kl_minimum",
    "latent_noise",
    "path_weight",
)


class Model(NamedTuple):
    """A predictor of paths and what windows it takes; `save` and `load` keep all of it."""

    variant: str  # of VARIANTS
    training: str  # of `pipeline.TRAININGS`
    config: Any  # Config of the variant's module; None for constant velocity
    params: dict
    dt: float  # seconds per step
    history: int  # steps of the past
    horizon: int  # steps ahead
    kinds: tuple[str, ...] = ("agent",)


def predictor_of(model: Model) -> Predictor:
    """The model as attribution needs it; how it was trained makes no other program."""
    if model.variant == "constant_velocity":
        return baselines.predictor(model.params, model.dt)
    module = pecnet if model.variant == "pecnet" else trajectron
    usual = module.Config()._asdict()
    same = {name: usual[name] for name in ONLY_TRAINING if name in usual}
    return module.predictor(model.config._replace(**same), model.params)


def predict(model: Model, windows: Windows):
    """What a model predicts of a few windows with everything seen, on the host.

    Returns a `metrics.Mixture` over paths `[windows, modes, horizon, 2]`, or of a model that
    only draws `{"samples": [windows, draws, horizon, 2]}`; relative to the present position.

    Raises:
      errors.InputError: windows with another history.
    """
    length = windows.history.shape[1]
    if length != model.history:
        raise errors.InputError(
            f"expected windows with a history of {model.history} frames, as the model was "
            f"trained on; found {length}"
        )
    given = predictor_of(model)
    batch = to_batch(windows, seeds=True)
    return jax.device_get(_everything(given.encode, given.decode, given.params, batch))


@functools.partial(jax.jit, static_argnums=(0, 1))
def _everything(encode, decode, params, batch):
    """Outputs with everything seen."""
    codes = encode(params, with_baseline(batch))
    return decode(params, codes, jnp.ones(len(batch["mask"]), bool), batch["mask"])


def save(path, model: Model) -> None:
    """Write a model as one `.npz` of plain arrays."""
    about = model._asdict()
    del about["params"]
    about["config"] = model.config._asdict() if model.config else None
    params = jax.device_get(model.params)
    bundle.save(path, KIND, VERSION, about=about, trees={"params": params})


def load(path) -> Model:
    """Read what `save` wrote.

    Raises:
      errors.InputError: not such a file, or of another version.
    """
    return bundle.load(path, KIND, VERSION, _build)


def _build(found: bundle.Bundle) -> Model:
    about = dict(found.about)
    variant = VARIANTS[VARIANTS.index(about["variant"])]
    config = about.pop("config")
    if variant != "constant_velocity":
        module = pecnet if variant == "pecnet" else trajectron
        config = module.Config(**config)
    kinds = tuple(about.pop("kinds"))
    return Model(config=config, params=found.trees["params"], kinds=kinds, **about)
