"""Options of the trajectory experiment: what is trained is what config.json says."""

import json
import types

import helpers
import numpy as np
import pytest
from track_helpers import random_params, some_windows

from experiments import options as option_lib
from experiments.trajectory_shapley.experiment import EXPERIMENT
from iclr22 import data, errors, loop
from iclr22.trajectory_shapley import pecnet, pipeline, trajectron

SCALES = ("position_scale", "velocity_scale", "acceleration_scale")
PUBLISHED = {  # what the paper's preset changes, all data sets alike
    "edge_frame": "state",
    "modes": 25,
    "decoder": 128,
    "dropout": 0.25,
    "action_noise": 1.0,
    "kl_weight": 100.0,
    "kl_crossover": 400,
    "kl_width": 100.0,
    "clip_crossover": 300,
    "clip_width": 60.0,
    "learning_rate": 1e-3,
    "batch": 256,
    "steps": 3000,
}
COURT = {"rotate": False} | dict(zip(SCALES, (15.0, 8.0, 5.0), strict=True))
CROWD = {"horizon": 6} | dict(zip(SCALES, (5.0, 1.3, 0.7), strict=True))
SMALL = {
    "edge_input": "neighbour_only",
    "modes": 1,
    "decoder": 32,
    "hidden": 24,
    "attention": 16,
    "dropout": 0.0,
    "prior_dropout": 0.0,
    "kl_width": 20.0,
    "clip_crossover": 80,
    "clip_width": 12.0,
    "learning_rate": 0.01,
    "batch": 96,
    "steps": 500,
}
MEASURED = dict.fromkeys(SCALES)  # in the windows
TABLE = {  # data set, task: what differs from the defaults in compact and in paper
    ("zara1", "compare"): ({}, PUBLISHED),
    ("zara1", "attribute"): (MEASURED, PUBLISHED | MEASURED),
    ("nba", "compare"): (COURT, PUBLISHED | COURT),
    ("nba", "attribute"): (COURT, PUBLISHED | COURT),
    ("simulated", "dial"): (SMALL | CROWD, PUBLISHED | CROWD),
    ("simulated", "attribute"): (SMALL | CROWD, PUBLISHED | CROWD),
    ("own", "attribute"): (MEASURED, PUBLISHED | MEASURED),
}


def resolved(given=None, dataset="zara1", quick=False):
    """Options of a run, by flags."""
    own = dataset == "own"
    known = "simulated" if own else dataset
    found = {"tracks": "tracks.csv"} if own else {}
    return option_lib.resolve(
        EXPERIMENT, found | (given or {}), dataset=known, own=own, quick=quick
    )


def trained(options, variant, training="plain"):
    """Configuration of one training on windows of two kinds of agents."""
    given = pipeline.Data(some_windows(), some_windows(), ("walker", "biker"), 0.5)
    models = options.models._replace(variant=variant, training=training)
    return pipeline.config_of(models, given)


@pytest.mark.parametrize("preset", ["compact", "paper"])
@pytest.mark.parametrize(("dataset", "task"), TABLE)
def test_presets_make_the_configurations_that_were_measured(dataset, task, preset):
    options = resolved({"task": task, "preset": preset}, dataset)
    assert (options.task, options.preset) == (task, preset)
    changed = dict(TABLE[dataset, task][preset == "paper"])
    measured = pipeline.scales(some_windows())
    changed |= {name: measured[name] for name, x in changed.items() if x is None}
    usual = trajectron.Config(kinds=2, dt=0.5, coalition_dropout=0.0, past_dropout=0.0)
    assert trained(options, "edge") == usual._replace(**changed)
    other = trained(options, "sum", "coalition_dropout")
    assert (other.interaction, other.coalition_dropout, other.past_dropout) == (
        "sum",
        0.5,
        0.1,
    )
    published = {"shrink": 1, "learning_rate": 3e-4, "batch": 512, "steps": 39000}
    shared = {k: changed[k] for k in ("horizon", "rotate") if k in changed}
    usual = pecnet.Config(coalition_dropout=0.0, past_dropout=0.0)
    usual = usual._replace(**(published if preset == "paper" else {}))
    found = trained(options, "pecnet")
    assert found == usual._replace(scale=found.scale, **shared)


