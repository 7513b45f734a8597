"""Domains on an axis: where they stand, edges between them, their names and marks."""

import numpy as np

from iclr22 import graph as graphs
from iclr22.data import domains as domains_lib

GREY = "0.75"  # of what has no value
NAMED = 50  # domains, up to which names are written


def positions(graph) -> np.ndarray:
    """Where domains are drawn, `[N, 2]`: where the graph says, or else by its spectrum; none
    covers another."""
    nodes = np.asarray(graph.nodes, float)
    if nodes.shape[1:] == (2,) and np.isfinite(nodes).all():
        return _apart(nodes)
    linked = domains_lib.adjacency(graph).astype(float)
    n = len(linked)
    turn = 2 * np.pi * np.arange(n) / n
    where = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    if linked.any() and n > 2:
        linked += 0.01 * (1 - np.eye(n))  # holds parts without a path together
        scale = linked.sum(axis=0) ** -0.5
        _, vectors = np.linalg.eigh(np.eye(n) - scale[:, None] * linked * scale)
        where = vectors[:, 1:3] / np.ptp(vectors[:, 1:3], axis=0) + 0.04 * where
    return _apart(where)


def _apart(where):
    """Moves nodes `[N, 2]` that overlap, where they are few enough to have names."""
    gap = 0.06 * (np.ptp(where, axis=0).max(initial=0) or 1)
    angle = np.arange(len(where))[:, None]
    where = where + 1e-3 * gap * np.hstack([np.cos(angle), np.sin(angle)])
    for _ in range(100 if len(where) <= NAMED else 0):
        away = where[:, None] - where
        distance = np.maximum(np.linalg.norm(away, axis=2), 1e-6 * gap)
        missing = np.maximum(gap / distance - 1, 0)
        where = where + 0.4 * (missing[..., None] * away).sum(axis=1)
    return where


def draw(axis, data, where, value, **scale):
    """Edges, and domains as nodes: circles, sources as squares.

    Args:
      where: positions `[N, 2]`.
      value: `[N]`, for the colour; grey where NaN.
      scale: `vmin`, `vmax`, ends of the colours.

    Returns:
      The scatter of the sources, for a colour bar.
    """
    from matplotlib import collections, colormaps

    links, cmap = graphs.links(data.graph), colormaps["RdYlBu_r"]
    cmap = cmap.with_extremes(bad=GREY)
    once = links.senders < links.receivers
    ends = np.stack([where[links.senders[once]], where[links.receivers[once]]], axis=1)
    lines = collections.LineCollection(list(ends), colors="0.7", lw=0.5, zorder=1)
    axis.add_collection(lines)

    def nodes(mask, **style):
        return axis.scatter(
            where[mask, 0],
            where[mask, 1],
            c=value[mask],
            s=90 if data.size <= NAMED else 30,
            cmap=cmap,
            plotnonfinite=True,
            zorder=2,
            **style,
            **scale,
        )

    nodes(~data.sources, marker="o", edgecolors="0.5", linewidths=0.4)
    drawn = nodes(data.sources, marker="s", edgecolors="k", linewidths=1.2)
    axis.set_aspect("equal", adjustable="datalim")
    axis.margins(0.08)
    if data.size <= NAMED:
        _names(axis, data, where, cmap(drawn.norm(np.ma.masked_invalid(value))))
    return drawn


def _names(axis, data, where, colours):
    """Names in the nodes where all are short, else above them; colours `[N, 4]`."""
    inside = all(len(str(name)) <= 2 for name in data.domain_names)
    dark = inside & (colours[:, :3] @ (0.3, 0.6, 0.1) < 0.45)
    for i in np.flatnonzero(np.isfinite(where).all(axis=1)):
        axis.annotate(
            plain_text(data.domain_names[i]),
            where[i],
            fontsize=5,
            color="w" if dark[i] else "k",
            ha="center",
            va="center_baseline" if inside else "bottom",
            xytext=(0, 0 if inside else 6),
            textcoords="offset points",
        )


def key(axis, height: float, *, missing: bool) -> None:
    """What the marks mean, below an axis; `missing`: also the grey ones."""
    marks = [("source", "s", "w", "k"), ("target", "o", "w", "0.5")]
    if missing:
        marks.append(("no value", "o", GREY, "0.5"))
    for name, marker, face, edge in marks:
        axis.plot([], [], marker, mfc=face, mec=edge, label=name)
    axis.legend(
        fontsize=7,
        ncols=3,
        handletextpad=0.1,
        columnspacing=1,
        loc="upper center",
        bbox_to_anchor=(0.5, height),
    )


def plain_text(value) -> str:
    """Text drawn as it is: no name is left out of a legend."""
    text = str(value)
    return " " + text if text.startswith("_") else text
