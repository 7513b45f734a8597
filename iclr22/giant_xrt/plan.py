"""What a training will take, told before it starts; and how many rounds fit into a time.

Numbers of candidates, seconds and bytes are estimates: of the tree only its sizes are known.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from iclr22 import errors, numeric
from iclr22.giant_xrt import encoding, learning, matcher, rounds

OPERATIONS = 4e10  # per second, of a Transformer on a CPU core, as measured for MiniLM
TEXT = 1e-5  # seconds per text and bag
CALL = 2e-3  # seconds per update beside its texts, of a bag
KEPT = 20  # vectors per token and layer that a gradient needs, about
FEW = 40  # updates of a round, at least, where time is short
ENCODED = 2  # passes over all texts per round: first heads, predictions


class Speed(NamedTuple):
    """How fast an encoder is.

    Attributes:
      step: seconds per update.
      text: seconds to encode a text.
      measured: or assumed.
    """

    step: float
    text: float
    measured: bool = True


class Round(NamedTuple):
    """One round.

    Attributes:
      clusters: of its level.
      candidates: of a node, mean, if its neighbours were spread at random: similar nodes
        have neighbours in fewer clusters.
      steps: updates.
      seconds: of updates and passes over texts.
      memory: bytes.
    """

    clusters: int
    candidates: float
    steps: int
    seconds: float
    memory: float


class Plan(NamedTuple):
    """All rounds, and what is left out: levels of more clusters, and the labels."""

    nodes: int
    trained: int  # nodes that are learned from
    sizes: tuple[int, ...]  # of the tree
    rounds: tuple[Round, ...]
    speed: Speed

    @property
    def seconds(self) -> float:
        """Of all rounds and of the features in the end."""
        return sum(x.seconds for x in self.rounds) + self.nodes * self.speed.text

    @property
    def memory(self) -> float:
        """Bytes, at most."""
        return max(x.memory for x in self.rounds)


def assumed(config: matcher.Config, tokens: float | None = None) -> Speed:
    """The speed of an encoder from its size, on a CPU core.

    Args:
      tokens: of a text, mean; the most that there may be if not given.
    """
    encoder = config.encoder
    if encoder.kind == "bag":
        return Speed(CALL + 3 * config.batch * TEXT, TEXT, False)
    length = encoder.tokens if tokens is None else min(tokens, encoder.tokens)
    text = 2 * _inner(encoder) * length / OPERATIONS
    return Speed(3 * config.batch * text, text, False)


def make(
    sizes: Sequence[int],
    degrees,
    config: matcher.Config,
    options: learning.Options,
    speed: Speed | None = None,
) -> Plan:
    """The plan of a training.

    Args:
      sizes: of the levels of the tree, the last of which are the n nodes.
      degrees: `[r]` neighbours of the nodes that are learned from.
      config: of rounds, with the encoder.
      options: of rounds.
      speed: measured; assumed if not given.

    Raises:
      errors.InputError: no level to learn; degrees that are no whole numbers from 0.
    """
    degrees = numeric.whole(degrees, "degrees of nodes", low=0)
    speed, nodes = speed or assumed(config), sizes[-1]
    found = []
    for place, level in enumerate(rounds.levels(sizes, options.most_clusters)):
        above = sizes[level - 1] if place else 0
        steps = learning.steps(options, place)
        many = _candidates(sizes[level], above, degrees, options)
        seconds = steps * speed.step + ENCODED * nodes * speed.text
        memory = _bytes(config, sizes[level], many, nodes, len(degrees))
        found.append(Round(sizes[level], many, steps, seconds, memory))
    return Plan(nodes, len(degrees), tuple(sizes), tuple(found), speed)


def within(
    minutes: float,
    sizes: Sequence[int],
    config: matcher.Config,
    options: learning.Options,
    speed: Speed | None = None,
) -> learning.Options:
    """Options whose rounds fit into a time: all rounds with fewer updates, then, where a
    round would have less than `FEW`, without the finest levels.

    Args:
      minutes: above 0.
      sizes, config, options, speed: as in `make`; the steps of options are the most.

    Raises:
      errors.InputError: not enough time for `FEW` updates of one round.
    """
    speed, nodes = speed or assumed(config), sizes[-1]
    learned = rounds.levels(sizes, options.most_clusters)
    for count in range(len(learned), 0, -1):
        passes = (ENCODED * count + 1) * nodes * speed.text
        most = [learning.steps(options, place) for place in range(count)]
        share = (60 * minutes - passes) / (speed.step * max(sum(most), 1))
        steps = [int(x * min(share, 1)) for x in most]
        if share >= 1 or min(steps) >= FEW:
            last = sizes[learned[count - 1]]
            return options._replace(steps=tuple(steps), most_clusters=last)
    least = (ENCODED + 1) * nodes * speed.text + FEW * speed.step
    raise errors.InputError(
        f"expected time for {FEW} updates of one round and three passes over {nodes} texts, "
        f"about {least / 60:.1f} minutes; found {minutes:g}. Choose a smaller encoder, fewer "
        "tokens, a smaller batch, or more time."
    )


def table(plan: Plan) -> str:
    """A plan as lines of text."""
    known = "measured" if plan.speed.measured else "assumed"
    lines = [
        f"{plan.trained} of {plan.nodes} nodes are learned from; levels "
        + " > ".join(map(str, plan.sizes)),
        "round  clusters  candidates  steps    minutes       GB",
    ]
    for place, x in enumerate(plan.rounds):
        lines.append(
            f"{place + 1:5d}  {x.clusters:8d}  {x.candidates:10.1f}  {x.steps:5d}  "
            f"{x.seconds / 60:9.1f}  {x.memory / 1e9:7.2f}"
        )
    lines.append(
        f"{plan.seconds / 60:.1f} minutes in all, about, at {plan.speed.step:.3g} s per "
        f"update and {1 / plan.speed.text:.3g} texts/s ({known}); {plan.memory / 1e9:.2f} "
        "GB, about"
    )
    return "\n".join(lines)


def _candidates(clusters: int, above: int, degrees, options: learning.Options) -> float:
    """Mean over nodes: children of the parents that hold a neighbour or are predicted."""
    if not above or not len(degrees):
        return float(clusters)
    true = (
        above * -np.expm1(degrees * np.log1p(-1 / above)) if above > 1 else degrees > 0
    )
    top = float(min(options.top, above))
    parents = {
        "tfn": true,
        "man": np.full(len(degrees), top),
        "tfn+man": true + top * (1 - true / above),
    }[options.negatives]
    most = max(options.most_candidates, 1)
    return float(np.minimum(parents * clusters / above, most).mean())


def _inner(encoder: encoding.Config) -> float:
    """Weights that every token meets."""
    bert = encoder.bert
    return bert.layers * (4.0 * bert.width**2 + 2 * bert.width * bert.inner)


def _bytes(config, clusters, candidates, nodes, trained) -> float:
    """Parameters with gradients and two moments, candidates with counts, tokens, features,
    and what a gradient keeps of a batch."""
    encoder = config.encoder
    width = encoder.features
    if encoder.kind == "bag":
        weights, batch = (
            encoder.vocabulary * width,
            config.batch * encoder.tokens * width,
        )
    else:
        weights = encoder.bert.vocabulary * width + _inner(encoder)
        layers = KEPT * encoder.bert.layers * width
        batch = config.batch * encoder.tokens * layers
    learned = 4.0 * (weights + (clusters + 1) * (width + 1))
    held = 2.0 * trained * candidates + nodes * (encoder.tokens + width)
    return 4.0 * (learned + batch + held)
