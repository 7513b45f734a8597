"""Published graphs with texts, and the generated one.

Of the two small ones the user's copy is read, `<data_dir>/tag/`; of ogbn-arxiv the original
files, `<data_dir>/arxiv/`. Their texts have no address of their own that is checked.
"""

import functools
import pathlib

from iclr22 import errors
from iclr22.data import download
from iclr22.data.registry import Dataset, Info
from iclr22.data.text_graphs import TextGraph, files, simulated

CONVERTED = {  # name in files, sha256 of nodes and of links
    "citeseer_texts": (
        "citeseer",
        "4ffaf255d308b5788cd77b945a3e861c11f9064d1f58c19e43f5ac418861f347",
        "275b3629475ab712c13a725d7e49ccefbc70a9e082640a1c7cb8c3d68d1979bc",
    ),
    "cora_cane": (
        "cora_cane",
        "ab2a8c65b5dfc0b85976da39246a51df52a9f2c47b76eaaae7f790c8ac3f4167",
        "51898e92c0b235402ffcb4b8dc6a8c42bc9a7829f49411671198651fc041ae13",
    ),
}
ARXIV = ("arxiv", "ogbn_arxiv")  # folders that the archive is unpacked to
TITLES = ("titleabs.tsv.gz", "titleabs.tsv")


def load(name: str, data_dir: str | None = None) -> TextGraph:
    """One of the two small graphs: `citeseer_texts` or `cora_cane`.

    Its splits are of two kinds, ten of each, drawn by those who made the files:
    `60_20_20`, which is in `nodes.masks`, and `20_per_class` (500 nodes to choose by).

    Raises:
      errors.InputError: the files are not there; says where they are looked for.
    """
    stem, *sums = CONVERTED[name]
    paths = [f"tag/{stem}_nodes.jsonl.gz", f"tag/{stem}_graph.npz"]
    found = [download.converted(*x, data_dir) for x in zip(paths, sums, strict=True)]
    for path, sha256, copy in zip(paths, sums, found, strict=True):
        if copy is None:
            raise errors.InputError(
                f"{download.data_root(data_dir) / path}: expected a file of {name} with "
                f"sha256 {sha256}; found none, and there is no address to download it "
                "from: put your copy there, or name another folder with --data_dir or "
                f"{download.VARIABLE}; other graphs are read as your own (--texts, --edges)."
            )
    return files.read_converted(*found)


def load_arxiv(data_dir: str | None = None) -> TextGraph:
    """ogbn-arxiv with titles and abstracts, from the user's copy of its files.

    Raises:
      errors.InputError: the files are not there, or of another format.
    """
    root = download.data_root(data_dir)
    folder = next((root / x for x in ARXIV if (root / x / "raw").is_dir()), None)
    places = [pathlib.Path(x) for x in (folder, root) if x is not None]
    texts = [x / name for x in places for name in TITLES if (x / name).is_file()]
    if folder is None or not texts:
        missing = "titleabs.tsv.gz" if folder else "raw/edge.csv.gz"
        raise errors.InputError(
            f"{root / ARXIV[0] / missing}: expected the files of ogbn-arxiv; found none "
            "there. Unpack http://snap.stanford.edu/ogb/data/nodeproppred/arxiv.zip and put "
            "https://snap.stanford.edu/ogb/data/misc/ogbn_arxiv/titleabs.tsv.gz beside its "
            "folder raw, or name another folder with --data_dir or "
            f"{download.VARIABLE}."
        )
    return files.read_arxiv(folder, texts[0])


def _generated(data_dir: str | None = None) -> TextGraph:
    del data_dir
    return simulated.generate()


def _copy(name, description, licence, citation, class_names=(), notes="") -> Dataset:
    notes = f"the user's copy is read; {notes}".rstrip("; ")
    load_it = load_arxiv if name == "arxiv" else functools.partial(load, name)
    info = Info(description, (), licence, citation, class_names, notes)
    return Dataset(load_it, simulated.synthetic, info)


TEXTS = "research data; abstracts remain their authors'"
DATASETS = {
    "citeseer_texts": _copy(
        "citeseer_texts",
        "3,186 papers on computer science, titles and abstracts, 4,225 citations",
        TEXTS,
        "C. L. Giles, K. D. Bollacker and S. Lawrence (1998). CiteSeer: An Automatic "
        "Citation Indexing System. Digital Libraries. Texts: X. He et al. (2024). "
        "Harnessing Explanations. ICLR (repository XiaoxinHe/TAPE, history).",
        ("Agents", "AI", "DB", "HCI", "IR", "ML"),
        "335 citations of papers without a text and 120 self citations were left out",
    ),
    "cora_cane": _copy(
        "cora_cane",
        "2,277 papers on machine learning, abstracts, 4,771 citations; 66 have no class",
        TEXTS,
        "A. McCallum et al. (2000). Automating the Construction of Internet Portals. "
        "Information Retrieval. Texts: C. Tu et al. (2017). CANE. ACL (repository "
        "thunlp/CANE, MIT).",
        notes="stop words and punctuation were removed by those who published the texts",
    ),
    "arxiv": _copy(
        "arxiv",
        "ogbn-arxiv: 169,343 papers, titles and abstracts, 1,166,243 citations, 40 classes",
        "ODC-BY",
        "W. Hu et al. (2020). Open Graph Benchmark: Datasets for Machine Learning on "
        "Graphs. NeurIPS. Texts: Microsoft Academic Graph.",
        notes="citations are taken both ways; the split is by year",
    ),
    "csbm": Dataset(
        _generated,
        simulated.synthetic,
        Info(
            "2,000 generated texts in 6 classes, linked by a stochastic block model",
            (),
            "Apache-2.0",
            "this project, generated",
        ),
    ),
}
