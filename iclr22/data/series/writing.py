"""Panels back in the format of the user's own file: its columns, dates and decimals."""

import datetime
import gzip
import json
import os
from collections.abc import Iterator

import numpy as np

from iclr22 import checkpoint, errors, record
from iclr22.data import checks
from iclr22.data.series import Panel, calendar
from iclr22.data.series.formats import FULL, Format, read_format
from iclr22.data.series.own import moment


def constrain(values, *, low=None, high=None, integer: bool = False) -> np.ndarray:
    """Values within bounds, whole numbers if wanted; missing ones stay missing.

    Args:
      low, high: numbers or arrays that broadcast; None: no bound.
      integer: round, half to even; never beyond a bound.

    Raises:
      errors.InputError: bounds without a value, or without a whole one, between them.
    """
    least = np.asarray(-np.inf if low is None else low, np.float64)
    most = np.asarray(np.inf if high is None else high, np.float64)
    values = np.asarray(values, np.float64)
    if integer:
        least, most, values = np.ceil(least), np.floor(most), np.rint(values)
    if not np.all(least <= most):
        what = "a whole number" if integer else "a number"
        raise errors.InputError(
            f"expected bounds with {what} between them; found {low} and {high}"
        )
    return np.clip(values, least, most)


def write_own(
    path: str | os.PathLike, panel: Panel, *, like: Format | str | os.PathLike
) -> None:
    """Write a panel as a file from which `own.load_own` reads it back, atomically.

    Args:
      like: the file, or its format, whose columns, order of rows, dates and decimals are
        taken. Values are rounded to these decimals. Times that its dates cannot say (hours
        in a file of days) are written in full.

    Raises:
      errors.InputError: a table for series whose times do not fit into one, or missing
        values in a format that has none.
    """
    form = like if isinstance(like, Format) else read_format(like)
    if form.kind == "json":
        _write_text(path, "".join(_json_lines(panel, form)))
    elif form.kind == "lstnet":
        _write_text(path, "".join(_lstnet_lines(panel, form)))
    elif form.kind == "wide":
        record.write_csv(path, _wide_header(panel, form), _wide_rows(panel, form))
    else:
        record.write_csv(path, form.columns, _long_rows(panel, form))


def _write_text(path, text):
    packed = str(path).endswith(".gz")
    with checkpoint.atomic(path) as temporary:
        data = text.encode()
        temporary.write_bytes(gzip.compress(data, mtime=0) if packed else data)


def _texts(form: Format, name: str, values) -> list[str]:
    """Numbers of a series as its file writes them; of a new one as most exactly in it."""
    known = form.decimals
    count = known[name] if name in known else _most(known)
    plain = values.tolist()
    if count is None:
        found = [repr(x) for x in plain]
    else:
        found = [f"{x:.{count}f}" for x in plain]
    zero = f"{-0.0:.{count or 0}f}"
    bad = np.isnan(values)
    return [
        form.missing if no else (x.lstrip("-") if x == zero else x)
        for x, no in zip(found, bad, strict=True)
    ]


def _most(decimals) -> int | None:
    counts = list(decimals.values())
    return None if not counts or None in counts else max(counts)


def _dates(form: Format, stamps) -> list[str]:
    """Times as the file writes them, in full where that would lose something."""
    moments: list[datetime.datetime] = stamps.tolist()
    found = [x.strftime(form.time) for x in moments]
    if all(moment(x) == m for x, m in zip(found, moments, strict=True)):
        return found
    return [x.strftime(FULL) for x in moments]


def _in_order(panel, form) -> list[int]:
    """Places of the series: first those that the file has, in its order."""
    known = {name: i for i, name in enumerate(form.columns)}
    return sorted(
        range(len(panel.ids)), key=lambda i: known.get(panel.ids[i], len(known))
    )


def _wide_header(panel, form) -> list[str]:
    return [form.columns[0], *(panel.ids[i] for i in _in_order(panel, form))]


def _wide_rows(panel, form) -> Iterator[tuple]:
    begin = panel.start.min()
    first = [int(calendar.position(begin, panel.step, [x])[0]) for x in panel.start]
    if min(first) < 0:
        name = panel.ids[first.index(-1)]
        raise errors.InputError(
            f"expected series whose times are whole steps of {panel.step} apart, for one "
            f"table; found {checks.shown(name)} that begins at {panel.start[first.index(-1)]}"
        )
    count = max(a + len(x) for a, x in zip(first, panel.values, strict=True))
    columns = [_dates(form, calendar.times(begin, panel.step, count))]
    for i in _in_order(panel, form):
        row = np.full(count, np.nan)
        row[first[i] : first[i] + len(panel.values[i])] = panel.values[i]
        columns.append(_texts(form, panel.ids[i], row))
    return zip(*columns, strict=True)


def _long_rows(panel, form) -> Iterator[list]:
    found = []
    for i, (name, values) in enumerate(zip(panel.ids, panel.values, strict=True)):
        stamps = calendar.times(panel.start[i], panel.step, len(values))
        told = dict(zip(panel.static_names, panel.static[i], strict=True))
        fixed = {n: f"{told[n]:.7g}" if n in told else "" for n in form.columns}
        cells = zip(_dates(form, stamps), _texts(form, name, values), strict=True)
        for at, (date, value) in zip(stamps.tolist(), cells, strict=True):
            own = {**fixed, "id": name, "time": date, "value": value}
            found.append((at, [own[n] for n in form.columns]))
    if form.by_time:
        found.sort(key=lambda row: row[0])  # stable: series in their order
    return (row for _, row in found)


def _lstnet_lines(panel, form) -> Iterator[str]:
    if len(set(map(len, panel.values))) > 1 or np.isnan(np.stack(panel.values)).any():
        raise errors.InputError(
            "expected series of one length without missing values, for a table without "
            "times; found others. Write another format."
        )
    columns = [
        _texts(form, name, x) for name, x in zip(panel.ids, panel.values, strict=True)
    ]
    return (",".join(row) + "\n" for row in zip(*columns, strict=True))


def _json_lines(panel, form) -> Iterator[str]:
    for i, (name, values) in enumerate(zip(panel.ids, panel.values, strict=True)):
        texts = _texts(form._replace(missing="null"), name, values)
        target = ", ".join(
            '"NaN"' if x == "null" and form.missing else x for x in texts
        )
        own = {
            "start": json.dumps(_dates(form, panel.start[i : i + 1])[0]),
            "target": f"[{target}]",
            "item_id": json.dumps(name),
            "feat_static_real": "["
            + ", ".join(f"{x:.7g}" for x in panel.static[i])
            + "]",
        }
        kept = (f'"{key}": {own[key]}' for key in form.columns if key in own)
        yield "{" + ", ".join(kept) + "}\n"
