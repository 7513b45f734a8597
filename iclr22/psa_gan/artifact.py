"""A trained generator with where its series lie in time and value: write and read it."""

from typing import Any, NamedTuple

import jax
import numpy as np

from iclr22 import bundle
from iclr22.data.series import layouts
from iclr22.data.series.layouts import Layout
from iclr22.psa_gan import gan, timegan

KIND, VERSION = "psa_gan model", 1
STAGES = {"gan": gan, "timegan": timegan}


class Model(NamedTuple):
    """Everything that generation needs.

    Attributes:
      stage: whose `apply` it is, of `STAGES`.
      config: of that stage.
      params: what `apply` takes: of the generator alone.
      layout: of the panel that was learned.
    """

    stage: str
    config: Any
    params: Any
    layout: Layout

    @property
    def context(self) -> int:
        """Values before a window that it continues; 0: none."""
        return getattr(self.config, "context", 0)


def save(path, model: Model) -> None:
    """Write a model as one `.npz` of plain arrays."""
    about, arrays = layouts.pack(model.layout)
    about = {"stage": model.stage, "config": model.config._asdict(), "layout": about}
    trees = {"params": model.params, "layout": arrays}
    bundle.save(path, KIND, VERSION, about=about, trees=trees)


def load(path) -> Model:
    """Read what `save` wrote.

    Raises:
      errors.InputError: not such a file, one of another version, or one whose parts do
        not fit each other.
    """
    return bundle.load(path, KIND, VERSION, _build)


def _build(found: bundle.Bundle) -> Model:
    about = found.about
    stage = STAGES[about["stage"]]
    model = Model(
        stage=about["stage"],
        config=bundle.configured(stage.Config, about["config"]),
        params=found.trees["params"],
        layout=layouts.unpack(about["layout"], found.trees["layout"]),
    )
    return bundle.fitting(model, _check)


def _check(model: Model) -> None:
    """The parts of a model fit each other; nothing is compiled."""
    where, config = model.layout, model.config
    count = len(where.ids)
    sizes = [len(x) for x in (where.start, where.low, where.range, where.length)]
    if {*sizes, len(where.static)} != {count} or config.series != count:
        raise ValueError(f"{config.series} vectors and {sizes} of {count} series")
    if where.static.shape[1] != len(where.static_names):
        raise ValueError(f"{len(where.static_names)} names of numbers of series")
    if not (where.range > 0).all():
        raise ValueError("ranges above 0 only")
    for array in jax.tree.leaves([model.params, where.low, where.range, where.static]):
        if array.dtype.kind not in "biuf" or not np.isfinite(array).all():
            raise ValueError("arrays of finite numbers only")
    length = config.length
    features = layouts.features(where, [0], [0], length)
    inputs = {
        "series": np.zeros(1, np.int32),
        "features": features,
        "noise": np.zeros((1, length), np.float32),
        "context": np.zeros((1, model.context), np.float32),
    }

    def windows(params, inputs):
        return STAGES[model.stage].apply(config, params, inputs)

    said = jax.eval_shape(windows, model.params, inputs)
    if said.shape != (1, length):
        raise ValueError(f"windows of shape {said.shape}, not {(1, length)}")
