"""Samples of a generator, made to agree with the values that are known around a gap.

What a generator leaves unexplained, real values less the mean of its samples, is taken for
a stationary Gaussian process. Its covariance is estimated from the panel, and samples are
conditioned by kriging: each gets the mean of that process given its own residuals at the
known values (Matheron's rule; Journel and Huijbregts, "Mining Geostatistics", 1978;
Hoffman and Ribak, ApJ 380, 1991). Far from known values a sample stays as it was drawn.
"""

import numpy as np

CELLS = 1 << 22  # numbers of covariance matrices at a time
PRIOR = 100  # values whose spread is the usual one, before those around are looked at
COLUMNS = 1024  # wanted places at a time
SMALLEST = 1e-8  # variance of scaled residuals
RIDGE = 1e-2  # share of the variance that is noise without memory


def covariance(residuals, series, count: int) -> np.ndarray:
    """Stationary covariances by lag `[count, lags]`.

    Half of each is that of its own series, half the correlation of all together; the
    latter alone for a series without residuals.

    Args:
      residuals: `[n, t]`, NaN where not known; runs of series.
      series: int `[n]`, which series each is of.
      count: of series.
    """
    lags = residuals.shape[1]
    total, pairs = _products(residuals)
    own, seen = np.zeros((count, lags)), np.zeros((count, lags))
    np.add.at(own, series, total)
    np.add.at(seen, series, pairs)
    variance = own[:, 0] / np.maximum(seen[:, 0], 1)
    pooled = own[:, 0].sum() / max(seen[:, 0].sum(), 1)
    there = variance > 0
    variance = np.maximum(np.where(there, variance, pooled), SMALLEST)[:, None]
    unit = np.where(there, variance[:, 0], 1)[:, None]
    joint = (own / unit).sum(axis=0) / np.maximum(seen.sum(axis=0), 1)
    each = own / unit / np.maximum(seen, 1)
    mixed = np.where((seen > 0) & there[:, None], 0.5 * each + 0.5 * joint, joint)
    mixed = mixed * (1 - np.arange(lags) / lags)
    return variance * _positive(mixed)


def _products(x):
    """Sums of products by lag, and of pairs, `[n, t]` each."""
    t = x.shape[1]
    known = ~np.isnan(x)
    found = [
        np.fft.rfft(y, 2 * t) for y in (np.where(known, x, 0), known.astype(float))
    ]
    total, pairs = (np.fft.irfft(np.abs(y) ** 2, 2 * t)[:, :t] for y in found)
    return total, np.rint(pairs)


def _positive(by_lag):
    """Nearest correlations whose spectrum is nowhere negative; 1 at lag 0."""
    t = by_lag.shape[1]
    around = np.concatenate([by_lag, np.zeros((len(by_lag), 1)), by_lag[:, :0:-1]], 1)
    spectrum = np.fft.rfft(around).real.clip(0)
    found = np.fft.irfft(spectrum, 2 * t)[:, :t]
    return found / np.maximum(found[:, :1], 1e-12)


