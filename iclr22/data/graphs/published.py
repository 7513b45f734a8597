"""Published graphs whose nodes have classes.

Cora comes with the package. Of the others the original files are read; where only the
same arrays are below data_dir, as `graphs/<name>.npz`, those are.
"""

import functools
import importlib.resources
from collections.abc import Callable
from typing import NamedTuple

from absl import logging

from iclr22.data import download
from iclr22.data.graphs import NodeData, files
from iclr22.data.graphs.checksums import CONVERTED, ORIGINALS
from iclr22.data.graphs.simulated import synthetic
from iclr22.data.registry import Dataset, File, Info


class Source(NamedTuple):
    """Who published graphs, and how their files are read."""

    folder: str  # of downloads, below data_dir
    read: Callable  # paths to NodeData without class names
    address: str
    paths: tuple[str, ...]  # of files below the address; {} is the name of the graph
    licence: str
    citation: str


class Published(NamedTuple):
    """A published graph."""

    source: Source
    stem: str  # its name in paths
    description: str
    class_names: tuple[str, ...]

    @property
    def files(self) -> tuple[File, ...]:
        """The original files."""
        paths = [path.format(self.stem) for path in self.source.paths]
        known = [ORIGINALS[path.rpartition("/")[2]] for path in paths]
        return tuple(
            File(self.source.address + path, size, sha256)
            for path, (size, sha256) in zip(paths, known, strict=True)
        )


def load(name: str, data_dir: str | None = None) -> NodeData:
    """The published graph of that name, as its authors numbered nodes and classes."""
    published = PUBLISHED[name]
    folder, originals = published.source.folder, published.files
    copy = None
    if not all(download.find(file, folder, data_dir) for file in originals):
        copy = download.converted(f"graphs/{name}.npz", CONVERTED[name], data_dir)
    if copy:
        logging.warning("%s: read from the converted copy %s", name, copy)
        found = files.read_converted(copy)
    else:
        paths = [download.fetch(file, folder, data_dir) for file in originals]
        found = published.source.read(paths)
    return found._replace(class_names=published.class_names)


def load_cora(data_dir: str | None = None) -> NodeData:
    """Cora as it comes with the package; needs no other file."""
    del data_dir
    resource = importlib.resources.files("iclr22.data") / "files" / "cora.npz"
    found = files.read_converted(resource)
    return found._replace(class_names=PUBLISHED["cora"].class_names)