@pytest.mark.parametrize(
    ("dataset", "task"),
    [("simulated", "dial"), ("zara1", "compare"), ("own", "attribute")],
)
def test_data_decide_the_task_and_what_is_attributed(dataset, task):
    options = resolved(dataset=dataset)
    assert options.task == task
    several = task == "compare"
    assert (len(options.variant) > 1) == (len(options.training) > 1) == several
    small = (4, 240) if dataset == "simulated" else (10, 150)
    assert (options.neighbours, options.windows) == small


@pytest.mark.parametrize("preset", ["compact", "paper"])
@pytest.mark.parametrize(("dataset", "task"), TABLE)
def test_quick_wins_over_presets_and_flags_over_quick(dataset, task, preset):
    given = {"task": task, "preset": preset}
    options = resolved(given, dataset, quick=True)
    assert options.models.trajectron.steps <= 20 and options.windows <= 12
    assert options.models.trajectron.decoder == 8 and options.models.pecnet.shrink == 16
    assert options.models.pecnet.steps <= 20 and options.baseline == ("zero",)
    options = resolved(given | {"steps": 7, "windows": 5}, dataset, quick=True)
    assert (options.models.trajectron.steps, options.windows) == (7, 5)


@pytest.mark.parametrize(
    ("dataset", "given", "words"),
    [
        (
            "simulated",
            {"pecnet.steps": 3},
            "--pecnet.steps is read by .*variant=pecnet",
        ),
        ("simulated", {"variant": ("sum",)}, "--variant is read by --task=compare"),
        ("zara1", {"dials": (0.0, 1.0)}, "--dials is read by --task=dial"),
        ("zara1", {"radius": 2.0}, "--radius is read by your own data; this run has a"),
        ("zara1", {"draws": 8}, "--draws is read by .*estimator=permutation"),
        ("zara1", {"decay": 0.9}, "--decay is read by .*--schedule=exponential"),
        (
            "zara1",
            {"variant": ("past_only",), "attention": 8},
            "--attention is read by .*--variant=edge|sum; this run has .*past_only",
        ),
        (
            "zara1",
            {"training": ("plain",), "past_dropout": 0.2},
            "--past_dropout is read by .*--training=coalition_dropout",
        ),
        (
            "own",
            {"model": "model.npz", "steps": 3},
            "--steps is read by .*no --model .*; this run has .*--model=model.npz",
        ),
        ("own", {"model": "model.npz", "horizon": 3}, "--horizon is read by"),
        ("own", {"predictor": "m:f", "preset": "paper"}, "--preset is read by"),
        ("zara1", {"task": "figure", "windows": 9}, "--windows is read by"),
        ("own", {"task": "compare"}, "--tracks is read by --task=attribute"),
    ],
)
def test_flags_that_nobody_reads_are_refused(dataset, given, words):
    with pytest.raises(errors.InputError, match=words):
        resolved(given, dataset)


@pytest.mark.parametrize(
    ("dataset", "given", "words"),
    [
        ("zara1", {"variant": ("edges",)}, "Did you mean 'edge'"),
        ("zara1", {"attributed": ("sums",)}, "Did you mean 'sum'"),
        ("zara1", {"baseline": ("zeros",)}, "Did you mean 'zero'"),
        ("simulated", {"dials": (1.0,)}, "two --dials or more"),
        ("own", {"variant": ("edge", "sum")}, "one --variant for --task=attribute"),
        ("own", {"model": "a", "predictor": "b"}, "--model or --predictor, not both"),
    ],
)
def test_options_that_cannot_be_met_are_refused(dataset, given, words):
    with pytest.raises(errors.InputError, match=words):
        resolved(given, dataset)


def test_seeds_and_data_sets_that_change_nothing_are_refused():
    for also, words in ((["seeds"], "--seeds is read by"), (["dataset"], "--dataset")):
        with pytest.raises(errors.InputError, match=words):
            given = {"task": "figure", "results": ("a.csv",)}
            option_lib.resolve(EXPERIMENT, given, dataset="simulated", also=also)
    with pytest.raises(errors.InputError, match="--dataset is read by"):
        given = {"task": "dial"}
        option_lib.resolve(EXPERIMENT, given, dataset="zara1", also=["dataset"])


# What reaches the loop


