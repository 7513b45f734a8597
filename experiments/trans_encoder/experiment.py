"""What the Trans-Encoder experiment does and with which options; see `__main__`."""

import pathlib
from typing import Any, Literal, NamedTuple

from experiments import run as runner
from experiments.options import Experiment, Use, check_least
from experiments.trans_encoder import uses
from experiments.trans_encoder.distil import TRAINED, distil
from iclr22 import errors, gradients
from iclr22.data import checks
from iclr22.trans_encoder import fresh, pipeline


class Options(NamedTuple):
    """What to do, with which pairs and encoders."""

    MAIN = "models"

    models: pipeline.Options = pipeline.Options()
    # what is done; all but distil use the model of an earlier run
    task: Literal["distil", "embed", "score", "mine", "static", "measure"] = "distil"
    # what is trained: self, mutual (several encoders), self_bi and tsdae (baselines),
    # shuffled (a control)
    variant: tuple[str, ...] = ("self",)
    pairs: str = ""  # your own: .csv, or .txt with a sentence in each line
    sentences: str = ""  # a sentence in each line, to embed or mine
    dev: str = ""  # .csv of pairs with scores, by which students are selected
    encoder: str = ""  # folder or wheel of a BERT; fresh ones if empty
    second_encoder: str = ""  # another one, for mutual distillation
    vocabulary: str = ""  # folder or wheel with that of encoders that have none
    model: str = ""  # model.npz of an earlier run
    with_: Literal["bi", "cross", "static", "ensemble"] = "cross"  # part that is used
    which: int = 0  # encoder of several, in use
    top: int = 10  # nearest sentences of each
    rerank: bool = True  # these are ranked by the cross-encoder
    # what is learned from: all pairs of the data set, those with scores (dev and test), or
    # the pools of the paper
    pool: Literal["all", "scored", "sts", "sts_sickr"] = "all"
    most: int = 0  # pairs of the data set that are used; all if 0
    symmetric: bool = (
        True  # both orders of a pair are alike; not of question and answer
    )
    export: bool = False  # also folders that Hugging Face reads
    near: int = 3  # nearest sentences that make pairs with each, of single sentences
    far: int = 3  # others at random
    static_width: int = 256  # numbers of a static vector, at most
    width: int = 64  # of fresh encoders, a multiple of 16
    second_width: int = 32  # of the second one
    layers: int = 2  # of them


STUDIES = {
    "distil": distil,
    "embed": uses.embed,
    "score": uses.score,
    "mine": uses.mine,
    "static": uses.make_static,
    "measure": uses.measure,
}


def study(run: runner.Run) -> None:
    """One of the tasks."""
    STUDIES[run.options.task](run)


def check(options: Options) -> None:
    """Refuse what would fail after long work."""
    if options.task != "distil":
        return uses.check(options)
    if not options.variant:
        raise errors.InputError(f"--variant expects some of {', '.join(TRAINED)}")
    for name in options.variant:
        if name not in TRAINED:
            raise errors.nearest(name, TRAINED, "variant")
    if options.second_encoder and not options.encoder:
        raise errors.InputError("--second_encoder needs --encoder beside it")
    if "mutual" in options.variant and options.encoder and not options.second_encoder:
        raise errors.InputError(
            "--variant=mutual needs two encoders; found --encoder alone. Name another with "
            "--second_encoder."
        )
    if options.dev:
        checks.existing(options.dev, "pairs with scores")
    for name in ("encoder", "second_encoder", "vocabulary"):
        path = getattr(options, name)
        if path and not pathlib.Path(path).exists():
            raise errors.InputError(f"--{name}: no such file or folder: {path}")
    _check_numbers(options)
    distillation = options.models.distillation
    for config in (distillation.bi, distillation.cross, options.models.contrast):
        gradients.compute_dtype(config.dtype)


