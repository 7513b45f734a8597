"""Windows of tracks: what a predictor sees of a target and of its neighbours, and when.

Section 2.4b of the sheet. Nothing of an input is computed from a frame after the present
one: differences go backwards, and what a first row does not tell yet is 0 as if missing.
"""

from typing import NamedTuple

import numpy as np

from iclr22 import errors
from iclr22.data import tracks as track_lib
from iclr22.data.events import chunks, ranges
from iclr22.data.tracks import Tracks

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
    since, until = _places(tracks)
    states = _states(tracks, since)
    fits = (since >= history - 1) & (until >= horizon) & _is_target(tracks)
    rows = np.flatnonzero(fits)
    if not len(rows):
        longest = (since + until).max(initial=-1) + 1
        raise errors.InputError(
            f"expected agents seen for at least {history + horizon} consecutive frames, "
            f"history + horizon = {history} + {horizon}; the longest run has {longest}. "
            "Bring longer tracks, or ask for a shorter history or horizon."
        )
    radius = tracks.radius if radius is None else radius
    pairs = _neighbours(tracks, rows, radius, neighbours)
    here = states[rows]
    past = states[rows[:, None] + np.arange(1 - history, 1)]
    past[..., :2] -= here[:, None, :2]
    later = tracks.xy[rows[:, None] + np.arange(1, horizon + 1)]
    slots = _fill_slots(tracks, states, since, rows, pairs, history)
    here[:, :2] -= _means(tracks)[tracks.recording[rows]]
    of_target = (tracks.recording[rows], tracks.frame[rows], tracks.agent[rows])
    return Windows(
        history=past,
        future=later - tracks.xy[rows][:, None],
        kind=tracks.kind[rows],
        current=here,
        **dict(zip(("recording", "frame", "agent"), of_target, strict=True)),
        **slots,
    )


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


# Parts and distances


def select(windows: Windows, index) -> Windows:
    """The windows at `index`, numbers or bool `[windows]`."""
    return Windows(*(column[index] for column in windows))


def distance(windows: Windows) -> np.ndarray:
    """How far neighbours are at t, float32 `[windows, slots]`; inf without one."""
    apart = np.linalg.norm(windows.neighbours[:, :, -1, :2], axis=-1)
    return np.where(windows.mask, apart, np.float32(np.inf))


# Random agents


def with_random_agent(
    windows: Windows, pool: Windows, seed, *, away: int = AWAY
) -> Windows:
    """One more last slot in every window: an agent that has nothing to do with it.

    It is a neighbour of a window of the pool, of another recording: as far away and in
    the same direction as from that window's target, moving as it did. Its kind is that of
    one of the window's own neighbours, drawn.

    Args:
      pool: windows whose recordings are numbered as those of `windows`.
      seed: number or `numpy.random.Generator`.
      away: frames between, where there is one recording only (20 s at 0.4 s).

    Raises:
      errors.InputError: no such neighbour is in the pool.
    """
    rng = np.random.default_rng(seed)
    n = len(windows.mask)
    kind = _some_kind(rng, windows, pool)
    window, slot = _draw(rng, windows, np.arange(n), kind, pool, away)
    added = {
        "neighbours": _pasted(windows, np.arange(n), pool, window, slot),
        "mask": np.ones(n, bool),
        "neighbour_kind": pool.neighbour_kind[window, slot],
        "neighbour_agent": np.full(n, -1, np.int32),
    }
    join = {
        name: np.concatenate([getattr(windows, name), column[:, None]], axis=1)
        for name, column in added.items()
    }
    return windows._replace(**join)


def with_random_neighbours(
    windows: Windows, pool: Windows, seed, *, away: int = AWAY
) -> Windows:
    """Every neighbour is replaced by a random one; see `with_random_agent`.

    All neighbours of a window come from one window of the pool that has as many of each
    kind, so that they are among themselves as neighbours are; only where there is none
    such, one by one and by kind.
    """
    rng = np.random.default_rng(seed)
    place, number = np.nonzero(windows.mask)
    order, others = _by_kind(windows), _by_kind(pool)
    nth = np.argsort(order, 1)[place, number]
    source = _draw_sets(rng, windows, pool, away)[place]
    slot = others[source, np.minimum(nth, others.shape[1] - 1)]
    alone = np.flatnonzero(source < 0)
    if len(alone):
        kind = windows.neighbour_kind[place[alone], number[alone]]
        drawn = _draw(rng, windows, place[alone], kind, pool, away)
        source[alone], slot[alone] = drawn
    states, kinds = windows.neighbours.copy(), windows.neighbour_kind.copy()
    states[place, number] = _pasted(windows, place, pool, source, slot)
    kinds[place, number] = pool.neighbour_kind[source, slot]
    agents = np.full_like(windows.neighbour_agent, -1)
    return windows._replace(
        neighbours=states, neighbour_kind=kinds, neighbour_agent=agents
    )


def _by_kind(windows):
    """Slots `[windows, slots]` by kind of neighbour, empty ones last."""
    last = 1 + windows.neighbour_kind.max(initial=0)
    kind = np.where(windows.mask, windows.neighbour_kind, last)
    return np.argsort(kind, 1, kind="stable")


