"""Sprites of the dSprites data set, drawn from their factors.

Three shapes in six sizes, forty orientations and 32 x 32 positions on 64 x 64 pixels, as
L. Matthey, I. Higgins, D. Hassabis and A. Lerchner published them (2017). The formulas were
fitted to genuine images and differ in single pixels of outlines. They hold between
the values of the grid too.
"""

import jax
import jax.numpy as jnp
import numpy as np

SIDE = 64
HALF = 9.6  # half a side of the square, half the width of the heart, in pixels
LONG, SHORT = 12.77, 7.21  # half axes of the ellipse
STRETCH, SHIFT = 0.662994, -1.43772  # of the heart, downwards
# of the heart, cos t to height: 13 cos t - 5 cos 2t - 2 cos 3t - cos 4t
CURVE = (-8.0, -8.0, -2.0, 19.0, 4.0)
ROUND = 39  # steps of orientation that are a whole turn: its last value is its first
# From float64: single precision would tell the last value from the first.
ANGLES = 2 * np.pi * (np.arange(ROUND + 1) % ROUND) / ROUND


def draw(numbers) -> jax.Array:
    """Whether pixels are inside the sprites, bool `[n, 64, 64]`; traced.

    Args:
      numbers: grid numbers `[n, 5]` of shape (square, ellipse, heart), scale, orientation,
        x and y (downwards); all but the shape may lie between whole numbers.
    """
    numbers = jnp.asarray(numbers, jnp.float32)  # also where x64 would make it wider
    shape, scale, turn, x, y = (a[:, None, None] for a in numbers.T)
    cos, sin = _direction(turn)
    middle = np.arange(SIDE, dtype=np.float32) + 0.5
    dx = middle[None, None, :] - (16 + 32 / 31 * x)
    dy = middle[None, :, None] - (16 + 32 / 31 * y)
    size = 0.5 + 0.1 * scale
    u = (cos * dx - sin * dy) / size
    v = (sin * dx + cos * dy) / size
    square = jnp.maximum(jnp.abs(u), jnp.abs(v)) <= HALF
    ellipse = (u / LONG) ** 2 + (v / SHORT) ** 2 <= 1
    shape = jnp.round(shape)
    return jnp.where(shape < 0.5, square, jnp.where(shape < 1.5, ellipse, _heart(u, v)))


def _direction(turn):
    """Cosine and sine of an orientation, exact where it is whole."""
    cos, sin = (jnp.asarray(f(ANGLES), jnp.float32) for f in (np.cos, np.sin))
    whole = jnp.clip(jnp.floor(turn), 0, ROUND).astype(jnp.int32)
    rest = jnp.float32(2 * np.pi / ROUND) * (turn - whole)
    a, b, c, d = cos[whole], sin[whole], jnp.cos(rest), jnp.sin(rest)
    return a * c - b * d, b * c + a * d


def _heart(u, v):
    """Whether points are between the two heights of the curve at their distance."""
    # The cube root of u^2 by a logarithm: jnp.cbrt takes eighteen times as long.
    wide = (u / HALF) ** 2
    cos = jnp.sqrt(jnp.maximum(1 - jnp.exp(jnp.log(wide) / 3), 0))
    a, b, c, d, e = (-STRETCH * x for x in CURVE)
    even, odd = (a * cos**2 + c) * cos**2 + e + SHIFT, (b * cos**2 + d) * cos
    return (wide <= 1) & (v >= even + odd) & (v <= even - odd)
