"""Samples of gaps that agree with what is known around, and how far off they are."""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import numpy as np
from absl import logging
from scipy import stats

from iclr22.psa_gan import conditioning
from iclr22.psa_gan.gaps import Gaps, artificial, cut, held

Anchor = Literal["covariance", "edges", "none"]
Draw = Callable[..., Any]  # as `generation.draw` of a model, see `filling.fill_panel`
DRAWN = 1 << 22  # values that are drawn at a time
EDGE = 24  # values on each side that `edges` looks at
FLOOR = 1e-3  # deviation of samples, scaled, at least


class Options(NamedTuple):
    """How gaps are filled."""

    anchor: Anchor = "covariance"  # how samples are brought to agree with the known
    samples: int = 10  # of each gap; their mean fills it
    margin: int = 168  # values on each side of a gap that are looked at, at most
    level: float = 0.9  # share of values that bands hold
    artificial: int = 100  # gaps of each length that calibrate bands; 0: none, Gaussian
    runs: int = 48  # stretches from which covariances are estimated
    lags: int = 2048  # values of these
    context: int = 0  # values before a stretch that the generator is given


class Source(NamedTuple):
    """What fills: a generator, the scaled series, how, and their covariance."""

    draw: Draw
    series: tuple[np.ndarray, ...]
    options: Options
    seed: int
    by_lag: np.ndarray | None = None  # [n, lags]


class Pattern(NamedTuple):
    """Which places around gaps are known: `before`, `after`, bool `[b, margin]` each."""

    before: np.ndarray
    after: np.ndarray


def parts(options: Options, width: int, rows):
    """Gaps `rows` of this width, as many at a time as memory is meant for."""
    whole = options.samples * (2 * margin_of(options, width) + width)
    size = max(1, DRAWN // whole)
    return [rows[low : low + size] for low in range(0, len(rows), size)]


def drawn(source: Source, number, first, count: int, stream: int) -> np.ndarray:
    """Samples `[s, b, count]`, some rows at a time."""
    samples, context = source.options.samples, source.options.context
    size, found = max(1, DRAWN // (samples * count)), []
    for low in range(0, len(number), size):
        rows = slice(low, low + size)
        before = None
        if context:
            before = cut(source.series, number[rows], first[rows] - context, context)
            before = held(before).astype(np.float32)
        seed = int(np.random.default_rng((source.seed, stream, low)).integers(2**31))
        more = {"samples": samples, "seed": seed, "context": before}
        drawn = source.draw(number[rows], first[rows], count, **more)
        found.append(np.asarray(drawn, np.float32))
    return np.concatenate(found, axis=1)


def covariance_of(source: Source) -> np.ndarray:
    """Of what the mean of samples leaves unexplained, from stretches of all series,
    `[n, lags]`."""
    random = np.random.default_rng((source.seed, 2))
    length = np.array([len(x) for x in source.series])
    known = [np.flatnonzero(~np.isnan(x)) for x in source.series]
    lags = min(source.options.lags, int(length.max()))
    number = random.permutation(np.flatnonzero([len(x) for x in known]))
    number = np.resize(number, max(source.options.runs, 1))
    within = np.array([random.choice(known[i]) for i in number])
    first = within - random.integers(0, lags, len(number))
    first = np.clip(first, 0, np.maximum(length[number] - lags, 0))
    mean = drawn(source, number, first, lags, 3).mean(axis=0)
    apart = cut(source.series, number, first, lags) - mean
    return conditioning.covariance(apart, number, len(length))


def margin_of(options: Options, width: int) -> int:
    """Values on each side that a gap of so many is conditioned on: few for a short one."""
    return min(options.margin, max(2 * EDGE, 4 * width))


def pattern_of(source: Source, gaps: Gaps, width: int) -> Pattern:
    """What is known around gaps."""
    margin, series = margin_of(source.options, width), source.series
    ends = gaps.first - margin, gaps.first + gaps.count
    each = (cut(series, gaps.series, first, margin) for first in ends)
    return Pattern(*(~np.isnan(x) for x in each))


def anchored(source: Source, gaps: Gaps, width: int, pattern: Pattern, stream: int):
    """Samples of gaps `[s, b, width]` that agree with what is known around, and their
    deviation `[b, width]`; what is behind the end of a gap is of no use."""
    options, margin = source.options, margin_of(source.options, width)
    first, count = gaps.first - margin, 2 * margin + width
    samples = drawn(source, gaps.series, first, count, stream)
    inside = slice(margin, margin + width)
    if options.anchor == "none":
        return samples[:, :, inside], _spread(samples[:, :, inside])
    values = cut(source.series, gaps.series, first, count)
    place = np.arange(margin)
    after = margin + gaps.count[:, None] + place
    before = np.where(pattern.before, place, -1)
    after = np.where(pattern.after, after, -1)
    if options.anchor == "edges":
        edges = before[:, -EDGE:], after[:, :EDGE]
        shifted = conditioning.between_edges(samples, values, edges, margin, gaps.count)
        return shifted[:, :, inside], _spread(shifted[:, :, inside])
    if source.by_lag is None:
        return samples[:, :, inside], _spread(samples[:, :, inside])
    known, wanted = np.concatenate([before, after], axis=1), np.arange(count)[inside]
    return conditioning.condition(
        samples, values, known, wanted, gaps.series, source.by_lag
    )


def _spread(samples):
    return np.maximum(samples.std(axis=0), FLOOR)


def factor(source: Source, gaps: Gaps, width: int) -> float:
    """How many deviations the bands are wide, from artificial gaps with the same values
    known around them."""
    options = source.options
    gauss = float(stats.norm.ppf((1 + options.level) / 2))
    if not options.artificial:
        return gauss
    whole = options.samples * (2 * margin_of(options, width) + width)
    size = min(options.artificial, max(DRAWN // whole, 8))
    random = np.random.default_rng((source.seed, width))
    template = np.resize(random.permutation(len(gaps.count)), size)
    made, kept = artificial(source.series, Gaps(*(x[template] for x in gaps)), random)
    if not len(made.count):
        logging.warning(
            "gaps of %d values: no known stretch of this length to calibrate bands on; "
            "they are %.2f deviations wide, as of a Gaussian",
            int(gaps.count.max()),
            gauss,
        )
        return gauss
    around, there = (pattern_of(source, x, width) for x in (gaps, made))
    rows = template[kept]
    pattern = Pattern(*(a[rows] & b for a, b in zip(around, there, strict=True)))
    samples, deviation = anchored(source, made, width, pattern, 4)
    truth = cut(source.series, made.series, made.first, width)
    inside = np.arange(width) < made.count[:, None]
    scores = np.abs(truth - samples.mean(axis=0)) / deviation
    found = conditioning.conformal(scores[inside & ~np.isnan(scores)], options.level)
    return found if np.isfinite(found) else gauss
