"""Geometric operations on one image `[h, w, c]` of any integers, traced: where each pixel
comes from, to the nearest, and a colour where that is outside.

Coordinates are integers throughout (sheet 2.2), so that the same pixels come out on every
device.
"""

import jax.numpy as jnp


def gathered(image, rows, columns, fill=0):
    """Pixels of an image by the rows and columns (both broadcast to `[h, w]`) of their
    sources; `fill` ([c] or a number) where those are outside."""
    height, width, channels = image.shape
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    place = jnp.where(inside, rows * width + columns, 0)
    flat = jnp.asarray(image).reshape(height * width, channels)
    found = flat.at[place].get(mode="promise_in_bounds")
    return jnp.where(inside[..., None], found, jnp.asarray(fill, image.dtype))


def grid(image):
    """Rows `[h, 1]` and columns `[1, w]`."""
    rows = jnp.arange(image.shape[0], dtype=jnp.int32)
    columns = jnp.arange(image.shape[1], dtype=jnp.int32)
    return rows[:, None], columns[None]


def affine(image, numbers):
    """The inverse map of six integers in 16.16 fixed point; black outside."""
    y, x = grid(image)
    a, b, c, d, e, f = numbers
    return gathered(image, (d * x + e * y + f) >> 16, (a * x + b * y + c) >> 16)


def shift(image, numbers):
    """So many columns and rows further, one more from a column and a row on."""
    y, x = grid(image)
    columns, rows, from_x, from_y = numbers
    return gathered(image, y + rows + (y >= from_y), x + columns + (x >= from_x))
