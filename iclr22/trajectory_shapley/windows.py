"""Windows of tracks: what a predictor sees of a target and of its neighbours, and when.

Section 2.4b of the sheet. Nothing of an input is computed from a frame after the present
one: differences go backwards, and what a first row does not tell yet is 0 as if missing.
"""

from typing import NamedTuple

import numpy as np

from iclr22 import errors
from iclr22.data import tracks as track_lib
from iclr22.data.events import chunks, ranges
from iclr22.data.tracks import Tracks, positions

AWAY = 50  # frames between a window and a random agent of the same recording, 20 s


class Windows(NamedTuple):
    """Targets at a present time t with their neighbours; states are `[..., 6]`: position,
    velocity and acceleration, in the unit of the tracks and seconds.

    Attributes:
      history: float32 `[windows, history, 6]`, the target up to t; positions minus the one
        at t.
      future: float32 `[windows, horizon, 2]`, positions after t minus the one at t.
      neighbours: float32 `[windows, slots, history, 6]`, minus the target's whole state at
        t, nearest first; 0 where a neighbour was not there or is not one.
      mask: bool `[windows, slots]`, whether a slot holds a neighbour.
      kind: int32 `[windows]`, of the target.
      neighbour_kind: int32 `[windows, slots]`, 0 without a neighbour.
      current: float32 `[windows, 6]`, state at t. Positions are those of the recording
        without its mean, which no predictor may have: it depends on later frames.
      recording, frame, agent: int32 `[windows]`, as in the tracks; frame is t.
      neighbour_agent: int32 `[windows, slots]`, -1 without one or for a random agent.
    """

    history: np.ndarray
    future: np.ndarray
    neighbours: np.ndarray
    mask: np.ndarray
    kind: np.ndarray
    neighbour_kind: np.ndarray
    current: np.ndarray
    recording: np.ndarray
    frame: np.ndarray
    agent: np.ndarray
    neighbour_agent: np.ndarray


# Building


def build_windows(
    tracks: Tracks,
    *,
    history: int = 8,
    horizon: int = 12,
    radius: float | None = None,
    neighbours: int | None = None,
) -> Windows:
    """All windows of tracks with a full past and future, in the order of the rows.

    Every agent of a target kind is a target at every t with `history - 1` earlier and
    `horizon` later rows in consecutive frames. Its neighbours are the other agents that
    are there at t within the radius.

    Args:
      radius: distance at t; that of the tracks if None.
      neighbours: most slots, the nearest are kept; as many as occur if None.

    Raises:
      errors.InputError: no window fits; a history below 2 or a horizon below 1.
    """
    if history < 2 or horizon < 1 or (neighbours is not None and neighbours < 0):
        raise errors.InputError(
            "expected a history of 2 frames or more, a horizon of 1 or more and no "
            f"negative number of neighbours; found {history}, {horizon}, {neighbours}."
        )
    xy = positions.single(tracks.recording, tracks.agent, tracks.xy)
    tracks = tracks._replace(xy=xy)
    since, until = _places(tracks)
    states = _states(tracks, since)
    rows = _targets(tracks, since, until, history, horizon)
    radius = tracks.radius if radius is None else radius
    pairs = _neighbours(tracks, rows, radius, neighbours)
    here = states[rows]
    past = states[rows[:, None] + np.arange(1 - history, 1)]
    past[..., :2] -= here[:, None, :2]
    later = tracks.xy[rows[:, None] + np.arange(1, horizon + 1)]
    slots = _fill_slots(tracks, states, since, rows, pairs, history)
    here[:, :2] -= _means(tracks)[tracks.recording[rows]]
    return Windows(
        history=past,
        future=later - tracks.xy[rows][:, None],
        kind=tracks.kind[rows],
        current=here,
        recording=tracks.recording[rows],
        frame=tracks.frame[rows],
        agent=tracks.agent[rows],
        **slots,
    )


def _targets(tracks, since, until, history, horizon):
    """Rows that are the present of a window; an error if there is none."""
    fits = (since >= history - 1) & (until >= horizon) & _is_target(tracks)
    rows = np.flatnonzero(fits)
    if not len(rows):
        longest = (since + until).max(initial=-1) + 1
        raise errors.InputError(
            f"expected agents seen for at least {history + horizon} consecutive frames, "
            f"history + horizon = {history} + {horizon}; the longest run has {longest}. "
            "Bring longer tracks, or ask for a shorter history or horizon."
        )
    return rows


def _places(tracks):
    """Rows before and after each in its run of consecutive frames, int `[rows]`, twice."""
    begins = track_lib.runs(tracks)
    starts = np.flatnonzero(begins)
    number = np.cumsum(begins) - 1
    place = np.arange(len(begins)) - starts[number]
    length = np.diff(np.append(starts, len(begins)))
    return place, length[number] - 1 - place


def _states(tracks, since):
    """Position, velocity, acceleration `[rows, 6]`; the first of a run is repeated."""
    found = np.zeros((len(since), 6), np.float32)
    found[:, :2] = tracks.xy
    first = np.flatnonzero((since[:-1] == 0) & (since[1:] == 1))
    for order in (2, 4):
        lower = found[:, order - 2 : order]
        found[1:, order : order + 2] = np.diff(lower, axis=0) / np.float32(tracks.dt)
        found[since == 0, order : order + 2] = 0
        found[first, order : order + 2] = found[first + 1, order : order + 2]
    return found


def _is_target(tracks):
    wanted = [not tracks.targets or kind in tracks.targets for kind in tracks.kinds]
    return np.array(wanted)[tracks.kind]


