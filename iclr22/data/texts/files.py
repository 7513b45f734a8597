"""Files of published sentence pairs."""

import csv
import gzip
import zlib

import numpy as np

from iclr22 import errors
from iclr22.data import checks, texts

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
