"""Missing stretches filled with samples of a generator, with bands of known coverage.

Samples of a stretch with margins on both sides are made to agree with what is known there
(`conditioning`); their mean fills the stretch. How wide bands are is found by split
conformal prediction: the same is done to artificial gaps of about the same length, in the
same series and with the same values known around them, where the truth is known. Coverage
holds for values on average, if gaps are like these; where a generator has learned a small
panel by heart, its errors at artificial gaps are too small.
"""

from typing import NamedTuple

import numpy as np

from iclr22 import errors
from iclr22.data.series import Panel, layouts
from iclr22.data.series.layouts import Layout
from iclr22.psa_gan import anchoring
from iclr22.psa_gan.anchoring import Draw, Options, Source
from iclr22.psa_gan.gaps import Gaps, gaps_of

SHORTEST, LONG = 8, 1024  # gaps are treated together with others of about their length


class Filled(NamedTuple):
    """Series without gaps, in their own units.

    Attributes:
      values: float64 `[t_i]` of each series; the mean of samples where missing.
      low, high: of the same lengths, ends of bands; the values themselves where known.
      gaps: the stretches that were missing.
      samples: float64 `[s, count]` of each.
    """

    values: tuple[np.ndarray, ...]
    low: tuple[np.ndarray, ...]
    high: tuple[np.ndarray, ...]
    gaps: Gaps
    samples: tuple[np.ndarray, ...]


def fill_panel(
    draw: Draw,
    panel: Panel,
    options: Options | None = None,
    *,
    layout: Layout | None = None,
    seed: int = 0,
) -> Filled:
    """Fill every missing stretch of a panel.

    Args:
      draw: `(series [b], first [b], count, *, samples, seed, context)` to windows
        `[samples, b, count]`, scaled, from any place of a series on, see
        `generation.draw`; context `[b, options.context]` holds scaled values before.
      layout: of the panel that the generator learned; by default this one's.
      seed: of samples and of artificial gaps.

    Raises:
      errors.InputError: options without sense; other series than those of the layout.
    """
    options = _checked(options)
    layout = layouts.layout(panel, layout)
    number = np.arange(len(panel.values))
    scaled = [
        layouts.to_scale(layout, [i], np.asarray(x)[None])[0]
        for i, x in zip(number, panel.values, strict=True)
    ]
    found = _fill(Source(draw, tuple(scaled), options, seed))

    def units(i, x):
        return layouts.to_units(layout, [i], x[None])[0]

    values, low, high = (
        tuple(
            np.where(np.isnan(x), units(i, y), x)
            for i, x, y in zip(number, panel.values, each, strict=True)
        )
        for each in (found.values, found.low, found.high)
    )
    samples = map(units, found.gaps.series, found.samples)
    return Filled(values, low, high, found.gaps, tuple(samples))


def fill_gap(
    draw: Draw,
    values,
    known,
    options: Options | None = None,
    *,
    series: int = 0,
    limits: tuple[float, float] | None = None,
    seed: int = 0,
) -> Filled:
    """Fill every missing stretch of one series; calibrated on this series alone.

    Args:
      draw: see `fill_panel`.
      values: `[t]`, own units; anything where not known.
      known: bool `[t]`.
      series: its number, for the generator.
      limits: values that are 0 and 1 for the generator; by default the smallest and the
        largest known one.

    Returns:
      `Filled` of one series.

    Raises:
      errors.InputError: other shapes; nothing known and no limits; options without sense.
    """
    values, known = np.asarray(values, np.float64), np.asarray(known, bool)
    if values.ndim != 1 or values.shape != known.shape:
        raise errors.InputError(
            "expected values [t] and which of them are known [t]; found "
            f"{list(values.shape)} and {list(known.shape)}"
        )
    if limits is None and not known.any():
        raise errors.InputError(
            "expected known values, or the limits that the generator calls 0 and 1; found "
            "neither"
        )
    low, high = limits or (values[known].min(), values[known].max())
    width = (high - low) or 1.0

    def own(number, *rest, **more):
        return draw(np.full_like(number, series), *rest, **more)

    given = np.where(known, values, np.nan)
    source = Source(own, ((given - low) / width,), _checked(options), seed)
    found = _fill(source)
    filled, bottom, top = (
        (np.where(known, values, low + width * each[0]),)
        for each in (found.values, found.low, found.high)
    )
    samples = tuple(low + width * x for x in found.samples)
    return Filled(filled, bottom, top, found.gaps, samples)


def _checked(options: Options | None) -> Options:
    options = Options() if options is None else options
    if options.samples < 1 or options.margin < 1 or not 0 < options.level < 1:
        raise errors.InputError(
            "expected samples and margin of 1 at least and a level between 0 and 1; found "
            f"{options.samples}, {options.margin} and {options.level:g}"
        )
    return options


def _fill(source: Source) -> Filled:
    """The same with scaled values; gaps of about one length at a time."""
    gaps, series = gaps_of(source.series), source.series
    found = [tuple(x.copy() for x in series) for _ in range(3)]
    samples: list[np.ndarray] = [np.empty(0)] * len(gaps.count)
    some = any(not np.isnan(x).all() for x in series)
    if len(gaps.count) and some and source.options.anchor == "covariance":
        source = source._replace(by_lag=anchoring.covariance_of(source))
    size = _sizes(gaps.count)
    for width in map(int, np.unique(size)):
        rows = np.flatnonzero(size == width)
        factor = anchoring.factor(source, Gaps(*(x[rows] for x in gaps)), width)
        for some_rows in anchoring.parts(source.options, width, rows):
            own = Gaps(*(x[some_rows] for x in gaps))
            pattern = anchoring.pattern_of(source, own, width)
            drawn, deviation = anchoring.anchored(source, own, width, pattern, 1)
            for j, row in enumerate(some_rows):
                samples[row] = drawn[:, j, : own.count[j]]
                apart = factor * deviation[j, : own.count[j]]
                _write(found, own, j, samples[row].mean(axis=0), apart)
    values, low, high = found
    return Filled(values, low, high, gaps, tuple(samples))


def _write(found, gaps: Gaps, j: int, mean, apart):
    """Put mean and ends of bands of one gap where they belong."""
    part = slice(gaps.first[j], gaps.first[j] + gaps.count[j])
    for each, x in zip(found, (mean, mean - apart, mean + apart), strict=True):
        each[gaps.series[j]][part] = x


def _sizes(count) -> np.ndarray:
    """What gaps are filled up to: powers of two, then multiples of `LONG`."""
    exponent = np.ceil(np.log2(np.maximum(count, SHORTEST)))
    long = -(-count // LONG) * LONG
    return np.where(count > LONG, long, 2**exponent).astype(np.int64)
