"""Whether a policy should be used: what gradients of images say that no search has seen.

For groups of images that were held back, the cosine J between the gradient of images as they
are and that of augmented ones, for the policy, for one of equal chances, and without any. And
how much of a control, which makes noise of an image, a search has kept: where it keeps more
than its uniform share, gradients of that network cannot tell a picture from noise.
"""

import functools
from typing import Any, NamedTuple

import jax
import numpy as np

from iclr22 import metrics
from iclr22.deep_autoaugment import matching, searching, space
from iclr22.deep_autoaugment.matching import Config as Matching

GROUPS = 100  # that are looked at


class Health(NamedTuple):
    """What is reported of a search."""

    cosines: dict[str, np.ndarray]  # by policy, `[groups]`, of equal groups
    control: float  # share of the control in the first layer; NaN without one
    chance: float  # its uniform share
    held: bool  # the search has not seen these images
    use: bool
    reason: str


def cosines(
    config: Matching, network, layers, groups, *, count: int = GROUPS, seed: int = 0
) -> np.ndarray:
    """J `[count]` of groups under a policy of layers `[K, N]` of probabilities.

    Args:
      config: of `matching`; its transformations, validation, copies and layers count.
      network: its parameters.
      groups: batches of it (`searching.source`), whose first `count` groups are taken.
    """
    layers = np.asarray(layers, np.float32)
    config = config._replace(first=False)
    if len(layers) > config.layers:
        raise ValueError(
            f"expected at most {config.layers} layers; found {len(layers)}"
        )
    before = matching.nothing(config.layers, layers.shape[1])
    logs = np.log(np.maximum(layers, 1e-30))
    before[: len(logs) - 1] = logs[:-1]
    params = {"logits": logs[-1], "before": before, "network": network}
    found: list[float] = []
    for step in range(-(-count // config.groups)):
        key = jax.random.fold_in(jax.random.key(seed), step)
        batch = groups(step)
        one = _cosines(config, params, batch, key)
        found += np.asarray(one)[batch["weight"] > 0].tolist()
    return np.array(found[:count])


@functools.partial(jax.jit, static_argnums=0)
def _cosines(config, params, batch, key):
    return matching.matched(config, params, batch, key, slopes=False).cosine


def check(
    prepared: searching.Prepared,
    found: searching.Found,
    *,
    seed: int = 0,
    count: int = GROUPS,
) -> Health:
    """The health of a search; see the module."""
    chosen, learned = searching.without_control(
        found.transformations, found.probabilities
    )
    config = prepared.options.matching._replace(
        transformations=chosen, network=found.config
    )
    size = len(chosen)
    policies: dict[str, Any] = {
        "learned": learned,
        "uniform": np.full((1, size), 1 / size),
        "identity": np.eye(1, size),
    }
    if len(learned) > 1:
        policies["first layer"] = learned[:1]
        policies["uniform, as deep"] = np.full(learned.shape, 1 / size)
    source = searching.source(prepared, seed, held=True)
    source = source._replace(devices=1, part=(0, 1))  # each process looks at all
    measured = {
        name: cosines(config, found.params, layers, source, count=count, seed=seed)
        for name, layers in policies.items()
    }
    names = [x.op for x in found.transformations]
    control, chance = np.nan, 1 / len(names)
    if space.NOISE in names:
        control = float(found.probabilities[0, names.index(space.NOISE)])
    held = not prepared.parts.told
    return Health(measured, control, chance, held, *verdict(measured, control, chance))


def verdict(measured, control: float, chance: float) -> tuple[bool, str]:
    """`(use, reason)`: whether the learned policy is better than none and than chance on
    equal groups, and the control is below its share."""
    reasons = []
    for other in ("identity", "uniform"):
        mean, half = metrics.student(measured["learned"] - measured[other])
        if mean - half <= 0:
            told = "is worse than" if mean + half < 0 else "cannot be told apart from"
            reasons.append(
                f"by its gradients it {told} {TOLD[other]} ({mean:+.3f} ± {half:.3f})"
            )
    if control > chance:
        reasons.append(
            f"the network takes noise for pictures: the control has {control:.3f} of the "
            f"first layer, {chance:.3f} by chance"
        )
    if reasons:
        return False, "do not use it: " + "; ".join(reasons)
    return True, "use it: better than no augmentation and than equal chances, held out"


TOLD = {"identity": "no augmentation", "uniform": "equal chances"}
