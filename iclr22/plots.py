"""Figures: one style, one way to save. Methods keep their own figures beside them."""

import contextlib
import math
import pathlib
from collections.abc import Iterable, Iterator

from iclr22 import checkpoint, errors, record

STYLE = {
    "figure.dpi": 130,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "legend.frameon": False,
    "font.size": 9,
    "axes.titlesize": 10,
}


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
            drawing.tight_layout()
            with checkpoint.atomic(path) as temporary:
                drawing.savefig(temporary, format="png")
        finally:
            pyplot.close(drawing)


def bars(
    path, summaries: Iterable[record.Summary], metrics: Iterable[str], *, title=""
) -> pathlib.Path:
    """One panel per metric: a bar per variant with its interval, published numbers as marks.

    Settings are drawn side by side within a variant.
    """
    summaries, metrics = list(summaries), list(metrics)
    with figure(path, 1, len(metrics), width=5.6, height=3.6) as axes:
        panels = axes[0] if len(metrics) > 1 else [axes]
        for axis, metric in zip(panels, metrics, strict=True):
            _bars_of(axis, [s for s in summaries if s.metric == metric])
            axis.set_title(f"{title} {metric}".strip())
    return pathlib.Path(path)


def _bars_of(axis, summaries):
    variants = list(dict.fromkeys(s.variant for s in summaries))
    settings = list(dict.fromkeys(s.setting for s in summaries))
    width = 0.8 / max(len(settings), 1)
    for j, setting in enumerate(settings):
        chosen = [s for s in summaries if s.setting == setting]
        where = [variants.index(s.variant) + width * (j + 0.5) - 0.4 for s in chosen]
        means = [s.mean for s in chosen]
        spread = [0 if math.isnan(s.interval) else s.interval for s in chosen]
        axis.barh(where, means, width * 0.92, xerr=spread, label=setting, zorder=2)
        for y, mean in zip(where, means, strict=True):
            axis.text(
                0.01,
                y,
                f"{mean:.3g}",
                va="center",
                fontsize=7,
                color="white",
                transform=axis.get_yaxis_transform(),
                zorder=3,
            )
        marks = [
            (float(s.published), y)
            for s, y in zip(chosen, where, strict=True)
            if _number(s)
        ]
        if marks:
            axis.plot(
                *zip(*marks, strict=True), "k|", ms=10, zorder=4, label="published"
            )
    axis.set_yticks(range(len(variants)), variants)
    axis.invert_yaxis()
    axis.legend(fontsize=7, loc="lower right")


def _number(summary) -> bool:
    try:
        return math.isfinite(float(summary.published))
    except ValueError:
        return False
