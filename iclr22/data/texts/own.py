"""The user's own sentence pairs, and single sentences."""

import os

import numpy as np
from absl import logging

from iclr22 import errors
from iclr22.data import checks, texts
from iclr22.data.labels import UNKNOWN

COLUMNS = ("sentence1", "sentence2")
SCORE = "score"


def load_own(path: str | os.PathLike, *, scored: bool = False) -> texts.Pairs:
    """The user's own pairs, all of them `train`.

    Args:
      path: a .csv with the columns `sentence1` and `sentence2` and, if wanted, `score`, a
        number on any scale that is larger for what is more alike, empty where unknown;
        others are passed over.
      scored: pairs without a score are left out, which is told: the file is there to
        select or to measure by.

    Raises:
      errors.InputError: a file or column that is missing, an empty sentence, a score that
        is no number, with the line; no pairs, all alike, or, where they have to be
        scored, no scores or all the same.
    """
    path = checks.existing(path, f"a table with the columns {', '.join(COLUMNS)}")
    first, second, score, given = [], [], [], False
    for lines, columns in checks.read_table(path, COLUMNS):
        first += _sentences(path, lines, columns, COLUMNS[0])
        second += _sentences(path, lines, columns, COLUMNS[1])
        given = SCORE in columns
        score.append(_scores(path, lines, columns.get(SCORE, [""] * len(lines))))
    if not first:
        raise errors.InputError(
            f"{path}: expected a row for every pair; found none. Add rows."
        )
    pairs = texts.make(first, second, np.concatenate(score))
    found = texts.describe(pairs)
    if found["same"] == found["pairs"] or found["different"] < 2:
        what = "one pair again and again" if found["different"] < 2 else "the same one"
        raise errors.InputError(
            f"{path}: expected pairs of different sentences; found {what} in all "
            f"{found['pairs']} rows. Put what is to be compared side by side."
        )
    logging.info(
        "%s: %d pairs, %d of them different, of %d sentences; %d have a score, in %d both "
        "sentences are the same",
        path,
        *(found[x] for x in ("pairs", "different", "sentences", "scored", "same")),
    )
    return _scored(path, pairs, given) if scored else pairs


def _sentences(path, lines, columns, name) -> list[str]:
    cells = checks.strip(columns[name])
    if "" in cells:
        raise errors.InputError(
            f"{path}, line {lines[cells.index('')]}, column {name}: expected a sentence; "
            "found an empty cell. Fill it in or remove the row."
        )
    return cells


def _scores(path, lines, cells) -> np.ndarray:
    """Float32 `[n]`, NaN where a cell says unknown."""
    cells = checks.strip(cells)
    rows = [i for i, x in enumerate(cells) if x not in UNKNOWN]
    found = np.full(len(cells), np.nan, np.float32)
    known = {SCORE: [cells[i] for i in rows]}
    found[rows] = checks.numbers(path, [lines[i] for i in rows], known)[:, 0]
    return found


def _scored(path, pairs, given) -> texts.Pairs:
    """The pairs with a score."""
    known = ~np.isnan(pairs.score)
    if len(set(pairs.score[known].tolist())) < 2:
        told = "no column score" if not given else f"{known.sum()} in {len(known)} rows"
        told += ", all the same" if known.any() else ""
        raise errors.InputError(
            f"{path}: expected scores that differ, to select or to measure by; found "
            f"{told}. Add a column {SCORE}, or do without this file."
        )
    if not known.all():
        logging.warning(
            "%s: %d of %d pairs have no score and are left out",
            path,
            (~known).sum(),
            len(known),
        )
    return texts.select(pairs, known)


def load_sentences(path: str | os.PathLike) -> np.ndarray:
    """The user's own sentences `[n]`, one in each line of a text file in UTF-8.

    Empty lines and what was there before are left out, which is told.

    Raises:
      errors.InputError: no such file, another encoding, or fewer than two sentences.
    """
    path = checks.existing(path, "a text file with a sentence in each line")
    try:
        lines = path.read_text("utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise errors.InputError(
            f"{path}: expected a text file in UTF-8 with a sentence in each line; found "
            f"{checks.short(error)}. Save it as UTF-8."
        ) from error
    if any("\0" in x for x in lines):
        raise errors.InputError(
            f"{path}: expected a text file in UTF-8; found zero bytes, as in UTF-16 text. "
            "Save it as UTF-8."
        )
    found = [x for x in map(str.strip, lines) if x]
    kept = list(dict.fromkeys(found))
    if len(kept) < 2:
        raise errors.InputError(
            f"{path}: expected a sentence in each line, two at least; found {len(kept)} "
            f"different in {len(lines)} lines. Add some."
        )
    logging.info(
        "%s: %d sentences; left out: %d again", path, len(kept), len(found) - len(kept)
    )
    return texts.text_array(kept)
