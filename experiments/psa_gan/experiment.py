"""What the PSA-GAN experiment does and with which options; see `__main__`."""

import math
from typing import Any, Literal, NamedTuple

from experiments import run as runner
from experiments.options import Experiment, Use, check_least
from experiments.psa_gan import paper, problem
from experiments.psa_gan.compare import compare
from experiments.psa_gan.fill import fill
from experiments.psa_gan.forecast import cold_start, forecast
from experiments.psa_gan.generate import bounds, generate
from experiments.psa_gan.known import encoders
from experiments.psa_gan.score import score
from iclr22 import errors
from iclr22.data import checks
from iclr22.data.series import calendar, writing
from iclr22.psa_gan import networks, pipeline
from iclr22.psa_gan.anchoring import Options as Filling
from iclr22.psa_gan.discriminative import Config as Judge


class Options(NamedTuple):
    """What to do, with which series and generators."""

    MAIN = "models"

    models: pipeline.Options = pipeline.Options()
    filling: Filling = Filling()
    judge: Judge = Judge()  # that tells synthetic windows from real ones
    # what is done; not given, generate for your own series, compare for others
    task: Literal[
        "compare", "generate", "fill", "forecast", "cold_start", "score", "encoders"
    ] = "compare"
    variant: tuple[str, ...] = paper.TABLE  # generators in the table
    # variant that other tasks use, or model.npz of an earlier run
    model: str = "psa_gan"
    series: str = ""  # your own: .csv, .json, .jsonl, .txt
    step: str = ""  # of files that tell no times, such as 1h, 15min, 1D, 1M
    real: str = ""  # --task=score: series as they are
    synthetic: str = ""  # --task=score: series of any generator, of the same names
    encoders: int = 3  # seeds of both encoders of scores, whose mean is told
    windows: int = 1024  # that scores compare
    holdout: float = 0.1  # share of each series that nobody learns, in blocks
    count: int = 0  # values of each synthetic series; 0: as many as the real one
    start: str = ""  # date of the first synthetic value; that of each series if empty
    samples: int = 1  # synthetic series of each real one
    draw: int = 0  # other numbers make other synthetic series of the same generator
    items: tuple[str, ...] = ()  # names of the series to generate; all if empty
    low: str = ""  # least value that is written
    high: str = ""  # largest value that is written
    integer: bool = False  # whole numbers are written
    # values to hide in each series, to measure filling; 0: a week of your own series is
    # not hidden, of others it is
    hide: int = 0
    backtests: int = 7  # windows at the end of each series that are forecast
    gap: int = 0  # values before these that are not observed; 0: seven seasons
    shares: tuple[float, ...] = (0.1, 0.5, 0.9)  # of a history that is removed


STUDIES = {
    "compare": compare,
    "generate": generate,
    "fill": fill,
    "forecast": forecast,
    "cold_start": cold_start,
    "score": score,
    "encoders": encoders,
}


def study(run: runner.Run) -> None:
    """One of the tasks."""
    STUDIES[run.options.task](run)


def check(options: Options) -> None:
    """Refuse what would fail after long work."""
    pipeline.check_length(options.models.gan.length)
    for name in options.variant:
        if name not in paper.ORDER or name == "synthetic":
            known = [x for x in paper.ORDER if x != "synthetic"]
            raise errors.nearest(name, known, "variant")
    model = options.model
    if model not in pipeline.VARIANTS:
        if not (model.endswith(".npz") or "/" in model):
            raise errors.nearest(model, pipeline.VARIANTS, "variant")
        checks.existing(model, "a model of an earlier run")
    if options.step:
        calendar.parse(options.step)
    _check_bounds(options)
    if options.task == "score":
        for name in ("real", "synthetic"):
            if not getattr(options, name):
                raise errors.InputError(
                    "--task=score needs --real=FILE and --synthetic=FILE; found no "
                    f"--{name}"
                )
            checks.existing(getattr(options, name), "a file of series")
    _check_numbers(options)


def _check_bounds(options) -> None:
    for name in ("low", "high"):
        text = getattr(options, name)
        if text and not (checks.is_number(text) and math.isfinite(float(text))):
            raise errors.InputError(f"expected a number as --{name}; found {text}")
    low, high = bounds(options)
    try:
        writing.constrain(0.0, low=low, high=high, integer=options.integer)
    except errors.InputError as error:
        raise errors.InputError(f"--low, --high: {error}") from error


LEAST = {
    **dict.fromkeys(("encoders", "samples", "backtests"), 1),
    "windows": problem.FEWEST,
    **dict.fromkeys(("count", "hide", "gap", "draw"), 0),
}
SIZES = ("batch", "steps", "width")  # of what trains


def _check_numbers(options) -> None:
    found = {name: (getattr(options, name), least) for name, least in LEAST.items()}
    trained = options.models._asdict() | {"judge": options.judge}
    for name, config in trained.items():
        first = "" if name == options.models.MAIN else f"{name}."
        sizes = {x: getattr(config, x, 1) for x in SIZES}
        found |= {f"{first}{x}": (value, 1) for x, value in sizes.items()}
    depths = networks.depth_of(options.models.gan.length) + 1
    found["steps"] = options.models.gan.steps, depths  # each depth has one
    if options.task == "encoders":
        found["encoders"] = options.encoders, 2  # spreads are over them
    check_least(found)
    for name, shares in (("holdout", (options.holdout,)), ("shares", options.shares)):
        if not all(0 <= x < 1 for x in shares):
            raise errors.InputError(
                f"expected --{name} from 0 to below 1; found {shares}"
            )


