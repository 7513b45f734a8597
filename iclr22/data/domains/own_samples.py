"""The user's own samples of domains: a table, or arrays."""

import pathlib
import re
from typing import NamedTuple

import numpy as np
from absl import logging

from iclr22 import errors
from iclr22.data import checks
from iclr22.data.domains.own_links import as_names

ARRAYS = {"x", "y", "domain", "class_names"}
REGRESS = ", or ask for regression"  # advice about labels


class Samples(NamedTuple):
    """Samples as read; domains by name."""

    x: np.ndarray  # [n, features] float32
    y: np.ndarray  # as in `DomainData`
    class_names: tuple[str, ...]
    of: list[str]  # [n], names of domains
    where: list[str]  # [n], places in the file, for errors
    feature_names: tuple[str, ...] = ()


def read(path: pathlib.Path, regression: bool) -> Samples:
    """Samples of a table or of an .npz; see `own.load_own`."""
    arrays = path.suffix.lower() == ".npz"
    return _read_arrays(path, regression) if arrays else _read_table(path, regression)


def _read_table(path, regression):
    where, of, labels, features, columns = [], [], [], [], {}
    for lines, columns in checks.read_table(path, ("domain",)):
        outputs = _outputs(path, columns, regression)
        where += [f"line {line}" for line in lines]
        of += checks.strip(columns.pop("domain"))
        cells = {name: checks.strip(columns.pop(name)) for name in outputs}
        if regression:
            labels.append(_numbers(path, lines, cells))
        else:
            labels += _checked_text(path, lines, cells["label"])
        if not columns:
            raise errors.InputError(
                f"{path}, line 1: expected features, columns of numbers besides domain and "
                f"{', '.join(outputs)}; found none. Add them."
            )
        features.append(checks.numbers(path, lines, columns))
    if not of:
        raise errors.InputError(
            f"{path}: expected a row for every sample; found none. Add them."
        )
    x, names = np.concatenate(features), tuple(columns)
    if regression:
        return Samples(x, np.concatenate(labels), (), of, where, names)
    y, class_names = checks.classes(path, labels)
    return Samples(x, y, class_names, of, where, names)


def _outputs(path, columns, regression):
    """Names of the columns with labels."""
    found = [name for name in columns if re.fullmatch("label(_.*)?", name)]
    if regression and found:
        return found
    if "label" not in found or regression:
        wanted = "label or label_<something>" if regression else "label"
        raise errors.InputError(
            f"{path}, line 1: expected a header with the column {wanted}; found "
            f"{', '.join(columns)}. Add it; its cells are empty where a label is unknown."
        )
    if len(found) > 1:
        raise errors.InputError(
            f"{path}, line 1: expected one column of classes, label; found "
            f"{', '.join(found)}. Several are for regression; rename those that are features."
        )
    return found


def _numbers(path, lines, cells):
    """Outputs `[rows, outputs]` float32, NaN in rows whose cells are all empty."""
    empty = np.array([[not cell for cell in column] for column in cells.values()])
    some = empty.any(axis=0) & ~empty.all(axis=0)
    if some.any():
        raise errors.InputError(
            f"{path}, line {lines[some.argmax()]}: expected all of {', '.join(cells)} or "
            "none; found some empty. Fill them in, or empty them all."
        )
    filled = {name: [cell or "0" for cell in column] for name, column in cells.items()}
    found = checks.numbers(path, lines, filled)
    found[empty.any(axis=0)] = np.nan
    return found


def _checked_text(path, lines, labels):
    """The labels, if none says that it is missing in other words than an empty cell."""
    for line, label in zip(lines, labels, strict=True):
        if re.fullmatch("[+-]?(nan|inf|infinity)", label.lower()):
            raise errors.InputError(
                f"{path}, line {line}, column label: expected a class, or an empty cell "
                f"where it is unknown; found {label!r}. Empty the cell or correct it."
            )
    return labels


def _read_arrays(path, regression):
    """From an .npz file."""
    found = checks.read_npz(path)
    if missing := sorted({"x", "y", "domain"} - found.keys()):
        raise errors.InputError(
            f"{path}: expected the arrays x, y and domain; found no "
            f"{' and no '.join(missing)}, but {', '.join(found) or 'nothing'}. Add them."
        )
    if unused := found.keys() - ARRAYS:
        logging.warning("%s: not read: %s", path, ", ".join(sorted(unused)))
    x = checks.real(path, "x", checks.shaped(path, found, "x", "n features"))
    n = len(x)
    if not x.size or not found["y"].size:
        raise errors.InputError(
            f"{path}: expected samples with features in x and labels in y; found shapes "
            f"{list(x.shape)} and {list(found['y'].shape)}. Fill them."
        )
    of = as_names(path, "domain", checks.shaped(path, found, "domain", "n", n=n))
    where = [f"sample {i}" for i in range(n)]
    if not regression:
        y, class_names = checks.class_arrays(path, found, REGRESS, n=n)
        return Samples(x, y, class_names, of, where)
    y = found["y"][:, None] if found["y"].ndim == 1 else found["y"]
    y = checks.shaped(path, {"y": y}, "y", "n outputs", n=n)
    missing = np.isnan(y) if y.dtype.kind == "f" else np.zeros(y.shape, bool)
    some = missing.any(axis=1) & ~missing.all(axis=1)
    if some.any():
        raise errors.InputError(
            f"{path}: expected all outputs of a sample in y or none; found NaN for some in "
            f"sample {some.argmax()}. Fill them in, or make them all NaN."
        )
    real = checks.real(path, "y", np.where(missing, 0, y) if missing.any() else y)
    return Samples(x, np.where(missing, np.float32(np.nan), real), (), of, where)
