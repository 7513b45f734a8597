"""Figures of GRDA: scores and embeddings on the graph, samples, errors, training."""

import math

import numpy as np

from iclr22 import errors, plots
from iclr22.data import domains as domains_lib

GREY = "0.75"  # of what has no value
NAMED = 50  # domains, up to which names are written
SHOWN = 12  # domains of which samples are drawn
GRID = 60  # points along each side of a background
WIDE = 20  # ratio of errors from which their axis is logarithmic
CLASSES = ("#3b6fb6", "#c8443a", "#3f9a5b", "#8a5fb0", "#d98b2b", "#4aa8b8")
ASIDE = {"fontsize": 7, "loc": "center left", "bbox_to_anchor": (1, 0.5)}


def accuracy_on_graph(
    path, data, values: dict, *, label="accuracy [%]", low=0, high=100
) -> None:
    """The graph of domains per variant, nodes from blue, low, to red, high.

    Args:
      data: `domains.DomainData` of N domains.
      values: variant to `[N]`; NaN is drawn grey.
      low, high: ends of the colours; None for the smallest or largest value.
    """
    values = {name: np.asarray(v, float) for name, v in values.items()}
    low, high = _ends(values, low, high)
    where = _positions(data.graph)
    columns = min(max(len(values), 1), 4)
    rows = max(1, math.ceil(len(values) / columns))
    with plots.figure(path, rows, columns, width=3.6, height=3.3) as axes:
        panels = np.ravel(axes)
        for axis, (name, value) in zip(panels, values.items(), strict=False):
            drawn = _nodes(axis, data, where, value, vmin=low, vmax=high)
            axis.set_title(_text(name))
        for axis in panels:
            axis.axis("off")
        if values:
            _bar(panels[columns - 1], drawn, values, _text(label))
            _key(panels[0])


def _ends(values, low, high):
    """Finite ends `low < high` of a colour scale, found in the values where None."""
    known = np.concatenate([[], *values.values()])
    known = known[np.isfinite(known)]
    low = known.min(initial=np.inf) if low is None else low
    high = known.max(initial=-np.inf) if high is None else high
    low = low if np.isfinite(low) else min(0, high) if np.isfinite(high) else 0
    return low, high if np.isfinite(high) and high > low else low + 1


def _positions(graph):
    """Positions `[N, 2]` that the graph has, or else a layout by its edges."""
    nodes = np.asarray(graph.nodes, float)
    if nodes.shape[1:] == (2,) and np.isfinite(nodes).all():
        return nodes
    linked = domains_lib.adjacency(graph).astype(float)
    n = len(linked)
    turn = 2 * np.pi * np.arange(n) / max(n, 1)
    where = 0.1 * np.stack([np.cos(turn), np.sin(turn)], axis=1)
    scale = np.maximum(linked.sum(axis=0), 1e-9) ** -0.5
    if linked.any() and n > 2:  # spectral layout
        _, vectors = np.linalg.eigh(np.eye(n) - scale[:, None] * linked * scale)
        where += vectors[:, 1:3]
    return _spread(where, linked) if n <= 500 else where


def _spread(where, linked, steps: int = 150):
    """Pushes nodes `[N, 2]` apart, holding neighbours together, by forces."""
    length = len(where) ** -0.5  # wished of an edge, in a square of side 1
    for step in range(steps):
        apart = where[:, None] - where
        distance = np.maximum(np.linalg.norm(apart, axis=2), 0.01 * length)
        push = (length / distance) ** 2 - linked * distance / length
        force = (push[..., None] * apart).sum(axis=1) - where
        size = np.maximum(np.linalg.norm(force, axis=1, keepdims=True), 1e-9)
        where = where + force / size * np.minimum(size, 0.1 * (1 - step / steps))
    return where


def _nodes(axis, data, where, value, **scale):
    """Draws edges, and nodes at `[N, 2]` coloured by `[N]`; the scatter of the last."""
    from matplotlib import collections, colormaps

    graph, cmap = data.graph, colormaps["RdYlBu_r"].with_extremes(bad=GREY)
    once = np.flatnonzero(np.asarray(graph.senders) < np.asarray(graph.receivers))
    ends = np.stack([where[graph.senders[once]], where[graph.receivers[once]]], axis=1)
    ends = ends[np.isfinite(ends).all(axis=(1, 2))]
    axis.add_collection(
        collections.LineCollection(ends, colors="0.7", lw=0.5, zorder=1)
    )
    area = 90 if data.size <= NAMED else 30
    options = dict(cmap=cmap, plotnonfinite=True, s=area, zorder=2) | scale
    sources = np.asarray(data.sources, bool)
    for mask, marker, edge in ((~sources, "o", "0.5"), (sources, "s", "k")):
        drawn = axis.scatter(
            *where[mask].T,
            c=value[mask],
            marker=marker,
            edgecolors=edge,
            linewidths=1.2 if marker == "s" else 0.4,
            **options,
        )
    axis.set_aspect("equal", adjustable="datalim")
    axis.margins(0.08)
    if data.size <= NAMED:
        _names(axis, data, where, cmap(drawn.norm(np.ma.masked_invalid(value))))
    return drawn


