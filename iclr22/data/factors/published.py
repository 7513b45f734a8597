"""Grids of factors: rendered ones, and published ones.

`dsprites` is drawn unless its file is there. 3D Shapes is downloaded; of MPI3D and CelebGlow
the user's copies are read. The splits that the in-domain benchmark published are read too
(`official_split`), which gives exactly its training and test images.
"""

import functools
import pathlib

import numpy as np
from absl import logging

from iclr22 import errors
from iclr22.data import download
from iclr22.data.factors import FactorImages, files, renderers
from iclr22.data.factors.simulated import synthetic
from iclr22.data.registry import Dataset, File, Info

DSPRITES_NPZ = File(
    "https://raw.githubusercontent.com/google-deepmind/dsprites-dataset/"
    "fa310c66517cfc1939d77fe17c725154efc97127/"
    "dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz",
    git_blob="d98996d3f8ee1550e06b9d4ed78d0beb478910d5",
)
DSPRITES_HDF5 = File(
    "https://github.com/deepmind/dsprites-dataset/raw/master/"
    "dsprites_ndarray_co1sh3sc6or40x32y32_64x64.hdf5",
    28_024_106,
    "729fa22e884c9c500e1f17415d580746b4c5894fbbb780a1319bbcfa39a745bb",
)
SHAPES3D_H5 = File(
    "https://storage.googleapis.com/3d-shapes/3dshapes.h5",
    267_573_662,
    "0a0f6ed98baff276a50f3a081a7434d788da63cb135a98189b2a5b5769be1785",
)
MPI3D_NPZ = ("mpi3d_real.npz", "mpi3d_realistic.npz", "mpi3d_toy.npz")
RECORDS = {  # of the published splits, at zenodo.org/record/
    "dsprites": 4835774,
    "shapes3d": 4898937,
    "mpi3d": 4899346,
    "celeb_glow": 5512188,
}


def rendered(name: str, side: int = 64) -> FactorImages:
    """The whole grid of a renderer; images are drawn when they are needed.

    Args:
      name: of the renderer.
      side: pixels, 64 or a divisor.
    """
    renderers.checked(name, side)
    about = renderers.RENDERERS[name]
    index = np.arange(about.grid.count)
    return FactorImages(
        about.grid, index, None, name, side, about.channels, about.split
    )


def load_dsprites(data_dir: str | None = None) -> FactorImages:
    """dSprites: of its file if that is there, else drawn."""
    for file in (DSPRITES_NPZ, DSPRITES_HDF5):
        if path := download.find(file, "dsprites", data_dir):
            logging.info("dsprites: read from %s", path)
            return files.read_dsprites(path)
    return rendered("dsprites")


def load_shapes3d(data_dir: str | None = None) -> FactorImages:
    """3D Shapes of its file, which is downloaded; needs h5py and 6 GB of memory."""
    files.h5py()
    return files.read_shapes3d(download.fetch(SHAPES3D_H5, "shapes3d", data_dir))


def load_mpi3d(data_dir: str | None = None) -> FactorImages:
    """MPI3D of the user's copy of its file, or of the published splits.

    Raises:
      errors.InputError: neither is there; says where they are looked for.
    """
    for name in MPI3D_NPZ:
        for folder in _folders("mpi3d", data_dir):
            if (folder / name).is_file():
                return files.read_mpi3d(folder / name)
    return official_split("mpi3d", "random", data_dir)[0]


def load_celeb_glow(data_dir: str | None = None) -> FactorImages:
    """CelebGlow of the user's copy of the published splits.

    Raises:
      errors.InputError: they are not there; says where they are looked for.
    """
    return official_split("celeb_glow", "random", data_dir)[0]