def _draw_sets(rng, windows, pool, away):
    """A window of the pool `[windows]` with as many neighbours of each kind, of a target
    of the same kind, elsewhere as in `_draw`; -1 where there is none."""
    kinds = 1 + max(x.neighbour_kind.max(initial=0) for x in (windows, pool))
    counts = [
        np.stack(
            [
                *((x.mask & (x.neighbour_kind == k)).sum(1) for k in range(kinds)),
                x.kind,
            ],
            1,
        )
        for x in (windows, pool)
    ]
    _, group = np.unique(np.concatenate(counts), axis=0, return_inverse=True)
    asked, theirs = np.split(group.ravel(), [len(windows.mask)])
    low = min(windows.frame.min(initial=0), pool.frame.min(initial=0))
    asked = asked, windows.recording, windows.frame - low
    theirs = theirs, pool.recording, pool.frame - low
    drawn = np.full(len(windows.mask), -1)
    for apart in (0, away):
        left = np.flatnonzero(drawn < 0)
        drawn[left] = _pick(rng, theirs, tuple(x[left] for x in asked), apart)
    return drawn


def _some_kind(rng, windows, pool):
    """Kind of one of a window's neighbours, of one in the pool if it has none, `[n]`."""
    mask = windows.mask
    there = pool.neighbour_kind[pool.mask]
    if not len(there):
        return np.zeros(len(mask), np.int32)
    kind = rng.choice(there, len(mask))
    some = np.flatnonzero(mask.any(axis=1))
    if not len(some):
        return kind
    slot = np.where(mask[some], rng.random((len(some), mask.shape[1])), -1).argmax(1)
    kind[some] = windows.neighbour_kind[some, slot]
    return kind


def _pasted(windows, rows, pool, window, slot):
    """States `[rows, time, 6]` of neighbours of the pool beside other targets.

    Each is where it was from its own target, and moves as it did: its velocity and
    acceleration are its own, minus those of the target it comes to, as for a neighbour
    that is there. Otherwise agents that ignore each other could be told from random ones.
    """
    states = pool.neighbours[window, slot].copy()
    change = pool.current[window, 2:] - windows.current[rows, 2:]
    there = (states != 0).any(-1, keepdims=True)
    states[..., 2:] += np.where(there, change[:, None], 0)
    return states


def _draw(rng, windows, rows, kind, pool, away):
    """Window and slot in the pool of one foreign neighbour for each of `rows`.

    Wanted are neighbours of the kind asked for, of targets of the same kind and of another
    recording. Where there is none, the same recording serves `away` frames before or
    after, then any kinds.
    """
    place = np.nonzero(pool.mask)
    low = min(windows.frame.min(initial=0), pool.frame.min(initial=0))
    theirs = pool.recording[place[0]], pool.frame[place[0]] - low
    own = windows.recording[rows], windows.frame[rows] - low
    kinds = 1 + max(x.max(initial=0) for x in (kind, pool.neighbour_kind))
    group = pool.kind[place[0]] * kinds + pool.neighbour_kind[place]
    wanted = windows.kind[rows] * kinds + kind
    drawn = np.full(len(rows), -1)
    for same in (1, 0):
        for apart in (0, away):
            left = np.flatnonzero(drawn < 0)
            asked = (same * wanted[left], *(column[left] for column in own))
            drawn[left] = _pick(rng, (same * group, *theirs), asked, apart)
    if (drawn < 0).any():
        raise errors.InputError(
            "expected, in the pool of random agents, a neighbour from another recording "
            f"or {away} frames away for every window; found none for "
            f"{len(np.unique(rows[drawn < 0]))} of {len(windows.mask)} windows among "
            f"{len(group)} neighbours. Bring a pool of more windows."
        )
    return place[0][drawn], place[1][drawn]


def _pick(rng, theirs, asked, apart):
    """A number into `theirs` for each that is asked for, -1 where nothing fits.

    Both are group, recording and frame. Sorted by these, what fits is a group without the
    range that is too near: all frames of the recording, or those less than `apart` away.
    """
    if not len(theirs[0]) or not len(asked[0]):
        return np.full(len(asked[0]), -1)
    sizes = [1 + max(a.max(), b.max()) for a, b in zip(theirs, asked, strict=True)][1:]

    def key(group, recording, frame):
        return (np.int64(group) * sizes[0] + recording) * sizes[1] + frame

    keys = key(*theirs)
    order = np.argsort(keys, kind="stable")
    group, recording, frame = asked
    near, far = (frame - apart + 1, frame + apart) if apart else (0, sizes[1])
    bounds = (
        key(group, 0, 0),
        key(group, recording, np.maximum(near, 0)),
        key(group, recording, np.minimum(far, sizes[1])),
        key(group + 1, 0, 0),
    )
    start, first, last, stop = (np.searchsorted(keys[order], x) for x in bounds)
    size = stop - start - (last - first)
    number = start + (rng.random(len(group)) * size).astype(np.int64)
    number += np.where(number >= first, last - first, 0)
    return np.where(size > 0, order[np.minimum(number, len(order) - 1)], -1)


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
