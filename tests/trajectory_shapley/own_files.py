"""Files of a user of trajectory Shapley, small, under the names that README.md uses."""

import csv
import pathlib
import shutil

import numpy as np

SCENES, AGENTS, FRAMES, SECONDS = 3, 4, 40, 0.4
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
    rows = []
    for scene in range(SCENES):
        for agent in range(AGENTS):
            start, velocity = rng.uniform(-5, 5, 2), rng.normal(size=2)
            noise = 0.05 * rng.normal(size=(FRAMES, 2))
            for frame in range(FRAMES):
                place = start + SECONDS * frame * velocity + noise[frame]
                rows.append([f"s{scene}", 10 * frame, f"a{agent}", *np.round(place, 3)])
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["scene", "frame", "agent", "x", "y"], *rows])
