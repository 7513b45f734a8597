"""From labelled examples to a network, a ranking of the examples and a model: one call."""

from typing import Any, Literal, NamedTuple

import jax
import numpy as np

from iclr22 import errors, loop, numeric
from iclr22.data import batching
from iclr22.diva import artifact, classifier, maps
from iclr22.diva.artifact import Extractor, Model
from iclr22.diva.checks import one_hot
from iclr22.diva.classifier import Config as Classifier
from iclr22.diva.closed_form import solve
from iclr22.diva.detection import Detection, detect
from iclr22.diva.maps import Scaling
from iclr22.diva.penalty import L2Choice, choose_l2
from iclr22.diva.reweighting import Reweighting, reweight
from iclr22.diva.vectors import rank_scaled


class Options(NamedTuple):
    """The network whose features are used, and how examples are ranked."""

    MAIN = "classifier"

    classifier: Classifier = Classifier()
    # ranks examples in examples.csv and decides what is flagged; see diva.detect
    score: Literal[
        "consensus",
        "confidence",
        "residual",
        "path",
        "derivative",
        "trusted",
        "relabel",
    ] = "consensus"
    # vectors: every column to mean 0 and standard deviation 1; False if their scales mean
    # something
    standardise: bool = True


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
    curation: Curation  # by features that no label has touched


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

    Examples are ranked and weighted by features that no label has touched (`curate_inputs`): a
    network that has seen few examples often has learnt their wrong labels by heart.

    Args:
      data: as loaded, not scaled.
      directory: for checkpoints and curves; a run that is started again continues there.

    Raises:
      errors.InputError: data that it cannot work with.
    """
    options = Options() if options is None else options
    x, y = _checked(data)
    names = data.class_names or tuple(str(i) for i in range(int(y.max()) + 1))
    targets = one_hot(y, len(names))
    scaling = maps.scaling_of(x, options.standardise)
    inputs = scaling(x)
    config = config_of(options, len(names))
    config, params = fit(config, inputs, y, directory=directory, seed=seed, mode=mode)
    network = artifact.extractor(config, params, inputs)
    found = curate_inputs(inputs, targets, options.score, seed)
    features = network(inputs)
    l2 = choose_l2(features, targets).l2
    model = with_head(network, features, targets, found, names, scaling, l2)
    return Fitted(model, found)


def _checked(data: Examples):
    """x as it is, if it holds finite numbers, and y as whole numbers."""
    numeric.real(data.x, "x")
    x, y = np.asarray(data.x), numeric.whole(data.y, "y", low=0)
    if x.ndim < 2 or len(x) != len(y) or len(np.unique(y)) < 2:
        raise errors.InputError(
            "expected examples x [n, ...] and labels y [n] of at least two classes; found "
            f"{np.shape(x)} and {np.shape(y)} with {len(np.unique(y))} classes"
        )
    return x if x.dtype.kind in "buif" else numeric.real(data.x, "x"), y


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


def curate_inputs(
    inputs, targets, score: str = "consensus", seed: int = 0, size: int = 1024
) -> Curation:
    """`curate` of scaled inputs by features that no label has touched.

    Random ReLU features of images; of vectors what `vectors.rank_vectors` chooses.

    Args:
      inputs: `[n, ...]`; size: number of random features.
    """
    if np.ndim(inputs) > 2:
        return curate(maps.random_relu(inputs, seed, size)(inputs), targets, score)
    detection, features = rank_scaled(inputs, targets, score, seed, size)
    return curate(features, targets, score, detection)


def curate(
    features, targets, score: str = "consensus", detection: Detection | None = None
) -> Curation:
    """The best penalty, a ranking and weights for features `[n, p]`, targets `[n, k]`.

    Args:
      detection: if there is a ranking already.
    """
    penalty = choose_l2(features, targets)
    return Curation(
        penalty=penalty,
        detection=detection or detect(features, targets, score=score),
        reweighting=reweight(features, targets, l2=penalty.l2),
    )


def with_head(
    network: Extractor,
    features,
    targets,
    found: Curation,
    class_names: tuple[str, ...],
    scaling: Scaling,
    l2: float,
) -> Model:
    """The model whose head is fitted to its features with the weights that were found."""
    weights = found.reweighting.weights
    coefficients = np.asarray(solve(features, targets, weights, l2))
    return Model(scaling, network, coefficients, class_names)