@pytest.fixture
def untrained(monkeypatch):
    """Configurations that reach the loop, which returns random parameters at once."""
    found = []

    def fit(method, config, batches, schedule, **options):
        del schedule, options
        found.append(config)
        params = random_params(method, config, batches(0))
        return types.SimpleNamespace(best=types.SimpleNamespace(params=params, loss=0))

    monkeypatch.setattr(loop, "fit", fit)
    return found


def launched(folder, *arguments):
    """config.json of a run."""
    helpers.launch(EXPERIMENT, f"--workdir={folder}", "--quick", *arguments)
    return json.loads((folder / "config.json").read_text())


def test_dial_trains_what_is_recorded(tmp_path, monkeypatch):
    flags = ("--quick", "--seeds=1", "--windows=3", "--hidden=6", "--learning_rate=0.5")
    about, found = helpers.what_trains(EXPERIMENT, tmp_path, monkeypatch, *flags)
    helpers.assert_trains_as_recorded(about, found)
    assert set(about["trained"]) == {"edge-coalition_dropout"} and len(found) == 2
    config = about["trained"]["edge-coalition_dropout"]["config"]
    assert (config["hidden"], config["learning_rate"]) == (6, 0.5)
    assert (config["steps"], config["modes"], config["horizon"]) == (20, 1, 4)


@pytest.mark.parametrize("preset", ["compact", "paper"])
def test_comparison_trains_what_is_recorded(preset, untrained, tmp_path):
    flags = ("--dataset=zara1", f"--preset={preset}", "--seeds=1", "--attributed=")
    flags += ("--variant=past_only,constant_velocity,pecnet", "--modes=3")
    flags += ("--training=plain,coalition_dropout", "--past_dropout=0.3")
    flags += ("--pecnet.code=5", "--pecnet.past_dropout=0.4", "--horizon=3")
    about = launched(tmp_path, *flags)
    helpers.assert_trains_as_recorded(about, untrained)
    trained = {name: x["config"] for name, x in about["trained"].items()}
    assert set(trained) == {
        f"{variant}-{training}"
        for variant in ("past_only", "pecnet")
        for training in pipeline.TRAININGS
    }
    plain, other = (trained[f"past_only-{x}"] for x in pipeline.TRAININGS)
    assert (plain["modes"], plain["interaction"], plain["past_dropout"]) == (
        3,
        "none",
        0,
    )
    assert (other["horizon"], other["past_dropout"]) == (3, 0.3)
    assert plain["edge_frame"] == {"compact": "place", "paper": "state"}[preset]
    other = trained["pecnet-coalition_dropout"]
    assert (other["code"], other["horizon"], other["past_dropout"]) == (5, 3, 0.4)
    assert about["options"]["preset"] == preset
    rate = {"compact": 1e-3, "paper": 3e-4}[preset]
    assert other["learning_rate"] == rate and other["steps"] == 20


@pytest.mark.parametrize("preset", ["compact", "paper"])
def test_own_tracks_train_what_is_recorded(preset, untrained, tmp_path):
    tracks, _ = data.simulate_tracks(1.0, scenes=6, frames=14, seed=2)
    columns = {
        "scene": tracks.recording,
        "frame": tracks.frame,
        "agent": tracks.agent,
        "x": 3 * tracks.xy[:, 0],
        "y": 3 * tracks.xy[:, 1],
    }
    np.savez(tmp_path / "tracks.npz", **columns)
    flags = (f"--tracks={tmp_path / 'tracks.npz'}", "--dt=0.5", "--radius=30")
    flags += ("--history=4", "--horizon=3", "--windows=2", "--neighbours=2")
    flags += (f"--preset={preset}", "--velocity_scale=7")
    about = launched(tmp_path / "run", *flags)
    helpers.assert_trains_as_recorded(about, untrained)
    config = about["trained"]["edge-coalition_dropout"]["config"]
    assert (config["dt"], config["velocity_scale"], config["steps"]) == (0.5, 7, 20)
    assert config["position_scale"] > 3 and config["acceleration_scale"] > 0
    main = about["options"]["models"]["trajectron"]
    assert (main["position_scale"], main["velocity_scale"]) == (0, 7)
    assert about["options"]["task"] == "attribute" and "dt" not in main
