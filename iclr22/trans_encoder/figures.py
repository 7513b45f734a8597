"""Figures of Trans-Encoder: scores by variant, students while they learn, labels."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from iclr22 import neighbours, plots, record

COLOURS = {"start": "#8a8a8a", "cross": "#c8443a", "bi": "#3a6ea8"}
OTHER = "#b9a98c"


def scores(
    path, summaries: Sequence[record.Summary], order: Sequence[str], metric: str
):
    """Mean and interval of each line, in settings one below the other.

    Args:
      order: variants, from the top.
    """
    found = [x for x in summaries if x.metric == metric]
    found = sorted(found, key=lambda x: (x.setting, order.index(x.variant)))
    with plots.figure(path, width=6.4, height=0.9 + 0.28 * len(found)) as axis:
        for i, one in enumerate(reversed(found)):
            name = one.variant.removeprefix("mutual_")
            axis.barh(i, one.mean, color=COLOURS.get(name, OTHER), height=0.7)
            if np.isfinite(one.interval):
                axis.errorbar(
                    one.mean, i, xerr=one.interval, color="black", lw=1, capsize=2
                )
            axis.annotate(
                f" {one.mean:.3g}",
                (one.mean, i),
                va="bottom",
                fontsize=7,
                xytext=(4, 0),
                textcoords="offset points",
            )
        names = [f"{x.variant} ({x.setting})" for x in reversed(found)]
        axis.set_yticks(range(len(names)), names, fontsize=7)
        axis.set_xlabel(f"{metric}, larger is better")


def learning(path, looks: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    """Students while they learn: rank correlation with their teacher, and with the labelled
    set where there is one.

    Args:
      looks: rows by name of what is trained, as `pipeline.Fitted` has them.
    """
    quantities = {"teacher": "with the teacher", "dev": "with dev scores"}
    with plots.figure(path, 1, 2, width=4.4) as axes:
        for axis, (key, title) in zip(axes[0], quantities.items(), strict=True):
            for name, rows in looks.items():
                for line in _lines(rows):
                    values = [100 * x[key] for x in line]
                    if np.isfinite(values).any():
                        label = f"{name}: {line[0]['kind']} {line[0]['cycle'] + 1}"
                        steps = [x["step"] for x in line]
                        axis.plot(steps, values, "o-", ms=3, lw=1, label=label)
            axis.set_title(f"rank correlation {title} [%]")
            axis.set_xlabel("update")
        if axes[0][0].get_legend_handles_labels()[0]:
            axes[0][0].legend(fontsize=6)


def _lines(rows):
    """Rows of one student of one phase each."""
    groups: dict[tuple, list] = {}
    for row in rows:
        groups.setdefault((row["cycle"], row["kind"], row["student"]), []).append(row)
    return list(groups.values())


def histograms(path, values: Mapping[str, np.ndarray], title: str) -> None:
    """How labels or scores `[n]` are spread, by name: they should span the range."""
    with plots.figure(path) as axis:
        for name, of in values.items():
            counts, edges = neighbours.histogram(of, 20)
            axis.stairs(counts / max(counts.sum(), 1), edges, label=name)
        axis.set_xlabel("label" if len(values) == 1 else "score")
        axis.set_ylabel("share of pairs")
        axis.set_title(title)
        if len(values) > 1:
            axis.legend(fontsize=7)