def _names(axis, data, where, colours):
    """Names in the nodes where all are short, else above them; colours `[N, 4]`."""
    names = [_text(name) for name in data.domain_names]
    inside = all(len(str(name)) <= 2 for name in data.domain_names)
    dark = colours[:, :3] @ (0.3, 0.6, 0.1) < 0.45
    for i in np.flatnonzero(np.isfinite(where).all(axis=1)):
        axis.annotate(
            names[i],
            where[i],
            xytext=(0, 0 if inside else 6),
            textcoords="offset points",
            fontsize=5,
            color="w" if inside and dark[i] else "k",
            ha="center",
            va="center_baseline" if inside else "bottom",
        )


def _bar(axis, drawn, values, label):
    """The colour bar right of a panel, pointed where values lie beyond its ends."""
    found = np.concatenate(list(values.values()))
    ends = np.any(found < drawn.norm.vmin), np.any(found > drawn.norm.vmax)
    extend = {(0, 0): "neither", (1, 0): "min", (0, 1): "max", (1, 1): "both"}[ends]
    beside = axis.inset_axes((1.02, 0.05, 0.04, 0.9))
    bar = axis.figure.colorbar(drawn, cax=beside, extend=extend, label=label)
    bar.outline.set_visible(False)
    beside.grid(False)


def _key(axis):
    for name, marker, face, edge in (
        ("source", "s", "w", "k"),
        ("target", "o", "w", "0.5"),
        ("no value", "o", GREY, "0.5"),
    ):
        axis.plot([], [], marker, mfc=face, mec=edge, label=name)
    place = {"loc": "upper center", "bbox_to_anchor": (0.5, 0.02)}
    axis.legend(fontsize=7, ncols=3, handletextpad=0.1, columnspacing=1, **place)


def _text(value) -> str:
    """Text drawn as it is: no formulas, and no name left out of a legend."""
    text = str(value).replace("$", r"\$")
    return " " + text if text.startswith("_") else text


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
            (line,) = axis.plot(x[:reached], means[:reached], lw=1.3)
            style = {"fmt": "o", "ms": 4, "lw": 0.8, "color": line.get_color()}
            axis.errorbar(x, means, spread, label=_text(name), **style)
        names = [f"{'none' if h < 0 else h}\n({np.sum(hops == h)})" for h in levels]
        axis.set_xticks(range(len(levels)), names)
        axis.set_xlim(-0.5, max(len(levels), 1) - 0.5)
        axis.set_xlabel("edges to the nearest source (target domains)")
        axis.set_ylabel(_text(label))
        if values:
            axis.legend(**ASIDE)


def samples(path, data, predict, *, domains=None, classes=()) -> None:
    """Samples of domains in the plane over what is predicted there.

    Points have the colour of their class, grey where unknown; the background has that of
    the predicted probabilities, a line where the likeliest class changes.

    Args:
      data: `domains.DomainData` with x `[n, 2]` and classes.
      predict: of x `[n, 2]` and a domain, probabilities `[n, classes]`.
      domains: numbers of domains to draw; if not given, at most 12, from sources to the
        farthest of them.
      classes: names for the key; `data.class_names` if not given.
    """
    if data.regression or data.x.shape[1] != 2:
        raise errors.InputError(
            "expected samples of two features that have classes, to draw them; found "
            f"{data.x.shape[1]} features, y of type {data.y.dtype}. Leave the figure out."
        )
    hops = domains_lib.hops(data.graph, data.sources)
    if domains is None:
        order = np.argsort(np.where(hops < 0, data.size, hops), kind="stable")
        kept = np.linspace(0, data.size - 1, min(data.size, SHOWN)).round().astype(int)
        domains = order[kept]
    low, high = data.x.min(axis=0), data.x.max(axis=0)
    edge = np.where(high > low, 0.05 * (high - low), 1)
    sides = np.linspace(low - edge, high + edge, GRID).T
    columns = min(max(len(domains), 1), 4)
    rows = max(1, math.ceil(len(domains) / columns))
    with plots.figure(path, rows, columns, width=2.4, height=2.4) as axes:
        panels = np.ravel(axes)
        for axis, u in zip(panels, domains, strict=False):
            _background(axis, sides, lambda x, u=u: predict(x, int(u)))
            _points(axis, data, u)
            far = {0: "source", 1: "1 edge", -1: "no path"}.get(hops[u])
            axis.set_title(
                _text(f"{data.domain_names[u]}: {far or f'{hops[u]} edges'}")
            )
        for axis in panels[len(domains) :]:
            axis.axis("off")
        if len(domains):
            _class_key(panels[columns - 1], tuple(classes) or data.class_names, data.y)


