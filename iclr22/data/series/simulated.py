"""Generated panels whose cycles are known."""

import numpy as np

from iclr22.data.series import Panel
from iclr22.data.series.calendar import Step, times

PERIOD = 24.0  # of the sines


def loads(
    seed: int = 0, *, series: int = 12, days: int = 120, noise: float = 0.05
) -> Panel:
    """Hourly loads with a daily and a weekly cycle, both larger at other customers.

    A day has a morning and an evening peak, days of rest are lower, and what is left is a
    slow random walk that returns to its mean.
    """
    random = np.random.default_rng(seed)
    step, start = Step(1, "h"), np.datetime64("2021-01-04T00", "s")
    stamps = times(start, step, 24 * days)
    hour = (stamps.astype(np.int64) // 3600) % 24
    rest = (stamps.astype("datetime64[D]").astype(np.int64) + 3) % 7 >= 5
    values = []
    for _ in range(series):
        level, daily = random.uniform(50, 500), random.uniform(0.3, 0.6)
        morning, evening = random.uniform(7, 9), random.uniform(17, 20)
        day = np.exp(-(((hour - morning) / 2.5) ** 2)) + 1.2 * np.exp(
            -(((hour - evening) / 3.0) ** 2)
        )
        week = 1 - random.uniform(0.1, 0.4) * rest
        walk = _returning(random, len(stamps), noise)
        values.append(level * (0.6 + daily * day * week + walk).clip(0.05))
    return _panel(values, start, step)


def sines(seed: int = 0, *, series: int = 20, length: int = 480) -> Panel:
    """Sines of one period, of all phases, levels and heights, with little noise."""
    random = np.random.default_rng(seed)
    step, start = Step(1, "h"), np.datetime64("2021-01-04T00", "s")
    time = np.arange(length)
    values = [
        random.uniform(-5, 5)
        + random.uniform(1, 3)
        * (
            np.sin(2 * np.pi * (time / PERIOD + random.uniform()))
            + 0.02 * random.normal(size=length)
        )
        for _ in range(series)
    ]
    return _panel(values, start, step)


def synthetic(rng: np.random.Generator, size: int) -> Panel:
    """Loads of so many days, at least two weeks; they stand in for others in quick runs."""
    return loads(int(rng.integers(2**31)), series=4, days=max(14, size))


def seasons(seed: int = 0, *, series: int = 8, years: int = 40) -> Panel:
    """Monthly temperatures with a yearly cycle, other at other places, and warm and cold
    months that all places share in part."""
    random = np.random.default_rng(seed)
    count = 12 * years
    cycle = -np.cos(2 * np.pi * np.arange(count) / 12)
    shared = _returning(random, count, 1.5, share=0.3)
    values = [
        random.uniform(40, 70)
        + random.uniform(10, 25) * cycle
        + shared
        + random.normal(0, 1.5, count)
        for _ in range(series)
    ]
    return _panel(values, np.datetime64("1980-01-01", "s"), Step(1, "M"))


def synthetic_seasons(rng: np.random.Generator, size: int) -> Panel:
    """So many months, at least five years."""
    years = max(5, -(-size // 12))
    return seasons(int(rng.integers(2**31)), series=4, years=years)


def counts(seed: int = 0, *, series: int = 6, days: int = 364) -> Panel:
    """Daily counts (Poisson) whose weekends are quiet."""
    random = np.random.default_rng(seed)
    rest = np.arange(days) % 7 >= 5
    values = [
        random.poisson(random.uniform(5, 60) * (1 - random.uniform(0.2, 0.8) * rest))
        for _ in range(series)
    ]
    start = np.datetime64("2021-01-04", "s")
    return _panel([x.astype(float) for x in values], start, Step(1, "D"))


def synthetic_counts(rng: np.random.Generator, size: int) -> Panel:
    """So many days, at least nine weeks."""
    return counts(int(rng.integers(2**31)), series=4, days=max(63, size))


def _returning(random, count, size, share=0.97):
    """A random walk `[count]` that returns to 0, of standard deviation `size`."""
    found = np.empty(count)
    last = random.normal()
    shocks = random.normal(size=count) * np.sqrt(1 - share**2)
    for t in range(count):
        last = share * last + shocks[t]
        found[t] = last
    return size * found


def _panel(values, start, step) -> Panel:
    return Panel(
        values=tuple(values),
        start=np.full(len(values), start),
        step=step,
        ids=tuple(f"s{i}" for i in range(len(values))),
        static=np.zeros((len(values), 0), np.float32),
    )
