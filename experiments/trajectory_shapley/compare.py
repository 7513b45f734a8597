"""Comparison of predictors on one data set: errors, contributions, figures of the first.

What all tasks of trajectory Shapley share is here, too: windows, training, the two games
of an attribution, their scores.
"""

import json
import pathlib
from typing import NamedTuple

import jax
import numpy as np
from absl import flags, logging

from experiments import run as runner
from iclr22 import data, errors, progress, record
from iclr22.data.tracks import Fold
from iclr22.trajectory_shapley import (
    figures,
    pipeline,
    scores,
    shapley,
    trajectron,
    windows,
)
from iclr22.trajectory_shapley.attribute import Attribution, attribute

BASELINES = ("zero", "random", "constant", "mean")
REGISTERED = {"simulated": "crowd"}  # names here to names of the registry
QUICK_WINDOWS = 400
PECNET_SHARE = 4  # PECNet draws for every coalition: so much fewer windows

# Constant velocity, ADE and FDE [m], and minADE20/minFDE20 of Trajectron++ without leaked
# velocities, as a reader measured them with the released code.
LEAK_FREE = {
    "eth": (0.67, 1.18),
    "hotel": (0.18, 0.28),
    "univ": (0.30, 0.54),
    "zara1": (0.25, 0.41),
    "zara2": (0.18, 0.32),
}


def published(dataset: str, setting: str, variant: str, metric: str):
    """The published number, or an empty string."""
    plain = setting.startswith("plain") and variant in ("edge", "sum")
    names = ("min_ade", "min_fde")
    if not plain or metric not in names or dataset not in LEAK_FREE:
        return ""
    return LEAK_FREE[dataset][names.index(metric)]


class Data(NamedTuple):
    """Windows of a fold, all with equally many slots, and what they are made of."""

    train: windows.Windows
    valid: windows.Windows
    test: windows.Windows
    tracks: data.Tracks  # of the test part; the names are of all


def load(run: runner.Run) -> Fold:
    """The fold of a registered data set."""
    found = data.get(REGISTERED.get(run.dataset, run.dataset))
    if run.quick:
        return found.synthetic(np.random.default_rng(0), QUICK_WINDOWS)
    return found.load(run.data_dir)


def windows_of(run: runner.Run, fold: Fold) -> Data:
    """Windows of the three parts."""
    settings = run.settings
    options = {"history": settings.history, "horizon": run.config.horizon}
    options["neighbours"] = settings.neighbours
    parts = [windows.build_windows(tracks, **options) for tracks in fold]
    slots = settings.neighbours
    if run.own or run.quick:
        slots = max(1, *(x.mask.shape[1] for x in parts))
    parts = [pipeline.fit_slots(x, slots) for x in parts]
    sizes = "/".join(f"{len(x.mask):,}" for x in parts)
    near = parts[2].mask.sum(1)
    run.facts["windows"] = (
        f"{sizes} for training/validation/testing; {near.mean():.1f} neighbours per test "
        f"window, {100 * (near > 0).mean():.0f} % have one (at most {slots} are seen)"
    )
    return Data(*parts, fold.test)


def options_of(run: runner.Run, tracks, **measured) -> pipeline.Options:
    """Hyper-parameters: flags, else the preset, else what fits these tracks."""
    base = trajectron.Config()
    config = run.config
    given = {k: v for k, v in config._asdict().items() if v != getattr(base, k)}
    given |= {k: getattr(config, k) for k in config._fields if _on_command_line(k)}
    if run.settings.preset == "paper":
        kept = ("horizon", "rotate", "position_scale", "velocity_scale")
        kept += ("acceleration_scale",)
        given = {k: v for k, v in given.items() if k in kept or _on_command_line(k)}
    if not run.own:
        given.pop("dt", None)
    found = pipeline.options_for(tracks, run.settings.preset, **(measured | given))
    if run.quick:
        small = {"steps": found.mixture.steps, "batch": 32, "samples": 3}
        found = found._replace(endpoint=found.endpoint._replace(shrink=16, **small))
    return found


def _on_command_line(name: str) -> bool:
    return name in flags.FLAGS and flags.FLAGS[name].present > 0


def setting_of(run: runner.Run, training: str) -> str:
    """How a model was trained, for the results."""
    return training + ", paper" * (run.settings.preset == "paper")


