"""Small copies of published files of factor grids, in their own formats."""

import io
import sys
import zipfile

import numpy as np
import pytest

from iclr22 import data, errors
from iclr22.data.factors import Factor, Grid, files, published, renderers

SPRITES = Grid(
    tuple(
        Factor(name, tuple(range(size)))
        for name, size in zip(
            renderers.RENDERERS["dsprites"].grid.names, (3, 2, 2, 3, 2), strict=True
        )
    )
)
SCENES = Grid(
    tuple(
        Factor(name, tuple(range(size)))
        for name, size in zip(renderers.SHAPES3D.names, (2, 3, 1, 2, 2, 3), strict=True)
    )
)


def sprites(side=8):
    """Bits `[72, side, side]` and labels with their constant colour."""
    numbers = SPRITES.numbers(np.arange(SPRITES.count))
    images = np.random.default_rng(0).integers(
        0, 2, (len(numbers), side, side), np.uint8
    )
    return images, np.concatenate([np.zeros_like(numbers[:, :1]), numbers], axis=1)


def scenes(count, side=4):
    return np.random.default_rng(1).integers(0, 256, (count, side, side, 3), np.uint8)


def pixels(found):
    assert found.x is not None and found.renderer == ""
    return found.x


def write_dsprites(path, **other):
    images, labels = sprites()
    arrays = {"imgs": images, "latents_classes": labels, **other}
    np.savez(path, metadata=np.array([{"title": "pickled"}], object), **arrays)
    return images


def test_dsprites_are_read_without_their_pickled_description(tmp_path):
    path = tmp_path / "sprites.npz"
    images = write_dsprites(path)
    found = files.read_dsprites(path, 8, SPRITES)
    np.testing.assert_array_equal(pixels(found)[..., 0], 255 * images)
    np.testing.assert_array_equal(found.index, np.arange(72))
    assert found.split == ("scale", "x", "y") and found.channels == 1
    half = files.read_dsprites(path, 4, SPRITES)
    blocks = images.reshape(72, 4, 2, 4, 2).mean(axis=(2, 4))
    np.testing.assert_array_equal(pixels(half)[..., 0], np.rint(255 * blocks))
    np.testing.assert_allclose(half.images([3, 5])[..., 0], blocks[[3, 5]], atol=0.002)


def test_dsprites_are_read_from_hdf5(tmp_path):
    h5py = pytest.importorskip("h5py")
    images, labels = sprites()
    with h5py.File(tmp_path / "sprites.hdf5", "w") as file:
        file["imgs"], file["latents/classes"] = images, labels
    found = files.read_dsprites(tmp_path / "sprites.hdf5", 8, SPRITES)
    np.testing.assert_array_equal(pixels(found)[..., 0], 255 * images)


def test_shapes3d_are_read_from_hdf5(tmp_path):
    h5py = pytest.importorskip("h5py")
    images = scenes(SCENES.count)
    values = SCENES.numbers(np.arange(SCENES.count)) * [0.1, 0.1, 0.1, 0.07, 1, 4.3]
    with h5py.File(tmp_path / "3dshapes.h5", "w") as file:
        file["images"], file["labels"] = images, values
    found = files.read_shapes3d(tmp_path / "3dshapes.h5", 4, SCENES)
    np.testing.assert_array_equal(found.x, images)
    np.testing.assert_array_equal(found.index, np.arange(SCENES.count))
    with pytest.raises(errors.InputError, match=r"values; found \(2, 3, 1, 2, 2, 3\)"):
        files.read_shapes3d(tmp_path / "3dshapes.h5")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["labels"] = values
    with pytest.raises(errors.InputError, match="expected the array 'images'"):
        files.read_shapes3d(tmp_path / "other.h5", 4, SCENES)


def test_hdf5_without_its_package_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    (tmp_path / "3dshapes.h5").write_bytes(b"")
    for read in (files.read_shapes3d, files.read_dsprites):
        with pytest.raises(errors.InputError, match="pip install h5py"):
            read(tmp_path / "3dshapes.h5")
    with pytest.raises(errors.InputError, match="pip install h5py"):
        data.get("shapes3d").load(tmp_path)  # before anything is downloaded


def test_mpi3d_is_read_in_the_order_of_its_grid(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "BLOCK", 5)  # the last block is not full
    images = scenes(SCENES.count)
    np.savez_compressed(tmp_path / "mpi3d_real.npz", images=images)
    found = files.read_mpi3d(tmp_path / "mpi3d_real.npz", 4, SCENES)
    np.testing.assert_array_equal(found.x, images)
    with pytest.raises(errors.InputError, match="expected 1,036,800 square images"):
        data.get("mpi3d").load(tmp_path)


def write_split(folder, name, kind, grid, images, train, test):
    for part, points in (("train", train), ("test", test)):
        x, y = images[points].transpose(0, 3, 1, 2), grid.numbers(points)
        np.savez(folder / f"{name}_{kind}_{part}_images.npz", x)
        np.savez(folder / f"{name}_{kind}_{part}_labels.npz", y)


