"""Windows of a run, options of one training, and trained models."""

from typing import NamedTuple

import numpy as np

from experiments import run as runner
from iclr22 import data
from iclr22.data.tracks import Fold, Tracks
from iclr22.trajectory_shapley import artifact, pipeline
from iclr22.trajectory_shapley.artifact import Model
from iclr22.trajectory_shapley.windows import Windows, build_windows, fit_slots

REGISTERED = {"simulated": "crowd"}  # names here to names of the registry
QUICK_WINDOWS = 400


class Problem(NamedTuple):
    """Windows of a fold, all with equally many slots, and what they are made of."""

    data: pipeline.Data
    test: Windows
    tracks: Tracks  # of the test part; the names are of all


def load(run: runner.Run) -> Fold:
    """The fold of this run: a registered data set, or your tracks divided."""
    if run.own:
        tracks = own_tracks(run)
        data.check_tracks(tracks, run.options.history, horizon_of(run))
        return data.split_tracks(tracks)
    found = data.get(REGISTERED.get(run.dataset, run.dataset))
    if run.quick:
        return found.synthetic(np.random.default_rng(0), QUICK_WINDOWS)
    return found.load(run.data_dir)


def own_tracks(run: runner.Run) -> Tracks:
    """Your tracks, all of them."""
    options = run.options
    return data.load_own_tracks(
        options.tracks, dt=options.dt, radius=options.radius, unit=options.unit
    )


def horizon_of(run: runner.Run) -> int:
    """Frames that are predicted."""
    return run.options.models.trajectron.horizon


def problem_of(run: runner.Run, fold: Fold) -> Problem:
    """Windows of the three parts."""
    slots = run.options.neighbours
    parts = [
        build_windows(
            tracks,
            history=run.options.history,
            horizon=horizon_of(run),
            neighbours=slots,
        )
        for tracks in fold
    ]
    if run.own or run.quick:
        slots = max(1, *(x.mask.shape[1] for x in parts))
    train, valid, test = (fit_slots(x, slots) for x in parts)
    sizes = "/".join(f"{len(x.mask):,}" for x in parts)
    near = test.mask.sum(1)
    run.facts["windows"] = (
        f"{sizes} for training/validation/testing; {near.mean():.1f} neighbours per test "
        f"window, {100 * (near > 0).mean():.0f} % have one (at most {slots} are seen)"
    )
    tracks = fold.test
    return Problem(pipeline.Data(train, valid, tracks.kinds, tracks.dt), test, tracks)


def options_of(run: runner.Run, variant: str, training: str) -> pipeline.Options:
    """The options of one training."""
    return run.options.models._replace(variant=variant, training=training)


def setting_of(run: runner.Run, training: str) -> str:
    """How a model was trained, for the results."""
    return f"{training}, paper" if run.options.preset == "paper" else training


def plan(run: runner.Run, problem: Problem, cells) -> None:
    """Tell with which configurations the cells, each `(variant, training)`, train."""
    found = {
        f"{variant}-{training}": pipeline.config_of(
            options_of(run, variant, training), problem.data
        )
        for variant, training in cells
    }
    run.trains({name: config for name, config in found.items() if config is not None})


def fit(
    run: runner.Run, problem: Problem, variant: str, training: str, seed: int
) -> Model:
    """A trained model, from disk if it is there already."""
    name = f"{variant}-{training}-{seed}"
    path = run.path("models") / f"{name}.npz"
    if not path.exists():
        fitted = pipeline.train(
            problem.data,
            options_of(run, variant, training),
            directory=run.path("training") / name,
            seed=seed,
            mode=run.mode,
        )
        artifact.save(path, fitted.model)
    return artifact.load(path)
