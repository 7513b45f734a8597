"""Operations on the colours of one image `[h, w, c]` of bytes, traced; c is 1 or 3.

Look-ups, integers and one addition in single precision: what Pillow computes, to the bit
(sheet 2.2).
"""

import jax
import jax.numpy as jnp
import numpy as np

from iclr22.deep_autoaugment import tables


def looked_up(image, table):
    """Each level by its entry in `table [256]`."""
    return table.at[image.astype(jnp.int32)].get(mode="promise_in_bounds")


def looked_up_by_channel(image, table):
    """Each level by its entry in its channel's row of `table [c, 256]`."""
    channels = jnp.arange(image.shape[2], dtype=jnp.int32) * 256
    return looked_up(image.astype(jnp.int32) + channels, table.reshape(-1))


def blended(image, other, difference):
    """An enhancer: from `other` so many times the difference to the image.

    `difference [511]` holds the products: a product and a sum beside each other would be
    contracted and rounded in another way.
    """
    other = other.astype(jnp.int32)
    by = image.astype(jnp.int32) - other + 255
    moved = difference.at[by].get(mode="promise_in_bounds")
    result = jnp.clip(other.astype(jnp.float32) + moved, 0.0, 255.0)
    return result.astype(jnp.int32).astype(jnp.uint8)


def grey(image):
    """Luminance `[h, w, 1]` int32 of colours, or of an image that is grey already."""
    image = image.astype(jnp.int32)
    if image.shape[2] == 1:
        return image
    red, green, blue = (image[..., i : i + 1] for i in range(3))
    return (19595 * red + 38470 * green + 7471 * blue + 32768) >> 16


def contrast(image, difference):
    """From the mean of the luminance, rounded to a whole level."""
    levels = grey(image).astype(jnp.uint32)
    total, count = levels.sum(dtype=jnp.uint32), jnp.uint32(levels.size)
    mean = total // count
    mean += 2 * (total - mean * count) >= count
    return blended(image, mean, difference)


def color(image, difference):
    """From the image without its colours; a grey image stays as it is."""
    if image.shape[2] == 1:
        return image
    plain = jnp.broadcast_to(grey(image), image.shape)
    flat = blended(image.reshape(-1), plain.reshape(-1), difference)
    return flat.reshape(image.shape)


def sharpness(image, difference):
    """From the image smoothed over 3 x 3 pixels; the edge is not smoothed."""
    height, width, channels = image.shape
    row = width * channels
    flat = image.reshape(-1).astype(jnp.int32)
    far = row + channels
    padded = jnp.pad(flat, far)

    def moved(by):
        return jax.lax.slice(padded, (far + by,), (far + by + flat.size,))

    above, level, below = (
        sum(moved(down + right) for right in (-channels, 0, channels))
        for down in (-row, 0, row)
    )
    total = above + level + below + 4 * flat
    smooth = (total + 6) * 5042 >> 16  # a thirteenth, to the nearest
    y, x = jnp.arange(height)[:, None], jnp.arange(row)
    inside = (y > 0) & (y < height - 1) & (x >= channels) & (x < row - channels)
    other = jnp.where(inside.reshape(-1), smooth, flat)
    return blended(flat, other, difference).reshape(image.shape)


def autocontrast(image):
    """Levels of each channel stretched over all of 0 to 255."""
    low, high = _extremes(image)
    levels = jnp.arange(256, dtype=jnp.int32)
    bits, start = (jnp.asarray(x) for x in tables.stretching())
    width = jnp.maximum(high - low, 1)
    above = jnp.clip(levels - low, 0, width)
    place = start[width] + low * (width + 1) + above
    short = bits[place >> 3] >> (place & 7).astype(jnp.uint8) & 1
    new = quotient(255 * above, width) - short
    return _changed(image, jnp.where(high > low, new, levels), high > low)


def _extremes(image):
    """Lowest and highest level of each channel, `[c, 1]`; in one pass, which is ten times
    faster than two."""

    def narrower(a, b):
        return jnp.minimum(a[0], b[0]), jnp.maximum(a[1], b[1])

    start = np.uint8(255), np.uint8(0)
    found = jax.lax.reduce((image, image), start, narrower, (0, 1))
    return tuple(x.astype(jnp.int32)[:, None] for x in found)


def equalize(image, by_sort: bool = False):
    """Each channel's levels spread so that all are about as frequent.

    Args:
      by_sort: count levels in sorted pixels, which is fast on accelerators.
    """
    below = (_below_sorted if by_sort else _below_counted)(image)
    size = image.shape[0] * image.shape[1]
    # Pixels below the highest level that there is: all but those of it.
    most = jnp.where(below < size, below, 0).max(1, keepdims=True)
    step = most // 255
    new = jnp.minimum(quotient(step // 2 + below, jnp.maximum(step, 1)), 255)
    levels = jnp.arange(256, dtype=jnp.int32)
    return _changed(image, jnp.where(step > 0, new, levels), step > 0)


def _below_counted(image):
    """Pixels below each level, `[c, 256]`, of a histogram."""
    channels = image.shape[2]
    place = image.astype(jnp.int32) + 256 * jnp.arange(channels, dtype=jnp.int32)
    counts = jnp.zeros(256 * channels, jnp.int32)
    counts = counts.at[place.reshape(-1)].add(1, mode="promise_in_bounds")
    parts = counts.reshape(channels, 16, 16)  # sums of parts, then of what is in them
    within = jnp.cumsum(parts, axis=2)
    whole = within[..., -1:]
    below = within - parts + jnp.cumsum(whole, axis=1) - whole
    return below.reshape(channels, 256)


def _below_sorted(image):
    """The same of sorted pixels."""
    ordered = jnp.sort(image.reshape(-1, image.shape[2]), axis=0).T
    levels = jnp.arange(256, dtype=jnp.uint8)
    return jnp.stack([jnp.searchsorted(x, levels) for x in ordered]).astype(jnp.int32)


def quotient(a, b):
    """a // b of whole numbers from 0 and from 1, without the slow division of integers."""
    near = (a.astype(jnp.float32) / b.astype(jnp.float32)).astype(jnp.int32)
    rest = a - near * b
    return near + (rest >= b).astype(jnp.int32) - (rest < 0).astype(jnp.int32)


def _changed(image, table, changes):
    """Levels of each channel by its table `[c, 256]`, if any `changes`.

    The condition also keeps a table from being made anew for every pixel.
    """
    table = table.astype(jnp.uint8)

    def same(image, _):
        return image

    return jax.lax.cond(changes.any(), looked_up_by_channel, same, image, table)
