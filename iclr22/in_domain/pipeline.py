"""From images of some points of a grid to a model that reads factors from any image."""

import functools
from typing import Any, NamedTuple

import jax
import numpy as np

from iclr22 import errors, loop
from iclr22.data import batching
from iclr22.data.factors import FactorImages
from iclr22.in_domain import (
    drawing,
    encoding,
    models,
    pairs,
    pca,
    pcl,
    regressor,
    vae,
)
from iclr22.in_domain.evaluating import rows_of
from iclr22.in_domain.pcl import Config as Contrast
from iclr22.in_domain.regressor import Config as Regressor
from iclr22.in_domain.vae import Config as Autoencoder

CHUNK = 4096  # images that are in memory at a time
CODERS: dict[str, Any] = {"vae": vae, "pcl": pcl, "pca": pca}
SAVES = 4  # checkpoints of one training


class Options(NamedTuple):
    """Hyper-parameters of all that may be trained."""

    MAIN = "regressor"
    RESOLVED = ("readout.network", "vae.kind")

    regressor: Regressor = Regressor()  # supervised and transfer
    vae: Autoencoder = Autoencoder()  # beta-VAE, Ada-GVAE, SlowVAE
    pcl: Contrast = Contrast()  # permutation contrastive learning
    # what reads factors from codes of the latter and of principal components
    readout: Regressor = Regressor(network="readout", steps=500)
    # factors that say where something is: across, down, and so on in turn
    positions: tuple[str, ...] = ()
    hues: tuple[str, ...] = ()  # factors that are hues of something


class Fitted(NamedTuple):
    """A trained model.

    Attributes:
      name: of `models.MODELS`.
      config, params: of the regressor, or of the read-out.
      coder: `(configuration, parameters)` of what makes codes, which are read out.
    """

    name: str
    config: Regressor
    params: Any
    coder: tuple[Any, Any] | None = None

    def predict(self, images) -> np.ndarray:
        """Factors `[n, f]`, about 0 to 1, of images float32 `[n, h, w, c]` from 0 to 1."""
        return self._of(images, _apply)

    def features(self, images) -> np.ndarray:
        """What the last layer sees, `[n, d]`, of such images."""
        return self._of(images, _features)

    def codes(self, images) -> np.ndarray:
        """What a representation learner makes of them, `[n, latents]`; else features."""
        if self.coder is None:
            return self.features(images)
        return _coded(self.name, self.coder, images)

    def _of(self, images, what):
        x = images if self.coder is None else self.codes(images)
        return encoding.in_chunks(what, self.config, self.params, x)


def planned(name: str, data: FactorImages, options: Options) -> dict[str, Any]:
    """The configurations that a model is trained with, by stage.

    Raises:
      errors.InputError: an unknown model.
    """
    if name not in models.MODELS:
        raise errors.nearest(name, models.MODELS, "model")
    model = models.MODELS[name]
    outputs = len(data.grid.factors)
    drawn = {"renderer": data.renderer, "side": data.side}
    if model.stage == "regressor":
        config = options.regressor
        config = config._replace(
            network=name,
            outputs=outputs,
            positions=_places(data, options.positions),
            hues=_places(data, options.hues),
            learning_rate=config.learning_rate * model.rate,
            steps=round(config.steps * model.steps),
            **drawn,
        )
        return {"regressor": config}
    readout = options.readout._replace(network="readout", outputs=outputs)
    if model.stage == "pca":
        return {"readout": readout}
    if model.stage == "pcl":
        return {"pcl": options.pcl._replace(**drawn), "readout": readout}
    config = options.vae._replace(kind=name, **drawn)
    return {"vae": config, "readout": readout}


def _places(data, names) -> tuple[int, ...]:
    for name in names:
        if name not in data.grid.names:
            raise errors.nearest(name, data.grid.names, "factor")
    return tuple(data.grid.names.index(x) for x in names)


def train(
    name: str,
    data: FactorImages,
    points,
    options: Options | None = None,
    *,
    directory=None,
    seed: int = 0,
    mode: str = "jit",
    weights: str = "",
) -> Fitted:
    """Train one model on images of some points.

    Args:
      name: of `models.MODELS`.
      points: flat grid indices `[n]` that are trained on.
      directory: an interrupted training goes on from there.
      weights: file that a network of kind transfer begins at.

    Raises:
      errors.InputError: an unknown model, a point without an image.
    """
    options = options or Options()
    rows = rows_of(data, points)
    configs = planned(name, data, options)
    told = {"seed": seed, "mode": mode}
    fit = functools.partial(_fit, directory=directory, **told)
    if "regressor" in configs:
        arrays = drawing.stored(data, rows) | _targets(data, rows)
        config = configs["regressor"]
        batches = _batches(arrays, config.batch, seed, mode)
        begin = None
        if models.MODELS[name].weights:
            from iclr22.in_domain.networks import transfer

            begin = transfer.pretrained(name, weights)
        params = fit(regressor, config, batches, begin)
        return Fitted(name, config, params)
    coder = _coder(name, data, rows, configs, fit, told)
    config = configs["readout"]
    chosen = _enough(rows, config, seed)
    codes = np.concatenate(
        [
            _coded(name, coder, data.images(chosen[start : start + CHUNK]))
            for start in range(0, len(chosen), CHUNK)
        ]
    )
    arrays = {"x": codes} | _targets(data, chosen)
    batches = _batches(arrays, config.batch, seed, mode)
    return Fitted(name, config, fit(regressor, config, batches, name="readout"), coder)


def _coder(name, data, rows, configs, fit, told):
    """`(configuration, parameters)` of what makes codes."""
    stage = models.MODELS[name].stage
    if stage == "pca":
        config = pca.Config()
        chosen = _enough(rows, configs["readout"], told["seed"])
        return config, pca.fit(config, data.images, chosen)
    config = configs[stage]
    devices = _devices(told["mode"])
    batches = pairs.make(
        data, rows, name, config.batch, seed=told["seed"], devices=devices
    )
    return config, fit(CODERS[stage], config, batches, name=stage)


def _targets(data, rows):
    return {"target": data.targets(rows), "row": _numbered(rows)}


def _numbered(rows):
    return np.arange(len(rows), dtype=np.int32)


def _batches(arrays, size, seed, mode):
    return batching.make(arrays, size, seed=seed, devices=_devices(mode))


def _devices(mode):
    return jax.local_device_count() if mode == "pmap" else jax.device_count()


def _fit(
    stage, config, batches, begin=None, *, directory, seed, mode, name="regressor"
):
    state = loop.fit(
        stage,
        config,
        batches,
        loop.Schedule(config.steps, save_every=max(config.steps // SAVES, 1)),
        seed=seed,
        mode=mode,
        directory=None if directory is None else f"{directory}/{name}",
        begin=begin,
        name=name,
    )
    return jax.tree.map(np.asarray, state.params)


def _enough(rows, config, seed):
    """As many rows as a read-out sees in its updates, drawn."""
    most = config.batch * config.steps
    if len(rows) <= most:
        return rows
    return np.random.default_rng((seed, 3)).permutation(rows)[:most]


def _coded(name, coder, images) -> np.ndarray:
    return CODERS[models.MODELS[name].stage].encode(*coder, images)


_apply = jax.jit(regressor.apply, static_argnums=0)
_features = jax.jit(regressor.features, static_argnums=0)
