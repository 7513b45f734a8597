"""A trained item model times activity model: user states of any log, write and read it.

The log that is asked about may be a later one with other users. Its events of items that
the model does not know count as activity; to a network they are an unknown item.
"""

from typing import NamedTuple

import numpy as np
from absl import logging

from iclr22 import bundle, errors
from iclr22.data import checks
from iclr22.data.events import Events
from iclr22.recurrent_intensity import (
    activity,
    popularity,
    recommender,
    requests,
    scores,
)
from iclr22.recurrent_intensity import artifact_checks as good
from iclr22.recurrent_intensity.activity import Activity
from iclr22.recurrent_intensity.hawkes import Hawkes
from iclr22.recurrent_intensity.popularity import Popularity
from iclr22.recurrent_intensity.recommender import Recommender

KIND, VERSION = "recurrent intensity model", 2
UNKNOWN = "(unknown)"  # what stands for all items that a model does not know


class Model(NamedTuple):
    """Everything that predictions need.

    Attributes:
      item: p(y | x), a network, or counts of items.
      activity: lambda(x); None: the same for all user states.
      item_names: `[items]`, by the numbers that the item model has for them.
      items: int32 `[y]`, numbers of the items that are scored.
      horizon: how far ahead events are expected.
      exclude_train: whether items of a history are not to be chosen again.
      time_unit: of the log and of the horizon.
    """

    item: Recommender | Popularity
    activity: Activity | Hawkes | None
    item_names: np.ndarray
    items: np.ndarray
    horizon: float
    exclude_train: bool = False
    time_unit: str = "s"


class Prediction(NamedTuple):
    """Scores of user states and items; with `hawkes` and `hp` expected events."""

    users: np.ndarray  # [x] names
    items: np.ndarray  # [y] names
    scores: scores.Scores  # [x, y], of low rank; see `top_items`, `top_users`, `dense`


def predict(
    model: Model, events: Events, given: requests.Requests | None = None
) -> Prediction:
    """Scores of user states of a log and of the items that the model knows.

    Args:
      events: any log of the same items; its users may be new.
      given: user states of it (`requests.make_requests`); all users just after the last
        event if None.

    Raises:
      errors.InputError: times in another unit.
    """
    if events.time_unit != model.time_unit:
        raise errors.InputError(
            f"expected times in {model.time_unit}, as the model was trained on; found "
            f"{events.time_unit}. Convert them."
        )
    if given is None:
        users, end = requests.state_now(events)
        given = requests.make_requests(events, users, end, model.horizon)
    known = _renumbered(model, events)
    if isinstance(model.item, Recommender):
        found = recommender.score(model.item, known, given, model.items)
    else:
        found = popularity.score(model.item, known, given, model.items)
    if model.activity is not None:
        rate = activity.intensity(model.activity, given, known)
        found = scores.with_rate(found, rate)
    if model.exclude_train:
        found = scores.exclude(found, requests.seen(given, known, model.items))
    names = events.user_names[given.user], model.item_names[model.items]
    return Prediction(*names, scores.check(found))


def _renumbered(model: Model, events: Events) -> Events:
    """The log with the model's numbers of items; one more for all that it lacks."""
    number = {name: i for i, name in enumerate(model.item_names.tolist())}
    lacking = len(number)
    of = [number.get(name, lacking) for name in events.item_names.tolist()]
    item = np.array(of, np.int32)[events.item]
    count = int((item == lacking).sum())
    if count:
        logging.warning(
            "%d of %d events are of items that the model does not know: they count as "
            "activity only; train again to have these items",
            count,
            len(item),
        )
    names = np.append(model.item_names, UNKNOWN)
    return events._replace(item=item, item_names=names, truth=None)


def with_unknown(network: Recommender) -> Recommender:
    """The network for logs that have an item more, which it does not know."""
    return network._replace(token_of=np.append(network.token_of, np.int32(0)))


def save(path, model: Model) -> None:
    """Write a model as one `.npz` of plain arrays."""
    about, trees = {}, {"items": model.items}
    if isinstance(model.item, Recommender):
        about |= {"item": "network", "config": model.item.config._asdict()}
        trees |= {"params": model.item.params, "token_of": model.item.token_of}
    else:
        about["item"] = "popularity"
        trees["counts"] = model.item.counts
    if isinstance(model.activity, Hawkes):
        fitted = model.activity._asdict()
        arrays = ("theta", "scales", "weights", "ceiling")
        trees |= {name: fitted.pop(name) for name in arrays}
        about["activity"] = {"kind": "hawkes"} | fitted
    else:
        about["activity"] = model.activity and model.activity._asdict()
    about["horizon"] = model.horizon
    about["exclude_train"] = model.exclude_train
    about["time_unit"] = model.time_unit
    names = model.item_names.tolist()
    bundle.save(path, KIND, VERSION, about=about, trees=trees, inputs=names)


def load(path) -> Model:
    """Read what `save` wrote.

    Raises:
      errors.InputError: not such a file, or of another version.
    """
    return bundle.load(path, KIND, VERSION, _build)


def _build(found: bundle.Bundle) -> Model:
    about, trees = found.about, found.trees
    names = checks.text_array(good.names(found.inputs))
    if about["item"] == "network":
        config = good.config(about["config"])
        params = good.parameters(config, trees["params"])
        shape, most = [len(names) + 1], config.tokens - 1
        token_of = good.numbers(trees["token_of"], "token_of", shape, 0, most, True)
        item = Recommender(config, params, token_of)
    else:
        item = Popularity(good.numbers(trees["counts"], "counts", [len(names)], 1e-9))
    rate = about["activity"]
    if rate and rate["kind"] == "hawkes":
        rate = good.hawkes(rate, trees)
    elif rate:
        rate = good.activity(rate)
    return Model(
        item=item,
        activity=rate or None,
        item_names=names,
        items=good.items(trees["items"], len(names)),
        horizon=good.positive(about["horizon"], "horizon"),
        exclude_train=good.flag(about["exclude_train"], "exclude_train"),
        time_unit=good.unit(about["time_unit"]),
    )
