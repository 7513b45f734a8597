"""Files of published grids of factors, and how they are read, in blocks of images.

dSprites as `.npz` or `.hdf5`, 3D Shapes as `.h5`, MPI3D as `.npz`, and the splits that the
in-domain benchmark published: `<data set>_<kind>_<train or test>_{images,labels}.npz`, whose
images have their channels first and whose labels are numbers of values. HDF5 needs h5py.
"""

import contextlib
import math
import pathlib
import zipfile
from collections.abc import Iterator

import numpy as np

from iclr22 import errors
from iclr22.data import checks
from iclr22.data.factors import Factor, FactorImages, Grid, renderers

BLOCK = 1024  # images that are read at a time
PARTS = ("train", "test")
HDF5 = (".h5", ".hdf5")

MPI3D = Grid(
    (
        Factor(
            "color", tuple("white green red blue brown olive".split()), "categorical"
        ),
        Factor(
            "shape",
            tuple("cone cube cylinder hexagonal pyramid sphere".split()),
            "categorical",
        ),
        Factor("size", (0, 1)),
        Factor("height", (0, 1, 2)),
        Factor("background", ("purple", "sea green", "salmon"), "categorical"),
        Factor("x", tuple(range(40))),
        Factor("y", tuple(range(40))),
    )
)
CELEB_GLOW = Grid(
    (
        Factor("person", tuple(range(1000)), "categorical"),
        *(Factor(name, tuple(range(6))) for name in ("smile", "blond", "age")),
    )
)
GRIDS = {  # and the factors that splits hold values of out
    "dsprites": (renderers.RENDERERS["dsprites"].grid, ("scale", "x", "y")),
    "shapes3d": (renderers.SHAPES3D, renderers.RENDERERS["shapes3d_like"].split),
    "mpi3d": (MPI3D, ("x", "y")),
    "celeb_glow": (CELEB_GLOW, ("smile", "blond", "age")),
}
# As the authors' benchmark calls the factors, for keys of scores.
OFFICIAL = {
    "dsprites": ("shape", "scale", "orientation", "x-position", "y-position"),
    "shapes3d": (
        "floor color",
        "wall color",
        "object color",
        "object size",
        "object type",
        "azimuth",
    ),
    "mpi3d": ("color", "shape", "size", "height", "bg color", "x-axis", "y-axis"),
    "celeb_glow": ("person", "smile", "blond", "age"),
}


def read_dsprites(path, side: int = 64, grid: Grid | None = None) -> FactorImages:
    """dSprites of its `.npz` (`imgs`, `latents_classes`) or `.hdf5` (`latents/classes`).

    Args:
      path: of the file; its pickled description is not read.
      side: pixels that images get, by means of blocks; 3 GB of them have 64.
      grid: of the file, if it is not the published one.

    Raises:
      errors.InputError: another format, or images that are not in the order of the grid.
    """
    path = checks.existing(path, "the file of dSprites")
    grid = grid or GRIDS["dsprites"][0]
    key = "latents/classes" if path.suffix in HDF5 else "latents_classes"
    labels = _labels(path, key, 1 + len(grid.factors))[:, 1:]  # colour is constant
    index = _index(path, key, grid, labels)
    return _found("dsprites", grid, index, _images(path, "imgs", side, len(index)))


def read_shapes3d(path, side: int = 64, grid: Grid | None = None) -> FactorImages:
    """3D Shapes of its `.h5` (`images`, `labels`), as `read_dsprites`; 6 GB with 64."""
    path = checks.existing(path, "the file of 3D Shapes")
    grid = grid or GRIDS["shapes3d"][0]
    values = _labels(path, "labels", len(grid.factors))
    columns = [np.unique(column, return_inverse=True) for column in values.T]
    sizes = tuple(len(found) for found, _ in columns)
    if sizes != grid.sizes:
        raise errors.InputError(
            f"{path}: expected labels of {grid.sizes} values; found {sizes}. It may be "
            "damaged: download it again."
        )
    numbers = np.stack([number.ravel() for _, number in columns], axis=1)
    index = _index(path, "labels", grid, numbers)
    return _found("shapes3d", grid, index, _images(path, "images", side, len(index)))


