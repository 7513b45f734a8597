"""Data sets by name, files that are fetched and checked, and the user's own data.

    splits = data.get("digits").load(data_dir)       # {"train": {"x": ..., "y": ...}}
    splits, class_names = data.from_file("mine.npz")

A new module of this folder joins the registry by defining `DATASETS`.
"""

import os
import pathlib
from concurrent import futures

import numpy as np
from absl import logging

from iclr22 import errors
from iclr22.data import images
from iclr22.data.download import DownloadError, converted, data_root, fetch, find
from iclr22.data.registry import Dataset, File, Info, Splits, datasets, get, names

__all__ = [
    *("Dataset", "DownloadError", "File", "Info", "Splits", "converted", "data_root"),
    *("datasets", "fetch", "find", "from_file", "get", "names"),
]

FIELDS = ("x", "z", "y", "names", "flipped")
SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp")


def from_file(
    path: str | os.PathLike, image_size: int = 32
) -> tuple[Splits, tuple[str, ...]]:
    """The user's own labelled data: `(splits, class names)`.

    Either an `.npz` with `y [n]` (whole numbers from 0, or strings) and `x [n, ...]`, or
    `z [n, features]` computed before, or both. If wanted also `names [n]`, `flipped [n]`
    (bool: the label is known to be wrong), `class_names`, and the same for test as
    `x_test`, `y_test` and so on. No pickle is ever executed.

    Or a folder `<class>/*.png`, perhaps below `train/` and `test/`. Images become RGB
    squares of `image_size`, `x [n, size, size, 3]` uint8; names are relative paths.
    """
    path = pathlib.Path(path).expanduser()
    if path.is_dir():
        return _from_folder(path, image_size)
    if not path.is_file() or path.suffix.lower() != ".npz":
        found = "another kind of file" if path.exists() else "nothing there"
        raise errors.InputError(
            f"{path}: expected an .npz file, or a folder with one folder of images per "
            f"class; found {found}."
        )
    return _from_npz(path)


def _from_npz(path):
    found = images.read_npz(path)
    splits = {"train": _pick(path, found, "")}
    if any(f"{field}_test" in found for field in FIELDS):
        splits["test"] = _pick(path, found, "_test")
        _check_same_features(path, splits)
    class_names = None
    if "class_names" in found:
        class_names = tuple(_strings(found["class_names"].ravel()))
    labels, class_names = _encode(
        path, {split: arrays["y"] for split, arrays in splits.items()}, class_names
    )
    for split, arrays in splits.items():
        for field in ("x", "z"):
            if field in arrays:
                _check_numbers(f"{path}, {field} of {split}", arrays[field])
        default = np.arange(len(labels[split]))
        arrays["names"] = _strings(arrays.get("names", default))
        arrays["y"] = labels[split]
    return splits, class_names


def _pick(path, found, suffix):
    """The fields of one split, `[n, ...]` each."""
    fields = {field: f"{field}{suffix}" for field in FIELDS}
    if fields["y"] not in found or not {fields["x"], fields["z"]} & found.keys():
        raise errors.InputError(
            f"{path}: expected the array {fields['y']} and {fields['x']} (or "
            f"{fields['z']}, features); found {', '.join(found) or 'none'}."
        )
    arrays = {field: found[key] for field, key in fields.items() if key in found}
    y = arrays["y"]
    if y.ndim != 1:
        raise errors.InputError(
            f"{path}: expected {fields['y']} of shape [n], one label per example; found "
            f"{list(y.shape)}."
        )
    for field, array in arrays.items():
        rank = {"x": None, "z": 2}.get(field, 1)
        if array.shape[:1] != y.shape or rank not in (None, array.ndim):
            shape = {None: "[n, ...]", 2: "[n, features]", 1: "[n]"}[rank]
            raise errors.InputError(
                f"{path}: expected {fields[field]} of shape {shape} with n = {len(y)} as "
                f"in {fields['y']}; found {list(array.shape)}."
            )
    if "flipped" in arrays and arrays["flipped"].dtype != bool:
        raise errors.InputError(
            f"{path}: expected {fields['flipped']} of type bool; found "
            f"{arrays['flipped'].dtype}."
        )
    return arrays


def _check_same_features(path, splits):
    """x and z have the same trailing shapes in train and test."""
    train, test = (
        {
            field: splits[split][field].shape[1:]
            for field in "xz"
            if field in splits[split]
        }
        for split in ("train", "test")
    )
    if train != test:
        raise errors.InputError(
            f"{path}: expected the same features in train and test; found shapes {train} "
            f"per example in train and {test} in test."
        )


def _check_numbers(what, array):
    if array.dtype.kind not in "biuf":
        raise errors.InputError(f"{what}: expected real numbers; found {array.dtype}.")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        bad = ~np.isfinite(array).reshape(len(array), -1).all(axis=1)
        raise errors.InputError(
            f"{what}: expected finite numbers; found NaN or infinity in {bad.sum()} "
            f"examples, first in number {bad.argmax()}. Remove or repair them."
        )


