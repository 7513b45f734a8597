"""Trajectory Shapley as it is used: models and their files, the experiment, own tracks."""

import csv
import importlib
import pathlib
import types

import helpers
import jax
import numpy as np
import pytest

from experiments.trajectory_shapley import compare as studies
from experiments.trajectory_shapley import experiment, use
from iclr22 import data, errors, record
from iclr22.trajectory_shapley import figures, pipeline, scores, windows
from iclr22.trajectory_shapley.predictor import Foreign, load

TINY = {"modes": 2, "decoder": 8, "hidden": 8, "attention": 4, "samples": 3}
TINY |= {"horizon": 3, "batch": 32, "steps": 4}


def parts_of(dial=1.0, scenes=12):
    tracks, _ = data.simulate_tracks(dial, scenes=scenes, frames=14, seed=1)
    fold = data.split_tracks(tracks)
    options = {"history": 4, "horizon": 3, "neighbours": 3}
    return fold, [
        pipeline.fit_slots(windows.build_windows(x, **options), 3) for x in fold
    ]


@pytest.fixture(scope="module")
def fitted():
    """A model of a few updates, and the windows it was made with."""
    fold, parts = parts_of()
    options = pipeline.options_for(fold.test, **TINY)
    found = pipeline.train("edge", "coalition_dropout", *parts[:2], options)
    return found, parts


def test_settings_differ_in_dropout_and_variants_in_interaction():
    tracks = data.simulate_tracks(0.5, scenes=2)[0]
    compact = pipeline.options_for(tracks)
    paper = pipeline.options_for(tracks, "paper", steps=7)
    assert (paper.mixture.modes, paper.mixture.kl_weight) == (25, 100)
    assert paper.mixture.steps == 7 and paper.endpoint.shrink == 1
    for options in (compact, paper):
        for variant in ("edge", "sum", "past_only", "pecnet"):
            plain = pipeline.config_of(variant, "plain", options)
            other = pipeline.config_of(variant, "coalition_dropout", options)
            assert plain.coalition_dropout == plain.past_dropout == 0
            assert (other.coalition_dropout, other.past_dropout) == (0.5, 0.1)
    assert pipeline.config_of("past_only", "plain", compact).interaction == "none"
    assert pipeline.config_of("constant_velocity", "plain", compact) is None
    with pytest.raises(errors.InputError, match="Did you mean 'edge'"):
        pipeline.config_of("edges", "plain", compact)


def test_slots_are_cut_and_filled_without_a_change():
    _, (found, *_) = parts_of()
    wide = pipeline.fit_slots(found, 7)
    assert wide.neighbours.shape[1] == wide.mask.shape[1] == 7
    assert not wide.mask[:, 3:].any() and (wide.neighbour_agent[:, 3:] == -1).all()
    again = pipeline.fit_slots(wide, 3)
    for a, b in zip(found, again, strict=True):
        np.testing.assert_array_equal(a, b)


def test_sampled_windows_have_neighbours_and_are_spread_evenly():
    _, (found, *_) = parts_of()
    few = pipeline.sample_windows(found, 9)
    assert len(few.mask) == 9 and few.mask.any(1).all()
    keys = np.stack([few.recording, few.frame, few.agent])
    assert (np.lexsort(keys[::-1]) == np.arange(9)).all()
    assert len(set(few.recording.tolist())) > 4
    alone = found._replace(mask=np.zeros_like(found.mask))
    with pytest.raises(errors.InputError, match="windows with a neighbour"):
        pipeline.sample_windows(alone, 9)


def test_a_saved_model_is_the_model(fitted, tmp_path):
    model = fitted[0].model
    pipeline.save(tmp_path / "model.npz", model)
    found = pipeline.load(tmp_path / "model.npz")
    assert found._replace(params={}) == model._replace(params={})
    jax.tree.map(np.testing.assert_array_equal, found.params, model.params)
    (tmp_path / "other.npz").write_text("no archive")
    with pytest.raises(errors.InputError, match="expected a model.npz"):
        pipeline.load(tmp_path / "other.npz")


def test_errors_with_and_without_neighbours(fitted):
    found, (_, _, test) = fitted
    measured = pipeline.evaluate(found.model, test)
    names = {f"{m}{v}" for m in ("min_ade", "min_fde", "nll") for v in pipeline.VIEWS}
    assert names <= set(measured) and np.isfinite(list(measured.values())).all()
    alone = test._replace(mask=np.zeros_like(test.mask))
    found_alone = pipeline.evaluate(found.model, alone)
    assert found_alone["nll"] == pytest.approx(measured["nll_without"], rel=1e-5)
    assert found_alone["nll_zeroed"] == pytest.approx(measured["nll_zeroed"], rel=1e-5)
    assert measured["nll"] != measured["nll_without"] != measured["nll_zeroed"]


