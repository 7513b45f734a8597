"""Augmented images as files: names, pixels, what is told, and what is refused."""

import csv

import jax
import numpy as np
import PIL.Image
import pytest
from image_helpers import as_pillow, pictures

from experiments.deep_autoaugment import augment, sources
from iclr22 import errors
from iclr22.deep_autoaugment import policy
from iclr22.deep_autoaugment.policy import Entry, Policy

POLICY = Policy(
    (
        (Entry("rotate", 0, -30.0, 0.5), Entry("posterize", 0, 4.0, 0.5)),
        (Entry("cutout", 6, 8.0, 0.5), Entry("flip", 6, 0.0, 0.5)),
    )
)


@pytest.fixture
def folder(tmp_path):
    """Images of several sizes and kinds in folders of classes."""
    root = tmp_path / "images"
    for name in ("cat", "dog/small"):
        (root / name).mkdir(parents=True)
    colour, wide = pictures(2, 20, 24), pictures(2, 16, 30)
    as_pillow(colour[0]).save(root / "cat" / "a.png")
    as_pillow(colour[1]).save(root / "cat" / "a.bmp")
    as_pillow(wide[0]).convert("L").save(root / "dog" / "small" / "=grey.png")
    clear = as_pillow(wide[1]).convert("RGBA")
    clear.putalpha(100)
    clear.save(root / "dog" / "small" / "clear.png")
    (root / "cat" / ".hidden.png").write_bytes(b"nothing")
    (root / "cat" / "notes.txt").write_text("no image")
    return root


def written(folder):
    """Files by name below a folder, with their bytes."""
    paths = (x for x in folder.rglob("*") if x.is_file())
    return {x.relative_to(folder).as_posix(): x.read_bytes() for x in paths}


def test_files_of_a_folder(tmp_path, folder):
    found = augment.write(folder, POLICY, tmp_path / "out", copies=2, seed=3)
    assert (found.sources, found.files, found.unreadable) == (4, 8, ())
    assert found.transparent == 1
    names = ["cat/a.bmp", "cat/a.png", "dog/small/=grey", "dog/small/clear"]
    expected = {f"{x}-0{copy}.png" for x in names for copy in range(2)}
    files = written(tmp_path / "out")
    assert set(files) == expected | {"manifest.csv"}
    again = augment.write(folder, POLICY, tmp_path / "again", copies=2, seed=3)
    assert written(tmp_path / "again") == files and again == found
    augment.write(folder, POLICY, tmp_path / "other", copies=2, seed=4)
    assert written(tmp_path / "other") != files


def test_images_keep_size_and_kind_and_others_change_nothing(tmp_path, folder):
    augment.write(folder, POLICY, tmp_path / "out", copies=2, seed=3)
    grey = PIL.Image.open(tmp_path / "out" / "dog" / "small" / "=grey-01.png")
    assert grey.mode == "L" and grey.size == (30, 16)
    first = written(tmp_path / "out")
    (folder / "cat" / "a.png").unlink()
    as_pillow(pictures(1, 40, 9)[0]).save(folder / "cat" / "0.png")
    augment.write(folder, POLICY, tmp_path / "more", copies=3, seed=3)
    more = written(tmp_path / "more")
    for name in ("dog/small/=grey-01.png", "dog/small/clear-00.png"):
        assert more[name] == first[name]


