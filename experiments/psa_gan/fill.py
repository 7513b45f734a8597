"""Missing stretches filled with a generator: those of your series, or hidden ones, to
measure how well that is done."""

import functools

import numpy as np

from experiments import run as runner
from experiments.psa_gan import problem
from experiments.psa_gan.generate import bounded, write
from iclr22 import errors, record
from iclr22.data.series import Panel, calendar, describe, layouts, windows
from iclr22.psa_gan import artifact, figures, filling, generation, hidden, pipeline
from iclr22.psa_gan.artifact import Model
from iclr22.psa_gan.filling import Filled
from iclr22.psa_gan.gaps import Gaps

SHOWN = 4  # filled stretches that are drawn


def fill(run: runner.Run) -> None:
    """filled.csv and bands.csv of your gaps, or rows about hidden values."""
    panel = problem.load(run)
    if run.own and not run.options.hide:
        _fill_own(run, panel)
        return
    week = 7 if panel.step.unit in ("h", "min", "s") else 2
    count = run.options.hide or week * calendar.season(panel.step)
    given = hidden.hide(panel, hidden.last_but_one(panel, count))
    gaps = hidden.last_but_one(panel, count)
    plan_training(run, given)
    drawn = []
    for seed in run.seeds:
        measure = functools.partial(_measure, run, panel, given, gaps, seed)
        cell = run.cell(f"fill-{seed}", measure)
        drawn = drawn or cell["drawn"]
    path = run.figure("filled", "Hidden values, filled, with their bands; first seed.")
    figures.bands(path, [_arrays(x) for x in drawn])
    run.summary = _words(run)


def plan_training(run: runner.Run, given: Panel) -> None:
    """Tell with which configuration the generator trains, if it does."""
    variant = run.options.model
    if variant in pipeline.VARIANTS:
        found = pipeline.config_of(problem.options_of(run, variant), given)
        run.trains({variant: found})


def model_of(run: runner.Run, given: Panel, seed: int, name: str = "") -> Model:
    """A generator of these values, or the one that --model names."""
    variant = run.options.model
    if variant not in pipeline.VARIANTS:
        return problem.fitting(artifact.load(variant), given)
    return problem.trained(run, given, variant, seed, name)


def filled_by(run: runner.Run, model: Model, given: Panel, seed: int) -> Filled:
    """The panel without gaps."""
    options = run.options.filling
    options = options._replace(context=model.context)
    draw = functools.partial(generation.draw, model, candidates=1)
    return filling.fill_panel(draw, given, options, layout=model.layout, seed=seed)


def _measure(run, panel: Panel, given: Panel, gaps: Gaps, seed: int) -> dict:
    """Rows of the generator and of naive ways, and some stretches to draw."""
    model = model_of(run, given, seed)
    found = filled_by(run, model, given, seed)
    ways = {run.options.model: found.values, **hidden.ways(given)}
    lines = hidden.score(panel, gaps, ways)
    lines += [
        x._replace(way=run.options.model) for x in hidden.coverage(panel, gaps, found)
    ]
    setting = f"{problem.setting_of(run)}, {int(gaps.count[0])} hidden"
    rows = problem.rows_of(lines, setting, seed, "fill")
    shown = Gaps(*(x[:SHOWN] for x in gaps))
    return {"rows": rows, "drawn": _drawn(panel, found, shown)}


def _drawn(panel: Panel, found: Filled, gaps: Gaps) -> list[dict]:
    """Stretches with as many values on both sides."""
    drawn = []
    for i, first, count in zip(*gaps, strict=True):
        low, high = max(first - count // 2, 0), first + count + count // 2
        inside = np.arange(low, min(high, len(panel.values[i]))) - first
        filled = (inside >= 0) & (inside < count)
        one = {"title": panel.ids[i], "time": (inside + first).tolist()}
        one["real"] = _listed(panel.values[i][low:high])
        for name, x in zip(("mean", "low", "high"), found[:3], strict=True):
            one[name] = _listed(np.where(filled, x[i][low:high], np.nan))
        drawn.append(one)
    return drawn


def _listed(x) -> list:
    return [None if np.isnan(y) else float(y) for y in x]


def _arrays(one: dict) -> dict:
    numbers = {k: np.array(x, float) for k, x in one.items() if k != "title"}
    return numbers | {"title": one["title"]}


def _fill_own(run, panel: Panel) -> None:
    """The gaps of the user's own series."""
    missing = describe(panel)["missing"]
    if not missing:
        raise errors.InputError(
            f"{run.options.series}: expected missing values to fill; found none. To measure "
            "how well they would be filled, hide some: --hide=24."
        )
    windows.scale(panel)
    plan_training(run, panel)
    seed = run.seeds[0]
    model = model_of(run, panel, seed)
    if run.options.model in pipeline.VARIANTS:
        artifact.save(run.output("model.npz"), model)
    found = filled_by(run, model, panel, seed)
    whole = bounded(run, panel._replace(values=found.values))
    low, high = (
        bounded(run, panel._replace(values=x)) for x in (found.low, found.high)
    )
    write(run, "filled", whole)
    layout, rows = model.layout, []
    for i, first, count in zip(*found.gaps, strict=True):
        dates = layouts.stamps(layout, [i], [first], int(count))[0]
        for j, date in enumerate(dates, int(first)):
            values = [f"{x.values[i][j]:.6g}" for x in (whole, low, high)]
            rows.append((panel.ids[i], date, *values))
    header = ("id", "time", "value", "low", "high")
    record.write_csv(run.output("bands.csv"), header, rows)
    shown = Gaps(*(x[:SHOWN] for x in found.gaps))
    path = run.figure("filled", "Missing values, filled, with their bands.")
    figures.bands(path, [_arrays(x) for x in _drawn(panel, found, shown)])
    level = 100 * run.options.filling.level
    run.summary = (
        f"{missing:,} missing values in {len(found.gaps.first):,} stretches are filled; "
        f"bands.csv has their {level:g} % bands, calibrated on gaps made in what is known."
    )


def _words(run: runner.Run) -> str:
    """What the rows say."""
    means = {(x.variant, x.metric): x.mean for x in record.summarise(run.rows)}
    ours = means[run.options.model, "fill/nrmse"]
    others = {
        v: x
        for (v, m), x in means.items()
        if m == "fill/nrmse" and v != run.options.model
    }
    said = ", ".join(f"{v} {x:.3g}" for v, x in others.items())
    better = [v for v, x in others.items() if ours < x]
    inside = 100 * means[run.options.model, "fill/coverage"]
    return (
        f"NRMSE of hidden values: {run.options.model} {ours:.3g}; {said}. It is below "
        f"{', '.join(better) or 'none of these'}. Bands hold {inside:.1f} % of the values "
        f"(wanted {100 * run.options.filling.level:g} %)."
    )
