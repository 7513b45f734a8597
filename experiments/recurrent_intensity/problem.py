"""The log of the recurrent intensity experiment, its splits, and what is trained on one."""

import math
from collections.abc import Iterable

import numpy as np

from experiments import run as runner
from iclr22 import data, errors
from iclr22 import recurrent_intensity as rim
from iclr22.data import events as event_data
from iclr22.recurrent_intensity import pipeline, requests

QUICK_EVENTS = 1500


def load(run: runner.Run) -> data.Events:
    """The log of this run."""
    options = run.options
    if run.own:
        events = data.load_own_events(options.events, unit=options.unit)
    elif run.quick:
        rng = np.random.default_rng(0)
        events = data.get(run.dataset).synthetic(rng, QUICK_EVENTS)
    else:
        events = data.get(run.dataset).load(run.data_dir)
    if options.second_half and not run.quick:
        events = data.second_half(events)
    found = event_data.describe(events)
    run.facts["log"] = (
        f"{found['events']:,} events of {found['users']:,} users and {found['items']:,} "
        f"items; {100 * found['tie_rate']:.1f} % share their time with another of the "
        f"user, {100 * found['repeat_rate']:.1f} % repeat an item"
    )
    return events


def horizon_of(run: runner.Run) -> float | None:
    """What --horizon says, in seconds; None: left to the split."""
    text = run.options.horizon
    return requests.parse_horizon(text) if text else None


def in_words(seconds: float) -> str:
    """A length of time in the unit that suits it: 14 d, 18.8 min."""
    units = [(u, s) for u, s in requests.UNITS.items() if seconds >= s and u != "w"]
    unit, size = units[-1] if units else ("s", 1.0)
    return f"{seconds / size:.4g} {unit}"


def least_of(run: runner.Run) -> dict[str, int]:
    """Least numbers of events of user states and items, arguments of the splits."""
    options = run.options
    return {
        "least_history": options.least_history,
        "least_events": options.least_events,
    }


def split_of(run: runner.Run, events, seed: int) -> rim.Split:
    """The split of a run's seed; the temporal one is the same for all."""
    options, least = run.options, least_of(run)
    if options.split == "user":
        seed = seed if options.split_seed < 0 else options.split_seed
        return rim.user_split(events, seed, **least)
    return rim.temporal_split(events, horizon=horizon_of(run), **least)


def models_of(run: runner.Run, split, seed: int, variants: Iterable[str]) -> rim.Models:
    """Models of a split, of which these variants are asked for; what they train is told."""
    options = run.options.models
    found = pipeline.configurations(options, split, variants)
    run.trains({f"{name}-{seed}": config for name, config in found.items()})
    folder = run.path("training") / f"seed-{seed}"
    return rim.train(split, options, directory=folder, seed=seed, mode=run.mode)


def setting_of(run: runner.Run) -> str:
    """How user states and pairs were chosen, for the results."""
    options = run.options
    name = options.split
    if options.split_seed >= 0:
        name += f" {options.split_seed}"
    if options.models.exclude_train:
        name += ", exclude_train"
    return name


def sizes(run: runner.Run, split) -> tuple[int, int]:
    """k items per user state and c user states per item."""
    x, y = len(split.test.user), len(split.test_items)
    options = run.options
    k, c = options.k or math.ceil(0.01 * y), options.c or math.ceil(0.01 * x)
    if not (0 < k <= y and 0 < c <= x):
        raise errors.InputError(
            f"expected --k of 1 to {y} items and --c of 1 to {x} user states; found {k} "
            f"and {c}"
        )
    return k, c
