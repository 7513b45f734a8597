"""Forecasts behind a stretch that nobody observed, and for series without a history."""

import functools

import numpy as np

from experiments import run as runner
from experiments.psa_gan import problem
from experiments.psa_gan.fill import filled_by, model_of, plan_training
from experiments.psa_gan.generate import bounded, write
from iclr22 import errors, record
from iclr22.data.series import Panel, calendar, layouts, windows
from iclr22.psa_gan import artifact, downstream, forecasting, generation, pipeline
from iclr22.psa_gan.downstream import Plan


def plan_of(run: runner.Run, panel: Panel) -> Plan:
    """Windows at the end, and the unobserved stretch before them."""
    gap = run.options.gap or calendar.season(panel.step) * 7
    return Plan(run.options.backtests, gap)


def forecast(run: runner.Run) -> None:
    """Rows of a backtest by what fills the unobserved stretch; of your own series also
    forecast.csv, what comes next."""
    panel = problem.load(run)
    plan, config = plan_of(run, panel), run.options.models.forecaster
    _check_room(panel, config, plan)
    given = downstream.far_training(panel, config, plan)
    _tell(run, given)
    for seed in run.seeds:
        measure = functools.partial(_far, run, panel, given, config, plan, seed)
        run.cell(f"far-{seed}", measure)
    if run.own:
        _ahead(run, panel, config)
    run.summary = _words(run, "generator")


def _check_room(panel: Panel, config, plan: Plan) -> None:
    """Refuse series that end before there is something to learn."""
    count = plan.gap + plan.windows * config.horizon
    short = int(panel.lengths.argmin())
    if panel.lengths[short] <= count:
        raise errors.InputError(
            f"series {panel.ids[short]!r}: expected more than {count} values, the last "
            f"{plan.windows} times {config.horizon} to forecast (--backtests, "
            f"--forecaster.horizon) and {plan.gap} before them that are not observed "
            f"(--gap); found {panel.lengths[short]}. Choose smaller ones."
        )


def _check_windows(config, given: Panel) -> None:
    """Refuse, before a generator is trained, what the forecaster cannot learn from."""
    try:
        windows.make(windows.scale(given), config.context + config.horizon)
    except errors.InputError as error:
        raise errors.InputError(
            f"for the forecaster (--forecaster.context, --forecaster.horizon): {error}"
        ) from error


def _tell(run, given: Panel) -> None:
    _check_windows(run.options.models.forecaster, given)
    variant = run.options.model
    found = {"forecaster": forecasting.config_of(run.options.models.forecaster, given)}
    if variant in pipeline.VARIANTS:
        found[variant] = pipeline.config_of(problem.options_of(run, variant), given)
    run.trains(found)


def _with(model, seed: int) -> dict:
    """How a generator fills in the studies of `downstream`."""
    return {
        "draw": functools.partial(generation.draw, model, candidates=1),
        "options": downstream.UNBANDED._replace(context=model.context),
        "layout": model.layout,
        "seed": seed,
    }


def _far(run, panel, given, config, plan, seed) -> dict:
    model = model_of(run, given, seed)
    lines = downstream.far(panel, config=config, plan=plan, **_with(model, seed))
    setting = f"{problem.setting_of(run)}, gap {plan.gap}"
    return {"rows": problem.rows_of(lines, setting, seed, "far")}


def _ahead(run, panel: Panel, config) -> None:
    """forecast.csv: the next values of every series, behind filled gaps."""
    seed = run.seeds[0]
    whole = panel.values
    if any(np.isnan(x).any() for x in whole):
        model = model_of(run, panel, seed, "whole-")
        whole = filled_by(run, model, panel, seed).values
    fitted = forecasting.train(panel, config, seed=seed)
    number = np.arange(len(whole))
    mean, deviation = forecasting.forecast(fitted, whole, number, panel.lengths)
    level = run.options.filling.level
    apart = forecasting.width(fitted, whole, level, seed=seed) * deviation
    layout = fitted.layout
    dates = layouts.stamps(layout, number, panel.lengths, mean.shape[1])
    parts = []
    for x in (mean, mean - apart, mean + apart):
        parts.append(bounded(run, panel._replace(values=tuple(x))).values)
    rows = [
        (panel.ids[i], dates[i, t], *(f"{part[i][t]:.6g}" for part in parts))
        for i in number
        for t in range(mean.shape[1])
    ]
    header = ("id", "time", "mean", "low", "high")
    record.write_csv(run.output("forecast.csv"), header, rows)


