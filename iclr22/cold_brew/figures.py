"""Figures of Cold Brew: accuracy by group and by degree, embeddings in the plane."""

import numpy as np

from iclr22 import plots

GROUPS = ("isolation", "tail", "head", "overall")
FEWEST = 20  # test nodes in a bucket of degrees
BUCKETS = (0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64, 128, 256, 1024)


def accuracy_by_group(path, summaries) -> None:
    """Bars by group and variant with intervals; the paper's numbers as markers.

    Args:
      summaries: `record.Summary` of metrics `<group>/accuracy...`.
    """
    found = {(s.metric.split("/")[0], s.variant): s for s in summaries}
    groups = [g for g in GROUPS if any(key[0] == g for key in found)]
    variants = list(dict.fromkeys(key[1] for key in found if key[0] in groups))
    width = 0.85 / max(len(variants), 1)
    with plots.figure(path, width=11, height=4.2) as axis:
        colours = _colours(len(variants))
        for i, variant in enumerate(variants):
            for j, group in enumerate(groups):
                s = found.get((group, variant))
                if s is None:
                    continue
                where = j + (i + 0.5) * width - 0.425
                spread = 0 if np.isnan(s.interval) else s.interval
                label = variant if j == 0 else None
                axis.bar(where, s.mean, width, color=colours[i], label=label)
                axis.errorbar(where, s.mean, spread, color="0.3", lw=1)
                span = plots.published_range(str(s.published))
                if span:
                    axis.plot(where, span[0], "k_", ms=9, mew=2)
        axis.plot([], [], "k_", ms=9, mew=2, label="paper")
        axis.set_xticks(range(len(groups)), groups)
        axis.set_ylabel("test accuracy [%]")
        low = min((s.mean for s in found.values()), default=0)
        axis.set_ylim(max(0, 10 * (low // 10) - 10), 100)
        axis.legend(fontsize=7, ncols=2, loc="center left", bbox_to_anchor=(1, 0.5))


def _colours(count):
    from matplotlib import colormaps

    return colormaps["tab20"](np.arange(count) % 20)


def accuracy_by_degree(path, degrees, correct: dict, judged) -> dict:
    """Lines of accuracy against degree; returns the table behind them.

    Args:
      degrees: `[n]`; correct: variant to bool `[n]`; judged: bool `[n]`, test nodes.
    """
    edges = [BUCKETS[0]]
    for low in BUCKETS[1:]:  # a bucket of a few nodes joins the one below
        inside = judged & (degrees >= edges[-1])
        below, above = (
            np.sum(inside & (degrees < low)),
            np.sum(inside & (degrees >= low)),
        )
        if above >= FEWEST and below >= FEWEST:
            edges.append(low)
        elif above >= FEWEST and len(edges) == 1 and not below:
            edges = [low]
    bucket = np.digitize(degrees, edges) - 1
    kept = [i for i in range(len(edges)) if np.any(judged & (bucket == i))]
    masks = [judged & (bucket == i) for i in kept]
    table: dict[str, list] = {
        "degree_from": [edges[i] for i in kept],
        "nodes": [int(mask.sum()) for mask in masks],
    }
    for variant, right in correct.items():
        table[variant] = [round(100 * float(np.mean(right[m])), 2) for m in masks]
    with plots.figure(path, width=8, height=4) as axis:
        colours = _colours(len(correct))
        for i, variant in enumerate(correct):
            axis.plot(table[variant], "o-", ms=3, lw=1, color=colours[i], label=variant)
        names = [
            f"{low}\n({count})"
            for low, count in zip(table["degree_from"], table["nodes"], strict=True)
        ]
        axis.set_xticks(range(len(kept)), names)
        axis.set_xlabel("degree from (test nodes)")
        axis.set_ylabel("test accuracy [%]")
        axis.legend(fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5))
    return table


def embeddings(path, vectors, labels, groups, *, most: int = 5000) -> None:
    """Principal components of `[n, e]`; isolated nodes crosses, tail nodes triangles."""
    rows = np.random.default_rng(0).permutation(len(vectors))[:most]
    centred = vectors[rows] - vectors[rows].mean(axis=0)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    flat = centred @ axes[:2].T
    kinds = (
        ("other", ~(groups.isolation | groups.tail)[rows], ".", 5),
        ("tail", groups.tail[rows], "^", 14),
        ("isolation", groups.isolation[rows], "x", 14),
    )
    with plots.figure(path, width=6, height=5) as axis:
        for name, mask, marker, area in kinds:
            axis.scatter(
                *flat[mask].T,
                c=labels[rows][mask],
                cmap="tab10",
                vmin=0,
                vmax=max(9, labels.max()),
                s=area,
                marker=marker,
                linewidths=0.7,
                label=name,
            )
        axis.set_xlabel("first component")
        axis.set_ylabel("second component")
        axis.legend(fontsize=7)
