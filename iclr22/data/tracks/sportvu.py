"""Basketball from SportVU game logs, as once published by stats.nba.com.

A log is JSON: `events`, each with `home`, `visitor` and `moments`; a moment is
`[quarter, unix milliseconds, game clock, shot clock, None, positions]`, positions eleven of
`[team, player, x, y, z]`, the ball's with team -1. 25 moments a second, feet.
"""

import json
import os
import pathlib
from collections.abc import Iterable

import numpy as np

from iclr22 import errors
from iclr22.data.encodings import short
from iclr22.data.tracks import Fold, Tracks, fold_of, sort_tracks
from iclr22.data.tracks.files import FEET

KINDS = "ball", "home", "guest"
AGENTS = (1, 5, 5)  # of these kinds
EVERY = 10  # of 25 moments a second is kept: frames 0.4 s apart
SECONDS = 9.0  # least length of an event
MOMENT = 0.04  # seconds
JUMP = 20.0  # milliseconds that moments may be off
SHARES = (0.70, 0.09, 0.21)  # of training, validation and testing


def load_sportvu(paths: Iterable[str | os.PathLike]) -> Fold:
    """Logs split in the order given, as the paper's shares: 70, 9 and 21 % of scenes.

    Raises:
      errors.InputError: see `read_sportvu`; fewer than three scenes.
    """
    tracks = read_sportvu(paths)
    n = len(tracks.names)
    if n < 3:
        raise errors.InputError(
            f"expected three events of play or more to split; found {n}. Add game logs."
        )
    first = min(max(round(SHARES[0] * n), 1), n - 2)
    second = min(max(round((SHARES[0] + SHARES[1]) * n), first + 1), n - 1)
    part = np.digitize(tracks.recording, [first, second])
    return fold_of(tracks, valid=part == 1, test=part == 2)


def read_sportvu(paths: Iterable[str | os.PathLike]) -> Tracks:
    """Tracks of every event of 9 s or more in which the same ten players are on court.

    What an event repeats of one before is left out, and events are cut where moments are
    missing; every tenth moment is kept. Agents are the ball, five of the home team and
    five guests, by number.

    Raises:
      errors.InputError: a file that is no such log, or no event that is long enough.
    """
    scenes, names = [], []
    for path in paths:
        for name, moments in _events(pathlib.Path(path).expanduser()):
            names.append(name)
            scenes.append(moments[::EVERY])
    if not scenes:
        raise errors.InputError(
            f"expected an event of {SECONDS:g} s or more with ten players throughout in "
            "the game logs; found none. Add game logs."
        )
    players = sum(AGENTS)
    sizes = [len(scene) for scene in scenes]
    rows = np.concatenate(scenes)  # [frames, 11, (player, x, y)]
    frames = np.concatenate([np.arange(size) for size in sizes])
    kind = np.repeat(np.arange(len(KINDS)), AGENTS)
    return sort_tracks(
        Tracks(
            recording=np.repeat(np.repeat(np.arange(len(sizes)), sizes), players),
            agent=np.tile(np.arange(players), len(rows)),
            frame=np.repeat(frames, players),
            xy=rows[..., 1:].reshape(-1, 2),
            kind=np.tile(kind, len(rows)),
            names=tuple(names),
            kinds=KINDS,
            dt=EVERY * MOMENT,
            radius=FEET,
            unit="ft",
            targets=KINDS[1:],
            agents=tuple(
                tuple(str(int(i)) for i in scene[0, :, 0]) for scene in scenes
            ),
        )
    )


def _events(path):
    """Name and moments `[moments, 11, 3]` (player, x, y) of every scene of a log."""
    seen = set()
    for number, event in enumerate(_read(path)):
        try:
            teams = event["home"]["teamid"], event["visitor"]["teamid"]
            moments = []
            for moment in event["moments"]:
                if (moment[0], moment[1]) not in seen:
                    seen.add((moment[0], moment[1]))
                    moments.append((moment[1], moment[5]))
            found = list(_pieces(moments, teams))
        except (LookupError, TypeError, ValueError, OverflowError) as error:
            raise errors.InputError(
                f"{path}, event {number}: expected home, visitor and moments as SportVU "
                f"has them; found {type(error).__name__}: {short(error)}. Get the file anew."
            ) from error
        for i, piece in enumerate(found):
            name = f"{path.stem}/{event.get('eventId', number)}"
            yield f"{name}.{i}" if i else name, piece


def _read(path):
    try:
        with open(path, encoding="utf-8") as stream:
            return list(json.load(stream)["events"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise errors.InputError(
            f"{path}: expected a SportVU game log, JSON with events; found "
            f"{type(error).__name__}: {short(error)}. Unpack the archive, or correct the path."
        ) from error


def _pieces(moments, teams):
    """Uninterrupted parts of an event that are long enough, if ten players stay."""
    least = round(SECONDS / MOMENT)
    full = all(len(positions) == sum(AGENTS) for _, positions in moments)
    if len(moments) < least or not full:
        return
    time = np.array([when for when, _ in moments], np.float64)
    table = np.array([positions for _, positions in moments], np.float64)
    team = np.select([table[..., 0] == teams[0], table[..., 0] == teams[1]], [1, 2], -1)
    team = np.where(table[..., 0] == -1, 0, team)
    order = np.lexsort((table[..., 1], team))
    table = np.take_along_axis(table, order[..., None], axis=1)[..., 1:4]
    team = np.take_along_axis(team, order, axis=1)
    expected = np.repeat(np.arange(len(KINDS)), AGENTS)
    same = (table[..., 0] == table[0, :, 0]).all() and (team == expected).all()
    if not same:
        return
    gaps = np.abs(np.diff(time) - 1000 * MOMENT) > JUMP
    for piece in np.split(table, np.flatnonzero(gaps) + 1):
        if len(piece) >= least:
            yield piece
