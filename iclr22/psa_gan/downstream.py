"""What generated values are worth to a forecaster (section 7): far forecasts, cold starts.

A forecast is far where a stretch before it is not observed: a generator, or something
simpler, fills the stretch, and a forecaster goes on from there. A start is cold where some
series have hardly a history: a generator gives them one to train on.
"""

from typing import NamedTuple

import numpy as np

from iclr22 import errors
from iclr22.data.series import Panel
from iclr22.data.series.layouts import Layout
from iclr22.psa_gan import filling, forecasting, hidden, naive
from iclr22.psa_gan.filling import Draw, Options
from iclr22.psa_gan.forecaster import Config
from iclr22.psa_gan.gaps import Gaps
from iclr22.psa_gan.hidden import Row

UNBANDED = Options(artificial=0)  # bands are not needed here


class Plan(NamedTuple):
    """What is forecast: windows of the forecaster's horizon, the last ones of a series."""

    windows: int = 7  # one after the other, at the end of each series
    gap: int = 168  # values before them that are not observed, of far forecasts


def far_training(panel: Panel, config: Config, plan: Plan) -> Panel:
    """What is observed: nothing of the windows, nor of the gap before them.

    Raises:
      errors.InputError: a series has no value before the gap.
    """
    count = plan.gap + plan.windows * config.horizon
    return hidden.hide(panel, _ends(panel, count))


def _ends(panel, count):
    """The last `count` values of all series."""
    number = np.arange(len(panel.values))
    first = np.maximum(panel.lengths - count, 0)
    return Gaps(number, first, panel.lengths - first)


def places(panel: Panel, config: Config, plan: Plan, series=None):
    """Series and first values `[b]` of the windows that are forecast."""
    number = np.arange(len(panel.values)) if series is None else np.asarray(series)
    back = config.horizon * np.arange(plan.windows, 0, -1)
    first = panel.lengths[number][:, None] - back
    return np.repeat(number, plan.windows), first.ravel()


def far(
    panel: Panel,
    draw: Draw,
    config: Config | None = None,
    plan: Plan | None = None,
    *,
    options: Options | None = None,
    layout: Layout | None = None,
    seed: int = 0,
) -> list[Row]:
    """Errors of forecasts behind a gap, by the way in which the gap was filled.

    One forecaster, trained on what is observed, reads the gap filled by the generator, in
    each naive way, left missing (`nothing`), and with its true values (`real`).
    `generator_alone` is what the generator says of the windows themselves.

    Args:
      panel: with all values.
      draw: see `filling.fill_panel`; of a generator that was trained on `far_training`.
      plan: windows that follow each other are forecast, the later ones behind a gap that
        is longer by those before.
      layout: of the panel that the generator learned; by default of `far_training`.

    Raises:
      errors.InputError: a series is too short.
    """
    config, plan = config or Config(), plan or Plan()
    observed = far_training(panel, config, plan)
    model = forecasting.train(observed, config, seed=seed)
    how = {"layout": layout, "seed": seed}
    filled = filling.fill_panel(draw, observed, options or UNBANDED, **how).values
    contexts = {
        "generator": filled,
        **hidden.ways(observed),
        "nothing": observed.values,
        "real": panel.values,
    }
    series, first = places(panel, config, plan)
    windows = Gaps(series, first, np.full_like(first, config.horizon))
    setting, rows = str(plan.gap), []
    for way, values in contexts.items():
        rows += _errors(panel, model, values, series, first, setting, way)
    alone = hidden.score(panel, windows, {"generator_alone": filled}, setting)
    return rows + alone


def _errors(panel, model, values, series, first, setting, way) -> list[Row]:
    """Both errors of forecasts from these contexts."""
    mean, _ = forecasting.forecast(model, values, series, first)
    truth = np.stack(
        [
            panel.values[i][place : place + mean.shape[1]]
            for i, place in zip(series, first, strict=True)
        ]
    )
    each = [naive.nrmse(truth[series == i], mean[series == i]) for i in set(series)]
    return [
        Row(setting, way, "nrmse", naive.nrmse(truth, mean)),
        Row(setting, way, "nrmse/series", float(np.nanmean(each))),
    ]


def cold_training(
    panel: Panel, share: float, series, config: Config, plan: Plan
) -> Panel:
    """What there is to learn from: of these series the first `share` of the history is
    missing, of all series the windows that are forecast.

    Raises:
      errors.InputError: a share that is not between 0 and 1, or nothing is left.
    """
    if not 0 <= share < 1:
        raise errors.InputError(
            f"expected a share of the history from 0 to below 1; found {share:g}"
        )
    ends = _ends(panel, plan.windows * config.horizon)
    series = np.asarray(series, np.int64)
    count = np.floor(share * ends.first[series]).astype(np.int64)
    starts = Gaps(series, np.zeros_like(series), count)
    return hidden.hide(hidden.hide(panel, ends), starts)


def cold_start(
    panel: Panel,
    draw: Draw,
    share: float,
    series,
    config: Config | None = None,
    plan: Plan | None = None,
    *,
    options: Options | None = None,
    layout: Layout | None = None,
    seed: int = 0,
) -> list[Row]:
    """Errors of forecasts for series of little history, by what a forecaster was trained
    on: what there is (`nothing`), a history from the generator, from the last season, or
    the true one (`real`).

    Args:
      panel: with all values.
      draw: see `filling.fill_panel`; of a generator that learned `cold_training`.
      series: `[m]` int, the series that have little history.
      layout: of the panel that the generator learned; by default of `cold_training`.

    Raises:
      errors.InputError: a share that is not between 0 and 1, or nothing is left.
    """
    config, plan = config or Config(), plan or Plan()
    given = cold_training(panel, share, series, config, plan)
    ends = _ends(panel, plan.windows * config.horizon)
    how = {"layout": layout, "seed": seed}
    filled = filling.fill_panel(draw, given, options or UNBANDED, **how)
    drawn = [x.copy() for x in given.values]
    for i, first, part in zip(
        filled.gaps.series, filled.gaps.first, filled.samples, strict=True
    ):
        drawn[i][first : first + part.shape[1]] = part[0]
    histories = {
        "generator": drawn,
        "seasonal": hidden.ways(given)["seasonal"],
        "nothing": given.values,
        "real": panel.values,
    }
    chosen, first = places(panel, config, plan, series)
    rows = []
    for way, values in histories.items():
        mine = [
            y if i in set(map(int, series)) else x
            for i, (x, y) in enumerate(zip(given.values, values, strict=True))
        ]
        learned = hidden.hide(panel._replace(values=tuple(mine)), ends)
        model = forecasting.train(learned, config, seed=seed)
        setting = f"{share:g}"
        rows += _errors(panel, model, panel.values, chosen, first, setting, way)
    return rows
