"""Figures of GRDA: scores and embeddings on the graph, samples, errors, training."""

import numpy as np

from iclr22 import errors, plots
from iclr22.data import domains as domains_lib
from iclr22.grda import layout
from iclr22.grda.layout import plain_text

SHOWN = 12  # domains of which samples are drawn
GRID = 60  # points along each side of a background
WIDE = 20  # ratio of errors from which their axis is logarithmic
CLASSES = ("#3b6fb6", "#c8443a", "#3f9a5b", "#8a5fb0", "#d98b2b", "#4aa8b8") * 50
ASIDE = {"fontsize": 7, "loc": "center left", "bbox_to_anchor": (1, 0.5)}


def accuracy_on_graph(
    path,
    data,
    values,
    *,
    label: str = "accuracy [%]",
    low: float = 0,
    high: float | None = 100,
) -> None:
    """The graph of domains per variant, nodes from blue, low, to red, high.

    Args:
      data: `domains.DomainData` of N domains.
      values: variant to `[N]`; NaN is drawn grey.
      low, high: ends of the colours; the largest value where high is None.
    """
    values = {name: np.asarray(v, float) for name, v in values.items()}
    found = np.concatenate([[], *values.values()])
    high = found[np.isfinite(found)].max(initial=low + 1e-6) if high is None else high
    where = layout.positions(data.graph)
    wide, tall = np.maximum(np.ptp(where, axis=0), 1e-9)
    columns = min(max(len(values), 1), 4)
    rows = max(1, -(-len(values) // columns))
    height = 0.6 + np.clip(3 * tall / wide, 1.6, 3)
    with plots.figure(path, rows, columns, width=3.6, height=height) as axes:
        panels = np.ravel(axes)
        for axis, (name, value) in zip(panels, values.items(), strict=False):
            drawn = layout.draw(axis, data, where, value, vmin=low, vmax=high)
            axis.set_title(plain_text(name))
        for axis in panels:
            axis.axis("off")
        if values:
            extend = "max" if np.any(found > high) else "neither"
            beside = panels[columns - 1].inset_axes((1.02, 0.05, 0.04, 0.9))
            beside.grid(False)
            axis.figure.colorbar(
                drawn, cax=beside, extend=extend, label=plain_text(label)
            )
            layout.key(panels[-columns], 0.02, missing=not np.isfinite(found).all())


def score_by_hops(path, hops, values: dict, *, label: str) -> None:
    """Mean and deviation over target domains against the distance from sources.

    Args:
      hops: int `[N]`, edges to the nearest source: 0 for sources, which are left out, and
        -1 for domains that none reaches, which stand at the right.
      values: variant to `[N]`; NaN is left out.
    """
    hops = np.asarray(hops)
    levels = sorted(set(hops[hops != 0].tolist()), key=lambda h: (h < 0, h))
    reached = sum(h > 0 for h in levels)
    with plots.figure(path, width=6.5, height=3.6) as axis:
        for i, (name, value) in enumerate(values.items()):
            value = np.asarray(value, float)
            groups = [value[(hops == h) & np.isfinite(value)] for h in levels]
            means = [g.mean() if len(g) else np.nan for g in groups]
            spread = [g.std() if len(g) else np.nan for g in groups]
            x = np.arange(len(levels)) + 0.3 * ((i + 0.5) / len(values) - 0.5)
            colour = f"C{i % 10}"
            axis.plot(x[:reached], means[:reached], lw=1.3, color=colour)
            axis.errorbar(
                x,
                means,
                spread,
                fmt="o",
                ms=4,
                lw=0.8,
                color=colour,
                label=plain_text(name),
            )
        names = [f"{'none' if h < 0 else h}\n({np.sum(hops == h)})" for h in levels]
        axis.set_xticks(range(len(levels)), names)
        axis.set(xlabel="edges to a source (target domains)", ylabel=plain_text(label))
        if values:
            axis.legend(**ASIDE)


def samples(path, data, predict, *, domains=None, classes=()) -> None:
    """Samples of domains in the plane over what is predicted there.

    Colours are of classes, grey where unknown, and mixed by predicted probabilities; lines
    are where the likeliest class changes.

    Args:
      data: `domains.DomainData` with x `[n, 2]` and classes.
      predict: of x `[n, 2]` and a domain, probabilities `[n, classes]`.
      domains: their numbers; if not given, at most 12, from sources to the farthest.
      classes: names for the key; `data.class_names` if not given.
    """
    if data.regression or data.x.shape[1] != 2:
        raise errors.InputError(
            "expected samples of two features that have classes; found "
            f"{data.x.shape[1]} features, y {data.y.dtype}. Leave this figure out."
        )
    hops = domains_lib.hops(data.graph, data.sources)
    if domains is None:  # spread over the distances
        order = np.argsort(np.where(hops < 0, data.size, hops), kind="stable")
        kept = np.linspace(0, data.size - 1, min(data.size, SHOWN))
        domains = order[kept.astype(int)]
    low, high = data.x.min(axis=0), data.x.max(axis=0)
    edge = np.where(high > low, 0.05 * (high - low), 1)
    sides = np.linspace(low - edge, high + edge, GRID).T
    columns = min(max(len(domains), 1), 4)
    rows = max(1, -(-len(domains) // columns))
    with plots.figure(path, rows, columns, width=2.4, height=2.4) as axes:
        panels = np.ravel(axes)
        for axis, u in zip(panels, domains, strict=False):
            _domain(axis, data, sides, predict, int(u))
            far = _far(int(hops[u]))
            axis.set_title(plain_text(f"{data.domain_names[u]}: {far}"))
        for axis in panels[len(domains) :]:
            axis.axis("off")
        names = tuple(classes) or data.class_names
        _class_key(panels[columns - 1], names, bool(np.any(data.y < 0)))


def _far(hops: int) -> str:
    known = {0: "source", 1: "1 edge", -1: "no path"}
    return known.get(hops, f"{hops} edges")


def _domain(axis, data, sides, predict, u):
    """Samples of domain u over colours of predictions on a grid of sides `[2, g]`."""
    from matplotlib import colors

    for k in np.unique(data.y):
        x = data.x[(data.domain == u) & (data.y == k)]
        colour = CLASSES[k] if k >= 0 else "0.5"
        axis.scatter(*x.T, c=colour, s=7, ec="w", lw=0.3, zorder=3)
    mesh = np.meshgrid(*sides)
    points = np.stack([m.ravel() for m in mesh], axis=1).astype(np.float32)
    chance = np.nan_to_num(np.asarray(predict(points, u), float))
    classes = chance.shape[1]
    tones = colors.to_rgba_array(CLASSES[:classes])
    image = 1 - 0.4 * chance @ (1 - tones[:, :3])
    image = image.clip(0, 1).reshape(*mesh[0].shape, 3)
    extent = (*sides[0][[0, -1]], *sides[1][[0, -1]])
    axis.imshow(image, extent=extent, origin="lower", aspect="auto", zorder=0)
    for k in range(classes if classes > 2 else classes - 1):
        lead = chance[:, k] - np.delete(chance, k, axis=1).max(axis=1)
        if lead.min() < 0 < lead.max():
            lead = lead.reshape(mesh[0].shape)
            axis.contour(*mesh, lead, levels=[0], colors="k", linewidths=0.7)
    axis.grid(False)
    axis.tick_params(labelsize=6)


def _class_key(axis, names, unknown):
    named: list[tuple[str, str]] = list(zip(names, CLASSES, strict=False))
    if unknown:
        named.append(("unknown", "0.5"))
    for name, colour in named:
        axis.plot([], [], "o", ms=4, color=colour, label=plain_text(name))
    axis.legend(title="class", title_fontsize=7, **ASIDE)


def error_by_level(path, levels, ours: dict, published: dict) -> None:
    """Bars by level and variant; the paper's numbers as markers.

    Args:
      levels: names of the levels.
      ours, published: variant to errors by level; NaN or None where there is none.
    """
    variants = list(dict.fromkeys([*ours, *published]))
    width = 0.85 / max(len(variants), 1)
    missing = [np.nan] * len(levels)
    found = []
    with plots.figure(path, width=8, height=3.8) as axis:
        for i, name in enumerate(variants):
            where = np.arange(len(levels)) + (i + 0.5) * width - 0.425
            bars = np.array(ours.get(name, missing), float)
            marks = np.array(published.get(name, missing), float)
            axis.bar(where, bars, width, color=f"C{i % 10}", label=plain_text(name))
            axis.plot(where, marks, "k_", ms=min(100 * width, 14), mew=2)
            found += [bars, marks]
        axis.plot([], [], "k_", ms=9, mew=2, label="paper")
        found = np.concatenate([[], *found])
        found = found[np.isfinite(found) & (found > 0)]
        if len(found) and found.max() > WIDE * found.min():
            axis.set_yscale("log")
            axis.set_ylim(found.min() / 1.5, found.max() * 1.5)
        axis.set_xticks(range(len(levels)), [plain_text(x) for x in levels])
        axis.set(xlabel="edges to the nearest source", ylabel="mean squared error")
        axis.legend(**ASIDE)


def training(path, curves: dict, domains: int) -> None:
    """Loss of the discriminator and how well it finds edges, against updates.

    Args:
      curves: variant to lists `step`, `adversary`, `edge_auc`; any may lack or be empty.
      domains: their number N: a loss of N ln 2 is that of knowing nothing.
    """
    blind = domains * np.log(2)
    with plots.figure(path, 1, 2, width=4.6, height=3.2) as axes:
        levels = {"adversary": blind, "edge_auc": 0.5}
        for axis, (key, level) in zip(axes[0], levels.items(), strict=True):
            for i, (variant, curve) in enumerate(curves.items()):
                y = np.array(curve.get(key) or (), float)
                x = np.array(curve.get("step") or range(len(y)), float)
                n = min(len(x), len(y))
                axis.plot(
                    x[:n],
                    y[:n],
                    "o-" if n == 1 else "-",
                    ms=3,
                    lw=1.2,
                    color=f"C{i % 10}",
                    label=plain_text(variant),
                )
            axis.axhline(level, color="k", lw=0.9, ls="--", label="chance")
            axis.set_xlabel("updates")
        axes[0][0].legend(axes[0][0].lines[-1:], [f"N ln 2 = {blind:.4g}"], fontsize=7)
        axes[0][1].legend(**ASIDE)
        axes[0][0].set(ylabel="loss of the discriminator", ylim=(0, 2.5 * blind))
        axes[0][1].set(ylabel="AUC of edges found", ylim=(-0.02, 1.02))


def embeddings(path, data, z) -> None:
    """Embeddings of domains with the edges between; principal components if over two.

    Args:
      data: `domains.DomainData` of N domains.
      z: `[N, t]`; domains with NaN are left out.
    """
    z = np.array(z, float)
    known = np.isfinite(z).all(axis=1)
    z[~known] = np.nan
    name = "component" if z.shape[1] > 2 else "coordinate"
    if z.shape[1] > 2 and known.any():
        centred = z - z[known].mean(axis=0)
        z = centred @ np.linalg.svd(centred[known], full_matrices=True)[2][:2].T
    where = np.pad(z, ((0, 0), (0, max(0, 2 - z.shape[1]))))[:, :2]
    with plots.figure(path, width=5.5, height=4.8) as axis:
        layout.draw(axis, data, where, 0.3 + 0.4 * data.sources, vmin=0, vmax=1)
        axis.set(xlabel=f"first {name}", ylabel=f"second {name}")
        layout.key(axis, -0.11, missing=False)
