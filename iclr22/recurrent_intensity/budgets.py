"""Budgets of a matching: how many items a user may see, and users an item may have."""

import numpy as np

from iclr22 import errors, numeric

BOUNDS = ("upper", "lower", "both")


def budget(name: str, value, size: int, most: int, what: str) -> np.ndarray:
    """A budget per row (or column), float64 `[size]`, from one number or a vector.

    Raises:
      errors.InputError: one number that is not above 0; entries of a vector below 0, or
        all 0; numbers that are not finite or above `most`; a vector of another length.
    """
    value = np.asarray(numeric.real(value, name, finite=False), np.float64)
    if value.ndim and value.shape != (size,):
        raise errors.InputError(
            f"expected {name} as one number or {size:,} of them; found shape "
            f"{list(value.shape)}"
        )
    good = np.isfinite(value) & (value <= most) & (value >= 0)
    if not good.all() or not value.max(initial=0) > 0:
        place = "" if value.ndim == 0 else f" in place {good.argmin()}"
        bad = value if value.ndim == 0 else value[good.argmin()]
        raise errors.InputError(
            f"expected {name} above 0 and at most {most:,}, the number of {what}; found "
            f"{bad:g}{place}"
        )
    return np.broadcast_to(value, (size,))


def check_supply(k, c, users: float) -> None:
    """Raises `errors.InputError` if items ask for more than all users may be given.

    Args:
      k: most items of a user `[x]`.
      c: least number of users of an item `[y]`.
      users: number of user states in the period of `c`.
    """
    supply, demand = np.mean(k) * users, np.sum(c)
    if demand > supply * (1 + 1e-9):
        raise errors.InputError(
            f"budgets cannot be met: items ask for at least {demand:,.6g} assignments, "
            f"but users may be given {supply:,.6g}. Lower c or raise k."
        )


def limits(c, bound: str, y: int, users: int, k: float):
    """Least and most users of each item, both `[y]`; 0 where there is no such bound.

    Raises:
      errors.InputError: unknown bound; budgets that make no sense or cannot be met when
        `users` get k items on average.
    """
    if bound not in BOUNDS:
        raise errors.nearest(bound, BOUNDS, "bound")
    none = np.zeros(y)
    if bound == "both":
        if not isinstance(c, tuple | list) or len(c) != 2:
            raise errors.InputError(
                f"expected c as a pair (least, most) for bound='both'; found {c!r}"
            )
        low, high = (budget("c", part, y, users, "users") for part in c)
        if np.any(low > high):
            place = np.argmax(low > high)
            raise errors.InputError(
                f"expected the least c to be at most the most; found {low[place]:g} and "
                f"{high[place]:g} for item {place}"
            )
    else:
        c = budget("c", c, y, users, "users")
        low, high = (none, c) if bound == "upper" else (c, none)
    check_supply(k, low, users)
    return low, high
