"""Values of many windows by group, over time, and one by one, as columns of tables."""

import numpy as np

from iclr22.data.tracks import Tracks, given_frames
from iclr22.trajectory_shapley import scores
from iclr22.trajectory_shapley.attribute import Attribution
from iclr22.trajectory_shapley.scores import Interval
from iclr22.trajectory_shapley.windows import AWAY, Windows, distance


def by_distance(
    real: Attribution,
    windows: Windows,
    *,
    edges=None,
    unit: str = "m",
    control: bool = True,
    output: str | None = None,
    block: int = AWAY,
) -> dict[str, Interval]:
    """Mean value of neighbours by their distance at t, with intervals.

    Args:
      edges: of bins, ascending; quartiles of the distances by default.
      unit: shown in the names.
      control, output: as of `scores.parts`; block: as of `scores.summarise`.
    """
    apart = distance(windows)
    mask = scores.parts(real, control).mask
    apart = apart[:, : mask.shape[1]]
    if edges is None:
        edges = np.quantile(apart[mask], np.linspace(0, 1, 5)) if mask.any() else [0, 1]
        edges[-1] = np.nextafter(edges[-1], np.inf)  # the farthest belongs to the last
    group = np.where(mask, np.digitize(apart, edges) - 1, -1)
    names = [
        f"{a:.3g}-{b:.3g} {unit}" for a, b in zip(edges[:-1], edges[1:], strict=True)
    ]
    return _by_group(real, windows, group, names, control, output, block)


def by_kind(
    real: Attribution,
    windows: Windows,
    kinds: tuple[str, ...],
    *,
    control: bool = True,
    output: str | None = None,
    block: int = AWAY,
) -> dict[str, Interval]:
    """Mean value of neighbours of the target's kind, and of other kinds by name.

    Args:
      kinds: names, as in `Tracks`.
      control, output: as of `scores.parts`; block: as of `scores.summarise`.
    """
    near = windows.neighbour_kind
    group = np.where(near == windows.kind[:, None], 0, 1 + near)
    return _by_group(
        real, windows, group, ["same kind", *kinds], control, output, block
    )


def _by_group(real, windows, group, names, control, output, block):
    own = scores.parts(real, control, output)
    near, mask = own.near, own.mask
    group = np.where(mask, group[:, : mask.shape[1]], -1)
    member = group[..., None] == np.arange(len(names))
    above = np.where(member, near[..., None], 0).sum(1)
    found = scores.intervals(
        above, member.sum(1), scores.clusters(windows, block=block)
    )
    return {
        name: scores.as_interval(row)
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
    sis, other = scores.sis_of(real, control, output), None
    if random is not None:
        second = scores.has_control(random, real, control)
        other = scores.sis_of(random, second, output)
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
    own = scores.parts(real, control, output)
    near, mask = own.near, own.mask
    sis = np.where(mask.any(1), scores.sis_of(real, control, output), -np.inf)
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
        "frame": given_frames(tracks, recording, windows.frame[window]),
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
