"""The score of any generator: two files, real and synthetic series."""

import re

import numpy as np

from experiments import run as runner
from experiments.psa_gan import outputs, problem, scores
from experiments.psa_gan.generate import score_all
from iclr22 import data, errors
from iclr22.data.series import Panel, calendar, check_alike, windows

COPY = re.compile(r"#\d+$")  # of several samples of a series


def score(run: runner.Run) -> None:
    """Rows and figures of the synthetic file, with all controls beside it."""
    options = run.options
    step = calendar.parse(options.step) if options.step else None
    real = data.load_own_series(options.real, step=step)
    synthetic = data.load_own_series(options.synthetic, step=step)
    problem.tell(run, "real", real)
    problem.tell(run, "synthetic", synthetic)
    found = problem.problem_of(run, real)
    of_synthetic = _scaled(options.synthetic, real, synthetic, found)
    run.trains(problem.encoders_of(run))
    first = {}
    for seed in run.seeds:
        of = problem.sample(run, found, seed)
        made = {"synthetic": _drawn(run, of_synthetic, len(of.real), seed)}
        made |= scores.bootstraps(run, found, of, seed)
        score_all(run, found, of, made, seed, matched=False)
        first = first or made
    of = problem.sample(run, found, run.seeds[0])
    outputs.draw_scores(run)
    outputs.draw_windows(run, found, of, first, "synthetic", overlays=False)
    run.summary = outputs.verdict(run)


def _scaled(path, real, synthetic, found) -> windows.Scaled:
    """The synthetic series, scaled as the real ones are."""
    try:
        return windows.scale(_alike(real, synthetic), found.scaled.layout)
    except errors.InputError as error:
        raise errors.InputError(f"{path}: {error}") from error


def _alike(real: Panel, synthetic: Panel) -> Panel:
    """The synthetic panel with the series of the real one; several samples of a series
    one after the other, with a missing value between."""
    names = [COPY.sub("", name) for name in synthetic.ids]
    if any(name in real.ids for name in synthetic.ids):
        names = list(synthetic.ids)
    order = list(dict.fromkeys(names))
    rows = {name: [i for i, x in enumerate(names) if x == name] for name in order}
    joined = tuple(
        np.concatenate([np.append(synthetic.values[i], np.nan) for i in rows[name]])
        for name in order
    )
    first = [rows[name][0] for name in order]
    together = synthetic._replace(
        values=joined,
        start=synthetic.start[first],
        ids=tuple(order),
        static=synthetic.static[first],
    )
    return check_alike(real, together)


def _drawn(run, synthetic: windows.Scaled, wanted: int, seed: int) -> np.ndarray:
    """Windows `[n, length]` of the synthetic panel."""
    length, least = run.options.models.gan.length, problem.FEWEST // 2
    try:
        of = windows.make(synthetic, length, size=2 * wanted, least=1.0, seed=seed + 1)
        series, first = problem.places(of, wanted)
    except errors.InputError as error:
        raise errors.InputError(f"{run.options.synthetic}: {error}") from error
    if len(series) < least:
        raise errors.InputError(
            f"{run.options.synthetic}: expected {least} windows or more of {length} values; "
            f"found {len(series)}. Choose a shorter --length, or give more values."
        )
    return of.at(series, first)["values"]
