"""What values of many windows say: scores with intervals, and a verdict.

The social interaction score (SIS, section 2.3) is the mean over windows of the largest
value of a neighbour. A largest of noisy zeros is positive, so it is compared with the same
score among random agents: their difference is what tells whether neighbours are used.
Windows overlap, so intervals are bootstrapped over recordings or stretches of time.
"""

import math
from typing import NamedTuple

import numpy as np

from iclr22 import numeric
from iclr22.trajectory_shapley.attribute import Attribution
from iclr22.trajectory_shapley.windows import AWAY, Windows

FEW = 5  # recordings below which stretches of them are resampled instead
DRAWS = 2000  # of the bootstrap
ZERO = 1e-6  # of the value of the past: smaller ones are rounding
Interval = tuple[float, float, float]  # mean, low, high


class Scores(NamedTuple):
    """Each `(mean, low, high)` with a 95 % interval; nan where there is nothing to say."""

    sis: Interval  # largest value of a neighbour, 0 without one
    sis_random: Interval  # the same among random agents
    delta_sis: Interval  # their difference, window by window
    delta_mean: Interval  # mean neighbour minus mean random agent
    past: Interval  # value of the own past
    neighbour_mean: Interval  # of a neighbour, over all of them
    random_agent: Interval  # of the control agent
    ratio: Interval  # SIS / past


def social_interaction_score(values, mask) -> np.ndarray:
    """Largest value of a neighbour `[windows]`, 0 without neighbours (section 2.3).

    Args:
      values: `[windows, slots]`, of neighbours only: neither the past nor a random agent.
      mask: `[windows, slots]` bool, which slots are neighbours.
    """
    values = numeric.real(values, "values", ndim=2, finite=False)
    mask = np.asarray(mask, bool)
    most = np.where(mask, values, -np.inf).max(1, initial=-np.inf)
    return np.where(mask.any(1), most, 0.0)


def clusters(windows: Windows, *, block: int = AWAY, few: int = FEW) -> np.ndarray:
    """Number `[windows]` of what is resampled as one: the recording, or if there are
    fewer than `few` a stretch of `block` frames of one (50 frames are 20 s)."""
    names, recording = np.unique(windows.recording, return_inverse=True)
    if len(names) >= few:
        return recording
    part = (windows.frame - windows.frame.min(initial=0)) // block
    pairs = np.stack([recording, part])
    return np.unique(pairs, axis=1, return_inverse=True)[1].ravel()


def intervals(above, below, cluster, *, seed: int = 0, draws: int = DRAWS):
    """Ratios of sums with bootstrapped 95 % intervals, `[scores, 3]`: mean, low, high.

    Args:
      above, below: `[windows, scores]`, whose sums over windows are divided.
      cluster: `[windows]` int, windows that are drawn together. With one only there is
        no interval.
    """
    size = int(cluster.max(initial=-1)) + 1
    sums = np.zeros((2, size, above.shape[1]))
    for i, x in enumerate((above, below)):
        np.add.at(sums[i], cluster, x)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = sums[0].sum(0) / sums[1].sum(0)
        if size < 2:
            return np.stack([mean, *np.full((2, len(mean)), math.nan)], -1)
        rng = np.random.default_rng(seed)
        times = rng.multinomial(size, np.full(size, 1 / size), draws)
        drawn = (times @ sums[0]) / (times @ sums[1])
    fine = np.where(np.isfinite(drawn), drawn, np.nan)
    nothing = np.isnan(fine).all(0)
    low, high = np.nanpercentile(np.where(nothing, 0, fine), [2.5, 97.5], axis=0)
    low, high = (np.where(nothing | np.isnan(mean), math.nan, x) for x in (low, high))
    return np.stack([mean, low, high], -1)


def as_interval(row) -> Interval:
    """A row of `intervals` as plain numbers."""
    mean, low, high = map(float, row)
    return mean, low, high


class Parts(NamedTuple):
    """Values of one output by whose they are."""

    past: np.ndarray  # [windows]
    near: np.ndarray  # [windows, slots], of neighbours
    mask: np.ndarray  # the same, bool, where there is one
    agent: np.ndarray | None  # [windows], of the control agent
    there: np.ndarray | None  # the same, bool, whether it is a player


def parts(found: Attribution, control: bool, output: str | None = None) -> Parts:
    """Values of the past, of neighbours, and of the control agent in the last slot.

    Args:
      control: there is one.
      output: of which; the first by default.
    """
    number = 0 if output is None else found.outputs.index(output)
    values, mask = found.values[..., number], found.mask
    if not control:
        return Parts(values[:, 0], values[:, 1:], mask[:, 1:], None, None)
    last, there = values[:, -1], mask[:, -1]
    return Parts(values[:, 0], values[:, 1:-1], mask[:, 1:-1], last, there)


