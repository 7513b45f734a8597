"""Weights in an ONNX file: its nodes and its tensors, and nothing else of it.

The file is a protocol buffer; a field is a key, its number and how long it is, and the
value. What is not needed is passed over. Numbers of fields are those of `onnx.proto`
(https://github.com/onnx/onnx, ModelProto, GraphProto, NodeProto, TensorProto).
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from iclr22 import errors

GRAPH = 7  # of a model
NODE, INITIALIZER = 1, 5  # of a graph
INPUT, OUTPUT, NAME, KIND, ATTRIBUTE = 1, 2, 3, 4, 5  # of a node
VALUE = 5  # of an attribute: a tensor
DIMS, TYPE, FLOATS, TITLE, RAW, OUTSIDE = 1, 2, 4, 8, 9, 13  # of a tensor
TYPES = {1: "<f4", 6: "<i4", 7: "<i8", 10: "<f2", 11: "<f8"}
LONGEST = 10  # bytes of a whole number


class Node(NamedTuple):
    """An operation: its name, what it does, names of what it reads."""

    name: str
    kind: str
    inputs: tuple[str, ...]


def read(content, where) -> tuple[list[Node], dict[str, np.ndarray]]:
    """Nodes and tensors by name; what a node `Constant` puts out is one.

    Args:
      content: bytes of the file.
      where: its name, for errors.

    Raises:
      errors.InputError: no ONNX file, one that is cut, or one whose tensors lie in others.
    """
    try:
        graphs = [x for key, x in _fields(memoryview(content)) if key == GRAPH]
        nodes, tensors = [], {}
        for key, x in _fields(graphs[0]):
            if key == NODE:
                nodes.append(_node(x))
                if nodes[-1].kind == "Constant":
                    tensors |= _constant(x)
            elif key == INITIALIZER:
                name, array = _tensor(x)
                tensors[name] = array
    except (IndexError, LookupError, TypeError, ValueError) as error:
        raise errors.InputError(
            f"{where}: expected an ONNX file with its tensors in it; found one that cannot "
            f"be read ({str(error)[:100]}). Get it anew."
        ) from error
    return nodes, tensors


def _node(content) -> Node:
    found = {INPUT: [], NAME: [""], KIND: [""]}
    for key, x in _fields(content):
        if key in found:
            found[key].append(str(x, "utf-8"))
    return Node(found[NAME][-1], found[KIND][-1], tuple(found[INPUT]))


def _constant(content) -> dict[str, np.ndarray]:
    """The tensor of a node `Constant` by the name of its output."""
    found = dict(_fields(content))
    attribute = dict(_fields(found.get(ATTRIBUTE, memoryview(b""))))
    if VALUE not in attribute:
        return {}
    return {str(found[OUTPUT], "utf-8"): _tensor(attribute[VALUE])[1]}


def _tensor(content) -> tuple[str, np.ndarray]:
    """Name and array; one of a type that no weight has is empty."""
    shape, kind, name, raw = [], 0, "", b""
    for key, x in _fields(content):
        if key == DIMS:
            shape += [x] if isinstance(x, int) else list(_numbers(x))
        elif key == TYPE:
            kind = x
        elif key == TITLE:
            name = str(x, "utf-8")
        elif key in (RAW, FLOATS):
            raw = x
        elif key == OUTSIDE:
            raise ValueError("tensors in another file")
    if kind not in TYPES:
        return name, np.zeros(0, np.float32)
    array = np.frombuffer(raw, TYPES[kind])
    if array.size != math.prod(shape):
        raise ValueError(f"{name} has {array.size} numbers for the shape {shape}")
    return name, array.reshape(shape)


def _fields(content: memoryview) -> Iterator:
    """Number and value of each field: a whole number, or bytes."""
    place = 0
    while place < len(content):
        key, place = _number(content, place)
        number, form = key >> 3, key & 7
        if form == 0:
            value, place = _number(content, place)
            yield number, value
            continue
        if form == 2:
            size, place = _number(content, place)
        elif form in (1, 5):
            size = 8 if form == 1 else 4
        else:
            raise ValueError(f"a field of form {form}")
        if size > len(content) - place:
            raise ValueError(f"{size:,} bytes where {len(content) - place:,} are left")
        yield number, content[place : place + size]
        place += size


def _number(content: memoryview, place: int) -> tuple[int, int]:
    """A whole number of seven bits a byte, lowest first, and the place after it."""
    value = 0
    for i in range(LONGEST):
        byte = content[place + i]
        value |= (byte & 127) << 7 * i
        if byte < 128:
            return value, place + i + 1
    raise ValueError("a number without end")


def _numbers(content: memoryview) -> Iterator[int]:
    place = 0
    while place < len(content):
        value, place = _number(content, place)
        yield value
