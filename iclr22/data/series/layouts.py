"""Where the series of a panel lie in time and in value, without their values.

With it features of any stretch are made, also of one before the first value or after the
last, and scaled values come back to their units. Arrays and strings only: it is kept with
what was trained on a panel.
"""

from typing import NamedTuple

import numpy as np
from absl import logging

from iclr22 import errors
from iclr22.data import checks
from iclr22.data.series import Panel, calendar
from iclr22.data.series.calendar import Step


class Layout(NamedTuple):
    """Of `n` series.

    Attributes:
      ids: names.
      step: from one value to the next.
      start: datetime64[s] `[n]`, of the first values.
      low, range: float64 `[n]`: a value is `low + range * scaled`; range of a constant
        series is 1.
      static: float32 `[n, k]`, numbers of the series as they came.
      static_names: of these.
      length: int64 `[n]`, numbers of values.
      cyclic: the calendar is told as sines and cosines, too.
    """

    ids: tuple[str, ...]
    step: Step
    start: np.ndarray
    low: np.ndarray
    range: np.ndarray
    static: np.ndarray
    static_names: tuple[str, ...]
    length: np.ndarray
    cyclic: bool = False


def layout(panel: Panel, like: Layout | None = None) -> Layout:
    """The layout of a panel; constant series are told, and a panel of one series.

    Args:
      like: of the same series in the same order, whose ranges are taken; then series may
        be constant.

    Raises:
      errors.InputError: no series, one without any value, or only constant ones; other
        series than those of `like`.
    """
    if not panel.values:
        raise errors.InputError("expected a panel of one series at least; found none")
    for name, x in zip(panel.ids, panel.values, strict=True):
        if not len(x) or np.isnan(x).all():
            raise errors.InputError(
                f"series {name!r}: expected values; found none. Remove the series."
            )
    if len(panel.values) == 1:
        logging.warning(
            "one series only, %s: encoders tell its windows from others of its own",
            checks.short(panel.ids[0]),
        )
    if like is None:
        low, width = _ranges(panel)
    elif like.ids == tuple(panel.ids):
        low, width = like.low, like.range
    else:
        raise errors.InputError(
            f"expected the series {checks.few(like.ids)}; found {checks.few(panel.ids)}"
        )
    return Layout(
        ids=tuple(panel.ids),
        step=panel.step,
        start=np.asarray(panel.start, "datetime64[s]"),
        low=low,
        range=width,
        static=np.asarray(panel.static, np.float32),
        static_names=tuple(panel.static_names),
        length=panel.lengths,
        cyclic=like is not None and like.cyclic,
    )


def _ranges(panel):
    """Lowest values and widths `[n]`; 1 where a series is constant."""
    low = np.array([np.nanmin(x) for x in panel.values])
    width = np.array([np.nanmax(x) for x in panel.values]) - low
    constant = np.flatnonzero(width == 0)
    if len(constant) == len(low):
        raise errors.InputError(
            f"expected series that vary; found {len(low)} that are constant, such as "
            f"{checks.shown(panel.ids[0])}. There is nothing to learn from them."
        )
    if len(constant):
        named = checks.few(panel.ids[i] for i in constant)
        logging.warning("%d series are constant: %s", len(constant), named)
    return low, np.where(width > 0, width, 1.0)


def pack(layout: Layout) -> tuple[dict, dict[str, np.ndarray]]:
    """JSON values, and arrays of numbers, for `bundle.save`; `unpack` takes them back."""
    about = {
        "ids": list(layout.ids),
        "step": list(layout.step),
        "static_names": list(layout.static_names),
        "cyclic": layout.cyclic,
    }
    arrays = {name: getattr(layout, name) for name in ("low", "range", "static")}
    arrays["start"] = layout.start.astype(np.int64)
    return about, arrays | {"length": layout.length}


def unpack(about: dict, arrays: dict) -> Layout:
    """The inverse of `pack`."""
    count, unit = about["step"]
    return Layout(
        ids=tuple(about["ids"]),
        step=Step(int(count), str(unit)),
        start=np.asarray(arrays["start"]).astype("datetime64[s]"),
        static_names=tuple(about["static_names"]),
        cyclic=bool(about["cyclic"]),
        **{k: np.asarray(arrays[k]) for k in ("low", "range", "static", "length")},
    )


def stamps(layout: Layout, series, first, count: int) -> np.ndarray:
    """Times datetime64[s] `[b, count]`: see `features`."""
    place = np.asarray(first, np.int64)[:, None] + np.arange(count)
    return calendar.at(layout.start[series][:, None], layout.step, place)


def features(layout: Layout, series, first, count: int) -> np.ndarray:
    """What networks are told at every step, float32 `[b, count, d]`.

    In this order: calendar (`calendar.features`), numbers of the series (`static_features`)
    and age (`calendar.age`), which before a first value is that of the first.

    Args:
      series: `[b]` int, which series.
      first: `[b]` int, the place of the first value; negative before the series begins,
        `length` and more after it ends.
      count: values of each stretch.
    """
    series = np.asarray(series, np.int64).reshape(-1)
    first = np.asarray(first, np.int64).reshape(-1)
    b = len(series)
    times = stamps(layout, series, first, count).ravel()
    told = calendar.features(times, layout.step, cyclic=layout.cyclic)
    fixed = static_features(layout, layout.static[series])
    fixed = np.broadcast_to(fixed[:, None], (b, count, fixed.shape[1]))
    age = calendar.age(first[:, None] + np.arange(count))
    return np.concatenate([told.reshape(b, count, -1), fixed, age[..., None]], axis=2)


def static_features(layout: Layout, static) -> np.ndarray:
    """Numbers of series `[m, k]` from -0.5 to 0.5 over the range that they have in the
    layout; a column that is the same everywhere is 0."""
    low, high = layout.static.min(axis=0), layout.static.max(axis=0)
    width = np.where(high > low, high - low, 1)
    found = (np.asarray(static, np.float32) - low) / width - 0.5
    return np.where(high > low, found, 0).astype(np.float32)


def to_units(layout: Layout, series, scaled) -> np.ndarray:
    """Values in their own units, float64 of the shape of `scaled`.

    Args:
      series: `[b]` int, which series each row is of.
      scaled: `[b, ...]`.
    """
    low, width = _each(layout, series, np.ndim(scaled))
    return low + width * np.asarray(scaled, np.float64)


def to_scale(layout: Layout, series, values) -> np.ndarray:
    """The inverse of `to_units`."""
    low, width = _each(layout, series, np.ndim(values))
    return (np.asarray(values, np.float64) - low) / width


def _each(layout, series, ndim):
    """Low and range `[b, 1, ...]` that fit rows of so many dimensions."""
    shape = (-1, *[1] * (ndim - 1))
    return (x[series].reshape(shape) for x in (layout.low, layout.range))
