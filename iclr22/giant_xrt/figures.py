"""Figures of GIANT-XRT: rounds, the theory of aggregation."""

from collections.abc import Mapping, Sequence

import numpy as np

from iclr22 import plots
from iclr22.giant_xrt import theory

COLOURS = {"giant": "#c8443a", "frozen": "#8a8a8a", "untrained": "#8a8a8a"}
NODES, WIDTH, INSIDE, OUTSIDE = 1000, 32, 0.8, 0.2  # of drawn graphs; shares of links
DEGREES = (1, 2, 4, 8, 16, 32)


def rounds(path, found: Mapping[str, Sequence[Mapping[str, float]]]) -> None:
    """Loss before and after each round, and the share of a node's clusters that it finds.

    Args:
      found: rows of `rounds.fit`, by variant.
    """
    with plots.figure(path, 1, 2, width=3.6, height=2.6) as axes:
        left, right = axes[0]
        for name, rows in found.items():
            sizes = [row["clusters"] for row in rows]
            (line,) = left.plot(sizes, [row["end"] for row in rows], "o-", label=name)
            begin = [row["begin"] for row in rows]
            left.plot(sizes, begin, "o:", color=line.get_color(), fillstyle="none")
            right.plot(sizes, [row["recall"] for row in rows], "o-", label=name)
        left.set_ylabel("loss before (dotted) and after")
        right.set_ylabel("clusters of neighbours found [%]")
        sizes = sorted({row["clusters"] for rows in found.values() for row in rows})
        for axis in (left, right):
            axis.set_xscale("log", base=2)
            axis.set_xticks(sizes, [str(x) for x in sizes])
            axis.set_xlabel("clusters of the round")
        left.legend(fontsize=7)


def theory_of(
    degrees: Sequence[int] = DEGREES, seed: int = 0
) -> dict[str, list[float]]:
    """2-means on features and on means of neighbours, drawn, and what the formulas say."""
    ratio = theory.gap_ratio(INSIDE, OUTSIDE)
    found: dict[str, list[float]] = {"features": [], "neighbours": [], "formula": []}
    for degree in degrees:
        chance = 2 * degree / NODES
        graph = theory.draw(
            NODES, WIDTH, chance * INSIDE, chance * OUTSIDE, seed=seed + degree
        )
        means = theory.means_of_neighbours(graph)
        raw = theory.accuracy_of_halves(graph.features, graph.classes)
        found["features"].append(raw)
        found["neighbours"].append(theory.accuracy_of_halves(means, graph.classes))
        found["formula"].append(theory.accuracy_of_neighbours(degree, ratio))
    return found


def theory_curve(path) -> None:
    """Share of nodes in the right half of two, by mean degree."""
    drawn, fine = theory_of(), np.geomspace(DEGREES[0], DEGREES[-1], 60)
    ratio = theory.gap_ratio(INSIDE, OUTSIDE)
    curve = [theory.accuracy_of_neighbours(x, ratio) for x in fine]
    with plots.figure(path, width=4.6, height=3.0) as axis:
        axis.plot(fine, curve, color=COLOURS["giant"], label="neighbours, computed")
        flat = theory.accuracy_of_features()
        axis.axhline(flat, color=COLOURS["frozen"], label="features, computed")
        axis.plot(DEGREES, drawn["neighbours"], "o", color=COLOURS["giant"])
        axis.plot(DEGREES, drawn["features"], "o", color=COLOURS["frozen"])
        axis.set_xscale("log", base=2)
        axis.set_xticks(DEGREES, [str(x) for x in DEGREES])
        axis.set_xlabel("mean number of neighbours")
        axis.set_ylabel("nodes in the half of their class")
        axis.legend(fontsize=7)
