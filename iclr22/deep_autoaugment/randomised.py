"""Operations with a chance in them, on one image `[h, w, c]`, traced.

One word of 32 random bits decides; places are computed in whole numbers from its halves, so
that the same pixels come out on every device. A resized crop draws more, in single precision:
on another device it may, rarely, lie a pixel aside.
"""

import jax
import jax.numpy as jnp

from iclr22.deep_autoaugment.geometry import gathered, grid
from iclr22.deep_autoaugment.tables import ONE

BITS = 22  # of a weight's fraction in resampling
TAPS = 5  # pixels beside each other that one is made of
ATTEMPTS = 10  # to draw a part of the image that lies inside
RATIO = (3 / 4, 4 / 3)  # of a part's width to its height


def flip(image, word):
    """The mirror image, in half of all cases."""
    return jnp.where(word >> 31 == 1, image[:, ::-1], image)


def crop(image, pad, word, fill):
    """As large as before, at a random place of the image padded by so many pixels."""
    y, x = grid(image)
    choices = 2 * pad + 1
    down = ((word >> 16).astype(jnp.int32) * choices >> 16) - pad
    right = ((word & 0xFFFF).astype(jnp.int32) * choices >> 16) - pad
    return gathered(image, y + down, x + right, fill)


def cutout(image, half, word, fill):
    """A square of a colour, around a random point; what is outside is cut off.

    `half` its side, in 16.16 fixed point. The first and the last column and row that it
    touches are filled, too, so that a side of 16 covers 17 pixels (sheet 2.2).
    """
    y, x = grid(image)
    height, width, _ = image.shape
    within = _around((word >> 16).astype(jnp.int32) * height, half, height, y)
    within &= _around((word & 0xFFFF).astype(jnp.int32) * width, half, width, x)
    return jnp.where(within[..., None], jnp.asarray(fill, image.dtype), image)


def _around(centre, half, length, place):
    first = jnp.maximum(centre - half, 0) >> 16
    last = jnp.minimum(centre + half, length << 16) >> 16
    return (place >= first) & (place <= last)


def noise(image, key):
    """Uniform noise instead of the image."""
    return jax.random.bits(key, image.shape, jnp.uint8)


def resized_crop(image, least, key, *, labels: bool = False):
    """A random part of the image, as large as the image again (bicubic).

    Of `least` (in 16.16 fixed point) to all of its area, of a ratio of 3/4 to 4/3. Weights
    have 22 bits and each of the two passes ends in whole levels, as in Pillow, from which
    it is at most one level away. Labels are taken from the nearest pixel.
    """
    height, width, _ = image.shape
    top, left, rows, columns = part(height, width, least, key)
    if labels:
        y, x = grid(image)
        y = top + (2 * y + 1) * rows // (2 * height)
        return gathered(image, y, left + (2 * x + 1) * columns // (2 * width))
    wide = image.astype(jnp.int32)
    place, weight = _taps(width, columns)
    wide = sum(wide[:, left + place[:, t]] * weight[:, t, None] for t in range(TAPS))
    wide = _rounded(wide).reshape(height, -1)
    place, weight = _taps(height, rows)
    wide = sum(wide[top + place[:, t]] * weight[:, t, None] for t in range(TAPS))
    return _rounded(wide).reshape(image.shape).astype(image.dtype)


def part(height: int, width: int, least, key):
    """Top, left, rows and columns of a random part, int32.

    The first of ten that fits; else the largest one in the middle with a ratio in range.
    """
    share, ratio = jax.random.uniform(key, (2, ATTEMPTS))
    corner = jax.random.uniform(jax.random.fold_in(key, 1), (2,))
    smallest = least.astype(jnp.float32) / ONE
    area = height * width * (smallest + (1 - smallest) * share)
    low, high = jnp.log(jnp.asarray(RATIO))
    ratio = jnp.exp(low + (high - low) * ratio)
    columns = jnp.round(jnp.sqrt(area * ratio)).astype(jnp.int32)
    rows = jnp.round(jnp.sqrt(area / ratio)).astype(jnp.int32)
    fits = (columns > 0) & (columns <= width) & (rows > 0) & (rows <= height)
    first = jnp.argmax(fits)
    columns = jnp.where(
        fits.any(), columns[first], min(width, round(height * RATIO[1]))
    )
    rows = jnp.where(fits.any(), rows[first], min(height, round(width / RATIO[0])))
    room = jnp.stack([height - rows, width - columns])
    drawn = jnp.minimum((corner * (room + 1)).astype(jnp.int32), room)
    top, left = jnp.where(fits.any(), drawn, room // 2)
    return top, left, rows, columns


def _taps(length: int, source):
    """Places `[length, TAPS]` in `source` pixels, and weights in fixed point, of a cubic."""
    middle = (2 * jnp.arange(length, dtype=jnp.int32) + 1) * source
    whole, rest = middle // (2 * length), middle % (2 * length)
    place = whole[:, None] + jnp.arange(TAPS, dtype=jnp.int32) - TAPS // 2
    fraction = rest.astype(jnp.float32) / (2 * length)
    away = jnp.abs(jnp.arange(TAPS) - TAPS // 2 + 0.5 - fraction[:, None])
    inside = (place >= 0) & (place < source)
    weight = jnp.where(inside, _cubic(away), 0)
    weight = weight / weight.sum(1, keepdims=True) * (1 << BITS)
    return jnp.clip(place, 0, source - 1), jnp.round(weight).astype(jnp.int32)


def _cubic(x):
    """The cubic of Keys with a = -0.5, of distances."""
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return jnp.where(x < 1, near, jnp.where(x < 2, far, 0))


def _rounded(total):
    """Whole levels of sums in fixed point."""
    return jnp.clip((total + (1 << (BITS - 1))) >> BITS, 0, 255)
