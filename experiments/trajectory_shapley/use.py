"""Attribution in use: your tracks, with a model trained on them, a saved one, or your own
predictor; tables of every value, of scores, of the most interactive moments."""

import functools

import numpy as np
from absl import logging

from experiments import run as runner
from experiments.trajectory_shapley import games, outputs, problem
from experiments.trajectory_shapley.games import Games
from experiments.trajectory_shapley.problem import Problem
from iclr22 import data, errors, record
from iclr22.data import checks
from iclr22.data.tracks import Tracks
from iclr22.trajectory_shapley import artifact, evaluation, figures, scores, tables
from iclr22.trajectory_shapley.artifact import Model
from iclr22.trajectory_shapley.predictor import Foreign
from iclr22.trajectory_shapley.predictor import load as load_predictor
from iclr22.trajectory_shapley.windows import Windows, build_windows, sample_windows

MOMENTS = 20  # lines of moments.csv


def attribute(run: runner.Run) -> None:
    """local.csv, global.csv, moments.csv, figures, a verdict."""
    options = run.options
    if options.model:
        _attribute_given(run, artifact.load(options.model))
    elif options.predictor:
        _attribute_given(run, load_predictor(options.predictor))
    else:
        _attribute_trained(run)


def _attribute_trained(run):
    """A model of the earlier or other scenes, on the later ones."""
    found = problem.problem_of(run, problem.load(run))
    (variant,), (training,) = run.options.variant, run.options.training
    problem.plan(run, found, [(variant, training)])
    chosen, pool = _chosen(run, found.test), found.data.train
    cell = _cell(run, functools.partial(_measure, run, found, chosen))
    model = artifact.load(run.path("model.npz"))
    _report(run, cell, model, chosen, pool, found.tracks)


def _attribute_given(run, predictor: Model | Foreign):
    """A saved model, or the user's function, on all tracks."""
    tracks = problem.own_tracks(run) if run.own else problem.load(run).test
    pool = _windows(run, tracks, predictor)
    chosen = _chosen(run, pool)
    cell = _cell(run, functools.partial(_values, run, predictor, chosen, pool))
    _report(run, cell, predictor, chosen, pool, tracks)


def _chosen(run, found: Windows) -> Windows:
    _tell_left_out(run, found)
    chosen = sample_windows(found, run.options.windows)
    run.facts["attribution"] = games.told_cost(run, chosen)
    return chosen


def _tell_left_out(run, found: Windows):
    """Name scenes of which nothing is attributed: no window, or none with a neighbour."""
    if not run.own:
        return
    tracks = problem.own_tracks(run)
    some = np.unique(found.recording[found.mask.any(1)])
    names = [name for i, name in enumerate(tracks.names) if i not in some]
    if names:
        logging.warning(
            "no value comes from the scene%s %s: no agent there is seen long enough with "
            "a neighbour, or the scene is for training",
            "s" if len(names) > 1 else "",
            checks.few(names),
        )
        run.facts["scenes without values"] = checks.few(names)


def _cell(run, compute) -> dict:
    return run.cell(f"attribution-{run.options.baseline[0]}", compute)


def _windows(run, tracks: Tracks, predictor: Model | Foreign) -> Windows:
    """Windows of all tracks, of the shape that a given predictor takes."""
    history, horizon = run.options.history, problem.horizon_of(run)
    if isinstance(predictor, Model):
        _check_fits(predictor, tracks)
        history, horizon = predictor.history, predictor.horizon
    data.check_tracks(tracks, history, horizon)
    slots = run.options.neighbours
    return build_windows(tracks, history=history, horizon=horizon, neighbours=slots)


def _check_fits(model: Model, tracks: Tracks):
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


def _measure(run, found: Problem, chosen: Windows) -> dict:
    """Train, then as for a given model; errors beside those of constant velocity."""
    (variant,), (training,), seed = (
        run.options.variant,
        run.options.training,
        run.seeds[0],
    )
    model = problem.fit(run, found, variant, training, seed)
    artifact.save(run.path("model.npz"), model)
    result = _values(run, model, chosen, found.data.train)
    still = problem.fit(run, found, "constant_velocity", training, seed)
    rows = [
        (name, training, seed, metric, value, "")
        for name, made in ((variant, model), ("constant_velocity", still))
        for metric, value in evaluation.evaluate(made, found.test).items()
    ]
    return result | {"rows": result["rows"] + rows}


def _play(run, predictor: Model | Foreign, chosen: Windows, pool: Windows) -> Games:
    """Both games; finished chunks of an interrupted run are read from disk."""
    given = predictor
    if isinstance(predictor, Model):
        given = artifact.predictor_of(predictor)
    return games.play(
        run,
        given,
        chosen,
        pool,
        seed=run.seeds[0],
        baseline=run.options.baseline[0],
        name="own",
    )


def _values(run, predictor: Model | Foreign, chosen: Windows, pool: Windows) -> dict:
    """Rows and the verdict of one predictor."""
    result = _play(run, predictor, chosen, pool)
    variant, setting = "predictor", "as given"
    if isinstance(predictor, Model):
        variant, setting = predictor.variant, predictor.training
    rows = games.rows_of(result, variant, setting, run.seeds[0])
    verdict = scores.verdict(result.scores)
    if not result.control:
        verdict = (
            "No verdict without random agents: the strongest neighbour is worth "
            f"{result.scores.sis[0]:.3g}, the past {result.scores.past[0]:.3g}; a largest "
            "of several values is positive even where nobody is used."
        )
    return {"rows": rows, "verdict": verdict}


def _report(run, cell, predictor: Model | Foreign, chosen, pool, tracks: Tracks):
    """Tables, figures, the verdict."""
    model = predictor if isinstance(predictor, Model) else None
    if model is not None:
        about = f"{model.variant}, {model.training}, {model.config}"
        run.facts["predictor"] = about
    result = _play(run, predictor, chosen, pool)
    _write(run, result, tracks)
    _draw(run, result, model, tracks)
    run.summary = cell["verdict"]
    logging.info("%s", cell["verdict"])


def _write(run, result: Games, tracks: Tracks):
    """Three tables."""
    control = result.control
    columns = tables.local_table(result.real, result.windows, tracks, control=control)
    record.write_columns(run.output("local.csv"), columns)
    lines = [
        (name, *("" if np.isnan(x) else f"{x:.6g}" for x in value))
        for name, value in result.scores._asdict().items()
    ]
    header = ("score", "mean", "low", "high")
    record.write_csv(run.output("global.csv"), header, lines)
    columns = tables.moments(
        result.real, result.windows, tracks, MOMENTS, control=control
    )
    record.write_columns(run.output("moments.csv"), columns)


def _draw(run, result: Games, model: Model | None, tracks: Tracks):
    found = result.scores
    path = run.figure(
        "contributions",
        "Contributions"
        + (" with the random agent as control." if result.control else "."),
    )
    bars = {
        "past": found.past,
        "strongest neighbour": found.sis,
        "strongest of random agents": found.sis_random,
        "mean neighbour": found.neighbour_mean,
        "random agent": found.random_agent,
    }
    if not result.control:
        bars = {name: x for name, x in bars.items() if "random" not in name}
    figures.contributions(path, bars, unit=outputs.unit_of(run, tracks))
    outputs.draw(run, result, model, tracks)
