"""The panel of a run, what is held out of it, and generators trained on the rest."""

import time
from typing import NamedTuple

import numpy as np

from experiments import run as runner
from iclr22 import data, errors
from iclr22.data.series import Panel, calendar, describe, layouts, windows
from iclr22.data.series.windows import Scaled
from iclr22.psa_gan import artifact, generation, hidden, pipeline
from iclr22.psa_gan.artifact import Model
from iclr22.psa_gan.gaps import Gaps

QUICK_DAYS = 21
FEWEST = 20  # windows that scores may compare: half of them tell two kinds apart
TRIES = 20  # batches that windows without a missing value are looked for in


class Problem(NamedTuple):
    """A panel, and what of it is learned.

    Attributes:
      panel: all of it.
      train: what is learned: some blocks of each series are missing.
      scaled: that, from 0 to 1.
      held: these blocks, in the same scale, `[t_i]` each.
      season: steps of the most usual cycle.
    """

    panel: Panel
    train: Panel
    scaled: Scaled
    held: tuple[np.ndarray, ...]
    season: int


class Sample(NamedTuple):
    """Windows without a missing value, scaled, `[n, length]` each.

    Attributes:
      real: of what is learned.
      other: likewise, none of them in `real`.
      held: of the blocks that are not learned; fewer, or none, if these are few.
      batch: of the same places as `real`, for generators: `series`, `features`, `noise`,
        `context`, and `first`.
    """

    real: np.ndarray
    other: np.ndarray
    held: np.ndarray
    batch: dict[str, np.ndarray]


def load(run: runner.Run) -> Panel:
    """The panel of this run."""
    options = run.options
    if run.own:
        step = calendar.parse(options.step) if options.step else None
        panel = data.load_own_series(options.series, step=step)
    elif run.quick:
        panel = data.get(run.dataset).synthetic(np.random.default_rng(0), QUICK_DAYS)
    else:
        panel = data.get(run.dataset).load(run.data_dir)
    tell(run, "panel", panel)
    return panel


def tell(run: runner.Run, name: str, panel: Panel) -> None:
    """A line of the report about a panel."""
    found = describe(panel)
    run.facts[name] = (
        f"{found['series']} series of {found['shortest']:,} to {found['longest']:,} values, "
        f"step {panel.step}; {found['missing']:,} missing, at most "
        f"{found['longest_gap']:,} in a row"
    )


def problem_of(run: runner.Run, panel: Panel) -> Problem:
    """The panel divided: blocks of each series, spread over it, are not learned, so that
    they are like what is learned."""
    gaps = _blocks(panel, 2 * run.options.models.gan.length, run.options.holdout)
    train = hidden.hide(panel, gaps)
    scaled = windows.scale(train)
    held = tuple(
        layouts.to_scale(scaled.layout, [i], panel.values[i][None, a : a + n])[0]
        for i, a, n in zip(*gaps, strict=True)
    )
    return Problem(panel, train, scaled, held, calendar.season(panel.step))


def _blocks(panel: Panel, size: int, share: float) -> Gaps:
    """Stretches of `size` values at random places, about this share of each series; none
    of a series shorter than four."""
    random, found = np.random.default_rng(0), []
    for i, length in enumerate(panel.lengths):
        count = max(1, round(share * length / size)) if length >= 4 * size else 0
        count *= share > 0
        free = np.sort(random.integers(0, length - count * size + 1, count))
        first = free + size * np.arange(count)
        found += [(i, place, size) for place in first]
    return Gaps(*np.array(found, np.int64).reshape(-1, 3).T)


def options_of(run: runner.Run, variant: str) -> pipeline.Options:
    """The options of one training."""
    return run.options.models._replace(variant=variant)


def plan(run: runner.Run, problem: Problem, variants) -> None:
    """Tell with which configurations the variants train, and the encoder of scores."""
    found = {
        variant: pipeline.config_of(options_of(run, variant), problem.train)
        for variant in variants
    }
    run.trains(found | encoders_of(run))


def encoders_of(run: runner.Run) -> dict:
    """Configurations of both encoders of scores, by name; they have seen twice the windows'
    length."""
    models = run.options.models
    longest = 2 * models.gan.length
    return {
        name: config._replace(longest=max(config.longest, longest))
        for name, config in (("encoder", models.encoder), ("contrast", models.contrast))
    }


class Fitted(NamedTuple):
    """A trained generator, and the processor seconds of its training, compiling too; NaN
    where it was interrupted."""

    model: Model
    seconds: float


def fit(run: runner.Run, problem: Problem, variant: str, seed: int) -> Fitted:
    """A trained generator and what it cost, from disk if it is there already."""
    name = f"{variant}-{seed}"

    def train():
        began, whole = time.process_time(), not _folder(run, name).exists()
        trained(run, problem.train, variant, seed)
        seconds = time.process_time() - began
        return {"processor_seconds": seconds if whole else float("nan")}

    seconds = run.cell(f"train-{name}", train)["processor_seconds"]
    return Fitted(trained(run, problem.train, variant, seed), float(seconds))


