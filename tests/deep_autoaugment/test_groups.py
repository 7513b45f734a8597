"""Images of a search: parts by class, and groups of a class each."""

import numpy as np
import pytest

from iclr22 import errors
from iclr22.deep_autoaugment import groups


def labels(*counts):
    """Classes with so many images each, mixed."""
    y = np.repeat(np.arange(len(counts)), counts)
    return np.random.default_rng(0).permutation(y)


def test_parts_are_of_every_class_and_share_nothing():
    y = labels(40, 25, 60)
    parts = groups.parted(y, 8, train=0.5)
    rows = np.concatenate(parts[:4])
    assert len(rows) == len(np.unique(rows)) == len(y) and not parts.told
    for part in parts[:4]:
        assert set(y[part]) == {0, 1, 2}
    valid = np.bincount(y[parts.valid])
    np.testing.assert_array_equal(valid, [8, 8, 8])  # a tenth, or 8
    np.testing.assert_array_equal(np.bincount(y[parts.held]), [9, 9, 9])
    assert not np.array_equal(parts.valid, groups.parted(y, 8, seed=1).valid)


def test_small_classes_hold_nothing_back_and_say_so():
    y = labels(9, 30)
    parts = groups.parted(y, 8)
    assert "9 images" in parts.told
    assert np.bincount(y[parts.valid])[0] == 8 and np.bincount(y[parts.search])[0] == 1
    assert set(parts.held) == set(parts.valid) | set(parts.search)
    assert not {*parts.valid} & {*parts.search}


def test_too_few_images_of_a_class_are_refused():
    with pytest.raises(
        errors.InputError, match="at least 65 images.* found 64 of class b"
    ):
        groups.parted(labels(70, 64), 64, names=("a", "b"))
    with pytest.raises(errors.InputError, match="at least two classes; found 1"):
        groups.parted(labels(70), 64)


def source(balanced=True, devices=1, part=(0, 1)):
    y = labels(90, 30)
    x = np.arange(len(y), dtype=np.uint8)[:, None, None, None]
    parts = groups.parted(y, 8)
    return groups.Groups(
        x, y, parts.valid, parts.search, 6, 8, balanced, 3, devices, part
    )


def test_a_group_is_of_one_class_and_compares_with_images_of_its_own():
    of = source()
    for step in range(5):
        batch = of(step)
        valid = batch["x"][:, :, 0, 0, 0]
        image = batch["image"][:, 0, 0, 0]
        assert set(valid.ravel()) <= set(of.valid) and set(image) <= set(of.search)
        np.testing.assert_array_equal(of.y[valid], np.repeat(batch["y"][:, None], 8, 1))
        np.testing.assert_array_equal(of.y[image], batch["y"])
        assert all(len(set(row)) == 8 for row in valid)
        np.testing.assert_array_equal(of(step)["x"], batch["x"])


def test_classes_are_balanced_or_images_are():
    def share(balanced):
        of = source(balanced)
        return np.mean([of(step)["y"] for step in range(300)])

    assert abs(share(True) - 0.5) < 4 * np.sqrt(0.25 / 1800)
    of = source(False)
    rare = np.mean(of.y[of.search])
    assert abs(share(False) - rare) < 4 * np.sqrt(rare * (1 - rare) / 1800)


def test_processes_and_devices_see_the_groups_of_one():
    whole = source()(2)
    wide = source(devices=4)(2)  # 6 groups on 4 devices: two more, of no weight
    np.testing.assert_array_equal(wide["weight"], [1] * 6 + [0] * 2)
    np.testing.assert_array_equal(wide["x"][:6], whole["x"])
    halves = [source(devices=4, part=(i, 2))(2) for i in range(2)]
    for name, x in wide.items():
        np.testing.assert_array_equal(np.concatenate([h[name] for h in halves]), x)
