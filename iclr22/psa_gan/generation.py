"""Stretches of any length from a generator of windows (section 3.2 and beyond).

A stretch is made of windows that overlap by half: of several candidates the one that
continues the stretch best is taken, and faded in. A generator with context (PSA-GAN-C)
reads the values before each window instead.
"""

import functools

import jax
import numpy as np

from iclr22 import errors
from iclr22.data.series import Panel, layouts
from iclr22.psa_gan.artifact import STAGES, Model

CANDIDATES = 8  # windows, of which the one that continues best is taken
CHUNK = 2048  # windows at a time


def generate(
    model: Model,
    count: int | None = None,
    *,
    series=None,
    first=None,
    samples: int = 1,
    seed: int = 0,
    context: Panel | None = None,
) -> Panel:
    """Synthetic series in the units, steps and dates of the panel that was learned.

    Args:
      count: values of each; as many as the series had if None.
      series: numbers of the series; all of them if None.
      first: place of the first value in its series, one or `[b]`: negative before it
        begins, `length` right after it; 0 if None.
      samples: of each series; of several the ids end in `#0`, `#1`, ...
      seed: other numbers make other series.
      context: for a generator with context, the panel whose values come before.

    Raises:
      errors.InputError: an unknown series, no value, or a context that is missing.
    """
    layout = model.layout
    series = np.arange(len(layout.ids)) if series is None else np.atleast_1d(series)
    if len(series) and not (0 <= series.min() and series.max() < len(layout.ids)):
        raise errors.InputError(
            f"expected series from 0 to {len(layout.ids) - 1}; found {series.tolist()}"
        )
    first = np.broadcast_to(0 if first is None else first, series.shape)
    lengths = layout.length[series] if count is None else np.full(len(series), count)
    before = None
    if model.context:
        before = context_of(model, context, series, first)
    longest = int(lengths.max(initial=0))
    drawn = draw(
        model, series, first, longest, samples=samples, seed=seed, context=before
    )
    values, ids = [], []
    for j in range(samples):
        for i, number in enumerate(series):
            values.append(
                layouts.to_units(layout, [number], drawn[j, i : i + 1])[0, : lengths[i]]
            )
            ids.append(layout.ids[number] + (f"#{j}" if samples > 1 else ""))
    return Panel(
        values=tuple(values),
        start=np.tile(layouts.stamps(layout, series, first, 1)[:, 0], samples),
        step=layout.step,
        ids=tuple(ids),
        static=np.tile(layout.static[series], (samples, 1)),
        static_names=layout.static_names,
    )


def context_of(model: Model, panel: Panel | None, series, first) -> np.ndarray:
    """Scaled values before places of a panel, `[b, context]`; missing ones are held from
    the one before, as nothing tells the generator of them.

    Raises:
      errors.InputError: no panel, or none of these values is known.
    """
    size = model.config.context
    if panel is None:
        raise errors.InputError(
            f"this generator continues {size} values: expected a panel that has them; "
            "found none"
        )
    found = np.full((len(series), size), np.nan)
    for row, (i, place) in enumerate(zip(series, first, strict=True)):
        low = max(place - size, 0)
        part = np.asarray(panel.values[i][low : max(place, 0)], np.float64)
        part = layouts.to_scale(model.layout, [i], part[None])[0]
        found[row, low - (place - size) :][: len(part)] = part
    known = np.isfinite(found)
    if not known.any(axis=1).all():
        name = panel.ids[series[int(known.any(axis=1).argmin())]]
        raise errors.InputError(
            f"series {name!r}: expected values among the {size} before the place that is "
            "to be continued; found none"
        )
    return _held(found, known)


def _held(values, known):
    """Missing values are the last known one, or at the beginning the first."""
    place = np.where(known, np.arange(values.shape[1]), -1)
    place = np.maximum.accumulate(place, axis=1)
    place = np.where(place < 0, known.argmax(axis=1)[:, None], place)
    return np.take_along_axis(values, place, axis=1).astype(np.float32)