def _check_numbers(options: Options) -> None:
    models = options.models
    stages = {"": models.distillation.bi, "cross.": models.distillation.cross}
    stages |= {"contrast.": models.contrast, "tsdae.": models.tsdae}
    found = {
        f"{place}{name}": (getattr(config, name), 1)
        for place, config in stages.items()
        for name in ("batch", "epochs")
    }
    found |= {"tokens": (models.distillation.bi.tokens, 3)}
    found |= {"cross.tokens": (models.distillation.cross.tokens, 5)}
    for name in ("cycles", "looks", "probe"):
        found[name] = getattr(models.distillation, name), 1
    for name in ("layers", "static_width"):
        found[name] = getattr(options, name), 1
    for name in ("most", "near", "far"):
        found[name] = getattr(options, name), 0
    found["noise"] = models.noise, 0
    check_least(found)
    for name in ("width", "second_width"):
        value = getattr(options, name)
        if value < fresh.HEAD or value % fresh.HEAD:
            raise errors.InputError(
                f"expected --{name} that is a multiple of {fresh.HEAD}; found {value}"
            )


_DISTIL: dict[str, tuple] = {"task": ("distil",)}
_BI = tuple(
    x
    for x in pipeline.Distillation._field_defaults["bi"]._fields
    if x not in ("bert", "steps")
)
_CYCLES = ("cycles", "begin", "clip", "rule", "looks", "probe")
_STUDENTS = {"task": ("distil",), "variant": pipeline.VARIANTS}
_CROSSED = {"task": ("distil",), "variant": ("self", "mutual", "shuffled")}
_FRESH = {"task": ("distil",), "encoder": ("",)}
USES = (
    Use((*_BI, "start", "dev"), _DISTIL),
    Use((*_CYCLES, "noise"), _STUDENTS),
    Use(("cross.*", "cross_begin"), _CROSSED),
    Use(("contrast.*",), _DISTIL | {"start": ("contrast",)}),
    Use(("tsdae.*",), _DISTIL | {"variant": ("tsdae",)}),
    Use(("variant", "encoder", "second_encoder", "vocabulary", "symmetric"), _DISTIL),
    Use(("width", "layers"), _FRESH),
    Use(("second_width",), _FRESH | {"variant": ("mutual",)}),
    Use(("seeds", "export"), _DISTIL),
    Use(("pool", "most"), _DISTIL | {"own": ("no",)}),
    Use(("near", "far"), _DISTIL | {"own": ("yes",)}),
    Use(("dataset",), {"task": ("distil", "measure")}),
    Use(("pairs",), {"task": ("distil", "score")}),
    Use(("sentences",), {"task": ("embed", "mine", "static")}),
    Use(("model",), {"task": ("embed", "score", "mine", "static", "measure")}),
    Use(("with",), {"task": ("embed", "score")}),
    Use(("which",), {"task": ("embed", "score", "mine", "static")}),
    Use(("top", "rerank"), {"task": ("mine",)}),
    Use(("static_width",), {"task": ("static",)}),
    Use(("static_width",), _DISTIL | {"variant": ("self",)}),
)
_FROM_NOTHING: dict[str, Any] = {  # no weights: encoders begin at random ones
    "start": "contrast",
    "cross_begin": "start",
    "pooling": "mean",
    "batch": 64,
    "epochs": 2,
    "learning_rate": 2e-3,
    "cross.epochs": 10,
    "cross.learning_rate": 1e-3,
    "cycles": 1,
    "looks": 4,
    "contrast.head": False,
    "contrast.temperature": 0.1,
    "contrast.learning_rate": 3e-3,
    "contrast.epochs": 5,
    "tsdae.learning_rate": 1e-3,
    "tsdae.batch": 64,
    "tsdae.epochs": 4,
}
_QUICK: dict[str, Any] = {
    "cycles": 1,
    "epochs": 2,
    "cross.epochs": 2,
    "contrast.epochs": 2,
    "tsdae.epochs": 2,
    "looks": 2,
    "probe": 50,
}
EXPERIMENT = Experiment(
    method="trans_encoder",
    study=study,
    options=Options(),
    datasets=(
        "facts",
        *("stsb", "sts12", "sts13", "sts14", "sts15", "sts16"),
        *("sickr", "mrpc", "wordnet"),
    ),
    presets={"facts": {"most": 1500, "noise": 0.4}},
    choices={"encoder=": _FROM_NOTHING},
    quick={
        "": _QUICK,
        "encoder=": {"width": 16, "second_width": 16, "layers": 1},
    },
    uses=USES,
    check=check,
    own_data="pairs",
    drawn={f"task={x}": "sentences" for x in ("embed", "mine", "static")},
    seeds=3,
)
