"""Files as users break them: changed bytes and cells, changed arrays."""

import io
import json

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
                except Exception:  # whatever NumPy says of it
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


# What is broken: files as they should be

NODES = b"""id,label,split,age,income
ann,cat,train,1.5,-2
bob,dog,train,0,1e3
cid,,train,3,4
dan,cat,test,5,6
eve,dog,valid,7,8
"""
EDGES = b"source,target,weight\nann,bob,2\nbob,cid,1\ncid,dan,0.5\neve,ann,1\n"
GRAPH = {
    "x": np.arange(12.0).reshape(4, 3),
    "y": np.array([0, 1, -1, 1]),
    "edge_index": np.array([[0, 1, 2], [1, 2, 0]]),
    "ids": np.arange(4),
    "train_mask": np.array([1, 1, 1, 0], bool),
}
SPARSE = {
    "x_indptr": np.array([0, 1, 1, 3, 3]),
    "x_indices": np.array([2, 0, 1]),
    "x_data": np.array([1.0, 2.0, 3.0]),
    "x_shape": np.array([4, 3]),
    "y": np.array(["a", "b", "", "b"]),
    "edge_index": np.array([[0, 1, 2], [1, 2, 0]]),
}
SAMPLES = b"""domain,label,a,b
north,cat,1,2
south,dog,3,4.5
north,dog,-5,6
west,,7,8
"""
OUTPUTS = SAMPLES.replace(b"cat", b"1.5").replace(b"dog", b"2")
LINKS = b"source,target,weight\nnorth,south,1\nsouth,west,0.5\n"
PLACES = b"domain,lat,lon\nnorth,60,1\nsouth,-10.5,1\nwest,0,-90\n"
MATRIX = np.array([[0, 0, 0.5], [0, 0, 1], [0.5, 1, 0]])
ROWS = {
    "x": np.arange(8.0).reshape(4, 2),
    "y": np.array([0, 1, 1, -1]),
    "domain": np.array(["north", "south", "north", "west"]),
}
LOG = b"user,item,timestamp\na,x,1700000000\nb,y,1700086400\na,y,1700172800\n"
TRACKS = b"scene,frame,agent,x,y\n" + b"".join(
    b"s,%d,%s,%d,%d\n" % (frame, agent, frame, frame * frame)
    for frame in range(6)
    for agent in (b"p", b"q")
)
MOVES = {
    "scene": np.zeros(6, int),
    "frame": np.arange(6),
    "agent": np.zeros(6, int),
    "x": np.arange(6.0),
    "y": np.ones(6),
}
PICTURES = {
    "x": np.arange(96, dtype=np.uint8).reshape(4, 4, 2, 3),
    "y": np.array([0, 1, 1, 0]),
    "z": np.arange(8.0).reshape(4, 2),
    "names": np.array([*"abcd"]),
    "class_names": np.array(["cat", "dog"]),
}
PAIRS = b'sentence1,sentence2,score\na dog,a cat,2.5\n"a, b",c,\nd,e,0\n'
NOUNS = b"""  1 A licence.
00000100 03 n 01 thing 0 002 ~ 00000200 n 0000 ~ 00000300 n 0000 | all that there is
00000200 03 n 01 pet 0 001 @ 00000100 n 0000 | an animal that is kept
00000300 03 n 02 dog 0 hound 1 001 @ 00000200 n 0000 | an animal that barks
00000400 03 n 01 cat 0 001 @ 00000200 n 0000 | an animal that purrs; "my cat"
"""
RATINGS = b"1\t10\t5\t881250949\n2\t11\t3\t891717742\n1\t12\t3\t878887116\n"


CLICKS = b"1,2014-04-07T10:51:09.277Z,214536502,0\n1,2014-04-07T10:54:09.868Z,5,0\n" * 3
WALKS = b"0 1 1.5 2\n10 1 1.6 2\n20 1 1.7 2\n0\t2\t3\t4\n"
GAME = json.dumps(
    {
        "events": [
            {
                "home": {"teamid": 1},
                "visitor": {"teamid": 2},
                "moments": [
                    [1, 40 * t, 700.0, 20.0, None]
                    + [
                        [[-1, -1, 1.0 * t, 2.0, 3.0]]
                        + [[1 + p // 5, p, p, t, 0.0] for p in range(10)]
                    ]
                    for t in range(240)
                ],
            }
        ]
    }
).encode()
