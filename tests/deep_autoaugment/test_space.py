"""The space of transformations and the numbers made of them."""

import image_helpers
import numpy as np
import pytest

from iclr22 import errors
from iclr22.deep_autoaugment import space, tables
from iclr22.deep_autoaugment.space import Transformation


def test_the_space_is_the_table_of_the_sheet():
    found = space.space()
    assert len(found) == 139
    first = {}
    for index, each in enumerate(found):
        first.setdefault(each.op, index)
    assert tuple(first) == space.NAMES
    expected = (0, 1, 13, 25, 37, 49, 61, 62, 63, 64, 76, 88, 100, 112, 124)
    assert tuple(first.values()) == (*expected, 136, 137, 138)
    assert found[0] == Transformation("identity", 6, 0.0)
    assert found[1] == Transformation("shear_x", 0, -0.3)
    assert found[60] == Transformation("rotate", 12, 30.0)
    assert found[64] == Transformation("solarize", 0, 0.0)
    assert [x.value for x in found[100:112]][:2] == pytest.approx([0.1, 0.25])
    assert found[137:] == (Transformation("cutout", 6, 16.0), ("crop", 6, 4.0))


def test_no_level_changes_nothing():
    image = image_helpers.pictures(1, 16, 16)[0]
    for op, _, value in space.space():
        if op in space.RANGES and op != "posterize":
            assert (image_helpers.by_pillow(op, image, value) != image).any(), op


def test_fewer_levels_are_levels_of_the_thirteen():
    small = space.space(levels=4)  # as in the reference search of the sheet
    assert len(small) == 49
    assert [x.level for x in small if x.op == "rotate"] == [0, 4, 8, 12]
    assert [x.level for x in small if x.op == "solarize"] == [0, 4, 8]
    assert set(small) <= set(space.space())
    assert set(space.space(levels=2)) <= set(small)


def test_imagenet_has_a_resized_crop():
    found = space.space("imagenet", cutout=60)
    assert len(found) == 139
    assert found[137] == ("cutout", 6, 60.0)
    assert found[138] == ("resized_crop", 6, 0.08)


def test_lists_choose_operations():
    assert {x.op for x in space.space(allow=["flip"])} == {"identity", "flip"}
    found = space.space(deny=["flip", "rotate"], pad=2)
    assert len(found) == 139 - 13
    assert found[0].op == "identity" and found[-1].value == 2


@pytest.mark.parametrize(
    "options, message",
    [
        ({"kind": "cifra"}, "cifar"),
        ({"levels": 6}, "2, 3, 4, 5, 7, 13; found 6"),
        ({"deny": ["rotat"]}, "Did you mean 'rotate'"),
        ({"allow": ["resized_crop"]}, "Unknown operation"),
        ({"deny": ["identity"]}, "always there"),
        ({"deny": space.NAMES[1:]}, "leave no operation"),
    ],
)
def test_bad_spaces_are_refused(options, message):
    with pytest.raises(errors.InputError, match=message):
        space.space(**options)


def test_bad_values_are_refused():
    with pytest.raises(errors.InputError, match="no level|level from 0 to 12"):
        space.value("rotate", 13)
    with pytest.raises(errors.InputError, match="magnitude"):
        space.value("flip", 0)
    with pytest.raises(errors.InputError, match="-360 to 360 .*found 400"):
        space.checked(Transformation("rotate", 0, 400.0))
    with pytest.raises(errors.InputError, match="found nan"):
        space.checked(Transformation("color", 0, float("nan")))


def test_tables_are_shared_and_cannot_be_changed():
    made = tables.of(space.space(), 32, 32)
    assert made is tables.of(space.space(), 32, 32)
    with pytest.raises(ValueError, match="read-only"):
        made.table[0, 0] = 1


def test_tables_refuse_what_does_not_fit():
    cut, crop = Transformation("cutout", 6, 16.0), Transformation("crop", 6, 4.0)
    tables.of((cut, crop), 16, 20)
    with pytest.raises(errors.InputError, match="cutout of 16 pixels.*found 15 x 40"):
        tables.of((cut,), 15, 40)
    with pytest.raises(errors.InputError, match="crop of 4 pixels.*found 40 x 7"):
        tables.of((crop,), 40, 7)
    with pytest.raises(errors.InputError, match="1 to 4096.*found 5000 x 5"):
        tables.of((crop,), 5000, 5)
    with pytest.raises(errors.InputError, match="one transformation"):
        tables.of((), 5, 5)


def test_shifts_are_the_sums_of_pillow():
    """Half a pixel short of nothing grows whole, from some column on."""
    found = 0
    for width in range(8, 130):
        for level in range(13):
            offset = space.value("translate_x", level) * width
            source, place = [], offset + 0.5
            for _ in range(width):
                source.append(int(place) if 0 <= place < width else -1)
                place += 1.0
            made = tables.of(
                (Transformation("translate_x", level, offset / width),), 1, width
            )
            columns, rows, later, _ = (int(x) for x in made.shift[0])
            if offset / width * width != offset:
                continue
            x = np.arange(width)
            got = x + columns + (x >= later)
            got = np.where((got >= 0) & (got < width), got, -1)
            assert rows == 0 and (got == source).all(), (width, level)
            found += later < width and got[later] >= 0
    assert found > 10  # it does happen


def test_stretched_levels_are_those_of_double_precision():
    bits, start = tables.stretching()
    rng = np.random.default_rng(0)
    for _ in range(3000):
        low, high = sorted(rng.choice(256, 2, replace=False))
        level = np.arange(low, high + 1)
        scale = 255.0 / (high - low)
        wanted = (level * scale - low * scale).astype(int)
        place = start[high - low] + low * (high - low + 1) + level - low
        short = bits[place >> 3] >> (place & 7) & 1
        assert (255 * (level - low) // (high - low) - short == wanted).all()
