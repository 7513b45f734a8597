"""Files of a user of PSA-GAN, small, under the names that README.md uses."""

import csv
import datetime

import numpy as np

BEGIN = datetime.datetime(2024, 1, 1)
HOURS = 504
SHOPS = {"north": (504, 2.5), "south": (504, 3.5), "new": (200, 1.5)}  # values, size


def write(folder):
    """Hourly loads, one series younger than others and one with a gap; real series, and
    those of some generator, in wide tables."""
    rng = np.random.default_rng(0)
    rows = []
    for name, (count, size) in SHOPS.items():
        values = _values(rng, 100 * size)
        for hour in range(HOURS - count, HOURS):
            gap = name == "north" and 300 <= hour < 310
            value = "" if gap else f"{values[hour]:.1f}"
            rows.append((name, _time(hour), value, size))
    _table(folder / "loads.csv", ("id", "time", "value", "size"), rows)
    for name in ("a.csv", "b.csv"):
        columns = [_values(rng, level) for level in (100, 300)]
        rows = [
            (_time(hour), *(f"{x[hour]:.2f}" for x in columns)) for hour in range(HOURS)
        ]
        _table(folder / name, ("time", "north", "south"), rows)


def _time(hour):
    return (BEGIN + datetime.timedelta(hours=hour)).strftime("%Y-%m-%d %H:%M")


def _values(rng, level):
    day = np.sin(2 * np.pi * (np.arange(HOURS) / 24 + rng.uniform()))
    return level * (1 + 0.3 * day) + 0.05 * level * rng.normal(size=HOURS)


def _table(path, header, rows):
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
