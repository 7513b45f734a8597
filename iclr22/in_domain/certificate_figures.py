"""Pictures of a certificate: where bands hold, and what happens outside."""

import math
import pathlib

import numpy as np

from iclr22 import plots
from iclr22.data.factors import Factor, Grid
from iclr22.in_domain import bands, trust
from iclr22.in_domain.certificate_files import Certificate

HOLDS, FAILS, RANGE = "#1a7f37", "#b32d2d", "#d5ecd9"


def picture(path, certificate: Certificate, grid: Grid) -> None:
    """All factors: above the coverage of each value, below the mean error and the band.

    The certified range is green; a bar below says which values training spans.
    """
    count = len(certificate.bands)
    with plots.figure(path, 2, count, width=2.9, height=2.1) as axes:
        for axis, band, factor in zip(
            np.reshape(axes, (2, count)).T, certificate.bands, grid.factors, strict=True
        ):
            _panels(axis, band, factor, certificate)


def of_factor(path, certificate: Certificate, grid: Grid, name: str) -> None:
    """The same of one factor."""
    j = grid.names.index(name)
    with plots.figure(path, 2, 1, width=4.4, height=2.1) as axes:
        _panels(np.ravel(axes), certificate.bands[j], grid.factors[j], certificate)


def write_all(folder, certificate: Certificate, grid: Grid) -> dict[pathlib.Path, str]:
    """`of_factor` of every factor; paths and captions."""
    found = {}
    for j, band in enumerate(certificate.bands):
        path = pathlib.Path(folder) / f"certificate_{j}.png"
        of_factor(path, certificate, grid, band.factor)
        found[path] = f"{band.factor}: {band.verdict}."
    return found


def _panels(axes, band: bands.Band, factor: Factor, certificate):
    x = np.arange(factor.size)
    kept = np.isin(x, band.inside.numbers)
    for axis in axes:
        for i in x[kept]:
            axis.axvspan(i - 0.5, i + 0.5, color=RANGE, lw=0, zorder=0)
        axis.set_xlim(-0.7, factor.size - 0.3)
        axis.grid(axis="x", visible=False)
    _coverage(axes[0], x, kept, band, certificate)
    _errors(axes[1], x, kept, band, factor)
    head = band.factor if band.trusted else f"{band.factor} (not trusted)"
    text = f"{band.inside.text}: {100 * band.coverage:.1f} % of {band.count:,}"
    axes[0].set_title(f"{head}\n{text if band.trusted else ''}", fontsize=8)
    _ticks(axes[0], factor, hidden=True)
    _ticks(axes[1], factor, hidden=False)


def _coverage(axis, x, kept, band, certificate):
    share = np.array([math.nan if v is None else v for v in band.by_value])
    count = np.array(band.counts)
    seen = count > 0
    hits = np.where(seen, np.nan_to_num(share) * count, 0)
    low, high = trust.limits(hits, count)
    for chosen, colour in ((kept & seen, HOLDS), (~kept & seen, FAILS)):
        axis.vlines(x[chosen], low[chosen], high[chosen], color=colour, lw=1, alpha=0.5)
        axis.plot(x[chosen], share[chosen], "o", ms=3, color=colour)
    axis.axhline(1 - certificate.alpha, color="0.3", lw=0.9, ls="--")
    axis.set(ylim=(-0.05, 1.05))
    axis.set_ylabel("coverage", fontsize=8)


def _errors(axis, x, kept, band, factor):
    mean = np.array([math.nan if v is None else v for v in band.errors])
    width = band.half_width if math.isfinite(band.half_width) else 0.5
    most = max(2.5 * width, 1.15 * float(np.nanmax(np.abs(mean), initial=0)))
    axis.axhspan(-width, width, color="0.85", lw=0, alpha=0.6)
    axis.axhline(0, color="0.4", lw=0.8)
    axis.plot(x, mean, "-", color="0.5", lw=0.8)
    for chosen, colour in ((kept, HOLDS), (~kept, FAILS)):
        axis.plot(x[chosen], mean[chosen], "o", ms=3, color=colour)
    axis.set(ylim=(-most, most))
    axis.set_ylabel("mean error", fontsize=8)
    low, high = (_place(factor, v) for v in band.training)
    axis.plot((low - 0.4, high + 0.4), (-0.96 * most,) * 2, color="0.25", lw=3)
    axis.text(
        (low + high) / 2, -0.92 * most, "training", ha="center", va="bottom", size=6
    )
    axis.set_xlabel(f"true {band.factor}", fontsize=8)


def _place(factor, value) -> int:
    return [bands.plain(v) for v in factor.values].index(value)


def _short(value) -> str:
    return f"{value:.3g}" if isinstance(value, int | float) else str(value)[:12]


def _ticks(axis, factor, *, hidden):
    step = 1 if factor.kind == "categorical" else max(1, -(-factor.size // 6))
    places = list(range(0, factor.size, step))
    labels = [_short(bands.plain(factor.values[i])) for i in places]
    axis.set_xticks(places, [""] * len(places) if hidden else labels)
    axis.tick_params(labelsize=7)
    if not hidden and max(map(len, labels)) * len(labels) > 30:
        axis.tick_params(axis="x", rotation=30)
