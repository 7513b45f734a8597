"""Positions of agents over time: what tracks are, how they are ordered, cut and checked.

Loaders return `Tracks`, data sets of the registry a `Fold` of three. Time is counted in
frames that are `dt` apart. The parts of a fold number recordings alike.
"""

from typing import NamedTuple

import numpy as np

from iclr22 import errors
from iclr22.data import checks
from iclr22.data.tracks import positions


class Tracks(NamedTuple):
    """Positions of agents over time; rows are sorted by recording, agent, frame.

    Attributes:
      recording: int32 `[rows]`, index into names; no window reaches into another.
      agent: int32 `[rows]`, number of the agent within the recording.
      frame: int32 `[rows]`; consecutive frames are dt apart.
      xy: float32 `[rows, 2]`, in `unit`.
      kind: int32 `[rows]`, index into kinds.
      names: of recordings, those without rows included.
      kinds: of agents, such as ("ball", "home", "guest").
      dt: seconds between frames.
      radius: who is nearer than that is a neighbour; in `unit`.
      unit: of positions.
      targets: kinds whose motion is to be predicted; all if empty.
      agents: original names of agents, a tuple per recording, or empty.
      clock: first frame and step of each recording as in the user's file,
        `((first, step), ...)`, or empty where `frame` counts as there.
    """

    recording: np.ndarray
    agent: np.ndarray
    frame: np.ndarray
    xy: np.ndarray
    kind: np.ndarray
    names: tuple[str, ...]
    kinds: tuple[str, ...]
    dt: float
    radius: float
    unit: str = "m"
    targets: tuple[str, ...] = ()
    agents: tuple = ()
    clock: tuple = ()


class Fold(NamedTuple):
    """What a predictor is trained, stopped and tested on."""

    train: Tracks
    valid: Tracks
    test: Tracks


def sort_tracks(tracks: Tracks) -> Tracks:
    """The same rows in the order of `Tracks`, in its types; see `positions.single`.

    Raises:
      errors.InputError: two rows of an agent in a frame, or a position that is not finite.
    """
    order = np.lexsort((tracks.frame, tracks.agent, tracks.recording))
    recording, agent, frame, xy, kind = (np.asarray(x)[order] for x in tracks[:5])
    xy = positions.single(recording, agent, xy)
    whole = (x.astype(np.int32) for x in (recording, agent, frame))
    columns = [*whole, xy, kind.astype(np.int32)]
    found = tracks._replace(**dict(zip(Tracks._fields, columns, strict=False)))
    _check_rows(found)
    return found


def _check_rows(tracks):
    bad = ~np.isfinite(tracks.xy).all(axis=1)
    if bad.any():
        raise errors.InputError(
            f"{describe_row(tracks, bad.argmax())}: expected finite coordinates; found "
            f"{tracks.xy[bad.argmax()].tolist()}. Correct or remove the row."
        )
    ids = np.stack(tracks[:3])
    same = (ids[:, 1:] == ids[:, :-1]).all(axis=0)
    if same.any():
        place = same.argmax()
        raise errors.InputError(
            f"{describe_row(tracks, place)}: expected one position of an agent in a "
            f"frame; found {tracks.xy[place].tolist()} and "
            f"{tracks.xy[place + 1].tolist()}. Remove one, or give two agents two names."
        )


def describe_row(tracks: Tracks, row: int) -> str:
    """Where a row belongs, for errors."""
    recording, agent = tracks.recording[row], tracks.agent[row]
    name = tracks.agents[recording][agent] if tracks.agents else agent
    scene = tracks.names[recording]
    frame = given_frames(tracks, recording, tracks.frame[row])
    return f"scene {scene}, agent {name}, frame {frame}"


def given_frames(tracks: Tracks, recording, frame) -> np.ndarray:
    """Frames `[n]` of recordings `[n]` by the numbers that they had in the user's file."""
    if not tracks.clock:
        return np.asarray(frame)
    first, step = np.array(tracks.clock, np.int64)[recording].T
    return (np.asarray(frame) - first // step) * step + first


def select_tracks(tracks: Tracks, keep) -> Tracks:
    """The rows where `keep` (bool `[rows]`) holds; names and numbers stay."""
    columns = {name: getattr(tracks, name)[keep] for name in Tracks._fields[:5]}
    return tracks._replace(**columns)


def fold_of(tracks: Tracks, *, valid, test) -> Fold:
    """A fold by rows: `valid` and `test` are bool `[rows]`, the rest is for training."""
    return Fold(
        train=select_tracks(tracks, ~valid & ~test),
        valid=select_tracks(tracks, valid),
        test=select_tracks(tracks, test),
    )


def runs(tracks: Tracks) -> np.ndarray:
    """bool `[rows]`: whether a row begins a run of consecutive frames of an agent."""
    recording, agent, frame = tracks[:3]
    begins = np.ones(len(frame), bool)
    begins[1:] = (
        (np.diff(recording) != 0) | (np.diff(agent) != 0) | (np.diff(frame) != 1)
    )
    return begins


def check_tracks(tracks: Tracks, history: int = 8, horizon: int = 12) -> None:
    """Refuse tracks with a scene that no window fits into.

    Args:
      history: frames of a window up to the present one.
      horizon: frames of a window after it.

    Raises:
      errors.InputError: a scene that spans fewer frames than history + horizon.
    """
    need, short = history + horizon, []
    for number in np.unique(tracks.recording):
        frames = tracks.frame[tracks.recording == number]
        if np.ptp(frames) + 1 < need:
            short.append(f"{tracks.names[number]} ({np.ptp(frames) + 1} frames)")
    if short or not len(tracks.frame):
        raise errors.InputError(
            f"expected scenes of at least {need} frames, history + horizon = {history} + "
            f"{horizon}; found {checks.few(short) or 'no rows'}. Remove such scenes, join "
            "them with what comes next, or ask for a shorter history or horizon."
        )


def split_tracks(tracks: Tracks, valid: float = 0.15, test: float = 0.2) -> Fold:
    """A fold by scene, or by time where there are too few scenes to give each part one.

    Scenes are spread evenly: with test = 0.2 about every fifth is a test scene. By time
    the last share of frames of every scene is for testing, the one before for validation.

    Raises:
      errors.InputError: shares that leave nothing for a part.
    """
    if not (valid > 0 and test > 0 and valid + test < 1):
        raise errors.InputError(
            "expected shares valid and test above 0 and below 1 together; found "
            f"{valid} and {test}."
        )
    scenes = np.unique(tracks.recording)
    n = len(scenes)
    sizes = max(1, round(valid * n)), max(1, round(test * n))
    if n < 3 or n - sum(sizes) < 1:
        return _split_by_time(tracks, valid, test)
    part = np.zeros(n, int)
    part[((np.arange(sizes[1]) + 0.5) * n / sizes[1]).astype(int)] = 2
    rest = np.flatnonzero(part == 0)
    part[rest[((np.arange(sizes[0]) + 0.5) * len(rest) / sizes[0]).astype(int)]] = 1
    by_row = part[np.searchsorted(scenes, tracks.recording)]
    return fold_of(tracks, valid=by_row == 1, test=by_row == 2)


def _split_by_time(tracks, valid, test):
    part = np.zeros(len(tracks.frame), int)
    for number in np.unique(tracks.recording):
        rows = tracks.recording == number
        frame = tracks.frame[rows]
        share = (frame - frame.min()) / (np.ptp(frame) + 1)
        part[rows] = np.digitize(share, [1 - valid - test, 1 - test])
    return fold_of(tracks, valid=part == 1, test=part == 2)
