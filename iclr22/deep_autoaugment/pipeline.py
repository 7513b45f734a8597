"""From labelled images to a policy, and to a classifier that is trained with one."""

from typing import Any, NamedTuple

import numpy as np

from iclr22.deep_autoaugment import policy as policies
from iclr22.deep_autoaugment import searching, training
from iclr22.deep_autoaugment.classifier import Config as Classifier
from iclr22.deep_autoaugment.policy import Mixture, Policy
from iclr22.deep_autoaugment.presets import Options as Search

Data = tuple[np.ndarray, np.ndarray]  # images [n, h, w, c] uint8, classes [n]


class Options(NamedTuple):
    """The search, and the classifier that its policy is for."""

    MAIN = "search"
    RESOLVED = ("train.policy", "train.classes", "train.mean", "train.std")

    search: Search = Search()  # of a policy
    train: Classifier = Classifier()  # with it
    mirror: bool = True  # in training, shear, translate and rotate go either way


class Fitted(NamedTuple):
    """What one training leaves."""

    found: searching.Found | None  # none where the policy was given
    policy: Policy | Mixture
    config: Classifier
    params: Any


def train(
    data: Data,
    options: Options | None = None,
    *,
    policy: Policy | Mixture | None = None,
    directory=None,
    seed: int = 0,
    mode: str = "jit",
) -> Fitted:
    """Train a classifier with a policy, which is searched first unless it is given.

    Args:
      data: `(x, y)`: images `[n, h, w, c]` uint8, classes `[n]`.
      policy: of `baselines`, of a file, or of an earlier search.
      directory: an interrupted training goes on from there.

    Raises:
      errors.InputError: what `searching.search` and `training.fit` refuse.
    """
    options, found = options or Options(), None
    told = {"seed": seed, "mode": mode}
    used = policy
    if used is None:
        place = _below(directory, "search")
        found = searching.search(*data, options.search, directory=place, **told)
        used = found.policy
    config = planned(data, options, used)
    config, params = training.fit(
        config, *data, directory=_below(directory, "train"), **told
    )
    return Fitted(found, used, config, params)


def planned(data: Data, options: Options, policy: Policy | Mixture) -> Classifier:
    """The configuration that a classifier is trained with."""
    used = policies.mirrored(policy) if options.mirror else policy
    return training.fitted_to(options.train, *data)._replace(policy=used)


def _below(directory, name: str):
    return None if directory is None else f"{directory}/{name}"
