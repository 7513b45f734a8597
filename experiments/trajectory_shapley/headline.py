"""The headline figure over the data sets of several results.csv files."""

import pathlib

from experiments import run as runner
from iclr22 import errors, record
from iclr22.trajectory_shapley import figures


def draw(run: runner.Run) -> None:
    """Bars of the past, of neighbours and of random agents, data sets side by side.

    Raises:
      errors.InputError: no row of contributions in the files.
    """
    options = run.options
    rows = []
    for path in options.results:
        rows += record.read_results(pathlib.Path(path))
    rows = [r for r in rows if r.method == run.method]
    kept = [r for r in rows if r.variant in ("edge", "sum")]
    kept = [r for r in kept if r.setting in options.training]
    if not any(r.metric in figures.PLAYERS for r in kept):
        raise errors.InputError(
            f"expected rows of contributions ({', '.join(figures.PLAYERS)}) in "
            f"{', '.join(options.results)}; found none"
        )
    path = run.figure("headline", "Contributions over data sets, trainings, baselines.")
    figures.headline(path, record.summarise(kept))
    run.rows = rows