def _background(axis, sides, predict):
    """Colours of predicted classes and the lines between, on a grid of sides `[2, g]`."""
    mesh = np.meshgrid(*sides)
    points = np.stack([m.ravel() for m in mesh], axis=1).astype(np.float32)
    chance = np.nan_to_num(np.asarray(predict(points), float))
    colours = np.clip(chance, 0, 1) @ _colours(np.arange(chance.shape[1]))
    image = (1 - 0.4 * chance.sum(axis=1, keepdims=True) + 0.4 * colours).clip(0, 1)
    extent = (*sides[0][[0, -1]], *sides[1][[0, -1]])
    shape = (len(sides[1]), len(sides[0]))
    image = image.reshape(*shape, 3)
    axis.imshow(image, extent=extent, origin="lower", aspect="auto", zorder=0)
    for k in range(chance.shape[1] if chance.shape[1] > 2 else chance.shape[1] - 1):
        lead = chance[:, k] - np.delete(chance, k, axis=1).max(axis=1)
        if lead.min() < 0 < lead.max():
            lead = lead.reshape(shape)
            axis.contour(*mesh, lead, levels=[0], colors="k", linewidths=0.7)
    axis.grid(False)
    axis.tick_params(labelsize=6)


def _points(axis, data, domain):
    rows = data.domain == domain
    for k in np.unique(data.y[rows]):
        x = data.x[rows & (data.y == k)]
        colour = _colours(np.array([k])) if k >= 0 else "0.5"
        axis.scatter(*x.T, c=colour, s=7, edgecolors="w", linewidths=0.3, zorder=3)


def _colours(classes):
    """Of class numbers `[k]`, `[k, 3]`."""
    from matplotlib import colors

    return np.array([colors.to_rgb(CLASSES[k % len(CLASSES)]) for k in classes])


def _class_key(axis, names, y):
    marks = [(name, CLASSES[k % len(CLASSES)]) for k, name in enumerate(names)]
    for name, colour in marks + [("unknown", "0.5")] * bool(np.any(y < 0)):
        axis.plot([], [], "o", ms=4, color=colour, label=_text(name))
    axis.legend(title="class", title_fontsize=7, **ASIDE)


def error_by_level(path, levels, ours: dict, published: dict) -> None:
    """Bars by level and variant; the paper's numbers as markers.

    Args:
      levels: names of the levels.
      ours, published: variant to errors by level; NaN or None where there is none.
    """
    ours, published = (
        {name: np.array(v, float) for name, v in x.items()} for x in (ours, published)
    )
    variants = list(dict.fromkeys([*ours, *published]))
    width = 0.85 / max(len(variants), 1)
    missing = np.full(len(levels), np.nan)
    with plots.figure(path, width=8, height=3.8) as axis:
        for i, name in enumerate(variants):
            where = np.arange(len(levels)) + (i + 0.5) * width - 0.425
            bars = ours.get(name, missing)
            axis.bar(where, bars, width, color=f"C{i % 10}", label=_text(name))
            marks = published.get(name, missing)
            axis.plot(where, marks, "k_", ms=min(160 * width, 14), mew=2)
        axis.plot([], [], "k_", ms=9, mew=2, label="paper")
        found = np.concatenate([[], *ours.values(), *published.values()])
        found = found[np.isfinite(found) & (found > 0)]
        if len(found) and found.max() > WIDE * found.min():
            axis.set_yscale("log")
            axis.set_ylim(found.min() / 1.5, found.max() * 1.5)
        axis.set_xticks(range(len(levels)), [_text(x) for x in levels])
        axis.set(xlabel="edges to the nearest source", ylabel="mean squared error")
        axis.legend(**ASIDE)


def training(path, curves: dict, domains: int) -> None:
    """Loss of the discriminator and how well it finds edges, against updates.

    Args:
      curves: variant to lists `step`, `adversary`, `edge_auc`; any may lack or be empty.
      domains: their number N: a loss of N ln 2 is that of knowing nothing.
    """
    blind = domains * math.log(2)
    with plots.figure(path, 1, 2, width=4.6, height=3.2) as axes:
        for axis, key, level, name in (
            (axes[0][0], "adversary", blind, f"N ln 2 = {blind:.4g}"),
            (axes[0][1], "edge_auc", 0.5, "chance"),
        ):
            for i, (variant, curve) in enumerate(curves.items()):
                y = np.array(_list(curve, key), float)
                x = np.array(_list(curve, "step") or range(len(y)), float)
                n = min(len(x), len(y))
                style = {"lw": 1.2, "color": f"C{i % 10}", "label": _text(variant)}
                axis.plot(x[:n], y[:n], "o-" if n == 1 else "-", ms=3, **style)
            axis.axhline(level, color="k", lw=0.9, ls="--")
            axis.annotate(
                name, (1, level), (0, 2), ("axes fraction", "data"), "offset points",
                fontsize=7, ha="right",
            )  # fmt: skip
            axis.set_xlabel("updates")
        axes[0][0].set(ylabel="loss of the discriminator", ylim=(0, 2.5 * blind))
        axes[0][1].set(ylabel="AUC of edges found", ylim=(-0.02, 1.02))
        if curves:
            axes[0][1].legend(**ASIDE)


def _list(curve, key):
    found = curve.get(key)
    return [] if found is None else list(found)


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
        colour = np.where(data.sources, 0.85, 0.3)
        _nodes(axis, data, where, colour, vmin=0, vmax=1)
        axis.set(xlabel=f"first {name}", ylabel=f"second {name}")
