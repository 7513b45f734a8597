"""The trajectory experiment in use: rows, own tracks, own predictors, the figure of many."""

import csv
import pathlib
import types

import helpers
import jax
import numpy as np
import pytest

from experiments import options
from experiments import run as runner
from experiments.trajectory_shapley import games, headline, use
from experiments.trajectory_shapley.experiment import EXPERIMENT
from iclr22 import checkpoint, data, errors, record
from iclr22.trajectory_shapley import artifact, blocks, figures, pipeline, scores
from iclr22.trajectory_shapley.predictor import Foreign, load
from iclr22.trajectory_shapley.windows import build_windows, sample_windows


def test_rows_keep_the_names_that_were_agreed_on():
    ends = {"full": np.full((2, 1), 4.0), "empty": np.ones((2, 1))}
    result = types.SimpleNamespace(
        scores=scores.Scores(*[(1.0, 0.5, np.nan)] * len(scores.Scores._fields)),
        real=types.SimpleNamespace(values=np.ones((2, 3, 1)), **ends),
    )
    rows = games.rows_of(result, "sum", "plain", 3, "_random_baseline")
    assert {row[:3] for row in rows} == {("sum", "plain", 3)}
    values = {row[3].removesuffix("_random_baseline"): row[4] for row in rows}
    assert set(figures.PLAYERS) | {"delta_sis", "delta_sis_low"} <= set(values)
    assert values["shapley/efficiency_gap"] == 0 and values["delta_sis_low"] == 0.5
    assert "delta_sis_high" not in values  # what is not known is no row
    assert set(EXPERIMENT.datasets) >= {"simulated", "zara1", "sdd", "nba"}
    assert set(pipeline.VARIANTS) == {
        *("edge", "sum", "past_only", "constant_velocity", "pecnet")
    }


# Own tracks, with a function of NumPy arrays.

MODULE = """
import numpy as np

def predict(history, neighbours, mask, kind, neighbour_kind):
    steps = 0.4 * np.arange(1, 13)[:, None]
    pull = (neighbours[:, :, -1, 2:4] * mask[..., None]).sum(1)
    pull = pull / np.maximum(mask.sum(1, keepdims=True), 1)
    mean = (steps * (history[:, -1, 2:4] + 0.2 * pull)[:, None])[:, None]
    cov = np.broadcast_to((0.1 + steps ** 2)[:, :, None] * np.eye(2), (*mean.shape, 2))
    return {"mix_logits": np.zeros(mean.shape[:2]), "mean": mean, "cov": cov}

def narrow(*given):
    found = predict(*given)
    return found | {"mean": found["mean"][:, :, :6]}
"""


