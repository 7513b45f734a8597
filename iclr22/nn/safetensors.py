"""Tensors by name in one file that executes nothing, as Hugging Face keeps weights.

The file is the length of a head (8 bytes), the head in JSON, which has the type, the shape
and the place of every tensor, and the numbers, little-endian and without holes
(https://github.com/huggingface/safetensors).
"""

import json
import math
from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np

from iclr22 import checkpoint, errors

TYPES: dict[str, Any] = {
    "F64": np.float64,
    "F32": np.float32,
    "F16": np.float16,
    "BF16": jnp.bfloat16,
    "I64": np.int64,
    "I32": np.int32,
    "I16": np.int16,
    "I8": np.int8,
    "U64": np.uint64,
    "U32": np.uint32,
    "U16": np.uint16,
    "U8": np.uint8,
    "BOOL": np.bool_,
}
LENGTH = 8  # bytes before the head
LONGEST_HEAD = 100_000_000  # bytes, as in the format
ALIGNED = 8  # bytes that the head is filled up to
METADATA = "__metadata__"


def read(content: bytes, where) -> dict[str, np.ndarray]:
    """Arrays by name, which are views of the bytes.

    Args:
      content: of the file.
      where: its name, for errors.

    Raises:
      errors.InputError: it is cut, its head is longer than it or no JSON, or a tensor is of
        an unknown type, of a shape that does not fit its bytes, or not where it should be.
    """
    size = int.from_bytes(content[:LENGTH], "little")
    there = len(content) - LENGTH
    if there < 0 or size > min(there, LONGEST_HEAD):
        raise errors.InputError(
            f"{where}: expected a safetensors file, whose head fits into it; found a head "
            f"of {size:,} bytes where {max(there, 0):,} are. It is cut or another kind of "
            "file: get it anew."
        )
    body = memoryview(content)[LENGTH + size :]
    try:
        head = json.loads(content[LENGTH : LENGTH + size])
        head.pop(METADATA, None)
        places = {name: _place(entry) for name, entry in head.items()}
    except (
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
        RecursionError,
    ) as error:
        raise errors.InputError(
            f"{where}: expected a head in JSON that tells dtype, shape and data_offsets of "
            f"every tensor; found another ({str(error)[:100]}). Get the file anew."
        ) from error
    _check_places(where, places, len(body))
    return {
        name: np.frombuffer(body[begin:end], kind).reshape(shape)
        for name, (kind, shape, begin, end) in places.items()
    }


def _place(entry) -> tuple[np.dtype, tuple[int, ...], int, int]:
    """Type, shape, and first and last byte of a tensor."""
    kind, shape = np.dtype(TYPES[entry["dtype"]]), tuple(entry["shape"])
    begin, end = entry["data_offsets"]
    if not all(type(x) is int and x >= 0 for x in (*shape, begin, end)):
        raise ValueError(f"shape {shape}, data_offsets {begin} and {end}")
    return kind, shape, begin, end


def _check_places(where, places, size):
    """Tensors fill the bytes after the head, one after the other."""
    at = 0
    for name, (kind, shape, begin, end) in sorted(
        places.items(), key=lambda item: item[1][2:]
    ):
        if end > size:
            raise errors.InputError(
                f"{where}: expected {end:,} bytes after the head, as tensor {name!r} "
                f"needs; found {size:,}. The file is cut: get it anew."
            )
        if begin != at or end - begin != math.prod(shape) * kind.itemsize:
            raise errors.InputError(
                f"{where}: expected tensor {name!r} of shape {list(shape)} in "
                f"{math.prod(shape) * kind.itemsize:,} bytes from {at:,}; found it from "
                f"{begin:,} to {end:,}. Get the file anew."
            )
        at = end
    if at != size:
        raise errors.InputError(
            f"{where}: expected {at:,} bytes after the head; found {size:,}. Get the file "
            "anew."
        )


def write(path, tensors: Mapping[str, Any]) -> None:
    """Write arrays by name, atomically.

    Raises:
      errors.InputError: an array of a type that the format has no name for.
    """
    names = {np.dtype(kind): name for name, kind in TYPES.items()}
    head: dict[str, Any] = {METADATA: {"format": "pt"}}
    arrays, at = [], 0
    for name, x in tensors.items():
        x = np.ascontiguousarray(x)
        if x.dtype not in names:
            raise errors.InputError(
                f"{path}: expected numbers in {name!r}; found type {x.dtype}"
            )
        place = {"dtype": names[x.dtype], "shape": list(np.shape(tensors[name]))}
        head[name] = place | {"data_offsets": [at, at + x.nbytes]}
        arrays.append(x)
        at += x.nbytes
    text = json.dumps(head, separators=(",", ":")).encode()
    text += b" " * (-len(text) % ALIGNED)
    with checkpoint.atomic(path) as temporary, open(temporary, "wb") as stream:
        stream.write(len(text).to_bytes(LENGTH, "little") + text)
        for x in arrays:
            stream.write(x.reshape(-1).view(np.uint8).data)
