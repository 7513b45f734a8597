"""Operations on batches, to the bit as Pillow has them, each image on its own."""

import functools

import image_helpers
import jax
import numpy as np
import pytest

from iclr22 import errors
from iclr22.deep_autoaugment import applying, colour, space, tables
from iclr22.deep_autoaugment.space import Transformation

KEY = jax.random.key(7)


def at_all_levels(ops=image_helpers.DETERMINISTIC):
    """Transformations at 13 levels, also those that change nothing."""
    graded = [op for op in ops if op in space.RANGES]
    found = [Transformation(x, n, space.value(x, n)) for x in graded for n in range(13)]
    plain = [op for op in ops if op not in space.RANGES]
    return tuple(found + [Transformation(op, 6, 0.0) for op in plain])


@functools.partial(jax.jit, static_argnames=("transformations", "how"))
def apply(transformations, images, which, keys, how="map"):
    made = tables.of(transformations, *images.shape[1:3])
    return applying.apply_all(made, images, which, keys, how=how)


def keys(count: int, key=KEY):
    return jax.random.split(key, count)


def differing(images, transformations, how="map") -> int:
    """Pixels that are not Pillow's, over all images under all transformations."""
    count = len(images)
    found = 0
    for index, each in enumerate(transformations):
        which = np.full((count, 1), index, np.int32)
        got = np.asarray(apply(transformations, images, which, keys(count), how))
        wanted = [image_helpers.by_pillow(each.op, x, each.value) for x in images]
        found += int((got != np.stack(wanted)).any(-1).sum())
    return found


@pytest.mark.parametrize("size", [(31, 45, 3), (20, 100, 1), (2, 3, 3)])
def test_every_level_gives_the_pixels_of_pillow(size):
    assert differing(image_helpers.pictures(10, *size), at_all_levels()) == 0


SIZES = [(32, 32), (96, 96), (224, 224), (225, 225), (31, 45)]


@pytest.mark.slow
@pytest.mark.parametrize(
    "how, size",
    [
        *(("map", size) for size in SIZES),
        ("segments", (32, 32)),
        ("segments", (31, 45)),
    ],
)
def test_every_level_gives_the_pixels_of_pillow_for_many_images(how, size):
    images = image_helpers.pictures(50, *size, seed=1)
    assert differing(images, at_all_levels(), how) == 0


@pytest.mark.parametrize("height, width", [(6, 6), (5, 8)])
def test_quarter_turns_are_those_of_pillow(height, width):
    turns = (0, 90, 180, 270, 360, -90, -180, 45, 1e-9, 89.9999999999)
    made = tuple(Transformation("rotate", 0, float(x)) for x in turns)
    images = image_helpers.pictures(2, height, width)
    assert differing(images, made) == 0


def test_all_pairs_of_levels_of_the_enhancers():
    """65,536 pairs at each level: blended as in single precision without contraction."""
    level, other = np.divmod(np.arange(65536), 256)
    blend = jax.jit(colour.blended)
    for n in range(13):
        value = np.float32(space.value("color", n))
        made = tables.of((Transformation("color", n, float(value)),), 4, 4)
        product = (level - other).astype(np.float32) * value
        wanted = np.clip(other.astype(np.float32) + product, 0, 255).astype(np.uint8)
        got = blend(level.astype(np.uint8), other, made.difference[0])
        assert (np.asarray(got) == wanted).all()


