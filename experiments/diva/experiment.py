"""What the DIVA experiment does and with which options; see `__main__`."""

from typing import NamedTuple

from experiments import run as runner
from experiments.diva import compare, curation, features, tasks
from experiments.diva.tasks import PRETRAINED
from experiments.options import Experiment, Use
from iclr22 import errors
from iclr22.diva import pipeline
from iclr22.diva.classifier import Config as Classifier

PARTS = ("extend", "removal")


class Options(NamedTuple):
    """What to measure, and on which features."""

    MAIN = "models"

    models: pipeline.Options = pipeline.Options(score="path")
    # features, any of: pixels, random_relu, random_fourier, cnn (trained here),
    # efficientnet_lite0 (needs --weights), features (z of your file), vectors (z or x,
    # as they are or random ReLU of them, whichever predicts better); your own data
    # default to vectors, images to random_relu
    model: tuple[str, ...] = ("random_relu", "random_fourier")
    weights: str = ""  # npz with pretrained EfficientNet-Lite0 weights
    image_size: int = 128  # pixels that images are scaled to for EfficientNet-Lite0
    linearize: str = "head"  # cnn: head (last layer), full, or sub-trees as a+b
    random_features: int = 1024  # number of random features
    noise: float = 0.2  # share of labels to flip; on your own data 0 unless given
    train_size: int = 1000  # training examples used of a registered data set
    test_size: int = 0  # test examples used; 0 is all that are left
    neighbors: int = 10  # of KNN-Shapley
    # examples added per round; large batches pick near-duplicates
    extend_batch: int = 5
    # measured besides detection and reweighting; each takes minutes on thousands of
    # images, so only on digits by default
    parts: tuple[str, ...] = PARTS
    removal_seeds: int = 1  # seeds of the removal curve, which retrains the network


def study(run: runner.Run) -> None:
    """Your own data ranked, or all that is measured on a registered data set."""
    pool = tasks.load(run)
    run.facts["examples"] = {k: len(part["y"]) for k, part in pool.splits.items()}
    run.facts["features"] = ", ".join(pool.model)
    run.trains(_configurations(run, pool))
    (curation.curation if run.own else compare.compare)(run, pool)


def _configurations(run, pool):
    """What is trained: features, and the network that removal retrains."""
    config = pipeline.config_of(run.options.models, len(pool.names))
    names = ["cnn"] if "cnn" in pool.model else []
    if not run.own and "removal" in run.options.parts:
        names.append("removal")
    return {name: config for name in names}


def check(options: Options) -> None:
    """Refuse what would fail after long work."""
    for name in options.model:
        if name not in features.MODELS:
            raise errors.nearest(name, features.MODELS, "model")
    for name in options.parts:
        if name not in PARTS:
            raise errors.nearest(name, PARTS, "part")
    if PRETRAINED in options.model and not options.weights:
        raise errors.InputError(f"--model={PRETRAINED} needs --weights=FILE.npz")
    if not 0 <= options.noise < 1:
        raise errors.InputError(f"--noise is a share of labels; found {options.noise}")


_REGISTERED = {"own": ("no",)}
_LARGE = {"train_size": 5000, "test_size": 2000, "extend_batch": 50, "parts": ()}
_NETWORK = tuple(x for x in Classifier._fields if x not in Classifier.RESOLVED)
USES = (
    Use((*_NETWORK, "linearize"), {"model": ("cnn",)}),
    Use(_NETWORK, {"parts": ("removal",), **_REGISTERED}),
    Use(("weights", "image_size"), {"model": (PRETRAINED,)}),
    Use(("random_features",), {"model": ("random_relu", "random_fourier", "vectors")}),
    Use(("random_features",), {"model": ((),)}),
    Use(("standardise",), {"own": ("yes",)}),
    Use(("parts", "train_size", "neighbors", "seeds"), _REGISTERED),
    Use(("extend_batch",), {"parts": ("extend",), **_REGISTERED}),
    Use(("removal_seeds",), {"parts": ("removal",), **_REGISTERED}),
)
EXPERIMENT = Experiment(
    method="diva",
    study=study,
    options=Options(),
    datasets=("digits", "cifar10", "mnist", "fashion_mnist"),
    presets={
        "cifar10": {"model": (PRETRAINED,), **_LARGE},
        "mnist": {"train_size": 2000, "extend_batch": 20, "parts": ()},
        "fashion_mnist": _LARGE,
        "own": {"model": (), "noise": 0.0, "score": "consensus"},
    },
    quick={"dataset=cifar10": {"model": Options().model}},
    uses=USES,
    check=check,
    own_data="dataset",
)
