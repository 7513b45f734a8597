"""Figures of models on splits: heat map, main plot, ranks; and of one model's report.

Tables are nested: model to split to R2 of each seed, `{"cnn": {"random": [.99, .98]}}`.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from iclr22 import plots
from iclr22.in_domain.evaluating import Report

TRAIN, TRUE, MODEL = "#cfe3d4", "0.35", "#2f6f9f"
INSIDE, OUTSIDE = "#2f6f9f", "#c8443a"
FLOOR = -1.0  # R2 below is drawn here
Table = Mapping[str, Mapping[str, Sequence[float]]]


def heat_map(path, table: Table, *, rows: str = "model", title: str = "") -> None:
    """A cell for each model and split, the mean over seeds; 1 is dark, 0 and less red."""
    names, splits = list(table), _columns(table)
    values = np.array([[_mean(table[m].get(s, ())) for s in splits] for m in names])
    width = 1.6 + 0.95 * len(splits) + 0.06 * _longest(names)
    with plots.figure(path, width=width, height=1.25 + 0.32 * len(names)) as axis:
        image = axis.imshow(values, cmap="RdYlBu", vmin=-1, vmax=1, aspect="auto")
        for i, j in np.ndindex(values.shape):
            if np.isfinite(values[i, j]):
                text = f"{values[i, j]:.2f}"
                colour = "white" if abs(values[i, j]) > 0.55 else "black"
                axis.text(j, i, text, ha="center", va="center", size=8, color=colour)
        axis.set_xticks(range(len(splits)), [x.replace("_", " ") for x in splits])
        axis.tick_params(axis="x", rotation=20)
        axis.set_yticks(range(len(names)), names)
        axis.set(title=title, ylabel=rows)
        axis.grid(visible=False)
        axis.figure.colorbar(image, ax=axis, extend="min", label="R2")


def main_plot(path, table: Table, *, title="") -> None:
    """R2 of every seed (dots) and the mean (stroke), a panel for each split.

    The scale is that of log(1 - R2): .9, .99 and .999 are as far apart as 0 and .9.
    """
    names, splits = list(table), _columns(table)
    width, height = (2.1 if len(splits) > 1 else 4.0), 1.0 + 0.24 * len(names)
    with plots.figure(path, 1, len(splits), width=width, height=height) as axes:
        panels = axes[0] if len(splits) > 1 else [axes]
        shown = _ticks(table)
        for axis, split in zip(panels, splits, strict=True):
            for i, name in enumerate(names):
                _seeds(axis, i, table[name].get(split, ()))
            axis.axvline(0, color="0.5", lw=0.8)
            ends = _stretched(np.array([shown[0], shown[-1]]))
            axis.set(xlim=(ends[0] - 0.1, ends[1] + 0.1), xlabel="R2")
            axis.set_title(split.replace("_", " "))
            axis.set_xticks(_stretched(np.array(shown)), [f"{x:g}" for x in shown])
            axis.set_yticks(range(len(names)), names if axis is panels[0] else [])
            axis.set_ylim(len(names) - 0.5, -0.5)
        if title:
            panels[0].figure.suptitle(title)


def ranks(path, table: Table) -> None:
    """Rank of every model on each split, by its mean R2; 1 is best."""
    names, splits = list(table), _columns(table)
    order = {s: rank_of(table, s) for s in splits}
    width = 2.4 + 1.05 * len(splits)
    with plots.figure(path, width=width, height=1.1 + 0.28 * len(names)) as axis:
        for k, name in enumerate(names):
            y = [order[s].get(name, np.nan) for s in splits]
            style = {"ls": "-" if k < 10 else "--", "color": f"C{k % 10}"}
            axis.plot(range(len(splits)), y, "o", ms=5, lw=1.5, **style)
            last = max((i for i, v in enumerate(y) if np.isfinite(v)), default=None)
            if last is not None:
                axis.annotate(
                    name,
                    (last, y[last]),
                    (7, -3),
                    textcoords="offset points",
                    color=style["color"],
                    size=8,
                )
        axis.set_xticks(range(len(splits)), [x.replace("_", " ") for x in splits])
        axis.tick_params(axis="x", rotation=15)
        axis.set_yticks(range(1, len(names) + 1))
        axis.set(ylabel="rank", xlim=(-0.2, len(splits) - 0.3 + 0.08 * _longest(names)))
        axis.set_ylim(len(names) + 0.5, 0.5)
        axis.grid(axis="x", visible=False)


def rank_of(table: Table, split: str) -> dict[str, int]:
    """Rank by mean R2, 1 the best, of models that have the split."""
    found = {m: _mean(x[split]) for m, x in table.items() if len(x.get(split, ()))}
    best = sorted(found, key=lambda m: -found[m])
    return {name: i + 1 for i, name in enumerate(best)}


def predictions(path, report: Report) -> None:
    """Mean prediction (and deviation) against the true value of each factor; the training
    range is shaded, values that training lacks are open."""
    count = len(report.curves)
    columns = min(count, 4)
    rows = -(-count // columns)
    with plots.figure(path, rows, columns, width=2.5, height=2.5) as axes:
        panels = np.reshape(np.asarray(axes, object), -1)
        for axis, factor, curve in zip(
            panels, report.grid.factors, report.curves, strict=False
        ):
            _curve(axis, curve)
            axis.set_title(factor.name)
        for axis in panels[count:]:
            axis.axis("off")
        for axis in panels[:count:columns]:
            axis.set_ylabel("mean prediction")
        held = max(panels[:count], key=lambda x: len(x.get_legend_handles_labels()[1]))
        drawing = held.figure
        drawing.suptitle(" ", fontsize=9)
        given = held.get_legend_handles_labels()
        options = {"loc": "upper center", "ncols": 2 if columns < 3 else 4}
        drawing.legend(*given, fontsize=7, **options)


def modularity(path, report: Report) -> None:
    """R2 of each factor where it alone is out of distribution, and where another is."""
    found, names = report.modularity, report.grid.names
    width = max(3.4, 1.2 + 0.75 * len(names))
    with plots.figure(path, width=width, height=2.7) as axis:
        where = np.arange(len(names))
        for shift, values, colour, label in (
            (-0.19, found.id, INSIDE, "another factor is out"),
            (0.19, found.ood, OUTSIDE, "this factor is out"),
        ):
            axis.bar(where + shift, np.maximum(values, FLOOR), 0.36, color=colour)
            axis.bar(0, 0, color=colour, label=label)
            for x, value in zip(where + shift, values, strict=True):
                if np.isfinite(value):
                    y = max(value, FLOOR, 0)
                    axis.text(x, y + 0.02, f"{value:.2f}", ha="center", size=6.5)
        axis.axhline(0, color="0.3", lw=0.8)
        axis.set_xticks(where, names)
        axis.set(ylabel="R2", ylim=(axis.get_ylim()[0], 1.32))
        axis.set_title("exactly one factor out of distribution")
        axis.legend(fontsize=7, ncols=2, loc="upper center")
        axis.grid(axis="x", visible=False)


def histogram(path, histograms: Mapping[str, Sequence[int]]) -> None:
    """Share of test images by number of factors out of distribution, bars of each split."""
    with plots.figure(path, width=4.4, height=2.7) as axis:
        top = max(np.flatnonzero(x).max(initial=0) for x in histograms.values())
        step = 0.8 / len(histograms)
        for k, (name, counts) in enumerate(histograms.items()):
            counts = np.asarray(counts)[: top + 1]
            where = np.arange(top + 1) + step * (k - (len(histograms) - 1) / 2)
            label = f"{name.replace('_', ' ')} ({counts.sum():,} images)"
            axis.bar(where, 100 * counts / max(counts.sum(), 1), step, label=label)
        axis.set_xticks(range(top + 1))
        axis.set(xlabel="factors out of distribution", ylabel="test images [%]")
        axis.legend(fontsize=7)
        axis.grid(axis="x", visible=False)


def gallery(path, images, report: Report, *, count: int = 12) -> None:
    """The test images with the largest errors; below each the factors that are furthest
    off, what they are and what was read, in grid numbers.

    Args:
      images: rows of the report to images `[n, h, w, c]` from 0 to 1.
    """
    numbers, top = report.grid.numbers(report.index), np.array(report.grid.sizes) - 1
    error = np.abs(report.predictions - numbers / top)
    worst = np.argsort(-(error**2).mean(axis=1), kind="stable")[:count]
    x = np.asarray(images(worst))
    columns = min(6, len(worst))
    rows = -(-len(worst) // columns)
    with plots.figure(path, rows, columns, width=1.35, height=1.7) as axes:
        panels = np.reshape(np.asarray(axes, object), -1)
        for axis in panels:
            axis.axis("off")
        for axis, i, image in zip(panels, worst, x, strict=False):
            shown = image[..., 0] if image.shape[-1] == 1 else image
            axis.imshow(shown, cmap="gray", vmin=0, vmax=1)
            most = np.argsort(-error[i])[:2]
            read = report.predictions[i] * top
            text = [
                f"{report.grid.names[j]} {numbers[i, j]}, read {read[j]:.1f}"
                for j in most
            ]
            axis.set_title("\n".join(text), fontsize=6.5, pad=2)


def _curve(axis, curve):
    axis.axvspan(curve.low, curve.high, color=TRAIN, lw=0, label="training range")
    axis.plot((0, 1), (0, 1), color=TRUE, lw=0.9, ls=":", label="truth")
    seen = curve.count > 0
    x, y = curve.truth[seen], curve.mean[seen]
    spread = curve.deviation[seen]
    axis.fill_between(x, y - spread, y + spread, color=MODEL, alpha=0.2, lw=0)
    axis.plot(x, y, color=MODEL, lw=1.1)
    for chosen, fill, label in (
        (curve.known[seen], MODEL, "in training"),
        (~curve.known[seen], "white", "never in training"),
    ):
        if chosen.any():
            axis.plot(
                x[chosen], y[chosen], "o", ms=3.2, mfc=fill, mec=MODEL, label=label
            )
    axis.set(xlim=(-0.03, 1.03), ylim=(-0.15, 1.15), xlabel="true value")
    if np.isfinite(curve.bias):
        text = f"bias {curve.bias:+.2f}\n{100 * curve.inside:.0f} % inside"
        axis.text(0.97, 0.03, text, transform=axis.transAxes, ha="right", size=6.5)


def _seeds(axis, place, values):
    values = np.asarray(values, np.float64)
    if not len(values):
        return
    x = _stretched(values)
    axis.plot(
        x, np.full(len(values), place), "o", ms=3.5, color=MODEL, alpha=0.5, mew=0
    )
    mean = _stretched(values.mean(keepdims=True))
    axis.plot(mean, [place], "|", ms=10, mew=1.4, color="black")


def _stretched(r_squared):
    """Places on the axis: -log10(1 - R2), at most 4."""
    return -np.log10(np.maximum(1 - r_squared, 1e-4))


def _ticks(table: Table) -> list[float]:
    """Labels that span what is to be drawn."""
    every = [v for x in table.values() for values in x.values() for v in values]
    low, high = min([0.0, *every]), max([0.9, *every])
    marks = [-99.0, -9.0, -2.0, 0.0, 0.9, 0.99, 0.999, 0.9999]
    first = max((i for i, x in enumerate(marks) if x <= low), default=0)
    last = min((i for i, x in enumerate(marks) if x >= high), default=len(marks) - 1)
    return marks[first : last + 1]


def _columns(table: Table) -> list[str]:
    return list(dict.fromkeys(split for found in table.values() for split in found))


def _mean(values) -> float:
    return float(np.mean(values)) if len(values) else float("nan")


def _longest(names) -> int:
    return max(map(len, names))
