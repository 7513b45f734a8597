"""How like real windows synthetic ones are, one property at a time.

Windows are `[n, t]` arrays without missing values. Each number says little alone: beside it
belongs what a second real sample gets.
"""

from typing import NamedTuple

import numpy as np
from scipy import stats

from iclr22 import errors
from iclr22.psa_gan.naive import nrmse

SMALLEST = 1e-12  # variance of a window that is not constant


def check(real, synthetic) -> tuple[np.ndarray, np.ndarray]:
    """Both as float64.

    Raises:
      errors.InputError: not windows of one length, fewer than two, or not finite.
    """
    found = np.asarray(real, np.float64), np.asarray(synthetic, np.float64)
    shapes = [x.shape for x in found]
    if any(len(s) != 2 or s[0] < 2 or s[1] != shapes[0][-1] for s in shapes):
        raise errors.InputError(
            "expected real and synthetic windows [n, length] of one length, two at least; "
            f"found {list(shapes[0])} and {list(shapes[1])}"
        )
    if not all(np.isfinite(x).all() for x in found):
        raise errors.InputError("expected finite values in all windows; found others")
    return found


def autocorrelation(windows) -> np.ndarray:
    """Mean over windows `[n, t]` of the autocorrelation at lags 1 to t / 2; constant
    windows do not count."""
    x = np.asarray(windows, np.float64)
    t = x.shape[1]
    x = x - x.mean(axis=1, keepdims=True)
    x = x[np.mean(x**2, axis=1) > SMALLEST]
    if not len(x):
        return np.zeros(t // 2)
    power = np.abs(np.fft.rfft(x, 2 * t, axis=1)) ** 2
    sums = np.fft.irfft(power, axis=1)[:, : t // 2 + 1]
    return (sums[:, 1:] / sums[:, :1]).mean(axis=0)


def autocorrelation_distance(real, synthetic) -> float:
    """Root mean square difference of the mean autocorrelations."""
    real, synthetic = check(real, synthetic)
    gap = autocorrelation(real) - autocorrelation(synthetic)
    return float(np.sqrt(np.mean(gap**2)))


def spectrum(windows) -> np.ndarray:
    """Share of the power of all windows at 1, 2, ... t / 2 cycles in a window."""
    x = np.asarray(windows, np.float64)
    x = x - x.mean(axis=1, keepdims=True)
    power = (np.abs(np.fft.rfft(x, axis=1)[:, 1:]) ** 2).mean(axis=0)
    return power / max(power.sum(), SMALLEST)


def spectrum_distance(real, synthetic) -> float:
    """Total variation of the two shares of power, 0 to 1."""
    real, synthetic = check(real, synthetic)
    return float(np.abs(spectrum(real) - spectrum(synthetic)).sum() / 2)


def profile(windows, phase, season: int) -> np.ndarray:
    """Mean value at every place of a season, `[season]`; NaN where no window has been.

    Args:
      windows: `[n, t]`.
      phase: int `[n]`, place in the season of the first value of each (hour of the day).
    """
    windows = np.asarray(windows, np.float64)
    place = (np.asarray(phase)[:, None] + np.arange(windows.shape[1])) % season
    total = np.bincount(place.ravel(), windows.ravel(), season)
    count = np.bincount(place.ravel(), minlength=season)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def profile_correlation(real, synthetic, phase, synthetic_phase, season: int) -> float:
    """Pearson correlation of two profiles (daily: season 24 of hourly values); NaN where
    one of them is flat."""
    real, synthetic = check(real, synthetic)
    a = profile(real, phase, season)
    b = profile(synthetic, synthetic_phase, season)
    known = np.isfinite(a) & np.isfinite(b)
    a, b = a[known], b[known]
    if len(a) < 2 or min(np.var(a), np.var(b)) < SMALLEST:
        return float("nan")
    return float(np.corrcoef(a, b)[0, 1])


def period_correlation(windows, period: float) -> float:
    """Mean over windows `[n, t]` of the correlation with the nearest sinusoid of a period;
    constant windows count as 0.

    Raises:
      errors.InputError: windows shorter than three values.
    """
    x = np.asarray(windows, np.float64)
    if x.ndim != 2 or x.shape[1] < 3:
        raise errors.InputError(
            f"expected windows [n, length] of three values at least; found {list(x.shape)}"
        )
    x = x - x.mean(axis=1, keepdims=True)
    angle = 2 * np.pi * np.arange(x.shape[1]) / period
    waves = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    fitted = x @ np.linalg.pinv(waves - waves.mean(axis=0)).T
    fitted = fitted @ (waves - waves.mean(axis=0)).T
    total, explained = np.sum(x**2, axis=1), np.sum(fitted**2, axis=1)
    return float(np.sqrt(explained / np.maximum(total, SMALLEST)).mean())


def spread_ratio(real, synthetic) -> float:
    """Mean standard deviation within synthetic windows over that within real ones."""
    real, synthetic = check(real, synthetic)
    return float(synthetic.std(axis=1).mean() / max(real.std(axis=1).mean(), 1e-9))


def marginal_distance(real, synthetic) -> float:
    """Wasserstein distance of all values, in units of the standard deviation of the real
    ones."""
    real, synthetic = check(real, synthetic)
    distance = stats.wasserstein_distance(real.ravel(), synthetic.ravel())
    return float(distance / max(real.std(), 1e-6))


def diversity(samples, spread) -> float:
    """How much windows of one place and other noise differ, over how much the series does.

    Args:
      samples: `[k, n, t]`, k windows for each of n places.
      spread: `[n]`, standard deviation of real values of the series of each place.

    Raises:
      errors.InputError: other shapes, or fewer than two samples.
    """
    samples, spread = np.asarray(samples, np.float64), np.asarray(spread, np.float64)
    if samples.ndim != 3 or len(samples) < 2 or spread.shape != samples.shape[1:2]:
        raise errors.InputError(
            "expected samples [k, n, t] of two at least and spread [n]; found "
            f"{list(samples.shape)} and {list(spread.shape)}"
        )
    some = spread > 1e-9
    found = samples.std(axis=0, ddof=1).mean(axis=1)
    return float(np.mean(found[some] / spread[some])) if some.any() else float("nan")


def synthetic_for_real(
    synthetic, real, *, horizon: int | None = None, penalty: float = 1e-3
) -> float:
    """Error (NRMSE) on real windows of a forecaster that learned from synthetic ones.

    The forecaster is a ridge regression of the last values of a window on those before, the
    quick form of train-on-synthetic-test-on-real (Esteban et al. 2017); with real windows
    in the place of synthetic ones it says what can be reached.

    Args:
      synthetic, real: `[n, t]` to learn from, `[m, t]` to be judged on.
      horizon: last values that are foretold; a quarter of the window by default.
      penalty: over the mean square of inputs.
    """
    real, synthetic = check(real, synthetic)
    t = real.shape[1]
    horizon = max(1, t // 4) if horizon is None else horizon
    if not 1 <= horizon < t:
        raise errors.InputError(
            f"expected a horizon from 1 to {t - 1}, less than the window; found {horizon}"
        )

    cut = t - horizon
    middle = synthetic.mean(axis=0)
    past, after = np.split(synthetic - middle, [cut], axis=1)
    square = past.T @ past
    strength = penalty * np.trace(square) / cut + SMALLEST
    weight = np.linalg.solve(square + strength * np.eye(cut), past.T @ after)
    found = (real - middle)[:, :cut] @ weight + middle[cut:]
    return nrmse(real[:, cut:], found)


class Components(NamedTuple):
    """Principal components of real vectors, and vectors on them.

    Attributes:
      axes: `[d, k]`.
      share: `[k]` of the variance of the real vectors.
      places: of each sample `[n, k]`, the real one first.
    """

    axes: np.ndarray
    share: np.ndarray
    places: tuple[np.ndarray, ...]


def components(real, *others, count: int = 2) -> Components:
    """Vectors `[n, d]` on the first components of the real ones (to draw them)."""
    real = np.asarray(real, np.float64)
    middle = real.mean(axis=0)
    _, values, rows = np.linalg.svd(real - middle, full_matrices=False)
    axes = rows[:count].T
    axes = axes * np.where(axes[np.abs(axes).argmax(axis=0), range(count)] < 0, -1, 1)
    share = values[:count] ** 2 / max(np.sum(values**2), SMALLEST)
    places = [(np.asarray(x, np.float64) - middle) @ axes for x in (real, *others)]
    return Components(axes, share, tuple(places))
