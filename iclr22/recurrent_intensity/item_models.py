"""Item models p(y | x) by name: how each is trained, and how it scores requests."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from iclr22 import errors
from iclr22.data.events import Events
from iclr22.data.events.simulated import true_taste
from iclr22.recurrent_intensity import (
    bpr,
    factorization,
    graph_conv,
    lda,
    popularity,
    recommender,
)
from iclr22.recurrent_intensity.counts import training_counts
from iclr22.recurrent_intensity.requests import Requests
from iclr22.recurrent_intensity.scores import Scores
from iclr22.recurrent_intensity.splits import Split


class Training(NamedTuple):
    """What training needs besides data and configuration."""

    directory: Any  # of checkpoints and curves, or None
    seed: int
    mode: str  # jit or pmap


class ItemModel(NamedTuple):
    """Two functions of one kind of model.

    Attributes:
      fit: `(split, config, training) -> model`.
      score: `(model, events, requests, items) -> scores`, of requests and items of the
        log that it was fitted to.
    """

    fit: Callable[[Split, Any, Training], Any]
    score: Callable[[Any, Events, Requests, Any], Scores]


def _popularity(split: Split, config, training: Training):
    del config, training
    return popularity.fit(split)


def _network(split: Split, config, training: Training):
    return recommender.fit(split, config, **training._asdict())


def _bpr(split: Split, config, training: Training):
    counts = training_counts(split)
    return bpr.fit_bpr(counts, config, **training._asdict())


def _graph_conv(split: Split, config, training: Training, extra: bool = False):
    return graph_conv.fit_graph_conv(split, config, extra=extra, **training._asdict())


def _als(split: Split, config, training: Training):
    counts = training_counts(split)
    return factorization.fit_als(counts, config, seed=training.seed)


def _logistic(split: Split, config, training: Training):
    counts = training_counts(split)
    return factorization.fit_logistic(counts, config, seed=training.seed)


def _lda(split: Split, config, training: Training):
    return lda.fit_lda(split, config, seed=training.seed)


def _true(split: Split, config, training: Training):
    del config, training
    check_simulated(split.events)


def _by_user(factors, events: Events, given: Requests, items) -> Scores:
    del events
    return factorization.score(factors, given.user, items)


def _true_scores(model, events: Events, given: Requests, items) -> Scores:
    """The softmax that a simulated log was drawn from."""
    del model
    rows, columns, bias = true_taste(events, given)
    logits = rows @ columns.T + bias
    most = logits.max(axis=1, keepdims=True)
    normaliser = most[:, 0] + np.log(np.exp(logits - most).sum(axis=1))
    shapes = rows, columns[items], -normaliser, bias[items]
    arrays = (np.asarray(x, np.float32) for x in shapes)
    return Scores(*arrays, rate=np.ones(len(rows), np.float32), link="exp")


def check_simulated(events: Events) -> None:
    """Raises `errors.InputError` of a log whose truth nobody knows."""
    if events.truth is None:
        raise errors.InputError(
            "variant 'true' needs a simulated log; found one without a known truth"
        )


ITEM_MODELS = {
    "popularity": ItemModel(_popularity, popularity.score),
    "rnn": ItemModel(_network, recommender.score),
    "transformer": ItemModel(_network, recommender.score),
    "als": ItemModel(_als, _by_user),
    "logistic_mf": ItemModel(_logistic, _by_user),
    "bpr": ItemModel(_bpr, _by_user),
    "bpr_item": ItemModel(_bpr, _by_user),
    "bpr_user": ItemModel(_bpr, _by_user),
    "graph_conv": ItemModel(_graph_conv, graph_conv.score),
    "graph_conv_extra": ItemModel(
        functools.partial(_graph_conv, extra=True), graph_conv.score
    ),
    "lda": ItemModel(_lda, lda.score),
    "true": ItemModel(_true, _true_scores),
}