def draw(
    model: Model,
    series,
    first,
    count: int,
    *,
    samples: int = 1,
    seed: int = 0,
    context=None,
    candidates: int = CANDIDATES,
) -> np.ndarray:
    """Scaled stretches `[samples, b, count]`, float32.

    Args:
      series: `[b]` int.
      first: `[b]` int, places of the first values, see `generate`.
      count: values, any number from 1 on.
      context: `[b, context]`, scaled values before, for a generator with context.
      candidates: windows that each further one is chosen from.

    Raises:
      errors.InputError: no value is asked for.
    """
    series, first = np.asarray(series, np.int64), np.asarray(first, np.int64)
    if count < 1 or samples < 1:
        raise errors.InputError(
            f"expected one value and one sample at least; found {count} and {samples}"
        )
    length, continued = model.config.length, bool(model.context)
    stride = length if continued else length // 2
    windows = 1 + max(0, -(-(count - length) // stride))
    whole = np.zeros(
        (samples * len(series), length + (windows - 1) * stride), np.float32
    )
    before = np.zeros((len(series), 0), np.float32)
    if continued:
        before = np.asarray(context, np.float32)
    before = np.tile(before, (samples, 1))
    series, first = np.tile(series, samples), np.tile(first, samples)
    for i in range(windows):
        random = np.random.default_rng((seed, i))
        low = i * stride
        tries = candidates if i and not continued else 1
        found = _windows(model, random, series, first + low, before, tries)
        if i and not continued:
            _fade_in(whole[:, low : low + length], found, length - stride)
        else:
            whole[:, low : low + length] = found[:, 0]
        if continued:
            size = before.shape[1]
            before = np.concatenate([before, found[:, 0]], axis=1)[:, -size:]
    return whole[:, :count].reshape(samples, -1, count)


def _fade_in(place, candidates, overlap: int) -> None:
    """Write into `place [rows, length]` the candidate `[rows, tries, length]` that is
    nearest to what its first `overlap` values hold already."""
    there = place[:, None, :overlap]
    apart = np.square(candidates[:, :, :overlap] - there).sum(axis=2)
    best = candidates[np.arange(len(place)), apart.argmin(axis=1)]
    share = (np.arange(overlap) + 1) / (overlap + 1)
    place[:, :overlap] += share * (best[:, :overlap] - place[:, :overlap])
    place[:, overlap:] = best[:, overlap:]


def _windows(model: Model, random, series, first, context, tries: int) -> np.ndarray:
    """Windows `[rows, tries, length]` from places of series."""
    length = model.config.length
    size = max(1, CHUNK // tries)
    found = []
    for low in range(0, len(series), size):
        rows = slice(low, low + size)
        features = layouts.features(model.layout, series[rows], first[rows], length)
        inputs = {
            "series": series[rows].astype(np.int32),
            "features": features,
            "context": context[rows],
        }
        inputs = {name: np.repeat(x, tries, axis=0) for name, x in inputs.items()}
        noise = random.normal(size=(len(features) * tries, length))
        inputs["noise"] = noise.astype(np.float32)
        found.append(windows_of(model, inputs).reshape(-1, tries, length))
    return np.concatenate(found)


def windows_of(model: Model, inputs) -> np.ndarray:
    """Scaled windows `[n, length]` for a batch: `series`, `features`, `noise`, and
    `context`; some at a time."""
    function = _compiled(model.stage, model.config)
    inputs = {name: inputs[name] for name in ("series", "features", "noise", "context")}
    count, found = len(inputs["series"]), []
    for low in range(0, count, CHUNK):
        rows = np.arange(low, min(low + CHUNK, count))
        width = min(CHUNK, 1 << (len(rows) - 1).bit_length())  # few shapes to compile
        padded = np.pad(rows, (0, width - len(rows)), mode="edge")
        part = {name: x[padded] for name, x in inputs.items()}
        found.append(np.asarray(function(model.params, part))[: len(rows)])
    return np.concatenate(found)


@functools.lru_cache(maxsize=32)
def _compiled(stage, config):
    return jax.jit(functools.partial(STAGES[stage].apply, config))
