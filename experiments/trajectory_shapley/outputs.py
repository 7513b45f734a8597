"""Figures of one attribution: a scene, the horizon, the course of time, groups."""

import jax
import numpy as np

from experiments import run as runner
from experiments.trajectory_shapley import games
from experiments.trajectory_shapley.games import Games
from iclr22.data.tracks import Tracks, given_frames
from iclr22.trajectory_shapley import artifact, figures, scenes, scores, tables
from iclr22.trajectory_shapley.artifact import Model
from iclr22.trajectory_shapley.metrics import Mixture
from iclr22.trajectory_shapley.windows import select


def unit_of(run: runner.Run, tracks: Tracks) -> str:
    """What values are in."""
    return "nats" if run.options.metric == "nll" else tracks.unit


def draw(run: runner.Run, found: Games, model: Model | None, tracks: Tracks) -> None:
    """All figures of one attribution."""
    valued = unit_of(run, tracks)
    control = found.control
    top = int(np.argmax(scores.sis_of(found.real, control=control)))
    where = tracks.names[found.windows.recording[top]]
    scenes.scene(
        run.figure(
            "scene", "The most interactive window: who improves its prediction."
        ),
        scene_of(found, top, tracks, model),
        title=f"{where}, frame {_frame(found.windows, top, tracks)}",
        unit=tracks.unit,
        valued=valued,
    )
    if any(name.startswith("nll@") for name in found.real.outputs):
        path = run.figure("horizon", "Contributions by predicted step.")
        figures.horizon(path, by_step(found), dt=tracks.dt)
    curves = tables.over_time(
        found.real, found.windows, tracks.names, found.random, control=control
    )
    longest = sorted(curves, key=lambda name: -len(curves[name][0]))
    path = run.figure("over_time", "The strongest neighbour's value in time.")
    curves = {name: curves[name] for name in longest}
    figures.over_time(path, curves, dt=tracks.dt, valued=valued)
    given = {"control": control, "block": games.frames_away(run)}
    groups = {
        "by distance": tables.by_distance(
            found.real, found.windows, unit=tracks.unit, **given
        )
    }
    if len(tracks.kinds) > 1:
        groups["by type"] = tables.by_kind(
            found.real, found.windows, tracks.kinds, **given
        )
    path = run.figure("groups", "Mean value of a neighbour by distance and type.")
    figures.breakdown(path, groups, valued=valued)


def _frame(windows, row, tracks: Tracks) -> int:
    """The present of a window as it is numbered in the user's file."""
    return int(given_frames(tracks, windows.recording[row], windows.frame[row]))


def by_step(found: Games) -> dict[str, np.ndarray]:
    """Mean contributions at every step: the past, SIS, mean neighbour, random agent."""
    steps = [i for i, name in enumerate(found.real.outputs) if name.startswith("nll@")]
    values, mask = found.real.values[..., steps], found.real.mask
    real = slice(1, -1 if found.control else None)
    near = mask[:, real, None]
    most = np.where(near, values[:, real], -np.inf).max(1)
    some = mask[:, real].any(1)
    total = np.where(near, values[:, real], 0).sum((0, 1))
    curves = {
        "past": values[:, 0].mean(0),
        "strongest neighbour": most[some].mean(0),
        "mean neighbour": total / max(near.sum(), 1),
    }
    return curves | ({"random agent": values[:, -1].mean(0)} if found.control else {})


def scene_of(found: Games, row: int, tracks: Tracks, model: Model | None = None):
    """What `scenes.scene` draws of one window."""
    given = select(found.windows, np.array([row]))
    shown = found.real.mask[row, 1:-1] if found.control else found.real.mask[row, 1:]
    slots = np.flatnonzero(shown)
    near = given.neighbours[0, slots]
    seen = (near != 0).any(-1, keepdims=True)  # missing rows are zeros
    drawn = {
        "history": given.history[0, :, :2],
        "future": given.future[0],
        "neighbours": np.where(seen, near[..., :2], np.nan),
        "values": found.real.values[row, np.append(0, 1 + slots), 0],
        "names": ["past", *(_name(given, slot, tracks) for slot in slots)],
    }
    predicted = artifact.predict(model, given) if model is not None else None
    if isinstance(predicted, Mixture):
        drawn["weight"] = np.asarray(jax.nn.softmax(predicted.logits[0]))
        drawn |= {"mean": predicted.mean[0], "cov": predicted.cov[0]}
    return drawn


def _name(given, slot, tracks):
    """A neighbour in words."""
    agent = int(given.neighbour_agent[0, slot])
    kind = tracks.kinds[given.neighbour_kind[0, slot]]
    name = tracks.agents[int(given.recording[0])][agent] if tracks.agents else agent
    return f"{kind if len(tracks.kinds) > 1 else 'agent'} {name}"
