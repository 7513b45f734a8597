"""Generated agents, as many of them under influence as asked, and who influences whom.

Everybody walks at a steady pace and turns at random moments, which nobody's past foretells.
Some follow another: they walk its path, turn by turn, some frames later, so its past tells
their next steps and their own past does not. Some avoid another: they start on a course
that meets it and turn away as long as they would. The others ignore everybody. Influence
never goes in circles, and at dial 0 all agents are independent and alike.
"""

from typing import NamedTuple

import numpy as np

from iclr22 import errors
from iclr22.data.registry import Dataset, Info
from iclr22.data.tracks import Fold, Tracks, sort_tracks, split_tracks

ROLES = ("ignore", "follow", "avoid")
SHARES = (0.6, 0.3)  # who follow, who avoid at dial 1; the first of a scene ignores all
DT = 0.4  # seconds
PACE = (0.4, 0.6)  # metres a frame, from and to
TURNS = (0.12, 0.6)  # chance a frame, deviation in radians
SWAY = 0.03  # deviation of the heading's change in every frame, radians
SPREAD = 4.0  # metres from the middle at which agents start, at most
LAG = 7  # frames by which followers are late
BESIDE = 0.3  # metres, deviation of a follower's path from the leader's
MEET = (10, 20)  # frames from the start after which courses would meet, from and to
AHEAD = 5  # frames that those who avoid look ahead
CLEAR = 2.5  # metres they want to keep
SWERVE = 0.7  # radians a frame, at most
RADIUS = 50.0  # metres: all are neighbours


class Influence(NamedTuple):
    """What is known about generated agents.

    Attributes:
      leader: int32 `[recordings, agents]`, whom an agent follows or avoids; -1: nobody.
      role: int32 `[recordings, agents]`, index into `ROLES`; -1 where there is no agent.
    """

    leader: np.ndarray
    role: np.ndarray


class _Walk(NamedTuple):
    """Motion of agents, some frames before the first that is shown included."""

    turn: np.ndarray  # [scenes, agents, frames], radians, by chance or to avoid
    sway: np.ndarray  # [scenes, agents, frames], radians
    heading: np.ndarray  # [scenes, agents, frames], radians
    xy: np.ndarray  # [scenes, agents, frames, 2]
    pace: np.ndarray  # [scenes, agents]


def simulate_tracks(
    dial: float = 1.0,
    scenes: int = 400,
    agents: tuple[int, int] = (3, 5),
    frames: int = 26,
    seed=0,
) -> tuple[Tracks, Influence]:
    """Tracks of scenes of agents, and who influences whom.

    The same seed gives the same chance events for every dial: who is influenced at a low
    one is so at a higher one.

    Args:
      dial: from 0, nobody is influenced, to 1: as many as `SHARES` says. It is the share
        of agents that changes, so that what neighbours tell grows in proportion.
      agents: fewest and most in a scene.
      frames: of a scene, 0.4 s apart.
      seed: number or `numpy.random.Generator`.

    Raises:
      errors.InputError: a dial outside [0, 1], no scene or agent, a scene of no frames.
    """
    low, high = agents
    if not (0 <= dial <= 1 and scenes >= 1 and 1 <= low <= high and frames >= 2):
        raise errors.InputError(
            "expected a dial from 0 to 1, a scene or more, 1 <= fewest <= most agents and "
            f"2 frames or more; found {dial}, {scenes}, {agents} and {frames}."
        )
    rng = np.random.default_rng(seed)
    shape = scenes, high
    there = np.arange(high) < rng.integers(low, high + 1, scenes)[:, None]
    role = 1 + (rng.random(shape) < SHARES[1] / sum(SHARES))
    role *= there & (rng.random(shape) < dial * sum(SHARES))
    role[:, 0] = 0
    leader = (rng.random(shape) * np.arange(high)).astype(int)
    walk = _start(rng, *shape, LAG + frames)
    meet = rng.integers(*MEET, shape)
    beside = BESIDE * rng.standard_normal((*shape, 2))
    for agent in range(1, high):
        whom = leader[:, agent]
        _follow(walk, agent, whom, role[:, agent] == 1, beside[:, agent])
        _avoid(walk, agent, whom, role[:, agent] == 2, meet[:, agent])
    truth = Influence(
        np.where(role > 0, leader, -1).astype(np.int32),
        np.where(there, role, -1).astype(np.int32),
    )
    return _tracks(walk.xy[:, :, LAG:], there), truth


def _start(rng, scenes, agents, frames):
    """Agents that ignore each other."""
    shape = scenes, agents, frames
    turn = TURNS[1] * rng.standard_normal(shape) * (rng.random(shape) < TURNS[0])
    sway = SWAY * rng.standard_normal(shape)
    start = rng.uniform(-np.pi, np.pi, shape[:2])
    heading = start[..., None] + (turn + sway).cumsum(axis=-1)
    pace = rng.uniform(*PACE, shape[:2])
    xy = _steps(heading, pace).cumsum(axis=2)
    start = rng.uniform(-SPREAD, SPREAD, (*shape[:2], 1, 2))
    return _Walk(turn, sway, heading, xy - xy[:, :, LAG : LAG + 1] + start, pace)


