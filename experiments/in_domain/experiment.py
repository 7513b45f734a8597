"""What the in-domain experiment does and with which options; see `__main__`."""

from typing import Any, Literal, NamedTuple

from experiments import run as runner
from experiments.in_domain import compare, predicting
from experiments.options import Experiment, Use, check_least
from iclr22 import errors, gradients
from iclr22.data import checks
from iclr22.in_domain import models, pipeline, presets


class Options(NamedTuple):
    """What to do, with which models, splits and images."""

    MAIN = "models"

    models: pipeline.Options = pipeline.Options()
    # what is done: models are compared, or one of an earlier run reads images
    task: Literal["compare", "predict"] = "compare"
    preset: Literal["tiny", "small", "full"] = (
        "tiny"  # length of training, size of images
    )
    # which are compared: of the paper's seventeen, of which four need weights of others, or
    # soft_argmax and efficientnet_in1k
    model: tuple[str, ...] = (
        *("soft_argmax", "cnn", "coord_conv", "mlp"),
        *("resnet50", "pca", "pcl"),
    )
    # what is held out: random, interpolation, composition, any_low (another reading of
    # it), extrapolation
    split: tuple[str, ...] = ("random", "interpolation", "composition", "extrapolation")
    images: str = ""  # your own: a folder of images, or .npz with x (and factors)
    factors: str = ""  # .csv with a column image, and one for each factor
    cyclic: tuple[str, ...] = ()  # factors of yours that come back to the first value
    categorical: tuple[str, ...] = ()  # factors of yours whose numbers are names
    image_size: int = 32  # pixels of a side; 0: as published ones are
    test_size: int = 3000  # images of each test that are looked at; all if 0
    audit: int = (
        8000  # images between the points of the grid that a certificate is found on
    )
    between: int = 2000  # images between them that are tested on
    # share of your training images that no model is trained on, 100 of them at least
    hold: float = 0.2
    weights: str = ""  # file that models of kind transfer begin at
    # ranges that must be trusted, "x=0:0.6"; a run that cannot grant them ends with an error
    require: tuple[str, ...] = ()
    saved: str = ""  # model of an earlier run
    certificate: str = ""  # of that model, whose bands predictions get


STUDIES = {"compare": compare.compare, "predict": predicting.predict}


def study(run: runner.Run) -> None:
    """One of the tasks."""
    STUDIES[run.options.task](run)


def check(options: Options) -> None:
    """Refuse what would fail after long work."""
    if options.task == "predict":
        return predicting.check(options)
    if not options.model or not options.split:
        raise errors.InputError("expected --model and --split, one or more of each")
    for name in options.model:
        if name not in models.MODELS:
            raise errors.nearest(name, models.MODELS, "model")
        if models.MODELS[name].weights and not options.weights:
            raise errors.InputError(
                f"--model={name} begins at weights of others: name their file with "
                "--weights"
            )
    if options.weights:
        checks.existing(options.weights, "weights")
    compare.check(options)
    gradients.compute_dtype(options.models.regressor.dtype)
    _check_numbers(options)


def _check_numbers(options: Options) -> None:
    stages = {"": options.models.regressor, "readout.": options.models.readout}
    stages |= {"vae.": options.models.vae, "pcl.": options.models.pcl}
    found: dict[str, tuple[float, float]] = {
        f"{place}{name}": (getattr(config, name), 1)
        for place, config in stages.items()
        for name in ("batch", "steps")
    }
    found |= {
        x: (getattr(options, x), 0) for x in ("test_size", "between", "image_size")
    }
    found |= {"audit": (options.audit, 1000)}
    check_least(found)
    if not 0 < options.hold < 1:
        raise errors.InputError(
            f"expected --hold between 0 and 1, a share of training images; found "
            f"{options.hold}"
        )


_COMPARE: dict[str, tuple] = {"task": ("compare",)}
_PREDICT: dict[str, tuple] = {"task": ("predict",)}
_SUPERVISED = tuple(k for k, x in models.MODELS.items() if x.stage == "regressor")
_CODED = tuple(k for k, x in models.MODELS.items() if x.stage != "regressor")
_TRANSFER = tuple(k for k, x in models.MODELS.items() if x.weights)
_OWN = _COMPARE | {"own": ("yes",)}
_DRAWN = _COMPARE | {"own": ("no",)}
_REGRESSOR = tuple(
    x for x in pipeline.Regressor._fields if x not in pipeline.Regressor.RESOLVED
)
USES = (
    Use(_REGRESSOR, _COMPARE | {"model": _SUPERVISED}),
    Use(("positions", "hues"), _COMPARE | {"model": ("soft_argmax",)}),
    Use(("readout.*",), _COMPARE | {"model": _CODED}),
    Use(("vae.*",), _COMPARE | {"model": ("beta_vae", "ada_gvae", "slow_vae")}),
    Use(("pcl.*",), _COMPARE | {"model": ("pcl",)}),
    Use(("model", "split", "preset", "seeds", "test_size"), _COMPARE),
    Use(("dataset", "audit", "between"), _DRAWN),
    Use(("image_size",), _COMPARE),
    Use(("factors", "cyclic", "categorical", "hold"), _OWN),
    Use(("weights",), _COMPARE | {"model": _TRANSFER}),
    Use(("require",), _COMPARE),
    Use(("saved", "certificate"), _PREDICT),
)
_SPRITES: dict[str, Any] = {"positions": ("x", "y")}
_SCENES: dict[str, Any] = {
    "positions": ("azimuth",),
    "hues": ("floor", "wall", "object"),
    "weight_decay": 0.1,  # chosen on azimuths of training that were held out
}
EXPERIMENT = Experiment(
    method="in_domain",
    study=study,
    options=Options(),
    datasets=(
        "mini_dsprites",
        "dsprites",
        "shapes3d_like",
        "shapes3d",
        "mpi3d",
        "celeb_glow",
    ),
    presets={
        "mini_dsprites": _SPRITES,
        "dsprites": _SPRITES,
        "shapes3d_like": _SCENES,
        "shapes3d": _SCENES,
    },
    choices={f"preset={name}": preset for name, preset in presets.PRESETS.items()},
    quick={
        "": {
            "model": ("soft_argmax", "cnn", "pca", "beta_vae"),
            "split": ("random", "extrapolation"),
            "image_size": 16,
            "test_size": 200,
            "audit": 3000,
            "between": 200,
            "steps": 60,
            "vae.steps": 40,
            "readout.steps": 40,
        }
    },
    uses=USES,
    check=check,
    own_data="images",
    seeds=1,
)