def cold_start(run: runner.Run) -> None:
    """A generated history: of your own series those that are short get one; of others it is
    measured what it is worth."""
    panel = problem.load(run)
    if run.own:
        _history(run, panel)
        return
    plan, config = plan_of(run, panel), run.options.models.forecaster
    chosen = np.random.default_rng(0).permutation(len(panel.ids))
    chosen = np.sort(chosen[: max(1, len(chosen) // 4)])
    _tell(run, panel)
    for seed in run.seeds:
        for share in run.options.shares:
            measure = functools.partial(
                _cold, run, panel, share, chosen, config, plan, seed
            )
            run.cell(f"cold-{share:g}-{seed}", measure)
    run.summary = _words(run, "generator")


def _cold(run, panel, share, chosen, config, plan, seed) -> dict:
    given = downstream.cold_training(panel, share, chosen, config, plan)
    model = model_of(run, given, seed, f"cold-{share:g}-")
    lines = downstream.cold_start(
        panel,
        share=share,
        series=chosen,
        config=config,
        plan=plan,
        **_with(model, seed),
    )
    setting = f"{problem.setting_of(run)}, {share:g} removed"
    return {"rows": problem.rows_of(lines, setting, seed, "cold")}


def _history(run, panel: Panel) -> None:
    """history.csv: the panel, its young series back to the earliest date of all."""
    layout = layouts.layout(panel)
    earliest = layout.start.min()
    back = _steps_back(run, layout, earliest)
    plan_training(run, panel)
    _check_no_context(run.options.model == "psa_gan_c")
    model = model_of(run, panel, run.seeds[0])
    _check_no_context(model.context)
    artifact.save(run.output("model.npz"), model)
    values, start = list(panel.values), panel.start.copy()
    for i, count in back.items():
        draws = generation.draw(model, [i], [-count], count, seed=run.seeds[0])[0]
        values[i] = np.concatenate([layouts.to_units(layout, [i], draws)[0], values[i]])
        start[i] = earliest
    made = bounded(run, panel._replace(values=tuple(values), start=start))
    path = write(run, "history", made)
    run.summary = (
        f"{path.name}: {len(back)} series have a generated history from {earliest} on, "
        "before their own values."
    )


def _steps_back(run, layout, earliest) -> dict[int, int]:
    """Of the series that are to have a history, how many values it has."""
    options = run.options
    for name in options.items:
        if name not in layout.ids:
            raise errors.nearest(name, layout.ids, "series")
    found = {
        i: int(calendar.position(earliest, layout.step, [begin])[0])
        for i, begin in enumerate(layout.start)
        if not options.items or layout.ids[i] in options.items
    }
    off = next((i for i, count in found.items() if count < 0), None)
    if off is not None:
        raise errors.InputError(
            f"{options.series}: expected series {layout.ids[off]!r} to begin whole steps of "
            f"{layout.step} after {earliest}, where the first begins; found "
            f"{layout.start[off]}. Bring all to one grid."
        )
    if not any(found.values()):
        raise errors.InputError(
            f"{options.series}: expected series that begin later than others, to be given "
            f"a history; found none, all begin at {earliest}"
        )
    return {i: count for i, count in found.items() if count}


def _check_no_context(context) -> None:
    """Refuse a generator that continues values."""
    if context:
        raise errors.InputError(
            "expected a generator that continues no values, as there are none before a "
            "series begins; found one of psa_gan_c. Use --model=psa_gan."
        )


def _words(run: runner.Run, ours: str) -> str:
    """Errors by what the forecaster was given."""
    lines = []
    for x in record.summarise(run.rows):
        if x.metric.endswith("/nrmse"):
            lines.append((x.setting, x.variant, x.mean))
    said = []
    for setting in dict.fromkeys(x[0] for x in lines):
        each = {v: m for s, v, m in lines if s == setting}
        mine = each.pop(ours, float("nan"))
        others = ", ".join(f"{v} {m:.3g}" for v, m in each.items())
        said.append(f"{setting}: NRMSE with the generator {mine:.3g}; {others}.")
    return "\n".join(said)