def _steps(heading, pace):
    way = np.stack([np.cos(heading), np.sin(heading)], axis=-1)
    return pace[..., None, None] * way


def _follow(walk, agent, whom, active, beside):
    """Let an agent of the scenes `active` walk the path of `whom [scenes]`, `LAG` later
    and `beside [scenes, 2]` it.

    Chance turns are the leader's, the sway stays its own.
    """
    leader = _Walk(*(array[np.arange(len(whom)), whom] for array in walk))
    late = np.concatenate([walk.turn[:, agent, :LAG], leader.turn[:, :-LAG]], axis=1)
    turned = (late + walk.sway[:, agent]).cumsum(axis=1)
    turned += (leader.heading[:, 0] - turned[:, LAG])[:, None]
    xy = _steps(turned, leader.pace).cumsum(axis=1)
    xy += (leader.xy[:, 0] + beside - xy[:, LAG])[:, None]
    bent = late, walk.sway[:, agent], turned, xy, leader.pace
    for array, new in zip(walk, bent, strict=True):
        array[active, agent] = new[active]


def _avoid(walk, agent, whom, active, meet):
    """Let an agent of the scenes `active` start on a course that meets `whom [scenes]`
    after `meet` frames, and turn away in time."""
    turn, pace = walk.turn[:, agent].copy(), walk.pace[:, agent]
    heading, xy = walk.heading[:, agent].copy(), walk.xy[:, agent].copy()
    other = walk.xy[np.arange(len(whom)), whom]
    own = _steps(heading[:, LAG : LAG + 1], pace)[:, 0]
    step = other[:, LAG] - other[:, LAG - 1]
    course = other[:, LAG] + meet[:, None] * (step - own)
    xy += (course - xy[:, LAG])[:, None]
    for now in range(LAG, xy.shape[1] - 1):
        pair = slice(now - 1, now + 1)
        turn[:, now + 1] += _swerve(xy[:, pair], other[:, pair])
        heading[:, now + 1] = (
            heading[:, now] + turn[:, now + 1] + walk.sway[:, agent, now + 1]
        )
        step = _steps(heading[:, now + 1 : now + 2], pace)[:, 0]
        xy[:, now + 1] = xy[:, now] + step
    bent = turn, walk.sway[:, agent], heading, xy, pace
    for array, new in zip(walk, bent, strict=True):
        array[active, agent] = new[active]


def _swerve(own, other):
    """Turn `[scenes]` away from an agent that would come too near on a straight course.

    Both are `[scenes, 2, 2]`, positions a frame ago and now.
    """
    apart = (other - own)[:, 1]
    closing = apart - (other - own)[:, 0]
    when = -(apart * closing).sum(1) / np.maximum((closing**2).sum(1), 1e-9)
    miss = apart + np.clip(when, 0, AHEAD)[:, None] * closing
    near = np.maximum(1 - np.linalg.norm(miss, axis=1) / CLEAR, 0) * (when > 0)
    step = own[:, 1] - own[:, 0]
    side = step[:, 0] * apart[:, 1] - step[:, 1] * apart[:, 0]
    return -np.where(side >= 0, 1, -1) * SWERVE * np.sqrt(near)


def _tracks(xy, there):
    """Tracks of positions `[scenes, agents, frames, 2]` of the agents that are there."""
    scene, agent = np.nonzero(there)
    frames = xy.shape[2]
    columns = np.repeat(scene, frames), np.repeat(agent, frames)
    time = np.tile(np.arange(frames), len(scene))
    names = tuple(f"scene {number}" for number in range(len(xy)))
    xy = xy[there].reshape(-1, 2)
    return sort_tracks(
        Tracks(*columns, time, xy, 0 * time, names, ("agent",), DT, RADIUS)
    )


# Registry


def load_crowd(data_dir: str | None = None) -> Fold:
    """The generated agents at dial 1, always the same; needs no file."""
    del data_dir
    return split_tracks(simulate_tracks(1.0)[0])


def synthetic(rng: np.random.Generator, size: int) -> Fold:
    """About `size` windows, of 6 scenes or more."""
    return split_tracks(simulate_tracks(1.0, max(6, size // 28), seed=rng)[0])


DATASETS = {
    "crowd": Dataset(
        load_crowd,
        synthetic,
        Info(
            "400 generated scenes of 3 to 5 agents who follow, avoid or ignore each other",
            (),
            "Apache-2.0, as the package",
            "Drawn by iclr22.data.simulated_tracks.",
            notes="`simulate_tracks` says who influences whom, at any strength.",
        ),
    )
}