def fit(run, found: Data, options, variant, training, seed) -> pipeline.Model:
    """A trained model, from disk if it is there already."""
    name = f"{variant}-{training}-{seed}"
    path = run.workdir / "models" / f"{name}.npz"
    if not path.exists():
        fitted = pipeline.train(
            *(variant, training, found.train, found.valid, options),
            directory=run.workdir / "training" / name,
            seed=seed,
            mode=run.mode,
            kinds=found.tracks.kinds,
        )
        pipeline.save(path, fitted.model)
    return pipeline.load(path)


class Games(NamedTuple):
    """Attribution of some windows, and of the same with random agents as neighbours."""

    windows: windows.Windows  # the control agent is the last slot
    real: Attribution
    random: Attribution
    scores: scores.Scores


def games(run, predictor, chosen, pool, *, seed=0, baseline="zero", name="") -> Games:
    """Both games of some windows, each with a control agent as one more player: among the
    neighbours that are there, and among random agents in their place.

    Both have equally many players, so that what is shared is shared by as many.
    """
    settings = run.settings
    options = {
        "metrics": (settings.metric,),
        "baseline": baseline,
        "estimator": settings.estimator,
        "samples": None if settings.estimator == "exact" else settings.draws,
        "max_exact": settings.max_exact,
        "pool": pool,
        "seed": seed,
        "control": True,
        "mode": run.mode,
    }
    folder = run.workdir / "attribution" / name if name else None
    with_control = windows.with_random_agent(chosen, pool, seed)
    strangers = windows.with_random_neighbours(chosen, pool, seed + 1)
    strangers = windows.with_random_agent(strangers, pool, seed + 2)
    found = []
    for part, given in (("real", with_control), ("random", strangers)):
        where = folder / f"{baseline}-{part}" if folder else None
        found.append(attribute(predictor, given, directory=where, **options))
    return Games(
        with_control, *found, scores.summarise(*found, with_control, seed=seed)
    )


def told_cost(run, chosen) -> str:
    """How many coalitions an attribution asks for, told before it starts.

    Raises:
      errors.InputError: more players than the estimator allows.
    """
    settings = run.settings
    players = 2 + chosen.mask.sum(1)  # the past and the control agent
    if settings.estimator == "exact":
        players = np.minimum(players, settings.max_exact)
    draws = None if settings.estimator == "exact" else settings.draws
    total = sum(shapley.cost(int(n), settings.estimator, draws) for n in players)
    text = (
        f"{len(players):,} windows of up to {players.max()} players, {total:,} coalitions "
        "per model and baseline, and as many with random neighbours"
    )
    logging.info("attribution of %s", text)
    return text


def rows_of(games_found: Games, variant, setting, seed, ending="") -> list[tuple]:
    """Rows of the scores; `ending` names the baseline where it is not the first."""
    found = games_found.scores
    values = {
        "shapley/past": found.past[0],
        "shapley/neighbour_mean": found.neighbour_mean[0],
        "shapley/random_agent": found.random_agent[0],
        "sis": found.sis[0],
        "sis_low": found.sis[1],
        "sis_high": found.sis[2],
        "sis_random": found.sis_random[0],
        "sis_ratio": found.ratio[0],
        "delta_sis": found.delta_sis[0],
        "delta_sis_low": found.delta_sis[1],
        "delta_sis_high": found.delta_sis[2],
        "delta_mean": found.delta_mean[0],
        "delta_mean_low": found.delta_mean[1],
        "delta_mean_high": found.delta_mean[2],
    }
    gap = efficiency_gap(games_found.real)
    values["shapley/efficiency_gap"] = gap
    return [
        (variant, setting, seed, name + ending, value, "")
        for name, value in values.items()
        if np.isfinite(value)
    ]


def efficiency_gap(found: Attribution) -> float:
    """Mean distance of the sum of values from the worth of all minus that of nobody."""
    total = found.values[..., 0].sum(1)
    return float(np.abs(total - (found.full - found.empty)[:, 0]).mean())


def compare(run: runner.Run) -> None:
    """Errors of all variants on the test part, contributions of some, figures."""
    fold = load(run)
    found = windows_of(run, fold)
    options = options_of(run, fold.test)
    chosen = pipeline.sample_windows(found.test, run.settings.windows)
    run.facts["attribution"] = told_cost(run, chosen)
    cells = [
        (variant, training, seed)
        for seed in run.seeds
        for variant in run.settings.variant
        for training in run.settings.training
        if not (variant == "constant_velocity" and training != run.settings.training[0])
    ]
    for variant, training, seed in progress.track(cells, "models"):
        run.cell(
            f"errors-{variant}-{training}-{seed}",
            lambda c=(variant, training, seed): _errors(run, found, options, *c),
        )
        for baseline in (
            run.settings.baseline if variant in run.settings.attributed else ()
        ):
            run.cell(
                f"values-{variant}-{training}-{baseline}-{seed}",
                lambda c=(variant, training, seed), b=baseline: _values(
                    run, found, options, chosen, b, *c
                ),
            )
    _draw(run, found, options, chosen)
    run.summary = conclusions(run)


