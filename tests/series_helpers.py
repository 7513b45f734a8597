"""Files of series of all kinds, and runs of the experiment whose networks stay untrained."""

import csv
import datetime
import functools
import types

import helpers
import jax
import numpy as np

from experiments.psa_gan.experiment import EXPERIMENT
from iclr22 import loop
from iclr22.psa_gan import discriminative, figures

BEGIN = datetime.datetime(2024, 1, 1)
DAY = datetime.timedelta(days=1)


def hours(count, *, begin=BEGIN, minutes=60) -> list[str]:
    """Times of a table."""
    step = datetime.timedelta(minutes=minutes)
    return [(begin + i * step).strftime("%Y-%m-%d %H:%M") for i in range(count)]


def months(count) -> list[str]:
    return [f"{2010 + i // 12}-{1 + i % 12:02}" for i in range(count)]


def business_days(count) -> list[str]:
    days = (BEGIN + i * DAY for i in range(2 * count))
    return [x.strftime("%Y-%m-%d") for x in days if x.weekday() < 5][:count]


def wave(count, period, *, level=100.0, seed=0):
    """A cycle with noise."""
    random = np.random.default_rng(seed)
    cycle = np.sin(2 * np.pi * (np.arange(count) / period + random.uniform()))
    return level + 30 * cycle + random.normal(0, 3, count)


def wide(path, times, *columns, names="abcdefgh", form="{:.2f}", first="time"):
    """A table of times and one column for each series; NaN are empty cells."""
    rows = [
        (t, *("" if np.isnan(x) else form.format(x) for x in row))
        for t, row in zip(times, np.transpose(columns), strict=True)
    ]
    return table(path, (first, *names[: len(columns)]), rows)


def table(path, header, rows):
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def read(path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def random_params(stage, config, batch, seed=0):
    """Parameters of a stage, normal numbers."""
    init = functools.partial(stage.init, config)
    shapes = jax.eval_shape(init, jax.random.key(0), batch).params
    random = np.random.default_rng(seed)

    def normal(x):
        return random.normal(0, 0.3, x.shape).astype(x.dtype)

    return jax.tree.map(normal, shapes)


def untrained(monkeypatch) -> list:
    """Let the loop return random parameters at once: what reaches it is collected. Nothing
    is drawn, and no classifier is trained."""
    found = []

    def fit(method, config, batches, schedule, *, seed=0, **_):
        assert schedule.steps > 0 and schedule.scan > 0
        found.append(config)
        params = random_params(method, config, batches(0), seed)
        return types.SimpleNamespace(params=params)

    monkeypatch.setattr(loop, "fit", fit)
    monkeypatch.setattr(discriminative, "discriminative_score", lambda *a, **k: 0.25)
    for name in ("scores", "overlays", "rhythms", "embeddings", "bands"):
        monkeypatch.setattr(figures, name, lambda *a, **k: None)
    return found


def launch(folder, *words):
    """A quick run, in this process."""
    common = ("--quick", "--seeds=1", f"--workdir={folder}")
    helpers.launch(EXPERIMENT, *common, *words)
    return folder
