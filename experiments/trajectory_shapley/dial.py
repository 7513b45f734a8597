"""Generated agents with a dial of interaction: does the attribution see what is there?

At each setting of the dial a small model is trained and attributed; the score of the
strongest neighbour has to rise with the dial, to be that of random agents at 0, and to
name the agent who is followed.
"""

import functools

import jax
import numpy as np

from experiments import run as runner
from experiments.trajectory_shapley import compare as studies
from iclr22 import data, progress, record
from iclr22.trajectory_shapley import figures, pipeline, shapley, windows
from iclr22.trajectory_shapley.attribute import attribute, game

VARIANT, TRAINING = "edge", "coalition_dropout"
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
_NAMES = {
    "sis@0": "strongest neighbour, no interaction [nats]",
    "delta_sis@0": "the same beyond random agents, no interaction",
    "sis@1": "strongest neighbour, full interaction [nats]",
    "delta_sis@1": "the same beyond random agents, full interaction",
    "dial/rank_correlation": "rank correlation of dial and strongest neighbour",
    "dial/leader@1": "strongest neighbour is the true leader [%]",
    "dial/chance@1": "... by chance [%]",
}
HEADLINES = [
    (what, ("simulated", TRAINING, VARIANT, metric), "")
    for metric, what in _NAMES.items()
]


def study_dial(run: runner.Run) -> None:
    """SIS against the dial, the true leader, estimators on one game."""
    cells = {}
    places = [(dial, seed) for seed in run.seeds for dial in run.settings.dials]
    for dial, seed in progress.track(places, "dials"):
        cells[dial, seed] = run.cell(
            f"dial-{dial:g}-{seed}", lambda d=dial, s=seed: _measure(run, d, s)
        )
    for seed in run.seeds:
        run.cell(f"rank-{seed}", lambda s=seed: _rank(run, cells, s))
    last = run.settings.dials[-1], run.seeds[0]
    table = run.cell("estimators", lambda: _estimators(run, *last))
    _draw(run, cells, table)
    run.summary = _conclusions(run)


def _prepared(run, dial, seed):
    """Windows of a generated fold, the true leaders, hyper-parameters."""
    scenes = QUICK_SCENES if run.quick else SCENES
    tracks, truth = data.simulate_tracks(dial, scenes=scenes, seed=seed)
    fold = data.split_tracks(tracks)
    found = studies.windows_of(run, fold)
    return found, truth, studies.options_of(run, fold.test)


def _measure(run, dial, seed) -> dict:
    """Rows of one setting and seed."""
    found, truth, options = _prepared(run, dial, seed)
    fitted = pipeline.train(
        *(VARIANT, TRAINING, found.train, found.valid, options),
        directory=run.workdir / "training" / f"dial-{dial:g}-{seed}",
        seed=seed,
        mode=run.mode,
        kinds=found.tracks.kinds,
    )
    model = fitted.model
    if seed == run.seeds[0]:
        pipeline.save(run.workdir / "models" / f"dial-{dial:g}.npz", model)
    chosen = pipeline.sample_windows(found.test, run.settings.windows)
    given = pipeline.predictor(model)
    result = studies.games(run, given, chosen, found.train, seed=seed)
    measured = {r[3]: r[4] for r in studies.rows_of(result, "", "", seed)}
    measured |= pipeline.evaluate(model, found.test)
    hit, chance = _leaders(result, truth)
    measured |= {"dial/leader": hit, "dial/chance": chance}
    measured = {k: v for k, v in measured.items() if np.isfinite(v)}
    rows = [
        (VARIANT, TRAINING, seed, f"{metric}@{dial:g}", value, "")
        for metric, value in measured.items()
    ]
    if dial == run.settings.dials[-1]:
        rows += [
            (VARIANT, TRAINING, seed, metric, value, "")
            for metric, value in measured.items()
            if not metric.startswith("dial/")
        ]
    return {"rows": rows, "measured": measured}


def _leaders(found: studies.Games, truth) -> tuple[float, float]:
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

    rows = []
    for metric, name in (("sis", "rank_correlation"), ("delta_sis", "rank_of_delta")):
        values = [cells[dial, seed]["measured"][metric] for dial in run.settings.dials]
        found = float(stats.spearmanr(run.settings.dials, values).statistic)
        rows.append((VARIANT, TRAINING, seed, f"dial/{name}", found, ""))
    return {"rows": rows}


def _estimators(run, dial, seed) -> dict:
    """All estimators on the window with the largest contribution of a neighbour."""
    found, _, _ = _prepared(run, dial, seed)
    model = pipeline.load(run.workdir / "models" / f"dial-{dial:g}.npz")
    given = pipeline.predictor(model)
    chosen = pipeline.sample_windows(found.test, run.settings.windows)
    chosen = windows.with_random_agent(chosen, found.train, seed)
    exact = attribute(given, chosen, seed=seed, mode=run.mode)
    top = np.argmax(np.where(exact.mask[:, 1:], exact.values[:, 1:, 0], -99).max(1))
    value_fn, slots = game(given, chosen, int(top), seed=seed)
    count = 1 + len(slots)
    worth = np.asarray(value_fn(shapley.bits(count)))  # of every coalition, by number
    value_fn = lambda c: worth[c @ (1 << np.arange(count))]  # noqa: E731
    rows, table = [], {}
    for name in shapley.ESTIMATORS:
        ask = functools.partial(shapley.shapley_values, value_fn, count, estimator=name)
        one = ask(key=jax.random.key(seed))
        values, error = one.values[:, 0], one.standard_error[:, 0]
        table[name] = [values.tolist(), error.tolist()]
        total = one.full[0] - one.empty[0]
        measured = {
            "efficiency_gap": abs(values.sum() - total),
            "largest_difference": np.abs(values - table["exact"][0]).max(),
            "coalitions": one.evaluations,
        }
        if error.any():
            again = [ask(key=jax.random.key(i)) for i in range(REPEATS)]
            off = np.stack([x.values[:, 0] - table["exact"][0] for x in again])
            spread = np.stack([x.standard_error[:, 0] for x in again])
            measured["within_two_standard_errors"] = 100 * np.mean(
                np.abs(off) <= 2 * spread
            )
        rows += [
            (VARIANT, TRAINING, seed, f"{name}/{k}", float(v), "")
            for k, v in measured.items()
        ]
    lines = [
        (name, player, f"{value:.6g}", f"{spread:.3g}")
        for name, (values, errors) in table.items()
        for player, (value, spread) in enumerate(zip(values, errors, strict=True))
    ]
    header = ("estimator", "player", "value", "standard_error")
    record.write_csv(run.workdir / "estimators.csv", header, lines)
    return {"rows": rows, "table": table}


def _draw(run, cells, estimators):
    def mean(metric):
        found = {}
        for dial in run.settings.dials:
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
    low, high = (f"{run.settings.dials[i]:g}" for i in (0, -1))
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
