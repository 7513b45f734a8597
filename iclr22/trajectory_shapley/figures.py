"""Figures of the attribution: who counts, when, at which horizon."""

import math
from collections.abc import Iterable, Mapping

import numpy as np

from iclr22 import plots, record

PLAYERS = {  # metric of a bar: what it is called, colour
    "shapley/past": ("own past", "0.55"),
    "sis": ("strongest neighbour (SIS)", "#c8443a"),
    "shapley/neighbour_mean": ("mean neighbour", "#e5a39c"),
    "shapley/random_agent": ("random agent", "#3b6fb6"),
}
RANDOM = "_random_baseline"  # what metrics of the other baseline end in
GAIN, LOSS = "#c8443a", "#3b6fb6"
POINTS = {"textcoords": "offset points", "fontsize": 7}
NAMES = {"edge": "an edge per neighbour", "sum": "sum over neighbours"}
TRAINED = {"plain": "plain training", "coalition_dropout": "coalition dropout"}


def headline(path, summaries: Iterable[record.Summary]) -> None:
    """Values of the past, of neighbours and of the random agent, per data set.

    A row per variant, a column per training and baseline; data sets side by side.

    Args:
      summaries: over seeds, of the metrics in `PLAYERS` and the same with the ending
        `_random_baseline`; what is missing is left out.
    """
    found = {(s.variant, s.setting, s.dataset, s.metric): s for s in summaries}
    datasets = list(dict.fromkeys(key[2] for key in found if key[3] in PLAYERS))
    rows, columns = _layout(found)
    width = max(2.6 if len(columns) > 1 else 4.4, 0.6 + 0.5 * len(datasets))
    size = {"width": width, "height": 2.3}
    with plots.figure(path, len(rows), len(columns), **size) as axes:
        panels = np.reshape(np.asarray(axes, object), (len(rows), len(columns)))
        for i, variant in enumerate(rows):
            for j, (setting, ending) in enumerate(columns):
                key = variant, setting, ending
                _bars(panels[i, j], _chosen(found, *key, datasets), datasets)
                if i == 0:
                    replaced = "replaced by random" if ending else "left out"
                    title = f"{TRAINED.get(setting, setting)}, {replaced}"
                    panels[i, j].set_title(title)
            panels[i, 0].set_ylabel(f"{NAMES.get(variant, variant)}\nvalue [nats]")
        low = min(axis.get_ylim()[0] for axis in panels.flat)
        high = max(axis.get_ylim()[1] for axis in panels.flat)
        for axis in panels.flat:
            axis.set_ylim(low, high)
        _legend_above(panels[0, 0], wide=width * len(columns) > 7)


def _chosen(found, variant, setting, ending, datasets):
    """What a panel shows: summary, or None, by data set and metric."""
    return {
        (dataset, metric): found.get((variant, setting, dataset, metric + ending))
        for dataset in datasets
        for metric in PLAYERS
    }


def _legend_above(axis, wide):
    """One legend over all panels, with room for it."""
    drawing = axis.figure
    drawing.suptitle(" " if wide else " \n ", fontsize=9)
    options = {"loc": "upper center", "ncols": 4 if wide else 2}
    drawing.legend(*axis.get_legend_handles_labels(), **options)


def _layout(found):
    """Variants, and trainings with endings of metrics, that have something to show."""
    rows = [v for v in dict.fromkeys(k[0] for k in found) if _has(found, variant=v)]
    rows.sort(key=lambda v: [*NAMES, v].index(v))
    columns = [
        (setting, ending)
        for setting in dict.fromkeys(key[1] for key in found)
        for ending in ("", RANDOM)
        if _has(found, setting=setting, ending=ending)
    ]
    return rows or ["edge"], columns or [("plain", "")]


def _has(found, variant=None, setting=None, ending=None):
    return any(
        (variant is None or key[0] == variant)
        and (setting is None or key[1] == setting)
        and key[3] in {m + (ending or "") for m in PLAYERS}
        for key in found
    )