def official_split(
    name: str, kind: str, data_dir: str | None = None, side: int = 64
) -> tuple[FactorImages, np.ndarray, np.ndarray]:
    """A split that the benchmark published; see `files.read_split`.

    Args:
      name: `dsprites`, `shapes3d`, `mpi3d` or `celeb_glow`.
      kind: `random`, `composition`, `interpolation` or `extrapolation`.
      data_dir: the user's copies are in it, in `<name>/` or in `raw/<name>/`.
      side: pixels that images get.

    Raises:
      errors.InputError: the files are not there; says where they are looked for.
    """
    if name not in RECORDS:
        raise errors.nearest(name, RECORDS, "data set with published splits")
    folders = _folders(name, data_dir)
    first = f"{name}_{kind}_train_images.npz"
    for folder in folders:
        if (folder / first).is_file():
            return files.read_split(folder, name, kind, side)
    own = f" or {MPI3D_NPZ[0]}" if name == "mpi3d" else ""
    raise errors.InputError(
        f"{folders[0] / first}: expected a published split of {name}{own}; found none. "
        f"Put the four files of zenodo.org/record/{RECORDS[name]} for this split there, "
        f"or name another folder with --data_dir or {download.VARIABLE}."
    )


def _folders(name, data_dir) -> list[pathlib.Path]:
    root = download.data_root(data_dir)
    return [root / name, root / "raw" / name, root]


def _load_rendered(data_dir=None, *, name):
    del data_dir
    return rendered(name)


def _dataset(load, like, description, **about) -> Dataset:
    """An entry whose stand-in is a small grid of the renderer it is like."""
    info = {"files": (), **about}
    small = functools.partial(synthetic, name=like)
    return Dataset(load, small, Info(description, **info))


DSPRITES = (
    "L. Matthey, I. Higgins, D. Hassabis and A. Lerchner (2017). dSprites: "
    "Disentanglement testing Sprites dataset. github.com/deepmind/dsprites-dataset"
)
SHAPES3D = (
    "C. Burgess and H. Kim (2018). 3D Shapes Dataset. "
    "github.com/deepmind/3dshapes-dataset"
)
DATASETS = {
    "mini_dsprites": _dataset(
        functools.partial(_load_rendered, name="mini_dsprites"),
        "mini_dsprites",
        "18,432 sprites of one orientation, 64 x 64 pixels; drawn here",
        licence="Apache-2.0",
        citation=DSPRITES,
    ),
    "dsprites": _dataset(
        load_dsprites,
        "dsprites",
        "737,280 sprites, 64 x 64 pixels; drawn here",
        licence="Apache-2.0",
        citation=DSPRITES,
        notes="Its file, npz or hdf5, is read instead if it is in data_dir. Drawn images "
        "differ from it in single pixels of outlines.",
    ),
    "shapes3d_like": _dataset(
        functools.partial(_load_rendered, name="shapes3d_like"),
        "shapes3d_like",
        "480,000 scenes like those of 3D Shapes, 64 x 64 pixels; drawn here",
        licence="Apache-2.0",
        citation=SHAPES3D,
        notes="Walls lack the faint texture of 3D Shapes: numbers are of this renderer.",
    ),
    "shapes3d": _dataset(
        load_shapes3d,
        "shapes3d_like",
        "480,000 scenes of 64 x 64 pixels: 3D Shapes",
        files=(SHAPES3D_H5,),
        licence="Apache-2.0",
        citation=SHAPES3D,
        notes="Needs h5py.",
    ),
    "mpi3d": _dataset(
        load_mpi3d,
        "shapes3d_like",
        "1,036,800 photographs of a robot's arm, 64 x 64 pixels: MPI3D",
        licence="CC BY 4.0",
        citation="M. W. Gondal et al. (2019). On the Transfer of Inductive Bias from "
        "Simulation to the Real World: a New Disentanglement Dataset. NeurIPS.",
        notes="Your own copy of mpi3d_real.npz, or of the benchmark's random split.",
    ),
    "celeb_glow": _dataset(
        load_celeb_glow,
        "shapes3d_like",
        "216,000 edited faces, 64 x 64 pixels: CelebGlow",
        licence="as its record says",
        citation="L. Schott et al. (2022). Visual Representation Learning Does Not "
        "Generalize Strongly Within the Same Domain. ICLR.",
        notes="Your own copy of the benchmark's random split.",
    ),
}
