"""The mapping of operations by name, each on one image."""

import image_helpers
import jax
import numpy as np
import pytest

from iclr22 import errors
from iclr22.deep_autoaugment import applying, space, tables
from iclr22.deep_autoaugment.operations import _run, apply_one, operations
from iclr22.deep_autoaugment.space import Transformation

KEY = jax.random.key(1)
VALUES = {
    "rotate": -12.5,
    "color": 1.37,
    "equalize": 0,
    "cutout": 5,
    "crop": 2,
    "flip": 0,
}


def test_there_are_eighteen():
    assert tuple(operations) == space.NAMES
    with pytest.raises(TypeError):
        operations["flip"] = operations["crop"]  # pyright: ignore


@pytest.mark.parametrize("op, value", VALUES.items())
def test_one_image_is_as_in_a_batch(op, value):
    image = image_helpers.pictures(1, 15, 18)[0]
    got = operations[op](image, value, KEY)
    made = tables.of((Transformation(op, 6, float(value)),), 15, 18)
    which = np.zeros((1, 1), np.int32)
    batch = applying.apply_all(made, image[None], which, KEY[None])
    assert got.dtype == np.uint8
    assert (np.asarray(got) == np.asarray(batch[0])).all()
    if op in image_helpers.DETERMINISTIC:
        assert (np.asarray(got) == image_helpers.by_pillow(op, image, value)).all()


def test_a_new_value_is_not_compiled_again():
    image = image_helpers.pictures(1, 9, 9)[0]
    operations["rotate"](image, 10.0)
    before = _run._cache_size()
    found = [operations["rotate"](image, float(x)) for x in range(0, 50, 9)]
    assert len({np.asarray(x).tobytes() for x in found}) > 2
    assert _run._cache_size() == before


def test_operations_work_inside_a_compiled_function():
    image = image_helpers.pictures(1, 9, 9)[0]
    got = jax.jit(lambda x: operations["invert"](x))(image)
    assert (np.asarray(got) == 255 - image).all()


@pytest.mark.parametrize(
    "op, image, value, message",
    [
        ("flip", np.zeros((4, 4, 3), np.uint8), 0, "needs a key"),
        ("rotate", np.zeros((4, 4, 3)), 1, "uint8; found .*float64"),
        ("rotate", np.zeros((4, 4), np.uint8), 1, r"\[h, w, c\]"),
        ("rotate", np.zeros((4, 4, 3), np.uint8), 1000, "-360 to 360"),
        ("rotat", np.zeros((4, 4, 3), np.uint8), 1, "Did you mean 'rotate'"),
        ("cutout", np.zeros((4, 4, 3), np.uint8), 5, "images of 5 pixels"),
    ],
)
def test_bad_images_and_values_are_refused(op, image, value, message):
    with pytest.raises(errors.InputError, match=message):
        apply_one(op, image, value)
