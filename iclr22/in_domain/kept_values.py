"""Which values of a grid's factors training keeps, by kind of split.

The index sets of the benchmark (Schott et al., ICLR 2022) are not in its code. `REFERENCE`
has this project's, which fulfil all that the authors' tests ask of theirs: about 30 % of the
images are for training, and both parts are disjoint and complete. `closest` finds such sets
for any grid.
"""

import itertools
import math
from typing import NamedTuple

import numpy as np

from iclr22 import errors

MOST = 12  # split factors; two numbers of kept values are tried for each


class Reference(NamedTuple):
    """The values of a known grid's split factors that training keeps, by kind of split."""

    names: tuple[str, ...]  # of all factors, in order
    sizes: tuple[int, ...]
    kept: dict[str, dict[str, tuple[int, ...]]]  # kind to factor to numbers of values


def _without(size, held):
    return tuple(i for i in range(size) if i not in held)


def _low(**counts):
    return {name: tuple(range(count)) for name, count in counts.items()}


_SPRITES = {
    "interpolation": {
        "scale": _without(6, (1, 4)),
        "x": _without(32, range(2, 32, 3)),
        "y": _without(32, range(2, 32, 3)),
    },
    "extrapolation": _low(scale=4, x=22, y=22),
    "composition": _low(scale=2, x=12, y=12),
    "any_low": _low(scale=1, x=3, y=3),
}
REFERENCE = {
    "dsprites": Reference(
        ("shape", "scale", "orientation", "x", "y"), (3, 6, 40, 32, 32), _SPRITES
    ),
    "mini_dsprites": Reference(("shape", "scale", "x", "y"), (3, 6, 32, 32), _SPRITES),
    "shapes3d": Reference(
        ("floor", "wall", "object", "size", "shape", "azimuth"),
        (10, 10, 10, 8, 4, 15),
        {
            "interpolation": {
                **{hue: _without(10, (3, 6)) for hue in ("floor", "wall", "object")},
                "size": _without(8, (2, 5)),
                "azimuth": _without(15, (3, 7, 11)),
            },
            "extrapolation": _low(floor=8, wall=8, object=8, size=6, azimuth=12),
            "composition": _low(size=3, azimuth=5, object=4),
            "any_low": _low(floor=1, wall=1, object=1, azimuth=1),
        },
    ),
    "mpi3d": Reference(
        ("color", "shape", "size", "height", "background", "x", "y"),
        (6, 6, 2, 3, 3, 40, 40),
        {
            "interpolation": {a: _without(40, range(2, 37, 2)) for a in ("x", "y")},
            "extrapolation": _low(x=22, y=22),
            "composition": _low(height=1, x=15, y=15),
            "any_low": _low(x=7, y=7),
        },
    ),
    "celeb_glow": Reference(
        ("person", "smile", "blond", "age"),
        (1000, 6, 6, 6),
        {
            "interpolation": {
                a: _without(6, (1, 4)) for a in ("smile", "blond", "age")
            },
            "extrapolation": _low(smile=4, blond=4, age=4),
            "composition": _low(smile=2, blond=2, age=3),
            "any_low": _low(smile=1, blond=1),
        },
    ),
}
REFERENCE["shapes3d_like"] = REFERENCE["shapes3d"]


def closest(kind: str, sizes: dict[str, int], fraction: float) -> dict[str, np.ndarray]:
    """By factor which values training keeps (or are low), bool `[size]`: as many of each
    as bring training nearest to a share of the grid.

    Args:
      kind: of split, any but `random`.
      sizes: numbers of values of the split factors.
      fraction: that share.

    Raises:
      errors.InputError: too few split factors or values for the split.
    """
    least = _check(kind, sizes, fraction)
    count = len(sizes)
    share = _share_kept(kind, count, fraction)
    ends = kind in (
        "interpolation",
        "extrapolation",
    )  # two values at least, if there are
    tried = []
    for size in sizes.values():
        low, high = (2 if ends and size > 2 else 1), size - 1
        low = 0 if kind == "any_low" else low  # then the factor is not split
        around = (math.floor(share * size), math.ceil(share * size))
        tried.append(sorted({min(max(x, low), high) for x in around}))

    def distance(kept):
        shares = [k / s for k, s in zip(kept, sizes.values(), strict=True)]
        return abs(trained_share(kind, shares) - fraction)

    choices = itertools.product(*tried)
    best = min((x for x in choices if sum(map(bool, x)) >= least), key=distance)
    place = _spread if kind == "interpolation" else _first
    return {
        name: place(size, k)
        for (name, size), k in zip(sizes.items(), best, strict=True)
        if k
    }


def trained_share(kind: str, shares) -> float:
    """Share of a grid that is for training, of the shares of values that are kept."""
    if kind == "any_low":
        return 1 - math.prod(1 - x for x in shares)
    every = math.prod(shares)
    if kind != "composition":
        return every
    return every + sum(
        (1 - x) * math.prod(shares[:i] + shares[i + 1 :]) for i, x in enumerate(shares)
    )


def _share_kept(kind, count, fraction):
    """The share of every factor's values that gives that fraction of the grid."""
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if trained_share(kind, [middle] * count) < fraction:
            low = middle
        else:
            high = middle
    return low


def _first(size, count):
    return np.arange(size) < count


def _spread(size, count):
    """All but `size - count` values that lie evenly between the first and the last."""
    held = np.linspace(0, size - 1, size - count + 2)[1:-1]
    kept = np.ones(size, bool)
    kept[np.floor(held + 0.5).astype(int)] = False
    return kept


def _check(kind, sizes, fraction) -> int:
    """The least number of factors that are split."""
    if not 0 < fraction < 1:
        raise errors.InputError(
            f"fraction: expected a share between 0 and 1; found {fraction}"
        )
    least, values = {"interpolation": (1, 3), "extrapolation": (1, 2)}.get(kind, (2, 2))
    few = {name: size for name, size in sizes.items() if size < values}
    if few or not least <= len(sizes) <= MOST:
        short = "".join(f", {name} with {size}" for name, size in few.items())
        raise errors.InputError(
            f"{kind}: expected {least} to {MOST} factors with an order and at least "
            f"{values} values to split; found {len(sizes)}{short}. Choose other factors "
            "or another split"
        )
    return least
