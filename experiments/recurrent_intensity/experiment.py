r"""Recurrent intensity modeling: items for users, users for items, campaigns (ICLR 2022,
OpenReview TZeArecH2Nf).

  python -m experiments.recurrent_intensity                      # generated log, a minute
  python -m experiments.recurrent_intensity --quick              # seconds
  python -m experiments.recurrent_intensity --dataset=ml100k --seeds=3      # the claim
  python -m experiments.recurrent_intensity --events=events.csv --horizon=7d
  python -m experiments.recurrent_intensity --events=events.csv --horizon=7d \
      --task=audience --items=A,B --top=500                      # whom to tell about A, B
  python -m experiments.recurrent_intensity --events=events.csv --task=recommend --top=10
  python -m experiments.recurrent_intensity --events=events.csv --task=campaign \
      --budgets=budgets.csv --contacts=2                         # a plan and a price table

events.csv has a header with `user`, `item`, `timestamp` (numbers or ISO 8601); other columns
are ignored. budgets.csv has `item` and `users`, how many to tell at most (--bound=lower: at
least); items without a line are not part of the campaign.
"""

from typing import Literal, NamedTuple

from experiments import run as runner
from experiments.recurrent_intensity import compare as studies
from experiments.recurrent_intensity import use
from iclr22 import errors
from iclr22.recurrent_intensity import pipeline, sequence


class Settings(NamedTuple):
    """What to do, on which log, with which models."""

    # what is done; see the examples above
    task: Literal["compare", "audience", "recommend", "campaign"] = "compare"
    variant: tuple[str, ...] = studies.TABLE  # item models and products in the table
    events: str = ""  # your own log: .csv with user, item, timestamp
    unit: str = "s"  # of numbers in your timestamps: ms, s, min, h or d
    # all users tested from one time on, or half of them after a while
    split: Literal["temporal", "user"] = "temporal"
    # of the user split; -1: that of the run, so intervals hold both
    split_seed: int = -1
    horizon: str = ""  # time ahead that counts, such as 7d; a tenth of the log if empty
    second_half: bool = False  # only the later half of each user's events, as in ML-1M
    exclude_train: bool = False  # items that a user had are not chosen again
    least_history: int = 1  # past events of a user state that is scored
    least_events: int = 1  # training events of an item that is scored
    k: int = 0  # items per user state; 0: 1 % of the items
    c: int = 0  # user states per item; 0: 1 % of them
    transformer_rate: float = 0.012  # Adagrad, of the Transformer; released: 0.025
    sweep: tuple[str, ...] = ("rnn", "rnn_hp")  # variants of the trade-off figure
    multipliers: tuple[float, ...] = (0.0, 0.3, 0.7, 1.0, 3.0, 10.0)  # of budgets in it
    model: str = "rnn_hp"  # variant that audience, recommend and campaign use
    # names of items for --task=audience; else the ten largest
    items: tuple[str, ...] = ()
    users: tuple[str, ...] = ()  # names of users for --task=recommend; all if empty
    top: int = 100  # users per item (audience), or items per user (recommend)
    budgets: str = ""  # budgets.csv of --task=campaign
    contacts: int = 1  # most items that a user is told about in a campaign
    bound: Literal["upper", "lower"] = "upper"  # what the users of an item in it are


STUDIES = {
    "compare": studies.compare,
    "audience": use.audience,
    "recommend": use.recommend,
    "campaign": use.campaign,
}

_MOVIES = {"split": "user", "second_half": True, "exclude_train": True}
_SMALL = {"width": 32, "layers": 1, "length": 128, "chunk": 128, "batch": 32}
PRESETS = {
    "simulated": _SMALL | {"epochs": 8, "learning_rate": 0.1, "horizon": "14d"},
    "ml100k": _MOVIES,
    "ml1m": _MOVIES,
    "ml_latest_small": _MOVIES,
    "yoochoose": {"split": "user", "least_history": 4, "least_events": 10},
}
PRESETS["simulated"] |= {"transformer_rate": 0.05}
DATASETS = ("simulated", "ml100k", "ml1m", "ml_latest_small", "yoochoose")


def _headlines():
    """What, (data set, setting, variant, metric), the paper's number."""
    names = {"item/precision": "items for users", "user/precision": "users for items"}
    for dataset, setting, variants in (
        ("simulated", "temporal", ("pop", "rnn", "rnn_hp", "true")),
        ("ml100k", "user 0, exclude_train", ("rnn", "rnn_hp")),
        ("ml100k", "user, exclude_train", studies.TABLE),
    ):
        for variant in variants:
            for metric, what in names.items():
                key = (dataset, setting, variant, metric)
                yield f"{variant}, {what}, precision [%]", key, ""


HEADLINES = list(_headlines())


def study(run: runner.Run) -> None:
    """One of the tasks."""
    settings = run.settings
    for name in (*settings.variant, *settings.sweep, settings.model):
        if name not in pipeline.VARIANTS:
            raise errors.nearest(name, pipeline.VARIANTS, "variant")
    if run.quick:
        run.config = run.config._replace(
            epochs=2, width=16, layers=1, length=32, chunk=32
        )
        if settings.variant == studies.TABLE:
            run.settings = settings._replace(variant=studies.QUICK, sweep=("rnn_hp",))
    STUDIES[settings.task](run)


if __name__ == "__main__":
    runner.main(
        study,
        method="recurrent_intensity",
        config=sequence.Config(),
        settings=Settings(),
        datasets=DATASETS,
        presets=PRESETS,
        own_data="events",
        seeds=1,
    )
