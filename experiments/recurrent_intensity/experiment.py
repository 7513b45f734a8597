"""What the recurrent intensity experiment does and with which options; see `__main__`."""

import os
from typing import Any, Literal, NamedTuple

from experiments import run as runner
from experiments.options import Experiment, Use
from experiments.recurrent_intensity import calibration, paper
from experiments.recurrent_intensity.audience import audience
from experiments.recurrent_intensity.campaign import campaign
from experiments.recurrent_intensity.compare import compare
from experiments.recurrent_intensity.recommend import recommend
from iclr22 import errors
from iclr22.data import checks
from iclr22.data.events import times
from iclr22.recurrent_intensity import pipeline, requests


class Options(NamedTuple):
    """What to do, on which log, with which models."""

    MAIN = "models"

    models: pipeline.Options = pipeline.Options()
    # what is done; see the examples above
    task: Literal["compare", "audience", "recommend", "campaign"] = "compare"
    variant: tuple[str, ...] = paper.TABLE  # item models and products in the table
    events: str = ""  # your own log: .csv with user, item, timestamp
    # of numbers in your timestamps: ns, us, ms, s, min, h, d, YYYYMMDD, YYYYMMDDhhmm or
    # YYYYMMDDhhmmss; auto: found from them
    unit: str = "auto"
    # all users tested from one time on, or half of them after a while
    split: Literal["temporal", "user"] = "temporal"
    # of the user split; -1: that of the run, so intervals hold both
    split_seed: int = -1
    horizon: str = ""  # time ahead that counts, such as 7d; a tenth of the log if empty
    second_half: bool = False  # only the later half of each user's events, as in ML-1M
    least_history: int = 1  # past events of a user state that is scored
    least_events: int = 1  # training events of an item that is scored
    k: int = 0  # items per user state; 0: 1 % of the items
    c: int = 0  # user states per item; 0: 1 % of them
    sweep: tuple[str, ...] = ("rnn", "rnn_hp")  # variants of the trade-off figure
    multipliers: tuple[float, ...] = (0.0, 0.3, 0.7, 1.0, 3.0, 10.0)  # of budgets in it
    # variant that audience, recommend and campaign use, or model.npz of an earlier run
    model: str = "rnn_hp"
    # names of items for --task=audience; else the ten largest
    items: tuple[str, ...] = ()
    users: tuple[str, ...] = ()  # names of users for --task=recommend; all if empty
    top: int = 100  # users per item (audience), or items per user (recommend)
    budgets: str = ""  # budgets.csv of --task=campaign
    # instead of budgets: prices.csv of an earlier campaign, with its --model=model.npz
    prices: str = ""
    contacts: int = 1  # most items that a user is told about in a campaign
    bound: Literal["upper", "lower"] = "upper"  # what the users of an item in it are


def study(run: runner.Run) -> None:
    """One of the tasks."""
    studies = {
        "compare": compare,
        "audience": audience,
        "recommend": recommend,
        "campaign": campaign,
    }
    studies[run.options.task](run)
    calibration.summarise(run)


def check(options: Options) -> None:
    """Refuse what would fail after long work."""
    for name in (*options.variant, *options.sweep):
        if name not in pipeline.VARIANTS:
            raise errors.nearest(name, pipeline.VARIANTS, "variant")
    model = options.model
    if model not in pipeline.VARIANTS and not os.path.exists(model):
        if model.endswith(".npz") or "/" in model:
            raise errors.InputError(f"no such file: {model}")
        raise errors.nearest(model, pipeline.VARIANTS, "variant")
    if options.horizon:
        requests.parse_horizon(options.horizon)
    if options.task == "compare" and options.split == "user" and options.horizon:
        raise errors.InputError(
            "--horizon is for --split=temporal: the user split takes the median span "
            "of its users"
        )
    if options.unit not in times.KINDS:
        raise errors.nearest(options.unit, times.KINDS, "unit of timestamps")
    if options.task == "campaign":
        _check_campaign(options)


