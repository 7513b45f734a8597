"""Files of a user of trajectory Shapley, small, under the names that README.md uses."""

import csv
import pathlib
import shutil

import numpy as np

SCENES, AGENTS, FRAMES = 3, 4, 100
RESULTS = pathlib.Path(__file__).parents[2] / "experiments" / "trajectory_shapley"
PREDICTOR = '''
import numpy as np


def predict(history, neighbours, mask, kind, neighbour_kind):
    """Goes on as before, and a little as its neighbours do."""
    steps = 0.4 * np.arange(1, 13)[:, None]
    others = neighbours[:, :, -1, 2:4] * mask[..., None]
    pull = others.sum(1) / np.maximum(mask.sum(1, keepdims=True), 1)
    mean = steps * (history[:, -1, 2:4] + 0.1 * pull)[:, None]
    cov = (0.1 + steps**2)[:, :, None] * np.eye(2)
    return {
        "mix_logits": np.zeros((len(mean), 1)),
        "mean": mean[:, None],
        "cov": np.broadcast_to(cov, (len(mean), 1, 12, 2, 2)),
    }
'''


def write(folder):
    """Tracks, later ones, a predictor, results of two runs."""
    rng = np.random.default_rng(0)
    _tracks(folder / "tracks.csv", rng)
    _tracks(folder / "new.csv", rng)
    (folder / "mymodule.py").write_text(PREDICTOR)
    for name in ("a.csv", "b.csv"):
        shutil.copyfile(RESULTS / "results.csv", folder / name)


def _tracks(path, rng):
    """Agents walk in circles around each other."""
    rows = []
    for scene in range(SCENES):
        for agent in range(AGENTS):
            angle = rng.uniform(0, 6) + 0.2 * np.arange(FRAMES)
            places = (1 + agent) * np.stack([np.cos(angle), np.sin(angle)], axis=1)
            places += 0.03 * rng.normal(size=places.shape)
            for frame, place in enumerate(np.round(places, 3)):
                rows.append([f"s{scene}", frame, f"a{agent}", *place])
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["scene", "frame", "agent", "x", "y"], *rows])