def _bars(axis, chosen, datasets):
    """Four bars per data set; linear near 0 and logarithmic beyond."""
    for k, (metric, (name, colour)) in enumerate(PLAYERS.items()):
        heights, spreads = [], []
        for dataset in datasets:
            s = chosen[dataset, metric]
            heights.append(math.nan if s is None else s.mean)
            spread = math.nan if s is None else s.interval
            spreads.append(0 if math.isnan(spread) else spread)
        where = np.arange(len(datasets)) + 0.2 * (k - 1.5)
        options = {"color": colour, "label": name, "ecolor": "0.2"}
        options |= {"error_kw": {"lw": 0.8}}
        axis.bar(where, heights, 0.2, yerr=spreads, **options)
    axis.axhline(0, color="0.3", lw=0.6)
    _signed_log(axis)
    axis.set_xticks(range(len(datasets)), datasets, rotation=35, ha="right", fontsize=8)
    axis.grid(axis="x", visible=False)


def _signed_log(axis, linear=0.2):
    """A symmetric logarithmic axis that is labelled 0, 0.2, 1, 10, and so on."""
    from matplotlib import ticker

    axis.set_yscale("symlog", linthresh=linear, linscale=0.7)
    ticks = [0, *(s * t for t in (0.2, 1, 5, 20, 100) for s in (1, -1))]
    axis.yaxis.set_major_locator(ticker.FixedLocator(sorted(ticks)))
    axis.yaxis.set_major_formatter(ticker.FormatStrFormatter("%g"))
    axis.yaxis.set_minor_locator(ticker.NullLocator())


def contributions(
    path, values: Mapping[str, tuple[float, float, float]], *, unit="nats"
):
    """Bars of one game: name to mean and bounds of its interval."""
    with plots.figure(path, width=4.6, height=0.7 + 0.34 * len(values)) as axis:
        for y, (name, (mean, low, high)) in enumerate(values.items()):
            colour = {"past": "0.55", "random agent": LOSS}.get(name, GAIN)
            spread = [[max(mean - low, 0)], [max(high - mean, 0)]]
            axis.barh(y, mean, color=colour, xerr=spread, ecolor="0.3")
            axis.annotate(f"{mean:.3g}", (max(high, 0), y), (4, -3), **POINTS)
        axis.set_yticks(range(len(values)), values)
        axis.invert_yaxis()
        axis.margins(x=0.15)
        axis.axvline(0, color="0.3", lw=0.6)
        axis.set_xlabel(f"contribution to the prediction [{unit}]")


def over_time(path, curves: Mapping[str, tuple], *, dt: float, valued="nats") -> None:
    """The strongest neighbour's value over the course of recordings.

    Args:
      curves: name of a recording to `(frame [n], sis [n], random [n] or None)`.
      dt: seconds per frame.
    """
    names = list(curves)[:4]
    with plots.figure(path, len(names), 1, width=6.4, height=1.8) as axes:
        panels = [row[0] for row in axes] if len(names) > 1 else [axes]
        for axis, name in zip(panels, names, strict=True):
            frame, sis, random = curves[name]
            seconds = dt * (np.asarray(frame) - np.min(frame, initial=0))
            if random is not None:
                axis.plot(seconds, random, color=LOSS, lw=0.8, label="random agents")
            style = {"color": GAIN, "lw": 1, "marker": ".", "ms": 3}
            axis.plot(seconds, sis, label="strongest neighbour", **style)
            axis.axhline(0, color="0.3", lw=0.6)
            axis.set_title(name, fontsize=8, loc="left")
            axis.set_ylabel(f"[{valued}]", fontsize=8)
        panels[0].legend(fontsize=7, ncols=2, loc="upper right")
        panels[-1].set_xlabel("seconds")