def test_training_of_another_kind_makes_no_other_program(fitted):
    model = fitted[0].model
    config = model.config._replace(coalition_dropout=0.0, steps=9)
    other = model._replace(config=config, setting="plain")
    assert pipeline.predictor(model)[:3] == pipeline.predictor(other)[:3]
    config = model.config._replace(horizon=2)
    changed = pipeline.predictor(model._replace(config=config))
    assert pipeline.predictor(model)[:3] != changed[:3]


def test_rows_keep_the_names_that_were_agreed_on():
    ends = {"full": np.full((2, 1), 4.0), "empty": np.ones((2, 1))}
    result = types.SimpleNamespace(
        scores=scores.Scores(*[(1.0, 0.5, np.nan)] * len(scores.Scores._fields)),
        real=types.SimpleNamespace(values=np.ones((2, 3, 1)), **ends),
    )
    rows = studies.rows_of(result, "sum", "plain", 3, "_random_baseline")
    assert {row[:3] for row in rows} == {("sum", "plain", 3)}
    values = {row[3].removesuffix("_random_baseline"): row[4] for row in rows}
    assert set(figures.PLAYERS) | {"delta_sis", "delta_sis_low"} <= set(values)
    assert values["shapley/efficiency_gap"] == 0 and values["delta_sis_low"] == 0.5
    assert "delta_sis_high" not in values  # what is not known is no row
    assert set(experiment.DATASETS) >= {"simulated", "zara1", "sdd", "nba"}
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
    options = ("--tracks=tracks.csv", "--radius=9", "--predictor=own_model:predict")
    options += ("--windows=12", "--neighbours=3", f"--workdir={tmp_path}")
    cache = f"--compile_cache={jax.config.jax_compilation_cache_dir}"
    command = ("-m", "experiments.trajectory_shapley", cache, *options)
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


def own_run(folder, workdir, tracks="tracks.csv", **changed):
    """What the attribute task is given, without a command line."""
    settings = {"tracks": str(folder / tracks), "windows": 12, "neighbours": 3}
    settings |= {"predictor": "own_model:predict", "radius": 9.0} | changed
    run = types.SimpleNamespace(
        settings=experiment.Settings()._replace(**settings),
        config=experiment.trajectron.Config(),
        workdir=pathlib.Path(workdir),
        seeds=[0],
        mode="jit",
        own=True,
        quick=False,
        facts={},
    )
    run.cell = lambda name, compute: compute()
    run.output = run.figure = lambda name, caption="": run.workdir / name
    return run


def test_killed_attribution_goes_on_where_it_was(folder, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(folder)
    module = importlib.import_module("iclr22.trajectory_shapley.attribute")
    monkeypatch.setattr(module, "ROWS", 64)
    ours = load("own_model:predict").predict
    calls, limit = [], 10**9

    def predict(*given):
        calls.append(len(given[0]))
        if len(calls) > limit:
            raise KeyboardInterrupt
        return ours(*given)

    def games(name):
        calls.clear()
        run = own_run(folder, tmp_path / name)
        return studies.games(run, Foreign(predict), chosen, chosen, name="own")

    tracks = data.load_own_tracks(folder / "tracks.csv", radius=9.0)
    found = windows.build_windows(tracks, neighbours=3)
    chosen = pipeline.sample_windows(found, 20)
    whole = games("whole")
    limit = len(calls) - 4
    with pytest.raises(KeyboardInterrupt):
        games("killed")
    limit = 10**9
    again = games("killed")
    assert len(calls) < 14  # two trials of a game, and the blocks that were missing
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


def test_a_model_of_other_tracks_is_refused(fitted, folder, tmp_path):
    pipeline.save(tmp_path / "model.npz", fitted[0].model._replace(dt=0.1))
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
    run = own_run(tmp_path, tmp_path, results=tuple(files))
    studies.figure(run)
    assert len(run.rows) == 8 and (tmp_path / "headline").stat().st_size > 5000
    with pytest.raises(errors.InputError, match="needs --results"):
        studies.figure(own_run(tmp_path, tmp_path))


@pytest.mark.slow
def test_comparison_on_published_folds(tmp_path):
    cache = f"--compile_cache={jax.config.jax_compilation_cache_dir}"
    options = (
        "--quick",
        "--dataset=zara1",
        f"--workdir={tmp_path}",
        "--steps=2",
        cache,
    )
    process = helpers.start("-m", "experiments.trajectory_shapley", *options)
    helpers.finish(process, timeout=600)
    rows = read(tmp_path / "results.csv")
    assert {row["variant"] for row in rows} == set(pipeline.VARIANTS)
    assert {row["setting"] for row in rows} == set(pipeline.SETTINGS)
    metrics = {row["metric"] for row in rows if row["variant"] == "edge"}
    assert {"min_ade", "min_fde", "nll", "sis", "delta_sis"} <= metrics
    assert {"shapley/past", "shapley/neighbour_mean", "shapley/random_agent"} <= metrics
