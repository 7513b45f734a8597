"""Figures of Deep AutoAugment: what a policy does, how it was found, what it makes."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from iclr22 import errors, plots
from iclr22.deep_autoaugment import space
from iclr22.deep_autoaugment.policy import Entry, Mixture, Policy, members

SHOWN = 0.04  # share of a layer from which on a bar has its operation's name
RARE = 0.005  # share of a layer below which no histogram is drawn
SMOOTH = 25  # search steps of a moving mean
COLOURS = {"learned": "#c8443a", "uniform": "#3a6ea8", "identity": "#8a8a8a"}
OTHER = "#b9a98c"
PLAIN = "#c9c9c9"  # identity
NOTHING = (Entry("identity", space.MIDDLE, 0.0, 1.0),)
GAP = 2  # pixels between images of a contact sheet


def merged(policy: Policy | Mixture) -> list[list[Entry]]:
    """Entries by layer; of a mixture those of all its policies, each as probable as it is
    among all images. A policy without that layer counts as identity there."""
    several = members(policy)
    found: list[list[Entry]] = []
    for layer in range(max(len(one.layers) for one in several.policies)):
        found.append([])
        for weight, one in zip(several.weights, several.policies, strict=True):
            given = one.layers[layer] if layer < len(one.layers) else NOTHING
            found[-1] += [x._replace(prob=weight * x.prob) for x in given]
    return found


def masses(policy: Policy | Mixture) -> list[dict[str, float]]:
    """Probability by operation, for each layer; in the order of `space.KNOWN`."""
    found = []
    for entries in merged(policy):
        mass: dict[str, float] = dict.fromkeys(space.KNOWN, 0.0)
        for entry in entries:
            mass[entry.op] += entry.prob
        found.append({op: x for op, x in mass.items() if x > 0})
    return found


def _colours() -> dict[str, Any]:
    """One for each operation; pairs such as shear_x and shear_y are of one hue."""
    import matplotlib

    wheels = (matplotlib.colormaps[name] for name in ("tab20", "tab20b"))
    hues = [x for wheel in wheels for x in wheel.colors]  # type: ignore[attr-defined]
    hues = [x for x in hues if max(x) > min(x)]  # grey is for identity
    others = (op for op in space.KNOWN if op != "identity")
    return {"identity": PLAIN} | dict(zip(others, hues, strict=False))


def layers(path, policy: Policy | Mixture, title: str = "") -> None:
    """Stacked bars: the probability of each operation, one bar for each layer."""
    found = masses(policy)
    present = [op for op in space.KNOWN if any(op in x for x in found)]
    with plots.figure(path, width=2.6 + 0.95 * len(found), height=3.9) as axis:
        bottom, colours = np.zeros(len(found)), _colours()
        places = np.arange(1, len(found) + 1)
        for op in present:
            height = np.array([x.get(op, 0.0) for x in found])
            axis.bar(places, height, 0.8, bottom, color=colours[op], label=op)
            for x, low, of in zip(places, bottom, height, strict=True):
                if of >= SHOWN:
                    middle = low + of / 2
                    axis.text(x, middle, op, ha="center", va="center", fontsize=6)
            bottom += height
        axis.set_xticks(places)
        axis.set_xlabel("layer")
        axis.set_ylabel("probability of the operation")
        axis.set_ylim(0, 1)
        axis.grid(visible=False)
        axis.set_title(title)
        handles, names = axis.get_legend_handles_labels()
        where = {"loc": "center left", "bbox_to_anchor": (1.01, 0.5)}
        axis.legend(handles[::-1], names[::-1], fontsize=6, **where)


def magnitudes(
    path, policy: Policy | Mixture, layer: int = 0, *, levels: int = space.LEVELS
) -> None:
    """Histograms of the levels of each operation of a layer that has magnitudes.

    Args:
      layer: counted from 0.
      levels: of the search space, so that empty ones are seen; more where the policy has.

    Raises:
      errors.InputError: no such layer.
    """
    entries = merged(policy)
    if not 0 <= layer < len(entries):
        raise errors.InputError(
            f"expected a layer from 0 to {len(entries) - 1}; found {layer}"
        )
    graded = [x for x in entries[layer] if x.op in space.RANGES]
    levels = max([levels, *(x.level + 1 for x in graded)])
    shares: dict[str, np.ndarray] = {}
    values: dict[str, dict[int, float]] = {}
    for entry in graded:
        shares.setdefault(entry.op, np.zeros(levels))[entry.level] += entry.prob
        values.setdefault(entry.op, {})[entry.level] = entry.value
    kept = [op for op in space.RANGES if op in shares and shares[op].sum() >= RARE]
    columns = max(min(4, len(kept)), 1)
    lines = max(-(-len(kept) // columns), 1)
    with plots.figure(path, lines, columns, width=2.3, height=1.75) as axes:
        panels, colours = np.ravel(axes), _colours()
        for axis, op in zip(panels, kept, strict=False):
            axis.bar(np.arange(levels), shares[op], color=colours[op])
            ends = [min(values[op]), max(values[op])]
            axis.set_xticks(ends, [f"{values[op][x]:.3g}" for x in ends], fontsize=7)
            axis.tick_params(axis="y", labelsize=6)
            axis.set_xlim(-0.7, levels - 0.3)
            axis.set_title(f"{op}  {shares[op].sum():.1%}", fontsize=8)
        for axis in panels[len(kept) :]:
            axis.axis("off")


def cosines(path, history: Mapping[str, Sequence]) -> None:
    """Cosine of the two gradients while a policy is searched: a line for each layer.

    Args:
      history: by name of a layer, a value for each search step, or pairs of a step and its
        value. Pale: all of them; solid: moving mean.
    """
    with plots.figure(path, width=5.6, height=3.2) as axis:
        for name, values in history.items():
            of = np.asarray(values, float)
            steps = np.arange(1.0, len(of) + 1)
            if of.ndim == 2:
                steps, of = of.T
            (line,) = axis.plot(steps, of, lw=0.6, alpha=0.3)
            width = max(1, min(SMOOTH, len(of) // 4))
            mean = np.convolve(of, np.full(width, 1 / width), "valid")
            places = np.convolve(steps, np.full(width, 1 / width), "valid")
            axis.plot(places, mean, color=line.get_color(), lw=1.6, label=name)
        axis.set_xlabel("search step")
        axis.set_ylabel("cosine of the gradients")
        if history:
            axis.legend(fontsize=7)


def held_out(path, found: Mapping[str, tuple[float, float]]) -> None:
    """Bars of held-out cosines, such as learned, uniform, identity and a control.

    Args:
      found: mean and half of its 95 % interval, by name.
    """
    with plots.figure(path, width=4.8, height=0.9 + 0.34 * len(found)) as axis:
        for i, (name, (mean, half)) in enumerate(reversed(list(found.items()))):
            half = half if np.isfinite(half) else 0.0
            axis.barh(i, mean, color=COLOURS.get(name, OTHER), height=0.7)
            axis.errorbar(mean, i, xerr=half, color="black", lw=1, capsize=2)
            axis.annotate(
                f"{mean:.3f}",
                (max(mean + half, 0), i),
                va="center",
                fontsize=7,
                xytext=(5, 0),
                textcoords="offset points",
            )
        axis.set_yticks(range(len(found)), list(found)[::-1])
        axis.set_xlabel("cosine with the gradient of held-out images")
        axis.margins(x=0.14)


def contact_sheet(path, images, draws, names: Sequence[str] = ()) -> None:
    """Original images in the first column, what a policy made of them beside it.

    Args:
      images: `[r, h, w, c]` uint8, grey or RGB.
      draws: `[r, k, h, w, c]` uint8.
      names: of the rows, such as classes.

    Raises:
      errors.InputError: shapes that do not belong together.
    """
    images, draws = np.asarray(images), np.asarray(draws)
    if draws.ndim != 5 or images.shape != (len(draws), *draws.shape[2:]):
        raise errors.InputError(
            f"expected images [r, h, w, c] and draws [r, k, h, w, c]; found "
            f"{list(images.shape)} and {list(draws.shape)}"
        )
    rows, count, height, width, _ = draws.shape
    longest = max([len(x) for x in names], default=0)
    whole = _mosaic(np.concatenate([images[:, None], draws], axis=1))
    size = 0.55 if max(height, width) <= 64 else 0.9  # inches of an image
    wide = size * width / max(height, width) * (count + 1) + 0.3 + 0.085 * longest
    tall = size * height / max(height, width) * rows + 0.5
    with plots.figure(path, width=max(wide, 2.5), height=tall) as axis:
        axis.imshow(whole, interpolation="nearest")
        axis.grid(visible=False)
        axis.spines[:].set_visible(False)
        axis.axvline(width + 1.5 * GAP - 0.5, color="black", lw=1)
        places = (np.arange(rows) + 0.5) * (height + GAP)
        axis.set_yticks(places if len(names) else [], list(names), fontsize=7)
        axis.set_xticks([width / 2], ["original"], fontsize=7)
        axis.tick_params(length=0)


def _mosaic(cells: np.ndarray) -> np.ndarray:
    """White-spaced RGB mosaic of cells `[r, k, h, w, c]`, with twice the gap after the
    first column."""
    rows, columns, height, width, channels = cells.shape
    shape = (rows * (height + GAP), columns * (width + GAP) + GAP, 3)
    whole = np.full(shape, 255, np.uint8)
    for row in range(rows):
        for column in range(columns):
            top, left = (
                row * (height + GAP),
                column * (width + GAP) + GAP * (column > 0),
            )
            place = whole[top : top + height, left : left + width]
            place[:] = (
                cells[row, column] if channels == 3 else cells[row, column, :, :, :1]
            )
    return whole
