"""The user's own tracks: a table of scene, frame, agent and position."""

import os
from typing import NamedTuple

import numpy as np
from absl import logging

from iclr22 import errors
from iclr22.data import checks
from iclr22.data.tracks import Tracks, positions, sort_tracks

COLUMNS = "scene", "frame", "agent", "x", "y"
WHOLE = 1 << 31  # frames are below


class _Rows(NamedTuple):
    """Rows as read, and the names of what they number."""

    scene: np.ndarray  # [n]
    agent: np.ndarray  # [n]
    kind: np.ndarray  # [n]
    frame: np.ndarray  # [n] int64
    xy: np.ndarray  # [n, 2] float64
    where: np.ndarray  # [n], number of the line, or of the row in arrays
    names: tuple[tuple[str, ...], ...]  # of scenes, agents and kinds

    def take(self, order):
        """The rows in another order."""
        return self._replace(
            scene=self.scene[order],
            agent=self.agent[order],
            kind=self.kind[order],
            frame=self.frame[order],
            xy=self.xy[order],
            where=self.where[order],
        )


def load_own(
    path: str | os.PathLike,
    dt: float = 0.4,
    radius: float = 3.0,
    unit: str = "m",
    *,
    targets: tuple[str, ...] = (),
) -> Tracks:
    """Tracks from a table or arrays; rows may come in any order.

    Frames may count in any constant step (1, 10, 12), each scene in its own: it is found
    and divided out. Where an agent is missing for some steps, its track is cut there.

    Args:
      path: a .csv with the columns `scene`, `frame` (whole numbers), `agent`, `x`, `y` and
        if wanted `type`; or a .npz with arrays `[n]` of these names.
      dt: seconds between two frames that follow each other.
      radius: who is nearer than that is a neighbour.
      unit: of x, y and radius. With `deg` x is longitude and y latitude; they become
        metres around the middle of each scene, and radius is in metres.
      targets: types whose motion is to be predicted; all if empty.

    Raises:
      errors.InputError: a missing file, column or value, a coordinate that is not finite,
        two rows of an agent in a frame, time steps that are uneven; with the line;
        positions that look like degrees and are not said to be.
    """
    path = checks.existing(path, f"a table with the columns {', '.join(COLUMNS)}")
    if not (0 < dt < np.inf and radius > 0):
        raise errors.InputError(
            f"expected dt and radius above 0; found dt {dt} and radius {radius}."
        )
    arrays = path.suffix.lower() == ".npz"
    rows = _read_arrays(path) if arrays else _read_table(path)
    order = np.lexsort((rows.frame, rows.agent, rows.scene))
    rows = rows.take(order)
    frame, clock = _count(path, "row" if arrays else "line", rows)
    agent, agents = _number_agents(rows)
    xy, unit = positions.of(path, rows.scene, agent, rows.xy, unit)
    kinds = rows.names[2]
    for name in set(targets).difference(kinds):
        raise errors.nearest(name, kinds, "type of agents")
    return sort_tracks(
        Tracks(
            recording=rows.scene,
            agent=agent,
            frame=frame,
            xy=xy,
            kind=rows.kind,
            names=rows.names[0],
            kinds=kinds,
            dt=float(dt),
            radius=float(radius),
            unit=unit,
            targets=tuple(targets),
            agents=agents,
            clock=clock,
        )
    )


# Reading


def _read_table(path):
    scenes, agents, kinds, blocks = {}, {}, {}, []
    for lines, columns in checks.read_table(path, COLUMNS):
        types = columns.get("type", ("agent",) * len(lines))
        frame, x, y = (
            _floats(path, lines, name, columns[name]) for name in ("frame", "x", "y")
        )
        blocks.append(
            (
                checks.number_names(path, lines, "scene", columns["scene"], scenes),
                checks.number_names(path, lines, "agent", columns["agent"], agents),
                checks.number_names(path, lines, "type", types, kinds),
                _whole(path, "line", lines, frame),
                np.stack([x, y], axis=1),
                np.array(lines),
            )
        )
    if not blocks:
        raise errors.InputError(
            f"{path}: expected a row for every agent and frame; found none. Add rows."
        )
    scene, agent, kind, frame, xy, where = map(
        np.concatenate, zip(*blocks, strict=True)
    )
    scene, scene_names = checks.in_order(scene, scenes)
    agent, agent_names = checks.in_order(agent, agents)
    kind, kind_names = checks.in_order(kind, kinds)
    names = scene_names, agent_names, kind_names
    names = tuple(tuple(x.tolist()) for x in names)
    return _Rows(scene, agent, kind, frame, xy, where, names)


