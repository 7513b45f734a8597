"""Labels and names of the user: which are unknown, how they are numbered and sorted."""

import collections
import re

import numpy as np
from absl import logging

from iclr22 import errors
from iclr22.data.arrays import shaped
from iclr22.data.tables import few, is_number, short, strip

# What spreadsheets and data frames write where a value is missing.
UNKNOWN = frozenset(
    ("", "NA", "N/A", "#N/A", "<NA>", "NaN", "nan", "None", "null", "NULL")
)
PADDING = 1 << 22  # characters that NumPy may add to make texts equally long


def mark_unknown(path, labels, class_names: tuple[str, ...] = ()) -> list[str]:
    """The labels, an empty one where it is unknown; tells how many are.

    Unknown are empty labels, NA, NaN, None and the like and, if all others are whole
    numbers from 0, -1. What is among `class_names` is a class.
    """
    present = set(labels)
    missing = (present & UNKNOWN) - set(class_names)
    rest = present - missing
    minus = {x for x in rest if is_number(x) and float(x) == -1} - set(class_names)
    if minus and all(_is_count(x) for x in rest - minus):
        missing |= minus
    if told := missing - {""}:
        counts = collections.Counter(labels)
        logging.warning(
            "%s: labels that are taken for unknown: %s. If one is a class, rename it",
            path,
            ", ".join(f"{x} ({counts[x]} times)" for x in sorted(told)),
        )
    return ["" if label in missing else label for label in labels]


def _is_count(label):
    return is_number(label) and float(label) >= 0 and float(label).is_integer()


def classes(path, labels, class_names: tuple[str, ...] = ()) -> tuple:
    """int32 `[n]`, -1 where a label is unknown, and class names.

    Without class names they are as they sort: by number where all are numbers, those
    equal as numbers (1, 1.0, 01) as texts.

    Args:
      labels: strings.
    """
    labels = mark_unknown(path, labels, class_names)
    present = set(labels) - {""}
    if not class_names:
        numeric = all(map(is_number, present))
        key = _by_number if numeric else str
        class_names = tuple(sorted(present, key=key))
        if numeric and len(set(map(float, present))) < len(present):
            logging.warning(
                "%s: labels that are equal as numbers are different classes: %s",
                path,
                few(class_names),
            )
    if unknown := sorted(present - set(class_names)):
        raise errors.InputError(
            f"{path}: expected labels among class_names, {few(class_names)}; found also "
            f"{few(unknown)}. Correct them or add to class_names."
        )
    number = {name: i for i, name in enumerate(class_names)} | {"": -1}
    return np.array([number[label] for label in labels], np.int32), class_names


def _by_number(name):
    return float(name), name


def class_arrays(path, found: dict, advice: str = "", **sizes: int) -> tuple:
    """`classes` of the arrays `y [n]` and, if there, `class_names`.

    y holds strings, or whole numbers from 0, -1 or NaN where unknown. Without class names
    numbers that no label has make no class.

    Args:
      advice: what else to do about other numbers.
      sizes: n, if it is known.
    """
    y = shaped(path, found, "y", "n", **sizes)
    names = ()
    if "class_names" in found:
        names = tuple(shaped(path, found, "class_names", "k").astype(str).tolist())
        if len(set(names)) < len(names):
            raise errors.InputError(
                f"{path}: expected class_names that differ; found {few(names)}."
            )
    if y.dtype.kind == "U":
        return classes(path, strip(y.tolist()), names)
    limit = len(names) or max(len(y), 2)
    if y.dtype.kind == "f":
        y = np.where(np.isnan(y), -1, y)
    if not y.size:
        y = np.zeros(0, np.int32)
    real = y.dtype.kind in "biuf"
    bad = ~np.isin(y, np.arange(-1, limit)) if real else np.ones(y.shape, bool)
    if bad.any():
        raise errors.InputError(
            f"{path}: expected classes in y that are whole numbers from 0 to at most "
            f"{limit - 1}, or -1 where unknown; found {short(y[bad][0])} in place "
            f"{bad.argmax()}. Number the classes from 0, or use strings{advice}."
        )
    y = y.astype(np.int32)
    return (y, names) if names else without_holes(y)


def without_holes(y) -> tuple[np.ndarray, tuple[str, ...]]:
    """Numbers of classes `[n]` int32 that are all there, and their names; -1 stays."""
    present = np.unique(y[y >= 0])
    number = np.searchsorted(present, y).astype(np.int32)
    return np.where(y >= 0, number, -1).astype(np.int32), tuple(map(str, present))


# Names


def name_array(path, key: str, array: np.ndarray) -> np.ndarray:
    """The array, if it holds texts or whole numbers; whole floats become integers."""
    if array.dtype.kind == "f" and (np.abs(array.astype(np.float64)) < 2**53).all():
        whole = array.astype(np.int64)
        array = whole if (whole == array).all() else array
    if array.dtype.kind not in "iuU":
        raise errors.InputError(
            f"{path}: expected strings or whole numbers in {key}; found type "
            f"{array.dtype}. Convert it."
        )
    return array


def text_array(texts) -> np.ndarray:
    """Texts `[n]` as an array; of objects where padding would cost more than they do."""
    texts = list(texts)
    width = max(map(len, texts), default=0)
    padding = width * len(texts) - sum(map(len, texts))
    wasteful = padding > max(PADDING, 8 * (width * len(texts) - padding))
    return np.array(texts, object if wasteful else str)


def padded(names, width: int = 200) -> np.ndarray:
    """Names as an array of equally long texts, to be stored; cut where it would be vast."""
    texts = [str(name) for name in np.asarray(names).tolist()]
    found = text_array(texts)
    return np.array([x[:width] for x in texts]) if found.dtype == object else found


def sort_names(names) -> np.ndarray:
    """Order `[n]` of names: of the numbers where all are whole numbers, else of strings."""
    names = np.asarray(names)
    if all(re.fullmatch("[0-9]{1,18}", name) for name in names.tolist()):
        names = names.astype(str)
        return np.lexsort((names, names.astype(np.int64)))
    return np.argsort(names, kind="stable")


def number_names(path, lines, name: str, cells, known: dict) -> np.ndarray:
    """Numbers int32 of cells; `known` grows by the new ones.

    Raises:
      errors.InputError: an empty cell.
    """
    cells = strip(cells)
    if "" in cells:
        raise errors.InputError(
            f"{path}, line {lines[cells.index('')]}, column {name}: expected the name of "
            f"the {name}; found an empty cell. Fill it in or remove the row."
        )
    for cell in dict.fromkeys(cells):
        known.setdefault(cell, len(known))
    return np.fromiter(map(known.__getitem__, cells), np.int32, len(cells))


def in_order(number, known) -> tuple[np.ndarray, np.ndarray]:
    """Numbers int32 by the order of names, and the names in order."""
    names = text_array(known)
    order = sort_names(names)
    place = np.empty(len(order), np.int32)
    place[order] = np.arange(len(order))
    return place[number], names[order]


def first_again(names) -> int | None:
    """Place of the first name that was there before, or None."""
    seen = set()
    for place, name in enumerate(names):
        if name in seen:
            return place
        seen.add(name)
    return None