def _strings(array):
    """Text `[n]` of an array of strings, bytes or numbers."""
    return (
        np.char.decode(array, "utf-8") if array.dtype.kind == "S" else array.astype(str)
    )


def _encode(path, labels, class_names):
    """int32 labels by split, and the class names; strings are sorted."""
    text = {y.dtype.kind in "US" for y in labels.values()}
    if text == {True}:
        labels = {split: _strings(y) for split, y in labels.items()}
        present = np.unique(np.concatenate(list(labels.values()))).tolist()
        class_names = class_names or tuple(present)
        unknown = sorted(set(present) - set(class_names))
        if unknown:
            raise errors.InputError(
                f"{path}: expected labels among the class names "
                f"{', '.join(class_names)}; found also {', '.join(unknown[:5])}."
            )
        code = {name: index for index, name in enumerate(class_names)}
        encoded = {split: [code[name] for name in y] for split, y in labels.items()}
    elif text == {False}:
        top = max(_check_whole(path, y, class_names) for y in labels.values())
        class_names = class_names or tuple(map(str, range(top + 1)))
        encoded = labels
    else:
        raise errors.InputError(
            f"{path}: expected y and y_test both as numbers or both as strings."
        )
    encoded = {split: np.asarray(y).astype(np.int32) for split, y in encoded.items()}
    if len(np.unique(encoded["train"])) < 2:
        raise errors.InputError(
            f"{path}: expected training examples of at least two classes; found "
            f"{len(np.unique(encoded['train']))}."
        )
    return encoded, class_names


def _check_whole(path, y, class_names):
    """The largest of numeric labels, which are whole numbers from 0 to classes - 1."""
    top = len(class_names) if class_names else max(len(y), 2)
    if y.dtype.kind in "biuf":
        bad = ~((y >= 0) & (y < top) & (y == np.floor(y)))
        if not bad.any():
            return int(y.max(initial=0))
        found = f"{y[bad][0]} in place {bad.argmax()}"
    else:
        found = f"type {y.dtype}"
    raise errors.InputError(
        f"{path}: expected labels that are whole numbers from 0 to at most {top - 1}; "
        f"found {found}. Number the classes from 0, or give their names as strings."
    )


def _from_folder(root, image_size):
    if isinstance(image_size, bool) or not image_size > 0:
        raise errors.InputError(f"expected image_size above 0; found {image_size}.")
    parts = {"train": root}
    if any(child.is_dir() for child in (root / "train").glob("*")):
        parts = {
            part: root / part for part in ("train", "test") if (root / part).is_dir()
        }
        others = {child.name for child in _folders(root)} - parts.keys()
        if others:
            logging.warning("%s: not read: %s", root, ", ".join(sorted(others)))
    files = {split: _list_images(folder) for split, folder in parts.items()}
    classes = sorted(files["train"])
    unknown = sorted(set().union(*files.values()) - set(classes))
    if len(classes) < 2 or unknown:
        raise errors.InputError(
            f"{root}: expected at least two folders of images, one per class, and in "
            f"test the classes of train; found {', '.join(classes) or 'none'}"
            + (f", and only in test {', '.join(unknown)}." if unknown else ".")
        )
    splits = {}
    for split, of_class in files.items():
        paths = [path for name in sorted(of_class) for path in of_class[name]]
        splits[split] = {
            "x": _decode(paths, image_size),
            "y": np.array(
                [classes.index(path.parent.name) for path in paths], np.int32
            ),
            "names": np.array([path.relative_to(root).as_posix() for path in paths]),
        }
    return splits, tuple(classes)


def _folders(root):
    return sorted(
        child
        for child in root.iterdir()
        if child.is_dir() and child.name[0] not in "._"
    )


def _list_images(root):
    """Image files by class; a class without any is an error."""
    listed = {}
    for folder in _folders(root):
        paths = sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES)
        if not paths:
            raise errors.InputError(
                f"{folder}: expected images ({' '.join(SUFFIXES)}) of the class "
                f"{folder.name}; found none. Add some or remove the folder."
            )
        listed[folder.name] = paths
    return listed


def _decode(paths, size):
    """RGB images `[n, size, size, 3]`; stretched if not square."""
    image, operations = images.pillow()

    def decode(path):
        try:
            with image.open(path) as opened:
                upright = operations.exif_transpose(opened).convert("RGB")
                return np.asarray(
                    upright.resize((size, size), image.Resampling.BILINEAR)
                )
        except Exception as error:  # whatever a broken file makes a decoder raise
            return f"{path} ({error})"

    with futures.ThreadPoolExecutor() as pool:
        decoded = list(pool.map(decode, paths))
    broken = [result for result in decoded if isinstance(result, str)]
    if broken:
        raise errors.InputError(
            f"expected readable images; {len(broken)} are not: {'; '.join(broken[:5])}. "
            "Replace or remove them."
        )
    return np.stack(decoded)
