"""User states of now, the end of the log, and what scores them.

The whole log trains a variant, calibrated on the last horizon, and the model is written;
or the model of an earlier run is read.
"""

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from experiments import run as runner
from experiments.recurrent_intensity.calibration import is_count, of_now
from experiments.recurrent_intensity.problem import (
    horizon_of,
    in_words,
    least_of,
    load,
    models_of,
)
from iclr22 import data, errors
from iclr22 import recurrent_intensity as rim
from iclr22.data import checks
from iclr22.recurrent_intensity import artifact, pipeline, requests, scores, splits


class Now(NamedTuple):
    """What is asked about."""

    events: data.Events
    given: requests.Requests  # user states
    items: np.ndarray  # [y] names of the items that are scored
    score: Callable[[requests.Requests], rim.Scores]  # trains when it is first called
    value: str  # name of the column of scores: expected (events), or score

    @property
    def most(self) -> str:
        """What the best pairs have the most of, in words."""
        words = {"expected": "most expected events", "score": "largest scores"}
        return words[self.value]

    def columns(self, names: Sequence[str]) -> np.ndarray:
        """Places of items among those that are scored.

        Raises:
          errors.InputError: an item that is not.
        """
        place = {name: i for i, name in enumerate(self.items.tolist())}
        for name in names:
            if name not in place:
                raise errors.InputError(
                    f"item {checks.shown(name)} is not scored: expected one of {len(place)} "
                    f"items, such as {checks.shown(self.items[0])}. If it had too few "
                    "events, train with a lower --least_events."
                )
        return np.array([place[name] for name in names], int)

    def scores(self, columns=None) -> rim.Scores:
        """Scores of all user states and of these items, in this order; None: of all."""
        found = self.score(self.given)
        return found if columns is None else scores.take_columns(found, columns)


def now(run: runner.Run) -> Now:
    """User states at the end of the log, with a model of it or of an earlier run."""
    events = load(run)
    variant = run.options.model
    if variant not in pipeline.VARIANTS:
        return _of_earlier(run, events, artifact.load(variant))
    split = rim.split_now(events, horizon_of(run), **least_of(run))
    _describe(run, events, len(split.test.user), len(split.test_items), split.horizon)
    models = models_of(run, split, run.seeds[0], [variant])
    kept = pipeline.VARIANTS[variant][0] in pipeline.KEPT
    realised = np.asarray(split.valid_targets.sum(axis=1))

    def score(given):
        if not kept:
            of_now(run, None, events, split.valid, realised, split.test)
            return models.scores(variant, given, split.test_items)
        model = models.model(variant)
        artifact.save(run.output("model.npz"), model)
        of_now(run, model, events, split.valid, realised, split.test)
        return rim.predict(model, events, given).scores

    names = events.item_names[split.test_items]
    return Now(events, split.test, names, score, _value(is_count(variant)))


def _value(counted: bool) -> str:
    return "expected" if counted else "score"


def _of_earlier(run, events, model: rim.Model) -> Now:
    users, end = requests.state_now(events)
    given = requests.make_requests(events, users, end, model.horizon)
    given = splits.usable(given, run.options.least_history)
    if not len(given.user):
        raise errors.InputError(
            f"expected users with {run.options.least_history} or more events; found none"
        )
    items = model.item_names[model.items]
    _describe(run, events, len(given.user), len(items), model.horizon)
    last = requests.make_requests(events, users, end - model.horizon, model.horizon)
    known = splits.candidates(events, last)
    last = splits.usable(last, run.options.least_history)
    known = known[np.isin(events.item_names[known].astype(str), items.astype(str))]
    realised = np.asarray(last.targets[:, known].sum(axis=1))
    of_now(run, model, events, last, realised, given)
    counted = isinstance(model.activity, rim.Hawkes)
    scorer = functools.partial(_predicted, model, events)
    return Now(events, given, items, scorer, _value(counted))


def _predicted(model, events, given):
    return rim.predict(model, events, given).scores


def _describe(run, events, users, items, horizon):
    _, end = requests.state_now(events)
    run.facts["now"] = (
        f"{users:,} users and {items:,} items at {end:.10g}, horizon {in_words(horizon)}"
    )