def test_the_manifest_tells_what_was_done(tmp_path, folder):
    augment.write(folder, POLICY, tmp_path / "out", copies=20)
    with open(tmp_path / "out" / "manifest.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 80 and rows[21]["copy"] == "1"
    assert rows[0]["source"] == "cat/a.bmp" and rows[0]["file"] == "cat/a.bmp-00.png"
    image = PIL.Image.open(folder / "cat" / "a.bmp")
    steps = {x["operations"] for x in rows}
    assert any(x.startswith("rotate -30; cutout 8 at ") for x in steps)
    assert {"posterize 4; flip: yes", "posterize 4; flip: no"} <= steps
    for row in rows[:20]:
        if row["operations"] == "rotate -30; flip: yes":
            turned = image.rotate(-30).transpose(PIL.Image.Transpose.FLIP_LEFT_RIGHT)
            new = PIL.Image.open(tmp_path / "out" / row["file"])
            np.testing.assert_array_equal(np.asarray(new), np.asarray(turned))


@pytest.mark.parametrize("shape", ["hwc", "hw", "chw"])
def test_arrays_have_the_pixels_of_the_policy(tmp_path, shape):
    x = pictures(5, 18, 12)
    kept = {"hwc": x, "hw": x[..., 0], "chw": np.moveaxis(x, 3, 1)}[shape]
    np.savez(tmp_path / "x.npz", x=kept)
    augment.write(tmp_path / "x.npz", POLICY, tmp_path / "out", copies=2, seed=1)
    if shape == "hw":
        x = x[..., :1]
    files = [tmp_path / "out" / f"{i:05}-01.png" for i in range(5)]
    found = np.stack([np.asarray(PIL.Image.open(name)) for name in files])
    marks = [(augment.zlib.crc32(str(i).encode()), 1) for i in range(5)]
    keys = augment._keys(jax.random.key(1), np.asarray(marks, np.uint32))
    expected = policy.augment(POLICY, x, keys)
    np.testing.assert_array_equal(found.reshape(expected.shape), expected)


def test_chunks_are_bounded(monkeypatch):
    monkeypatch.setattr(augment, "CHUNK", 6)
    monkeypatch.setattr(augment, "PIXELS", 1000)
    sizes = [(10, 10)] * 4 + [(40, 40), (20, 45), (10, 10)]
    found = [sources.Source(str(i), str(i), x, None) for i, x in enumerate(sizes)]
    chunks = list(augment._chunks(found, 2))
    assert [len(x) for x in chunks] == [3, 1, 1, 2]
    assert sum(chunks, []) == found


def test_unreadable_files_are_refused_or_listed(tmp_path, folder):
    (folder / "cat" / "broken.png").write_bytes(b"\x89PNG nothing")
    data = (folder / "cat" / "a.bmp").read_bytes()
    (folder / "cat" / "cut.bmp").write_bytes(data[: len(data) // 2])
    with pytest.raises(errors.InputError, match="2 of 6 that are not: cat/broken.png"):
        augment.write(folder, POLICY, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    found = augment.write(folder, POLICY, tmp_path / "out", skip_unreadable=True)
    assert found.sources == 4 and len(found.unreadable) == 2
    with open(tmp_path / "out" / "unreadable.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [x["file"] for x in rows] == ["cat/broken.png", "cat/cut.bmp"]
    assert "cannot identify" in rows[0]["why"]


def test_refusals(tmp_path, folder):
    with pytest.raises(errors.InputError, match="outside of"):
        augment.write(folder, POLICY, folder / "new")
    with pytest.raises(errors.InputError, match="copies: expected 1"):
        augment.write(folder, POLICY, tmp_path / "out", copies=0)
    with pytest.raises(errors.InputError, match="nothing there"):
        augment.write(tmp_path / "missing", POLICY, tmp_path / "out")
    (tmp_path / "empty").mkdir()
    with pytest.raises(errors.InputError, match="found none"):
        augment.write(tmp_path / "empty", POLICY, tmp_path / "out")
    np.savez(tmp_path / "x.npz", x=np.zeros((2, 8, 8, 3), np.float32))
    with pytest.raises(errors.InputError, match=r"found x \[2, 8, 8, 3\] of float32"):
        augment.write(tmp_path / "x.npz", POLICY, tmp_path / "out")
    as_pillow(pictures(1, 5, 30)[0]).save(folder / "cat" / "tiny.png")
    with pytest.raises(
        errors.InputError, match="cat/tiny.png: cutout of 8 pixels needs"
    ):
        augment.write(folder, POLICY, tmp_path / "out")
    assert not (tmp_path / "out").exists()
