"""Files of published sentence pairs."""

import csv
import gzip
import zlib

import numpy as np

from iclr22 import errors
from iclr22.data import checks, texts

SICK = ("sentence_A", "sentence_B", "relatedness_score", "entailment_judgment")
MRPC = ("#1 String", "#2 String", "Quality")
MRPC_DEV = 500  # pairs at the end of the original training part
COLUMNS = ("dataset", "subset", "split", "score", "sentence1", "sentence2")


def read_tables(path) -> dict[str, texts.Pairs]:
    """Pairs by name of the data set, from a table (.csv.gz) with the columns `dataset`,
    `subset`, `split`, `score` (empty where unknown), `sentence1` and `sentence2`.

    Raises:
      errors.InputError: another file, or a score that is no number.
    """
    try:
        with gzip.open(path, "rt", encoding="utf-8", newline="") as stream:
            header, *rows = csv.reader(stream)
        if tuple(header) != COLUMNS or {len(row) for row in rows} - {len(COLUMNS)}:
            raise ValueError(f"columns {checks.few(header)}")
        score = np.array([row[3] or "nan" for row in rows], np.float32)
    except (OSError, EOFError, zlib.error, csv.Error, ValueError) as error:
        raise errors.InputError(
            f"{path}: expected a compressed table with the columns {', '.join(COLUMNS)}; "
            f"found {checks.short(error)}."
        ) from error
    name, subset, split, _, first, second = zip(*rows, strict=True)
    whole = texts.make(first, second, score, split, subset)
    name = np.array(name)
    return {x: texts.select(whole, name == x) for x in dict.fromkeys(name.tolist())}


def read_sick(train, trial, test) -> texts.Pairs:
    """SICK from its three original files; the subset is what annotators say of entailment.

    Raises:
      errors.InputError: another file, or a score that is no number.
    """
    parts = []
    for path, split in ((train, texts.TRAIN), (trial, texts.DEV), (test, texts.TEST)):
        columns = _tabbed(path, SICK)
        parts.append(_made(path, columns, split)._replace(subset=np.array(columns[3])))
    return texts.joined(parts)


def read_mrpc(train, test) -> texts.Pairs:
    """MRPC from its two original files; the last 500 pairs of the first are `dev`.

    Raises:
      errors.InputError: another file, or a label that is no number.
    """
    whole, measured = (
        _made(path, _tabbed(path, MRPC), split)
        for path, split in ((train, texts.TRAIN), (test, texts.TEST))
    )
    whole.split[-MRPC_DEV:] = texts.DEV
    return texts.joined([whole, measured])


def _made(path, columns, split) -> texts.Pairs:
    first, second, score = columns[:3]
    try:
        return texts.make(first, second, np.array(score, np.float32), split)
    except ValueError as error:
        raise errors.InputError(
            f"{path}: expected scores that are numbers; found {checks.short(error)}."
        ) from error


def _tabbed(path, names) -> list[list[str]]:
    """Columns of a table whose cells are between tabs, as they are: quotes are text."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as stream:
            lines = [x.rstrip("\r") for x in stream.read().split("\n")]
        header, *rows = [x.split("\t") for x in lines if x.strip()]
        places = [header.index(name) for name in names]
        return [[row[place].strip() for row in rows] for place in places]
    except (OSError, ValueError, IndexError) as error:
        raise errors.InputError(
            f"{path}: expected a table with the columns {', '.join(names)} between tabs; "
            f"found {checks.short(error)}."
        ) from error
