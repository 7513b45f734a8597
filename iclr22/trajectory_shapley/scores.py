"""What values of many windows say: scores with intervals, groups, times, tables.

The social interaction score (SIS, section 2.3) is the mean over windows of the largest
value of a neighbour. A largest of noisy zeros is positive, so it is compared with the same
score among random agents: their difference is what tells whether neighbours are used.
Windows overlap, so intervals are bootstrapped over recordings or stretches of time.
"""

import math
from typing import NamedTuple

import numpy as np

from iclr22.data.tracks import Tracks
from iclr22.trajectory_shapley.attribute import Attribution
from iclr22.trajectory_shapley.windows import AWAY, Windows, distance

FEW = 5  # recordings below which stretches of them are resampled instead
DRAWS = 2000  # of the bootstrap
NONE = (math.nan, math.nan, math.nan)


class Scores(NamedTuple):
    """Each `(mean, low, high)` with a 95 % interval; nan where there is nothing to say."""

    sis: tuple[float, float, float]  # largest value of a neighbour, 0 without one
    sis_random: tuple[float, float, float]  # the same among random agents
    delta_sis: tuple[float, float, float]  # their difference, window by window
    delta_mean: tuple[float, float, float]  # mean neighbour minus mean random agent
    past: tuple[float, float, float]  # value of the own past
    neighbour_mean: tuple[float, float, float]  # of a neighbour, over all of them
    random_agent: tuple[float, float, float]  # of the control agent
    ratio: tuple[float, float, float]  # SIS / past


def social_interaction_score(values, mask) -> np.ndarray:
    """Largest value of a neighbour `[windows]`, 0 without neighbours (section 2.3).

    Args:
      values: `[windows, slots]`, of neighbours only: neither the past nor a random agent.
      mask: `[windows, slots]` bool, which slots are neighbours.
    """
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
    return np.unique(np.stack([recording, part]), axis=1, return_inverse=True)[
        1
    ].ravel()


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


def _parts(found: Attribution, control: bool, output):
    """Values of the past, of neighbours, their mask, of the control agent (or None)."""
    number = 0 if output is None else found.outputs.index(output)
    values, last = found.values[..., number], -1 if control else None
    agent = (values[:, -1], found.mask[:, -1]) if control else None
    return values[:, 0], values[:, 1:last], found.mask[:, 1:last], agent


def _others(real, random, control, output):
    """Values and mask of random agents; a control agent among them is left out, too."""
    same = random.mask.shape[1] == real.mask.shape[1]
    return _parts(random, control and same, output)[1:3]


