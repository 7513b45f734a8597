"""What the Cold Brew experiment does and with which options; see `__main__`."""

from typing import Literal, NamedTuple

from experiments import run as runner
from experiments.cold_brew import classify, deep, link, predict, screen, variants
from experiments.options import Experiment, Use
from iclr22 import errors
from iclr22.cold_brew import pipeline


class Options(NamedTuple):
    """What to measure, on which split, with which models."""

    MAIN = "models"

    models: pipeline.Options = pipeline.Options()
    # what is done; see the examples above
    task: Literal["classify", "link", "screen", "deep", "predict"] = "classify"
    nodes: str = ""  # your own graph: nodes.csv, or one npz with the edges in it
    edges: str = ""  # edges.csv of your own graph
    directed: bool = False  # edges of your own graph go one way only
    student: str = ""  # student.npz of an earlier run, for --task=predict
    # who is isolated: by repeated medians, or the lowest tenth
    split: Literal["released", "paper"] = "released"
    split_index: int = 0  # row of published train masks
    vary_split: bool = False  # seed i uses row split_index + i of them
    # of the features: rows sum to 1 (bags of words), columns have mean 0 and deviation 1
    # (measurements), none, or auto: as the data look; a student remembers it
    scale: Literal["auto", "rows", "columns", "none"] = "auto"
    # models in the table; student_released follows the authors' code
    variants: tuple[str, ...] = tuple(
        name for name in variants.TRAINS if name != "student_released"
    )
    # ends of the edges that --task=link trains on; paper: train
    link_nodes: Literal["connected", "train"] = "connected"
    link_pairs: int = 4000  # such edges, and as many pairs without one; paper: 200
    link_rate: float = 1e-3  # learning rate of --task=link
    deep_layers: int = 64  # of --task=deep
    screen_layers: tuple[int, ...] = (2, 4)  # grid of --task=screen; paper: 2 to 64
    screen_norms: tuple[str, ...] = ("none", "pair", "batch")  # paper: all five, none
    screen_residuals: tuple[str, ...] = ("none", "initial")  # paper: four kinds, none
    screen_mlp_layers: tuple[int, ...] = (2,)  # paper: 2, 8, 16, 32
    screen_mlp_widths: tuple[int, ...] = (128, 256)  # as in the paper
    screen_rates: tuple[float, ...] = (1e-3, 5e-3, 2e-2)  # Adam, as in the paper


def study(run: runner.Run) -> None:
    """One of the tasks."""
    studies = {
        "classify": classify.classify,
        "link": link.rank_links,
        "screen": screen.screen,
        "deep": deep.deep,
        "predict": predict.predict,
    }
    studies[run.options.task](run)


def check(options: Options) -> None:
    """Refuse what would fail after long work."""
    for name in options.variants:
        if name not in variants.TRAINS:
            raise errors.nearest(name, tuple(variants.TRAINS), "variant")
    if options.edges and not options.nodes:
        raise errors.InputError("--edges needs --nodes, the table of their ends")
    if options.task == "predict" and not (options.student and options.nodes):
        raise errors.InputError(
            "--task=predict needs --student=FILE.npz and --nodes=FILE"
        )
    _check_lists(options)
    _check_counts(options)
    _check_models(options.task, options.models)


def _check_lists(options: Options) -> None:
    for name, value in options._asdict().items():
        if value == ():
            raise errors.InputError(f"--{name} expects a value at least; found none")
    for field in ("norm", "residual"):
        known = variants.kinds(field)
        for name in getattr(options, f"screen_{field}s"):
            if name not in known:
                raise errors.nearest(name, known, field)


def _check_counts(options: Options) -> None:
    models = options.models
    counts = {
        "epochs": models.teacher.epochs,
        "layers": models.teacher.layers,
        "student.steps": models.student.steps,
        "mlp.steps": models.mlp.steps,
        "graph_mlp.steps": models.graph_mlp.steps,
        "link_pairs": options.link_pairs,
        "deep_layers": options.deep_layers,
    }
    for name, count in counts.items():
        if count < 1:
            raise errors.InputError(f"--{name} expects 1 or more; found {count}")


def _check_models(task: str, models: pipeline.Options) -> None:
    norm = models.teacher.norm
    if task == "classify" and models.bare and norm in ("pair", "mean"):
        raise errors.InputError(
            f"--norm={norm} makes a node's prediction depend on the others of the call, so "
            "the teacher cannot guess for one node: add --nobare"
        )
    if task in ("link", "deep") and models.selection == "test_max":
        raise errors.InputError(
            "--selection=test_max is read by --task=classify, whose published numbers it "
            f"is compared with; this run has --task={task}"
        )


