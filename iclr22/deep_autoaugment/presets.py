"""What a search is told, and sizes of it."""

from typing import Any, Literal, NamedTuple

from iclr22 import errors
from iclr22.deep_autoaugment.classifier import Config as Classifier
from iclr22.deep_autoaugment.matching import Config as Matching


class Options(NamedTuple):
    """What is searched, and the hyper-parameters of both stages."""

    MAIN = "matching"
    RESOLVED = ("pretrain.policy", "pretrain.classes", "pretrain.mean", "pretrain.std")

    matching: Matching = Matching()  # of a layer
    pretrain: Classifier = Classifier()  # the network whose gradients are compared
    kind: Literal["cifar", "imagenet"] = (
        "cifar"  # operations: those for small images, or for ImageNet
    )
    levels: int = 13  # of magnitude
    allow: tuple[str, ...] = ()  # operations that may be used; all if empty
    deny: tuple[str, ...] = ()  # operations that may not
    cutout: int = 0  # pixels of its side; 0: half of the image's shorter side
    pad: int = 0  # pixels of the crop's margin; 0: an eighth of it
    control: bool = True  # noise is among the transformations, to see that it is left
    balanced: bool = (
        True  # groups are of every class as often; otherwise of every image
    )
    train_share: float = 0.7  # of images that are not compared with, for the network
    identity: float = 0.9  # a layer with more than that of it is the end


PRESETS: dict[str, dict[str, Any]] = {  # by names of flags; `paper` is the defaults
    "tiny": {
        "levels": 4,
        "layers": 3,
        "steps": 60,
        "groups": 4,
        "copies": 1,
        "paths": 2,
        "learning_rate": 0.1,
    },
    "small": {
        "levels": 7,
        "layers": 5,
        "steps": 120,
        "groups": 8,
        "copies": 1,
        "paths": 4,
        "learning_rate": 0.1,
    },
    "paper": {"control": False, "pretrain.depth": 40, "pretrain.widen": 2},
}


def preset(name: str, options: Options | None = None) -> Options:
    """Options of a size: `tiny` (minutes), `small` (an hour), `paper` (days of a processor).

    Raises:
      errors.InputError: another name.
    """
    if name not in PRESETS:
        raise errors.nearest(name, PRESETS, "preset")
    options = options or Options()
    for flag, value in PRESETS[name].items():
        stage, _, field = flag.rpartition(".")
        stage = stage or ("" if flag in Options._fields else Options.MAIN)
        if stage:
            value = getattr(options, stage)._replace(**{field: value})
        options = options._replace(**{stage or field: value})
    return options
