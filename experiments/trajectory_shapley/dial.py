"""Generated agents with a dial of interaction: does the attribution see what is there?

At each setting of the dial a small model is trained and attributed; the score of the
strongest neighbour has to rise with the dial, to be that of random agents at 0, and to
name the agent who is followed.
"""

import functools

import jax
import numpy as np

from experiments import run as runner
from experiments.trajectory_shapley import games, problem
from experiments.trajectory_shapley.games import Games
from experiments.trajectory_shapley.paper import TRAINING, VARIANT
from experiments.trajectory_shapley.problem import Problem
from iclr22 import data, progress, record
from iclr22.data.tracks.simulated import Influence
from iclr22.trajectory_shapley import artifact, evaluation, figures, pipeline, shapley
from iclr22.trajectory_shapley.attribute import attribute, game
from iclr22.trajectory_shapley.blocks import Estimation
from iclr22.trajectory_shapley.coalitions import Rules
from iclr22.trajectory_shapley.designs import ESTIMATORS, bits
from iclr22.trajectory_shapley.random_agents import with_random_agent
from iclr22.trajectory_shapley.windows import sample_windows

SMALL = {  # one compile and seconds for each of 15 trainings
    "steps": 500,
    "horizon": 6,  # what a leader has done tells this much
    "modes": 1,
    "decoder": 32,
    "hidden": 24,
    "attention": 16,
    "edge_input": "neighbour_only",
    "batch": 96,
    "learning_rate": 0.01,
    "action_noise": 0.0,
    "dropout": 0.0,
    "prior_dropout": 0.0,
    "kl_crossover": 100,
    "clip_crossover": 80,
    "kl_width": 20.0,
    "clip_width": 12.0,
    "position_scale": 5.0,
    "velocity_scale": 1.3,
    "acceleration_scale": 0.7,
    "neighbours": 4,
    "windows": 240,
}
SCENES, QUICK_SCENES = 800, 24
REPEATS = 200  # of estimators that draw, to see how often their errors are right


def study_dial(run: runner.Run) -> None:
    """SIS against the dial, the true leader, estimators on one game."""
    dials, cells = run.options.dials, {}
    first, _ = _prepared(run, dials[0], run.seeds[0])
    problem.plan(run, first, [(VARIANT, TRAINING)])
    places = [(dial, seed) for seed in run.seeds for dial in dials]
    for dial, seed in progress.track(places, "dials"):
        compute = functools.partial(_measure, run, dial, seed)
        cells[dial, seed] = run.cell(f"dial-{dial:g}-{seed}", compute)
    for seed in run.seeds:
        run.cell(f"rank-{seed}", functools.partial(_rank, run, cells, seed))
    compute = functools.partial(_estimators, run, dials[-1], run.seeds[0])
    table = run.cell("estimators", compute)
    _draw(run, cells, table)
    run.summary = _conclusions(run)


def _prepared(run, dial, seed) -> tuple[Problem, Influence]:
    """Windows of a generated fold, and who is followed."""
    scenes = QUICK_SCENES if run.quick else SCENES
    tracks, truth = data.simulate_tracks(dial, scenes=scenes, seed=seed)
    return problem.problem_of(run, data.split_tracks(tracks)), truth


def _row(run, seed, metric, value) -> tuple:
    return VARIANT, problem.setting_of(run, TRAINING), seed, metric, value, ""


def _measure(run, dial, seed) -> dict:
    """Rows of one setting and seed."""
    found, truth = _prepared(run, dial, seed)
    fitted = pipeline.train(
        found.data,
        problem.options_of(run, VARIANT, TRAINING),
        directory=run.path("training") / f"dial-{dial:g}-{seed}",
        seed=seed,
        mode=run.mode,
    )
    model = fitted.model
    if seed == run.seeds[0]:
        artifact.save(run.path("models") / f"dial-{dial:g}.npz", model)
    chosen = sample_windows(found.test, run.options.windows)
    given = artifact.predictor_of(model)
    result = games.play(run, given, chosen, found.data.train, seed=seed)
    measured = games.values_of(result) | evaluation.evaluate(model, found.test)
    hit, chance = _leaders(result, truth)
    measured |= {"dial/leader": hit, "dial/chance": chance}
    measured = {k: v for k, v in measured.items() if np.isfinite(v)}
    rows = [
        _row(run, seed, f"{name}@{dial:g}", value) for name, value in measured.items()
    ]
    if dial == run.options.dials[-1]:
        rows += [
            _row(run, seed, name, value)
            for name, value in measured.items()
            if not name.startswith("dial/")
        ]
    return {"rows": rows, "measured": measured}


def _leaders(found: Games, truth: Influence) -> tuple[float, float]:
    """How often the strongest neighbour is the one who is followed, and what chance would
    give, percent; nan where nobody is followed."""
    given = found.windows
    leader = truth.leader[given.recording, given.agent]
    near = given.neighbour_agent[:, :-1] == leader[:, None]
    asked = (leader >= 0) & (near & given.mask[:, :-1]).any(1)
    if not asked.any():
        return float("nan"), float("nan")
    mask = found.real.mask[:, 1:-1]
    values = np.where(mask, found.real.values[:, 1:-1, 0], -np.inf)
    hit = near[np.arange(len(near)), values.argmax(1)][asked]
    return 100 * float(hit.mean()), 100 * float((1 / mask.sum(1)[asked]).mean())