def read_mpi3d(path, side: int = 64, grid: Grid | None = None) -> FactorImages:
    """MPI3D of its `.npz` (`images`, in the order of the grid); 13 GB with 64."""
    path = checks.existing(path, "a file of MPI3D")
    grid = grid or GRIDS["mpi3d"][0]
    images = _images(path, "images", side, grid.count)
    return _found("mpi3d", grid, np.arange(grid.count), images)


def read_split(
    folder, dataset: str, kind: str, side: int = 64, grid: Grid | None = None
) -> tuple[FactorImages, np.ndarray, np.ndarray]:
    """A published split: its images, and the training and test points as grid indices.

    Args:
      folder: with the four files of that split.
      dataset: `dsprites`, `shapes3d`, `mpi3d` or `celeb_glow`.
      kind: `random`, `composition`, `interpolation`, `extrapolation` or `none`.
      side, grid: as of `read_dsprites`.

    Raises:
      errors.InputError: a file is missing, of another format, or a point in both parts.
    """
    if dataset not in GRIDS:
        raise errors.nearest(dataset, GRIDS, "data set with published splits")
    grid = grid or GRIDS[dataset][0]
    stems = [pathlib.Path(folder).expanduser() / f"{dataset}_{kind}_{x}" for x in PARTS]
    points, images = [], []
    for stem in stems:
        x, y = (
            checks.existing(f"{stem}_{what}.npz", "a file of the published split")
            for what in ("images", "labels")
        )
        labels = _labels(y, "arr_0", len(grid.factors))
        points.append(_index(y, "arr_0", grid, labels))
        images.append((x, len(labels)))
    if len(both := np.intersect1d(*points)):
        raise errors.InputError(
            f"{folder}: expected points that are in one part of the split; found "
            f"{len(both):,} in {stems[0].name} and in {stems[1].name}."
        )
    x = [_images(path, "arr_0", side, count, first=True) for path, count in images]
    return _found(dataset, grid, np.concatenate(points), np.concatenate(x)), *points


def h5py():
    """The module `h5py`, imported when first needed."""
    try:
        import h5py
    except ImportError as error:
        raise errors.InputError(
            "Reading HDF5 files needs h5py, which is not installed: pip install h5py"
        ) from error
    return h5py


def _found(name, grid, index, x) -> FactorImages:
    return FactorImages(
        grid, index.astype(np.int64), x, "", x.shape[1], x.shape[-1], GRIDS[name][1]
    )


def _index(path, key, grid, numbers) -> np.ndarray:
    """Flat grid indices of labels, each once."""
    numbers = np.asarray(numbers)
    if numbers.dtype.kind == "f" and (numbers == np.rint(numbers)).all():
        numbers = numbers.astype(np.int64)
    outside = (numbers < 0) | (numbers >= np.array(grid.sizes))
    if numbers.dtype.kind not in "iu" or outside.any():
        found = numbers[outside][0] if outside.any() else f"type {numbers.dtype}"
        raise errors.InputError(
            f"{path}: expected {key} of whole numbers below {grid.sizes}, the numbers of "
            f"values of {', '.join(grid.names)}; found {found}."
        )
    index = grid.flat(numbers)
    if len(again := np.flatnonzero(np.bincount(index, minlength=1) > 1)):
        raise errors.InputError(
            f"{path}: expected every combination of factors once; found "
            f"{tuple(grid.numbers(again[:1])[0].tolist())} more than once."
        )
    return index


def _labels(path, key, columns) -> np.ndarray:
    with _opened(path, key) as (shape, blocks):
        if len(shape) != 2 or shape[1] != columns:
            raise errors.InputError(
                f"{path}: expected {key} of shape [n, {columns}]; found {list(shape)}."
            )
        return np.concatenate([*blocks, np.zeros((0, columns), int)])


