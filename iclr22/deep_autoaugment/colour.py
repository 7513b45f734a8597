"""Operations on the colours of one image `[h, w, c]` of bytes, traced; c is 1 or 3.

Look-ups, integers and one addition in single precision: what Pillow computes, to the bit
(sheet 2.2).
"""

import jax.numpy as jnp

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
    return blended(image, grey(image), difference)


def sharpness(image, difference):
    """From the image smoothed over 3 x 3 pixels; the edge is not smoothed."""
    height, width, _ = image.shape
    if min(height, width) < 3:
        return image
    wide = image.astype(jnp.int32)
    rows = wide[:-2] + wide[1:-1] + wide[2:]
    total = rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:] + 4 * wide[1:-1, 1:-1]
    smooth = (total + 6) * 5042 >> 16  # a thirteenth, to the nearest
    inner = blended(image[1:-1, 1:-1], smooth, difference)
    return image.at[1:-1, 1:-1].set(inner)


def autocontrast(image):
    """Levels of each channel stretched over all of 0 to 255."""
    low = image.min((0, 1)).astype(jnp.int32)[:, None]
    high = image.max((0, 1)).astype(jnp.int32)[:, None]
    levels = jnp.arange(256, dtype=jnp.int32)
    bits, start = (jnp.asarray(x) for x in tables.stretching())
    width = jnp.maximum(high - low, 1)
    above = jnp.clip(levels - low, 0, width)
    # The half keeps an inexact division away from whole numbers.
    new = ((above * 255).astype(jnp.float32) + 0.5) / width.astype(jnp.float32)
    place = start[width] + low * (width + 1) + above
    short = bits[place >> 3] >> (place & 7).astype(jnp.uint8) & 1
    table = new.astype(jnp.int32) - short
    table = jnp.where(high > low, table, levels)
    return looked_up_by_channel(image, table.astype(jnp.uint8))


def equalize(image, by_sort: bool = False):
    """Each channel's levels spread so that all are about as frequent.

    Args:
      by_sort: count levels in sorted pixels, which is fast on accelerators.
    """
    size, channels = image.shape[0] * image.shape[1], image.shape[2]
    levels = jnp.arange(256, dtype=jnp.int32)
    flat = image.reshape(size, channels).astype(jnp.int32)
    if by_sort:
        ordered = jnp.sort(flat, axis=0).T
        below = jnp.stack([jnp.searchsorted(x, levels) for x in ordered])
    else:
        place = flat + 256 * jnp.arange(channels, dtype=jnp.int32)
        counts = jnp.zeros(256 * channels, jnp.int32)
        counts = counts.at[place.reshape(-1)].add(1, mode="promise_in_bounds")
        counts = counts.reshape(channels, 256)
        below = jnp.cumsum(counts, axis=1) - counts
    highest = flat.max(0)[:, None]
    # Pixels below the highest level are all but those of it.
    step = jnp.take_along_axis(below, highest, axis=1) // 255
    table = (step // 2 + below) // jnp.maximum(step, 1)
    table = jnp.where(step > 0, jnp.minimum(table, 255), levels)
    return looked_up_by_channel(image, table.astype(jnp.uint8))
