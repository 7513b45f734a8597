"""Random agents: neighbours that have nothing to do with a window, as controls.

Each is a neighbour of another window: as far away and in the same direction as from that
window's target, moving as it did.
"""

import numpy as np

from iclr22 import errors
from iclr22.trajectory_shapley.windows import AWAY, Windows


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
