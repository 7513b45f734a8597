"""Any item model times any activity model: S(x, y) = lambda(x) p(y | x), section 3.1.

`Models` trains each part once, when it is first asked for, and scores requests with any
product of them.
"""

import functools
import pathlib
from typing import NamedTuple

import numpy as np

from iclr22 import errors
from iclr22.data.events.simulated import true_activity, true_taste
from iclr22.recurrent_intensity import (
    activity,
    bpr,
    factorization,
    graph_conv,
    hawkes,
    recommender,
    requests,
    scores,
    sequence,
)
from iclr22.recurrent_intensity.scores import Scores

# Variant: item model, activity model.
VARIANTS = {
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


class Options(NamedTuple):
    """Hyper-parameters of all models."""

    gru: sequence.Config = sequence.Config()
    transformer: sequence.Config = sequence.Config("transformer", learning_rate=0.012)
    als: factorization.ALS = factorization.ALS()
    logistic_mf: factorization.Logistic = factorization.Logistic()
    pairwise: bpr.Config = bpr.Config()
    convolution: graph_conv.Config = graph_conv.Config()
    exclude: bool = False  # items of the history are not to be chosen


class Models:
    """Item and activity models of one split and one seed.

    Args:
      split: requests to learn from and to score.
      directory: checkpoints and curves of what trains go below it, by model; or None.
    """

    def __init__(
        self, split, options: Options, *, directory=None, seed=0, mode: str = "jit"
    ):
        self.split, self.options = split, options
        self._training = {"seed": seed, "mode": mode}
        self._directory = pathlib.Path(directory) if directory else None
        self._item_models, self._activities = {}, {}

    def scores(self, variant: str, given: requests.Requests, items) -> Scores:
        """Expected events (or a score) of every request and item, numbers in the log.

        Raises:
          errors.InputError: an unknown variant; `true` of a log that nobody simulated.
        """
        if variant not in VARIANTS:
            raise errors.nearest(variant, VARIANTS, "variant")
        item_model, rate_model = VARIANTS[variant]
        found = self.item_scores(item_model, given, items)
        if rate_model:
            found = scores.with_rate(found, self.rate(rate_model, given))
        if self.options.exclude:
            seen = requests.seen(given, self.split.events, items)
            found = scores.exclude(found, seen)
        return scores.check(found)

    def item_scores(self, name: str, given, items) -> Scores:
        """Scores of an item model alone."""
        if name not in self._item_models:
            self._item_models[name] = _ITEM_MODELS[name](self)
        return self._item_models[name](given, items)

    def rate(self, name: str, given) -> np.ndarray:
        """Activity lambda `[x]` of requests: expected events in the horizon for `hawkes`,
        `hp` and `true`, a score for others."""
        split = self.split
        if name == "true":
            _check_simulated(split.events)
            return true_activity(split.events, given, split.horizon)
        return activity.intensity(self.activity_model(name), given, split.events)

    def activity_model(self, name: str) -> activity.Activity | hawkes.Hawkes:
        """An activity model: pop, ema, hawkes or hp."""
        if name not in self._activities:
            self._activities[name] = _fit_activity(name, self.split)
        return self._activities[name]

    def training(self, name: str) -> dict:
        """Arguments that every trained model takes."""
        folder = self._directory / name if self._directory else None
        return self._training | {"directory": folder}


# Item models: a function of requests and items each.


def _popularity(models):
    counts = activity.item_pop(models.split)

    def score(given, items):
        one = np.ones((len(given.user), 1), np.float32)
        columns = counts[items][:, None].astype(np.float32)
        zero = np.zeros(len(one), np.float32), np.zeros(len(columns), np.float32)
        return Scores(one, columns, *zero, np.ones(len(one), np.float32), "identity")

    return score


def _sequence(network, models):
    config = getattr(models.options, "gru" if network == "rnn" else network)
    split = models.split
    fitted = recommender.fit(split, config, **models.training(network))
    return functools.partial(recommender.score, fitted, split.events)


def _factors(name, models):
    counts = factorization.training_counts(models.split)
    options = models.options
    seed = models.training(name)["seed"]
    if name == "als":
        factors = factorization.fit_als(counts, options.als, seed=seed)
    elif name == "logistic_mf":
        factors = factorization.fit_logistic(counts, options.logistic_mf, seed=seed)
    else:
        side = name.partition("_")[2] or "both"
        config = options.pairwise._replace(side=side)
        factors = bpr.fit_bpr(counts, config, **models.training(name))
    return lambda given, items: factorization.score(factors, given.user, items)


def _graph_conv(name, models):
    options = {"extra": name == "graph_conv_extra"} | models.training(name)
    config = models.options.convolution
    fitted = graph_conv.fit_graph_conv(models.split, config, **options)
    events = models.split.events
    return functools.partial(graph_conv.score, fitted, events)


def _lda(models):
    from iclr22.recurrent_intensity import lda

    fitted = lda.fit_lda(models.split, seed=models.training("lda")["seed"])
    return functools.partial(lda.score, fitted, models.split.events)


def _true_items(models):
    events = models.split.events
    _check_simulated(events)

    def score(given, items):
        rows, columns, bias = true_taste(events, given)
        logits = rows @ columns.T + bias
        most = logits.max(axis=1, keepdims=True)
        normaliser = most[:, 0] + np.log(np.exp(logits - most).sum(axis=1))
        shapes = rows, columns[items], -normaliser, bias[items]
        arrays = (np.asarray(x, np.float32) for x in shapes)
        return Scores(*arrays, np.ones(len(rows), np.float32), "exp")

    return score


_ITEM_MODELS = {
    "popularity": _popularity,
    "rnn": functools.partial(_sequence, "rnn"),
    "transformer": functools.partial(_sequence, "transformer"),
    "als": functools.partial(_factors, "als"),
    "logistic_mf": functools.partial(_factors, "logistic_mf"),
    "bpr": functools.partial(_factors, "bpr"),
    "bpr_item": functools.partial(_factors, "bpr_item"),
    "bpr_user": functools.partial(_factors, "bpr_user"),
    "graph_conv": functools.partial(_graph_conv, "graph_conv"),
    "graph_conv_extra": functools.partial(_graph_conv, "graph_conv_extra"),
    "lda": _lda,
    "true": _true_items,
}


def _check_simulated(events):
    if events.truth is None:
        raise errors.InputError(
            "variant 'true' needs a simulated log; found one without a known truth"
        )


def _fit_activity(name, split):
    horizon, events = split.horizon, split.events
    if name == "hawkes":
        return hawkes.fit_hawkes(split.train, events, horizon)
    if name == "hp":
        counts = np.asarray(split.valid_targets.sum(axis=1))
        return hawkes.fit_hawkes_poisson(split.valid, events, horizon, counts)
    return activity.Activity(name, horizon)
