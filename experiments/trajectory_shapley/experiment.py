"""What the trajectory experiment does and with which options; see `__main__`."""

from typing import Any, Literal, NamedTuple

from experiments import flags as config_flags
from experiments import run as runner
from experiments.options import Experiment, Use
from experiments.trajectory_shapley import compare, dial, headline, paper, use
from iclr22 import errors
from iclr22.trajectory_shapley import coalitions, designs, pecnet, pipeline, trajectron


class Options(NamedTuple):
    """What to do, with which tracks and models, and how to attribute."""

    MAIN = "models"

    models: pipeline.Options = pipeline.Options()
    # what is done; not given, dial for generated agents, compare for other data sets,
    # attribute for your tracks
    task: Literal["dial", "compare", "attribute", "figure"] = "compare"
    # hyper-parameters: made for minutes on a CPU, or as published
    preset: Literal["compact", "paper"] = "compact"
    tracks: str = ""  # your tracks: .csv or .npz with scene, frame, agent, x, y[, type]
    dt: float = 0.4  # of your tracks: seconds between two frames
    radius: float = 3.0  # of your tracks: who is nearer than that is a neighbour
    unit: str = "m"  # of positions in your tracks
    model: str = ""  # a model.npz of an earlier run, to attribute it on these tracks
    predictor: str = ""  # module:function, your predictor, to attribute it
    history: int = 8  # frames of the past, the present one included
    neighbours: int = 10  # nearest neighbours that are seen, at most
    variant: tuple[str, ...] = pipeline.VARIANTS  # predictors; one for --task=attribute
    training: tuple[str, ...] = pipeline.TRAININGS  # how they are trained; likewise
    attributed: tuple[str, ...] = ("edge", "sum", "pecnet")  # variants with values
    windows: int = 150  # that are attributed: with a neighbour, evenly over time
    # of your tracks: compare with random agents, which needs a second scene or 20 s more
    control: bool = True
    metric: Literal["nll", "min_ade", "min_fde"] = "nll"  # error that is divided
    # what stands for who is left out: zero, random, constant or mean; one for
    # --task=attribute
    baseline: tuple[str, ...] = ("zero", "random")
    # of the values
    estimator: Literal["exact", "permutation", "stratified", "banzhaf"] = "exact"
    draws: int = 64  # of the estimators that sample
    max_exact: int = 12  # players up to which every coalition is asked
    dials: tuple[float, ...] = (0.0, 0.25, 0.5, 0.75, 1.0)  # of generated interaction
    results: tuple[str, ...] = ()  # results.csv files of --task=figure


STUDIES = {
    "dial": dial.study_dial,
    "compare": compare.compare,
    "attribute": use.attribute,
    "figure": headline.draw,
}


def study(run: runner.Run) -> None:
    """One of the tasks."""
    STUDIES[run.options.task](run)


def check(options: Options) -> None:
    """Refuse what would fail after long work."""
    known = {
        "variant": (pipeline.VARIANTS, (*options.variant, *options.attributed)),
        "training": (pipeline.TRAININGS, options.training),
        "baseline": (coalitions.BASELINES, options.baseline),
    }
    for what, (names, chosen) in known.items():
        for name in chosen:
            if name not in names:
                raise errors.nearest(name, names, what)
    for name in ("windows", "neighbours", "draws", "max_exact"):
        if getattr(options, name) < 1:
            raise errors.InputError(
                f"expected --{name} of 1 or more; found {getattr(options, name)}"
            )
    if not (0 < options.dt < float("inf") and 0 < options.radius < float("inf")):
        raise errors.InputError(
            "expected --dt in seconds and --radius above 0; found "
            f"{options.dt:g} and {options.radius:g}"
        )
    if options.model and options.predictor:
        raise errors.InputError("expected --model or --predictor, not both")
    if options.task == "figure" and not options.results:
        raise errors.InputError(
            "--task=figure needs --results=FILE,..., results.csv of finished runs"
        )
    if options.task == "dial" and len(options.dials) < 2:
        raise errors.InputError(
            "expected two --dials or more, to compare scores of them"
        )
    if options.task == "attribute":
        for name in ("variant", "training", "baseline"):
            found = getattr(options, name)
            if len(found) != 1:
                raise errors.InputError(
                    f"expected one --{name} for --task=attribute; found {len(found)}"
                )


# Presets

_DATA = ("horizon", "rotate", "position_scale", "velocity_scale", "acceleration_scale")
_COURT = {
    "rotate": False,
    "position_scale": 15.0,
    "velocity_scale": 8.0,
    "acceleration_scale": 5.0,
}
_OF_DATASET = {"simulated": {"task": "dial", **dial.SMALL}, "nba": _COURT}
_ONE_MODEL = {
    "variant": (paper.VARIANT,),
    "training": (paper.TRAINING,),
    "baseline": ("zero",),
}
_ATTRIBUTE = _ONE_MODEL | {  # which knows about the tracks what they tell
    "position_scale": 0.0,
    "velocity_scale": 0.0,
    "acceleration_scale": 0.0,
}


