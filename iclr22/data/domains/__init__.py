"""Domains that a graph relates: what such data are, the DG data sets, a generator.

Loaders return `DomainData`. DG-15 comes with the package. Of DG-60 the authors' file is
read; where only the same arrays are below data_dir, as `grda/dg60.npz`, those are.
`dg60_drawn` is drawn here by the same rules and needs no file.
"""

import functools
import hashlib
import importlib.resources
from typing import NamedTuple

import jraph
import numpy as np
from absl import logging

from iclr22 import errors
from iclr22 import graph as graph_lib
from iclr22.data import download, images
from iclr22.data.graphs import files as graph_files
from iclr22.data.registry import Dataset, File, Info


class DomainData(NamedTuple):
    """Samples of domains that a graph relates; host arrays.

    Attributes:
      x: `[n, features]` float32.
      y: `[n]` int32 classes, -1 where unknown; or `[n, outputs]` float32, NaN where
        unknown: then the task is regression.
      domain: `[n]` int32, a node of the graph.
      graph: of the N domains, both directions of every edge, weights in (0, 1]. Its nodes
        are positions `[N, 2]` to draw them at, or `[N, 0]`; never an input of a model.
      sources: bool `[N]`, domains whose labels may be used in training. Labels of others
        are there for scoring only.
      class_names: by class; empty for regression.
      domain_names: `[N]` strings.
      standardise: False where x and y already are on the scale that results are published
        on, True where the user of the data should bring x to mean 0 and deviation 1.
      feature_names: of the columns of x, if they have any.
    """

    x: np.ndarray
    y: np.ndarray
    domain: np.ndarray
    graph: jraph.GraphsTuple
    sources: np.ndarray
    class_names: tuple[str, ...]
    domain_names: np.ndarray
    standardise: bool = True
    feature_names: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Number of domains, N."""
        return len(self.sources)

    @property
    def regression(self) -> bool:
        """Whether y are numbers to predict, not classes."""
        return self.y.dtype.kind == "f"


def adjacency(graph) -> np.ndarray:
    """Weights of the edges of a graph as a matrix `[N, N]` float32; 0 without an edge."""
    n = graph_lib.size(graph.nodes)
    matrix = np.zeros((n, n), np.float32)
    matrix[graph.senders, graph.receivers] = graph.edges
    return matrix


def hops(graph, sources) -> np.ndarray:
    """Edges to the nearest of the sources (bool `[N]`): `[N]` int, -1 where no path is."""
    linked = adjacency(graph) > 0
    border = np.asarray(sources, bool)
    distance = np.where(border, 0, -1)
    while border.any():
        border = linked[border].any(axis=0) & (distance < 0)
        distance[border] = distance.max() + 1
    return distance


# The generator


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
    centres = _centres(theta, spread)
    label = (np.arange(points) >= points - points // 2).astype(np.int32)
    x = np.stack([_disc(rng, points) for _ in range(domains)])
    x += (1 - 2 * label[:, None]) * centres[:, None]
    x += noise * rng.standard_normal(x.shape)
    chosen = rng.choice(domains, sources, replace=False)
    return _classes(
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
    return graph_lib.build(positions.astype(np.float32), *np.triu(linked, 1).nonzero())


def _centres(theta, spread):
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


def _classes(x, y, domain, linked, centres, sources):
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


def _small(kind, rng, size):
    """`size` points of at most 15 domains, for quick runs; sizes of domains may differ."""
    domains = int(np.clip(size // 20, 2, 15))
    points = max(2, -(-size // domains))
    found = generate_domains(
        rng, domains, points, kind=kind, sources=max(1, 2 * domains // 5)
    )
    surplus = points * np.arange(1, max(0, domains * points - size) + 1) - 1
    left = np.delete(np.arange(domains * points), surplus[surplus < domains * points])
    return found._replace(x=found.x[left], y=found.y[left], domain=found.domain[left])


# The published sets


AUTHORS = "https://raw.githubusercontent.com/Wang-ML-Lab/"
DG60_FILE = File(
    AUTHORS + "GRDA/96800d62577b8046af3fbc9ade0a51c2b71129c1/data/toy_d60_spiral.pkl"
)  # its checksum is not known: its content is checked, see SHA256
DG60_COPY = (
    "grda/dg60.npz",
    "3a288406f0eff53eb6690b1a9128bb2434ea46ee8e5e3675623a5495c5f08577",
)
DG60_SOURCES = (2, 14, 41, 23, 59, 33)
KEYS = {
    "x": "data",
    "y": "label",
    "domain": "domain",
    "adjacency": "A",
    "angle": "angle",
}
SHA256 = {  # of the arrays of DG-60 as float64
    "x": "1959b831ed2f1797c069277b5e8b066d49125a910e3072f291878ec6e507a07c",
    "y": "edbc532c880b1011eef597fcf7d7f3217c6c62fc4f9e96f2d2d3fbffc8c3bde3",
    "domain": "8894a875032052807c69f4f6a0d3458b6373d62f83199e340da9cb4e13edb187",
    "adjacency": "d0cc5b42bf96f7c29cb8ac827de4754c0a4b6fe5cee6dc67b3b219864fbf82aa",
    "angle": "3982410b2acbefb40178929babd7363c9a06d072ddbbe2feb6d0212f2b63cbab",
}


def load_dg15(data_dir: str | None = None) -> DomainData:
    """DG-15 as it comes with the package; needs no other file."""
    del data_dir
    resource = importlib.resources.files("iclr22.data") / "files" / "dg15.npz"
    return _published(images.read_npz(resource), "dg15")


def load_dg60(data_dir: str | None = None) -> DomainData:
    """DG-60: the authors' file, or the copy of its arrays that the user brought."""
    copy = None
    if not download.find(DG60_FILE, "grda", data_dir):
        copy = download.converted(*DG60_COPY, data_dir)
    if copy:
        logging.warning("dg60: read from the converted copy %s", copy)
        return _published(images.read_npz(copy), "dg60")
    return read_dg60(download.fetch(DG60_FILE, "grda", data_dir))