def trained(
    run: runner.Run, given: Panel, variant: str, seed: int, prefix: str = ""
) -> Model:
    """A generator trained on these values, from disk if it is there already.

    Args:
      prefix: of its name, where a run trains on several panels.
    """
    name = f"{prefix}{variant}-{seed}"
    path = run.path("models") / f"{name}.npz"
    if not path.exists():
        model = pipeline.train(
            given,
            options_of(run, variant),
            directory=_folder(run, name),
            seed=seed,
            mode=run.mode,
        )
        artifact.save(path, model)
    return artifact.load(path)


def _folder(run, name):
    return run.path("training") / name


def fitting(model: Model, given: Panel) -> Model:
    """A kept model, if it knows these series."""
    if tuple(model.layout.ids) != tuple(given.ids) or model.layout.step != given.step:
        raise errors.InputError(
            f"expected a panel of the {len(model.layout.ids)} series of step "
            f"{model.layout.step} that the model learned, in this order; found "
            f"{len(given.ids)} of step {given.step}. Train a model on these."
        )
    return model


def sample(run: runner.Run, problem: Problem, seed: int) -> Sample:
    """Windows that scores compare, other ones for every seed."""
    length, wanted = run.options.models.gan.length, run.options.windows
    found = [getattr(config, "context", 0) for config in run.trained.values()]
    before = max(found, default=0)  # the same places for all variants
    of = windows.make(problem.scaled, length, context=before, size=2 * wanted)
    series, first = places(of._replace(seed=seed + 1_000_003), 2 * wanted)
    half = len(series) // 2
    if len(series) < FEWEST:
        raise errors.InputError(
            f"expected {FEWEST} windows or more of {length} values of which none is "
            f"missing; found {len(series)}. Choose a shorter --length, or give more values."
        )
    batch = of.at(series[:half], first[:half])
    random = np.random.default_rng((seed, 1_000_003))
    noise = random.standard_normal((half, length), np.float32)
    return Sample(
        real=batch["values"],
        other=of.at(series[half:], first[half:])["values"],
        held=held_windows(problem, length, half, seed),
        batch=batch | {"noise": noise, "first": first[:half]},
    )


def places(of: windows.Windows, wanted: int):
    """Series and first values of distinct windows that are known whole."""
    found = np.zeros((0, 2), np.int64)
    for step in range(TRIES):
        series, first = of.places(step)
        rows = (of.data.first[series] + first)[:, None] + np.arange(of.length)
        whole = of.data.known[rows].all(axis=1)
        new = np.stack([series, first], axis=1)[whole]
        both = np.concatenate([found, new])
        _, order = np.unique(both, axis=0, return_index=True)
        found = both[np.sort(order)]
        if len(found) >= wanted:
            break
    return found[:wanted].T


def held_windows(problem: Problem, length: int, wanted: int, seed: int) -> np.ndarray:
    """Windows `[m, length]` of the blocks that are not learned, `wanted` at most."""
    found = [
        np.lib.stride_tricks.sliding_window_view(x, length)
        for x in problem.held
        if len(x) >= length
    ]
    if not found:
        return np.zeros((0, length), np.float32)
    found = np.concatenate(found)
    found = found[~np.isnan(found).any(axis=1)]
    rows = np.random.default_rng((seed, 7)).permutation(len(found))[:wanted]
    return found[np.sort(rows)].astype(np.float32)


def first_of(of: Sample, count: int) -> Sample:
    """The first windows and places of a sample."""
    batch = {name: x[:count] for name, x in of.batch.items()}
    return of._replace(real=of.real[:count], batch=batch)


def synthetic(model: Model, of: Sample, seed: int = 0) -> np.ndarray:
    """Windows `[n, length]` of a generator, of the places of the real ones.

    Args:
      seed: of the noise; 0 is that of the sample.
    """
    size, before = model.context, of.batch["context"]
    batch = of.batch | {"context": before[:, before.shape[1] - size :]}
    if seed:
        random = np.random.default_rng((seed, 1_000_033))
        batch["noise"] = random.standard_normal(batch["noise"].shape, np.float32)
    places, length = of.batch["first"], model.config.length
    batch["features"] = layouts.features(model.layout, batch["series"], places, length)
    return generation.windows_of(model, batch)


def setting_of(run: runner.Run) -> str:
    """Length of the windows, for the results."""
    return str(run.options.models.gan.length)


def rows_of(lines, setting: str, seed: int, name: str) -> list[tuple]:
    """Rows of results.csv of lines of `iclr22.psa_gan.hidden`; those of nothing are left
    out."""
    return [
        (x.way, setting, seed, f"{name}/{x.metric}", x.value, "")
        for x in lines
        if np.isfinite(x.value)
    ]
