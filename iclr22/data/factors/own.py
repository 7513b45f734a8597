"""The user's own images with the values of the factors behind them."""

import math
import os
import pathlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from absl import logging

from iclr22 import errors
from iclr22.data import checks
from iclr22.data.factors import Factor, FactorImages, Grid, own_images

TABLE = "factors.csv"  # is looked for in the folder of the images
LARGEST = 2**62  # combinations of a grid
UNEVEN = 1e-3  # of the mean step between values that steps may differ by


class _Column(NamedTuple):
    """Values of a factor by image, and where they stand."""

    where: str  # for errors
    cells: Any  # texts, or an array of numbers
    lines: Sequence[int]  # of the table; places in an array


def load_own(
    images: str | os.PathLike,
    factors: str | os.PathLike | None = None,
    *,
    side: int = 64,
    categorical: Sequence[str] = (),
    cyclic: Sequence[str] = (),
    split: Sequence[str] = (),
    complete: bool = False,
) -> FactorImages:
    """The user's own images and factors.

    Columns of numbers are factors with an order, whose values are the numbers that occur;
    columns of texts are categorical. Combinations may be missing.

    Args:
      images: a folder of images, all of one size; or an `.npz` with `x` `[n, h, w]`,
        `[n, h, w, c]` or `[n, c, h, w]`, bytes or real numbers from 0 to 1, and, without a
        table, `factors` `[n, f]` and if wanted `factor_names` `[f]`.
      factors: a table (.csv) with a column for each factor and, for a folder, the column
        `image` with the names of its files; a row for each image, for an `.npz` in its
        order. By default `factors.csv` in the folder.
      side: pixels that images get. Those of a folder are resized, means of areas; those of
        an `.npz` have that side or a multiple of it. 0: what they have; they are square.
      categorical: names of factors without an order, although they are numbers.
      cyclic: names of factors whose last value comes before the first.
      split: names of the factors that splits hold values of out; by default all with an
        order and at least three values.
      complete: refuse grids that lack combinations.

    Returns:
      Images in the order of the table.

    Raises:
      errors.InputError: what is missing or wrong, and where.
    """
    path = pathlib.Path(images).expanduser()
    if side < 0:
        raise errors.InputError(f"expected side of 0 or more, found {side}")
    if path.is_dir():
        table = checks.existing(factors or path / TABLE, "a table of factors")
        names, columns = _read_table(table, image=True)
        _check_options(table, columns, categorical, cyclic, split)
        grid, numbers = _grid_of(table, columns, categorical, cyclic)
        paths = own_images.matched(
            path, table, names, next(iter(columns.values())).lines
        )
        index = _index(table, grid, numbers, columns, complete)
        x = own_images.decode(paths, side)
    else:
        path = checks.existing(path, "a folder of images, or an .npz with the array x")
        found = checks.read_npz(path)
        table = path if factors is None else checks.existing(factors, "a table")
        columns = _columns(path, found) if factors is None else _read_table(table)[1]
        _check_options(table, columns, categorical, cyclic, split)
        grid, numbers = _grid_of(table, columns, categorical, cyclic)
        index = _index(table, grid, numbers, columns, complete)
        x = own_images.of_array(path, found, side, len(index), table)
    ordered = [f.name for f in grid.factors if f.kind == "ordinal" and f.size > 2]
    chosen = tuple(f for f in grid.names if f in (split or ordered))
    return FactorImages(grid, index, x, "", x.shape[1], x.shape[-1], chosen)


def _read_table(path, *, image=False):
    """Names of images, and columns by factor."""
    required = ("image",) if image else ()
    lines, columns = [], {}
    for some, cells in checks.read_table(path, required):
        lines += some
        for name, column in cells.items():
            columns.setdefault(name, []).extend(checks.strip(column))
    names = columns.pop("image", [])
    if not lines or not columns:
        raise errors.InputError(
            f"{path}: expected a row for each image{' (column image)' * image} and a column "
            f"for each factor; found {len(lines)} rows and {len(columns)} factors."
        )
    return names, {
        name: _Column(f"column {checks.short(name)}", cells, lines)
        for name, cells in columns.items()
    }


def _columns(path, found):
    """Columns by factor of the array `factors`."""
    if "factors" not in found:
        raise errors.InputError(
            f"{path}: expected an array factors [n, f], or a table (--factors); found "
            f"{checks.few(found) or 'nothing'}."
        )
    values = checks.shaped(path, found, "factors", "n f")
    if not values.size:
        raise errors.InputError(
            f"{path}: expected factors of some images; found shape {list(values.shape)}."
        )
    if values.dtype.kind != "U":
        values = checks.real(path, "factors", values, dtype=np.float64)
    names = [f"factor_{j}" for j in range(values.shape[1])]
    if "factor_names" in found:
        given = checks.shaped(path, found, "factor_names", "f", f=values.shape[1])
        names = checks.strip(given.astype(str).tolist())
    if len(set(names)) < len(names) or "" in names:
        raise errors.InputError(
            f"{path}: expected factor_names that differ; found {checks.few(names)}."
        )
    places = range(len(values))
    return {
        name: _Column(f"factor {checks.short(name)}", column, places)
        for name, column in zip(names, values.T, strict=True)
    }


