"""Choosing among models without target labels.

A candidate must do well on sources and its adversary must have come to rest; among those
the target samples decide: predictions should be sure and varied (mutual information), and
samples should have dense neighbourhoods of like predictions (soft neighbourhood density,
K. Saito et al., ICCV 2021).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import special

from iclr22 import graph
from iclr22.data.domains import DomainData
from iclr22.grda.artifact import Model, predict

TEMPERATURE = 0.05  # of similarities in the density
REST = 0.1  # share of N ln 2 by which the discriminator's loss may still move
EDGES = 100  # at most, that agreement is taken over


class Scores(NamedTuple):
    """What is known of a candidate without target labels.

    Attributes:
      source: accuracy in percent on labelled samples of sources; in a regression minus
        the mean squared error, on the scale that the model was trained on.
      movement: change of the adversary's loss over the last quarter of training as a
        share of N ln 2; 0 if there is no adversary.
      information: mean over target domains of the mutual information between sample and
        predicted class, nats.
      density: mean over target domains of the soft neighbourhood density.
      agreement: mean over edges of how often the two ends' models agree, 0..1; in a
        regression minus the mean squared difference, on that scale.
    """

    source: float
    movement: float
    information: float
    density: float
    agreement: float


def mutual_information(probabilities) -> float:
    """Entropy of the mean less the mean entropy, nats; `[samples, classes]`."""
    mean = probabilities.mean(axis=0)
    return float(special.entr(mean).sum() - special.entr(probabilities).sum(1).mean())


def neighborhood_density(probabilities, temperature: float = TEMPERATURE) -> float:
    """Mean entropy of each sample's similarities to the others; `[samples, classes]`."""
    unit = probabilities / np.linalg.norm(probabilities, axis=1, keepdims=True)
    similarity = unit @ unit.T / temperature
    np.fill_diagonal(similarity, -np.inf)
    return float(special.entr(special.softmax(similarity, axis=1)).sum(1).mean())


def movement(losses: Sequence[float], domains: int) -> float:
    """Change of the adversary's loss over the last quarter, as a share of N ln 2."""
    tail = np.asarray(losses)[-max(len(losses) // 4, 2) :]
    if len(tail) < 2:
        return 0.0
    half = len(tail) // 2
    return float(abs(tail[half:].mean() - tail[:half].mean()) / (domains * np.log(2)))


def tolerance(regression: bool) -> float:
    """How far below the best source score a candidate may be: points, or squared error."""
    return 0.01 if regression else 2.0


def choose(candidates: Sequence[Scores], tolerance: float = 2.0) -> int:
    """Number of the best candidate.

    Of those good on sources and at rest (of all, if none is) the one with the most
    information plus agreement; ties go to the denser one, then to the first.
    """
    best = max(c.source for c in candidates)
    good = [c.source >= best - tolerance and c.movement <= REST for c in candidates]
    allowed = [i for i, fine in enumerate(good) if fine] or range(len(candidates))

    def value(i):
        c = candidates[i]
        return c.information + c.agreement, c.density

    return max(allowed, key=value)


def score(model: Model, data: DomainData, losses, seed: int = 0) -> Scores:
    """What can be said of a model without target labels.

    Args:
      losses: the adversary's, over training.
      seed: of the edges that agreement is taken over, if there are many.
    """
    said = predict(model, data.x, data.domain)
    targets = np.flatnonzero(~data.sources)
    of = [said[data.domain == u] for u in targets]
    information = density = 0.0
    if not data.regression and len(of):
        information = np.mean([mutual_information(p) for p in of])
        density = np.mean([neighborhood_density(p) for p in of])
    return Scores(
        source=_source_score(model, data, said),
        movement=movement(losses, data.size),
        information=float(information),
        density=float(density),
        agreement=_agreement(model, data, said, seed),
    )


def _source_score(model, data, said):
    rows = data.sources[data.domain]
    if data.regression:
        rows &= np.isfinite(data.y).all(axis=1)
        gap = (said[rows] - data.y[rows]) / _unit(model)
        return -float(np.mean(gap**2))
    rows &= data.y >= 0
    return 100 * float(np.mean(said[rows].argmax(1) == data.y[rows]))


def _unit(model) -> np.ndarray:
    """What errors are measured in: the deviation of standardised targets, else 1."""
    return model.target_scale.spread.astype(np.float32)


def _agreement(model, data, said, seed):
    """Mean over edges into targets of how the sender's model agrees with the own one."""
    links = graph.links(data.graph)
    ends = np.flatnonzero(~data.sources[links.receivers])
    if len(ends) == 0:
        return 0.0
    if len(ends) > EDGES:
        ends = np.random.default_rng(seed).choice(ends, EDGES, replace=False)
    rows, others = [], []
    for end in ends:
        mine = np.flatnonzero(data.domain == links.receivers[end])
        rows.append(mine)
        others.append(np.full(len(mine), links.senders[end]))
    rows, others = np.concatenate(rows), np.concatenate(others)
    theirs = predict(model, data.x[rows], others)
    if data.regression:
        gap = (theirs - said[rows]) / _unit(model)
        return -float(np.mean(gap**2))
    return float(np.mean(theirs.argmax(1) == said[rows].argmax(1)))