def horizon(path, curves: Mapping[str, np.ndarray], *, dt: float) -> None:
    """Values per predicted step: name to `[horizon]`; the past on an axis of its own."""
    with plots.figure(path, 1, 2, width=3.9, height=3.0) as axes:
        for axis, own in zip(axes[0], (True, False), strict=True):
            for name, values in curves.items():
                if (name == "past") != own:
                    continue
                colour = {"past": "0.4", "random agent": LOSS}.get(name, GAIN)
                dash = ":" if name == "mean neighbour" else "-"
                seconds = dt * np.arange(1, len(values) + 1)
                style = {"color": colour, "ls": dash, "marker": ".", "label": name}
                axis.plot(seconds, values, **style)
            axis.axhline(0, color="0.3", lw=0.6)
            axis.set_xlabel("seconds ahead")
            axis.set_ylabel("contribution [nats]")
            axis.set_title("own past" if own else "others")
        axes[0][1].legend(fontsize=7)


def dial(path, curves: Mapping[str, Mapping[float, tuple]], leader: Mapping) -> None:
    """Generated data: scores against the strength of the interaction that is there.

    Args:
      curves: name to `{dial: (mean, low, high)}`.
      leader: `{dial: (mean, low, high)}`, how often the strongest neighbour is the one
        who is followed, percent; `chance` may be a key with a number.
    """
    colours = {"SIS": GAIN, "random agents": LOSS, "difference": "#3f9a5b"}
    with plots.figure(path, 1, 2, width=4.0, height=3.1) as axes:
        left, right = axes[0]
        for name, points in curves.items():
            _ranges(left, points, color=colours.get(name, "0.5"), label=name)
        left.set_ylabel("value of the strongest neighbour [nats]")
        left.axhline(0, color="0.3", lw=0.6)
        left.legend(fontsize=7)
        points = {k: v for k, v in leader.items() if k != "chance"}
        _ranges(right, points, color=GAIN, label="strongest neighbour")
        if "chance" in leader:
            right.axhline(leader["chance"], color="0.6", ls=":", label="by chance")
        right.set_ylabel("is the true leader [%]")
        right.set_ylim(0, 105)
        right.legend(fontsize=7)
        for axis in axes[0]:
            axis.set_xlabel("interaction in the data (dial)")


def _ranges(axis, points, **style):
    x = sorted(points)
    mean, low, high = (np.array([points[k][i] for k in x]) for i in range(3))
    spread = np.maximum([mean - low, high - mean], 0)
    axis.errorbar(x, mean, yerr=spread, fmt="o-", ms=4, lw=1.2, capsize=2, **style)


def breakdown(
    path, tables: Mapping[str, Mapping[str, tuple]], *, valued="nats"
) -> None:
    """Mean values of neighbours by group: title to `{group: (mean, low, high)}`."""
    with plots.figure(path, 1, len(tables), width=3.9, height=3.0) as axes:
        panels = axes[0] if len(tables) > 1 else [axes]
        for axis, (title, groups) in zip(panels, tables.items(), strict=True):
            values = np.array([groups[k][:3] for k in groups]).reshape(-1, 3)
            mean, low, high = values.T
            spread = np.maximum([mean - low, high - mean], 0)
            axis.bar(range(len(groups)), mean, color=GAIN, yerr=spread, ecolor="0.3")
            axis.set_xticks(range(len(groups)), groups, rotation=25, ha="right")
            axis.axhline(0, color="0.3", lw=0.6)
            axis.grid(axis="x", visible=False)
            axis.set_title(title)
        panels[0].set_ylabel(f"mean value of a neighbour [{valued}]")


def estimators(path, tables: Mapping[str, tuple]) -> None:
    """Values of one game by estimator: name to `(values [players], errors [players])`."""
    with plots.figure(path, width=5.6, height=3.0) as axis:
        for k, (name, (values, errors)) in enumerate(tables.items()):
            where = np.arange(len(values)) + 0.15 * (k - (len(tables) - 1) / 2)
            style = {"fmt": "o", "ms": 3.5, "capsize": 2, "label": name}
            axis.errorbar(where, values, yerr=2 * np.asarray(errors), **style)
            count = len(values)
        names = ["past", *(f"neighbour {i}" for i in range(1, count))]
        axis.set_xticks(range(count), names, fontsize=7)
        axis.axhline(0, color="0.3", lw=0.6)
        axis.set_ylabel("value [nats]")
        axis.set_title("one window: estimators, two standard errors")
        axis.legend(fontsize=7)
