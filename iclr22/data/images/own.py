"""The user's own labelled data: an npz file or a folder of images."""

import os
import pathlib

import numpy as np
from absl import logging

from iclr22 import errors
from iclr22.data import checks
from iclr22.data.images import Splits, own_folder

FIELDS = ("x", "z", "y", "names", "flipped")
CHANNELS = (1, 3, 4)  # of images: grey, RGB, with an opacity


def load_own(
    path: str | os.PathLike, image_size: int = 32
) -> tuple[Splits, tuple[str, ...]]:
    """The user's own labelled data: `(splits, class names)`.

    Either an `.npz` with `y [n]` (whole numbers from 0, or strings) and `x`: images
    `[n, h, w]`, `[n, h, w, channels]` or `[n, channels, h, w]`, or other inputs
    `[n, d]`; or `z [n, features]` computed before, or both. If wanted also `names [n]`,
    `flipped [n]` (bool: the label is known to be wrong), `class_names`, and the same
    for test as `x_test`, `y_test` and so on. No pickle is ever executed.

    Or a folder `<class>/*.png`, perhaps below `train/` and `test/`. Images become RGB
    squares of `image_size`, `x [n, size, size, 3]` uint8; names are relative paths.

    Examples whose label is unknown (`labels.mark_unknown`: NA, NaN, -1 and the like) are
    left out, which is told; names are their places in the file if there are none.

    Raises:
      errors.InputError: what is missing or wrong, and where.
    """
    path = pathlib.Path(path).expanduser()
    if path.is_dir():
        return own_folder.read(path, image_size)
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
    class_names = ()
    if "class_names" in found:
        names = checks.shaped(path, found, "class_names", "k")
        class_names = tuple(names.astype(str).tolist())
    labels = {split: arrays["y"] for split, arrays in splits.items()}
    labels, class_names = _encode(path, labels, class_names)
    for split, arrays in splits.items():
        for field in {"x", "z"} & arrays.keys():
            _check_numbers(f"{path}, {field} of {split}", arrays[field])
        if "x" in arrays:
            arrays["x"] = _channels_last(f"{path}, x of {split}", arrays["x"])
        names = arrays.get("names", np.arange(len(labels[split])))
        names = checks.decoded(path, "names", names).astype(str)
        arrays |= {"y": labels[split], "names": names}
        splits[split] = _labelled(path, split, arrays)
    return splits, class_names


def _labelled(path, split, arrays):
    """The examples with a label."""
    known = arrays["y"] >= 0
    if known.all():
        return arrays
    logging.warning(
        "%s: left out of %s: %d examples without a label", path, split, (~known).sum()
    )
    return {field: array[known] for field, array in arrays.items()}


def _channels_last(what, x):
    """Images `[n, h, w, channels]`; other inputs as they are."""
    if x.ndim == 3:
        return x[..., None]
    if x.ndim == 4 and x.shape[3] not in CHANNELS and x.shape[1] in CHANNELS:
        logging.info("%s: channels come first in %s; they are moved", what, x.shape)
        return np.ascontiguousarray(np.moveaxis(x, 1, 3))
    if x.ndim not in (2, 4):
        raise errors.InputError(
            f"{what}: expected images [n, h, w] or [n, h, w, channels], or inputs [n, d]; "
            f"found shape {list(x.shape)}. Reshape it."
        )
    return x


def _pick(path, found, suffix):
    """The fields of one split, `[n, ...]` each."""
    key = {field: f"{field}{suffix}" for field in FIELDS}
    if key["y"] not in found or not {key["x"], key["z"]} & found.keys():
        raise errors.InputError(
            f"{path}: expected the array {key['y']} and {key['x']} (or {key['z']}, "
            f"features); found {checks.few(found) or 'none'}."
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


def _encode(path, labels, class_names):
    """int32 labels by split, -1 where unknown, and the class names."""
    kinds = {y.dtype.kind in "US" for y in labels.values()}
    if len(kinds) > 1:
        raise errors.InputError(
            f"{path}: expected y and y_test both as numbers or both as strings."
        )
    strings = kinds.pop()
    whole = [checks.decoded(path, "y", y) for y in labels.values()]
    if strings:
        texts = checks.strip(np.concatenate(whole).tolist())
        y, class_names = checks.classes(path, texts, class_names)
    else:
        y, class_names = _encode_numbers(path, whole, class_names)
    ends = np.cumsum([len(part) for part in whole])[:-1]
    labels = dict(zip(labels, np.split(y, ends), strict=True))
    present = len(np.unique(labels["train"][labels["train"] >= 0]))
    if present < 2:
        raise errors.InputError(
            f"{path}: expected at least two classes in y, to train; found {present}."
        )
    return labels, class_names


def _encode_numbers(path, parts, class_names):
    """Whole numbers from 0; without class names there are at most n classes."""
    limit = len(class_names) or max(len(parts[0]), 2)
    found = []
    for y in parts:
        what = f"type {y.dtype}"
        if y.dtype.kind in "biuf":
            y = np.where(np.isnan(y), -1, y) if y.dtype.kind == "f" else y
            bad = ~np.isin(y, np.arange(-1, limit))
            if not bad.any():
                found.append(y.astype(np.int32))
                continue
            what = f"{checks.short(y[bad][0])} in place {bad.argmax()}"
        raise errors.InputError(
            f"{path}: expected labels that are whole numbers from 0 to at most "
            f"{limit - 1}, or -1 where unknown; found {what}. Number the classes from 0, "
            "or use strings."
        )
    y = np.concatenate(found)
    return (y, class_names) if class_names else checks.without_holes(y)
