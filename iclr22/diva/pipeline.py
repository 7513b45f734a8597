"""From labelled examples to a network, a ranking of the examples and a model: one call."""

from typing import Any, Literal, NamedTuple

import jax
import numpy as np

from iclr22 import errors, loop
from iclr22.data import batching
from iclr22.diva import artifact, classifier
from iclr22.diva.artifact import Extractor, Model
from iclr22.diva.checks import one_hot
from iclr22.diva.classifier import Config as Classifier
from iclr22.diva.closed_form import solve
from iclr22.diva.detection import Detection, detect
from iclr22.diva.penalty import L2Choice, choose_l2
from iclr22.diva.reweighting import Reweighting, reweight


class Options(NamedTuple):
    """The network whose features are used, and how examples are ranked."""

    MAIN = "classifier"

    classifier: Classifier = Classifier()
    # ranks examples in examples.csv and decides what is flagged; see diva.detect
    score: Literal["path", "derivative", "trusted", "relabel"] = "path"


class Examples(NamedTuple):
    """Labelled examples: x `[n, ...]`, images or vectors, and y `[n]`, whole numbers."""

    x: np.ndarray
    y: np.ndarray
    class_names: tuple[
        str, ...
    ] = ()  # by number; numbers up to the largest label if empty


class Curation(NamedTuple):
    """What features say about the examples that they are of."""

    penalty: L2Choice
    detection: Detection
    reweighting: Reweighting


class Fitted(NamedTuple):
    """A trained model, and what it says about the examples that it was trained on."""

    model: Model  # its head is fitted with the weights of the reweighting
    curation: Curation


def config_of(options: Options, classes: int) -> Classifier:
    """The configuration that is trained: what the data decide filled in."""
    return options.classifier._replace(classes=classes)


def train(
    data: Examples,
    options: Options | None = None,
    *,
    directory,
    seed: int = 0,
    mode: str = "jit",
) -> Fitted:
    """Train a network on given labels, rank the examples, fit a linear head.

    Args:
      data: as loaded, not scaled.
      directory: for checkpoints and curves; a run that is started again continues there.

    Raises:
      errors.InputError: data that it cannot work with.
    """
    options = Options() if options is None else options
    y = np.asarray(data.y)
    _check(data.x, y)
    names = data.class_names or tuple(str(i) for i in range(int(y.max()) + 1))
    targets = one_hot(y, len(names))
    scale = artifact.scale_of(data.x)
    inputs = artifact.scaled(data.x, scale)
    config = config_of(options, len(names))
    config, params = fit(config, inputs, y, directory=directory, seed=seed, mode=mode)
    network = artifact.extractor(config, params, inputs)
    features = network(inputs)
    found = curate(features, targets, options.score)
    return Fitted(with_head(network, features, targets, found, names, scale), found)


def _check(x, y) -> None:
    if len(x) != len(y) or len(np.unique(y)) < 2:
        raise errors.InputError(
            "expected examples x [n, ...] and labels y [n] of at least two classes; found "
            f"{np.shape(x)} and {np.shape(y)} with {len(np.unique(y))} classes"
        )
    if not np.isfinite(x).all():
        raise errors.InputError("expected finite examples; found NaN or infinity")


def fit(
    config: Classifier,
    inputs,
    labels,
    *,
    directory,
    seed: int = 0,
    mode: str = "jit",
    name: str = "network",
) -> tuple[Classifier, Any]:
    """`(config, params)` of a network trained on inputs `[n, ...]`, batch norm fused."""
    batches = batching.make(
        {"x": inputs, "y": labels.astype(np.int32)},
        config.batch_size,
        seed=seed,
        devices=jax.device_count(),
    )
    state = loop.fit(
        classifier,
        config,
        batches,
        loop.Schedule(config.steps, log_every=50, save_every=100, scan=10),
        seed=seed,
        mode=mode,
        directory=directory,
        name=name,
    )
    return classifier.fuse(config, jax.device_get(state.params))


def curate(features, targets, score: str = "path") -> Curation:
    """The best penalty, a ranking and weights for features `[n, p]`, targets `[n, k]`."""
    penalty = choose_l2(features, targets)
    return Curation(
        penalty=penalty,
        detection=detect(features, targets, score=score),
        reweighting=reweight(features, targets, l2=penalty.l2),
    )


def with_head(
    network: Extractor,
    features,
    targets,
    found: Curation,
    class_names: tuple[str, ...],
    scale: float = 1.0,
) -> Model:
    """The model whose head is fitted to features with the weights that were found."""
    weights, l2 = found.reweighting.weights, found.penalty.l2
    coefficients = np.asarray(solve(features, targets, weights, l2))
    return Model(scale, network, coefficients, class_names)
