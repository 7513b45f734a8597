"""Panels of time series: values on a regular grid of time, some of them missing."""

from typing import NamedTuple

import numpy as np

from iclr22.data.series.calendar import Step


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


def longest_run(mask) -> int:
    """Length of the longest run of true values in `[t]`."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]])))
    return int((edges[1::2] - edges[::2]).max(initial=0))
