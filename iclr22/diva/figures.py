"""Figures of DIVA."""

import numpy as np

from iclr22 import plots


def score_histogram(path, score, flips) -> None:
    """Scores of clean and of flipped examples; flagged is what lies right of zero."""
    with plots.figure(path) as axis:
        low, high = np.percentile(score, (0.5, 99.5))
        bins = np.linspace(low, high, 60)
        for chosen, name in ((~flips, "correct label"), (flips, "flipped label")):
            axis.hist(np.clip(score[chosen], low, high), bins, alpha=0.7, label=name)
        axis.axvline(0, color="k", lw=0.8)
        axis.set(xlabel="score", ylabel="examples", yscale="log")
        axis.legend()


def precision_recall(path, scores: dict, flips) -> None:
    """Precision against recall of the flipped labels for several scores."""
    with plots.figure(path) as axis:
        for name, score in scores.items():
            found = np.cumsum(flips[np.argsort(-score, kind="stable")])
            recall = 100 * found / flips.sum()
            precision = 100 * found / np.arange(1, len(found) + 1)
            axis.plot(recall, precision, lw=1.3, label=name)
        axis.axhline(100 * flips.mean(), color="0.6", lw=0.8, ls=":")
        axis.set(xlabel="recall [%]", ylabel="precision [%]", ylim=(0, 102))
        axis.legend(fontsize=7)


def penalty_path(path, grid, losses, chosen: float) -> None:
    """Leave-one-out loss over the grid of penalties."""
    with plots.figure(path) as axis:
        axis.loglog(grid, losses, lw=1.3)
        axis.axvline(chosen, color="k", lw=0.8, label=f"chosen {chosen:.3g}")
        axis.set(xlabel="l2", ylabel="leave-one-out loss")
        axis.legend()


def curves(path, sizes, errors: dict, *, xlabel: str, ylabel: str) -> None:
    """Mean and range over seeds: `errors` maps a name to `[seeds, sizes]`."""
    with plots.figure(path) as axis:
        for name, values in errors.items():
            values = np.asarray(values)
            (line,) = axis.plot(sizes, values.mean(0), "o-", ms=3, lw=1.3, label=name)
            low, high = values.min(0), values.max(0)
            axis.fill_between(sizes, low, high, alpha=0.15, color=line.get_color())
        axis.set(xlabel=xlabel, ylabel=ylabel)
        axis.legend(fontsize=8)


def paired_errors(path, before: dict, after: dict) -> None:
    """Test error per seed before and after reweighting, one line per seed."""
    with plots.figure(path, 1, len(before), width=2.6) as axes:
        panels = axes[0] if len(before) > 1 else [axes]
        for axis, name in zip(panels, before, strict=True):
            for a, b in zip(before[name], after[name], strict=True):
                axis.plot((0, 1), (a, b), "o-", color="C0" if b < a else "C3", ms=4)
            axis.set_xticks((0, 1), ("uniform", "reweighted"))
            axis.set(xlim=(-0.3, 1.3), ylabel="test error [%]", title=name)


def gallery(path, images, labels, score, suggestions, names, *, columns=6) -> None:
    """Most harmful (left) and most helpful (right) examples of every class.

    Args:
      images: `[n, h, w, c]`, any range; labels, suggestions: `[n]` ints; score: `[n]`.
      names: class names.
    """
    classes = np.unique(labels)[:10]
    with plots.figure(path, len(classes), 2 * columns, width=0.75, height=0.9) as axes:
        for row, label in zip(axes, classes, strict=True):
            members = np.flatnonzero(labels == label)
            order = members[np.argsort(-score[members], kind="stable")]
            shown = list(order[:columns]) + list(order[::-1][:columns])
            for axis in row:
                axis.axis("off")
            for axis, index in zip(row, shown, strict=False):
                axis.imshow(_displayable(images[index]), cmap="gray")
                harmful = score[index] > 0
                text = names[label]
                if harmful and suggestions[index] != label:
                    text += f"→{names[suggestions[index]]}"
                color = "C3" if harmful else "C2"
                axis.set_title(text[:18], fontsize=6, color=color, pad=2)


def _displayable(image):
    image = np.asarray(image, np.float32)
    image = (image - image.min()) / max(float(np.ptp(image)), 1e-9)
    return image[..., 0] if image.shape[-1] == 1 else image
