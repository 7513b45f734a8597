"""The space of a search: 18 operations at their magnitudes (paper, section 4; sheet 2.1).

    transformations = space.space("cifar")  # 139, identity first

A magnitude is a level 0 to 12 on a line between two values; the level that would change
nothing is left out.
"""

from collections.abc import Iterable
from typing import Literal, NamedTuple

from iclr22 import errors

NAMES = (
    "identity",
    "shear_x",
    "shear_y",
    "translate_x",
    "translate_y",
    "rotate",
    "autocontrast",
    "invert",
    "equalize",
    "solarize",
    "posterize",
    "contrast",
    "color",
    "brightness",
    "sharpness",
    "flip",
    "cutout",
    "crop",
)
RESIZED_CROP = "resized_crop"  # instead of `crop` in the space of ImageNet
NOISE = "noise"  # a control of searches: the image becomes uniform noise
KNOWN = (*NAMES, RESIZED_CROP, NOISE)

LEVELS = 13  # of a magnitude, numbered from 0
MIDDLE = 6  # level that is written where there is no magnitude
SMALLEST_AREA = 0.08  # share of the image that a resized crop keeps at least

# Lowest and highest value, and the level that changes nothing.
_ENHANCER = (0.1, 1.9, 6)
RANGES = {
    "shear_x": (-0.3, 0.3, 6),
    "shear_y": (-0.3, 0.3, 6),
    "translate_x": (-0.45, 0.45, 6),
    "translate_y": (-0.45, 0.45, 6),
    "rotate": (-30.0, 30.0, 6),
    "solarize": (0.0, 256.0, 12),
    "posterize": (4.0, 8.0, 12),
    "contrast": _ENHANCER,
    "color": _ENHANCER,
    "brightness": _ENHANCER,
    "sharpness": _ENHANCER,
}
MIRRORED = ("shear_x", "shear_y", "translate_x", "translate_y", "rotate")
GEOMETRIC = (*MIRRORED, "flip", "crop", RESIZED_CROP)  # act on masks, too

# What a value may be, whoever wrote it: lowest, highest, and its unit.
LIMITS = {
    "shear_x": (-2.0, 2.0, "columns per row"),
    "shear_y": (-2.0, 2.0, "rows per column"),
    "translate_x": (-1.0, 1.0, "share of the width"),
    "translate_y": (-1.0, 1.0, "share of the height"),
    "rotate": (-360.0, 360.0, "degrees, counter-clockwise"),
    "solarize": (0.0, 256.0, "grey level from which it inverts"),
    "posterize": (0.0, 8.0, "bits that are kept"),
    "contrast": (0.0, 10.0, "factor, 1 for no change"),
    "color": (0.0, 10.0, "factor, 1 for no change"),
    "brightness": (0.0, 10.0, "factor, 1 for no change"),
    "sharpness": (0.0, 10.0, "factor, 1 for no change"),
    "cutout": (1.0, 4096.0, "side in pixels"),
    "crop": (0.0, 4096.0, "padding in pixels"),
    RESIZED_CROP: (0.01, 1.0, "smallest share of the area"),
}


class Transformation(NamedTuple):
    """An operation at one magnitude."""

    op: str  # one of `KNOWN`
    level: int  # 0 to 12; 6 where there is no magnitude
    value: float  # in the unit of `LIMITS`; 0 where there is none


def value(op: str, level: int, levels: int = LEVELS) -> float:
    """The value of a level on the operation's line.

    Raises:
      errors.InputError: an operation without magnitude, or a level beyond the line.
    """
    if op not in RANGES:
        raise errors.nearest(op, RANGES, "operation with a magnitude")
    if not 0 <= level < levels:
        raise errors.InputError(
            f"{op}: expected a level from 0 to {levels - 1}; found {level}"
        )
    low, high, _ = RANGES[op]
    return low + (high - low) * level / (levels - 1)


def space(
    kind: Literal["cifar", "imagenet"] = "cifar",
    *,
    levels: int = LEVELS,
    allow: Iterable[str] = (),
    deny: Iterable[str] = (),
    cutout: int = 16,
    pad: int = 4,
) -> tuple[Transformation, ...]:
    """All transformations that a search chooses from, in the order of the sheet (2.1).

    Args:
      kind: `imagenet` has a resized crop in place of the padded one.
      levels: of each magnitude, 13 as published; fewer are evenly chosen among them.
      allow: names of operations; no others, where any are given.
      deny: names of operations that are left out, such as `flip` for text.
      cutout: side of the square in pixels; 60 was published for ImageNet.
      pad: pixels around the image before a crop.

    Returns:
      139 transformations with the defaults; identity is always there, and first.

    Raises:
      errors.InputError: unknown kinds or names, levels that cannot be chosen evenly, or
        lists that leave nothing but identity.
    """
    if kind not in ("cifar", "imagenet"):
        raise errors.nearest(kind, ("cifar", "imagenet"), "space")
    even = [n + 1 for n in range(1, LEVELS) if (LEVELS - 1) % n == 0]
    if levels not in even:
        raise errors.InputError(
            f"levels: expected one of {', '.join(map(str, even))}; found {levels}"
        )
    last = RESIZED_CROP if kind == "imagenet" else "crop"
    names = (*NAMES[:-1], last)
    kept = _kept(names, tuple(allow), tuple(deny))
    plain = {"cutout": float(cutout), "crop": float(pad), RESIZED_CROP: SMALLEST_AREA}
    found = []
    for op in names:
        if op in kept and op in RANGES:
            stride = (LEVELS - 1) // (levels - 1)
            chosen = [x for x in range(0, LEVELS, stride) if x != RANGES[op][2]]
            found += [Transformation(op, x, value(op, x)) for x in chosen]
        elif op in kept:
            found.append(Transformation(op, MIDDLE, plain.get(op, 0.0)))
    return tuple(found)


def _kept(names, allow, deny) -> set[str]:
    """Names that lists of the user leave; identity is one."""
    for name in (*allow, *deny):
        if name not in names:
            raise errors.nearest(name, names, "operation")
    if "identity" in deny:
        raise errors.InputError("deny: identity is always there; it cannot be left out")
    kept = ({*allow} or {*names}) - {*deny} | {"identity"}
    if len(kept) == 1:
        raise errors.InputError(
            "allow and deny leave no operation but identity. Allow one of "
            f"{', '.join(names[1:])}"
        )
    return kept


def checked(transformation: Transformation) -> Transformation:
    """The same, if its operation is known and its value is possible.

    Raises:
      errors.InputError: it is not.
    """
    op, _, found = transformation
    if op not in KNOWN:
        raise errors.nearest(op, KNOWN, "operation")
    if op in LIMITS:
        low, high, unit = LIMITS[op]
        if not low <= found <= high:  # not for NaN, either
            raise errors.InputError(
                f"{op}: expected a value from {low:g} to {high:g} ({unit}); found "
                f"{found:g}"
            )
    return transformation