def summarise(
    real: Attribution,
    random: Attribution | None,
    windows: Windows,
    *,
    control: bool = True,
    output: str | None = None,
    block: int = AWAY,
    seed: int = 0,
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
      block: frames of a stretch.
    """
    past, near, mask, agent = _parts(real, control, output)
    one, nothing = np.ones(len(past)), np.zeros(len(past))
    sis = social_interaction_score(near, mask)
    total = np.where(mask, near, 0).sum(1)
    unknown = dict.fromkeys(
        ("sis_random", "delta_sis", "delta_mean"), (nothing, nothing)
    )
    columns = unknown | {
        "sis": (sis, one),
        "past": (past, one),
        "neighbour_mean": (total, mask.sum(1)),
        "random_agent": (nothing, nothing)
        if agent is None
        else (np.where(agent[1], agent[0], 0), agent[1]),
        "ratio": (sis, past),
    }
    if random is not None:
        values, players = _others(real, random, control, output)
        other = social_interaction_score(values, players)
        columns["sis_random"], columns["delta_sis"] = (other, one), (sis - other, one)
        gain = total - np.where(players, values, 0).sum(1)
        columns["delta_mean"] = gain, mask.sum(1)
    above, below = (
        np.stack([np.asarray(columns[name][i], float) for name in Scores._fields], 1)
        for i in (0, 1)
    )
    found = intervals(above, below, clusters(windows, block=block), seed=seed)
    return Scores(*(tuple(map(float, row)) for row in found))


def verdict(scores: Scores) -> str:
    """One line: whether the model uses neighbours on this data.

    By the difference of SIS from that among random agents, or by that of mean values: a
    largest value also grows with how much values scatter, and those of random agents, who
    mislead a model that looks at neighbours, scatter more.
    """
    (mean, low, high), (typical, least, most) = scores.delta_sis, scores.delta_mean
    shown = f"delta-SIS {mean:.3g} [{low:.3g}, {high:.3g}]"
    beyond = f"a neighbour minus a random agent {typical:.3g} [{least:.3g}, {most:.3g}]"
    if math.isnan(low):
        return (
            f"Cannot say whether neighbours are used: delta-SIS {mean:.3g} without an "
            "interval; attribute random neighbours, too, and more than one recording or "
            "stretch of 20 s."
        )
    if low > 0 or least > 0:
        share = f", SIS is {scores.ratio[0]:.0%} of the past" * (scores.past[0] > 0)
        return f"The model uses neighbours on this data: {shown}, {beyond}{share}."
    if high < 0:
        return (
            "The model does not profit from neighbours on this data: the strongest is "
            f"worth less than the strongest of random agents, {shown}; {beyond}."
        )
    return f"The model ignores neighbours on this data: {shown} contains 0; {beyond}."


# Groups and time


def by_distance(
    real: Attribution, windows: Windows, *, edges=None, unit: str = "m", **options
) -> dict[str, tuple[float, float, float]]:
    """Mean value of neighbours by their distance at t, with intervals.

    Args:
      edges: of bins, ascending; quartiles of the distances by default.
      unit: shown in the names.
      options: `control`, `output`, `block`, `seed` of `summarise`.
    """
    apart = distance(windows)
    mask = _parts(real, options.get("control", True), options.get("output"))[2]
    apart = apart[:, : mask.shape[1]]
    if edges is None:
        edges = np.quantile(apart[mask], np.linspace(0, 1, 5)) if mask.any() else [0, 1]
        edges[-1] = np.nextafter(edges[-1], np.inf)  # the farthest belongs to the last
    group = np.where(mask, np.digitize(apart, edges) - 1, -1)
    names = [
        f"{a:.3g}-{b:.3g} {unit}" for a, b in zip(edges[:-1], edges[1:], strict=True)
    ]
    return _by_group(real, windows, group, names, **options)


def by_kind(
    real: Attribution, windows: Windows, kinds: tuple[str, ...], **options
) -> dict[str, tuple[float, float, float]]:
    """Mean value of neighbours of the target's kind, and of other kinds by name.

    Args:
      kinds: names, as in `Tracks`.
      options: as for `by_distance`.
    """
    near = windows.neighbour_kind
    group = np.where(near == windows.kind[:, None], 0, 1 + near)
    return _by_group(real, windows, group, ["same kind", *kinds], **options)


def _by_group(
    real, windows, group, names, *, control=True, output=None, block=AWAY, seed=0
):
    _, near, mask, _ = _parts(real, control, output)
    group = np.where(mask, group[:, : mask.shape[1]], -1)
    member = group[..., None] == np.arange(len(names))
    above = np.where(member, near[..., None], 0).sum(1)
    cluster = clusters(windows, block=block)
    found = intervals(above, member.sum(1), cluster, seed=seed)
    return {
        name: tuple(map(float, row))
        for name, row, count in zip(names, found, member.sum((0, 1)), strict=True)
        if count
    }


def over_time(
    real: Attribution,
    windows: Windows,
    names: tuple[str, ...],
    random: Attribution | None = None,
    *,
    control: bool = True,
    output: str | None = None,
) -> dict[str, tuple]:
    """Recording to `(frame [n], SIS [n], SIS among random agents [n] or None)`, means over
    the targets of a frame."""
    sis = social_interaction_score(*_parts(real, control, output)[1:3])
    other = None
    if random is not None:
        other = social_interaction_score(*_others(real, random, control, output))
    found = {}
    for number in np.unique(windows.recording).tolist():
        rows = np.flatnonzero(windows.recording == number)
        frame, which = np.unique(windows.frame[rows], return_inverse=True)
        count = np.bincount(which)
        curves = [
            None if x is None else np.bincount(which, x[rows]) / count
            for x in (sis, other)
        ]
        found[names[number]] = (frame, *curves)
    return found


# Tables


def local_table(
    real: Attribution,
    windows: Windows,
    tracks: Tracks,
    *,
    control: bool = True,
    output: str | None = None,
) -> dict[str, np.ndarray]:
    """Every value as columns of one length: scene, frame, agent, player, kind, distance,
    value, standard_error.

    The player is `past`, the neighbour's name or number, or `random agent`.
    """
    window, place = np.nonzero(real.mask)
    return _rows(real, windows, tracks, window, place, control, output)


def moments(
    real: Attribution,
    windows: Windows,
    tracks: Tracks,
    count: int = 10,
    *,
    control: bool = True,
    output: str | None = None,
) -> dict[str, np.ndarray]:
    """The most interactive moments, in the columns of `local_table`: windows with the
    largest value of a neighbour, and that neighbour. None overlaps another."""
    _, near, mask, _ = _parts(real, control, output)
    sis = np.where(mask.any(1), social_interaction_score(near, mask), -np.inf)
    span = windows.history.shape[1] + windows.future.shape[1]
    chosen: list[int] = []
    left = np.isfinite(sis)
    while left.any() and len(chosen) < count:
        top = int(np.argmax(np.where(left, sis, -np.inf)))
        chosen.append(top)
        near_by = np.abs(windows.frame - windows.frame[top]) < span
        left &= ~(near_by & (windows.recording == windows.recording[top]))
    window = np.array(chosen, int)
    slot = np.where(mask, near, -np.inf)[window].argmax(1) if chosen else window
    return _rows(real, windows, tracks, window, 1 + slot, control, output)


def _rows(real, windows, tracks, window, place, control, output):
    """Columns for players `place` (0 is the past) of windows."""
    number = 0 if output is None else real.outputs.index(output)
    slot = np.maximum(place - 1, 0)
    other = windows.neighbour_agent[window, slot]
    recording = windows.recording[window]
    player = _names(tracks, recording, other)
    player[other < 0] = "random agent"
    if control:
        player[place == real.mask.shape[1] - 1] = "random agent"
    player[place == 0] = "past"
    kinds = np.array(tracks.kinds, object)
    past = place == 0
    kind = np.where(past, windows.kind[window], windows.neighbour_kind[window, slot])
    apart = np.where(past, 0, distance(windows)[window, slot])
    return {
        "scene": np.array(tracks.names, object)[recording],
        "frame": windows.frame[window],
        "agent": _names(tracks, recording, windows.agent[window]),
        "player": player,
        "kind": kinds[kind],
        "distance": apart.astype(np.float64).round(4),
        "value": real.values[window, place, number],
        "standard_error": real.standard_error[window, place, number],
    }


def _names(tracks, recording, agent) -> np.ndarray:
    """Names of agents as in the user's file, else their numbers, as text `[rows]`."""
    found = np.array([str(a) for a in agent], object)
    if len(tracks.agents):
        pairs = zip(recording.tolist(), agent.tolist(), strict=True)
        names = [str(tracks.agents[r][a]) if a >= 0 else "" for r, a in pairs]
        found = np.array(names, object)
    return found.reshape(len(agent))