def _check_campaign(options):
    if bool(options.budgets) == bool(options.prices):
        raise errors.InputError(
            "--task=campaign needs --budgets=budgets.csv with columns item, users, or "
            "--prices=prices.csv of an earlier campaign; found "
            + ("both" if options.prices else "neither")
        )
    if options.prices and options.model in pipeline.VARIANTS:
        raise errors.InputError(
            f"--prices are in units of the model that they were learned with: expected "
            f"--model=RUN/model.npz of that run; found {options.model}"
        )
    checks.existing(options.budgets or options.prices, "a table")


def _both(**fields: Any) -> dict[str, Any]:
    """A preset of both networks."""
    return fields | {f"transformer.{name}": x for name, x in fields.items()}


_MOVIES = {"split": "user", "second_half": True, "exclude_train": True}
_SMALL = {
    **_both(width=32, layers=1, length=128, batch=32, epochs=8),
    "chunk": 128,
    "learning_rate": 0.1,
    "transformer.learning_rate": 0.05,
    "horizon": "14d",
}
_QUICK = {
    **_both(width=16, layers=1, length=32, epochs=2),
    "chunk": 32,
    "als.iterations": 5,
    "variant": ("pop", "hp", "als", "rnn", "rnn_hp"),
    "sweep": ("rnn_hp",),
}
PRESETS = {
    "simulated": _SMALL,
    "ml100k": _MOVIES,
    "ml1m": _MOVIES,
    "ml_latest_small": _MOVIES,
    "yoochoose": {"split": "user", "least_history": 4, "least_events": 10},
}
_USING = ("audience", "recommend", "campaign")
_ALL = tuple(pipeline.VARIANTS)
_COMPARE: dict[str, tuple] = {"task": ("compare",)}


def _read_by(item_models: tuple[str, ...], *flags: str) -> tuple[Use, ...]:
    """Flags of these item models."""
    variants = tuple(v for v, (x, _) in pipeline.VARIANTS.items() if x in item_models)
    return (
        Use(flags, _COMPARE | {"variant": variants}),
        Use(flags, _COMPARE | {"sweep": variants}),
        Use(flags, {"task": _USING, "model": variants}),
    )


_GRU = ("width", "layers", "length", "chunk", "group", "learning_rate")
_GRU += ("factor", "patience", "batch", "epochs")
USES = (
    *_read_by(("rnn",), *_GRU),
    *_read_by(("transformer",), "transformer.*"),
    *_read_by(("als",), "als.*"),
    *_read_by(("logistic_mf",), "logistic_mf.*"),
    *_read_by(("bpr", "bpr_item", "bpr_user"), "bpr.*"),
    *_read_by(("graph_conv", "graph_conv_extra"), "graph_conv.*"),
    *_read_by(("lda",), "lda.*"),
    Use(("variant", "sweep", "split", "k", "c"), _COMPARE),
    Use(("split_seed",), _COMPARE | {"split": ("user",)}),
    Use(("multipliers",), _COMPARE | {"sweep": _ALL}),
    Use(("horizon", "exclude_train", "least_events"), _COMPARE),
    Use(("horizon", "exclude_train", "least_events"), {"task": _USING, "model": _ALL}),
    Use(("model",), {"task": _USING}),
    Use(("items",), {"task": ("audience",)}),
    Use(("users",), {"task": ("recommend",)}),
    Use(("top",), {"task": ("audience", "recommend")}),
    Use(("budgets", "prices", "contacts"), {"task": ("campaign",)}),
    Use(("bound",), {"task": ("campaign",), "prices": ("",)}),
    Use(("unit",), {"own": ("yes",)}),
)
EXPERIMENT = Experiment(
    method="recurrent_intensity",
    study=study,
    options=Options(),
    datasets=("simulated", "ml100k", "ml1m", "ml_latest_small", "yoochoose"),
    presets=PRESETS,
    choices={"split=user": {"horizon": ""}},
    quick={"": _QUICK},
    uses=USES,
    check=check,
    own_data="events",
    seeds=1,
)