def test_published_splits_are_read_as_they_are(tmp_path, monkeypatch):
    images, order = scenes(SCENES.count), np.random.default_rng(0).permutation(72)
    write_split(tmp_path, "mpi3d", "random", SCENES, images, order[:20], order[20:])
    monkeypatch.setitem(files.GRIDS, "mpi3d", (SCENES, ("size", "azimuth")))
    for found, train, test in (
        files.read_split(tmp_path, "mpi3d", "random", 4),
        published.official_split("mpi3d", "random", tmp_path, 4),
    ):
        np.testing.assert_array_equal(train, order[:20])
        np.testing.assert_array_equal(test, order[20:])
        np.testing.assert_array_equal(found.index, order)
        np.testing.assert_array_equal(found.x, images[order])
    bits = np.random.default_rng(0).integers(0, 2, (72, 4, 4, 1), np.uint8)
    write_split(tmp_path, "dsprites", "none", SPRITES, bits, order[:20], order[20:])
    found, _, _ = files.read_split(tmp_path, "dsprites", "none", 4, SPRITES)
    np.testing.assert_array_equal(found.x, 255 * bits[order])


def test_splits_that_are_not_there_or_overlap_are_told(tmp_path):
    for name in published.RECORDS:
        with pytest.raises(
            errors.InputError, match=f"zenodo.org/record/{published.RECORDS[name]}"
        ):
            published.official_split(name, "random", tmp_path)
    with pytest.raises(errors.InputError, match="celeb_glow_random_train_images.npz"):
        data.get("celeb_glow").load(tmp_path)
    points, images = np.arange(10), scenes(SCENES.count)
    write_split(tmp_path, "shapes3d", "random", SCENES, images, points, points[8:])
    with pytest.raises(errors.InputError, match="found 2 in shapes3d_random_train"):
        files.read_split(tmp_path, "shapes3d", "random", 4, SCENES)
    (tmp_path / "shapes3d_random_test_labels.npz").unlink()
    with pytest.raises(errors.InputError, match="test_labels.npz: expected a file"):
        files.read_split(tmp_path, "shapes3d", "random", 4, SCENES)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"imgs": sprites()[0][:9]}, "expected 72 square images in imgs"),
        ({"imgs": sprites()[0].astype(float)}, "imgs of bytes; found type float64"),
        ({"imgs": sprites(9)[0]}, "a side that 8 divides"),
        ({"latents_classes": sprites()[1][:, 1:]}, r"of shape \[n, 6\]"),
        ({"latents_classes": sprites()[1] + 1}, "whole numbers below"),
        ({"latents_classes": 0 * sprites()[1]}, "found .0, 0, 0, 0, 0. more than once"),
        ({"latents_classes": sprites()[1] + 0.5}, "found type float64"),
    ],
)
def test_other_dsprites_are_refused(tmp_path, other, message):
    write_dsprites(tmp_path / "sprites.npz", **other)
    with pytest.raises(errors.InputError, match=message):
        files.read_dsprites(tmp_path / "sprites.npz", 8, SPRITES)


def test_damaged_files_are_told(tmp_path):
    path = tmp_path / "sprites.npz"
    write_dsprites(path)
    whole = path.read_bytes()
    for content in (b"", b"no archive", whole[: len(whole) // 2]):
        path.write_bytes(content)
        with pytest.raises(errors.InputError, match="sprites.npz: expected the array"):
            files.read_dsprites(path, 8, SPRITES)
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "|u1", "fortran_order": False, "shape": (10**9, 64, 64)}
    )
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("latents_classes.npy", header.getvalue())
    with pytest.raises(errors.InputError, match="It may be damaged"):
        files.read_dsprites(path, 8, SPRITES)


def test_rendered_sets_need_no_file(tmp_path):
    for name, count in (
        ("mini_dsprites", 18432),
        ("dsprites", 737280),
        ("shapes3d_like", 480000),
    ):
        found = data.get(name).load(tmp_path)
        assert found.x is None and found.renderer == name
        np.testing.assert_array_equal(found.index, np.arange(count))
        assert found.images([0, count - 1]).shape == (2, 64, 64, found.channels)
        assert found.targets([0, count - 1]).tolist() == [
            [0] * len(found.grid.factors),
            [1] * len(found.grid.factors),
        ]


@pytest.mark.parametrize("name", ["mini_dsprites", "dsprites", "shapes3d_like"])
def test_stand_ins_are_small_grids_of_drawn_images(name):
    found = data.get(name).synthetic(np.random.default_rng(0), 60)
    assert found.grid.count == len(found.index) == len(found.x) >= 60
    assert found.grid.names == renderers.RENDERERS[name].grid.names
    assert found.x.max() > 200 and len(np.unique(found.x, axis=0)) > 0.9 * len(found.x)
    first = renderers.draw(name, 32, np.zeros((1, len(found.grid.factors))))
    np.testing.assert_array_equal(found.x[:1], np.rint(255 * first))