def sis_of(found: Attribution, control: bool, output: str | None = None) -> np.ndarray:
    """The social interaction score of each window `[windows]`; arguments as of `parts`."""
    own = parts(found, control, output)
    return social_interaction_score(own.near, own.mask)


def has_control(random: Attribution, real: Attribution, control: bool) -> bool:
    """Whether random agents have a control agent among them, as the real ones."""
    return control and random.mask.shape[1] == real.mask.shape[1]


def summarise(
    real: Attribution,
    random: Attribution | None,
    windows: Windows,
    *,
    control: bool = True,
    output: str | None = None,
    seed: int = 0,
    block: int = AWAY,
) -> Scores:
    """Scores over windows with intervals by recording or stretch of time.

    Args:
      real: values of the windows as they are.
      random: of the same windows with random agents as neighbours
        (`windows.with_random_neighbours`), best with a control agent, too: what is
        shared is then shared by as many. None leaves their scores out.
      windows: that were attributed, in the same order.
      control: the last slot of `real` is a random agent (`windows.with_random_agent`);
        it is no neighbour.
      output: name of what is attributed; the first by default.
      seed: of the bootstrap.
      block: frames of a stretch that is resampled as one where recordings are few.
    """
    columns = _columns(real, random, control, output)
    nothing = np.zeros(len(real.values))
    pairs = [columns.get(name, (nothing, nothing)) for name in Scores._fields]
    above, below = (
        np.stack([np.asarray(pair[i], float) for pair in pairs], 1) for i in (0, 1)
    )
    found = intervals(above, below, clusters(windows, block=block), seed=seed)
    return Scores(*map(as_interval, found))


def _columns(real, random, control, output) -> dict:
    """Two columns `[windows]` for each score that is known, whose sums are divided."""
    own, sis = parts(real, control, output), sis_of(real, control, output)
    one, count = np.ones(len(sis)), own.mask.sum(1)
    total = np.where(own.mask, own.near, 0).sum(1)
    columns = {
        "sis": (sis, one),
        "past": (own.past, one),
        "neighbour_mean": (total, count),
        "ratio": (sis, own.past),
    }
    if own.agent is not None and own.there is not None:
        columns["random_agent"] = np.where(own.there, own.agent, 0), own.there
    if random is not None:
        second = has_control(random, real, control)
        them, other = parts(random, second, output), sis_of(random, second, output)
        columns["sis_random"], columns["delta_sis"] = (other, one), (sis - other, one)
        gain = total - np.where(them.mask, them.near, 0).sum(1)
        columns["delta_mean"] = gain, count
    return columns


def ignores(scores: Scores) -> bool:
    """Whether values of neighbours, and of random agents where there are, are all 0."""
    known = scores.sis, scores.sis_random, scores.neighbour_mean, scores.random_agent
    size = max(1e-9, abs(scores.past[0])) * ZERO
    flat = [x for interval in known for x in interval if not math.isnan(x)]
    return bool(flat) and max(map(abs, flat)) <= size


def verdict(scores: Scores) -> str:
    """One line: whether the model uses neighbours on this data.

    By the difference of SIS from that among random agents, or by that of mean values: a
    largest value also grows with how much values scatter, and those of random agents, who
    mislead a model that looks at neighbours, scatter more.
    """
    (mean, low, high), (typical, least, most) = scores.delta_sis, scores.delta_mean
    shown = f"delta-SIS {mean:.3g} [{low:.3g}, {high:.3g}]"
    if ignores(scores):
        return "The model ignores neighbours on this data: the values of all of them are 0."
    beyond = f"a neighbour minus a random agent {typical:.3g} [{least:.3g}, {most:.3g}]"
    if math.isnan(low):
        return (
            f"Cannot say whether neighbours are used: delta-SIS {mean:.3g} without an "
            "interval; attribute random neighbours, too, and more than one recording or "
            "stretch of 20 s."
        )
    if low > 0 or least > 0:
        share = ""
        if scores.past[0] > 0:
            share = f", SIS is {scores.ratio[0]:.0%} of the past"
        return f"The model uses neighbours on this data: {shown}, {beyond}{share}."
    if high < 0:
        return (
            "The model does not profit from neighbours on this data: the strongest is "
            f"worth less than the strongest of random agents, {shown}; {beyond}."
        )
    return (
        "Neighbours cannot be told apart from random agents on this data: "
        f"{shown} contains 0; {beyond}."
    )
