"""Images at their own sizes, of a folder or an array, looked at before work begins."""

import itertools
import os
import pathlib
from collections.abc import Iterator, Sequence
from concurrent import futures
from typing import Any, NamedTuple

import numpy as np
from absl import logging

from iclr22 import errors, progress
from iclr22.data import checks
from iclr22.data.images import own_folder
from iclr22.data.images.files import pillow


class Source(NamedTuple):
    """An image that can be read."""

    name: str  # relative path, or number in an array
    stem: str  # of its files, with the folders
    size: tuple[int, int]  # width, height
    where: Any  # path, or a row of an array


class Found(NamedTuple):
    """What there is."""

    sources: list[Source]
    unreadable: list[str]  # files that are none, with the reason
    transparent: int  # images with transparent parts


def in_folder(folder: pathlib.Path, skip: bool) -> Found:
    """Images (grey or RGB) at any depth below a folder.

    Args:
      skip: leave out files that cannot be read.

    Raises:
      errors.InputError: no images, or unreadable ones that are not to be left out.
    """
    paths = sorted(_listed(folder))
    if not paths:
        raise errors.InputError(
            f"{folder}: expected images ({' '.join(own_folder.SUFFIXES)}), perhaps in "
            "folders; found none"
        )
    stems = _stems([path.relative_to(folder) for path in paths])

    def look(given):
        path, stem = given
        name = path.relative_to(folder).as_posix()
        try:
            read = own_folder.read_image(path)
        except Exception as error:  # whatever a broken file makes a decoder raise
            return f"{name}: {checks.short(error)}", True
        return Source(name, stem, read.rgb.size, path), read.opaque

    with futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        pairs = zip(paths, stems, strict=True)
        looked = list(progress.track(pool.map(look, pairs), "looked at", len(paths)))
    broken = [x for x, _ in looked if isinstance(x, str)]
    found = [x for x, _ in looked if isinstance(x, Source)]
    if broken and not (skip and found):
        raise errors.InputError(
            f"{folder}: expected readable images; found {len(broken)} of {len(paths)} that "
            f"are not: {'; '.join(broken[: checks.FEW])}. Repair or remove them, or leave "
            "them out (skip_unreadable)"
        )
    clear = [x.name for x, opaque in looked if isinstance(x, Source) and not opaque]
    if clear:
        logging.warning(
            "%d images have transparent parts, drawn on white; the first: %s",
            len(clear),
            clear[0],
        )
    return Found(found, broken, len(clear))


def _listed(folder) -> Iterator[pathlib.Path]:
    """Image files at any depth, without hidden ones and those of operating systems."""
    for path in folder.rglob("*"):
        parts = path.relative_to(folder).parts
        hidden = any(x.startswith((".", "__")) for x in parts)
        if not hidden and path.suffix.lower() in own_folder.SUFFIXES and path.is_file():
            yield path


def _stems(paths: Sequence[pathlib.Path]) -> list[str]:
    """Paths without suffix, or with it where two would be the same (a.png, a.jpg)."""
    short = [path.with_suffix("").as_posix() for path in paths]
    often = {x for x, group in itertools.groupby(sorted(short)) if len(list(group)) > 1}
    stems = [
        path.as_posix() if stem in often else stem
        for path, stem in zip(paths, short, strict=True)
    ]
    if len(set(stems)) < len(stems):
        again = next(x for x in stems if stems.count(x) > 1)
        raise errors.InputError(
            f"two images would be written as {again}-00.png. Rename one of them"
        )
    return stems


def in_array(path: pathlib.Path) -> Found:
    """Images `x` of an npz.

    Raises:
      errors.InputError: another file, or another array.
    """
    if path.suffix.lower() != ".npz" or not path.is_file():
        kind = "another kind of file" if path.exists() else "nothing there"
        raise errors.InputError(
            f"{path}: expected a folder of images or an .npz file; found {kind}"
        )
    arrays = checks.read_npz(path)
    x = arrays.get("x")
    if (
        x is not None
        and x.ndim == 4
        and x.shape[3] not in (1, 3)
        and x.shape[1] in (1, 3)
    ):
        x = np.moveaxis(x, 1, 3)
    shape = None if x is None else x.shape
    good = x is not None and x.dtype == np.uint8 and x.size > 0
    if (
        x is None
        or not good
        or not (x.ndim == 3 or (x.ndim == 4 and x.shape[3] in (1, 3)))
    ):
        found = "no x" if x is None else f"x {list(shape or ())} of {x.dtype}"
        raise errors.InputError(
            f"{path}: expected x uint8 [n, h, w], [n, h, w, c] or [n, c, h, w], with c 1 or "
            f"3; found {found}"
        )
    digits = max(5, len(str(len(x) - 1)))
    size = (x.shape[2], x.shape[1])
    rows = (row[..., 0] if row.ndim == 3 and row.shape[2] == 1 else row for row in x)
    sources = [
        Source(str(i), f"{i:0{digits}}", size, row) for i, row in enumerate(rows)
    ]
    return Found(sources, [], 0)


def read(source: Source):
    """An image of Pillow, grey or RGB."""
    if isinstance(source.where, np.ndarray):
        return pillow()[0].fromarray(np.ascontiguousarray(source.where))
    read = own_folder.read_image(source.where)
    return read.rgb.convert("L") if read.grey else read.rgb
