"""One scene drawn: where everybody went, what was predicted, and who contributed."""

from collections.abc import Mapping

import numpy as np

from iclr22 import plots
from iclr22.trajectory_shapley.figures import GAIN, LOSS, POINTS

TARGET = "0.15"
NAMED = 0.1  # share of the largest contribution above which the plan names a neighbour


def scene(path, drawn: Mapping, *, title="", unit="m", valued="nats") -> None:
    """One scene: histories, the future, the predicted mixture, and who contributed.

    Args:
      drawn: `history [time, 2]`, `future [horizon, 2]`, `neighbours [n, time, 2]` (nan
        where not seen), `values [1 + n]` (the past first), `names [1 + n]`, and if there
        `weight [modes]`, `mean [modes, horizon, 2]`, `cov [modes, horizon, 3]`; positions
        relative to the target's current one.
    """
    values = np.asarray(drawn["values"])
    with plots.figure(path, 1, 2, width=4.6, height=4.2) as axes:
        plan, bars = axes[0]
        if drawn.get("mean") is not None:
            _ellipses(plan, drawn)
        _tracks(plan, drawn, values)
        plan.set_aspect("equal", adjustable="datalim")
        plan.set_xlabel(f"x [{unit}]")
        plan.set_ylabel(f"y [{unit}]")
        plan.set_title(title)
        plan.legend(fontsize=7, loc="best")
        colours = ["0.55", *(GAIN if v > 0 else LOSS for v in values[1:])]
        bars.barh(range(len(values)), values, color=colours)
        bars.set_yticks(range(len(values)), drawn["names"], fontsize=7)
        bars.invert_yaxis()
        bars.axvline(0, color="0.3", lw=0.6)
        bars.set_xlabel(f"contribution [{valued}]")
        bars.set_title("who improves the prediction")


def _tracks(axis, drawn, values):
    """Histories, the true future, and arrows from neighbours, as wide as they count."""
    history, future = (np.asarray(drawn[k]) for k in ("history", "future"))
    axis.plot(*history.T, color=TARGET, lw=1.8, label="past")
    ahead = np.concatenate([history[-1:], future])
    axis.plot(*ahead.T, color=TARGET, lw=1.4, ls=":", label="what came")
    axis.plot(*history[-1], "o", color=TARGET, ms=6)
    most = np.abs(values[1:]).max(initial=1e-9)
    for track, value, name in zip(
        drawn["neighbours"], values[1:], drawn["names"][1:], strict=True
    ):
        colour = GAIN if value > 0 else LOSS
        axis.plot(*np.asarray(track).T, color="0.6", lw=1)
        place = np.asarray(track)[-1]
        axis.plot(*place, "o", color="0.6", ms=4)
        if abs(value) > NAMED * most:
            axis.annotate(name, place, (4, 4), **POINTS, color="0.35")
        arrow = {"arrowstyle": "-|>", "shrinkB": 5, "alpha": 0.75, "color": colour}
        arrow |= {"lw": 0.4 + 4 * abs(value) / most, "mutation_scale": 12}
        axis.annotate("", history[-1], place, arrowprops=arrow)


def _ellipses(axis, drawn):
    """Two standard deviations of every mode, at three steps, darker the likelier."""
    from matplotlib import patches

    mean, cov = np.asarray(drawn["mean"]), np.asarray(drawn["cov"])
    steps = sorted({mean.shape[1] // 3 - 1, 2 * mean.shape[1] // 3 - 1, -1})
    shown = False
    for weight, path, spread in zip(drawn["weight"], mean, cov, strict=True):
        if weight < 0.02:
            continue
        label = None if shown else "predicted (2 s.d.)"
        shown = True
        ahead = np.concatenate([np.zeros((1, 2)), path])
        axis.plot(*ahead.T, color="#3f9a5b", lw=1, alpha=min(1, 0.25 + weight))
        for step in steps:
            xx, xy, yy = spread[step]
            sizes, axes = np.linalg.eigh([[xx, xy], [xy, yy]])
            angle = np.degrees(np.arctan2(axes[1, 1], axes[0, 1]))
            width, height = 4 * np.sqrt(np.maximum(sizes[::-1], 0))
            options = {"angle": angle, "color": "#3f9a5b", "lw": 0, "label": label}
            options |= {"alpha": 0.08 + 0.25 * float(weight)}
            axis.add_patch(patches.Ellipse(path[step], width, height, **options))
            label = None
