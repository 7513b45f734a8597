"""Images of the user: every kind of pixel, every order of axes, labels in names of folders."""

import numpy as np
import pytest

from iclr22 import data, errors


def picture(path, pixels, mode=None):
    image = pytest.importorskip("PIL.Image")
    path.parent.mkdir(parents=True, exist_ok=True)
    found = image.fromarray(pixels)
    (found.convert(mode) if mode else found).save(path)


GREY = np.linspace(0, 65535, 256).reshape(16, 16).astype(np.uint16)


def test_grey_of_sixteen_bits_keeps_its_shades(tmp_path):
    picture(tmp_path / "a" / "1.png", GREY)
    picture(tmp_path / "b" / "1.png", (GREY // 257).astype(np.uint8))
    splits, _ = data.from_file(tmp_path, image_size=16)
    sixteen, eight = splits["train"]["x"].astype(int)
    assert np.abs(sixteen - eight).max() <= 1
    assert len(np.unique(sixteen)) > 200


def test_what_is_transparent_is_white_and_told(tmp_path, caplog):
    pixels = np.zeros((16, 16, 4), np.uint8)
    pixels[:, 8:, 3] = 255  # black on the right, nothing on the left
    picture(tmp_path / "a" / "1.png", pixels)
    opaque = pixels.copy()
    opaque[..., 3] = 255
    picture(tmp_path / "b" / "1.png", opaque)
    with caplog.at_level("WARNING", logger="absl"):
        splits, _ = data.from_file(tmp_path, image_size=16)
    clear, black = splits["train"]["x"]
    assert clear[:, :6].min() == 255 and clear[:, 10:].max() == 0 and black.max() == 0
    assert "1 images have transparent parts" in caplog.text


def test_images_that_would_fill_the_memory_are_refused(tmp_path, monkeypatch):
    from iclr22.data.images import own_folder

    monkeypatch.setattr(own_folder, "PIXELS", 200)
    picture(tmp_path / "a" / "1.png", GREY)
    picture(tmp_path / "b" / "1.png", GREY[:4, :4])
    with pytest.raises(errors.InputError, match=r"1\.png \(more than 200 pixels\)"):
        data.from_file(tmp_path)


@pytest.mark.parametrize(
    "shape, found",
    [
        ((4, 6, 5), (4, 6, 5, 1)),
        ((4, 3, 6, 5), (4, 6, 5, 3)),
        ((4, 1, 6, 5), (4, 6, 5, 1)),
        ((4, 6, 5, 3), (4, 6, 5, 3)),
        ((4, 3, 6, 3), (4, 3, 6, 3)),
        ((4, 7), (4, 7)),
    ],
)
def test_axes_of_arrays_are_put_in_order(shape, found, tmp_path):
    x = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    np.savez(tmp_path / "a.npz", x=x, y=[0, 1, 1, 0])
    loaded = data.from_file(tmp_path / "a.npz")[0]["train"]["x"]
    assert loaded.shape == found
    if shape[1:] == (3, 6, 5):
        np.testing.assert_array_equal(loaded[2, 4, 3], x[2, :, 4, 3])


@pytest.mark.parametrize("shape", [(4,), (4, 2, 2, 2, 2)])
def test_arrays_that_are_no_images_are_refused(shape, tmp_path):
    np.savez(tmp_path / "a.npz", x=np.zeros(shape), y=[0, 1, 1, 0])
    with pytest.raises(errors.InputError, match=r"expected images \[n, h, w\]"):
        data.from_file(tmp_path / "a.npz")


def test_folders_of_unknown_are_no_class(tmp_path, caplog):
    for name in ("0", "1", "-1", "NA"):
        picture(tmp_path / name / "1.png", GREY)
    with caplog.at_level("WARNING", logger="absl"):
        splits, names = data.from_file(tmp_path)
    assert names == ("0", "1") and splits["train"]["y"].tolist() == [0, 1]
    assert "taken for unknown: -1 (1 times), NA (1 times)" in caplog.text
