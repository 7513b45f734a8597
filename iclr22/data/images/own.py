"""The user's own labelled data: an npz file or a folder of images."""

import os
import pathlib
from concurrent import futures

import numpy as np
from absl import logging

from iclr22 import errors
from iclr22.data import checks
from iclr22.data.images import Splits
from iclr22.data.images.files import pillow

FIELDS = ("x", "z", "y", "names", "flipped")
SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp")


def load_own(
    path: str | os.PathLike, image_size: int = 32
) -> tuple[Splits, tuple[str, ...]]:
    """The user's own labelled data: `(splits, class names)`.

    Either an `.npz` with `y [n]` (whole numbers from 0, or strings) and `x [n, ...]`,
    or `z [n, features]` computed before, or both. If wanted also `names [n]`,
    `flipped [n]` (bool: the label is known to be wrong), `class_names`, and the same
    for test as `x_test`, `y_test` and so on. No pickle is ever executed.

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
    found = checks.read_npz(path)
    splits = {"train": _pick(path, found, "")}
    if any(f"{field}_test" in found for field in FIELDS):
        splits["test"] = _pick(path, found, "_test")
        _check_same_features(path, splits)
    class_names = _strings(found.get("class_names", np.array([]))).ravel()
    labels = {split: arrays["y"] for split, arrays in splits.items()}
    labels, class_names = _encode(path, labels, tuple(class_names.tolist()))
    for split, arrays in splits.items():
        for field in {"x", "z"} & arrays.keys():
            _check_numbers(f"{path}, {field} of {split}", arrays[field])
        arrays["y"] = labels[split]
        arrays["names"] = _strings(arrays.get("names", np.arange(len(labels[split]))))
    return splits, class_names


def _pick(path, found, suffix):
    """The fields of one split, `[n, ...]` each."""
    key = {field: f"{field}{suffix}" for field in FIELDS}
    if key["y"] not in found or not {key["x"], key["z"]} & found.keys():
        raise errors.InputError(
            f"{path}: expected the array {key['y']} and {key['x']} (or {key['z']}, "
            f"features); found {', '.join(found) or 'none'}."
        )
    arrays = {field: found[key[field]] for field in FIELDS if key[field] in found}
    n = arrays["y"].shape[:1]
    for field, array in arrays.items():
        rank = {"x": array.ndim, "z": 2}.get(field, 1)
        if array.ndim != rank or not n or array.shape[:1] != n:
            raise errors.InputError(
                f"{path}: expected {key['y']} [n], {key['x']} [n, ...], {key['z']} "
                f"[n, features] and other fields [n], with the same n; found "
                f"{key[field]} {array.shape}, {key['y']} {arrays['y'].shape}."
            )
    if arrays.get("flipped", np.array(True)).dtype != bool:
        raise errors.InputError(
            f"{path}: expected {key['flipped']} of type bool; found "
            f"{arrays['flipped'].dtype}."
        )
    return arrays


def _check_same_features(path, splits):
    """x and z have the same trailing shapes in train and test."""
    train, test = (
        {field: arrays[field].shape[1:] for field in ("x", "z") if field in arrays}
        for arrays in splits.values()
    )
    if train != test:
        raise errors.InputError(
            f"{path}: expected the same shapes per example in train and test; found "
            f"{train} in train and {test} in test."
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
    """An array of strings, bytes or numbers as text."""
    if array.dtype.kind == "S":
        return np.char.decode(array, "utf-8")
    return array.astype(str)


def _encode(path, labels, class_names):
    """int32 labels by split, and the class names."""
    kinds = {y.dtype.kind in "US" for y in labels.values()}
    if len(kinds) > 1:
        raise errors.InputError(
            f"{path}: expected y and y_test both as numbers or both as strings."
        )
    encode = _encode_strings if kinds.pop() else _encode_numbers
    labels, class_names = encode(path, labels, class_names)
    present = len(np.unique(labels["train"]))
    if present < 2:
        raise errors.InputError(
            f"{path}: expected at least two classes in y, to train; found {present}."
        )
    return {split: y.astype(np.int32) for split, y in labels.items()}, class_names


def _encode_strings(path, labels, class_names):
    """Position among the class names, by default the sorted labels."""
    labels = {split: _strings(y) for split, y in labels.items()}
    present = sorted(set().union(*(y.tolist() for y in labels.values())))
    class_names = class_names or tuple(present)
    unknown = [name for name in present if name not in class_names]
    if unknown:
        raise errors.InputError(
            f"{path}: expected labels among class_names, {', '.join(class_names)}; "
            f"found also {', '.join(unknown[:5])}."
        )
    order = np.argsort(class_names)
    found = {
        split: np.searchsorted(class_names, y, sorter=order)
        for split, y in labels.items()
    }
    return {split: order[position] for split, position in found.items()}, class_names


def _encode_numbers(path, labels, class_names):
    """Whole numbers from 0; without class names there are at most n classes."""
    limit = len(class_names) or max(len(labels["train"]), 2)
    for y in labels.values():
        found = f"type {y.dtype}"
        if y.dtype.kind in "biuf":
            bad = ~np.isin(y, np.arange(limit))
            if not bad.any():
                continue
            found = f"{y[bad][0]} in place {bad.argmax()}"
        raise errors.InputError(
            f"{path}: expected labels that are whole numbers from 0 to at most "
            f"{limit - 1}; found {found}. Number the classes from 0, or use strings."
        )
    top = max(int(y.max(initial=0)) for y in labels.values())
    return labels, class_names or tuple(map(str, range(top + 1)))


def _from_folder(root, image_size):
    if not image_size >= 1:
        raise errors.InputError(f"expected image_size of 1 or more, found {image_size}")
    parts = {"train": root}
    if any(child.is_dir() for child in root.glob("train/*")):
        parts = {child.name: child for child in _folders(root)}
        for other in parts.keys() - {"train", "test"}:
            logging.warning("not read, neither train nor test: %s", parts.pop(other))
    files = {split: _list_images(folder) for split, folder in parts.items()}
    classes = sorted(files["train"])
    unknown = sorted(set(files.get("test", ())) - set(classes))
    if len(classes) < 2 or unknown:
        raise errors.InputError(
            f"{root}: expected at least two folders of images, one per class, and in "
            f"test only classes of train; found {', '.join(classes) or 'none'}, and "
            f"in test only {', '.join(unknown) or 'none'}."
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


def _list_images(root):
    """Image files by class; a class without any is an error."""
    listed = {}
    for folder in _folders(root):
        paths = [path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES]
        if not paths:
            raise errors.InputError(
                f"{folder}: expected images ({' '.join(SUFFIXES)}) of the class "
                f"{folder.name}; found none. Add some or remove the folder."
            )
        listed[folder.name] = sorted(paths)
    return listed


def _decode(paths, size):
    """RGB images `[n, size, size, 3]`; stretched if not square."""
    image, operations = pillow()

    def decode(path):
        try:
            with image.open(path) as opened:
                upright = operations.exif_transpose(opened).convert("RGB")
            return np.asarray(upright.resize((size, size), image.Resampling.BILINEAR))
        except Exception as error:  # whatever a broken file makes a decoder raise
            return f"{path} ({error})"

    with futures.ThreadPoolExecutor() as pool:
        decoded = list(pool.map(decode, paths))
    broken = [result for result in decoded if isinstance(result, str)]
    if broken:
        raise errors.InputError(
            f"expected readable images; found {len(broken)} that are not: "
            f"{'; '.join(broken[:5])}. Replace or remove them."
        )
    return np.stack(decoded)