def _check_options(path, columns, categorical, cyclic, split):
    for option in (categorical, cyclic, split):
        for name in option:
            if name not in columns:
                raise errors.nearest(name, columns, f"factor of {path}")


def _grid_of(path, columns, categorical, cyclic) -> tuple[Grid, np.ndarray]:
    """The grid of all values that occur, and numbers of values `[n, f]`."""
    found, numbers = [], []
    for name, column in columns.items():
        values, number = _typed(path, column, name in categorical, name in cyclic)
        if len(values) < 2:
            raise errors.InputError(
                f"{path}, {column.where}: expected a factor that varies; found only "
                f"{checks.few(values)}. Remove the column."
            )
        ordered = not isinstance(values[0], str) and name not in categorical
        kind = "categorical" if not ordered else "ordinal"
        found.append(Factor(name, values, "cyclic" if name in cyclic else kind))
        numbers.append(number)
        if ordered:
            _tell_uneven(path, column.where, values)
    sizes = {x.name: x.size for x in found}
    if math.prod(sizes.values()) > LARGEST:
        most = max(sizes, key=sizes.__getitem__)
        raise errors.InputError(
            f"{path}: expected factors whose values recur; found up to {sizes[most]:,} "
            f"different ones ({most}). Round them, or remove columns that are no factors."
        )
    return Grid(tuple(found)), np.stack(numbers, axis=1)


def _typed(
    path, column, categorical, cyclic
) -> tuple[tuple[int | float | str, ...], np.ndarray]:
    """Values of a factor in order, and their numbers by image."""
    cells = column.cells
    if isinstance(cells, np.ndarray) and cells.dtype.kind == "f":
        values, number = np.unique(cells, return_inverse=True)
        return _plain(values), number.ravel()
    cells = list(map(str, cells))
    missing = [cell in checks.UNKNOWN for cell in cells]
    number_like = [checks.is_number(cell) for cell in cells]
    if any(missing):
        place, wanted = missing.index(True), "a value"
    elif all(number_like):
        values, number = np.unique(np.array(cells, np.float64), return_inverse=True)
        return _plain(values), number.ravel()
    elif cyclic:
        place, wanted = number_like.index(False), "a number, of a cyclic factor"
    elif categorical or not any(number_like):
        values, number = np.unique(checks.text_array(cells), return_inverse=True)
        return tuple(values.tolist()), number.ravel()
    else:
        texts = sum(number_like) * 2 < len(cells)
        place, wanted = number_like.index(texts), "a text" if texts else "a number"
        wanted += " as in most rows, or texts that are named as categorical"
    at = "line" if not isinstance(column.lines, range) else "place"
    raise errors.InputError(
        f"{path}, {at} {column.lines[place]}, {column.where}: expected {wanted}; found "
        f"{checks.shown(cells[place])}. Correct it, or remove the row and its image."
    )


def _plain(values):
    """Numbers as Python's own, whole ones without a point."""
    return tuple(int(x) if x.is_integer() else x for x in values.tolist())


def _tell_uneven(path, where, values):
    steps = np.diff(np.array(values, np.float64))
    if np.ptp(steps) > UNEVEN * steps.mean():
        logging.warning(
            "%s, %s: values do not lie evenly; what is predicted is their place in the "
            "order, from 0 to 1",
            path,
            where,
        )


def _index(path, grid, numbers, columns, complete) -> np.ndarray:
    """Flat grid indices of images, each once."""
    index = grid.flat(numbers).astype(np.int64)
    order = np.argsort(index, kind="stable")
    again = np.flatnonzero(np.diff(index[order]) == 0)
    if len(again):
        first, second = order[again[0]], order[again[0] + 1]
        lines = next(iter(columns.values())).lines
        at = "line" if not isinstance(lines, range) else "place"
        names = zip(grid.factors, numbers[second], strict=True)
        values = ", ".join(f"{x.name} {x.values[i]}" for x, i in names)
        raise errors.InputError(
            f"{path}, {at} {lines[second]}: expected every combination of factors once; "
            f"found {checks.short(values, 200)} in {at} {lines[first]} already, "
            f"{len(again):,} in all. Remove them, or add what tells them apart as a column."
        )
    missing = grid.count - len(index)
    if missing and complete:
        absent = int(np.setdiff1d(np.arange(min(grid.count, len(index) + 1)), index)[0])
        names = zip(grid.factors, grid.numbers([absent])[0], strict=True)
        raise errors.InputError(
            f"{path}: expected all {grid.count:,} combinations of {grid.sizes} values; "
            f"found {len(index):,}, for instance none with "
            f"{', '.join(f'{x.name} {x.values[i]}' for x, i in names)}. Add the images, or "
            "allow an incomplete grid."
        )
    if missing:
        logging.info(
            "%s: %d of %d combinations of factors are there",
            path,
            len(index),
            grid.count,
        )
    return index
