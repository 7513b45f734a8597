"""Synthetic series from a panel: trained, scored, certified, written as the user's file."""

import functools
import pathlib

import numpy as np

from experiments import run as runner
from experiments.psa_gan import outputs, problem, scores
from iclr22 import errors, record
from iclr22.data.series import Panel, calendar, layouts, own, writing
from iclr22.psa_gan import artifact, generation, pipeline
from iclr22.psa_gan.artifact import Model


def generate(run: runner.Run) -> None:
    """synthetic.csv; with a generator trained here also its scores and its certificate."""
    name = run.options.model
    kept = None if name in pipeline.VARIANTS else artifact.load(name)
    panel = problem.load(run) if run.own or kept is None else None
    wanted = _wanted(run, panel, kept)
    model = _trained(run, panel) if kept is None else kept
    made = synthesise(run, model, panel, *wanted)
    path = write(run, "synthetic", made)
    problem.tell(run, "synthetic", made)
    line = f"{path.name}: {len(made.values)} synthetic series, step {made.step}."
    run.summary = "\n".join(x for x in (line, outputs.conclusions(run)) if x)


def _wanted(run, panel, model):
    """Series and places of first values `[b]` that the flags ask for; what they cannot
    mean is told before anything is trained."""
    if model is None:
        config = pipeline.config_of(problem.options_of(run, run.options.model), panel)
        model = Model("", config, {}, layouts.layout(panel))
    size = model.context
    if size and panel is not None:
        problem.fitting(model, panel)
    series = _chosen(model.layout.ids, run.options.items)
    first = _first(model.layout, series, run.options.start)
    if size and not run.options.start:  # the first that have values before
        first = np.full(len(series), size)
    if size:
        generation.context_of(model, panel, series, first)
    return series, first


def _trained(run, panel) -> Model:
    """The generator of the first seed, with rows, figures and certificate."""
    found, variant, seed = (
        problem.problem_of(run, panel),
        run.options.model,
        run.seeds[0],
    )
    problem.plan(run, found, [variant])
    of = problem.sample(run, found, seed)
    model = problem.fit(run, found, variant, seed).model
    artifact.save(run.output("model.npz"), model)
    made = {variant: problem.synthetic(model, of)}
    made |= scores.bootstraps(run, found, of, seed)
    score_all(run, found, of, made, seed)
    outputs.draw_scores(run)
    outputs.draw_windows(run, found, of, made, variant)
    outputs.certify(run, of, made[variant], seed)
    return model


def score_all(run, found, of, made: dict, seed: int, *, matched: bool = True) -> None:
    """Rows of windows by name, and of all controls."""
    score = functools.partial(scores.distances, run, found, of, made, seed)
    run.cell(f"distances-{seed}", score)
    each = made | {
        x: scores.control(of, x, seed) for x in ("real", "shuffled", "noise")
    }

    def measure(name):
        same = matched and name in made  # controls are of other places
        judge = run.options.judge
        values = scores.qualities(found, of, each[name], seed, judge, matched=same)
        return {"rows": scores.rows_of(run, name, seed, values)}

    for name in each:
        run.cell(f"quality-{name}-{seed}", functools.partial(measure, name))


def synthesise(
    run: runner.Run, model: Model, context: Panel | None, series, first
) -> Panel:
    """Synthetic series from places of these series on, within bounds."""
    made = generation.generate(
        model,
        run.options.count or None,
        series=series,
        first=first,
        samples=run.options.samples,
        seed=run.options.draw,
        context=context,
    )
    return bounded(run, made)


def _chosen(ids, wanted) -> np.ndarray:
    place = {name: i for i, name in enumerate(ids)}
    for name in wanted:
        if name not in place:
            raise errors.nearest(name, place, "series")
    return np.array([place[name] for name in wanted] or range(len(ids)), np.int64)


def _first(layout, series, start: str) -> np.ndarray:
    """Places of a date in these series; their beginning if there is none."""
    if not start:
        return np.zeros(len(series), np.int64)
    try:
        stamp = own.moment(start)
    except (ValueError, OverflowError):
        raise errors.InputError(
            f"expected --start as a time such as 2024-05-01T12:00; found {start}"
        ) from None
    begin = layout.start[series]
    found = np.array(
        [calendar.position(x, layout.step, [stamp])[0] for x in begin], np.int64
    )
    earlier = np.array(stamp, "datetime64[s]") < begin
    off = (found < 0) & ~earlier
    if off.any():
        i = int(off.argmax())
        raise errors.InputError(
            f"expected --start on the grid of series {layout.ids[series[i]]!r}, whole steps "
            f"of {layout.step} after {begin[i]}; found {start}"
        )
    for i in np.flatnonzero(earlier):
        back = calendar.position(stamp, layout.step, [begin[i]])[0]
        if back < 0:
            raise errors.InputError(
                f"expected --start whole steps of {layout.step} before {begin[i]}; found "
                f"{start}"
            )
        found[i] = -back
    return found


def bounds(options) -> tuple[float | None, float | None]:
    """Numbers of --low and --high."""
    low, high = (float(x) if x else None for x in (options.low, options.high))
    return low, high


def bounded(run: runner.Run, panel: Panel) -> Panel:
    """The panel within --low and --high, in whole numbers with --integer."""
    low, high = bounds(run.options)
    values = [
        writing.constrain(x, low=low, high=high, integer=run.options.integer)
        for x in panel.values
    ]
    return panel._replace(values=tuple(values))


def write(run: runner.Run, name: str, panel: Panel) -> pathlib.Path:
    """A panel in the format of the user's own file; otherwise a long table."""
    if run.own:
        source = pathlib.Path(run.options.series)
        path = run.output(name + "".join(source.suffixes))
        writing.write_own(path, panel, like=source)
        return path
    path = run.output(f"{name}.csv")
    rows = []
    layout = layouts.layout(panel)
    for i, x in enumerate(panel.values):
        dates = layouts.stamps(layout, [i], [0], len(x))[0]
        rows += [
            (panel.ids[i], date, f"{value:.6g}")
            for date, value in zip(dates, x, strict=True)
        ]
    record.write_csv(path, ("id", "time", "value"), rows)
    return path
