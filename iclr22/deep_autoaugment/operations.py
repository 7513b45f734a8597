"""The operations by name, each on one image.

    image = operations["rotate"](image, 30.0, jax.random.key(0))

Values are in the units of `space.LIMITS`; operations without a magnitude ignore theirs. What
has no chance in it gives the pixels of Pillow.
"""

import functools
import types
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np

from iclr22 import errors
from iclr22.deep_autoaugment import applying, space, tables
from iclr22.deep_autoaugment.space import Transformation

RANDOM = ("flip", "cutout", "crop", space.RESIZED_CROP, space.NOISE)


def apply_one(op: str, image, value: float = 0.0, key: Any = None) -> jax.Array:
    """An operation on one image.

    Args:
      op: one of `space.KNOWN`.
      image: `[h, w, c]` uint8 with c 1 or 3. Color leaves grey alone, and a grey image is
        filled with the mean of the three levels of the fill colour, 121.
      value: a number that is known before compiling, in the unit of `space.LIMITS`.
      key: of `jax.random.key`, for what has a chance in it.

    Returns:
      `[h, w, c]` uint8; what `applying.apply_all` does with this key.

    Raises:
      errors.InputError: an unknown operation, an impossible value, no key where one is
        needed, or an image of another type or shape, or too small.
    """
    shape = np.shape(image)
    if getattr(image, "dtype", None) != np.uint8 or len(shape) != 3:
        raise errors.InputError(
            f"{op}: expected an image [h, w, c] uint8; found {list(shape)} "
            f"{getattr(image, 'dtype', type(image).__name__)}"
        )
    numbers = tables.of((Transformation(op, space.MIDDLE, float(value)),), *shape[:2])
    if key is None and op in RANDOM:
        raise errors.InputError(f"{op} needs a key, such as jax.random.key(0)")
    kind = tables.KINDS[int(numbers.kind[0])]
    return _run(kind, image, numbers, jax.random.key(0) if key is None else key)


@functools.partial(jax.jit, static_argnums=0)
def _run(kind: str, image, numbers, key):
    """Compiled once for each kind of operation and shape, not for each value."""
    act = applying.branch(kind, numbers, jax.default_backend() != "cpu")
    return act(image, 0, applying.words_of(key)[0], jax.random.fold_in(key, 0))


def _named(op: str) -> Callable[..., jax.Array]:
    function = functools.partial(apply_one, op)
    function.__doc__ = apply_one.__doc__
    return function


operations: Mapping[str, Callable[..., jax.Array]] = types.MappingProxyType(
    {op: _named(op) for op in space.NAMES}
)
