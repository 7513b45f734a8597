"""Comma-separated tables of the user: read in one way, with errors that say where.

UTF-8 with or without a byte order mark, any ends of lines, cells in quotes or not, spaces
around names and cells. Empty lines are skipped.
"""

import csv
import datetime
import itertools
import math
import pathlib
import re
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from absl import logging

from iclr22 import errors, record
from iclr22.data import encodings
from iclr22.data.encodings import WIDE, short

ROWS = 4096  # in a block, at most
CELLS = 1 << 20  # in a block, at most
FEW = 5  # names in an error
# what pandas calls a column without a name
INDEX = re.compile(r"(Unnamed: \d+(\.\d+)*)?")


def existing(path, what: str = "a file") -> pathlib.Path:
    """The path of a file that is there; `~` is the home folder.

    Args:
      what: is expected, for the error.
    """
    try:
        path = pathlib.Path(path).expanduser()
        found = path.is_file()
    except (OSError, RuntimeError, ValueError):  # too long, no home, a zero byte
        found = False
    if not found:
        raise errors.InputError(
            f"{short(path, 300)}: expected {what}; found none there. Correct the path."
        )
    return path


def shown(cell) -> str:
    """A cell as an error shows it: in quotes, cut if it is long."""
    cell = str(cell)
    return repr(cell if len(cell) <= WIDE else cell[: WIDE - 3] + "...")


def few(names: Iterable) -> str:
    """The first names of many, as text."""
    names = list(names)
    more = f" and {len(names) - FEW} more" if len(names) > FEW else ""
    return ", ".join(short(name) for name in names[:FEW]) + more