def write_tracks(path, tracks, change=None):
    """tracks.csv in steps of ten frames; `change` edits its rows."""
    rows = [
        [f"s{r}", 10 * f, f"a{a}", f"{x:.4f}", f"{y:.4f}"]
        for r, a, f, (x, y) in zip(*tracks[:4], strict=True)
    ]
    record.write_csv(
        path, ("scene", "frame", "agent", "x", "y"), (change or list)(rows)
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("own")
    (path / "own_model.py").write_text(MODULE)
    tracks, _ = data.simulate_tracks(1.0, scenes=8, seed=2)
    write_tracks(path / "tracks.csv", tracks)
    return path


def read(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_own_tracks_and_a_function_end_to_end(folder, tmp_path):
    flags = ("--tracks=tracks.csv", "--radius=9", "--predictor=own_model:predict")
    flags += ("--windows=12", "--neighbours=3", f"--workdir={tmp_path}")
    cache = f"--compile_cache={jax.config.jax_compilation_cache_dir}"
    command = ("-m", "experiments.trajectory_shapley", cache, *flags)
    out, err = helpers.finish(helpers.start(*command, cwd=folder), timeout=240)
    assert "Traceback" not in err and str(tmp_path / "local.csv") in out
    assert "coalitions" in err and "delta-SIS" in (tmp_path / "report.html").read_text()
    rows = read(tmp_path / "local.csv")
    windows_seen = {(row["scene"], row["frame"], row["agent"]) for row in rows}
    assert len(windows_seen) == 12 and rows[0]["scene"].startswith("s")
    players = {row["player"] for row in rows}
    assert {"past", "random agent"} < players and "a0" in players
    total = {row["score"]: row for row in read(tmp_path / "global.csv")}
    past = [float(row["value"]) for row in rows if row["player"] == "past"]
    assert float(total["past"]["mean"]) == pytest.approx(np.mean(past), rel=1e-4)
    assert len(read(tmp_path / "moments.csv")) >= 4
    found = {
        row["metric"]: float(row["value"]) for row in read(tmp_path / "results.csv")
    }
    assert found["shapley/efficiency_gap"] < 1e-4
    assert found["shapley/past"] == pytest.approx(np.mean(past), rel=1e-4)
    assert len(list((tmp_path / "figures").glob("*.png"))) == 5


def run_of(workdir, given, own):
    """A run without a command line."""
    about = {"method": "", "options": {}, "written": [], "trained": {}}
    checkpoint.write_json(pathlib.Path(workdir) / "config.json", about)
    return runner.Run(
        method="trajectory_shapley",
        dataset=given.get("tracks", "simulated"),
        options=options.resolve(EXPERIMENT, given, dataset="simulated", own=own),
        seeds=[0],
        workdir=pathlib.Path(workdir),
        data_dir=None,
        mode="jit",
        quick=False,
        own=own,
    )


def own_run(folder, workdir, tracks="tracks.csv", **given):
    """A run of the attribute task on own tracks."""
    given = {
        "tracks": str(folder / tracks),
        "windows": 12,
        "neighbours": 3,
        "predictor": "own_model:predict",
        "radius": 9.0,
    } | given
    given = {name: value for name, value in given.items() if value != ""}
    return run_of(workdir, given, own=True)


def test_killed_attribution_goes_on_where_it_was(folder, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setattr(blocks, "ROWS", 64)
    ours = load("own_model:predict").predict
    calls, limit = [], 10**9

    def predict(*given):
        calls.append(len(given[0]))
        if len(calls) > limit:
            raise KeyboardInterrupt
        return ours(*given)

    def play(name):
        calls.clear()
        run = own_run(folder, tmp_path / name)
        return games.play(run, Foreign(predict), chosen, chosen, name="own")

    tracks = data.load_own_tracks(folder / "tracks.csv", radius=9.0)
    chosen = sample_windows(build_windows(tracks, neighbours=3), 20)
    whole = play("whole")
    limit = len(calls) - 4
    with pytest.raises(KeyboardInterrupt):
        play("killed")
    limit = 10**9
    again = play("killed")
    assert len(calls) < 16  # three trials of a game, and the blocks that were missing
    np.testing.assert_array_equal(again.real.values, whole.real.values)
    np.testing.assert_array_equal(again.random.values, whole.random.values)
    assert again.scores == whole.scores


def even(rows):
    rows[3][1] += 3
    return rows


def twice(rows):
    return [*rows, rows[5]]


def infinite(rows):
    rows[4][3] = "inf"
    return rows


def short(rows):
    return [*rows, *([*row[:1], *row[1:]] for row in _short_scene())]


def _short_scene():
    return [["brief", 10 * f, "x", f, 0] for f in range(9)]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (even, "step"),
        (twice, "two of agent a0"),
        (infinite, "finite"),
        (short, "at least 20 frames"),
    ],
)
def test_bad_tracks_are_explained(change, words, folder, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(folder)
    tracks, _ = data.simulate_tracks(1.0, scenes=3, seed=2)
    write_tracks(tmp_path / "bad.csv", tracks, change)
    with pytest.raises(errors.InputError, match=words):
        use.attribute(own_run(tmp_path, tmp_path, "bad.csv"))


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"predictor": "own_model:narrow"}, "mean .*12"),
        ({"predictor": "own_model:predicted"}, "Did you mean 'predict'"),
        (
            {"max_exact": 40, "neighbours": 30, "radius": 99.0},
            "2\\^2[0-9].*permutation",
        ),
        ({"model": "some.npz"}, "--model or --predictor, not both"),
        ({"radius": 1e-3}, "windows with a neighbour"),
    ],
)
def test_bad_requests_are_explained(changed, words, folder, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(folder)
    name = "tracks.csv"
    if "max_exact" in changed:
        name = "crowded.csv"
        tracks, _ = data.simulate_tracks(0.0, scenes=1, agents=(24, 24), frames=21)
        write_tracks(folder / name, tracks)
    with pytest.raises(errors.InputError, match=words):
        use.attribute(own_run(folder, tmp_path, name, **changed))


def test_a_model_of_other_tracks_is_refused(folder, tmp_path):
    still = {"cov": np.ones((12, 3), np.float32)}
    model = artifact.Model(
        variant="constant_velocity",
        training="plain",
        config=None,
        params=still,
        dt=0.1,
        history=8,
        horizon=12,
    )
    artifact.save(tmp_path / "model.npz", model)
    run = own_run(folder, tmp_path, predictor="", model=str(tmp_path / "model.npz"))
    with pytest.raises(errors.InputError, match="0.1 s between frames"):
        use.attribute(run)


def test_headline_figure_of_several_results(tmp_path):
    files = []
    for dataset in ("zara1", "nba"):
        rows = [
            record.Result(
                "trajectory_shapley", dataset, "edge", "plain", 0, metric, value, ""
            )
            for value, metric in enumerate(figures.PLAYERS)
        ]
        files.append(str(tmp_path / f"{dataset}.csv"))
        record.write_results(files[-1], rows)
    run = run_of(tmp_path, {"task": "figure", "results": tuple(files)}, own=False)
    headline.draw(run)
    drawn = tmp_path / "figures" / "headline.png"
    assert len(run.rows) == 8 and drawn.stat().st_size > 5000
    with pytest.raises(errors.InputError, match="needs --results"):
        run_of(tmp_path, {"task": "figure"}, own=False)


@pytest.mark.slow
def test_comparison_on_published_folds(tmp_path):
    cache = f"--compile_cache={jax.config.jax_compilation_cache_dir}"
    process = helpers.start(
        "-m",
        "experiments.trajectory_shapley",
        "--quick",
        "--dataset=zara1",
        f"--workdir={tmp_path}",
        "--steps=2",
        "--pecnet.steps=2",
        cache,
    )
    helpers.finish(process, timeout=600)
    rows = read(tmp_path / "results.csv")
    assert {row["variant"] for row in rows} == set(pipeline.VARIANTS)
    assert {row["setting"] for row in rows} == set(pipeline.TRAININGS)
    metrics = {row["metric"] for row in rows if row["variant"] == "edge"}
    assert {"min_ade", "min_fde", "nll", "sis", "delta_sis"} <= metrics
    assert {"shapley/past", "shapley/neighbour_mean", "shapley/random_agent"} <= metrics
