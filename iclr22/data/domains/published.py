"""The DG data sets as published.

DG-15 comes with the package. Of DG-60 the authors' file is read; where only the same
arrays are below data_dir, as `grda/dg60.npz`, those are.
"""

import functools
import importlib.resources

from absl import logging

from iclr22.data import checks, download
from iclr22.data.domains import DomainData, files
from iclr22.data.domains.simulated import (
    CITATION,
    KINDS,
    QUICK,
    RULES,
    place_centres,
    synthetic,
    two_classes,
)
from iclr22.data.registry import Dataset, File, Info

AUTHORS = "https://raw.githubusercontent.com/Wang-ML-Lab/"
DG60_FILE = File(
    AUTHORS + "GRDA/96800d62577b8046af3fbc9ade0a51c2b71129c1/data/toy_d60_spiral.pkl"
)  # its checksum is not known: its content is checked, see files.SHA256
DG60_COPY = (
    "grda/dg60.npz",
    "3a288406f0eff53eb6690b1a9128bb2434ea46ee8e5e3675623a5495c5f08577",
)
DG60_SOURCES = (2, 14, 41, 23, 59, 33)


def load_dg15(data_dir: str | None = None) -> DomainData:
    """DG-15 as it comes with the package; needs no other file."""
    del data_dir
    resource = importlib.resources.files("iclr22.data") / "files" / "dg15.npz"
    return _published(checks.read_npz(resource), "dg15")


def load_dg60(data_dir: str | None = None) -> DomainData:
    """DG-60: the authors' file, or the copy of its arrays that the user brought."""
    copy = None
    if not download.find(DG60_FILE, "grda", data_dir):
        copy = download.converted(*DG60_COPY, data_dir)
    if copy:
        logging.warning("dg60: read from the converted copy %s", copy)
        return _published(checks.read_npz(copy), "dg60")
    arrays = files.read_dg60(download.fetch(DG60_FILE, "grda", data_dir))
    return _published(arrays | {"source_domains": DG60_SOURCES}, "dg60")


def _published(arrays, kind):
    centres = place_centres(arrays["angle"].ravel(), KINDS[kind].spread)
    n = len(centres)
    return two_classes(
        arrays["x"].reshape(-1, 2),
        arrays["y"].ravel(),
        arrays["domain"].ravel(),
        arrays["adjacency"].reshape(n, n),
        centres,
        arrays["source_domains"],
    )


DATASETS = {
    "dg15": Dataset(
        load_dg15,
        functools.partial(synthetic, kind="dg15"),
        Info(
            f"15 domains of 100 points, 6 with labels: {RULES}; comes with the package",
            (),
            "MIT, (c) 2023 ML@Rutgers (as published in Wang-ML-Lab/VDI)",
            CITATION,
            ("0", "1"),
            QUICK,
        ),
    ),
    "dg60": Dataset(
        load_dg60,
        functools.partial(synthetic, kind="dg60"),
        Info(
            f"60 domains of 100 points, 6 with labels: {RULES}",
            (DG60_FILE,),
            "none stated by the repository Wang-ML-Lab/GRDA",
            CITATION,
            ("0", "1"),
            f"dg60_drawn is much the same and needs no file. {QUICK}",
        ),
    ),
}
