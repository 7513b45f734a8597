"""Images drawn from the factors of a grid, by name: in a compiled step, or many of them.

x = renderers.rendered("dsprites", 32, numbers)  # traced, in a training step
x = renderers.draw("dsprites", 64, numbers)  # NumPy in and out, any number of rows
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental.layout import Layout, with_layout_constraint

from iclr22 import errors, numeric
from iclr22.data.factors import Factor, Grid, dsprites, shapes3d

CHUNK = 256  # images that are drawn at a time


class Renderer(NamedTuple):
    """What draws the points of a grid.

    Attributes:
      grid: of the factors, all values.
      split: names of the factors that splits hold values of out.
      channels: 1 or 3.
      images: `(numbers [n, f], side) -> float32 [n, side, side, c]` from 0 to 1, traced;
        whole numbers may be drawn in another way than those between.
    """

    grid: Grid
    split: tuple[str, ...]
    channels: int
    images: Callable


def rendered(name: str, side: int, numbers) -> jax.Array:
    """Images float32 `[n, side, side, c]` from 0 to 1; traced.

    Args:
      name: of a renderer.
      side: pixels; 64, or a divisor of it: then means of blocks of pixels.
      numbers: of the values of the factors, `[n, f]`: int32, or float32 that may lie
        between whole numbers where a factor has an order.
    """
    return RENDERERS[checked(name, side)].images(numbers, side)


def draw(name: str, side: int, numbers) -> np.ndarray:
    """`rendered` for any number of rows, NumPy in and out, in chunks of one size.

    Raises:
      errors.InputError: an unknown name, a side that does not divide 64, numbers that are
        outside the grid, or between the values of a factor without an order.
    """
    return _drawn(name, side, numbers)


def render_dsprites(factors) -> np.ndarray:
    """dSprites images, uint8 0 or 1 `[n, 64, 64]`.

    Args:
      factors: grid numbers `[n, 5]` of shape (0 square, 1 ellipse, 2 heart), scale (0 to
        5), orientation (0 to 39), x and y (0 to 31), whole or between; shapes are whole.

    Raises:
      errors.InputError: other numbers.
    """
    return _drawn("dsprites", dsprites.SIDE, factors, top=1)[..., 0]


def render_shapes3d(factors) -> np.ndarray:
    """Images like those of 3D Shapes, uint8 `[n, 64, 64, 3]`.

    Args:
      factors: grid numbers `[n, 6]` of the hues of floor, wall and object (0 to 9 each),
        size (0 to 7), shape (0 cube, 1 cylinder, 2 sphere, 3 capsule) and azimuth (0 to
        14), whole or between; shapes are whole.

    Raises:
      errors.InputError: other numbers.
    """
    return _drawn("shapes3d_like", shapes3d.SIDE, factors, top=255)


def _drawn(name, side, numbers, top=None):
    """Images of checked numbers: float32, or uint8 from 0 to `top`."""
    numbers = checked_numbers(RENDERERS[checked(name, side)].grid, numbers)
    shape = (len(numbers), side, side, RENDERERS[name].channels)
    found = np.empty(shape, np.uint8 if top else np.float32)
    for start in range(0, len(numbers), CHUNK):
        part = numbers[start : start + CHUNK]
        rows = np.minimum(np.arange(CHUNK), len(part) - 1)  # the last one again
        images = _compiled(name, side, part[rows], top)
        found[start : start + len(part)] = np.asarray(images)[: len(part)]
    return found


@functools.partial(jax.jit, static_argnums=(0, 1, 3))
def _compiled(name, side, numbers, top):
    images = rendered(name, side, numbers)
    return jnp.rint(top * images).astype(jnp.uint8) if top else images


def checked(name: str, side: int) -> str:
    """The name, if there is such a renderer and it can draw that side."""
    if name not in RENDERERS:
        raise errors.nearest(name, RENDERERS, "renderer")
    if side < 1 or dsprites.SIDE % side:
        raise errors.InputError(
            f"expected images of {dsprites.SIDE} pixels a side, or a divisor of it; found "
            f"side={side}. Choose 64, 32 or 16."
        )
    return name


def checked_numbers(grid: Grid, numbers) -> np.ndarray:
    """Numbers of values `[n, f]` of a grid: int32, or float32 where some lie between.

    Raises:
      errors.InputError: another shape, outside the grid, or between names.
    """
    found = numeric.real(numbers, "factors", ndim=2, dtype=np.float64)
    sizes = np.array(grid.sizes)
    if found.shape[1] != len(sizes):
        raise errors.InputError(
            f"factors: expected {len(sizes)} columns, {', '.join(grid.names)}; found "
            f"{found.shape[1]}"
        )
    between = found != np.rint(found)
    fixed = [x.kind == "categorical" for x in grid.factors]
    bad = (found < 0) | (found > sizes - 1) | (between & fixed)
    if bad.any():
        row, column = (int(i[0]) for i in np.nonzero(bad))
        what = "whole numbers" if fixed[column] else "numbers"
        raise errors.InputError(
            f"factors: expected {what} from 0 to {sizes[column] - 1} for "
            f"{grid.names[column]}; found {found[row, column]:g} in row {row}"
        )
    return found.astype(np.float32 if between.any() else np.int32)


def blocks(x, side: int) -> jax.Array:
    """Means of blocks of `[n, h, h, c]`, float32 `[n, side, side, c]`."""
    n, height, _, channels = x.shape
    step = height // side
    parts = x.astype(jnp.float32).reshape(n, side, step, side, step, channels)
    return parts.mean(axis=(2, 4)) if step > 1 else parts.reshape(x.shape)


def settled(x) -> jax.Array:
    """An array of its own, row after row; traced.

    Without this a CPU draws every pixel again, one at a time, in the loops that use it: a
    step of 128 sprites takes 11 ms more.
    """
    return with_layout_constraint(x, Layout(tuple(range(x.ndim))))


def _sprites(numbers, side):
    inside = settled(dsprites.draw(numbers).astype(jnp.uint8))
    step = dsprites.SIDE // side
    rows = inside.reshape(-1, side, step, dsprites.SIDE)
    rows = rows.sum(axis=2, dtype=jnp.uint8).astype(jnp.float32)
    # Sums of few bits are exact in whatever precision a device multiplies.
    means = np.kron(np.eye(side), np.full((step, 1), step**-2)).astype(np.float32)
    return (rows @ means if step > 1 else rows)[..., None]


def _upright_sprites(numbers, side):
    """Sprites `[n, 4]` whose orientation is the first."""
    numbers = jnp.asarray(numbers)
    return _sprites(jnp.insert(numbers, 2, 0, axis=1), side)


def _scenes(numbers, side):
    if not jnp.issubdtype(jnp.result_type(numbers), jnp.floating):
        return settled(shapes3d.blend(shapes3d.bank(side), numbers))
    return blocks(shapes3d.cast(numbers), side)


_STEPS = tuple(round(i / 31, 6) for i in range(32))
_SHAPE = Factor("shape", ("square", "ellipse", "heart"), "categorical")
_SCALE = Factor("scale", (0.5, 0.6, 0.7, 0.8, 0.9, 1.0))
_TURN = Factor(
    "orientation", tuple(round(2 * np.pi * k / 39, 6) for k in range(40)), "cyclic"
)
_X, _Y = Factor("x", _STEPS), Factor("y", _STEPS)
_HUES = tuple(i / 10 for i in range(10))
SHAPES3D = Grid(
    (
        Factor("floor", _HUES, "cyclic"),
        Factor("wall", _HUES, "cyclic"),
        Factor("object", _HUES, "cyclic"),
        Factor("size", tuple(round(float(s), 6) for s in np.linspace(0.75, 1.25, 8))),
        Factor("shape", ("cube", "cylinder", "sphere", "capsule"), "categorical"),
        Factor("azimuth", tuple(round(float(a), 6) for a in np.linspace(-30, 30, 15))),
    )
)
RENDERERS = {
    "dsprites": Renderer(
        Grid((_SHAPE, _SCALE, _TURN, _X, _Y)), ("scale", "x", "y"), 1, _sprites
    ),
    "mini_dsprites": Renderer(
        Grid((_SHAPE, _SCALE, _X, _Y)), ("scale", "x", "y"), 1, _upright_sprites
    ),
    "shapes3d_like": Renderer(
        SHAPES3D,
        ("floor", "wall", "object", "size", "azimuth"),
        3,
        _scenes,
    ),
}
