"""Panels of time series: values on a regular grid of time, some of them missing."""

from typing import NamedTuple

import numpy as np

from iclr22 import errors
from iclr22.data.series.calendar import Step, at


class Panel(NamedTuple):
    """Related series of one step, of any lengths.

    Attributes:
      values: float64 `[t_i]` of each series; NaN where missing.
      start: datetime64[s] `[n]`, of the first value of each.
      step: from one value to the next.
      ids: `[n]`, names of the series.
      static: float32 `[n, k]`, numbers that belong to a series; k may be 0.
      static_names: of these numbers.
    """

    values: tuple[np.ndarray, ...]
    start: np.ndarray
    step: Step
    ids: tuple[str, ...]
    static: np.ndarray
    static_names: tuple[str, ...] = ()

    @property
    def lengths(self) -> np.ndarray:
        """Number of values of each series, missing ones too."""
        return np.array([len(x) for x in self.values])


def describe(panel: Panel) -> dict[str, int | float]:
    """What a report tells: series, values, shortest and longest, missing, longest gap."""
    missing = [np.isnan(x) for x in panel.values]
    return {
        "series": len(panel.values),
        "values": int(panel.lengths.sum()),
        "shortest": min(map(len, panel.values), default=0),
        "longest": max(map(len, panel.values), default=0),
        "missing": int(sum(x.sum() for x in missing)),
        "longest_gap": max((longest_run(x) for x in missing), default=0),
    }


def gap_free(panel: Panel) -> Panel:
    """Of each series the longest stretch without a missing value, the first of several.

    Raises:
      errors.InputError: a series has no value at all.
    """
    values, starts = [], []
    for name, x, start in zip(panel.ids, panel.values, panel.start, strict=True):
        edges = _edges(~np.isnan(x))
        if not len(edges):
            raise errors.InputError(
                f"series {name!r}: expected values; found none. Remove the series."
            )
        first, end = edges[np.argmax(edges[:, 1] - edges[:, 0])]
        values.append(x[first:end])
        starts.append(at(start, panel.step, first))
    return panel._replace(values=tuple(values), start=np.array(starts, "M8[s]"))


def check_alike(real: Panel, synthetic: Panel) -> Panel:
    """The synthetic panel with its series in the order of the real one.

    Raises:
      errors.InputError: other series, or another step.
    """
    if real.step != synthetic.step:
        raise errors.InputError(
            f"expected synthetic series of the step {real.step}, as the real ones have; "
            f"found {synthetic.step}"
        )
    missing = [name for name in real.ids if name not in synthetic.ids]
    others = [name for name in synthetic.ids if name not in real.ids]
    if missing or others:
        wrong = f"no {missing[0]!r}" if missing else f"{others[0]!r}, which is not real"
        raise errors.InputError(
            f"expected the {len(real.ids)} series of the real panel in the synthetic one; "
            f"found {len(synthetic.ids)}, {wrong}. Names must be the same in both."
        )
    place = [synthetic.ids.index(name) for name in real.ids]
    return synthetic._replace(
        values=tuple(synthetic.values[i] for i in place),
        start=synthetic.start[place],
        ids=real.ids,
        static=synthetic.static[place],
    )


def longest_run(mask) -> int:
    """Length of the longest run of true values in `[t]`."""
    return int(np.diff(_edges(mask)).max(initial=0))


def _edges(mask) -> np.ndarray:
    """First place and end of every run of true values, `[runs, 2]`."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]])))
    return edges.reshape(-1, 2)