def _means(tracks):
    """Mean position `[recordings, 2]`."""
    size = len(tracks.names)
    count = np.maximum(np.bincount(tracks.recording, minlength=size), 1)
    sums = [np.bincount(tracks.recording, x, size) for x in tracks.xy.T.astype(float)]
    return (np.stack(sums, axis=1) / count[:, None]).astype(np.float32)


def _neighbours(tracks, rows, radius, most):
    """Window, slot and row of every neighbour, three arrays `[pairs]`."""
    order = np.lexsort((tracks.agent, tracks.frame, tracks.recording))
    recording, frame = tracks.recording[order], tracks.frame[order]
    begins = np.ones(len(order), bool)
    begins[1:] = (np.diff(recording) != 0) | (np.diff(frame) != 0)
    starts = np.append(np.flatnonzero(begins), len(order))
    scene = np.empty(len(order), np.int64)  # all who share recording and frame
    scene[order] = np.cumsum(begins) - 1
    start, stop = starts[scene[rows]], starts[scene[rows] + 1]
    found = []
    for part in chunks(stop - start):
        window, place = ranges(start[part], stop[part])
        window, other = window + part.start, order[place]
        apart = tracks.xy[other] - tracks.xy[rows[window]]
        distance = np.hypot(*apart.T)
        keep = (distance <= radius) & (other != rows[window])
        found.append((window[keep], other[keep], distance[keep]))
    window, other, distance = map(np.concatenate, zip(*found, strict=True))
    nearest = np.lexsort((tracks.agent[other], distance, window))
    window, other = window[nearest], other[nearest]
    slot = np.arange(len(window)) - np.searchsorted(window, window)
    keep = slot < (len(slot) if most is None else most)
    return window[keep], slot[keep], other[keep]


def _fill_slots(tracks, states, since, rows, pairs, history):
    """The fields of `Windows` that are about neighbours."""
    window, slot, other = pairs
    shape = len(rows), slot.max(initial=-1) + 1
    back = np.arange(1 - history, 1)
    there = since[other][:, None] >= -back
    seen = states[np.maximum(other[:, None] + back, 0)] - states[rows[window]][:, None]
    seen[~there] = 0
    seen[since[other] == 0, -1, 2:] = 0  # one row tells no velocity without the next
    found = {
        "neighbours": np.zeros((*shape, history, 6), np.float32),
        "mask": np.zeros(shape, bool),
        "neighbour_kind": np.zeros(shape, np.int32),
        "neighbour_agent": np.full(shape, -1, np.int32),
    }
    columns = seen, True, tracks.kind[other], tracks.agent[other]
    for array, column in zip(found.values(), columns, strict=True):
        array[window, slot] = column
    return found


# Parts, distances, batches


def select(windows: Windows, index) -> Windows:
    """The windows at `index`, numbers or bool `[windows]`."""
    return Windows(*(column[index] for column in windows))


def distance(windows: Windows) -> np.ndarray:
    """How far neighbours are at t, float32 `[windows, slots]`; inf without one."""
    apart = np.linalg.norm(windows.neighbours[:, :, -1, :2], axis=-1)
    return np.where(windows.mask, apart, np.float32(np.inf))


def fit_slots(windows: Windows, slots: int) -> Windows:
    """The same windows with exactly this many slots of neighbours: the nearest are kept,
    empty ones are added, so that all scenes have one shape."""

    def fitted(x, fill=0):
        x = x[:, :slots]
        width = [(0, 0), (0, slots - x.shape[1])] + [(0, 0)] * (x.ndim - 2)
        return np.pad(x, width, constant_values=fill)

    changed = {
        name: fitted(getattr(windows, name))
        for name in ("neighbours", "mask", "neighbour_kind")
    }
    agent = fitted(windows.neighbour_agent, -1)
    return windows._replace(neighbour_agent=agent, **changed)


def to_batch(windows: Windows, *, seeds: bool = False) -> dict:
    """Windows as a batch of the models, with `seed [batch]` for draws if wanted."""
    names = ("history", "future", "neighbours", "mask", "kind", "neighbour_kind")
    batch = {name: np.asarray(getattr(windows, name)) for name in names}
    if seeds:
        batch["seed"] = np.arange(len(windows.mask), dtype=np.int32)
    return batch


def evenly(count: int, most: int) -> np.ndarray:
    """At most `most` of the numbers below `count`, evenly spaced."""
    most = min(count, most)
    return (
        np.round(np.linspace(0, count - 1, most)).astype(int) if most else np.arange(0)
    )


def sample_windows(windows: Windows, most: int) -> Windows:
    """At most this many windows with a neighbour, evenly over recordings and time."""
    chosen = np.flatnonzero(windows.mask.any(1))
    if not len(chosen):
        raise errors.InputError(
            f"expected windows with a neighbour; none of {len(windows.mask):,} has one. "
            "Give a larger --radius, or recordings with several agents at a time."
        )
    keys = (windows.agent, windows.frame, windows.recording)
    chosen = chosen[np.lexsort([key[chosen] for key in keys])]
    return select(windows, chosen[evenly(len(chosen), most)])


def random_batch(rng, size: int, *, spread: float) -> dict:
    """A batch of the smallest windows for the shared tests: four frames, two slots.

    Args:
      spread: deviation of neighbours' states.
    """
    history = rng.normal(0, 0.3, (size, 4, 6)).astype(np.float32)
    history[:, -1, :2] = 0
    neighbours = rng.normal(0, spread, (size, 2, 4, 6)).astype(np.float32)
    mask = np.ones((size, 2), bool)
    mask[:, 1] = rng.random(size) < 0.5
    return {
        "history": history,
        "neighbours": neighbours * mask[..., None, None],
        "mask": mask,
        "weight": np.ones(size, np.float32),
    }