def _published() -> dict[str, Any]:
    """The papers' hyper-parameters: all that the data do not decide."""
    models = pipeline.Options(
        trajectron=trajectron.Config()._replace(**trajectron.PAPER),
        pecnet=pecnet.Config()._replace(**pecnet.PAPER),
    )
    found = config_flags.values(models)
    return {name: value for name, value in found.items() if name not in _DATA}


def _known_of(dataset: str) -> dict[str, Any]:
    """What is known about the tracks of a data set."""
    preset = _OF_DATASET[dataset].items()
    return {name: value for name, value in preset if name in _DATA}


CHOICES = {
    "task=dial": _ONE_MODEL,
    "task=attribute": _ATTRIBUTE,
    "dataset=simulated": _known_of("simulated"),
    "dataset=nba": _known_of("nba"),
    "preset=paper": _published(),
}
_QUICK = {
    "windows": 12,
    "baseline": ("zero",),
    "dials": (0.0, 1.0),
    "decoder": 8,
    "hidden": 8,
    "attention": 4,
    "batch": 32,
    "samples": 3,
    "steps": 20,
    "pecnet.shrink": 16,
    "pecnet.rounds": 1,
    "pecnet.batch": 32,
    "pecnet.samples": 3,
    "pecnet.steps": 20,
}
_QUICK_COMPARE = {  # each variant and training more takes ten seconds to compile
    "horizon": 2,
    "variant": ("edge", "constant_velocity", "pecnet"),
    "training": ("coalition_dropout",),
}

# Who reads which flag

_WORKS = ("dial", "compare", "attribute")
_TRAINS = {"task": _WORKS, "model": ("",), "predictor": ("",)}
_LEARNED = tuple(name for name in pipeline.VARIANTS if name != "constant_velocity")
_TRAJECTRONS = ("edge", "sum", "past_only")
_DROPOUT = ("coalition_dropout", "past_dropout")


def _stage_uses(
    variants, options, prefix: str, elsewhere: tuple[str, ...]
) -> list[Use]:
    """Readers of the flags of a stage: runs that train one of its variants.

    Args:
      elsewhere: flags that others read.
    """
    names = [field.name for field in config_flags.fields(options, prefix)]
    where = _TRAINS | {"variant": variants}
    dropout = [prefix + name for name in _DROPOUT]
    usual = [name for name in names if name not in (*dropout, *elsewhere)]
    dropped = where | {"training": ("coalition_dropout",)}
    return [Use(tuple(usual), where), Use(tuple(dropout), dropped)]


_EDGES = ("edge_input", "edge_frame", "attention")
USES = (
    *_stage_uses(
        _TRAJECTRONS, trajectron.Config(), "", ("horizon", "rotate", "decay", *_EDGES)
    ),
    *_stage_uses(("pecnet",), pecnet.Config(), "pecnet.", ()),
    Use(_EDGES, _TRAINS | {"variant": ("edge", "sum")}),
    Use(("decay",), _TRAINS | {"variant": _TRAJECTRONS, "schedule": ("exponential",)}),
    Use(("rotate", "preset"), _TRAINS | {"variant": _LEARNED}),
    Use(("horizon", "history"), {"task": _WORKS, "model": ("",)}),
    Use(("variant",), {"task": ("compare",)}),
    Use(("variant",), _TRAINS | {"task": ("attribute",)}),
    Use(("training",), {"task": ("compare", "figure")}),
    Use(("training",), _TRAINS | {"task": ("attribute",)}),
    Use(("windows", "metric", "estimator", "neighbours"), {"task": _WORKS}),
    Use(("draws",), {"task": _WORKS, "estimator": tuple(designs.SAMPLES)}),
    Use(("max_exact",), {"task": _WORKS, "estimator": ("exact",)}),
    Use(("baseline",), {"task": ("compare", "attribute")}),
    Use(("attributed",), {"task": ("compare",)}),
    Use(("model", "predictor", "tracks"), {"task": ("attribute",)}),
    Use(("dt", "radius", "unit", "control"), {"own": ("yes",)}),
    Use(("dials",), {"task": ("dial",)}),
    Use(("seeds",), {"task": ("dial", "compare")}),
    Use(("dataset",), {"task": ("compare", "attribute")}),
    Use(("dataset",), {"task": ("dial",), "dataset": ("simulated",)}),
    Use(("results",), {"task": ("figure",)}),
)
EXPERIMENT = Experiment(
    method="trajectory_shapley",
    study=study,
    options=Options(),
    datasets=("simulated", "eth", "hotel", "univ", "zara1", "zara2", "sdd", "nba"),
    presets=_OF_DATASET | {"own": {"task": "attribute"}},
    choices=CHOICES,
    quick={
        "": _QUICK,
        "task=dial": {"horizon": 4},
        "task=compare": _QUICK_COMPARE,
    },
    uses=USES,
    check=check,
    own_data="tracks",
    seeds=3,
)