_TRAINED = tuple(pipeline.VARIANTS)
_GANS = tuple(x for x in _TRAINED if x not in pipeline.TIMEGANS)
_USING = ("generate", "fill", "forecast", "cold_start")
_COMPARE: dict[str, tuple] = {"task": ("compare",)}


def _read_by(variants: tuple[str, ...], *flags: str) -> tuple[Use, ...]:
    """Flags of these variants."""
    return (
        Use(flags, _COMPARE | {"variant": variants}),
        Use(flags, {"task": _USING, "model": variants}),
    )


_GAN = tuple(x for x in pipeline.Gan._fields if x not in pipeline.Gan.RESOLVED)
_OWN = tuple(x for x in _GAN if x not in ("length", "context"))
USES = (
    *_read_by(_GANS, *_OWN),
    *_read_by(("psa_gan_c",), "context"),
    *_read_by(pipeline.TIMEGANS, "timegan.*"),
    Use(("length",), _COMPARE),
    Use(("length",), {"task": _USING, "model": _TRAINED}),
    Use(("length",), {"task": ("score", "encoders")}),
    Use(
        ("encoder.*", "contrast.*", "encoders", "windows"),
        {"task": ("compare", "score", "encoders")},
    ),
    Use(("judge.*",), {"task": ("compare", "score")}),
    Use(("judge.*",), {"task": ("generate",), "model": _TRAINED}),
    Use(
        ("encoder.*", "contrast.*", "encoders", "windows", "holdout"),
        {"task": ("generate",), "model": _TRAINED},
    ),
    Use(("holdout",), {"task": ("compare", "score", "encoders")}),
    Use(("variant",), _COMPARE),
    Use(("model",), {"task": _USING}),
    Use(("filling.*",), {"task": ("fill",)}),
    Use(("filling.*",), {"task": ("forecast",), "own": ("yes",)}),
    Use(("hide",), {"task": ("fill",)}),
    Use(("forecaster.*", "backtests", "gap"), {"task": ("forecast",)}),
    Use(
        ("forecaster.*", "backtests", "shares"),
        {"task": ("cold_start",), "own": ("no",)},
    ),
    Use(("count", "start", "samples", "draw"), {"task": ("generate",)}),
    Use(("items",), {"task": ("generate",)}),
    Use(("items",), {"task": ("cold_start",), "own": ("yes",)}),
    Use(("low", "high", "integer"), {"task": ("generate",)}),
    Use(
        ("low", "high", "integer"),
        {"task": ("fill", "forecast", "cold_start"), "own": ("yes",)},
    ),
    Use(("real", "synthetic"), {"task": ("score",)}),
    Use(("step",), {"task": ("score",)}),
    Use(("step",), {"own": ("yes",)}),
    Use(("dataset",), {"task": ("compare", "encoders", *_USING)}),
    Use(("series",), {"task": ("encoders", *_USING)}),
    Use(("series",), _COMPARE),
)
_QUICK: dict[str, Any] = {
    "variant": ("psa_gan", "seasonal_bootstrap", "noise", "shuffled", "real"),
    "length": 16,
    "steps": 40,
    "batch": 32,
    "width": 8,
    "timegan.steps": 20,
    "timegan.width": 6,
    "timegan.layers": 2,
    "encoder.blocks": 1,
    "encoder.channels": 8,
    "encoder.reduced": 16,
    "encoder.out": 8,
    "encoder.longest": 32,
    "encoder.steps": 20,
    "contrast.blocks": 1,
    "contrast.width": 8,
    "contrast.out": 8,
    "contrast.longest": 32,
    "contrast.steps": 20,
    "judge.steps": 40,
    "encoders": 2,
    "windows": 64,
    "forecaster.context": 24,
    "forecaster.horizon": 6,
    "forecaster.steps": 20,
    "backtests": 2,
    "shares": (0.5,),
    "filling.artificial": 8,
    "filling.margin": 24,
    "gap": 24,
}
_CYCLES = {"calendar": "cyclic"}  # dates are known, and what they decide
# Series and dates leave room that the noise must fill; levels settle while the rate falls.
_SCORE = {"moment": "score", "fall": 0.5}
_PRESETS = {
    "climate": {"variant": paper.SHORT, **_SCORE},
    "own": {"task": "generate", **_SCORE},
    "loads": _CYCLES | _SCORE,
    "sine": _CYCLES,
    "pjm": _CYCLES | _SCORE,
}
EXPERIMENT = Experiment(
    method="psa_gan",
    study=study,
    options=Options(),
    datasets=("climate", "loads", "sine", "m4_hourly", "pjm", "nycflights"),
    presets=_PRESETS,
    choices={"task=encoders": {"encoders": 5}},
    quick={"": _QUICK, "dataset=climate": {"hide": 12}},  # of five years
    uses=USES,
    check=check,
    own_data="series",
    drawn={"task=score": "files"},
    seeds=1,
)
