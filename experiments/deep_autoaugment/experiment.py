"""What the Deep AutoAugment experiment does and with which options; see `__main__`."""

from typing import Any, Literal, NamedTuple

from experiments import run as runner
from experiments.deep_autoaugment import augment, kept, learn
from experiments.options import Experiment, Use, check_least
from iclr22 import errors, gradients
from iclr22.data import checks
from iclr22.deep_autoaugment import pipeline, presets
from iclr22.deep_autoaugment.matching import Config as Matching


class Options(NamedTuple):
    """What to do, with which images and policies."""

    MAIN = "models"

    models: pipeline.Options = pipeline.Options()
    # what is done: a policy is searched, and classifiers are trained with it and without;
    # only the latter; or images are augmented and written
    task: Literal["search", "train", "augment"] = "search"
    preset: Literal["tiny", "small", "paper"] = "tiny"  # size of the search
    # policies that classifiers are trained with; none of them: only the search
    variant: tuple[str, ...] = ("deep_autoaugment", "flip_crop", "none")
    policy: str = ""  # policy.json of an earlier search or your own; or cifar10, digits
    images: str = ""  # folder or .npz of images to augment
    draws: int = 4  # augmented copies of each image that are written
    seed: int = 0  # of these
    skip_unreadable: bool = False  # files that are no images are listed and left out
    train_size: int = 0  # images that are learned from; all if 0
    test_size: int = 0  # images that are tested on; all if 0
    image_size: int = 32  # pixels that images of your own folder are scaled to


STUDIES = {"search": learn.learn, "train": learn.learn, "augment": augment.study}


def study(run: runner.Run) -> None:
    """One of the tasks."""
    STUDIES[run.options.task](run)


def check(options: Options) -> None:
    """Refuse what would fail after long work."""
    if options.task == "augment":
        return augment.check(options)
    for name in options.variant:
        if name not in learn.VARIANTS:
            raise errors.nearest(name, learn.VARIANTS, "variant")
    if options.task == "train" and not options.variant:
        raise errors.InputError(
            f"--task=train expects --variant, some of {', '.join(learn.VARIANTS)}"
        )
    if options.task == "train" and "deep_autoaugment" in options.variant:
        if not options.policy:
            raise errors.InputError(
                "--task=train expects --policy=policy.json for deep_autoaugment"
            )
        checks.existing(kept.path_of(options.policy), "a policy")
    gradients.compute_dtype(options.models.train.dtype)
    _check_numbers(options)


def _check_numbers(options: Options) -> None:
    matching = options.models.search.matching
    found: dict[str, tuple[float, float]] = {
        name: (getattr(matching, name), 1)
        for name in ("steps", "layers", "groups", "validation", "copies", "paths")
    }
    for stage in ("pretrain", "train"):
        config = (
            options.models.train if stage == "train" else options.models.search.pretrain
        )
        for name in ("steps", "batch", "copies"):
            found[f"{stage}.{name}"] = getattr(config, name), 1
    found |= {"levels": (options.models.search.levels, 2)}
    found |= {name: (getattr(options, name), 0) for name in ("train_size", "test_size")}
    check_least(found)


_SEARCH: dict[str, tuple] = {"task": ("search",)}
_LEARN: dict[str, tuple] = {"task": ("search", "train")}
_AUGMENT: dict[str, tuple] = {"task": ("augment",)}
_TRAINS = _LEARN | {"variant": learn.VARIANTS}
_MATCHING = tuple(x for x in Matching._fields if x not in Matching.RESOLVED)
_SPACE = (
    "kind",
    "levels",
    "allow",
    "deny",
    "cutout",
    "pad",
    "control",
    "balanced",
    "train_share",
    "identity",
)
USES = (
    Use((*_MATCHING, *_SPACE, "pretrain.*", "preset"), _SEARCH),
    Use(("train.*", "mirror"), _TRAINS),
    Use(("variant", "train_size", "test_size", "dataset", "seeds"), _LEARN),
    Use(("image_size",), _LEARN | {"own": ("yes",)}),
    Use(("policy",), {"task": ("train", "augment")}),
    Use(("images", "draws", "seed", "skip_unreadable"), _AUGMENT),
)
_DIGITS: dict[str, Any] = {  # 1,797 images of 8 x 8 pixels
    "layers": 3,
    "validation": 24,
    "pretrain.depth": 10,
    "pretrain.steps": 400,
    "pretrain.batch": 64,
    "train.depth": 10,
    "train.steps": 300,
    "train.batch": 64,
}
_TENS: dict[str, Any] = {  # thousands of images of 28 or 32 pixels
    "train_size": 10000,
    "pretrain.steps": 1500,
    "pretrain.batch": 64,
    "pretrain.learning_rate": 0.2,
    "pretrain.weight_decay": 1e-3,
    "train.steps": 1500,
    "train.batch": 64,
}
EXPERIMENT = Experiment(
    method="deep_autoaugment",
    study=study,
    options=Options(),
    datasets=("digits", "cifar10", "mnist", "fashion_mnist"),
    presets={
        "digits": _DIGITS,
        "cifar10": _TENS,
        "mnist": _TENS | {"train_size": 4000, "pretrain.steps": 800},
        "fashion_mnist": _TENS | {"pretrain.steps": 800},
        "own": _TENS | {"train_size": 0},
    },
    choices={f"preset={name}": preset for name, preset in presets.PRESETS.items()},
    quick={
        "": {
            "levels": 2,
            "layers": 2,
            "steps": 4,
            "groups": 2,
            "copies": 1,
            "paths": 1,
            "validation": 8,
            "pretrain.depth": 4,
            "pretrain.steps": 20,
            "pretrain.batch": 32,
            "train.depth": 4,
            "train.steps": 20,
            "train.batch": 32,
        }
    },
    uses=USES,
    check=check,
    own_data="dataset",
    drawn={"task=augment": "images"},
    seeds=3,
)
