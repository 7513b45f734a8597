"""Tables that a campaign reads: budgets of items, and prices of an earlier one."""

import math

import numpy as np

from iclr22 import errors
from iclr22.data import checks


def read_budgets(path) -> tuple[list[str], np.ndarray]:
    """Items and their numbers of users from a file with columns item and users.

    Raises:
      errors.InputError: a missing column, an item twice, a number that is not a whole one
        above 0.
    """
    return _read(
        path,
        "users",
        "a whole number of users above 0",
        lambda x: x > 0 and x == math.floor(x),
    )


def read_prices(path) -> tuple[list[str], np.ndarray]:
    """Items and their prices from a prices.csv with columns item and price.

    Raises:
      errors.InputError: a missing column, an item twice, a price that is no number.
    """
    return _read(path, "price", "a finite number", lambda _: True)


def _read(path, column, expected, good):
    path = checks.existing(path, f"a table with the columns item and {column}")
    names, values = {}, []
    for lines, columns in checks.read_table(path, ("item", column)):
        before = len(names)
        checks.number_names(path, lines, "item", columns["item"], names)
        if len(names) < before + len(lines):
            _refuse_repeated(path, lines, columns["item"], list(names)[:before])
        for line, cell in zip(lines, columns[column], strict=True):
            if not checks.is_number(cell) or not good(float(cell)):
                raise errors.InputError(
                    f"{path}, line {line}, column {column}: expected {expected}; found "
                    f"{checks.shown(cell)}. Correct it or remove the row."
                )
            values.append(float(cell))
    if not names:
        raise errors.InputError(
            f"{path}: expected at least one item; found none. Add rows."
        )
    return list(names), np.array(values)


def _refuse_repeated(path, lines, cells, before):
    seen = set(before)
    for line, cell in zip(lines, checks.strip(cells), strict=True):
        if cell in seen:
            raise errors.InputError(
                f"{path}, line {line}: item {checks.shown(cell)} has a line already. Keep "
                "one of them."
            )
        seen.add(cell)