RAW = "https://raw.githubusercontent.com/"
PLANETOID = Source(
    "planetoid",
    files.read_planetoid,
    RAW + "kimiyoung/planetoid/af6abf468a772cc055bec88c52e4d6f51b7c37e3/data/",
    tuple(f"ind.{{}}.{x}" for x in "x y tx ty allx ally graph test.index".split()),
    "MIT (repository, (c) 2016 Zhilin Yang); texts by LINQS, none stated",
    "P. Sen, G. Namata, M. Bilgic, L. Getoor, B. Gallagher and T. Eliassi-Rad (2008). "
    "Collective Classification in Network Data. AI Magazine 29(3). Splits: Z. Yang, "
    "W. Cohen and R. Salakhutdinov (2016). Revisiting Semi-Supervised Learning with "
    "Graph Embeddings. ICML.",
)
HETEROPHILOUS = Source(
    "heterophilous",
    files.read_heterophilous,
    RAW + "yandex-research/heterophilous-graphs/"
    "a431395582e929d88271309716bea4fe24ce6318/data/",
    ("{}.npz",),
    "MIT",
    "O. Platonov, D. Kuznedelev, M. Diskin, A. Babenko and L. Prokhorenkova (2023). A "
    "critical look at the evaluation of GNNs under heterophily. ICLR. After H. Pei et "
    "al. (2020), Geom-GCN, ICLR, and B. Rozemberczki et al. (2021).",
)
STRUC2VEC = Source(
    "struc2vec",
    files.read_struc2vec,
    RAW + "leoribeiro/struc2vec/77b4cc63e79a37b1496f340c7772d932038417ec/graph/",
    ("{}-airports.edgelist", "labels-{}-airports.txt"),
    "MIT, (c) 2016 Leonardo F. R. Ribeiro",
    "L. F. R. Ribeiro, P. H. P. Saverese and D. R. Figueiredo (2017). struc2vec: "
    "Learning Node Representations from Structural Identity. KDD.",
)
MUSAE = Source(
    "musae",
    files.read_musae,
    RAW + "benedekrozemberczki/MUSAE/5f901232957b6c9985d750aac48cda39a4b24285/input/",
    ("features/{}.json", "target/{}_target.csv", "edges/{}_edges.csv"),
    "GPL-3.0 (repository)",
    "B. Rozemberczki, C. Allen and R. Sarkar (2021). Multi-Scale Attributed Node "
    "Embedding. Journal of Complex Networks 9(2).",
)
FIVE = tuple("01234")
PUBLISHED = {
    "cora": Published(
        PLANETOID,
        "cora",
        "2,708 papers on machine learning, their words, 5,278 citations",
        (
            "Theory",
            "Reinforcement Learning",
            "Genetic Algorithms",
            "Neural Networks",
            "Probabilistic Methods",
            "Case Based",
            "Rule Learning",
        ),
    ),
    "citeseer": Published(
        PLANETOID,
        "citeseer",
        "3,327 papers on computer science, their words, 4,552 citations",
        ("AI", "ML", "IR", "DB", "Agents", "HCI"),
    ),
    "pubmed": Published(
        PLANETOID,
        "pubmed",
        "19,717 papers on diabetes, their words, 44,324 citations",
        ("experimental", "type 1", "type 2"),
    ),
    "chameleon": Published(
        HETEROPHILOUS,
        "chameleon",
        "2,277 pages of Wikipedia, 31,371 links; class: traffic",
        FIVE,
    ),
    "squirrel": Published(
        HETEROPHILOUS,
        "squirrel",
        "5,201 pages of Wikipedia, 198,353 links; class: traffic",
        FIVE,
    ),
    "chameleon_filtered": Published(
        HETEROPHILOUS,
        "chameleon_filtered",
        "890 pages, 8,854 links; chameleon without its duplicates",
        FIVE,
    ),
    "squirrel_filtered": Published(
        HETEROPHILOUS,
        "squirrel_filtered",
        "2,223 pages, 46,998 links; squirrel without its duplicates",
        FIVE,
    ),
    "actor": Published(
        HETEROPHILOUS, "actor", "7,600 actors, 26,659 pairs named on one page", FIVE
    ),
    "cornell": Published(
        HETEROPHILOUS,
        "cornell",
        "183 pages of a university, 277 links; class: kind of page",
        FIVE,
    ),
    "texas": Published(
        HETEROPHILOUS,
        "texas",
        "183 pages of a university, 279 links; class: kind of page",
        FIVE,
    ),
    "wisconsin": Published(
        HETEROPHILOUS,
        "wisconsin",
        "251 pages of a university, 450 links; class: kind of page",
        FIVE,
    ),
    "tolokers": Published(
        HETEROPHILOUS,
        "tolokers",
        "11,758 crowd workers, 519,000 pairs with a common task",
        ("not banned", "banned"),
    ),
    "airport_brazil": Published(
        STRUC2VEC, "brazil", "131 airports, 1,003 connections; class: traffic", FIVE[:4]
    ),
    "airport_europe": Published(
        STRUC2VEC, "europe", "399 airports, 5,993 connections; class: traffic", FIVE[:4]
    ),
    "airport_usa": Published(
        STRUC2VEC, "usa", "1,190 airports, 13,599 connections; class: traffic", FIVE[:4]
    ),
    "facebook": Published(
        MUSAE,
        "facebook",
        "22,470 pages of Facebook, 170,823 mutual likes; class: kind of page",
        ("company", "government", "politician", "tvshow"),
    ),
    "twitch_de": Published(
        MUSAE,
        "DE",
        "9,498 German users of Twitch, 153,138 friendships; class: explicit language",
        ("not mature", "mature"),
    ),
}


def _dataset(name, published):
    bundled, source = name == "cora", published.source
    notes = "A random graph of another size stands in for it in quick runs."
    if source is STRUC2VEC:
        notes = f"Features are made from degrees, see degree_features. {notes}"
    return Dataset(
        load_cora if bundled else functools.partial(load, name),
        synthetic,
        Info(
            f"{published.description}; comes with the package"
            if bundled
            else published.description,
            () if bundled else published.files,
            source.licence,
            source.citation,
            published.class_names,
            notes,
        ),
    )


DATASETS = {name: _dataset(name, published) for name, published in PUBLISHED.items()}
