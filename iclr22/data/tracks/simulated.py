"""Generated agents, as many of them under influence as asked, and who influences whom.

Everybody wanders: velocities are first-order autoregressions, so the own past tells the
next steps only in part. Followers walk their leader's path some frames later: where a
leader is now they will be then, which their own past does not tell. Those who avoid another
start near it and are pushed away while it is near. The others ignore everybody. Influence
never goes in circles, and at dial 0 all agents are independent and alike.
"""

from typing import NamedTuple

import numpy as np

from iclr22 import errors
from iclr22.data.registry import Dataset, Info
from iclr22.data.tracks import Fold, Tracks, sort_tracks, split_tracks

ROLES = ("ignore", "follow", "avoid")
SHARES = (0.7, 0.2)  # who follow, who avoid at dial 1; the first of a scene ignores all
DT = 0.4  # seconds
SPEED = 1.0  # metres a second, deviation of each coordinate of the velocity
MEMORY = 0.8  # of velocities, from frame to frame
LAG = 6  # frames by which followers are late
BESIDE = 0.15  # metres, deviation of a follower's path from the leader's
NEAR = 2.0  # metres, deviation of where those who avoid start beside whom they avoid
PUSH = 3.0  # metres a second squared, away from whoever is avoided, at no distance
REACH = 1.5  # metres over which the push falls by a factor e
SPREAD = 20.0  # metres from the middle at which the others start, at most
RADIUS = 100.0  # metres: all are neighbours


class Influence(NamedTuple):
    """What is known about generated agents.

    Attributes:
      leader: int32 `[recordings, agents]`, whom an agent follows or avoids; -1: nobody.
      role: int32 `[recordings, agents]`, index into `ROLES`; -1 where there is no agent.
    """

    leader: np.ndarray
    role: np.ndarray


def simulate_tracks(
    dial: float = 1.0,
    scenes: int = 400,
    agents: tuple[int, int] = (3, 4),
    frames: int = 26,
    seed: int | np.random.Generator = 0,
) -> tuple[Tracks, Influence]:
    """Tracks of scenes of agents, and who influences whom.

    The same seed gives the same chance events for every dial: who is influenced at a low
    one is so at a higher one.

    Args:
      dial: from 0, nobody is influenced, to 1: as many as `SHARES` says. It is the share
        of agents that changes, so that what neighbours tell grows in proportion.
      agents: fewest and most in a scene.
      frames: of a scene, 0.4 s apart.
      seed: a number, or a generator to draw from.

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
    role = there * (1 + (rng.random(shape) < SHARES[1] / sum(SHARES)))
    role *= rng.random(shape) < dial * sum(SHARES)
    role[:, 0] = 0
    leader = (rng.random(shape) * np.arange(high)).astype(int)
    velocity = _wander(rng, (*shape, LAG + frames, 2))
    start = rng.uniform(-SPREAD, SPREAD, (*shape, 2))
    beside = rng.standard_normal((*shape, 2))
    xy = _walk(velocity, start)
    for agent in range(1, high):
        whom = np.arange(scenes), leader[:, agent]
        late = xy[whom][:, :-LAG] + BESIDE * beside[:, agent, None]
        late = np.concatenate([late[:, :1].repeat(LAG, 1), late], 1)
        away = _avoid(velocity[:, agent], xy[whom], NEAR * beside[:, agent])
        options = xy[:, agent], late, away
        xy[:, agent] = np.choose(role[:, agent, None, None], options)
    truth = Influence(
        np.where(role > 0, leader, -1).astype(np.int32),
        np.where(there, role, -1).astype(np.int32),
    )
    return _tracks(xy[:, :, LAG:], there), truth


def _wander(rng, shape):
    """Velocities `[scenes, agents, frames, 2]`, stationary."""
    noise = SPEED * rng.standard_normal(shape)
    noise[:, :, 1:] *= np.sqrt(1 - MEMORY**2)
    for now in range(1, shape[2]):
        noise[:, :, now] += MEMORY * noise[:, :, now - 1]
    return noise


def _walk(velocity, start):
    """Positions `[..., frames, 2]` of agents that are at `start` in the first frame."""
    return start[..., None, :] + DT * (velocity.cumsum(-2) - velocity[..., :1, :])


def _avoid(velocity, other, beside):
    """Positions `[scenes, frames, 2]` of agents that start `beside` another in frame `LAG`
    and are pushed away from it, `other [scenes, frames, 2]`, while it is near."""
    xy = _walk(velocity, other[:, LAG] + beside)
    xy += (other[:, LAG] + beside - xy[:, LAG])[:, None]
    extra = np.zeros_like(beside)
    for now in range(LAG, xy.shape[1] - 1):
        apart = xy[:, now] - other[:, now]
        far = np.linalg.norm(apart, axis=1, keepdims=True)
        force = PUSH * np.exp(-far / REACH) * apart / np.maximum(far, 1e-6)
        extra = MEMORY * extra + DT * force
        xy[:, now + 1] = xy[:, now] + DT * (velocity[:, now + 1] + extra)
    return xy


def _tracks(xy, there):
    """Tracks of positions `[scenes, agents, frames, 2]` of the agents that are there."""
    scene, agent = np.nonzero(there)
    frames = xy.shape[2]
    time = np.tile(np.arange(frames), len(scene))
    return sort_tracks(
        Tracks(
            recording=np.repeat(scene, frames),
            agent=np.repeat(agent, frames),
            frame=time,
            xy=xy[there].reshape(-1, 2),
            kind=np.zeros(len(time), np.int32),
            names=tuple(f"scene {number}" for number in range(len(xy))),
            kinds=("agent",),
            dt=DT,
            radius=RADIUS,
        )
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
            "400 generated scenes of 3 or 4 agents who follow, avoid or ignore each other",
            (),
            "Apache-2.0, as the package",
            "Drawn by iclr22.data.tracks.simulated.",
            notes="`simulate_tracks` says who influences whom, at any strength.",
        ),
    )
}
