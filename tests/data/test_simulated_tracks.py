"""Generated agents: what neighbours tell grows with the dial, and the truth is true."""

import numpy as np
import pytest

from iclr22 import data, errors
from iclr22.data.tracks import simulated as simulated_tracks
from iclr22.trajectory_shapley import windows as lib


def aligned(windows):
    """Histories, neighbours and futures `[windows, ...]`, targets heading along x."""
    angle = np.arctan2(*windows.history[:, -1, 3:1:-1].T)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    for x in (windows.history, windows.neighbours, windows.future):
        pairs = x.reshape(len(x), -1, 2)
        yield np.einsum("ijn,nkj->nki", turn, pairs).reshape(len(x), -1)


def explained(dial, seed=0):
    """Share of the future's variance that ridge regression gains by neighbours."""
    fold = data.split_tracks(simulated_tracks.simulate_tracks(dial, 600, seed=seed)[0])
    parts = [
        tuple(aligned(lib.build_windows(part))) for part in (fold.train, fold.test)
    ]
    left = []
    for width in (1, 2):
        (x, y), (x2, y2) = (
            (np.concatenate([p[0], *p[1:width], p[0][:, :1] * 0 + 1], 1), p[-1])
            for p in parts
        )
        scale = x.std(axis=0) + 1e-6
        x, x2 = x / scale, x2 / scale
        fit = np.linalg.solve(x.T @ x + 100 * np.eye(x.shape[1]), x.T @ y)
        left.append(((x2 @ fit - y2) ** 2).sum() / ((y2 - y.mean(0)) ** 2).sum())
    return left[0] - left[1]


def test_neighbours_tell_more_the_higher_the_dial():
    gains = [explained(dial) for dial in (0, 0.5, 1)]
    assert gains[0] < 0.005 and gains[1] > gains[0] + 0.01 and gains[2] > 0.05, gains


def test_truth_says_who_walks_whose_path():
    found, truth = simulated_tracks.simulate_tracks(1.0, 50, seed=4)
    assert truth.leader.shape == truth.role.shape == (50, 4)
    xy = np.full((50, 4, 26, 2), np.nan)
    xy[found.recording, found.agent, found.frame] = found.xy
    np.testing.assert_array_equal(truth.role >= 0, np.isfinite(xy[:, :, 0, 0]))
    assert ((truth.leader >= 0) == (truth.role > 0)).all()
    assert (truth.leader < np.arange(4)).all()
    scene, agent = np.nonzero(truth.role == 1)
    lag = simulated_tracks.LAG
    late = xy[scene, agent, lag:] - xy[scene, truth.leader[scene, agent], :-lag]
    apart = np.linalg.norm(late, axis=-1).mean()
    free = np.flatnonzero(truth.role[:, 1] != 1)
    wild = np.linalg.norm(xy[free, 1, lag:] - xy[free, 0, :-lag], axis=-1)
    assert len(scene) > 50 and apart < 0.8 < 4 < wild.mean()


def test_without_influence_nobody_leads_and_the_seed_repeats():
    found, truth = simulated_tracks.simulate_tracks(0.0, 20, seed=4)
    assert (truth.leader == -1).all() and (truth.role <= 0).all()
    again, _ = simulated_tracks.simulate_tracks(0.0, 20, seed=4)
    np.testing.assert_array_equal(found.xy, again.xy)
    half = simulated_tracks.simulate_tracks(0.5, 20, seed=4)[1].role > 0
    full = simulated_tracks.simulate_tracks(1.0, 20, seed=4)[1].role > 0
    assert (half <= full).all() and 0 < half.sum() < full.sum()
    with pytest.raises(errors.InputError, match="dial from 0 to 1"):
        simulated_tracks.simulate_tracks(1.5)
