"""Figures of PSA-GAN: scores, windows beside real ones, what they have in common."""

from collections.abc import Mapping, Sequence

import numpy as np

from iclr22 import plots, record
from iclr22.psa_gan import quality

REAL, MADE = "#333333", "#c8443a"
SHOWN = 12  # windows that are drawn
RATIO = "context_fid/ratio"


def scores(path, summaries: Sequence[record.Summary], order: Sequence[str]) -> None:
    """Context-FID over that of the shuffled control: mean and interval of each generator.

    Args:
      order: variants, from the top.
    """
    found = {x.variant: x for x in summaries if x.metric == RATIO}
    names = [name for name in order if name in found]
    with plots.figure(path, width=6.0, height=0.8 + 0.3 * len(names)) as axis:
        for i, name in enumerate(reversed(names)):
            one = found[name]
            colour = MADE if name.startswith("psa_gan") else "#8a8a8a"
            axis.barh(i, one.mean, color=colour, height=0.7)
            half = one.interval
            if half is not None and np.isfinite(half):
                axis.errorbar(one.mean, i, xerr=half, color="black", lw=1, capsize=2)
            axis.annotate(
                f" {one.mean:.3g}",
                (one.mean, i),
                va="center",
                fontsize=7,
                xytext=(4, 5),
                textcoords="offset points",
            )
        axis.axvline(1, color="black", lw=0.8, ls=":")
        axis.set_yticks(range(len(names)), list(reversed(names)))
        axis.set_xscale("log")
        axis.set_xlabel("Context-FID, windows shuffled in time = 1; smaller is better")


def overlays(path, real, made, titles: Sequence[str]) -> None:
    """Real windows `[n, t]` and synthetic ones of the same series and dates, the first
    few.

    Args:
      titles: of each.
    """
    count = min(SHOWN, len(real))
    columns = min(4, count)
    rows = -(-count // columns)
    with plots.figure(path, rows, columns, width=2.2, height=1.5) as axes:
        panels = np.ravel(axes)
        for i, axis in enumerate(panels):
            if i >= count:
                axis.axis("off")
                continue
            axis.plot(real[i], color=REAL, lw=1, label="real")
            axis.plot(made[i], color=MADE, lw=1, label="synthetic")
            axis.set_title(str(titles[i]), fontsize=7)
            axis.tick_params(labelsize=6)
        for axis in panels[max(count - columns, 0) : count]:
            axis.set_xlabel("step", fontsize=7)
        panels[0].legend(fontsize=6)


def rhythms(path, samples: Mapping[str, np.ndarray], phase, season: int) -> None:
    """Autocorrelation, spectrum, and profile over a season, of windows `[n, t]` by name.

    Args:
      phase: int `[n]`, place in the season of their first values, the same for all
        samples; None: not known, no profile is drawn.
    """
    columns = 2 if phase is None else 3
    with plots.figure(path, 1, columns, width=3.4, height=2.8) as axes:
        left, middle = axes[0][:2]
        for i, (name, windows) in enumerate(samples.items()):
            style = {"lw": 1.3, "label": name, "color": REAL if i == 0 else f"C{i - 1}"}
            lags = quality.autocorrelation(windows)
            left.plot(np.arange(1, len(lags) + 1), lags, **style)
            power = quality.spectrum(windows)
            middle.semilogy(np.arange(1, len(power) + 1), power, **style)
            if phase is not None:
                level = windows - windows.mean(axis=1, keepdims=True)
                profile = quality.profile(level, phase[: len(level)], season)
                axes[0][2].plot(profile, **style)
        left.set_xlabel("lag [steps]")
        left.set_title("autocorrelation")
        middle.set_xlabel("cycles in a window")
        middle.set_title("share of power")
        if phase is not None:
            axes[0][2].set_xlabel("step of the season")
            axes[0][2].set_title("profile, less the window's mean")
        left.legend(fontsize=6)


def embeddings(path, vectors: Mapping[str, np.ndarray]) -> None:
    """Vectors `[n, d]` of windows by name, on the first two principal components of the
    first."""
    first, *others = vectors.values()
    found = quality.components(first, *others)
    with plots.figure(path, 1, len(others), width=3.0, height=2.8) as axes:
        for axis, name, places in zip(
            np.ravel(axes), list(vectors)[1:], found.places[1:], strict=True
        ):
            for place, colour in ((found.places[0], REAL), (places, MADE)):
                axis.plot(*place.T, ".", ms=2, alpha=0.4, color=colour)
            axis.set_title(name)
            axis.set_xlabel(f"component 1 ({100 * found.share[0]:.0f} %)")
            axis.set_ylabel(f"component 2 ({100 * found.share[1]:.0f} %)")


def bands(path, series: Sequence[dict]) -> None:
    """Filled or forecast stretches with their bands.

    Args:
      series: of each panel `title`, `time [t]`, `real [t]` (NaN where nobody knows),
        `mean`, `low`, `high [t]` (NaN where nothing was filled).
    """
    rows = min(len(series), 6)
    with plots.figure(path, rows, 1, width=7.0, height=1.7) as axes:
        for axis, one in zip(np.ravel(axes), series, strict=False):
            axis.plot(one["time"], one["real"], color=REAL, lw=1, label="real")
            axis.plot(one["time"], one["mean"], color=MADE, lw=1.2, label="filled")
            axis.fill_between(
                one["time"], one["low"], one["high"], color=MADE, alpha=0.2, lw=0
            )
            axis.set_title(str(one["title"]), fontsize=8)
            axis.set_ylabel("value")
        np.ravel(axes)[0].legend(fontsize=6)
        np.ravel(axes)[-1].set_xlabel("step of the series")
