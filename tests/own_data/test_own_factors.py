"""Images and factors of the user: typing, sizes, incomplete grids, and what is refused."""

import itertools
import logging
from typing import Any

import numpy as np
import pytest

from iclr22 import data, errors
from iclr22.in_domain import splits

image = pytest.importorskip("PIL.Image")

COLOURS = ("blue", "red")
ANGLES = (-5, 2.5, 10)


def pixels(colour, angle, side=8):
    """RGB image that tells its factors apart."""
    x = np.full((side, side, 3), 10, np.uint8)
    x[..., 2 * (colour == "blue")] = 200
    x[: side // 2] += np.uint8(3 * (angle + 5))
    return x


def rows():
    """(file, colour, angle) of all combinations, in no order."""
    every = list(itertools.product(COLOURS, ANGLES))
    names = [f"{'sub/' * (i % 2)}{i}.png" for i in range(len(every))]
    order = np.random.default_rng(0).permutation(len(every))
    return [(names[i], *every[i]) for i in order]


@pytest.fixture
def folder(tmp_path):
    """A folder of six images and its `factors.csv`."""
    (tmp_path / "sub").mkdir()
    for name, colour, angle in rows():
        image.fromarray(pixels(colour, angle)).save(tmp_path / name)
    write_table(tmp_path, rows())
    return tmp_path


def write_table(folder, found, header="image,colour,angle"):
    lines = [header, *(",".join(map(str, row)) for row in found)]
    (folder / "factors.csv").write_text("\n".join(lines) + "\n")


def test_a_folder_and_its_table(folder):
    found = data.load_own_factors(folder, folder / "factors.csv", side=8)
    colour, angle = found.grid.factors
    assert colour == ("colour", COLOURS, "categorical")
    assert angle == ("angle", ANGLES, "ordinal")
    wanted = [COLOURS.index(c) * 3 + ANGLES.index(a) for _, c, a in rows()]
    assert found.index.tolist() == wanted and found.index.dtype == np.int64
    assert found.x is not None
    np.testing.assert_array_equal(found.x, [pixels(c, a) for _, c, a in rows()])
    assert found.split == ("angle",) and (found.side, found.channels) == (8, 3)
    again = data.load_own_factors(folder, side=8)  # its own factors.csv
    np.testing.assert_array_equal(again.x, found.x)
    train, test = splits.make_split(found, "extrapolation", fraction=0.6)
    assert found.grid.numbers(train)[:, 1].max() == 1
    assert set(found.grid.numbers(test)[:, 1]) == {2}


def test_images_are_scaled_by_areas_and_grey_ones_have_one_channel(folder, caplog):
    for name, colour, angle in rows():
        grey = pixels(colour, angle)[..., 0]
        image.fromarray(grey).save(folder / name)
    with caplog.at_level(logging.WARNING):
        found = data.load_own_factors(folder, side=4)
    assert "images of 8 x 8 pixels become 4 x 4" in caplog.text
    assert found.x is not None and found.channels == 1
    grey = np.stack([pixels(c, a)[..., 0] for _, c, a in rows()])
    blocks = grey.reshape(-1, 4, 2, 4, 2).mean(axis=(2, 4))
    assert np.abs(found.x[..., 0] - blocks).max() <= 0.5


def test_options_say_what_numbers_are(folder):
    found = data.load_own_factors(folder, side=8, cyclic=["angle"])
    assert found.grid.factors[1].kind == "cyclic" and found.split == ()
    found = data.load_own_factors(folder, side=8, categorical=["angle"])
    assert found.grid.factors[1] == ("angle", ANGLES, "categorical")
    found = data.load_own_factors(folder, side=8, split=["colour", "angle"])
    assert found.split == ("colour", "angle")
    for option in ("cyclic", "categorical", "split"):
        refused(folder, "Did you mean 'angle'", **{option: ["angel"]})
    with pytest.raises(errors.InputError, match="a number, of a cyclic factor"):
        data.load_own_factors(folder, side=8, cyclic=["colour"])


def test_values_that_do_not_lie_evenly_are_told(folder, caplog):
    write_table(folder, [(n, c, a if a < 5 else 50) for n, c, a in rows()])
    with caplog.at_level(logging.WARNING):
        found = data.load_own_factors(folder, side=8)
    assert "column angle: values do not lie evenly" in caplog.text
    assert found.grid.factors[1].values == (-5, 2.5, 50)


def test_missing_combinations_are_told_or_refused(folder, caplog):
    kept = rows()[1:]
    (folder / rows()[0][0]).unlink()
    write_table(folder, kept)
    with caplog.at_level(logging.INFO, logger="absl"):
        found = data.load_own_factors(folder, side=8)
    assert "5 of 6 combinations of factors are there" in caplog.text
    assert len(found.index) == 5 and found.grid.count == 6
    _, colour, angle = rows()[0]
    with pytest.raises(
        errors.InputError,
        match=rf"found 5, for instance none with colour {colour}, angle {angle}\.",
    ):
        data.load_own_factors(folder, side=8, complete=True)


# What is refused


def refused(folder, message, **options: Any):
    with pytest.raises(errors.InputError, match=message) as caught:
        data.load_own_factors(folder, **{"side": 8, **options})
    assert len(str(caught.value)) < 700


def test_images_without_rows_and_rows_without_images(folder):
    write_table(folder, rows()[1:])
    refused(
        folder, f"a row in .*factors.csv for every image; found none for {rows()[0][0]}"
    )
    write_table(folder, [*rows(), ("7.png", "red", 11)])
    refused(
        folder, r"factors.csv, line 8, column image: .* found '7.png', which is not"
    )


def test_rows_twice(folder):
    name, colour, angle = rows()[0]
    write_table(folder, [*rows(), (name, colour, 11)])
    refused(folder, "line 8, column image: expected every image once; .* in line 2")
    image.fromarray(pixels(colour, angle)).save(folder / "twin.png")
    write_table(folder, [*rows(), ("twin.png", colour, angle)])
    refused(
        folder,
        f"line 8: expected every combination .* colour {colour}, angle .* line 2",
    )


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (["1", "2", "steep", "2", "3", "1"], "line 4, column tilt: expected a number"),
        (["1", "2", "", "2", "3", "1"], "line 4, column tilt: expected a value"),
        (["1", "2", "NaN", "2", "3", "1"], "line 4, column tilt: expected a value"),
        (["a", "b", "a", "4", "b", "b"], "line 5, column tilt: expected a text"),
        (
            ["1", "1.0", "1", "1", "1", "1"],
            "column tilt: .* that varies; found only 1",
        ),
        (["a", "a", "a", "a", "a", "a"], "column tilt: .* that varies; found only a"),
        (["1", "2", "1e999", "2", "3", "1"], "line 4, column tilt: expected a number"),
    ],
)
def test_cells_that_are_no_factor(folder, cells, message):
    found = [(*row, cell) for row, cell in zip(rows(), cells, strict=True)]
    write_table(folder, found, "image,colour,angle,tilt")
    refused(folder, message)


