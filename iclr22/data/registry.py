"""What a data set is, and how one is found by name.

There is no central table: any module below `iclr22.data`, in whatever package, may define
`DATASETS: dict[str, Dataset]`, and `datasets()` merges them.
"""

import importlib
import pkgutil
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from iclr22 import errors


class File(NamedTuple):
    """A published file and how to recognise it."""

    url: str
    size: int | None = None  # bytes; None if not known
    sha256: str | None = None
    git_blob: str | None = None  # sha1 of b"blob <length>\0" + data, where git gives it
    mirrors: tuple[str, ...] = ()  # further relative paths to look at below data_dir


class Info(NamedTuple):
    """What a reader has to know about a data set."""

    description: str
    files: tuple[File, ...]
    licence: str
    citation: str
    class_names: tuple[str, ...] = ()
    notes: str = ""


class Dataset(NamedTuple):
    """A data set of some kind: `images.Splits`, `graph.NodeData`, `domains.DomainData`,
    `events.Events`, `tracks.Fold`, `series.Panel`, `texts.Pairs`,
    `text_graphs.TextGraph` or `factors.FactorImages`.

    `load(data_dir)` gives the real one; `synthetic(rng, size)` gives a learnable one for
    tests and `--quick`: `Splits` of the same keys, dtypes and trailing shapes, a graph
    of `size` nodes with features and classes of its own, `size` samples of fewer domains,
    a log of about `size` events, tracks with about `size` windows, a panel of `size`
    days, `size` pairs of sentences, a graph of `size` nodes with texts, or a small grid
    of at least `size` images.
    """

    load: Callable[[str | None], Any]
    synthetic: Callable[[np.random.Generator, int], Any]
    info: Info


def datasets() -> dict[str, Dataset]:
    """All data sets by name, collected from the modules of `iclr22.data`."""
    package = importlib.import_module(__name__.rpartition(".")[0])
    found = pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    return merge(
        importlib.import_module(name) for name in sorted(x.name for x in found)
    )


def merge(modules: Iterable[ModuleType]) -> dict[str, Dataset]:
    """Join the `DATASETS` of modules; a name defined twice is an error."""
    merged, owner = {}, {}
    for module in modules:
        for name, dataset in getattr(module, "DATASETS", {}).items():
            if name in merged:
                raise ValueError(
                    f"Data set {name!r} is defined in {owner[name]} and again in "
                    f"{module.__name__}; rename one of them."
                )
            merged[name], owner[name] = dataset, module.__name__
    return dict(sorted(merged.items()))


def names() -> list[str]:
    """Names of all data sets, sorted."""
    return list(datasets())


def get(name: str) -> Dataset:
    """The data set of that name; an unknown name lists the nearest."""
    known = datasets()
    if name not in known:
        raise errors.nearest(name, known, "data set")
    return known[name]
