"""Changes of training images: what they do, and that each row has a draw of its own."""

import jax
import numpy as np
import pytest

from iclr22.in_domain import augmenting, regressor

KEY = jax.random.key(3)


def given(count=24, side=16):
    random = np.random.default_rng(0)
    images = random.random((count, side, side, 1), np.float32)
    return (
        images,
        random.random((count, 3), np.float32),
        np.arange(count, dtype=np.int32),
    )


def changed(kind, *arrays, positions=(1, 2)):
    config = regressor.Config(augmentation=kind, positions=positions)
    found = jax.jit(augmenting.augmented, static_argnums=0)(config, *arrays, KEY)
    return [np.asarray(x) for x in found]


def test_nothing_is_changed_without_an_augmentation():
    images, target, row = given()
    x, t = changed("none", images, target, row)
    np.testing.assert_array_equal(x, images)
    np.testing.assert_array_equal(t, target)


def test_corruptions_are_noise_blur_and_holes_and_keep_targets():
    images, target, row = given()
    x, t = changed("corrupt", images, target, row)
    np.testing.assert_array_equal(t, target)
    assert x.min() >= 0 and x.max() <= 1
    differs = np.abs(x - images).reshape(len(x), -1)
    holes = (x == 0).reshape(len(x), -1).sum(1) >= 4
    assert 2 <= holes.sum() <= len(x) - 2
    sides = 16 // augmenting.HOLE
    assert (x == 0).reshape(len(x), -1).sum(1).max() <= (sides + 1) ** 2
    smooth = x.reshape(len(x), -1).std(1) < 0.75 * images.reshape(len(x), -1).std(1)
    noisy = ~holes & ~smooth
    assert smooth.any() and noisy.any()
    assert 0.01 < differs[noisy].mean() < 2 * augmenting.NOISE


def test_a_shift_moves_pixels_and_targets_by_the_same():
    images, target, row = given()
    x, t = changed("shift", images, target, row)
    moves = np.rint((t - target) * augmenting.SPAN * 16).astype(int)
    np.testing.assert_array_equal(moves[:, 0], 0)
    assert np.unique(moves[:, 1:]).tolist() == [-2, -1, 0, 1, 2]
    for before, after, (_, across, down) in zip(images, x, moves, strict=True):
        expected = np.zeros_like(before)
        rows = slice(max(down, 0), 16 + min(down, 0))
        columns = slice(max(across, 0), 16 + min(across, 0))
        from_rows = slice(max(-down, 0), 16 + min(-down, 0))
        from_columns = slice(max(-across, 0), 16 + min(-across, 0))
        expected[rows, columns] = before[from_rows, from_columns]
        np.testing.assert_array_equal(after, expected)


def test_rand_augment_changes_images_and_not_targets():
    images, target, row = given(8)
    x, t = changed("rand_augment", images, target, row)
    np.testing.assert_array_equal(t, target)
    assert (np.abs(x - images).reshape(8, -1).max(1) > 0.1).sum() >= 4


@pytest.mark.parametrize("kind", ["corrupt", "shift", "rand_augment"])
def test_what_becomes_of_an_image_depends_on_its_row_alone(kind):
    images, target, row = given(8)
    order = np.random.default_rng(1).permutation(8)
    whole = changed(kind, images, target, row)
    mixed = changed(kind, images[order], target[order], row[order])
    for one, other in zip(whole, mixed, strict=True):
        np.testing.assert_allclose(one[order], other, atol=1e-6)