def test_images_of_other_sizes_and_broken_ones(folder):
    image.fromarray(pixels("red", 0, 16)).save(folder / "0.png")
    refused(
        folder, "0.png: expected images of one size, 8 x 8 .* found 16 x 16, 1 images"
    )
    (folder / "0.png").write_bytes(b"no image")
    refused(folder, "found 1 that are not: .*0.png")


def test_tables_that_are_none(folder, tmp_path):
    write_table(folder, [], "image,colour,angle")
    refused(folder, "found 0 rows")
    write_table(folder, rows(), "file,colour,angle")
    refused(folder, "a header with the column image")
    write_table(folder, [row[:1] for row in rows()], "image")
    refused(folder, "6 rows and 0 factors")
    (folder / "factors.csv").unlink()
    refused(folder, "factors.csv: expected a table of factors; found none")
    refused(folder / "nowhere", "expected a folder of images, or an .npz")


# Arrays


def arrays(**other):
    found = {
        "x": np.stack([pixels(c, a) for _, c, a in rows()]),
        "factors": np.array([[COLOURS.index(c), a] for _, c, a in rows()]),
        "factor_names": np.array(["colour", "angle"]),
    }
    found |= other
    return {name: x for name, x in found.items() if x is not None}


def test_arrays_and_their_layouts(folder, tmp_path):
    wanted = data.load_own_factors(folder, side=8)
    assert wanted.x is not None
    x = arrays()["x"]
    for layout in (x, x.transpose(0, 3, 1, 2), x / 255.0, x.repeat(2, 1).repeat(2, 2)):
        np.savez(tmp_path / "images.npz", **arrays(x=layout))
        found = data.load_own_factors(tmp_path / "images.npz", side=8)
        np.testing.assert_array_equal(found.x, wanted.x)
        np.testing.assert_array_equal(found.index, wanted.index)
        assert found.grid.factors[1] == wanted.grid.factors[1]
        assert found.grid.factors[0] == ("colour", (0, 1), "ordinal")
    np.savez(tmp_path / "images.npz", x=x[..., 0], factors=arrays()["factors"])
    found = data.load_own_factors(tmp_path / "images.npz", side=8)
    assert found.channels == 1 and found.grid.names == ("factor_0", "factor_1")
    write_table(folder, [row[1:] for row in rows()], "colour,angle")
    found = data.load_own_factors(
        tmp_path / "images.npz", folder / "factors.csv", side=8
    )
    assert found.grid == wanted.grid


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"x": None}, "expected an array x of images"),
        ({"factors": None}, r"expected an array factors \[n, f\], or a table"),
        ({"x": np.zeros((6, 8, 10, 3), np.uint8)}, r"found shape \[6, 8, 10, 3\]"),
        ({"x": np.zeros((6, 12, 12), np.uint8)}, "8 pixels a side or a multiple"),
        ({"x": np.zeros((5, 8, 8), np.uint8)}, "factors of 5 images, .* found 6"),
        ({"x": np.full((6, 8, 8), 3.0)}, "from 0 to 1; found 3"),
        ({"x": np.full((6, 8, 8), np.nan)}, "expected finite numbers"),
        ({"factors": np.zeros(6)}, r"factors of shape \[n, f\]"),
        ({"factors": np.full((6, 2), np.inf)}, "expected finite numbers"),
        ({"factors": np.zeros((0, 2))}, "factors of some images"),
        ({"factors": np.ones((6, 2))}, "factor colour: .* that varies; found only 1"),
        ({"factors": np.array([["a", "1"]] * 6)}, "factor colour: .* found only a"),
        ({"factor_names": np.array(["a", "a"])}, "factor_names that differ"),
        (
            {"factors": np.tile([[1, 2], [3, 4]], (3, 1))},
            "place 2: .* in place 0 already",
        ),
        (
            {"factors": np.random.default_rng(0).normal(size=(6, 30))},
            "factors whose values recur; found up to 6",
        ),
    ],
)
def test_arrays_that_are_refused(tmp_path, other, message):
    np.savez(tmp_path / "images.npz", **arrays(**other))
    if "whose" in message:
        other = arrays(factor_names=None, **other)
        np.savez(tmp_path / "images.npz", **other)
    refused(tmp_path / "images.npz", message)


def test_sides_may_be_their_own(folder, tmp_path):
    found = data.load_own_factors(folder, side=0)
    assert found.x is not None
    np.testing.assert_array_equal(found.x, data.load_own_factors(folder, side=8).x)
    np.savez(tmp_path / "images.npz", **arrays())
    assert data.load_own_factors(tmp_path / "images.npz", side=0).side == 8
    refused(folder, "side of 0 or more, found -1", side=-1)
    for name, colour, angle in rows():
        image.fromarray(pixels(colour, angle)[:, :6]).save(folder / name)
    refused(folder, "expected square images; found 6 x 8 pixels", side=0)
