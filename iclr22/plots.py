"""Figures: one style, one way to save. Methods keep their own figures beside them."""

import contextlib
import math
import pathlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from iclr22 import checkpoint, errors, record

STYLE: dict[Any, Any] = {
    "figure.dpi": 130,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "legend.frameon": False,
    "font.size": 9,
    "axes.titlesize": 10,
    "text.parse_math": False,  # names of users are no formulas
}
OTHER = "#9fb4c7"  # colour of a bar that has none of its own
NUMBER = r"-?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?"


@contextlib.contextmanager
def figure(path, rows: int = 1, columns: int = 1, *, width=5.0, height=3.2) -> Iterator:
    """Axes `[rows][columns]` (or the only one) that are saved to `path` as PNG.

    Raises:
      errors.InputError: if matplotlib is not installed.
    """
    try:
        import matplotlib
    except ImportError as error:
        raise errors.InputError(
            "figures need matplotlib: pip install 'iclr22[plot]'"
        ) from error
    matplotlib.use("Agg")
    from matplotlib import pyplot

    with pyplot.rc_context(STYLE):
        size = (width * columns, height * rows)
        drawing, axes = pyplot.subplots(rows, columns, figsize=size, squeeze=False)
        try:
            yield axes[0][0] if rows == columns == 1 else axes
            _plain_powers(drawing)
            drawing.tight_layout()
            with checkpoint.atomic(path) as temporary:
                drawing.savefig(temporary, format="png")
        finally:
            pyplot.close(drawing)


def _plain_powers(drawing):
    """Numbers at logarithmic axes as `1e-05`; by default they are formulas."""
    from matplotlib import ticker

    for axis in (x for axes in drawing.axes for x in (axes.xaxis, axes.yaxis)):
        for which in ("major", "minor"):
            found = getattr(axis, f"get_{which}_formatter")()
            if isinstance(found, ticker.LogFormatterMathtext):
                plain = ticker.LogFormatter(
                    labelOnlyBase=found.labelOnlyBase,
                    minor_thresholds=found.minor_thresholds,
                    linthresh=getattr(found, "_linthresh", None),
                )
                getattr(axis, f"set_{which}_formatter")(plain)


def bars(
    path,
    summaries: Iterable[record.Summary],
    order: Sequence[str],
    metric: str,
    *,
    colours: Mapping[str, str] | None = None,
) -> None:
    """Mean and interval of each variant, a panel for each setting.

    Args:
      order: variants, from the top.
      colours: of some of them.
    """
    found = [x for x in summaries if x.metric == metric]
    settings = list(dict.fromkeys(x.setting for x in found))
    height = 0.7 + 0.24 * len({x.variant for x in found})
    columns = min(2, len(settings))
    lines = -(-len(settings) // columns)
    with figure(path, lines, columns, width=4.4, height=height) as axes:
        panels = [axes] if len(settings) == 1 else axes.ravel()
        for axis, setting in zip(panels, settings, strict=False):
            rows = [x for x in found if x.setting == setting]
            rows.sort(key=lambda x: -order.index(x.variant))
            _bars_of(axis, rows, colours or {})
            axis.set_title(setting, fontsize=8)
        for axis in panels[len(settings) :]:
            axis.axis("off")


def _bars_of(axis, rows: Sequence[record.Summary], colours) -> None:
    names = [x.variant for x in rows]
    means = [x.mean for x in rows]
    axis.barh(names, means, color=[colours.get(x, OTHER) for x in names], height=0.7)
    for i, one in enumerate(rows):
        if math.isfinite(one.interval):
            axis.errorbar(one.mean, i, xerr=one.interval, color="black", lw=1)
        axis.annotate(
            f"{one.mean:.1f} ",
            (one.mean, i),
            va="center",
            ha="right",
            fontsize=7,
            color="white",
        )
    axis.tick_params(labelsize=7)
    axis.set_xlim(left=0)


def dots(
    path, summaries: Iterable[record.Summary], metrics: Iterable[str], *, title=""
) -> pathlib.Path:
    """One panel per metric: a dot per variant and setting with its interval.

    Published numbers, or ranges like `0.68-0.92`, are drawn in grey behind.
    """
    summaries, metrics = list(summaries), list(metrics)
    with figure(path, 1, len(metrics), width=5.4, height=3.8) as axes:
        panels = axes[0] if len(metrics) > 1 else [axes]
        for axis, metric in zip(panels, metrics, strict=True):
            _dots_of(axis, [s for s in summaries if s.metric == metric])
            axis.set_title(f"{title} {metric}".strip())
        filled = [x for x in panels if x.get_legend_handles_labels()[0]]
        for axis in filled[:1]:
            axis.legend(fontsize=7, loc="best")
    return pathlib.Path(path)


def _dots_of(axis, summaries):
    variants = list(dict.fromkeys(s.variant for s in summaries))
    settings = list(dict.fromkeys(s.setting for s in summaries))
    for j, setting in enumerate(settings):
        chosen = [s for s in summaries if s.setting == setting]
        shift = 0.5 * ((j + 0.5) / len(settings) - 0.5)
        where = [variants.index(s.variant) + shift for s in chosen]
        means = [s.mean for s in chosen]
        spread = [0 if math.isnan(s.interval) else s.interval for s in chosen]
        axis.errorbar(means, where, xerr=spread, fmt="o", ms=4, label=setting)
    for s in summaries:
        span = published_range(s.published)
        if span:
            y = variants.index(s.variant)
            axis.plot(span, (y, y), "|-", color="0.7", ms=14, lw=6, zorder=0)
    axis.set_yticks(range(len(variants)), variants)
    axis.invert_yaxis()


def published_range(text: str) -> tuple[float, float] | None:
    """`0.9` or `0.90-0.99` as (low, high); None where no number was published."""
    found = re.fullmatch(f"({NUMBER})(?:-({NUMBER}))?", text)
    return (float(found[1]), float(found[2] or found[1])) if found else None