PRESETS = {
    "citeseer": {"hidden": 256},
    "pubmed": {
        "dropout": 0.5,
        "epochs": 200,
        "student.steps": 200,
        "mlp.steps": 200,
        "graph_mlp.steps": 200,
    },
    "chameleon": {"hidden": 256, "dropout": 0.5, "alpha": 0.1},
    "squirrel": {"hidden": 256, "dropout": 0.5, "alpha": 0.1},
    "actor": {"hidden": 256, "dropout": 0.0, "alpha": 0.9},
    "texas": {"hidden": 256, "alpha": 0.9},
    "wisconsin": {"hidden": 256, "alpha": 0.9},
    "cornell": {"hidden": 256, "alpha": 0.9, "dropout": 0.0},
}
# Dropout of every one of 64 inputs leaves nothing, and embeddings must be free to grow.
_DEEP = {"dropout": 0.1, "embedding_penalty": 1e-3, "epochs": 150}
_QUICK = {
    "": {"epochs": 40, "student.steps": 40, "mlp.steps": 40, "graph_mlp.steps": 40},
    "task=deep": {"deep_layers": 16},
    "task=screen": {
        "screen_layers": (2,),
        "screen_norms": ("none", "pair"),
        "screen_mlp_widths": (128,),
        "screen_rates": (5e-3, 2e-2),
    },
}

_TRAINS = ("classify", "link", "screen", "deep")
_GRID = ("layers", "width", "learning_rate")  # of the simple MLP, which screen searches


def _read_by(tasks: tuple[str, ...], *flags: str, **where: tuple) -> Use:
    return Use(flags, {"task": tasks, **where})


def _fields(stage: str, config: NamedTuple, *without: str) -> tuple[str, ...]:
    without = (*without, *getattr(config, "RESOLVED", ()))
    names = [x for x in config._fields if x not in without]
    return tuple(f"{stage}.{name}" for name in names)


_MODELS = pipeline.Options()
USES = (
    _read_by(
        _TRAINS,
        "convolution",
        "hidden",
        "embedding_penalty",
        "embedding_std",
        "self_loops",
        "dropout",
        "drop_edge",
        "drop_node",
        "drop_logits",
        "optimizer",
        "epochs",
        "split",
        "split_index",
        "vary_split",
        "edges",
        "seeds",
    ),
    _read_by(_TRAINS, "dataset", own=("no",)),
    _read_by(("classify", "link"), "layers", "embeddings"),
    _read_by(("classify", "link", "deep"), "norm", "residual"),
    _read_by(("classify", "screen", "deep"), "learning_rate", "weight_decay"),
    _read_by(_TRAINS, "scale"),
    _read_by(("classify", "link", "deep"), "selection"),
    _read_by(("classify", "link", "deep"), "alpha", residual=("residual", "initial")),
    _read_by(("screen",), "alpha", screen_residuals=("residual", "initial")),
    _read_by(("classify", "link", "deep"), "groups", "group_weight", norm=("group",)),
    _read_by(("screen",), "groups", "group_weight", screen_norms=("group",)),
    _read_by(("classify",), "student.*", "variants", "handover", "imitation"),
    _read_by(("classify",), "student_nodes", "bare"),
    _read_by(("classify",), "soft", handover=("logits",)),
    _read_by(("classify",), "soft_temperature", handover=("logits",)),
    _read_by(("classify",), "soft_temperature", imitation=("soft_labels",)),
    _read_by(
        ("link",),
        *_fields("student", _MODELS.student, "learning_rate", "weight_decay"),
        "link_nodes",
        "link_pairs",
        "link_rate",
    ),
    _read_by(("classify", "link"), "lookup.*", "scale_extra"),
    _read_by(("classify",), "mlp.*"),
    _read_by(("screen",), *_fields("mlp", _MODELS.mlp, *_GRID), "screen_*"),
    _read_by(("classify",), "graph_mlp.*", variants=("graphmlp",)),
    _read_by(("deep",), "deep_layers"),
    _read_by(("predict",), "student"),
    _read_by(_TRAINS, "directed", own=("yes",)),
)
EXPERIMENT = Experiment(
    method="cold_brew",
    study=study,
    options=Options(),
    datasets=(
        "cora",
        "citeseer",
        "pubmed",
        "chameleon",
        "squirrel",
        "chameleon_filtered",
        "squirrel_filtered",
        "actor",
        "cornell",
        "texas",
        "wisconsin",
        "tolokers",
        "facebook",
        "twitch_de",
        "airport_brazil",
        "airport_europe",
        "airport_usa",
    ),
    presets=PRESETS,
    choices={"task=deep": _DEEP},
    quick=_QUICK,
    uses=USES,
    check=check,
    own_data="nodes",
    seeds=3,
)
