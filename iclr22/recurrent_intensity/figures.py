"""Figures of recurrent intensity: events per recommendation, trade-offs, calibration,
gains, kernels."""

import math
from collections.abc import Mapping

import numpy as np

from iclr22 import plots

PLAIN, PRODUCT, COUNTS = "#8fa9c4", "#c8443a", "0.7"  # kinds of variants
PRECISION = "events per recommendation [%]"  # repeated events count: may pass 100
COLOURS = ("#c8443a", "#3b6fb6", "#3f9a5b", "#8a5fb0", "#d98b2b", "#4aa8b8", "0.5")


def precision_bars(path, summaries, *, products, counts=(), title="") -> None:
    """Events per recommendation of items to user states, and of user states to items, bars
    per variant.

    Args:
      summaries: of `item/precision` and `user/precision` (events count), percent.
      products: variants that multiply a recommender by an activity, drawn red.
      counts: variants that only know counts, drawn grey.
    """
    names = list(dict.fromkeys(s.variant for s in summaries))
    with plots.figure(path, 1, 2, width=4.6, height=0.7 + 0.24 * len(names)) as axes:
        for axis, metric, what in zip(
            axes[0],
            ("item/precision", "user/precision"),
            ("items for user states", "user states for items"),
            strict=True,
        ):
            found = {s.variant: s for s in summaries if s.metric == metric}
            for y, name in enumerate(names):
                s = found[name]
                colour = PRODUCT if name in products else PLAIN
                colour = COUNTS if name in counts else colour
                spread = 0 if math.isnan(s.interval) else s.interval
                axis.barh(y, s.mean, color=colour, xerr=spread, ecolor="0.3")
                axis.text(s.mean + spread, y, f" {s.mean:.2f}", va="center", fontsize=7)
            axis.set_yticks(range(len(names)), names)
            axis.invert_yaxis()
            axis.margins(x=0.15)
            axis.set_xlim(left=0)
            axis.grid(axis="y")
            axis.set_title(f"{title} {what}".strip())
            axis.set_xlabel(PRECISION)


def tradeoff(
    path, curves: Mapping[str, list[dict]], *, references=(None, None)
) -> None:
    """Events per recommendation against perplexity, from the points of `plans.tradeoff`.

    Args:
      curves: name to points with `multiplier`, `precision` (in 0..1), `item_perplexity`
        and `user_perplexity`; those with a multiplier of at most 1 are drawn for items,
        those of 1 and more for users.
      references: perplexities of training items and test users, drawn as lines.
    """
    sides = (("item", lambda m: m <= 1), ("user", lambda m: m >= 1))
    with plots.figure(path, 1, 2, width=4.6, height=3.4) as axes:
        from matplotlib import ticker

        for axis, (side, belongs), reference in zip(
            axes[0], sides, references, strict=True
        ):
            for (name, points), colour in zip(
                curves.items(), COLOURS * 9, strict=False
            ):
                points = [p for p in points if belongs(p["multiplier"])]
                x = [p[f"{side}_perplexity"] for p in points]
                y = [100 * p["precision"] for p in points]
                axis.plot(x, y, "o-", ms=3, color=colour, label=name)
                for p, a, b in zip(points, x, y, strict=True):
                    if a > 0:
                        text, beside = f"{p['multiplier']:g}", {"xytext": (3, 3)}
                        beside |= {"textcoords": "offset points", "fontsize": 6}
                        axis.annotate(text, (a, b), color=colour, **beside)
            if reference:
                axis.axvline(reference, color="0.6", ls=":", lw=1)
            axis.set_xscale("log")
            axis.xaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
            axis.xaxis.set_major_formatter(ticker.FormatStrFormatter("%g"))
            axis.xaxis.set_minor_locator(ticker.NullLocator())
            axis.set_xlabel(f"{side} perplexity (dotted: of the data)")
            axis.set_ylabel(PRECISION)
            axis.set_title(f"exposure spread over {side}s, by multiplier")
        axes[0][0].legend(fontsize=7)


def calibration(path, curves: Mapping[str, dict]) -> None:
    """Expected against realised counts by decile.

    Args:
      curves: name to `expected`, `realised` and `error`, each `[bins]`, per user state.
    """
    with plots.figure(path, width=4.4, height=3.8) as axis:
        ends = []
        for (name, c), colour in zip(curves.items(), COLOURS * 9, strict=False):
            x, y = np.asarray(c["expected"]), np.asarray(c["realised"])
            options = {"fmt": "o-", "ms": 3, "lw": 1, "color": colour, "label": name}
            axis.errorbar(x, y, yerr=np.asarray(c["error"]), **options)
            ends += [*x[x > 0], *y[y > 0]]
        low, high = (min(ends), max(ends)) if ends else (0.1, 1)
        axis.plot([low, high], [low, high], color="0.6", lw=1, zorder=0)
        axis.set_xscale("symlog", linthresh=max(low, 1e-3))
        axis.set_yscale("symlog", linthresh=max(low, 1e-3))
        axis.set_xlabel("expected events in the horizon")
        axis.set_ylabel("events that came")
        axis.set_title("calibration by decile of user states")
        axis.legend(fontsize=7)


def gains(path, curves: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> None:
    """Share of conversions reached against share of users contacted, over all items.

    Args:
      curves: name to `(contacted, reached)`, shares in 0..1.
    """
    with plots.figure(path, width=4.8, height=3.6) as axis:
        for (name, (x, y)), colour in zip(curves.items(), COLOURS * 9, strict=False):
            axis.plot(100 * x, 100 * y, color=colour, lw=1.4, label=name)
        axis.plot([0, 100], [0, 100], color="0.6", lw=1, ls=":", label="by chance")
        axis.set_xlabel("users contacted per item [%]")
        axis.set_ylabel("conversions reached [%]")
        axis.set_title("gains of audience lists")
        axis.legend(fontsize=7)


def kernel(path, rows: list[dict], horizon: str) -> None:
    """What the Hawkes process learned, from `hawkes.kernel_table`.

    Args:
      rows: with `scale` (in horizons), `excitation`, `start`.
      horizon: in words, for the axis.
    """
    scale = [row["scale"] for row in rows]
    with plots.figure(path, 1, 2, width=4.2, height=2.8) as axes:
        for axis, key, colour, what in (
            (axes[0][0], "excitation", PRODUCT, "events that an event causes"),
            (axes[0][1], "start", PLAIN, "events that follow the first one"),
        ):
            axis.vlines(scale, 0, [row[key] for row in rows], color=colour, lw=3)
            axis.set_xscale("log")
            axis.set_ylim(bottom=0)
            axis.set_xlabel(f"time scale, in horizons of {horizon}")
            axis.set_title(what)
