"""Tables and arrays of the user, checked: errors say what is wrong and where."""

import csv
import itertools
import math
import pathlib
import re
import zipfile
import zlib
from collections.abc import Iterator

import numpy as np

from iclr22 import errors

ROWS = 4096  # in a block
FEW = 5  # names in an error


def existing(path, what: str = "a file") -> pathlib.Path:
    """The path of a file that is there; `~` is the home folder.

    Args:
      what: is expected, for the error.
    """
    path = pathlib.Path(path).expanduser()
    if not path.is_file():
        raise errors.InputError(
            f"{path}: expected {what}; found none there. Correct the path."
        )
    return path


def read_table(path, required: tuple[str, ...]) -> Iterator[tuple[tuple, dict]]:
    """A comma-separated table, some rows at a time: line numbers, cells by column.

    Args:
      path: of a file in UTF-8 whose first line names the columns; empty lines are skipped.
      required: columns that must be there.
    """
    try:
        with open(path, newline="", encoding="utf-8-sig") as stream:
            reader = csv.reader(stream)
            header = [name.strip() for name in next(reader, [])]
            _check_header(path, header, required)
            rows = ((reader.line_num, row) for row in reader if row)
            while block := list(itertools.islice(rows, ROWS)):
                for line, row in block:
                    if len(row) != len(header):
                        raise errors.InputError(
                            f"{path}, line {line}: expected {len(header)} cells as in "
                            f"the header; found {len(row)}."
                        )
                lines, cells = zip(*block, strict=True)
                columns = zip(*cells, strict=True)
                yield lines, dict(zip(header, columns, strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise errors.InputError(
            f"{path}: expected a comma-separated table in UTF-8; found {error}."
        ) from error


def _check_header(path, header, required):
    found = ", ".join(header) or "nothing"
    for name in required:
        if name not in header:
            raise errors.InputError(
                f"{path}, line 1: expected a header with the column {name}, separated "
                f"by commas; found {found}."
            )
    if len(set(header)) < len(header):
        raise errors.InputError(
            f"{path}, line 1: expected columns of different names; found {found}."
        )


def read_npz(path) -> dict[str, np.ndarray]:
    """All arrays of an `.npz` (path or resource); pickled objects are refused."""
    broken = (ValueError, TypeError, OSError, EOFError, zipfile.BadZipFile, zlib.error)
    key = None
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            arrays = {}
            for key in archive.files:
                arrays[key] = np.asarray(archive[key])
            return arrays
    except broken as error:
        where = path if key is None else f"{path}, array {key!r}"
        raise errors.InputError(
            f"{where}: expected an .npz file of plain arrays as np.savez writes it, "
            f"without Python objects; found: {error}"
        ) from error


def strip(cells) -> list[str]:
    """Cells without white space around them."""
    return [cell.strip() for cell in cells]


def is_number(cell: str) -> bool:
    """Whether a cell is a finite number."""
    try:
        return math.isfinite(float(cell))
    except ValueError:
        return False


def numbers(path, lines, columns: dict, least: float = -math.inf) -> np.ndarray:
    """The cells of a block as float32 `[rows, columns]`, `least` or more."""
    block = np.empty((len(lines), len(columns)), np.float32)
    for j, (name, cells) in enumerate(columns.items()):
        try:
            with np.errstate(over="ignore"):
                block[:, j] = np.fromiter(map(float, cells), np.float64, len(cells))
            bad = ~(np.isfinite(block[:, j]) & (block[:, j] >= least))
        except ValueError:
            bad = np.array([not is_number(cell) for cell in cells])
        if bad.any():
            place = bad.argmax()
            bound = f" of at least {least}" if math.isfinite(least) else ""
            raise errors.InputError(
                f"{path}, line {lines[place]}, column {name}: expected a finite "
                f"number{bound}; found {cells[place]!r}. Correct it, or remove the row or "
                "the column."
            )
    return block


def shaped(path, found: dict, key: str, axes: str, **sizes: int) -> np.ndarray:
    """The array `key`, if it has these axes; their sizes are given, digits, or free."""
    wanted = [int(a) if a.isdigit() else sizes.get(a) for a in axes.split()]
    shape = found[key].shape
    if len(shape) != len(wanted) or any(
        size not in (None, there) for size, there in zip(wanted, shape, strict=True)
    ):
        given = "".join(f", with {axis} = {size}" for axis, size in sizes.items())
        raise errors.InputError(
            f"{path}: expected {key} of shape [{axes.replace(' ', ', ')}]{given}; found "
            f"{list(shape)}."
        )
    array = found[key]
    return np.char.decode(array, "utf-8") if array.dtype.kind == "S" else array


def real(path, key: str, array, least: float = -math.inf) -> np.ndarray:
    """The array as float32, if it holds finite numbers of `least` or more."""
    if array.dtype.kind not in "biuf":
        raise errors.InputError(
            f"{path}: expected {key} of real numbers; found type {array.dtype}."
        )
    with np.errstate(over="ignore"):
        array = array.astype(np.float32)
    bad = np.argwhere(~(np.isfinite(array) & (array >= least)))
    if len(bad):
        bound = f" of at least {least}" if math.isfinite(least) else ""
        place = tuple(map(int, bad[0]))
        raise errors.InputError(
            f"{path}: expected finite numbers{bound} in {key}; found {array[place]} in place "
            f"{', '.join(map(str, place))}. Correct or remove it."
        )
    return array


def few(names) -> str:
    """The first names of many, as text."""
    names = list(names)
    more = f" and {len(names) - FEW} more" if len(names) > FEW else ""
    return ", ".join(names[:FEW]) + more


def classes(path, labels, class_names: tuple[str, ...] = ()) -> tuple:
    """int32 `[n]`, -1 where a label is empty, and class names: as they sort if not given.

    Args:
      labels: strings.
    """
    present = set(labels) - {""}
    if not class_names:
        numeric = all(map(is_number, present))
        class_names = tuple(sorted(present, key=float if numeric else str))
    if unknown := sorted(present - set(class_names)):
        raise errors.InputError(
            f"{path}: expected labels among class_names, {few(class_names)}; found also "
            f"{few(unknown)}. Correct them or add to class_names."
        )
    number = {name: i for i, name in enumerate(class_names)} | {"": -1}
    return np.array([number[label] for label in labels], np.int32), class_names


def class_arrays(path, found: dict, advice: str = "", **sizes: int) -> tuple:
    """`classes` of the arrays `y [n]`, strings or whole numbers from 0, -1 where unknown,
    and, if there, `class_names`.

    Args:
      advice: what else to do about other numbers.
      sizes: n, if it is known.
    """
    y = shaped(path, found, "y", "n", **sizes)
    names = ()
    if "class_names" in found:
        names = tuple(shaped(path, found, "class_names", "k").astype(str).tolist())
    if y.dtype.kind == "U":
        return classes(path, y.tolist(), names)
    limit = len(names) or max(len(y), 2)
    bad = ~np.isin(y, np.arange(-1, limit)) | (y.dtype.kind not in "biuf")
    if bad.any():
        raise errors.InputError(
            f"{path}: expected classes in y that are whole numbers from 0 to at most "
            f"{limit - 1}, or -1 where unknown; found {y[bad][0]} in place "
            f"{bad.argmax()}. Number the classes from 0, or use strings{advice}."
        )
    y = y.astype(np.int32)
    return y, names or tuple(map(str, range(y.max(initial=-1) + 1)))


def sort_names(names) -> np.ndarray:
    """Order `[n]` of names: of the numbers where all are whole numbers, else of strings."""
    names = np.asarray(names)
    if all(re.fullmatch(r"\d{1,18}", name) for name in names.tolist()):
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
    for cell in set(cells).difference(known):
        known[cell] = len(known)
    return np.fromiter(map(known.__getitem__, cells), np.int32, len(cells))


def in_order(number, known) -> tuple[np.ndarray, np.ndarray]:
    """Numbers int32 by the order of names, and the names in order."""
    names = np.array(list(known))
    order = sort_names(names)
    place = np.empty(len(order), np.int32)
    place[order] = np.arange(len(order))
    return place[number], names[order]
