"""Synthetic series from a panel: trained, scored, certified, written as the user's file."""

import functools
import pathlib

import numpy as np

from experiments import run as runner
from experiments.psa_gan import outputs, problem, scores
from iclr22 import errors, record
from iclr22.data import checks
from iclr22.data.series import Panel, calendar, layouts, writing
from iclr22.psa_gan import artifact, generation, pipeline
from iclr22.psa_gan.artifact import Model


def generate(run: runner.Run) -> None:
    """synthetic.csv; with a generator trained here also its scores and its certificate."""
    options = run.options
    if options.model in pipeline.VARIANTS:
        panel = problem.load(run)
        model, context = _trained(run, panel), panel
    else:
        model = artifact.load(options.model)
        context = problem.load(run) if run.own else None
    made = synthesise(run, model, context)
    path = write(run, "synthetic", made)
    problem.tell(run, "synthetic", made)
    line = f"{path.name}: {len(made.values)} synthetic series, step {made.step}."
    run.summary = "\n".join(x for x in (line, outputs.conclusions(run)) if x)


def _trained(run, panel: Panel) -> Model:
    """The generator of the first seed, with rows, figures and certificate."""
    found, variant, seed = (
        problem.problem_of(run, panel),
        run.options.model,
        run.seeds[0],
    )
    problem.plan(run, found, [variant])
    model = problem.fit(run, found, variant, seed).model
    artifact.save(run.output("model.npz"), model)
    of = problem.sample(run, found, seed)
    made = {variant: problem.synthetic(model, of)}
    made |= {x: scores.bootstrap(found, of, x, seed) for x in scores.BOOTSTRAPS}
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
        values = scores.qualities(found, of, each[name], seed, matched=same)
        return {"rows": scores.rows_of(run, name, seed, values)}

    for name in each:
        run.cell(f"quality-{name}-{seed}", functools.partial(measure, name))


def synthesise(run: runner.Run, model: Model, context: Panel | None) -> Panel:
    """The series that the flags ask for, within bounds."""
    options, layout = run.options, model.layout
    series = _chosen(layout.ids, options.items)
    first = _first(layout, series, options.start)
    size = getattr(model.config, "context", 0)
    if size and not options.start:  # the first that have values before
        first = np.full(len(series), size)
    made = generation.generate(
        model,
        options.count or None,
        series=series,
        first=first,
        samples=options.samples,
        seed=run.seeds[0],
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
        stamp = checks.utc(start)
    except (ValueError, OverflowError):
        raise errors.InputError(
            f"expected --start as a time such as 2024-05-01T12:00; found {start}"
        ) from None
    begin = layout.start[series]
    found = np.array(
        [calendar.position(x, layout.step, [stamp])[0] for x in begin], np.int64
    )
    earlier = np.array(stamp, "datetime64[s]") < begin
    if (found < 0).any() and not earlier.any():
        i = int((found < 0).argmax())
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


def bounded(run: runner.Run, panel: Panel) -> Panel:
    """The panel within --low and --high, in whole numbers with --integer."""
    options = run.options
    low, high = (float(x) if x else None for x in (options.low, options.high))
    values = [
        writing.constrain(x, low=low, high=high, integer=options.integer)
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
