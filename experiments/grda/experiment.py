"""What the GRDA experiment does and with which options; see `__main__`."""

from typing import Literal, NamedTuple

from experiments import run as runner
from experiments.grda import compare, noise, predict
from experiments.options import Experiment, Use
from iclr22 import errors
from iclr22.data.domains import climate
from iclr22.grda import pipeline


class Options(NamedTuple):
    """What to measure, on which data, with which methods."""

    MAIN = "models"

    models: pipeline.Options = pipeline.Options()
    # what is done; see the examples above
    task: Literal["compare", "noise", "predict"] = "compare"
    method: tuple[str, ...] = tuple(pipeline.METHODS)  # methods in the table
    reproduce: bool = True  # also GRDA with --pairing=shared_index, as released; leaks
    samples: str = ""  # your own samples: .csv, or .npz
    domains: str = ""  # the graph of your domains: .csv, .npy or .npz
    sources: tuple[str, ...] = ()  # your labelled domains; all with labels if empty
    regression: bool = False  # your labels are numbers
    nearest: int = 4  # domains that coordinates link to each
    model: str = ""  # model.npz of an earlier run, for --task=predict
    # method whose first model and predictions are written; if not named the one that is
    # best without target labels: good on sources, sure and varied on targets
    export: str = ""
    noises: tuple[float, ...] = (0.0, 0.5, 1.0, 1.5)  # dial of --task=noise
    nuisances: tuple[int, ...] = (0, 2)  # features without meaning, of --task=noise


def study(run: runner.Run) -> None:
    """One of the tasks."""
    studies = {
        "compare": compare.compare,
        "noise": noise.vary_noise,
        "predict": predict.predict,
    }
    studies[run.options.task](run)


def check(options: Options) -> None:
    """Refuse what would fail after long work."""
    if options.task == "predict":
        if not (options.model and options.samples):
            raise errors.InputError(
                "--task=predict needs --model=RUN/model.npz and --samples; for domains "
                "that the model does not know also --domains=edges.csv"
            )
        return
    for name in options.method:
        if name not in pipeline.METHODS:
            raise errors.nearest(name, pipeline.METHODS, "method")
    if not options.method:
        raise errors.InputError(
            f"--method expects some of {', '.join(pipeline.METHODS)}; found none"
        )
    if options.export not in ("", *options.method):
        raise errors.nearest(options.export, options.method, "--method to export")
    if bool(options.samples) != bool(options.domains):
        raise errors.InputError(
            "--samples and --domains go together: the samples, and the graph of their "
            "domains"
        )
    if options.task == "noise" and not (options.noises and options.nuisances):
        raise errors.InputError("--noises and --nuisances expect a number at least")
    _check_counts(options.models)


def _check_counts(models: pipeline.Options) -> None:
    counts = {name: getattr(models.adversarial, name) for name in ("steps", "batch")}
    counts |= {"snapshots": models.snapshots, "embedding_size": models.embedding_size}
    for name, count in counts.items():
        if count < 1:
            raise errors.InputError(f"--{name} expects 1 or more; found {count}")


_DG60 = {
    "hidden": 128,
    "learning_rate": 1e-4,
    "discriminator_rate": 1e-4,
    "adversary_weight": 0.5,
    "sample_vertices": 30,
    "steps": 3000,
    "embedding_size": 4,
}
_QUICK = {
    "steps": 60,
    "method": ("grda", "grda_plus"),
    "selection": "last",
    "plus.warm": 30,
    "plus.imitate": 6,
    "plus.settle": 6,
    "plus.finish": 10,
    "propagate.warm": 30,
    "propagate.turn": 6,
}
_TRAINS = ("compare", "noise")
_PLAYERS = ("dann", "cdann", "adda", "mdd", "grda")
_PLAYED = ("source_only", *_PLAYERS)  # what `adversarial` trains in the usual loop


def _read_by(methods: tuple[str, ...], *flags: str, **where: tuple) -> Use:
    return Use(flags, {"task": _TRAINS, "method": methods, **where})


USES = (
    _read_by(("grda_plus",), "plus.*"),
    _read_by(("propagate",), "propagate.*"),
    _read_by(
        (*_PLAYED, "propagate"),
        "hidden",
        "start",
        "floor",
        "learning_rate",
        "halve_every",
        "batch",
        "embedding_size",
    ),
    _read_by(_PLAYED, "steps", "pairing", "selection"),
    _read_by(_PLAYED, "snapshots", selection=("unlabelled",)),
    _read_by(_PLAYERS, "adversary_weight", "ramp", "discriminator_rate"),
    _read_by(("grda",), "discriminator_outputs", "sample_vertices"),
    _read_by(("mdd",), "agree_weight", "disagree_weight"),
    Use(("reproduce",), {"task": ("compare",), "method": ("grda",)}),
    Use(("method",), {"task": _TRAINS}),
    Use(("export", "dataset"), {"task": ("compare",)}),
    Use(("seeds",), {"task": _TRAINS}),
    Use(("samples", "domains"), {"task": ("compare", "predict")}),
    Use(("noises", "nuisances"), {"task": ("noise",)}),
    Use(("model",), {"task": ("predict",)}),
    Use(("sources", "regression", "nearest"), {"task": ("compare",), "own": ("yes",)}),
)
EXPERIMENT = Experiment(
    method="grda",
    study=study,
    options=Options(),
    datasets=("dg15", "dg60", "dg60_drawn", *climate.DATASETS),
    presets={"dg60": _DG60, "dg60_drawn": _DG60},
    quick={"": _QUICK, "task=noise": {"noises": (0.0, 1.0)}},
    uses=USES,
    check=check,
    own_data="samples",
    drawn={"task=noise": "drawn"},
    seeds=3,
)
