"""The user's own samples of domains: a table, or arrays."""

import pathlib
import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from absl import logging

from iclr22 import errors
from iclr22.data import checks
from iclr22.data.domains.own_links import as_names

ARRAYS = {"x", "y", "domain", "class_names"}
LABEL = re.compile("label(_.*)?")  # columns of labels
REGRESS = ", or ask for regression"  # advice about labels


class Samples(NamedTuple):
    """Samples as read; domains by name."""

    x: np.ndarray  # [n, features] float32, or float64 where float32 would blur a column
    y: np.ndarray  # as in `DomainData`
    class_names: tuple[str, ...]
    of: list[str]  # [n], names of domains
    where: list[str]  # [n], places in the file, for errors
    feature_names: tuple[str, ...] = ()


def read(path: pathlib.Path, regression: bool) -> Samples:
    """Samples of a table or of an .npz; see `own.load_own`."""
    arrays = path.suffix.lower() == ".npz"
    return _read_arrays(path, regression) if arrays else _read_table(path, regression)


def read_unlabelled(path: pathlib.Path, features: Sequence[str]):
    """Samples to predict for: features `[n, features]`, names of domains, feature names.

    Args:
      features: names of the features that are read, in this order; all if empty. Labels
        are passed over.
    """
    if path.suffix.lower() == ".npz":
        found = checks.read_npz(path)
        return (*_read_features(path, found, ("x", "domain")), ())
    of, blocks, columns = [], [], {}
    for lines, columns in checks.read_table(path, ("domain",)):
        of += checks.strip(columns.pop("domain"))
        labels = [name for name in columns if LABEL.fullmatch(name)]
        if features:
            columns = checks.pick(
                path, columns, features, labels, tell=len(of) == len(lines)
            )
        else:
            columns = {k: cells for k, cells in columns.items() if k not in labels}
        blocks.append(checks.numbers(path, lines, columns, dtype=np.float64))
    _check_table(path, of, columns, "domain and labels")
    return np.concatenate(blocks), of, tuple(columns)


def _read_table(path, regression):
    where, of, labels, blocks, columns = [], [], [], [], {}
    for lines, columns in checks.read_table(path, ("domain",)):
        outputs = _outputs(path, columns, regression)
        where += [f"line {line}" for line in lines]
        of += checks.strip(columns.pop("domain"))
        cells = {name: checks.strip(columns.pop(name)) for name in outputs}
        if regression:
            labels.append(_numbers(path, lines, cells))
        else:
            labels += _checked_text(path, lines, cells["label"])
        _check_table(path, of, columns, f"domain and {', '.join(outputs)}")
        blocks.append(checks.numbers(path, lines, columns, dtype=np.float64))
    _check_table(path, of, True, "")
    x, names = checks.narrow(np.concatenate(blocks)), tuple(columns)
    if regression:
        y = np.concatenate(labels)
        return Samples(x, _narrow_outputs(y), (), of, where, names)
    y, class_names = checks.classes(path, labels)
    return Samples(x, y, class_names, of, where, names)


def _check_table(path, of, columns, besides):
    """There are rows and features."""
    if not of:
        raise errors.InputError(
            f"{path}: expected a row for every sample; found none. Add them."
        )
    if not columns:
        raise errors.InputError(
            f"{path}, line 1: expected features, columns of numbers besides {besides}; found "
            "none. Add them."
        )


def _outputs(path, columns, regression):
    """Names of the columns with labels."""
    found = [name for name in columns if LABEL.fullmatch(name)]
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
    """Outputs `[rows, outputs]` float64, NaN in rows whose cells are all unknown."""
    empty = np.array(
        [[x in checks.UNKNOWN for x in column] for column in cells.values()]
    )
    some = empty.any(axis=0) & ~empty.all(axis=0)
    if some.any():
        raise errors.InputError(
            f"{path}, line {lines[some.argmax()]}: expected all of {checks.few(cells)} or "
            "none; found some empty. Fill them in, or empty them all."
        )
    filled = {
        name: ["0" if cell in checks.UNKNOWN else cell for cell in column]
        for name, column in cells.items()
    }
    found = checks.numbers(path, lines, filled, dtype=np.float64)
    found[empty.any(axis=0)] = np.nan
    return found


def _narrow_outputs(y):
    """Outputs as float32, or float64 where that would blur them; NaN stays."""
    known = ~np.isnan(y).any(axis=1)
    kept = checks.narrow(y[known])
    found = np.full(y.shape, np.nan, kept.dtype)
    found[known] = kept
    return found


def _checked_text(path, lines, labels):
    """The labels, if none is an infinite number."""
    for line, label in zip(lines, labels, strict=True):
        if re.fullmatch("[+-]?(inf|infinity)", label.lower()):
            raise errors.InputError(
                f"{path}, line {line}, column label: expected a class, or an empty cell "
                f"where it is unknown; found {label!r}. Empty the cell or correct it."
            )
    return labels


def _read_arrays(path, regression):
    """From an .npz file."""
    found = checks.read_npz(path)
    x, of = _read_features(path, found, ("x", "y", "domain"))
    n = len(x)
    where = [f"sample {i}" for i in range(n)]
    if not found["y"].size:
        raise errors.InputError(
            f"{path}: expected samples with features in x and labels in y; found shapes "
            f"{list(x.shape)} and {list(found['y'].shape)}. Fill them."
        )
    if not regression:
        y, class_names = checks.class_arrays(path, found, REGRESS, n=n)
        return Samples(checks.narrow(x), y, class_names, of, where)
    y = found["y"][:, None] if found["y"].ndim == 1 else found["y"]
    y = checks.shaped(path, {"y": y}, "y", "n outputs", n=n)
    missing = np.isnan(y) if y.dtype.kind == "f" else np.zeros(y.shape, bool)
    some = missing.any(axis=1) & ~missing.all(axis=1)
    if some.any():
        raise errors.InputError(
            f"{path}: expected all outputs of a sample in y or none; found NaN for some in "
            f"sample {some.argmax()}. Fill them in, or make them all NaN."
        )
    filled = np.where(missing, 0, y) if missing.any() else y
    y = checks.real(path, "y", filled, dtype=np.float64)
    y = np.where(missing, np.nan, y)
    return Samples(checks.narrow(x), _narrow_outputs(y), (), of, where)


def _read_features(path, found, wanted):
    """x `[n, features]` and the names of domains, from arrays of which some must be there."""
    if missing := sorted(set(wanted) - found.keys()):
        listed = " and ".join(filter(None, (", ".join(wanted[:-1]), wanted[-1])))
        raise errors.InputError(
            f"{path}: expected the arrays {listed}; found no "
            f"{' and no '.join(missing)}, but {checks.few(found) or 'nothing'}. Add them."
        )
    if unused := found.keys() - ARRAYS:
        logging.warning("%s: not read: %s", path, checks.few(sorted(unused)))
    x = checks.shaped(path, found, "x", "n features")
    if not x.size:
        raise errors.InputError(
            f"{path}: expected samples with features in x and labels in y; found shape "
            f"{list(x.shape)} of x. Fill it."
        )
    x = checks.real(path, "x", x, dtype=x.dtype.type)
    of = checks.shaped(path, found, "domain", "n", n=len(x))
    return x, as_names(path, "domain", of)
