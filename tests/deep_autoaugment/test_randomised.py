"""Operations with a chance in them: where they act, and how often."""

import functools

import image_helpers
import jax
import numpy as np
import PIL.Image
import pytest

from iclr22.deep_autoaugment import applying, randomised
from iclr22.deep_autoaugment.operations import operations
from iclr22.deep_autoaugment.tables import ONE

COUNT = 2000
WORDS = jax.random.bits(jax.random.key(0), (COUNT,))


def over_words(operation):
    """An operation with one image and amount, and many words."""
    filled = functools.partial(operation, fill=np.uint8(applying.FILL))
    return jax.vmap(filled, (None, None, 0))


def test_half_of_the_images_are_flipped():
    image = image_helpers.pictures(1, 6, 7)[0]
    got = np.asarray(jax.vmap(randomised.flip, (None, 0))(image, WORDS))
    same = (got == image).all((1, 2, 3))
    mirror = (got == image[:, ::-1]).all((1, 2, 3))
    assert (same ^ mirror).all()
    assert abs(mirror.mean() - 0.5) < 4 * 0.5 / np.sqrt(COUNT)


def test_a_flip_twice_is_the_image():
    image = image_helpers.pictures(1, 6, 7)[0]
    key = next(k for k in map(jax.random.key, range(9)) if _flips(image, k))
    once = operations["flip"](image, 0, key)
    assert (np.asarray(operations["flip"](once, 0, key)) == image).all()
    assert (np.asarray(operations["identity"](image, 0)) == image).all()


def _flips(image, key) -> bool:
    return bool((np.asarray(operations["flip"](image, 0, key)) != image).any())


def test_crops_are_of_the_padded_image():
    image = image_helpers.pictures(1, 9, 12)[0]
    padded = np.full((13, 16, 3), applying.FILL, np.uint8)
    padded[2:-2, 2:-2] = image
    parts = {
        padded[y : y + 9, x : x + 12].tobytes(): (y, x)
        for y in range(5)
        for x in range(5)
    }
    crop = jax.jit(over_words(randomised.crop))
    got = np.asarray(crop(image, 2, WORDS))
    places = np.array([parts[x.tobytes()] for x in got])
    for axis in (0, 1):
        found = np.bincount(places[:, axis], minlength=5) / COUNT
        assert (np.abs(found - 0.2) < 4 * np.sqrt(0.2 * 0.8 / COUNT)).all()
    assert abs(np.corrcoef(places.T)[0, 1]) < 4 / np.sqrt(COUNT)


def test_cutouts_are_squares_of_a_pixel_more_than_their_side():
    image = np.zeros((40, 50, 3), np.uint8)
    cut = jax.jit(over_words(randomised.cutout))
    got = np.asarray(cut(image, 8 * ONE, WORDS))
    filled = got[..., 0] > 0
    assert (got[filled] == applying.FILL).all() and not got[~filled].any()
    rows, columns = filled.any(2), filled.any(1)
    heights, widths = rows.sum(1), columns.sum(1)
    assert (filled.sum((1, 2)) == heights * widths).all()  # rectangles
    inside = ~(rows[:, 0] | rows[:, -1] | columns[:, 0] | columns[:, -1])
    assert inside.sum() > 100
    assert (filled[inside].sum((1, 2)) == 289).all()
    assert heights.min() >= 9 and widths.min() >= 9
    # The centre is uniform: so is, inside, the first row.
    first = rows[inside].argmax(1)
    assert set(first) == set(range(1, 23))


@pytest.mark.parametrize("op, value", [("cutout", 6), ("crop", 3)])
def test_grey_images_are_filled_with_the_mean(op, value):
    image = np.zeros((12, 12, 1), np.uint8)
    got = np.stack([operations[op](image, value, jax.random.key(n)) for n in range(4)])
    assert set(np.unique(got)) == {0, 121}


@pytest.mark.parametrize("height, width, channels", [(32, 32, 3), (20, 45, 1)])
def test_a_resized_crop_is_a_level_at_most_from_pillow(height, width, channels):
    images = image_helpers.pictures(8, height, width, channels)
    least = np.int32(0.08 * ONE)

    @jax.jit
    @jax.vmap
    def run(image, key):
        part = randomised.part(height, width, least, key)
        return randomised.resized_crop(image, least, key), part

    got, parts = run(images, jax.random.split(jax.random.key(1), 8))
    for image, new, *part in zip(images, np.asarray(got, int), *parts, strict=True):
        top, left, rows, columns = map(int, part)
        source = image_helpers.as_pillow(image)
        source = source.crop((left, top, left + columns, top + rows))
        wanted = source.resize((width, height), PIL.Image.Resampling.BICUBIC)
        wanted = np.asarray(wanted, int).reshape(new.shape)
        assert np.abs(new - wanted).max() <= 1
        assert (new != wanted).mean() < 1e-2


def test_parts_are_of_the_areas_and_ratios_asked_for():
    least = np.int32(0.25 * ONE)
    part = jax.jit(jax.vmap(lambda key: randomised.part(200, 300, least, key)))
    top, left, rows, columns = map(
        np.asarray, part(jax.random.split(jax.random.key(2), COUNT))
    )
    assert top.min() >= 0 and (top + rows).max() <= 200
    assert left.min() >= 0 and (left + columns).max() <= 300
    area, ratio = rows * columns / 60000, columns / rows
    assert 0.24 < area.min() < 0.27 and area.max() > 0.8
    assert 0.74 < ratio.min() < 0.77 and 1.3 < ratio.max() < 1.36


def test_a_part_that_never_fits_is_the_middle():
    part = jax.jit(jax.vmap(lambda key: randomised.part(10, 100, np.int32(ONE), key)))
    found = np.stack(part(jax.random.split(jax.random.key(3), 5)))
    assert (found == np.array([0, 43, 10, 13])[:, None]).all()


def test_labels_of_a_part_are_the_nearest():
    labels = np.arange(16 * 16, dtype=np.int32).reshape(16, 16, 1)
    key, least = jax.random.key(5), np.int32(0.3 * ONE)
    run = jax.jit(functools.partial(randomised.resized_crop, labels=True))
    got = run(labels, least, key)
    part = jax.jit(functools.partial(randomised.part, 16, 16))
    top, left, rows, columns = map(int, part(least, key))
    place = (np.arange(16) + 0.5) / 16
    y = np.floor(top + place * rows).astype(int)
    x = np.floor(left + place * columns).astype(int)
    assert (np.asarray(got) == labels[y[:, None], x]).all()


def test_noise_is_uniform():
    got = np.asarray(
        randomised.noise(np.zeros((64, 64, 3), np.uint8), jax.random.key(0))
    )
    counts = np.bincount(got.reshape(-1), minlength=256)
    assert ((counts - 48) ** 2 / 48).sum() < 256 + 6 * np.sqrt(2 * 256)
