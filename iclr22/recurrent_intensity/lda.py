"""Latent Dirichlet allocation of histories, through scikit-learn (an optional extra).

Histories are documents and items words: p(y | x) = sum over topics of p(topic | x)
p(y | topic). A baseline of Ma, Liu and Deoras, ICLR 2022 (OpenReview TZeArecH2Nf).
"""

from typing import Any, NamedTuple

import numpy as np

from iclr22 import errors
from iclr22.recurrent_intensity import requests, splits
from iclr22.recurrent_intensity.counts import (
    check_counts,
    history_counts,
    known_bias,
    shape_of,
    training_counts,
)
from iclr22.recurrent_intensity.scores import Scores

EXTRA = 'pip install "iclr22[peers]"'


class Config(NamedTuple):
    """Hyper-parameters, as released."""

    factors: int = 128  # topics
    word_prior: float = 1000.0  # pseudo-events of a topic, shared by all items
    iterations: int = 20  # passes over the users


class Model(NamedTuple):
    """Fitted topics."""

    estimator: Any  # of scikit-learn, infers the topics of a history
    topics: np.ndarray  # float32 [items, factors], p(y | topic)
    bias: np.ndarray  # float32 [items], 0, or -inf without a training event


def fit_lda(
    split: splits.Split, config: Config | None = None, *, seed: int = 0
) -> Model:
    """Topics of the histories of `split.train`.

    Raises:
      errors.InputError: scikit-learn is not installed; no training event.
    """
    config = config or Config()
    allocation = _allocation()
    counts = check_counts(training_counts(split))
    _, items = shape_of(counts)
    estimator = allocation(
        config.factors,
        topic_word_prior=min(1.0, config.word_prior / items),  # its limit
        max_iter=config.iterations,
        random_state=seed,
    )
    estimator.fit(counts[np.flatnonzero(np.diff(counts.indptr))])
    weight = estimator.components_.T
    topics = (weight / weight.sum(axis=0)).astype(np.float32)
    return Model(estimator, topics, known_bias(0.0, counts))


def _allocation():
    try:
        from sklearn.decomposition import LatentDirichletAllocation
    except ImportError as error:
        raise errors.InputError(
            f"expected scikit-learn, which fits the topics; found: {error}. {EXTRA}"
        ) from error
    return LatentDirichletAllocation


def score(model: Model, events, given: requests.Requests, items) -> Scores:
    """p(y | x) of requests and items (numbers in the log); items without a training event
    get 0. Histories without events have the mean of all topics."""
    counts = history_counts(events, given)
    rows = model.estimator.transform(counts).astype(np.float32)
    x = len(rows)
    return Scores(
        rows,
        model.topics[items],
        np.zeros(x, np.float32),
        model.bias[items],
        np.ones(x, np.float32),
        "identity",
    )