def _errors(run, found, options, variant, training, seed) -> dict:
    """Rows of errors with and without neighbours, and of what leaving these out costs with
    its interval by recording or stretch of time."""
    model = fit(run, found, options, variant, training, seed)
    setting = setting_of(run, training)
    each = pipeline.errors_of(model, found.test)
    measured = {name: x.mean() for name, x in each.items()}
    cluster = scores.clusters(found.test)
    for name in ("nll", "min_ade"):
        if name in each:
            cost = (each[f"{name}_without"] - each[name])[:, None]
            ((mean, low, high),) = scores.intervals(cost, np.ones_like(cost), cluster)
            ends = {"": mean, "_low": low, "_high": high}
            measured |= {f"delta_{name}{k}": v for k, v in ends.items()}
    rows = [
        (variant, setting, seed, name, float(value), "")
        for name, value in measured.items()
        if np.isfinite(value)
    ]
    key = (run.dataset_name, setting, variant)
    return {"rows": [(*row[:5], published(*key, row[3])) for row in rows]}


def _values(run, found, options, chosen, baseline, variant, training, seed) -> dict:
    """Rows of contributions."""
    model = fit(run, found, options, variant, training, seed)
    if variant == "pecnet":
        few = max(1, len(chosen.mask) // PECNET_SHARE)
        chosen = windows.select(chosen, pipeline.evenly(len(chosen.mask), few))
    given, name = pipeline.predictor(model), f"{variant}-{training}-{seed}"
    options = {"seed": seed, "baseline": baseline}
    result = games(run, given, chosen, found.train, name=name, **options)
    ending = "" if baseline == run.settings.baseline[0] else f"_{baseline}_baseline"
    setting = setting_of(run, training)
    rows = rows_of(result, variant, setting, seed, ending)
    if not ending and variant in ("edge", "sum"):
        released = attribute(
            *(given, chosen),
            metrics=(run.settings.metric,),
            estimator="banzhaf",
            samples=10,
            seed=seed,
            mode=run.mode,
        )
        past = released.values[:, 0, 0].mean()
        gap = efficiency_gap(released)
        rows.append((variant, setting, seed, "banzhaf/past", past, ""))
        rows.append((variant, setting, seed, "banzhaf/efficiency_gap", gap, ""))
    return {"rows": rows, "scores": json.loads(json.dumps(result.scores._asdict()))}


def _draw(run, found, options, chosen):
    """The bars over all seeds; a scene and the horizon of the first model."""
    path = run.figure("contributions", "Contributions by variant, training, baseline.")
    figures.headline(path, record.summarise(run.rows))
    picks = [v for v in run.settings.variant if v in run.settings.attributed]
    if not picks:
        return
    first = (picks[0], run.settings.training[-1], run.seeds[0])
    model = fit(run, found, options, *first)
    name = "-".join(map(str, first))
    given = pipeline.predictor(model)
    result = games(run, given, chosen, found.train, seed=first[2], name=name)
    draw_games(run, result, model, found.tracks)


def draw_games(run, found: Games, model, tracks) -> None:
    """Figures of one attribution: a scene, the horizon, the course of time, groups."""
    valued = "nats" if run.settings.metric == "nll" else tracks.unit
    near = found.real.values[:, 1:-1, 0], found.real.mask[:, 1:-1]
    top = int(np.argmax(scores.social_interaction_score(*near)))
    drawn = scene_of(found, top, tracks, model)
    where = tracks.names[found.windows.recording[top]]
    title = f"{where}, frame {found.windows.frame[top]}"
    figures.scene(
        run.figure(
            "scene", "The most interactive window: who improves its prediction."
        ),
        drawn,
        title=title,
        unit=tracks.unit,
        valued=valued,
    )
    if any(name.startswith("nll@") for name in found.real.outputs):
        path = run.figure("horizon", "Contributions by predicted step.")
        figures.horizon(path, by_step(found), dt=tracks.dt)
    curves = scores.over_time(found.real, found.windows, tracks.names, found.random)
    longest = sorted(curves, key=lambda name: -len(curves[name][0]))
    path = run.figure("over_time", "The strongest neighbour's value in time.")
    curves = {name: curves[name] for name in longest}
    figures.over_time(path, curves, dt=tracks.dt, valued=valued)
    tables = {
        "by distance": scores.by_distance(found.real, found.windows, unit=tracks.unit)
    }
    if len(tracks.kinds) > 1:
        kinds = scores.by_kind(found.real, found.windows, tracks.kinds)
        tables["by type"] = kinds
    path = run.figure("groups", "Mean value of a neighbour by distance and type.")
    figures.breakdown(path, tables, valued=valued)


def by_step(found: Games) -> dict[str, np.ndarray]:
    """Mean contributions at every step: the past, SIS, mean neighbour, random agent."""
    steps = [i for i, name in enumerate(found.real.outputs) if name.startswith("nll@")]
    values, mask = found.real.values[..., steps], found.real.mask
    near = mask[:, 1:-1, None]
    most = np.where(near, values[:, 1:-1], -np.inf).max(1)
    some = mask[:, 1:-1].any(1)
    total = np.where(near, values[:, 1:-1], 0).sum((0, 1))
    return {
        "past": values[:, 0].mean(0),
        "strongest neighbour": most[some].mean(0),
        "mean neighbour": total / max(near.sum(), 1),
        "random agent": values[:, -1].mean(0),
    }


def scene_of(found: Games, row: int, tracks, model=None) -> dict:
    """What `figures.scene` draws of one window."""
    given = windows.select(found.windows, np.array([row]))
    slots = np.flatnonzero(found.real.mask[row, 1:-1])
    near, recording = given.neighbours[0, slots], int(given.recording[0])
    seen = (near != 0).any(-1, keepdims=True)  # missing rows are zeros
    names = ["past"]
    for slot in slots:
        agent = int(given.neighbour_agent[0, slot])
        kind = tracks.kinds[given.neighbour_kind[0, slot]]
        name = tracks.agents[recording][agent] if tracks.agents else agent
        names.append(f"{kind if len(tracks.kinds) > 1 else 'agent'} {name}")
    drawn = {
        "history": given.history[0, :, :2],
        "future": given.future[0],
        "neighbours": np.where(seen, near[..., :2], np.nan),
        "values": found.real.values[row, np.append(0, 1 + slots), 0],
        "names": names,
    }
    predicted = pipeline.mixture(model, given) if model is not None else None
    if predicted is not None:
        drawn["weight"] = np.asarray(jax.nn.softmax(predicted.logits[0]))
        drawn |= {"mean": predicted.mean[0], "cov": predicted.cov[0]}
    return drawn


def conclusions(run: runner.Run) -> str:
    """A few sentences from the means over seeds."""
    means = {
        (s.variant, s.setting, s.metric): s.mean for s in record.summarise(run.rows)
    }
    lines = []
    for variant in ("edge", "sum"):
        for training in run.settings.training:
            key = (variant, setting_of(run, training))
            if (*key, "sis") not in means:
                continue
            names = "shapley/past sis shapley/neighbour_mean shapley/random_agent"
            names += " delta_sis_low delta_sis_high delta_mean_low delta_mean_high"
            past, sis, mean, agent, *ends = (means[*key, x] for x in names.split())
            more = ends[0] > 0 or ends[2] > 0
            verdict = (
                "more than random agents" if more else "no more than random agents"
            )
            lines.append(
                f"{variant}, {training}: past {past:.3g}, strongest neighbour {sis:.3g}, "
                f"mean neighbour {mean:.3g}, random agent {agent:.3g}; beyond random ones "
                f"{ends[0]:.3g} to {ends[1]:.3g} (strongest), {ends[2]:.3g} to "
                f"{ends[3]:.3g} (mean): neighbours count {verdict}."
            )
    return "\n".join(lines)


def figure(run: runner.Run) -> None:
    """The headline figure over the data sets of several results.csv files."""
    if not run.settings.results:
        raise errors.InputError(
            "--task=figure needs --results=FILE,..., results.csv of finished runs"
        )
    rows = []
    for path in run.settings.results:
        rows += record.read_results(pathlib.Path(path))
    rows = [r for r in rows if r.method == "trajectory_shapley"]
    kept = [r for r in rows if r.variant in ("edge", "sum")]
    kept = [r for r in kept if r.setting in run.settings.training]
    if not any(r.metric in figures.PLAYERS for r in kept):
        raise errors.InputError(
            f"expected rows of contributions ({', '.join(figures.PLAYERS)}) in "
            f"{', '.join(run.settings.results)}; found none"
        )
    path = run.figure("headline", "Contributions over data sets, trainings, baselines.")
    figures.headline(path, record.summarise(kept))
    run.rows = rows
