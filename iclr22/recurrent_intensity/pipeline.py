"""Any item model times any activity model: S(x, y) = lambda(x) p(y | x), section 3.1.

`train` gives the `Models` of a split: each part is trained once, when it is first asked
for, and requests are scored with any product of them.
"""

import pathlib
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from iclr22 import errors
from iclr22.data.events.simulated import true_activity
from iclr22.recurrent_intensity import (
    activity,
    artifact,
    bpr,
    graph_conv,
    hawkes,
    item_models,
    recommender,
    requests,
    scores,
)
from iclr22.recurrent_intensity.bpr import Config as BPR
from iclr22.recurrent_intensity.factorization import ALS, Logistic
from iclr22.recurrent_intensity.graph_conv import Config as GraphConv
from iclr22.recurrent_intensity.item_models import ITEM_MODELS
from iclr22.recurrent_intensity.lda import Config as LDA
from iclr22.recurrent_intensity.requests import Requests
from iclr22.recurrent_intensity.scores import Scores
from iclr22.recurrent_intensity.sequence import Config as Sequence
from iclr22.recurrent_intensity.splits import Split

# Variant: item model, activity model.
VARIANTS: dict[str, tuple[str, str]] = {
    "pop": ("popularity", "pop"),
    "ema": ("popularity", "ema"),
    "hawkes": ("popularity", "hawkes"),
    "hp": ("popularity", "hp"),
    "als": ("als", ""),
    "bpr": ("bpr", ""),
    "bpr_item": ("bpr_item", ""),
    "bpr_user": ("bpr_user", ""),
    "logistic_mf": ("logistic_mf", ""),
    "graph_conv": ("graph_conv", ""),
    "graph_conv_extra": ("graph_conv_extra", ""),
    "lda": ("lda", ""),
    "rnn": ("rnn", ""),
    "rnn_pop": ("rnn", "pop"),
    "rnn_ema": ("rnn", "ema"),
    "rnn_hawkes": ("rnn", "hawkes"),
    "rnn_hp": ("rnn", "hp"),
    "transformer": ("transformer", ""),
    "transformer_pop": ("transformer", "pop"),
    "transformer_ema": ("transformer", "ema"),
    "transformer_hawkes": ("transformer", "hawkes"),
    "transformer_hp": ("transformer", "hp"),
    "true": ("true", "true"),
}
PRODUCTS = tuple(
    v for v, (item, rate) in VARIANTS.items() if rate and item != "popularity"
)
COUNTS = tuple(v for v, (item, _) in VARIANTS.items() if item == "popularity")
CALIBRATED = ("hawkes", "hp", "true")  # activities that are expected events
# Item models that train by steps, in the loop.
TRAINED = (
    "rnn",
    "transformer",
    "bpr",
    "bpr_item",
    "bpr_user",
    "graph_conv",
    "graph_conv_extra",
)
KEPT = ("popularity", "rnn", "transformer")  # item models that know no users by name


class Options(NamedTuple):
    """Hyper-parameters of all item models, and whether a history is chosen from again."""

    MAIN = "gru"
    # Without a flag: what the other network reads.
    RESOLVED = ("gru.heads", "gru.feed_forward", "transformer.chunk")

    gru: Sequence = Sequence()  # of rnn
    transformer: Sequence = Sequence("transformer", learning_rate=0.012)
    als: ALS = ALS()
    logistic_mf: Logistic = Logistic()
    bpr: BPR = BPR()  # also of bpr_item and bpr_user
    graph_conv: GraphConv = GraphConv()  # also of graph_conv_extra
    lda: LDA = LDA()
    exclude_train: bool = False  # items that a user had are not chosen again


def config_of(options: Options, split: Split, item_model: str):
    """The configuration that is trained: what the data and the name decide filled in.

    Args:
      item_model: the first of a variant's two parts in `VARIANTS`; of those that learn
        nothing, such as popularity, None.
    """
    if item_model in ("rnn", "transformer"):
        gru = item_model == "rnn"
        given = options.gru if gru else options.transformer
        given = given._replace(network="gru" if gru else "transformer")
        return recommender.config_of(given, split)
    if item_model in ("bpr", "bpr_item", "bpr_user"):
        given = options.bpr._replace(side=item_model.partition("_")[2] or "both")
        users, items = split.events.user_names, split.events.item_names
        return bpr.config_of(given, (len(users), len(items)))
    if item_model in ("graph_conv", "graph_conv_extra"):
        return graph_conv.config_of(options.graph_conv, split)
    return getattr(options, item_model, None)


