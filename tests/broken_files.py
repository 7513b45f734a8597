"""Files as users break them: changed bytes and cells, changed arrays."""

import io

import numpy as np
from hypothesis import strategies

CELLS = (
    *(
        "",
        " ",
        "NA",
        "nan",
        "None",
        "-1",
        "inf",
        "1e400",
        "-0",
        "²",
        "１",
        "1_0",
        "1e5",
    ),
    *('"', '""', '"a', "a,b", "\n", "\r", "\t", "\0", ";", "#", "=1+1", "'", "x" * 300),
    *(
        "\ufeff",
        "\u2028",
        "ä",
        "id",
        "label",
        "domain",
        "source",
        "2024-01-01",
        "99" * 200,
    ),
)
BYTES = (
    b"\xff\xfe",
    b"\xe4",
    b"\x93",
    b"\x00",
    b"PK\x03\x04",
    b"\x1f\x8b",
    b"\r\n",
    b"\n",
)
KINDS = ("i1", "u1", "f2", "f8", "c8", "U3", "S3", "?", "M8[s]", "i8", "O", "u8", "V4")
VALUES = (np.nan, np.inf, -1, -2, 2**62, 1e300, 0.5, -1e-300)


def mutated(content: bytes):
    """Strategy of bytes near to these."""
    parts = strategies.sampled_from([*(x.encode() for x in CELLS), *BYTES])
    place = strategies.integers(0, max(len(content), 1))
    length = strategies.sampled_from((0, 0, 1, 2, 5, 40))
    edit = strategies.tuples(place, length, parts | strategies.binary(max_size=4))
    edits = strategies.lists(edit, min_size=1, max_size=4)
    cut = strategies.none() | place
    return strategies.builds(_edited, strategies.just(content), edits, cut)


def _edited(content, edits, cut):
    for place, length, part in edits:
        content = content[:place] + part + content[place + length :]
    return content if cut is None else content[:cut]


def cells(content: bytes):
    """Strategy of tables in which cells of this one are replaced."""
    rows = [line.split(",") for line in content.decode().splitlines()]
    where = strategies.tuples(
        strategies.integers(0, len(rows) - 1), strategies.integers(0, len(rows[0]) - 1)
    )
    edits = strategies.tuples(where, strategies.sampled_from(CELLS) | strategies.text())
    return strategies.builds(
        lambda given: _with_cells(rows, given),
        strategies.lists(edits, min_size=1, max_size=3),
    )


def _with_cells(rows, edits):
    rows = [list(row) for row in rows]
    for (i, j), cell in edits:
        rows[i][j] = cell
    text = "\n".join(",".join(row) for row in rows) + "\n"
    return text.encode("utf-8", "surrogatepass")


def table(content: bytes):
    """Strategy of broken tables."""
    return mutated(content) | cells(content)


def archive(arrays: dict):
    """Strategy of broken `.npz` files with these arrays."""
    key = strategies.sampled_from(sorted(arrays))
    change = strategies.sampled_from(sorted(CHANGES))
    detail = strategies.integers(0, 10**6)
    edits = strategies.lists(
        strategies.tuples(key, change, detail), min_size=1, max_size=3
    )
    return strategies.builds(lambda given: _archive(arrays, given), edits) | mutated(
        packed(arrays)
    )


def packed(arrays: dict) -> bytes:
    """An `.npz` of these arrays."""
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


def _archive(arrays, edits):
    arrays = dict(arrays)
    for key, change, detail in edits:
        if key in arrays:
            with np.errstate(all="ignore"):
                try:
                    arrays[key] = CHANGES[change](arrays[key], detail)
                except (ValueError, TypeError, LookupError, OverflowError):
                    # NumPy would not
                    continue
            if arrays[key] is None:
                del arrays[key]
    return packed(arrays)


def _value(array, detail):
    array = np.array(array, copy=True)
    if array.size:
        array.flat[detail % array.size] = VALUES[detail % len(VALUES)]
    return array


def _text(array, detail):
    texts = np.array([CELLS[(detail + i) % len(CELLS)] for i in range(array.size)])
    return texts.reshape(array.shape)


def _invalid(array, detail):
    return np.full(array.shape, b"\xff\xfe")


CHANGES = {
    "drop": lambda array, detail: None,
    "transpose": lambda array, detail: array.T,
    "flatten": lambda array, detail: array.ravel(),
    "deepen": lambda array, detail: array[..., None],
    "empty": lambda array, detail: array[:0],
    "cut": lambda array, detail: array[: detail % (len(array) + 1)],
    "scalar": lambda array, detail: np.asarray(detail),
    "type": lambda array, detail: array.astype(KINDS[detail % len(KINDS)]),
    "value": _value,
    "text": _text,
    "invalid": _invalid,
    "large": lambda array, detail: array * detail,
}
