"""Generators that need no training, whose order is known: what a score is compared with.

Every one makes as many windows `[n, length]` as it gets, a pure function of a seed.
"""

import numpy as np

from iclr22 import errors
from iclr22.data.series.windows import Scaled


def shuffled(windows, seed: int = 0) -> np.ndarray:
    """The same values in another order: right margins, no dynamics."""
    return np.random.default_rng(seed).permuted(windows, axis=1)


def moment_noise(windows, seed: int = 0) -> np.ndarray:
    """Gaussian noise with the mean and the standard deviation of every window."""
    windows = np.asarray(windows)
    mean = windows.mean(axis=1, keepdims=True)
    spread = windows.std(axis=1, ddof=1, keepdims=True)
    noise = np.random.default_rng(seed).normal(size=windows.shape)
    return (mean + spread * noise).astype(windows.dtype)


def constant(windows) -> np.ndarray:
    """The mean of every window."""
    windows = np.asarray(windows)
    return np.broadcast_to(windows.mean(axis=1, keepdims=True), windows.shape).copy()


def uniform(windows, seed: int = 0) -> np.ndarray:
    """Values that are equally likely between the least and the largest of all."""
    windows = np.asarray(windows)
    random = np.random.default_rng(seed)
    found = random.uniform(windows.min(), windows.max(), windows.shape)
    return found.astype(windows.dtype)


def noisy(windows, size: float, seed: int = 0) -> np.ndarray:
    """Windows with Gaussian noise of a standard deviation, in their units."""
    windows = np.asarray(windows)
    noise = np.random.default_rng(seed).normal(size=windows.shape)
    return (windows + size * noise).astype(windows.dtype)


def smooth(windows, width: int = 5) -> np.ndarray:
    """Moving averages over `width` values, ends held: what a generator of blurred windows
    would give."""
    windows = np.asarray(windows)
    before, after = (width - 1) // 2, width // 2
    padded = np.pad(windows, ((0, 0), (before, after)), mode="edge")
    views = np.lib.stride_tricks.sliding_window_view(padded, width, axis=1)
    return views.mean(axis=-1).astype(windows.dtype)


def block_bootstrap(
    data: Scaled, series, length: int, *, block: int = 8, seed: int = 0
) -> np.ndarray:
    """Blocks of the same series from anywhere, joined (moving block bootstrap, Künsch
    1989).

    Args:
      series: int `[n]`, of which series each window is.
      block: values of a block.

    Raises:
      errors.InputError: a series without a known run of `block` values.
    """
    series = np.asarray(series)
    return _joined(data, series, np.full(len(series), -1), length, block, 1, seed)


def seasonal_bootstrap(
    data: Scaled,
    series,
    first,
    length: int,
    *,
    season: int,
    block: int | None = None,
    seed: int = 0,
) -> np.ndarray:
    """What other cycles of the same series had at the same place of the season, joined.

    Args:
      series, first: int `[n]`, series of each window and its first value there.
      season: values of a cycle.
      block: values taken from one cycle; a whole cycle by default.

    Raises:
      errors.InputError: a place of the season with no other cycle where it is known.
    """
    block = min(block or season, length)
    found = np.asarray(series), np.asarray(first)
    return _joined(data, *found, length, block, season, seed)


def _joined(data, series, first, length, block, season, seed) -> np.ndarray:
    """Windows of blocks that begin at the same place of the season, but not where the
    block itself is; `first` -1: there is none such."""
    random = np.random.default_rng(seed)
    places, keys = _places(data, block, season)
    steps = np.arange(0, length, block)
    own = data.first[series][:, None] + first[:, None] + steps
    phase = (np.maximum(first, 0)[:, None] + steps) % season
    wanted = series[:, None] * season + phase
    low, high = (np.searchsorted(keys, wanted, side) for side in ("left", "right"))
    total = data.first[-1] + 1
    at = np.searchsorted(keys * total + places, wanted * total + own)
    at = np.where(first[:, None] < 0, high, at)
    is_own = (at < high) & (places[np.minimum(at, len(places) - 1)] == own)
    count = high - low - is_own
    if (count < 1).any():
        i, j = np.argwhere(count < 1)[0]
        raise errors.InputError(
            f"series {data.layout.ids[series[i]]!r}: expected another known run of {block} "
            f"values that begins at place {phase[i, j]} of a season of {season}; found none. "
            "Take a shorter block or season, or leave the series out."
        )
    index = low + (random.random(count.shape) * count).astype(np.int64)
    index += is_own & (index >= at)
    rows = places[index][..., None] + np.arange(block)
    return data.values[rows].reshape(len(series), -1)[:, :length]


def _places(data, block, season):
    """Where known blocks begin `[m]`, in order of `[m]` series and places of a season."""
    known = np.concatenate([[0], np.cumsum(data.known)])
    places = np.arange(max(len(data.known) - block + 1, 0))
    owner = np.searchsorted(data.first, places, side="right") - 1
    whole = known[places + block] - known[places] == block
    whole &= places + block <= data.first[owner + 1]
    places, owner = places[whole], owner[whole]
    keys = owner * season + (places - data.first[owner]) % season
    order = np.argsort(keys, kind="stable")
    return places[order], keys[order]


def known_generators(
    data: Scaled, series, first, length: int, *, season: int = 24, seed: int = 0
) -> dict[str, np.ndarray]:
    """Ten samples of windows by name, of the given places of a panel: nothing missing.

    Raises:
      errors.InputError: see the bootstraps.
    """
    rows = data.first[series] + first
    real = data.values[rows[:, None] + np.arange(length)]
    where = data, series, first, length
    return {
        "noise_0.02": noisy(real, 0.02, seed),
        "noise_0.05": noisy(real, 0.05, seed + 1),
        "noise_0.1": noisy(real, 0.1, seed + 2),
        "seasonal_bootstrap": seasonal_bootstrap(*where, season=season, seed=seed),
        "block_bootstrap": block_bootstrap(data, series, length, seed=seed),
        "shuffled": shuffled(real, seed),
        "moment_noise": moment_noise(real, seed),
        "smooth": smooth(real),
        "constant": constant(real),
        "uniform": uniform(real, seed),
    }
