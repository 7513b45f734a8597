"""Domains drawn by the rules of the DG data sets, in the plane along a spiral."""

import functools
from typing import NamedTuple

import numpy as np

from iclr22 import errors, graph
from iclr22.data.domains import DomainData, hops
from iclr22.data.registry import Dataset, Info

CITATION = (
    "Z. Xu, H. He, G.-H. Lee, Y. Wang and H. Wang (2022). Graph-Relational Domain "
    "Adaptation. ICLR. arXiv:2202.03628."
)
RULES = "the boundary between two classes turns from domain to domain"
QUICK = "Fewer domains, drawn by the same rules, stand in for it in quick runs."


class Spiral(NamedTuple):
    """Where the centres of domains lie: at angle a, 1 + spread * a from the origin."""

    angles: float  # the largest; they are uniform from 0
    spread: float


KINDS = {"dg15": Spiral(np.pi, 0.574), "dg60": Spiral(2 * np.pi, 3 / np.pi)}
CANDIDATES = 300  # points drawn at once, of which those in the unit disc are kept
ATTEMPTS = 1000  # graphs drawn until one is connected


def generate_domains(
    rng: np.random.Generator,
    domains: int = 15,
    points: int = 100,
    *,
    kind: str = "dg15",
    angles: float | None = None,
    spread: float | None = None,
    noise: float = 0.0,
    threshold: float = 0.2,
    sources: int = 6,
) -> DomainData:
    """Two classes on opposite sides of the origin, whose axis turns from domain to domain.

    Each domain has an angle a and a centre m, which is `graph.nodes [domains, 2]`. Class 0
    is normal around m and cut to the unit disc there, class 1 the same around -m, so far
    domains have opposite labels in one place. Two domains are linked with probability
    cos(a - a') where that is at least `threshold`. Angles and edges are drawn anew until
    the graph is connected. Rows come by domain, in it by class.

    Args:
      points: per domain; half of them, rounded up, are of class 0.
      kind: "dg15", angles from 0 to pi, or "dg60", all around: how the shipped sets are.
      angles, spread: the largest angle and the growth of the distance of centres from the
        origin per radian, if not those of `kind`.
      noise: deviation of normal noise on every point after the cut. Classes overlap from
        about 0.5; the published sets have 0.
      sources: number of domains, drawn at random, with labels for training.
    """
    if kind not in KINDS:
        raise errors.nearest(kind, KINDS, "kind of domains")
    _check_counts(domains, points, sources)
    preset = KINDS[kind]
    spread = preset.spread if spread is None else spread
    theta, linked = _draw_graph(
        rng, domains, preset.angles if angles is None else angles, threshold
    )
    centres = place_centres(theta, spread)
    label = (np.arange(points) >= points - points // 2).astype(np.int32)
    x = np.stack([_disc(rng, points) for _ in range(domains)])
    x += (1 - 2 * label[:, None]) * centres[:, None]
    x += noise * rng.standard_normal(x.shape)
    chosen = rng.choice(domains, sources, replace=False)
    return two_classes(
        x.reshape(-1, 2),
        np.tile(label, domains),
        np.repeat(np.arange(domains), points),
        linked,
        centres,
        chosen,
    )


def _check_counts(domains, points, sources):
    if domains < 1 or points < 2 or not 1 <= sources <= domains:
        raise errors.InputError(
            "expected at least 1 domain, 2 points in each, and from 1 to as many sources "
            f"as domains; found {domains} domains, {points} points, {sources} sources. "
            "Change the numbers."
        )


def _draw_graph(rng, domains, largest, threshold):
    """Angles `[domains]` and the connected graph they give, bool `[domains, domains]`."""
    first = np.arange(domains) == 0
    for _ in range(ATTEMPTS):
        theta = rng.uniform(0, largest, domains)
        chance = np.cos(theta[:, None] - theta)
        linked = (rng.random(chance.shape) < chance) & (chance >= threshold)
        linked = np.triu(linked, 1)
        if hops(_link(linked, np.zeros((domains, 0))), first).min() >= 0:
            return theta, linked
    raise errors.InputError(
        f"expected a threshold at which the graph of {domains} domains is connected; found "
        f"none in {ATTEMPTS} attempts at {threshold}. Lower it, or take more domains."
    )


def _link(linked, positions):
    """The graph of a matrix `[N, N]`, non-zero above the diagonal where edges are."""
    return graph.build(positions.astype(np.float32), *np.triu(linked, 1).nonzero())


def place_centres(theta, spread):
    """Of class 0, `[domains, 2]`."""
    away = 1 + spread * theta
    return np.stack([away * np.cos(theta), away * np.sin(theta)], axis=1)


def _disc(rng, count):
    """Points `[count, 2]` of the normal distribution within distance 1 of the origin."""
    kept = np.zeros((0, 2))
    while len(kept) < count:
        drawn = rng.standard_normal((max(CANDIDATES, 3 * count), 2))
        kept = np.concatenate([kept, drawn[np.linalg.norm(drawn, axis=1) <= 1]])
    return rng.choice(kept, count, replace=False)


def two_classes(x, y, domain, linked, centres, sources):
    """`DomainData` of two classes; sources are numbers of domains."""
    n = len(centres)
    return DomainData(
        x=x.astype(np.float32),
        y=y.astype(np.int32),
        domain=domain.astype(np.int32),
        graph=_link(linked, centres),
        sources=np.isin(np.arange(n), sources),
        class_names=("0", "1"),
        domain_names=np.arange(n).astype(str),
    )


def synthetic(rng: np.random.Generator, size: int, *, kind: str = "dg15") -> DomainData:
    """`size` points of at most 15 domains, for quick runs; sizes of domains may differ."""
    domains = int(np.clip(size // 20, 2, 15))
    points = max(2, -(-size // domains))
    found = generate_domains(
        rng, domains, points, kind=kind, sources=max(1, 2 * domains // 5)
    )
    surplus = points * np.arange(1, max(0, domains * points - size) + 1) - 1
    left = np.delete(np.arange(domains * points), surplus[surplus < domains * points])
    return found._replace(x=found.x[left], y=found.y[left], domain=found.domain[left])


# Registry


def load_dg60_drawn(data_dir: str | None = None) -> DomainData:
    """60 domains drawn by the rules of DG-60, always the same; needs no file."""
    del data_dir
    return generate_domains(np.random.default_rng(60), 60, kind="dg60")


DATASETS = {
    "dg60_drawn": Dataset(
        load_dg60_drawn,
        functools.partial(synthetic, kind="dg60"),
        Info(
            f"60 domains of 100 points, 6 with labels: {RULES}; drawn by the rules of "
            "DG-60",
            (),
            "Apache-2.0 (drawn by this package)",
            CITATION,
            ("0", "1"),
            QUICK,
        ),
    )
}
