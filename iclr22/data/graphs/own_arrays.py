"""The user's own graph as arrays: how they are read and checked."""

import numpy as np

from iclr22 import errors, sparse
from iclr22.data import checks
from iclr22.data.graphs import SPLITS

MASKS = tuple(f"{split}_mask" for split in SPLITS)
OTHER_NAMES = {"val_mask": "valid_mask"}  # of PyTorch Geometric: ours
MOST = 1 << 24  # features
ROWS = ("x_indptr", "x_indices", "x_data", "x_shape")
ARRAYS = {
    "x",
    "y",
    "edge_index",
    "ids",
    "edge_weight",
    "class_names",
    *ROWS,
    *MASKS,
    *OTHER_NAMES,
}


def read_rows(path, found: dict, n: int):
    """`[n, d]`, d = 0 if there are none, or `Sparse`."""
    if "x" in found:
        x = checks.shaped(path, found, "x", "n d", n=n)
        return checks.narrow(checks.real(path, "x", x, dtype=x.dtype.type))
    here = [key for key in ROWS if key in found]
    if not here:
        return np.zeros((n, 0), np.float32)
    if len(here) == len(ROWS):
        offsets, columns, values, shape = (
            checks.shaped(path, found, key, axes, n1=n + 1)
            for key, axes in zip(ROWS, ("n1", "entries", "entries", "2"), strict=True)
        )
        values = checks.real(path, "x_data", values)
        whole = all(part.dtype.kind in "iu" for part in (offsets, columns, shape))
        if whole:
            offsets, columns, shape = (
                part.astype(np.int64) for part in (offsets, columns, shape)
            )
        if (
            whole
            and (offsets[0], offsets[-1]) == (0, len(columns))
            and (np.diff(offsets) >= 0).all()
            and len(columns) == len(values)
            and shape[0] == n
            and columns.min(initial=0) >= 0
            and columns.max(initial=-1) < shape[1] <= MOST
        ):
            return sparse.from_rows(offsets, columns, values, int(shape[1]))
    raise errors.InputError(
        f"{path}: expected {', '.join(ROWS)} to be the indptr, indices, data and shape of "
        f"a scipy.sparse.csr_array of {n} rows; found {', '.join(here)}, which are not."
    )


def find_ends(path, found: dict, names) -> np.ndarray:
    """Node numbers `[2, edges]`."""
    ends, n = checks.shaped(path, found, "edge_index", "2 edges"), len(names)
    numbers, what = ends, f"node numbers from 0 to {n - 1}"
    texts = names.dtype.kind == "U"
    if "ids" in found and ends.dtype.kind in ("U" if texts else "iu"):
        order, what = np.argsort(names), "entries of ids"
        numbers = np.searchsorted(names, ends, sorter=order)
        numbers = order[numbers.clip(max=n - 1)]
        bad = names[numbers] != ends
    elif ends.dtype.kind in "iu":
        bad = (ends < 0) | (ends >= n)
    else:
        bad = np.ones(ends.shape, bool)
    if bad.any():
        place = bad.any(axis=0).argmax()
        raise errors.InputError(
            f"{path}: expected {what} in edge_index; found "
            f"{', '.join(map(str, ends[:, place].tolist()))} in edge {place}."
        )
    return numbers


def read_masks(path, found: dict, n: int) -> dict[str, np.ndarray]:
    """Bool masks `[splits, n]`; all three if any is there.

    They may be of numbers 0 and 1, bear the names of PyTorch Geometric (`val_mask`) and
    hold splits in columns `[n, splits]`, as there.
    """
    masks = {}
    for split, key in zip(SPLITS, MASKS, strict=True):
        others = [other for other, ours in OTHER_NAMES.items() if ours == key]
        here = [name for name in (key, *others) if name in found]
        if len(here) > 1:
            raise errors.InputError(
                f"{path}: expected one of {' and '.join(here)}; found both. Remove one."
            )
        if here:
            masks[split] = _mask(path, here[0], found[here[0]], n)
    if not masks:
        return {}
    if "train" not in masks or len(set(map(len, masks.values()))) > 1:
        raise errors.InputError(
            f"{path}: expected {', '.join(MASKS)} of type bool and of the same shape, at "
            f"least the first; found {', '.join(masks)}."
        )
    nobody = np.zeros_like(masks["train"])
    return {split: masks.get(split, nobody) for split in SPLITS}


def _mask(path, key, mask, n):
    """Bool `[splits, n]`."""
    mask = np.atleast_2d(mask)
    if mask.ndim == 2 and mask.shape[0] == n != mask.shape[1]:
        mask = mask.T
    mask = checks.shaped(path, {key: mask}, key, "splits n", n=n)
    if mask.dtype.kind not in "biu" or not np.isin(mask, (0, 1)).all():
        raise errors.InputError(
            f"{path}: expected {key} of type bool and of the same shape as others, or of 0 "
            f"and 1; found type {mask.dtype}"
            f"{' with other numbers' if mask.dtype.kind in 'iu' else ''}. Mark the nodes, do "
            "not list them."
        )
    return mask.astype(bool)
