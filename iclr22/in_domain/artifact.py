"""A trained model as a file, for predictions in a later process.

One `.npz` of plain arrays and JSON; it knows the factors and their values, so that a
prediction can be told in the user's own units.
"""

from typing import Any, NamedTuple

import numpy as np

from iclr22 import bundle
from iclr22.data.factors import Factor, FactorImages, Grid
from iclr22.in_domain import models, pca, pcl, pipeline, regressor, vae

KIND, VERSION = "in_domain model", 1
CODERS = {"vae": vae.Config, "pcl": pcl.Config, "pca": pca.Config}


class Model(NamedTuple):
    """What a training leaves.

    Attributes:
      fitted: the networks.
      grid: of the factors.
      side, channels: of images that it reads.
    """

    fitted: pipeline.Fitted
    grid: Grid
    side: int
    channels: int


def of(fitted: pipeline.Fitted, images: FactorImages) -> Model:
    """The model of a training on these images."""
    return Model(fitted, images.grid, images.side, images.channels)


def save(path, model: Model) -> None:
    """Write a model as one file."""
    fitted = model.fitted
    about: dict[str, Any] = {
        "name": fitted.name,
        "config": fitted.config._asdict(),
        "factors": [x._asdict() for x in model.grid.factors],
        "side": model.side,
        "channels": model.channels,
    }
    trees = {"params": fitted.params}
    if fitted.coder:
        about["coder"] = fitted.coder[0]._asdict()
        trees["coder"] = fitted.coder[1]
    bundle.save(path, KIND, VERSION, about=about, trees=trees, inputs=model.grid.names)


def load(path) -> Model:
    """Read what `save` wrote.

    Raises:
      errors.InputError: not such a file, or one whose parts do not fit each other.
    """
    return bundle.load(path, KIND, VERSION, _build)


def _build(found: bundle.Bundle) -> Model:
    about, coder = found.about, None
    name = str(about["name"])
    if "coder" in about:
        kind = CODERS[models.MODELS[name].stage]
        coder = bundle.configured(kind, about["coder"]), found.trees["coder"]
    config = bundle.configured(regressor.Config, about["config"])
    factors = tuple(
        Factor(str(x["name"]), tuple(x["values"]), x["kind"]) for x in about["factors"]
    )
    fitted = pipeline.Fitted(name, config, found.trees["params"], coder)
    side, channels = int(about["side"]), int(about["channels"])
    return bundle.fitting(Model(fitted, Grid(factors), side, channels), _check)


def _check(model: Model) -> None:
    """It answers, for one image."""
    image = np.zeros((1, model.side, model.side, model.channels), np.float32)
    found = model.fitted.predict(image)
    if found.shape != (1, len(model.grid.factors)):
        raise ValueError(
            f"{found.shape[1]} outputs of {len(model.grid.factors)} factors"
        )