def test_quotients_are_those_of_integers():
    rng = np.random.default_rng(0)
    below = rng.integers(1, 1 << 16, 20000)
    whole = below * rng.integers(0, 256, 20000)
    for extra in (0, -1, 1):
        above = np.maximum(whole + extra, 0).astype(np.int32)
        got = colour.quotient(above, below.astype(np.int32))
        assert (np.asarray(got) == above // below).all()


def some(count=40, ops=space.NAMES, layers=3, size=(20, 20, 3)):
    """Transformations, images and what each gets."""
    made = tuple(x for x in space.space(levels=3) if x.op in ops)
    which = np.random.default_rng(0).integers(0, len(made), (count, layers))
    return made, image_helpers.pictures(count, *size), which.astype(np.int32)


@pytest.mark.parametrize("channels", [pytest.param(1, marks=pytest.mark.slow), 3])
def test_segments_give_the_pixels_of_the_map(channels):
    made, images, which = some(60, size=(18, 21, channels))
    made += tuple(
        Transformation(*x) for x in [("noise", 6, 0.0), ("resized_crop", 6, 0.1)]
    )
    which[::3, 1] = len(made) - 1 - np.arange(20) % 2
    one = apply(made, images, which, keys(60), how="map")
    other = apply(made, images, which, keys(60), how="segments")
    assert (np.asarray(one) == np.asarray(other)).all()
    assert (np.asarray(one) != images).any((1, 2, 3)).mean() > 0.8


def test_an_image_depends_on_its_own_key_alone():
    made, images, which = some()
    whole = np.asarray(apply(made, images, which, keys(40)))
    again = np.asarray(apply(made, images, which, keys(40)))
    assert (whole == again).all()
    order = np.random.default_rng(1).permutation(40)[:13]
    part = apply(made, images[order], which[order], keys(40)[order])
    assert (np.asarray(part) == whole[order]).all()
    other = apply(made, images, which, keys(40, jax.random.key(8)))
    assert (np.asarray(other) != whole).any()


def test_transformations_follow_each_other():
    made = (Transformation("rotate", 12, 30.0), Transformation("equalize", 6, 0.0))
    images = image_helpers.pictures(3, 24, 24)
    got = apply(made, images, np.tile(np.int32([0, 1]), (3, 1)), keys(3))
    for one, image in zip(np.asarray(got), images, strict=True):
        turned = image_helpers.by_pillow("rotate", image, 30.0)
        assert (one == image_helpers.by_pillow("equalize", turned, 0)).all()


def test_labels_move_like_their_images():
    """A grey image of labels, moved as an image with black around and as labels."""
    ops = (*space.MIRRORED, "flip")
    made, images, which = some(30, ops=("identity", *ops), size=(16, 19, 1))
    made_of = tables.of(made, 16, 19)
    labels = images.astype(np.int32)
    moved = applying.apply_all(made_of, labels, which, keys(30), labels=True)
    assert moved.dtype == np.int32
    assert (np.asarray(moved) == np.asarray(apply(made, images, which, keys(30)))).all()


def test_labels_stay_under_changes_of_colour():
    made, images, _ = some(5)
    kinds = [n for n, x in enumerate(made) if x.op not in space.GEOMETRIC]
    which = np.tile(np.int32(kinds), (5, 1))
    labels = images[..., :1].astype(np.int16)
    moved = applying.apply_all(
        tables.of(made, 20, 20), labels, which, keys(5), labels=True
    )
    assert (np.asarray(moved) == labels).all()


def test_draws_are_as_frequent_as_their_probabilities():
    shares = np.array([[0.0, 0.5, 0.3, 0.2, 0.0], [0.9, 0, 0, 0, 0.1], [0, 0, 1, 0, 0]])
    count = 20000
    which = np.asarray(applying.draw(shares, keys(count)))
    for row, drawn in zip(shares, which.T, strict=True):
        found = np.bincount(drawn, minlength=5) / count
        assert (np.abs(found - row) <= 4 * np.sqrt(row * (1 - row) / count)).all()
    joint = np.mean((which[:, 0] == 1) & (which[:, 1] == 4))
    assert abs(joint - 0.05) < 4 * np.sqrt(0.05 * 0.95 / count)


def test_draws_say_nothing_of_what_an_operation_draws():
    made = (Transformation("identity", 6, 0.0), Transformation("flip", 6, 0.0))
    images = np.tile(np.arange(4, dtype=np.uint8)[:, None], (2000, 4, 1, 3))
    which = applying.draw([[0.5, 0.5]], keys(2000))
    got = np.asarray(apply(made, images, which, keys(2000)))
    flipped = (got != images).any((1, 2, 3))
    chosen = np.asarray(which)[:, 0] == 1
    assert not flipped[~chosen].any()
    assert abs(flipped[chosen].mean() - 0.5) < 0.07


def test_only_what_is_dealt_with_is_taken():
    made, images, which = some(3)
    numbers = tables.of(made, 20, 20)
    with pytest.raises(errors.InputError, match="float32 of 3"):
        applying.apply_all(numbers, images.astype(np.float32), which, keys(3))
    with pytest.raises(errors.InputError, match="uint8 of 4"):
        applying.apply_all(numbers, np.zeros((3, 20, 20, 4), np.uint8), which, keys(3))
    with pytest.raises(errors.InputError, match="map"):
        applying.apply_all(numbers, images, which, keys(3), how="mop")