def _read_arrays(path):
    found = checks.read_npz(path)
    for name in COLUMNS:
        if name not in found:
            raise errors.InputError(
                f"{path}: expected arrays {', '.join(COLUMNS)} and if wanted type; found "
                f"{checks.few(sorted(found)) or 'none'}, not {name}. Add it."
            )
    n = found["scene"].size
    if not n:
        raise errors.InputError(f"{path}: expected rows; found arrays of length 0.")
    found.setdefault("type", np.full(n, "agent"))
    found = {key: checks.shaped(path, found, key, "n", n=n) for key in found}
    where = np.arange(n)
    for key in ("frame", "x", "y"):
        checks.real(path, key, found[key])
    frame, x, y = (found[key].astype(np.float64) for key in ("frame", "x", "y"))
    (scene, scenes), (agent, agents), (kind, kinds) = (
        _number(found[key]) for key in ("scene", "agent", "type")
    )
    frame = _whole(path, "row", where, frame)
    names = scenes, agents, kinds
    return _Rows(scene, agent, kind, frame, np.stack([x, y], axis=1), where, names)


def _number(array):
    """Numbers of labels, and the labels in order."""
    known, number = np.unique(array.astype(str), return_inverse=True)
    number, known = checks.in_order(number, known)
    return number, tuple(known.tolist())


def _floats(path, lines, name, cells):
    """Finite float64 of cells; `checks.numbers` says which are none."""
    try:
        found = np.fromiter(map(float, cells), np.float64, len(cells))
    except ValueError:
        found = np.full(len(cells), np.nan)
    if not np.isfinite(found).all():
        checks.numbers(path, lines, {name: cells})
    return found


def _whole(path, unit, where, frames):
    bad = (frames != np.round(frames)) | (np.abs(frames) >= WHOLE)
    if bad.any():
        place = bad.argmax()
        raise errors.InputError(
            f"{path}, {unit} {where[place]}, frame: expected a whole number, frames are "
            f"counted; found {frames[place]}. Divide times by their step and round."
        )
    return frames.astype(np.int64)


# Frames and agents


def _count(path, unit, rows):
    """Frames in steps of 1 `[n]` of sorted rows, and first frame and step by scene."""
    ids = np.stack([rows.scene, rows.agent])
    same = (ids[:, 1:] == ids[:, :-1]).all(axis=0)
    gaps = np.diff(rows.frame)
    place = np.flatnonzero(same & (gaps == 0))
    if len(place):
        i = place[0]
        raise errors.InputError(
            f"{path}, {unit}s {rows.where[i]} and {rows.where[i + 1]}: expected one row of "
            f"an agent in a frame; found two of {_name(rows, i)} in frame {rows.frame[i]}. "
            "Remove one, or give two agents two names."
        )
    steps = _steps(rows, same, gaps)
    firsts = np.full(len(rows.names[0]), WHOLE)
    np.minimum.at(firsts, rows.scene, rows.frame)
    first, step = firsts[rows.scene], steps[rows.scene]
    if len(np.unique(steps)) > 1:
        told = [f"{n} {s}" for n, s in zip(rows.names[0], steps.tolist(), strict=True)]
        logging.info(
            "%s: scenes count frames in different steps (%s); in each, frames one step "
            "apart are dt apart",
            path,
            checks.few(told),
        )
    off = np.flatnonzero((rows.frame - first) % step)
    if len(off):
        i = off[0]
        raise errors.InputError(
            f"{path}, {unit} {rows.where[i]}: expected even time steps, frames of a scene "
            f"{step[i]} apart or a multiple of it, as most rows are; found frame "
            f"{rows.frame[i]} of {_name(rows, i)}, where the scene begins at {first[i]}. "
            "Resample the tracks to one step."
        )
    frame = (rows.frame - first) // step + first // step
    return frame, tuple(zip(firsts.tolist(), steps.tolist(), strict=True))


def _steps(rows, same, gaps) -> np.ndarray:
    """The commonest step between rows of an agent, by scene; of all where there is none.

    Args:
      same: bool `[n - 1]`, whether two rows are of one agent; gaps: their steps.
    """
    scene, gaps = rows.scene[1:][same], gaps[same]
    pairs, counts = np.unique(np.stack([scene, gaps]), axis=1, return_counts=True)
    sizes, total = np.unique(gaps, return_counts=True)
    usual = int(sizes[total.argmax()]) if len(sizes) else 1
    steps = np.full(len(rows.names[0]), usual, np.int64)
    order = np.argsort(counts, kind="stable")  # the commonest is written last
    steps[pairs[0, order]] = pairs[1, order]
    return steps


def _name(rows, i):
    scenes, agents, _ = rows.names
    return f"agent {agents[rows.agent[i]]}, scene {scenes[rows.scene[i]]}"


def _number_agents(rows):
    """Numbers within the scene `[n]`, and a tuple of names for every scene."""
    many = len(rows.names[1])
    pairs, number = np.unique(rows.scene * many + rows.agent, return_inverse=True)
    starts = np.searchsorted(pairs, np.arange(len(rows.names[0]) + 1) * many)
    names = [rows.names[1][i] for i in (pairs % many).tolist()]
    of_scene = [tuple(names[a:b]) for a, b in zip(starts[:-1], starts[1:], strict=True)]
    return number - starts[rows.scene], tuple(of_scene)
