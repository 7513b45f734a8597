"""Images of the user, from a folder or an array, all of one size."""

import os
import pathlib
from concurrent import futures

import numpy as np
from absl import logging

from iclr22 import errors
from iclr22.data import checks
from iclr22.data.images.files import pillow
from iclr22.data.images.own_folder import SUFFIXES, read_image


def matched(folder, table, names, lines) -> list[pathlib.Path]:
    """Paths of the images that a table names, in its order.

    Args:
      folder: of the images; files below it are found too.
      table: path of the table, for errors.
      names: of the images by row, relative to the folder.
      lines: of the table.

    Raises:
      errors.InputError: an image without a row, or the reverse; a name twice.
    """
    names = [pathlib.PurePosixPath(x.replace("\\", "/")).as_posix() for x in names]
    again = checks.first_again(names)
    if again is not None:
        raise errors.InputError(
            f"{table}, line {lines[again]}, column image: expected every image once; found "
            f"{checks.shown(names[again])} in line {lines[names.index(names[again])]} "
            "already. Remove one of the rows."
        )
    there = {path.relative_to(folder).as_posix(): path for path in _listed(folder)}
    lost = [i for i, name in enumerate(names) if name not in there]
    if lost:
        raise errors.InputError(
            f"{table}, line {lines[lost[0]]}, column image: expected the name of an image "
            f"in {folder}; found {checks.shown(names[lost[0]])}, which is not there, "
            f"{len(lost):,} in all. Add the images ({' '.join(SUFFIXES)}) or remove the "
            "rows."
        )
    listed = set(names)
    extra = [name for name in there if name not in listed]
    if extra:
        raise errors.InputError(
            f"{folder}: expected a row in {table} for every image; found none for "
            f"{checks.few(extra)}. Add rows or remove the images."
        )
    return [there[name] for name in names]


def _listed(folder: pathlib.Path) -> list[pathlib.Path]:
    """Images in a folder and below it, without hidden ones."""
    return [
        path
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in SUFFIXES and path.name[0] != "."
    ]


def decode(paths, side: int) -> np.ndarray:
    """Images uint8 `[n, side, side, c]` of files: one channel where all are grey.

    Args:
      side: pixels that they get; 0: what they have.

    Raises:
      errors.InputError: files that are no images, or of different sizes.
    """
    area = pillow()[0].Resampling.BOX

    def read(path):
        try:
            found = read_image(path)
            size, grey = found.rgb.size, found.grey
            small = found.rgb.resize((side, side), area) if side else found.rgb
            return np.asarray(small), size, grey, found.opaque
        except Exception as error:  # whatever a broken file makes a decoder raise
            return f"{path} ({checks.short(error)})"

    with futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        found = list(pool.map(read, paths))
    broken = [x for x in found if isinstance(x, str)]
    if broken:
        raise errors.InputError(
            f"expected readable images; found {len(broken)} that are not: "
            f"{'; '.join(broken[: checks.FEW])}. Replace or remove them and their rows."
        )
    pixels, sizes, grey, opaque = zip(*found, strict=True)
    _check_sizes(paths, sizes, side)
    if not all(opaque):
        first = paths[opaque.index(False)]
        logging.warning("images have transparent parts, drawn on white: %s", first)
    return np.stack([x[..., :1] for x in pixels] if all(grey) else pixels)


def _check_sizes(paths, sizes, side):
    """All images have the size of most; tells if it is not what they get."""
    common = max(sorted(set(sizes)), key=sizes.count)
    other = [i for i, size in enumerate(sizes) if size != common]
    if other:
        width, height = sizes[other[0]]
        raise errors.InputError(
            f"{paths[other[0]]}: expected images of one size, {common[0]} x {common[1]} "
            f"pixels as most have; found {width} x {height}, {len(other):,} images in all. "
            "Crop or scale them alike."
        )
    if not side and common[0] != common[1]:
        raise errors.InputError(
            f"{paths[0]}: expected square images; found {common[0]} x {common[1]} pixels. "
            "Crop them, or choose the side that they get."
        )
    if side and common != (side, side):
        logging.warning("images of %d x %d pixels become %d x %d", *common, side, side)


def of_array(path, found: dict, side: int, count: int, table) -> np.ndarray:
    """Images uint8 `[n, side, side, c]` of the array `x`, see `own.load_own`.

    Args:
      count: images that the table has factors of.

    Raises:
      errors.InputError: another shape or type, or another number of images.
    """
    if "x" not in found:
        raise errors.InputError(
            f"{path}: expected an array x of images; found {checks.few(found) or 'none'}."
        )
    x = found["x"]
    shape = list(x.shape)
    if x.ndim == 3:
        x = x[..., None]
    elif x.ndim == 4 and x.shape[-1] not in (1, 3) and x.shape[1] in (1, 3):
        x = np.moveaxis(x, 1, -1)
    square = x.ndim == 4 and x.shape[-1] in (1, 3) and x.shape[1] == x.shape[2]
    side = side or (x.shape[1] if x.ndim == 4 else 0)
    if not square or not x.size or x.shape[1] % max(side, 1):
        raise errors.InputError(
            f"{path}: expected x of square images [n, h, w], [n, h, w, c] or [n, c, h, w] "
            f"with 1 or 3 channels, {side} pixels a side or a multiple; found shape "
            f"{shape}. Resize them, or choose another side."
        )
    if len(x) != count:
        raise errors.InputError(
            f"{table}: expected factors of {len(x):,} images, as x in {path} has; found "
            f"{count:,}."
        )
    if x.dtype != np.uint8:
        x = checks.real(path, "x", x, least=0)
        if x.max() > 1:
            raise errors.InputError(
                f"{path}: expected x of bytes, or real numbers from 0 to 1; found "
                f"{x.max():g}. Scale them."
            )
        x = x * 255
    step = x.shape[1] // side
    parts = x.reshape(len(x), side, step, side, step, -1)
    return np.rint(parts.mean(axis=(2, 4), dtype=np.float32)).astype(np.uint8)


def unlabelled(images, side: int, channels: int) -> tuple[list[str], np.ndarray]:
    """Names and images uint8 `[n, side, side, channels]` without factors.

    Args:
      images: a folder of images of one size, or an `.npz` with `x`, as of `own.load_own`.
      side, channels: what they become: blocks of pixels are averaged, grey is a mean.

    Raises:
      errors.InputError: no such file or folder, no images, or such as cannot be read.
    """
    place = pathlib.Path(images).expanduser()
    if place.is_dir():
        paths = _listed(place)
        if not paths:
            raise errors.InputError(
                f"{images}: expected images ({' '.join(SUFFIXES)}); found none"
            )
        names = [x.relative_to(place).as_posix() for x in paths]
        x = decode(paths, side)
    else:
        found = checks.read_npz(checks.existing(place, "a folder or file of images"))
        count = len(found.get("x", ()))
        x = of_array(images, found, side, count, images)
        names = [str(i) for i in range(count)]
    if x.shape[-1] == channels:
        return names, x
    if channels == 1:
        return names, np.rint(x.mean(axis=-1, keepdims=True)).astype(np.uint8)
    return names, np.repeat(x, channels, axis=-1)
