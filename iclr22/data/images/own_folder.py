"""The user's own images: a folder for every class."""

import os
import pathlib
from concurrent import futures
from typing import Any, NamedTuple

import numpy as np
from absl import logging

from iclr22 import errors
from iclr22.data import checks
from iclr22.data.images import Splits
from iclr22.data.images.files import pillow

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp")
PIXELS = 1 << 27  # of an image, at most


def read(root: pathlib.Path, image_size: int) -> tuple[Splits, tuple[str, ...]]:
    """Images and labels of a folder, see `own.load_own`."""
    if not image_size >= 1:
        raise errors.InputError(f"expected image_size of 1 or more, found {image_size}")
    parts = {"train": root}
    if any(child.is_dir() for child in root.glob("train/*")):
        parts = {child.name: child for child in _folders(root)}
        for other in parts.keys() - {"train", "test"}:
            logging.warning("not read, neither train nor test: %s", parts.pop(other))
    named = {folder.name for part in parts.values() for folder in _folders(part)}
    names = sorted(named)
    marked = checks.mark_unknown(root, names)
    known = {name for name, label in zip(names, marked, strict=True) if label}
    files = {split: _list_images(folder, known) for split, folder in parts.items()}
    classes = sorted(files["train"])
    unknown = sorted(set(files.get("test", ())) - set(classes))
    if len(classes) < 2 or unknown:
        raise errors.InputError(
            f"{root}: expected at least two folders of images, one per class, and in "
            f"test only classes of train; found {checks.few(classes) or 'none'}, and "
            f"in test only {checks.few(unknown) or 'none'}."
        )
    splits = {}
    for split, listed in files.items():
        paths = [path for name in sorted(listed) for path in listed[name]]
        y = [classes.index(path.parent.name) for path in paths]
        splits[split] = {
            "x": _decode(paths, image_size),
            "y": np.array(y, np.int32),
            "names": np.array([path.relative_to(root).as_posix() for path in paths]),
        }
    return splits, tuple(classes)


def _folders(root):
    """Folders in `root`, without hidden ones and those of operating systems."""
    visible = (child for child in root.iterdir() if child.name[0] not in "._")
    return sorted(child for child in visible if child.is_dir())


def _list_images(root, known):
    """Image files by class; a class without any is an error."""
    listed = {}
    for folder in _folders(root):
        if folder.name not in known:
            continue
        paths = [path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES]
        if not paths:
            raise errors.InputError(
                f"{folder}: expected images ({' '.join(SUFFIXES)}) of the class "
                f"{folder.name}; found none. Add some or remove the folder."
            )
        listed[folder.name] = sorted(paths)
    return listed


class Read(NamedTuple):
    """An image of a file."""

    rgb: Any  # of Pillow, upright, RGB of 8 bits
    opaque: bool  # without transparent parts, which are drawn on white
    grey: bool  # the file has no colours


def read_image(path) -> Read:
    """An image file at its own size.

    Raises:
      Exception: whatever a broken file makes a decoder raise; `ValueError` for one that is
        too large.
    """
    image, operations = pillow()
    with image.open(path) as opened:
        if opened.width * opened.height > PIXELS:
            raise ValueError(f"more than {PIXELS:,} pixels")
        grey = opened.mode in ("1", "L", "LA", "F") or opened.mode.startswith("I")
        return Read(*_rgb(image, operations.exif_transpose(opened)), grey)


def _decode(paths, size):
    """RGB images `[n, size, size, 3]`; stretched if not square."""
    bilinear = pillow()[0].Resampling.BILINEAR

    def decode(path):
        try:
            found = read_image(path)
            return np.asarray(found.rgb.resize((size, size), bilinear)), found.opaque
        except Exception as error:  # whatever a broken file makes a decoder raise
            return f"{path} ({checks.short(error)})"

    with futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        decoded = list(pool.map(decode, paths))
    broken = [result for result in decoded if isinstance(result, str)]
    if broken:
        raise errors.InputError(
            f"expected readable images; found {len(broken)} that are not: "
            f"{'; '.join(broken[: checks.FEW])}. Replace or remove them."
        )
    clear = [path for path, found in zip(paths, decoded, strict=True) if not found[1]]
    if clear:
        logging.warning(
            "%d images have transparent parts, drawn on white; the first: %s",
            len(clear),
            clear[0],
        )
    return np.stack([pixels for pixels, _ in decoded])


def _rgb(image, opened):
    """An image in RGB, 8 bits, and whether all of it is opaque."""
    if opened.mode.startswith("I"):  # grey of 16 bits, which `convert` cuts at 255
        pixels = np.asarray(opened).astype(np.float64)
        pixels = pixels / 257 if pixels.max(initial=0) > 255 else pixels
        return image.fromarray(np.round(pixels.clip(0, 255)).astype(np.uint8)).convert(
            "RGB"
        ), True
    if opened.mode == "F":
        raise ValueError("floating-point pixels; save it with 8 or 16 bits")
    if not opened.has_transparency_data:
        return opened.convert("RGB"), True
    layered = opened.convert("RGBA")
    opaque = layered.getextrema()[3][0] == 255
    white = image.new("RGBA", layered.size, "white")
    return image.alpha_composite(white, layered).convert("RGB"), opaque