def configurations(
    options: Options, split: Split, variants: Iterable[str]
) -> dict[str, Any]:
    """What these variants train by steps: configurations by item model."""
    names = dict.fromkeys(VARIANTS[variant][0] for variant in variants)
    return {x: config_of(options, split, x) for x in names if x in TRAINED}


def train(
    split: Split,
    options: Options | None = None,
    *,
    directory=None,
    seed: int = 0,
    mode: str = "jit",
) -> "Models":
    """Models of one split and one seed.

    Nothing is trained yet: each item and activity model is when it is first asked for, so
    that the variants that share it share its training.

    Args:
      split: requests to learn from and to score.
      options: hyper-parameters.
      directory: checkpoints and curves of what trains go below it, by item model; a run
        that is started again continues there.
    """
    options = Options() if options is None else options
    return Models(split, options, directory=directory, seed=seed, mode=mode)


class Models:
    """Item and activity models of one split and one seed; see `train`."""

    def __init__(
        self, split: Split, options: Options, *, directory=None, seed=0, mode="jit"
    ):
        self.split, self.options = split, options
        self.seed, self.mode = seed, mode
        self._directory = pathlib.Path(directory) if directory else None
        self._items: dict[str, Any] = {}
        self._activities: dict[str, activity.Activity | hawkes.Hawkes] = {}

    def scores(self, variant: str, given: Requests, items) -> Scores:
        """Expected events (or a score) of every request and item, numbers in the log.

        Raises:
          errors.InputError: an unknown variant; `true` of a log that nobody simulated.
        """
        item_model, rate_model = _parts(variant)
        found = self.item_scores(item_model, given, items)
        if rate_model:
            found = scores.with_rate(found, self.rate(rate_model, given))
        if self.options.exclude_train:
            seen = requests.seen(given, self.split.events, items)
            found = scores.exclude(found, seen)
        return scores.check(found)

    def model(self, variant: str) -> artifact.Model:
        """A trained variant apart from its log, to keep and to ask about others.

        Raises:
          errors.InputError: an unknown variant, or one that only knows its own users.
        """
        item_model, rate_model = _parts(variant)
        if item_model not in KEPT:
            raise errors.InputError(
                f"{variant} cannot be kept: expected a variant whose item model is one "
                f"of {', '.join(KEPT)}"
            )
        item, split = self.item_model(item_model), self.split
        if isinstance(item, recommender.Recommender):
            item = artifact.with_unknown(item)
        return artifact.Model(
            item=item,
            activity=self.activity_model(rate_model) if rate_model else None,
            item_names=split.events.item_names,
            items=split.test_items,
            horizon=split.horizon,
            exclude_train=self.options.exclude_train,
            time_unit=split.events.time_unit,
        )

    def item_scores(self, name: str, given: Requests, items) -> Scores:
        """Scores of an item model alone."""
        model = self.item_model(name)
        return ITEM_MODELS[name].score(model, self.split.events, given, items)

    def item_model(self, name: str) -> Any:
        """An item model, the first of a variant's two parts in `VARIANTS`."""
        if name not in self._items:
            folder = self._directory / name if self._directory else None
            training = item_models.Training(folder, self.seed, self.mode)
            config = config_of(self.options, self.split, name)
            self._items[name] = ITEM_MODELS[name].fit(self.split, config, training)
        return self._items[name]

    def rate(self, name: str, given: Requests) -> np.ndarray:
        """Activity lambda `[x]` of requests: expected events in the horizon for `hawkes`,
        `hp` and `true`, a score for others."""
        split = self.split
        if name == "true":
            item_models.check_simulated(split.events)
            return true_activity(split.events, given, split.horizon)
        return activity.intensity(self.activity_model(name), given, split.events)

    def activity_model(self, name: str) -> activity.Activity | hawkes.Hawkes:
        """An activity model: pop, ema, hawkes or hp."""
        if name not in self._activities:
            self._activities[name] = _fit_activity(name, self.split)
        return self._activities[name]


def _parts(variant: str) -> tuple[str, str]:
    """Item model and activity model of a variant."""
    if variant not in VARIANTS:
        raise errors.nearest(variant, VARIANTS, "variant")
    return VARIANTS[variant]


def _fit_activity(name: str, split: Split) -> activity.Activity | hawkes.Hawkes:
    horizon, events = split.horizon, split.events
    counts = np.asarray(split.valid_targets.sum(axis=1))
    if name == "hawkes":
        fitted = hawkes.fit_hawkes(split.train, events, horizon)
        return hawkes.calibrate(fitted, split.valid, events, counts)
    if name == "hp":
        return hawkes.fit_hawkes_poisson(split.valid, events, horizon, counts)
    return activity.Activity(name, horizon)
