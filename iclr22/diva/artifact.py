"""A network trained here with a linear head on its features: predict, write, read."""

import functools
from typing import NamedTuple

import jax
import numpy as np

from iclr22 import bundle, errors, numeric
from iclr22.diva import classifier
from iclr22.diva.maps import Finish, Scaling, finish_of

CHUNK = 4096  # examples at once
KIND, VERSION = "diva model", 2


class Extractor(NamedTuple):
    """A network up to its last layer.

    Attributes:
      config, params: of the network, batch norm fused into its layers.
      shape: of one input.
      finish: what its activations go through; see `maps`.
    """

    config: classifier.Config
    params: dict
    shape: tuple[int, ...]
    finish: Finish

    def __call__(self, inputs) -> np.ndarray:
        """Features `[n, 4 width + 1]`, float32, of network inputs `[n, *shape]`."""
        return self.finish(_activations(self.config, self.params, inputs))


class Model(NamedTuple):
    """Everything that predictions need.

    Attributes:
      scaling: makes network inputs of examples.
      extractor: of features.
      coefficients: `[4 width + 1, classes]`, the linear head.
      class_names: `[classes]`.
    """

    scaling: Scaling
    extractor: Extractor
    coefficients: np.ndarray
    class_names: tuple[str, ...]


def extractor(config: classifier.Config, params, inputs) -> Extractor:
    """The extractor of a fused network, finished for its training inputs `[n, ...]`."""
    last = finish_of(_activations(config, params, inputs))
    return Extractor(config, params, tuple(np.shape(inputs)[1:]), last)


def _activations(config, params, inputs) -> np.ndarray:
    layer = _compiled(config)
    rows = [
        np.asarray(layer(params, inputs[low : low + CHUNK]))
        for low in range(0, len(inputs), CHUNK)
    ]
    return np.concatenate(rows) if rows else np.zeros((0, 4 * config.width), "f")


@functools.lru_cache(maxsize=8)
def _compiled(config):
    return jax.jit(functools.partial(classifier.features, config))


def predict(model: Model, x) -> np.ndarray:
    """Outputs `[n, classes]` of the linear head, near 1 for the class of an example.

    Args:
      x: `[n, ...]` like the examples that the model was trained on, not scaled; of any
        type.

    Raises:
      errors.InputError: another shape, NaN or infinity, no numbers.
    """
    x = numeric.real(x, "x")
    if x.shape[1:] != model.extractor.shape or not x.ndim:
        raise errors.InputError(
            f"expected examples [n, ...] of shape {model.extractor.shape}, as the "
            f"model was trained on; found {x.shape}"
        )
    return model.extractor(model.scaling(x)) @ model.coefficients


def save(path, model: Model) -> None:
    """Write a model as one `.npz` of plain arrays."""
    bundle.save(
        path,
        KIND,
        VERSION,
        about={
            "config": model.extractor.config._asdict(),
            "shape": list(model.extractor.shape),
            "finish": model.extractor.finish._asdict(),
            "class_names": list(model.class_names),
        },
        trees={
            "scaling": {k: np.asarray(v) for k, v in model.scaling._asdict().items()},
            "weights": model.extractor.params["weights"],
            "coefficients": model.coefficients,
        },
    )


def load(path) -> Model:
    """Read what `save` wrote.

    Raises:
      errors.InputError: not such a file, or of another version.
    """
    return bundle.load(path, KIND, VERSION, _build)


def _build(found: bundle.Bundle) -> Model:
    about, trees = found.about, found.trees
    network = Extractor(
        config=classifier.Config(**about["config"]),
        params={"weights": trees["weights"], "stats": {}},
        shape=tuple(about["shape"]),
        finish=Finish(**about["finish"]),
    )
    return Model(
        scaling=Scaling(**trees["scaling"]),
        extractor=network,
        coefficients=trees["coefficients"],
        class_names=tuple(about["class_names"]),
    )
