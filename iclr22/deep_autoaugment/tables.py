"""Numbers of transformations for images of one size, made on the host in double precision.

What a device computes from them is integers, look-ups and one addition, so that no compiler
rounds anything in its own way and images are Pillow's to the bit (sheet 2.2).
"""

import functools
import math
from typing import NamedTuple

import numpy as np

from iclr22 import errors
from iclr22.deep_autoaugment import space
from iclr22.deep_autoaugment.space import Transformation

KINDS = (
    "identity",
    "affine",
    "shift",
    "table",
    "contrast",
    "color",
    "sharpness",
    "autocontrast",
    "equalize",
    "flip",
    "cutout",
    "crop",
    "resized_crop",
    "noise",
)
ONE = 1 << 16  # 1 in fixed point
LARGEST = 4096  # pixels of a side; sums over an image are integers of 32 bits

_KIND_OF = {
    "shear_x": "affine",
    "shear_y": "affine",
    "rotate": "affine",
    "translate_x": "shift",
    "translate_y": "shift",
    "invert": "table",
    "solarize": "table",
    "posterize": "table",
    "brightness": "table",
}
_LABELLED = ("affine", "shift", "flip", "crop", "resized_crop")  # act on masks, too


class Tables(NamedTuple):
    """One row for each of N transformations; NumPy arrays."""

    kind: np.ndarray  # [N] int32, in KINDS
    affine: np.ndarray  # [N, 6] int32, of the inverse map in 16.16 fixed point
    shift: np.ndarray  # [N, 4] int32: columns, rows, and from which one more
    table: np.ndarray  # [N, 256] uint8, new level of each
    difference: np.ndarray  # [N, 511] float32, value times -255 to 255
    amount: np.ndarray  # [N] int32: half a side or an area in fixed point, or pixels


@functools.lru_cache(maxsize=64)
def of(transformations: tuple[Transformation, ...], height: int, width: int) -> Tables:
    """The numbers of transformations for images `[height, width, c]`.

    Raises:
      errors.InputError: none of them, unknown operations, impossible values, or an image
        that is too small for them or larger than 4096 pixels a side.
    """
    if not transformations:
        raise errors.InputError("expected one transformation at least; found none")
    if not 1 <= min(height, width) <= max(height, width) <= LARGEST:
        raise errors.InputError(
            f"expected images of 1 to {LARGEST} pixels a side; found {height} x {width}"
        )
    for each in transformations:
        _check_size(space.checked(each), height, width)
    kinds = [KINDS.index(_KIND_OF.get(x.op, x.op)) for x in transformations]
    levels = np.arange(256)
    found = Tables(
        np.asarray(kinds, np.int32),
        np.asarray([_affine(x, height, width) for x in transformations], np.int32),
        np.asarray([_shift(x, height, width) for x in transformations], np.int32),
        np.stack([_table(x, levels) for x in transformations]),
        np.stack([_difference(x.value) for x in transformations]),
        np.asarray([_amount(x) for x in transformations], np.int32),
    )
    for array in found:
        array.setflags(write=False)  # they are shared
    return found


def for_labels(tables: Tables) -> Tables:
    """The same for masks of labels: what is no geometric operation becomes identity."""
    acting = np.isin(tables.kind, [KINDS.index(x) for x in _LABELLED])
    return tables._replace(kind=np.where(acting, tables.kind, 0).astype(np.int32))


def _check_size(transformation: Transformation, height: int, width: int):
    op, _, value = transformation
    side = min(height, width)
    needed = {"cutout": math.ceil(value), "crop": math.ceil(2 * value)}.get(op, 1)
    if side < needed:
        raise errors.InputError(
            f"{op} of {value:g} pixels needs images of {needed} pixels a side; found "
            f"{height} x {width}. Choose a smaller one, or leave it out (deny)"
        )