def _images(path, key, side, count, *, first=False) -> np.ndarray:
    """Images uint8 `[n, side, side, c]`; `first`: the file has channels first."""
    with _opened(path, key) as (shape, blocks):
        channels = 1 if len(shape) == 3 else shape[1] if first else shape[-1]
        height = shape[2 if first else 1] if len(shape) > 2 else 0
        plain = (*shape, 1) if len(shape) == 3 else shape
        wanted = (
            (count, channels, height, height)
            if first
            else (count, height, height, channels)
        )
        if plain != wanted or channels not in (1, 3) or side < 1 or height % side:
            raise errors.InputError(
                f"{path}: expected {count:,} square images in {key}, of 1 or 3 channels"
                f"{' that come first' if first else ''} and a side that {side} divides; "
                f"found shape {list(shape)}."
            )
        found = np.empty((count, side, side, channels), np.uint8)
        at, scale = 0, None
        for block in blocks:
            if block.dtype != np.uint8:
                raise errors.InputError(
                    f"{path}: expected {key} of bytes; found type {block.dtype}."
                )
            if scale is None:  # sprites are 0 and 1
                scale = 255 if channels == 1 and block.max(initial=0) <= 1 else 1
            block = np.moveaxis(block, 1, -1) if first else block
            block = block.reshape(len(block), height, height, channels)
            found[at : at + len(block)] = _smaller(block, side, scale)
            at += len(block)
    return found


def _smaller(block, side, scale):
    step = block.shape[1] // side
    if step == 1:
        return block * np.uint8(scale)
    parts = block.reshape(len(block), side, step, side, step, -1)
    return np.rint(scale * parts.mean(axis=(2, 4), dtype=np.float32))


@contextlib.contextmanager
def _opened(path, key) -> Iterator[tuple[tuple[int, ...], Iterator[np.ndarray]]]:
    """Shape of an array of a file, and its rows in blocks."""
    path = pathlib.Path(path)
    reader = _opened_hdf5 if path.suffix in HDF5 else _opened_npz
    try:
        with reader(path, key) as found:
            yield found
    except errors.InputError:
        raise
    except Exception as error:  # zipfile, zlib, NumPy and h5py have many of their own
        raise errors.InputError(
            f"{path}: expected the array {key!r} of numbers; found: "
            f"{checks.short(error, 200) or type(error).__name__}. It may be damaged or "
            "another file: get it again."
        ) from error


@contextlib.contextmanager
def _opened_hdf5(path, key):
    with h5py().File(path, "r") as file:
        array = file[key]
        starts = range(0, array.shape[0], BLOCK)
        yield array.shape, (array[i : i + BLOCK] for i in starts)


@contextlib.contextmanager
def _opened_npz(path, key):
    with zipfile.ZipFile(path) as archive:
        member = archive.getinfo(f"{key}.npy")
        checks.check_unpacked(path, [member])
        with archive.open(member) as stream:
            version = np.lib.format.read_magic(stream)
            read = (
                np.lib.format.read_array_header_1_0
                if version == (1, 0)
                else np.lib.format.read_array_header_2_0
            )
            shape, in_columns, dtype = read(stream)
            size = math.prod(shape) * dtype.itemsize
            if dtype.hasobject or in_columns or not shape or size > member.file_size:
                raise ValueError(
                    f"shape {shape}, type {dtype}, {member.file_size} bytes"
                )
            yield shape, _blocks(stream, shape, dtype)


def _blocks(stream, shape, dtype):
    size = math.prod(shape[1:]) * dtype.itemsize
    for start in range(0, shape[0], BLOCK):
        count = min(BLOCK, shape[0] - start)
        data = stream.read(count * size)
        yield np.frombuffer(data, dtype).reshape(count, *shape[1:])