def condition(samples, values, known, wanted, series, by_lag):
    """Samples at wanted places, given the known ones.

    Args:
      samples: `[s, b, t]`, drawn without knowledge of the values.
      values: `[b, t]`, anything where not known.
      known: int `[b, k]`, places of known values; -1 for none.
      wanted: int `[w]`, places that are asked for.
      series: int `[b]`.
      by_lag: `[n, lags]`, covariances of what the mean of samples leaves unexplained.

    Returns:
      samples `[s, b, w]`, and the standard deviation `[b, w]` that is left of the process;
      it is larger where residuals around are larger than is usual in their series.
    """
    b, k, w = len(series), known.shape[1], len(wanted)
    place, there = np.maximum(known, 0), known >= 0
    real = np.take_along_axis(values, place, axis=1)
    apart = real - np.take_along_axis(samples, place[None], axis=2)
    apart = np.where(there, apart, 0)
    found, deviation = samples[:, :, wanted].astype(np.float64), np.empty((b, w))
    size = max(1, CELLS // max(1, k * (k + COLUMNS)))
    for low in range(0, b, size):
        rows = slice(low, low + size)
        for left in range(0, w, COLUMNS):
            columns = slice(left, left + COLUMNS)
            weights, deviation[rows, columns] = _weights(
                by_lag, series[rows], known[rows], wanted[columns]
            )
            found[:, rows, columns] += np.einsum(
                "sbk,bkw->sbw", apart[:, rows], weights, optimize=True
            )
    return found, deviation * _local(apart.mean(axis=0), there, by_lag[series, 0])


def _local(apart, there, variance):
    """Spread around each gap as a share of the usual one, `[b, 1]`."""
    usual = np.where(variance > 0, variance, 1)
    size = (apart**2).sum(axis=1) / usual
    return np.sqrt((PRIOR + size) / (PRIOR + there.sum(axis=1)))[:, None]


def _weights(by_lag, series, known, wanted):
    """What each known residual counts at wanted places `[b, k, w]`, and the deviation
    that is left there `[b, w]`."""
    there = known >= 0
    variance = by_lag[series, 0]
    among = _at(by_lag, series, known[:, :, None] - known[:, None, :])
    among = np.where(there[:, :, None] & there[:, None, :], among, 0)
    k = np.arange(known.shape[1])
    among[:, k, k] = np.where(there, (1 + RIDGE) * variance[:, None], 1)
    across = _at(by_lag, series, known[:, :, None] - wanted)
    across = np.where(there[:, :, None], across, 0)
    weights = np.linalg.solve(among, across)
    left = (1 + RIDGE) * variance[:, None] - (across * weights).sum(axis=1)
    return weights, np.sqrt(np.maximum(left, RIDGE * variance[:, None]))


def _at(by_lag, series, apart):
    """Covariances `[b, ...]` of places so far apart."""
    lags = by_lag.shape[1]
    padded = np.pad(by_lag, ((0, 0), (0, 1)))
    return padded[series.reshape(-1, 1, 1), np.minimum(np.abs(apart), lags)]


def between_edges(samples, values, edges, first: int, count):
    """Samples of gaps, shifted so that they meet the values on both sides: residuals at
    the edges cross-fade, the one before from 1 to 0, the one after from 0 to 1.

    Args:
      samples: `[s, b, t]`.
      values: `[b, t]`, NaN where not known.
      edges: int `[b, e]` twice, places before and after the gap whose mean residual is
        taken; -1 for none.
      first: place where the gaps begin.
      count: int `[b]`, values of each gap.

    Returns:
      `[s, b, t]`.
    """
    left, right = (_mean_apart(samples, values, edge) for edge in edges)
    place = np.arange(samples.shape[2]) - first
    _, after = cross_fade(count[:, None], place)
    after = np.where(np.isnan(right), 0, np.where(np.isnan(left), 1, after))
    return samples + (1 - after) * np.nan_to_num(left) + after * np.nan_to_num(right)


def cross_fade(count, place):
    """Shares of what is before a gap and of what is after it, at places of it that count
    from 0; they sum to 1."""
    after = np.clip((place + 1) / (count + 1), 0, 1)
    return 1 - after, after


def _mean_apart(samples, values, places):
    """Mean of values less samples at places, `[s, b, 1]`; NaN where there are none."""
    place, there = np.maximum(places, 0), places >= 0
    real = np.take_along_axis(values, place, axis=1)
    apart = real - np.take_along_axis(samples, place[None], axis=2)
    total = np.where(there, apart, 0).sum(axis=-1, keepdims=True)
    count = there.sum(axis=-1, keepdims=True)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def conformal(scores, level: float) -> float:
    """The score that a share `level` of new ones does not exceed: of n scores the
    `ceil((n + 1) level)`-th smallest (split conformal prediction; Vovk et al. 2005),
    infinite where n is too small for it.

    Args:
      scores: `[n]`, sizes of errors in units of a stated deviation.
    """
    scores = np.sort(np.asarray(scores, np.float64))
    rank = int(np.ceil((len(scores) + 1) * level - 1e-9))
    return float(scores[rank - 1]) if rank <= len(scores) else float("inf")