def load_dg60_drawn(data_dir: str | None = None) -> DomainData:
    """60 domains drawn by the rules of DG-60, always the same; needs no file."""
    del data_dir
    return generate_domains(np.random.default_rng(60), 60, kind="dg60")


def read_dg60(path) -> DomainData:
    """DG-60 from the authors' pickle; nothing in it is executed."""
    found = read_pickle(path)
    for key, theirs in KEYS.items():
        content = np.asarray(found.get(theirs, ()), np.float64).tobytes()
        if hashlib.sha256(content).hexdigest() != SHA256[key]:
            raise errors.InputError(
                f"{path}: expected the array {theirs} of DG-60, with sha256 {SHA256[key]} "
                "as float64; found another or none. Remove the file to get it anew."
            )
    arrays = {key: found[theirs] for key, theirs in KEYS.items()}
    return _published(arrays | {"source_domains": DG60_SOURCES}, "dg60")


def read_pickle(path) -> dict[str, np.ndarray]:
    """Arrays by name from a pickle, without executing anything in it."""
    found = graph_files.read_pickle(path)
    if isinstance(found, dict) and all(
        isinstance(x, np.ndarray) for x in found.values()
    ):
        return found
    raise errors.InputError(
        f"{path}: expected a pickle of a dict of arrays of numbers; found something else "
        "in it. It was not executed; get the file anew."
    )


def _published(arrays, kind):
    centres = _centres(arrays["angle"].ravel(), KINDS[kind].spread)
    n = len(centres)
    return _classes(
        arrays["x"].reshape(-1, 2),
        arrays["y"].ravel(),
        arrays["domain"].ravel(),
        arrays["adjacency"].reshape(n, n),
        centres,
        arrays["source_domains"],
    )


CITATION = (
    "Z. Xu, H. He, G.-H. Lee, Y. Wang and H. Wang (2022). Graph-Relational Domain "
    "Adaptation. ICLR. arXiv:2202.03628."
)
_RULES = "the boundary between two classes turns from domain to domain"
_QUICK = "Fewer domains, drawn by the same rules, stand in for it in quick runs."


def _dataset(load, kind, description, files, licence, notes=""):
    return Dataset(
        load,
        functools.partial(_small, kind),
        Info(description, files, licence, CITATION, ("0", "1"), notes + _QUICK),
    )


DATASETS = {
    "dg15": _dataset(
        load_dg15,
        "dg15",
        f"15 domains of 100 points, 6 with labels: {_RULES}; comes with the package",
        (),
        "MIT, (c) 2023 ML@Rutgers (as published in Wang-ML-Lab/VDI)",
    ),
    "dg60": _dataset(
        load_dg60,
        "dg60",
        f"60 domains of 100 points, 6 with labels: {_RULES}",
        (DG60_FILE,),
        "none stated by the repository Wang-ML-Lab/GRDA",
        "dg60_drawn is much the same and needs no file. ",
    ),
    "dg60_drawn": _dataset(
        load_dg60_drawn,
        "dg60",
        f"60 domains of 100 points, 6 with labels: {_RULES}; drawn by the rules of DG-60",
        (),
        "Apache-2.0 (drawn by this package)",
    ),
}