def _rank(run, cells, seed) -> dict:
    """Rank correlation of the dial with SIS and its difference from random agents."""
    from scipy import stats

    dials, rows = run.options.dials, []
    for metric, name in (("sis", "rank_correlation"), ("delta_sis", "rank_of_delta")):
        values = [cells[dial, seed]["measured"][metric] for dial in dials]
        found = np.asarray(stats.spearmanr(dials, values))[0]  # and the p-value
        rows.append(_row(run, seed, f"dial/{name}", float(found)))
    return {"rows": rows}


def _estimators(run, dial, seed) -> dict:
    """All estimators on the window with the largest contribution of a neighbour."""
    worth, count = _one_game(run, dial, seed)
    numbers = 1 << np.arange(count)

    def value_fn(coalitions):
        return worth[coalitions @ numbers]

    exact = shapley.shapley_values(value_fn, count).values[:, 0]
    rows, table = [], {}
    for name in ESTIMATORS:
        ask = functools.partial(shapley.shapley_values, value_fn, count, estimator=name)
        one = ask(key=jax.random.key(seed))
        table[name] = [one.values[:, 0].tolist(), one.standard_error[:, 0].tolist()]
        measured = _how_far(one, exact)
        if one.standard_error.any():
            again = [ask(key=jax.random.key(i)) for i in range(REPEATS)]
            measured["within_two_standard_errors"] = _within(again, exact)
        rows += [_row(run, seed, f"{name}/{k}", float(v)) for k, v in measured.items()]
    lines = [
        (name, player, f"{value:.6g}", f"{spread:.3g}")
        for name, (values, errors) in table.items()
        for player, (value, spread) in enumerate(zip(values, errors, strict=True))
    ]
    header = ("estimator", "player", "value", "standard_error")
    record.write_csv(run.path("estimators.csv"), header, lines)
    return {"rows": rows, "table": table}


def _one_game(run, dial, seed) -> tuple[np.ndarray, int]:
    """Worth of every coalition, by number, of the window with the largest contribution of
    a neighbour, and its number of players."""
    found, _ = _prepared(run, dial, seed)
    model = artifact.load(run.path("models") / f"dial-{dial:g}.npz")
    given = artifact.predictor_of(model)
    chosen = sample_windows(found.test, run.options.windows)
    chosen = with_random_agent(chosen, found.data.train, seed)
    values = attribute(given, chosen, Rules(), Estimation(seed=seed), mode=run.mode)
    near = np.where(values.mask[:, 1:], values.values[:, 1:, 0], -99)
    value_fn, slots = game(given, chosen, int(np.argmax(near.max(1))), seed=seed)
    return np.asarray(value_fn(bits(1 + len(slots)))), 1 + len(slots)


def _how_far(found: shapley.Shapley, exact) -> dict[str, float]:
    """What one estimate misses, and how many coalitions it asked."""
    values, total = found.values[:, 0], found.full[0] - found.empty[0]
    return {
        "efficiency_gap": abs(values.sum() - total),
        "largest_difference": np.abs(values - exact).max(),
        "coalitions": found.evaluations,
    }


def _within(found: list[shapley.Shapley], exact) -> float:
    """How often values are within two of their standard errors, percent."""
    off = np.stack([x.values[:, 0] - exact for x in found])
    spread = np.stack([x.standard_error[:, 0] for x in found])
    return 100 * float(np.mean(np.abs(off) <= 2 * spread))


def _draw(run, cells, estimators):
    def mean(metric):
        found = {}
        for dial in run.options.dials:
            each = [cells[dial, seed]["measured"].get(metric) for seed in run.seeds]
            each = [x for x in each if x is not None]
            if each:
                found[dial] = (np.mean(each), np.min(each), np.max(each))
        return found

    names = {"SIS": "sis", "random agents": "sis_random", "difference": "delta_sis"}
    leader, chance = mean("dial/leader"), mean("dial/chance")
    if chance:
        leader["chance"] = float(np.mean([x[0] for x in chance.values()]))
    path = run.figure("dial", "Scores against the interaction; ranges over seeds.")
    figures.dial(path, {k: mean(v) for k, v in names.items()}, leader)
    path = run.figure("estimators", "Estimators on the most interactive window.")
    figures.estimators(path, estimators["table"])
    path = run.figure("contributions", "Contributions at the strongest interaction.")
    kept = [r for r in run.rows if r.metric in figures.PLAYERS]
    figures.headline(path, record.summarise(kept))


def _conclusions(run):
    means = {s.metric: s.mean for s in record.summarise(run.rows)}
    low, high = (f"{run.options.dials[i]:g}" for i in (0, -1))
    lines = [
        f"The strongest neighbour is worth {means[f'sis@{low}']:.3g} nats at dial {low} "
        f"(random agents: {means[f'sis_random@{low}']:.3g}) and "
        f"{means[f'sis@{high}']:.3g} at dial {high} "
        f"(random agents: {means[f'sis_random@{high}']:.3g}); rank correlation with the "
        f"dial {means['dial/rank_correlation']:.3g}."
    ]
    if f"dial/leader@{high}" in means:
        lines.append(
            f"At dial {high} it is the agent who is followed in "
            f"{means[f'dial/leader@{high}']:.0f} % (by chance "
            f"{means[f'dial/chance@{high}']:.0f} %)."
        )
    lines.append(
        "Values of the released estimator miss the worth of all players by "
        f"{means['banzhaf/efficiency_gap']:.2g} nats in the window shown, exact ones by "
        f"{means['exact/efficiency_gap']:.1g}."
    )
    return "\n".join(lines)