def read_table(
    path, required: Sequence[str], *, free: Sequence[str] = (), tell: bool = True
) -> Iterator[tuple[tuple, dict]]:
    """A comma-separated table, some rows at a time: line numbers, cells by column.

    A first column without a name is the index of a data frame and left out; nameless
    columns at the end have to be empty.

    Args:
      path: of a file in UTF-8 whose first line names the columns.
      required: columns that must be there; no cell of them may hold an end of line.
      free: columns of texts, whose cells may span lines that look like rows.
      tell: log what is left out.

    Raises:
      errors.InputError: no such table; with the line, for a row that spans several the
        one where it begins.
    """
    try:
        with open(path, newline="", encoding="utf-8-sig") as stream:
            rows = _rows(path, stream)
            _, _, header = next(rows, (1, 1, []))
            header = _checked_header(path, header, required, tell)
            whole = (_checked_row(path, header, required, free, *row) for row in rows)
            size = max(1, min(ROWS, CELLS // max(len(header), 1)))
            while block := list(itertools.islice(whole, size)):
                lines, cells = zip(*block, strict=True)
                columns = zip(header, zip(*cells, strict=True), strict=True)
                yield lines, {name: column for name, column in columns if name}
    except UnicodeDecodeError as error:
        raise encodings.undecodable(path) from error
    except OSError as error:
        raise encodings.unreadable(path, error) from error


def read_header(path) -> list[str]:
    """Names of the columns of a table."""
    try:
        with open(path, newline="", encoding="utf-8-sig") as stream:
            return strip(next(_rows(path, stream), (1, 1, []))[2])
    except UnicodeDecodeError as error:
        raise encodings.undecodable(path) from error
    except OSError as error:
        raise encodings.unreadable(path, error) from error


def _rows(path, stream) -> Iterator[tuple[int, int, list[str]]]:
    """First and last line of every row, and its cells; rows of nothing are skipped."""
    reader = csv.reader(stream, skipinitialspace=True)
    begin = 1
    try:
        for row in reader:
            end = reader.line_num
            if row and (row[0] or any(map(str.strip, row))):
                yield begin, end, row
            begin = end + 1
    except csv.Error as error:
        limit = csv.field_size_limit()
        raise errors.InputError(
            f"{path}, line {begin}: expected cells of at most {limit:,} characters; found "
            f"{short(error)} in line {reader.line_num}. Close the quote that opens in line "
            f"{begin}, or shorten the cell."
        ) from error


def _checked_header(path, header, required, tell) -> list[str]:
    """Names of columns, empty for those that are left out."""
    header = strip(header)
    found = few(name or "(no name)" for name in header) or "nothing"
    if any("\0" in name for name in header):
        raise errors.InputError(
            f"{path}: expected a comma-separated table in UTF-8; found zero bytes, as in "
            "UTF-16 text. Save it as UTF-8."
        )
    for name in required:
        if name not in header:
            raise errors.InputError(
                f"{path}, line 1: expected a header with the column {name}, separated "
                f"by commas; found {found}."
            )
    if len(header) > 1 and INDEX.fullmatch(header[0]):
        if tell:
            logging.warning(
                "%s: the first column has no name: it is taken for an index and not read",
                path,
            )
        header[0] = ""
    named = len(header)
    while named and not header[named - 1]:
        named -= 1
    if "" in header[1:named]:
        raise errors.InputError(
            f"{path}, line 1: expected a name for every column; found none for column "
            f"{header.index('', 1) + 1}. Name it or remove it."
        )
    names = [name for name in header if name]
    if len(set(names)) < len(names):
        twice = next(name for i, name in enumerate(names) if name in names[:i])
        raise errors.InputError(
            f"{path}, line 1: expected columns of different names; found {found}, "
            f"{shown(twice)} twice."
        )
    return header


def _checked_row(path, header, required, free, begin, end, row):
    """The line where the row begins, and its cells."""
    if len(row) != len(header):
        spans = ""
        if end > begin:
            spans = f" A quote that opens in line {begin} swallows the lines to {end}."
        raise errors.InputError(
            f"{path}, line {begin}: expected {len(header)} cells as in the header; found "
            f"{len(row)}.{spans}"
        )
    if end > begin:
        _check_quotes(path, header, required, free, begin, end, row)
    if not header[-1] and any(
        cell.strip() for name, cell in zip(header[1:], row[1:], strict=True) if not name
    ):
        raise errors.InputError(
            f"{path}, line {begin}: expected empty cells in columns without a name; found "
            f"{shown(row[-1])}. Name the columns or remove the cells."
        )
    return begin, row


def _check_quotes(path, header, required, free, begin, end, row):
    """A cell that spans lines is a text, not rows that an open quote swallowed."""
    for place, (name, cell) in enumerate(zip(header, row, strict=True)):
        lines = cell.splitlines()
        if len(lines) < 2 or name in free:
            continue
        # Commas in what would be the rest of a row, whole rows and the begin of one.
        commas = [len(header) - 1] * len(lines)
        commas[0], commas[-1] = len(header) - 1 - place, place
        swallowed = [line.count(",") for line in lines] == commas
        if name in required or swallowed:
            raise errors.InputError(
                f"{path}, line {begin}, column {name}: expected a quote that closes in its "
                f"line; found one that opens in line {begin} and swallows the lines to "
                f"{end}. Close it, or write a quote within a cell twice."
            )


# Cells


def strip(cells: Iterable[str]) -> list[str]:
    """Cells without white space around them, as they were before `record.write_csv`."""
    found = map(str.strip, cells)
    return [record.plain_cell(x).strip() if x[:1] == "'" else x for x in found]


def utc(cell: str) -> datetime.datetime:
    """A date in ISO 8601, in UTC and without a zone; without one it is UTC already.

    Raises:
      ValueError, OverflowError: it is none.
    """
    moment = datetime.datetime.fromisoformat(cell)
    if moment.tzinfo is None:
        return moment
    return moment.astimezone(datetime.UTC).replace(tzinfo=None)


def is_number(cell: str) -> bool:
    """Whether a cell is a finite number."""
    try:
        return math.isfinite(float(cell))
    except ValueError:
        return False


def numbers(
    path, lines, columns: dict, least: float = -math.inf, dtype: type = np.float32
) -> np.ndarray:
    """The cells of a block as numbers `[rows, columns]`, `least` or more.

    Args:
      dtype: of the result; whatever it is, numbers fit into float32.
    """
    block = np.empty((len(lines), len(columns)), dtype)
    for j, (name, cells) in enumerate(columns.items()):
        try:
            with np.errstate(over="ignore"):
                found = np.fromiter(map(float, cells), np.float64, len(cells))
                fits = np.isfinite(found.astype(np.float32))
                block[:, j] = found
            bad = ~(fits & (found >= least))
        except ValueError:
            bad = np.array([not is_number(cell) for cell in cells])
        if bad.any():
            place = bad.argmax()
            bound = f" of at least {least}" if math.isfinite(least) else ""
            raise errors.InputError(
                f"{path}, line {lines[place]}, column {short(name)}: expected a finite "
                f"number{bound}; found {shown(cells[place])}. Correct it, or remove the row "
                "or the column."
            )
    return block


def pick(
    path,
    columns: dict,
    features: Sequence[str],
    passed: Iterable[str] = (),
    *,
    tell: bool = True,
) -> dict:
    """The columns that a model was trained on, in its order; others are told and left.

    Args:
      features: their names.
      passed: names of others that nothing is said about.
      tell: log what is left; of the first block of a table.

    Raises:
      errors.InputError: some are missing.
    """
    if missing := [name for name in features if name not in columns]:
        raise errors.InputError(
            f"{path}, line 1: expected the {len(features)} features that the model was "
            f"trained on; found no {few(missing)}. Add the columns."
        )
    unknown = columns.keys() - set(features) - set(passed)
    if unknown and tell:
        names = few(name for name in columns if name in unknown)
        logging.warning("%s: not read, the model does not know: %s", path, names)
    return {name: columns[name] for name in features}
