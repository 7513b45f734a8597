"""The small forecaster trained on a panel, and what it says from any place on."""

import functools
from typing import NamedTuple

import jax
import numpy as np

from iclr22 import errors, identity, loop
from iclr22.data.series import Panel, calendar, layouts, windows
from iclr22.data.series.layouts import Layout
from iclr22.psa_gan import forecaster
from iclr22.psa_gan.conditioning import conformal
from iclr22.psa_gan.forecaster import Config
from iclr22.psa_gan.gaps import cut

CHUNK = 1024  # windows at a time


class Model(NamedTuple):
    """A trained forecaster.

    Attributes:
      params: of `forecaster.apply`.
      layout: of the panel that it learned.
    """

    config: Config
    params: dict
    layout: Layout


class Contexts(NamedTuple):
    """Batches of windows, of some of which the last values of the context are hidden: how
    many is uniform, all of them for a third of these windows."""

    windows: windows.Windows
    config: Config
    seed: int = 0

    def content(self) -> str:
        """Digest of what all batches are made from."""
        data = self.windows.data
        of = {"values": data.values, "known": data.known, "features": data.features}
        return f"{identity.content(of)}-{self.seed}"

    def __call__(self, step: int) -> dict[str, np.ndarray]:
        """A batch of the stage."""
        batch, config = self.windows(step), self.config
        random = np.random.default_rng((self.seed, step, 2))
        count = len(batch["series"])
        share = (1.5 * random.random(count)).clip(0, 1)
        share = np.where(random.random(count) < config.hidden, share, 0)
        place = np.arange(config.context + config.horizon)
        left = np.round(config.context * (1 - share))[:, None]
        seen = (place < left) | (place >= config.context)
        known = batch["known"] * seen
        names = ("series", "features", "weight")
        kept = {name: batch[name] for name in names}
        return kept | {
            "values": batch["values"] * known,
            "known": known.astype(np.float32),
        }


def config_of(config: Config, panel: Panel) -> Config:
    """The configuration that is trained: what the panel decides filled in."""
    season = calendar.season(panel.step)
    return config._replace(series=len(panel.values), season=season)


def train(panel: Panel, config: Config | None = None, *, seed: int = 0) -> Model:
    """A forecaster of all series of a panel; missing values are learned by nobody.

    Args:
      config: `series` and `season` are those of the panel.

    Raises:
      errors.InputError: no series is as long as context and horizon, or as below.
    """
    config = config_of(Config() if config is None else config, panel)
    if min(config.context, config.horizon, config.steps) < 1:
        raise errors.InputError(
            "expected context, horizon and steps of 1 at least; found "
            f"{config.context}, {config.horizon} and {config.steps}"
        )
    data = windows.scale(panel)
    length = config.context + config.horizon
    size = -(-config.batch // jax.device_count()) * jax.device_count()
    places = windows.make(data, length, size=size, seed=seed)
    plan = loop.Schedule(config.steps, scan=min(20, config.steps))
    batches = Contexts(places, config, seed)
    state = loop.fit(forecaster, config, batches, plan, seed=seed, name="forecaster")
    return Model(config, jax.device_get(state.params), data.layout)


def forecast(model: Model, values, series, first):
    """Means and deviations `[b, horizon]`, in the series' own units.

    Args:
      values: `[t_i]` of each series, NaN where missing; only those in the `context` values
        before each place are looked at.
      series: `[b]` int.
      first: `[b]` int, places of the first values that are told; `length` of a series
        for what follows its end.
    """
    series, first = np.asarray(series, np.int64), np.asarray(first, np.int64)
    config, found = model.config, []
    for low in range(0, len(series), CHUNK):
        rows = slice(low, low + CHUNK)
        inputs = _inputs(model, values, series[rows], first[rows])
        told = jax.device_get(_compiled(config)(model.params, inputs))
        found.append([x[: len(series[rows])] for x in told])
    if not found:
        return np.zeros((0, config.horizon)), np.zeros((0, config.horizon))
    mean, deviation = (np.concatenate(x) for x in zip(*found, strict=True))
    mean = layouts.to_units(model.layout, series, mean)
    return mean, deviation * model.layout.range[series][:, None]


def width(
    model: Model, values, level: float = 0.9, *, count: int = 500, seed: int = 0
) -> float:
    """How many deviations on both sides hold a share `level` of what comes: split
    conformal prediction on windows of these series.

    Windows that the forecaster learned are told a little too well.

    Args:
      values: `[t_i]` of each series, NaN where missing.
      count: windows.

    Raises:
      errors.InputError: no series is as long as context and horizon, or too little of
        them is known.
    """
    config, random = model.config, np.random.default_rng(seed)
    room = np.array([len(x) for x in values]) - config.context - config.horizon + 1
    usable = np.flatnonzero(room > 0)
    scores = np.zeros(0)
    if len(usable):
        series = random.choice(usable, count)
        first = config.context + (random.random(count) * room[series]).astype(np.int64)
        mean, deviation = forecast(model, values, series, first)
        truth = cut(values, series, first, config.horizon)
        scores = np.abs(truth - mean) / deviation
    found = conformal(scores[~np.isnan(scores)], level)
    if not np.isfinite(found):
        raise errors.InputError(
            f"expected known values in windows of {config.context + config.horizon} to "
            f"calibrate forecasts on; found {np.sum(~np.isnan(scores))}"
        )
    return found


def _inputs(model: Model, values, series, first):
    """A batch of `forecaster.apply`, of a power of two of rows."""
    config = model.config
    more = (1 << (len(series) - 1).bit_length()) - len(series)
    number, place = (np.pad(x, (0, more), mode="edge") for x in (series, first))
    past = cut(values, number, place - config.context, config.context)
    past = layouts.to_scale(model.layout, number, past)
    known = ~np.isnan(past)
    length = config.context + config.horizon
    features = layouts.features(model.layout, number, place - config.context, length)
    return {
        "series": number.astype(np.int32),
        "values": np.where(known, past, 0).astype(np.float32),
        "known": known.astype(np.float32),
        "features": features,
    }


@functools.lru_cache(maxsize=8)
def _compiled(config):
    return jax.jit(functools.partial(forecaster.apply, config))
