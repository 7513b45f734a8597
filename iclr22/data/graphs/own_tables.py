"""The user's own graph as two tables: how they are read and checked."""

import difflib
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from absl import logging

from iclr22 import errors
from iclr22.data import checks
from iclr22.data.graphs import SPLITS

OTHER_NAMES = {"val": "valid", "validation": "valid"}  # of splits: ours


class Nodes(NamedTuple):
    """A table of nodes."""

    names: list[str]
    labels: list[str]
    splits: list[str]  # none without the column
    features: np.ndarray  # [n, d]
    feature_names: tuple[str, ...]


def read_nodes(path, *, features: Sequence[str] = (), predict: bool = False) -> Nodes:
    """Nodes of a table with the columns `id`, `label`, `split` and features.

    Args:
      features: names of the features that are read, in this order; all if empty.
      predict: labels and splits are passed over.
    """
    names, labels, splits, x, where, columns = [], [], [], [], [], {}
    for lines, columns in checks.read_table(path, ("id",)):
        where += lines
        names += checks.strip(columns.pop("id"))
        label = columns.pop("label", [""] * len(lines))
        split = columns.pop("split", ())
        if not predict:
            labels += checks.strip(label)
            splits += checks.strip(split)
        if features:
            columns = checks.pick(
                path, columns, features, tell=len(names) == len(lines)
            )
        x.append(checks.numbers(path, lines, columns, dtype=np.float64))
    check_names(path, names, where)
    rows = zip(where, splits, strict=False)
    splits = [split_name(path, line, cell) for line, cell in rows]
    table = checks.narrow(np.concatenate(x))
    return Nodes(names, labels, splits, table, tuple(columns))


def check_names(path, names: list[str], lines) -> None:
    """There are nodes, and each has a name of its own.

    Args:
      lines: of the file where they are.
    """
    if not names:
        raise errors.InputError(f"{path}: expected a row for every node; found none.")
    if "" in names:
        raise errors.InputError(
            f"{path}, line {lines[names.index('')]}, column id: expected a name for every "
            "node; found an empty cell. Fill it in."
        )
    if (again := checks.first_again(names)) is not None:
        raise duplicate(f"{path}, line {lines[again]}", names[again])


def duplicate(where, name) -> errors.InputError:
    """The error for an id that two nodes have."""
    return errors.InputError(
        f"{where}: expected an id of its own for every node; found {checks.shown(name)} "
        "again."
    )


def split_name(path, line: int, cell: str) -> str:
    """Our name of a split; empty where there is none."""
    split = OTHER_NAMES[cell] if cell in OTHER_NAMES else cell
    if split in checks.UNKNOWN:
        return ""
    if split in SPLITS:
        return split
    near = difflib.get_close_matches(split[:20], SPLITS, 1, 0.3)
    hint = f" Did you mean {near[0]}?" if near else ""
    raise errors.InputError(
        f"{path}, line {line}: expected a split {', '.join(SPLITS)} or nothing; "
        f"found {checks.shown(split)}.{hint}"
    )


def read_edges(path, number: dict[str, int], read: Callable = checks.read_table):
    """Node numbers `[2, edges]` and weights `[edges]` or None.

    Args:
      number: of each node by its name.
      read: what reads the file, as `checks.read_table` does.
    """
    ends, weights, columns = [np.zeros((2, 0), np.int64)], [], {}
    for lines, columns in read(path, ("source", "target")):
        pair = [checks.strip(columns.pop(side)) for side in ("source", "target")]
        found = np.array([[number.get(name, -1) for name in names] for names in pair])
        if (found < 0).any():
            place = (found < 0).any(axis=0).argmax()
            name = pair[found[:, place].argmin()][place]
            raise errors.InputError(
                f"{path}, line {lines[place]}: expected ids of nodes; found "
                f"{checks.shown(name)}, which no node has. Add the node or remove the edge."
            )
        ends.append(found)
        if "weight" in columns:
            weight = {"weight": columns.pop("weight")}
            weights.append(checks.numbers(path, lines, weight, least=0)[:, 0])
    if columns:
        logging.warning("%s: not read: %s", path, checks.few(columns))
    return np.concatenate(ends, axis=1), np.concatenate(weights) if weights else None