def _affine(transformation: Transformation, height: int, width: int) -> list[int]:
    """Integers A of the source of column x and row y: (A0 x + A1 y + A2) >> 16 is its
    column, (A3 x + A4 y + A5) >> 16 its row."""
    op, _, value = transformation
    if op == "shear_x":
        return _fixed(1.0, value, 0.0, 0.0, 1.0, 0.0)
    if op == "shear_y":
        return _fixed(1.0, 0.0, 0.0, value, 1.0, 0.0)
    if op == "rotate":
        return _rotation(value % 360.0, height, width)
    return _fixed(1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


def _fixed(a, b, c, d, e, f) -> list[int]:
    """Fixed point; the middle of a pixel is taken into the offsets."""
    centred = (a, b, c + a * 0.5 + b * 0.5, d, e, f + d * 0.5 + e * 0.5)
    return [math.floor(x * ONE + 0.5) for x in centred]


def _rotation(angle: float, height: int, width: int) -> list[int]:
    """About the middle, counter-clockwise; quarter turns lose nothing where they fit."""
    right, bottom = (width - 1) * ONE, (height - 1) * ONE
    if angle == 180.0:
        return [-ONE, 0, right, 0, -ONE, bottom]
    if angle == 90.0 and height == width:
        return [0, -ONE, right, ONE, 0, 0]
    if angle == 270.0 and height == width:
        return [0, ONE, 0, -ONE, 0, bottom]
    turn = -math.radians(angle)
    cosine, sine = round(math.cos(turn), 15), round(math.sin(turn), 15)
    minus = round(-math.sin(turn), 15)
    x, y = width / 2, height / 2
    return _fixed(
        cosine,
        sine,
        cosine * -x + sine * -y + x,
        minus,
        cosine,
        minus * -x + cosine * -y + y,
    )


def _shift(transformation: Transformation, height: int, width: int) -> list[int]:
    """Columns and rows to the source, and the column and row from which it is one more."""
    op, _, value = transformation
    x, from_x = _steps(value * width, width) if op == "translate_x" else (0, width)
    y, from_y = _steps(value * height, height) if op == "translate_y" else (0, height)
    return [x, y, from_x, from_y]


def _steps(offset: float, length: int) -> tuple[int, int]:
    """Pillow adds 1 again and again; a half that is a rounding error short of it grows
    whole on the way, and all that follows is one pixel further."""
    source = np.cumsum(np.concatenate([[offset + 0.5], np.ones(length - 1)]))
    places = np.arange(length)
    inside = (source >= 0) & (source < length)
    if not inside.any():
        return (length, length)  # all of it is outside
    steps = (np.floor(source).astype(int) - places)[inside]
    later = places[inside][steps > steps[0]]
    return int(steps[0]), int(later[0]) if later.size else length


def _table(transformation: Transformation, levels) -> np.ndarray:
    """The new level of each level."""
    op, _, value = transformation
    if op == "invert":
        found = 255 - levels
    elif op == "solarize":
        found = np.where(levels < value, levels, 255 - levels)
    elif op == "posterize":
        found = levels & (256 - 2 ** (8 - int(value)))
    elif op == "brightness":
        found = np.clip(_difference(value)[255:], 0, 255)  # from black; truncated
    else:
        found = levels
    return found.astype(np.uint8)


def _difference(value: float) -> np.ndarray:
    """What an enhancer adds to another image, by the difference to it, -255 to 255."""
    return np.float32(value) * np.arange(-255, 256, dtype=np.float32)


def _amount(transformation: Transformation) -> int:
    op, _, value = transformation
    if op == "cutout":
        return math.floor(value * ONE / 2)
    return math.floor(value * ONE) if op == space.RESIZED_CROP else int(value)


@functools.lru_cache(maxsize=1)
def stretching() -> tuple[np.ndarray, np.ndarray]:
    """Where stretching levels lo..hi over 0..255 in double precision falls one short.

    The level i becomes floor(255 (i - lo) / (hi - lo)), except where that is whole and
    rounding errors leave a little less, which is then cut off.

    Returns:
      `(bits [m] uint8, start [256] int32)`: bit `start[hi - lo] + lo (hi - lo + 1) + i -
      lo`, of the bits in little order.
    """
    parts, start, total = [], [0], 0
    for width in range(1, 256):
        low = np.arange(256 - width)[:, None]
        level = low + np.arange(width + 1)
        scale = 255.0 / width
        cut = (level * scale + -low * scale).astype(np.int64)
        parts.append((cut < (level - low) * 255 // width).reshape(-1))
        start.append(total)
        total += parts[-1].size
    bits = np.packbits(np.concatenate(parts), bitorder="little")
    return bits, np.asarray(start, np.int32)
