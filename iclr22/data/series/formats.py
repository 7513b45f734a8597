"""What a file of series looks like: its columns, dates and decimals."""

import json
import os
import re
from typing import Literal, NamedTuple

from iclr22.data import checks
from iclr22.data.series import files
from iclr22.data.series.own import LONG, MISSING, moment

FULL = "%Y-%m-%dT%H:%M:%S"
PATTERNS = (
    "%Y-%m",
    "%Y-%m-%d",
    "%Y%m%d",
    *(f"%Y-%m-%d{sep}%H{rest}" for sep in "T " for rest in ("", ":%M", ":%M:%S")),
    "%Y%m%dT%H%M",
    "%Y%m%dT%H%M%S",
)
ZONE = re.compile(r"(?<=\d)(Z|[+-]\d{2}:?\d{2})$")


class Format(NamedTuple):
    """How a file of series is written; JSON values.

    Attributes:
      kind: as `own.load_own` tells files apart.
      columns: of a table, in order; of JSON lines their keys.
      time: pattern of `strftime`; those of files with a zone end in UTC.
      decimals: by series; None where numbers have exponents: they are written in full.
      by_time: rows of a long table follow time, else they follow series.
      missing: what stands for a missing value.
    """

    kind: Literal["wide", "long", "json", "lstnet"]
    columns: tuple[str, ...]
    time: str
    decimals: dict[str, int | None]
    by_time: bool = False
    missing: str = ""


def read_format(path: str | os.PathLike) -> Format:
    """The format of a file that `own.load_own` reads.

    Raises:
      errors.InputError: no such file.
    """
    path = checks.existing(path, "a table of time series")
    kind = next((x for x in reversed(path.suffixes) if x != ".gz"), "").lower()
    if kind == ".csv":
        return _table_format(path)
    if kind == ".txt":
        return _lstnet_format(path)
    return _json_format(path)


def _table_format(path) -> Format:
    times, decimals, missing, order, names = [], {}, "", [], ()
    for _, columns in checks.read_table(path, (), tell=False):
        names = tuple(columns)
        long = set(LONG) <= set(names)
        if len(times) < checks.ROWS:
            times += checks.strip(columns["time" if long else names[0]])
        if long:
            ids = checks.strip(columns["id"])
            order += [
                x for x, last in zip(ids, [None, *ids], strict=False) if x != last
            ]
            cells = zip(ids, checks.strip(columns["value"]), strict=True)
        else:
            cells = ((n, x) for n in names[1:] for x in checks.strip(columns[n]))
        for name, cell in cells:
            if cell.lower() in MISSING:
                missing = missing or cell
            else:
                decimals[name] = _more(decimals.get(name, 0), _decimals(cell))
    long = set(LONG) <= set(names)
    runs = len([x for x, last in zip(order, [None, *order], strict=False) if x != last])
    kind = "long" if long else "wide"
    return Format(
        kind, names, _pattern(times), decimals, runs > len(set(order)), missing
    )


def _lstnet_format(path) -> Format:
    decimals = {}
    with files.opened(path) as stream:
        for line in stream:
            for i, cell in enumerate(line.split(",")):
                count = _decimals(cell.strip())
                decimals[str(i)] = _more(decimals.get(str(i), 0), count)
    return Format("lstnet", (), "", decimals)


def _json_format(path) -> Format:
    times, decimals, missing, columns = [], {}, "", ()
    with files.opened(path) as stream:
        for line in filter(str.strip, stream):
            entry = json.loads(line, parse_float=str, parse_int=str)
            columns = columns or tuple(entry)
            times.append(str(entry["start"]))
            name = str(entry.get("item_id", len(times) - 1))
            cells = [str(x) for x in entry["target"] if x not in (None, "NaN")]
            missing = "NaN" if "NaN" in entry["target"] else missing
            for cell in cells:
                decimals[name] = _more(decimals.get(name, 0), _decimals(cell))
    return Format("json", columns, _pattern(times), decimals, missing=missing)


def _decimals(cell: str) -> int | None:
    """Digits after the point; None of a number with an exponent."""
    return None if "e" in cell.lower() else len(cell.partition(".")[2])


def _more(a: int | None, b: int | None) -> int | None:
    return None if a is None or b is None else max(a, b)


def _pattern(cells) -> str:
    """The pattern that all of these times keep to, or the full one."""
    zones = {ZONE.search(x) is not None and len(x) > 10 for x in cells}
    zone = ""
    if zones == {True}:
        zone = "Z" if all(x.endswith("Z") for x in cells) else "+00:00"
        cells = [ZONE.sub("", x) for x in cells]
    for pattern in PATTERNS:
        if cells and all(_keeps_to(x, pattern) for x in cells):
            return pattern + zone
    return FULL + zone


def _keeps_to(cell, pattern) -> bool:
    try:
        return moment(cell).strftime(pattern) == cell
    except (ValueError, OverflowError):
        return False
