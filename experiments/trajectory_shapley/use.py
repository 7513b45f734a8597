"""Attribution in use: your tracks, with a model trained on them, a saved one, or your own
predictor; tables of every value, of scores, of the most interactive moments."""

import numpy as np
from absl import logging

from experiments import run as runner
from experiments.trajectory_shapley import compare as studies
from iclr22 import data, errors, record
from iclr22.trajectory_shapley import figures, pipeline, scores, windows
from iclr22.trajectory_shapley.predictor import Foreign
from iclr22.trajectory_shapley.predictor import load as load_predictor

MOMENTS = 20  # lines of moments.csv
SECONDS = 20  # apart are windows of one recording that are told apart


def attribute(run: runner.Run) -> None:
    """local.csv, global.csv, moments.csv, figures, a verdict."""
    settings = run.settings
    if settings.model and settings.predictor:
        raise errors.InputError("expected --model or --predictor, not both")
    model = pipeline.load(settings.model) if settings.model else None
    foreign = load_predictor(settings.predictor) if settings.predictor else None
    tracks = _tracks(run)
    trained = model is None and foreign is None
    if trained:
        found = studies.windows_of(run, _fold(run))
        tracks, everything, pool = found.tracks, found.test, found.train
    else:
        everything = _windows(run, tracks, model)
        pool = everything
    chosen = pipeline.sample_windows(everything, settings.windows)
    run.facts["attribution"] = studies.told_cost(run, chosen)
    cell = run.cell(
        f"attribution-{settings.baseline[0]}",
        lambda: (
            _measure(run, found, chosen)
            if trained
            else _given(run, model or foreign, chosen, pool)
        ),
    )
    if trained:
        model = pipeline.load(run.workdir / "model.npz")
    if model is not None:
        run.facts["predictor"] = f"{model.variant}, {model.setting}, {model.config}"
    result = _games(run, model or foreign, chosen, pool)
    _write(run, result, tracks)
    _draw(run, result, model, tracks)
    run.summary = cell["verdict"]
    logging.info("%s", cell["verdict"])


def _tracks(run):
    """Your tracks, or the test part of a data set."""
    settings = run.settings
    if not run.own:
        return studies.load(run).test
    return data.load_own_tracks(
        settings.tracks, dt=run.config.dt, radius=settings.radius, unit=settings.unit
    )


def _fold(run):
    if not run.own:
        return studies.load(run)
    tracks = _tracks(run)
    data.check_tracks(tracks, run.settings.history, run.config.horizon)
    return data.split_tracks(tracks)


def _windows(run, tracks, model):
    """Windows of all tracks, of the shape that a given model takes."""
    settings = run.settings
    sizes = {"history": settings.history, "horizon": run.config.horizon}
    if model is not None:
        _check_fits(model, tracks)
        sizes = {"history": model.history, "horizon": model.horizon}
    data.check_tracks(tracks, *sizes.values())
    return windows.build_windows(tracks, **sizes, neighbours=settings.neighbours)


def _check_fits(model, tracks):
    """Refuse tracks that a model was not trained for."""
    if abs(model.dt - tracks.dt) > 1e-3 * model.dt:
        raise errors.InputError(
            f"expected tracks with {model.dt:g} s between frames, as the model was "
            f"trained on; found {tracks.dt:g} s. Resample them, or train a model anew."
        )
    if len(tracks.kinds) > len(model.kinds):
        raise errors.InputError(
            f"expected agents of the types {', '.join(model.kinds)}, as the model was "
            f"trained on; found {', '.join(tracks.kinds)}. Train a model on these tracks."
        )


def _measure(run, found, chosen) -> dict:
    """Train on the earlier or other scenes, then as for a given model."""
    variant, training = run.settings.variant[0], run.settings.training[-1]
    options = studies.options_of(run, found.tracks, **pipeline.scales(found.train))
    model = studies.fit(run, found, options, variant, training, run.seeds[0])
    pipeline.save(run.workdir / "model.npz", model)
    result = _given(run, model, chosen, found.train)
    measured = pipeline.evaluate(model, found.test)
    still = studies.fit(
        run, found, options, "constant_velocity", training, run.seeds[0]
    )
    rows = result["rows"]
    for name, values in (
        (variant, measured),
        ("constant_velocity", pipeline.evaluate(still, found.test)),
    ):
        rows += [(name, training, run.seeds[0], k, v, "") for k, v in values.items()]
    return result | {"rows": rows}


def _games(run, predictor, chosen, pool) -> studies.Games:
    """Both games; finished chunks of an interrupted run are read from disk."""
    given = predictor
    if not isinstance(predictor, Foreign):
        given = pipeline.predictor(predictor)
    options = {"seed": run.seeds[0], "baseline": run.settings.baseline[0]}
    return studies.games(run, given, chosen, pool, name="own", **options)


def _given(run, predictor, chosen, pool) -> dict:
    """Rows and the verdict of one predictor."""
    result = _games(run, predictor, chosen, pool)
    variant, setting = "predictor", "as given"
    if not isinstance(predictor, Foreign):
        variant, setting = predictor.variant, predictor.setting
    rows = studies.rows_of(result, variant, setting, run.seeds[0])
    return {"rows": rows, "verdict": scores.verdict(result.scores)}


def _write(run, result: studies.Games, tracks):
    """Three tables."""
    columns = scores.local_table(result.real, result.windows, tracks)
    record.write_columns(run.output("local.csv"), columns)
    lines = [
        (name, *("" if np.isnan(x) else f"{x:.6g}" for x in value))
        for name, value in result.scores._asdict().items()
    ]
    header = ("score", "mean", "low", "high")
    record.write_csv(run.output("global.csv"), header, lines)
    columns = scores.moments(result.real, result.windows, tracks, MOMENTS)
    record.write_columns(run.output("moments.csv"), columns)


def _draw(run, result: studies.Games, model, tracks):
    found = result.scores
    path = run.figure(
        "contributions", "Contributions with the random agent as control."
    )
    bars = {
        "past": found.past,
        "strongest neighbour": found.sis,
        "strongest of random agents": found.sis_random,
        "mean neighbour": found.neighbour_mean,
        "random agent": found.random_agent,
    }
    valued = "nats" if run.settings.metric == "nll" else tracks.unit
    figures.contributions(path, bars, unit=valued)
    studies.draw_games(run, result, model, tracks)
