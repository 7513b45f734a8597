"""Published images: their files and their counts."""

import gzip
import hashlib
import io
import sys
import tarfile

import numpy as np
import pytest

from iclr22 import data, errors
from iclr22.data import checks
from iclr22.data.images import files, published


@pytest.mark.parametrize("name", sorted(published.DATASETS))
def test_synthetic_images_are_learnable(name):
    splits = data.get(name).synthetic(np.random.default_rng(0), 200)
    shape = {"digits": (8, 8, 1), "cifar10": (32, 32, 3)}.get(name, (28, 28, 1))
    for split, n in (("train", 200), ("test", 100)):
        if split in splits:
            assert splits[split]["x"].shape == (n, *shape)
            assert splits[split]["x"].dtype == np.uint8
            assert splits[split]["y"].dtype == np.int32
    assert splits["train"]["x"].max() <= (16 if name == "digits" else 255)
    x, y = splits["train"]["x"].reshape(200, -1).astype(float), splits["train"]["y"]
    means = np.stack([x[y == label].mean(axis=0) for label in range(10)])
    guess = ((x[:, None] - means) ** 2).sum(axis=2).argmin(axis=1)
    assert (guess == y).mean() > 0.9


def test_digits_counts():
    train = data.get("digits").load(None)["train"]
    assert train["x"].shape == (1797, 8, 8, 1) and train["x"].dtype == np.uint8
    assert train["x"].max() == 16 and train["x"].flags.writeable
    counts = [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert np.bincount(train["y"]).tolist() == counts


def test_canonical_cifar10_is_read_without_extracting(tmp_path):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 10, (6, 4), dtype=np.uint8)
    pixels = rng.integers(0, 256, (6, 4, 32, 32, 3), dtype=np.uint8)
    names = ["test_batch", *(f"data_batch_{i}" for i in range(5, 0, -1)), "readme"]
    with tarfile.open(tmp_path / "c.tar.gz", "w:gz") as archive:
        for name, y, x in zip(names, labels, pixels, strict=False):
            planes = x.transpose(0, 3, 1, 2).reshape(4, -1)
            record = np.concatenate([y[:, None], planes], axis=1).tobytes()
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}.bin")
            member.size = len(record)
            archive.addfile(member, io.BytesIO(record))
    splits = files.read_cifar10(tmp_path / "c.tar.gz")
    np.testing.assert_array_equal(splits["test"]["x"], pixels[0])
    np.testing.assert_array_equal(
        splits["train"]["x"], pixels[:0:-1].reshape(-1, 32, 32, 3)
    )
    np.testing.assert_array_equal(splits["train"]["y"], labels[:0:-1].ravel())
    assert splits["train"]["y"].dtype == np.int32


def test_canonical_mnist_is_read_from_a_mirror(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    arrays = [
        rng.integers(0, 256, shape, dtype=np.uint8)
        for shape in ((7, 28, 28), (7,), (3, 28, 28), (3,))
    ]
    made = []
    for file, array in zip(published.MNIST, arrays, strict=True):
        sizes = np.array(array.shape, ">i4").tobytes()
        idx = gzip.compress(bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes())
        (tmp_path / file.url.rpartition("/")[2]).write_bytes(idx)
        made.append(data.File(file.url, len(idx), hashlib.sha256(idx).hexdigest()))
    monkeypatch.setattr(published, "MNIST", tuple(made))
    splits = published.load_mnist(tmp_path)
    np.testing.assert_array_equal(splits["train"]["x"][..., 0], arrays[0])
    np.testing.assert_array_equal(splits["test"]["y"], arrays[3])


def test_mnist_extract_is_stratified(shared):
    splits = data.get("mnist").load(shared / "data")
    for split, count in (("train", 400), ("test", 100)):
        assert splits[split]["x"].shape == (10 * count, 28, 28, 1)
        assert np.bincount(splits[split]["y"]).tolist() == [count] * 10
    assert sorted(splits["train"]["y"][:10]) == list(range(10))


def test_cifar10_copy_begins_as_known(shared):
    pytest.importorskip("PIL")
    copy = data.converted(*published.CIFAR10_JPEG, shared / "data")
    arrays = checks.read_npz(copy)
    assert tuple(arrays["class_names"]) == data.get("cifar10").info.class_names
    assert np.bincount(arrays["train_label"]).tolist() == [5000] * 10
    for split in ("train", "test"):
        arrays[f"{split}_offset"] = arrays[f"{split}_offset"][:1001]
        arrays[f"{split}_label"] = arrays[f"{split}_label"][:1000]
    train = files.read_cifar10_jpeg(arrays)["train"]
    mean = train["x"].mean(axis=(0, 1, 2)) / 255
    np.testing.assert_allclose(mean, [0.491, 0.482, 0.447], atol=0.02)


@pytest.mark.slow
def test_cifar10_copy_counts_and_mean(shared):
    pytest.importorskip("PIL")
    splits = data.get("cifar10").load(shared / "data")
    assert splits["train"]["x"].shape == (50_000, 32, 32, 3)
    assert splits["test"]["x"].shape == (10_000, 32, 32, 3)
    assert np.bincount(splits["test"]["y"]).tolist() == [1000] * 10
    mean = splits["train"]["x"].mean(axis=(0, 1, 2)) / 255
    np.testing.assert_allclose(mean, [0.49125, 0.48209, 0.44652], atol=1e-5)


def test_missing_pillow_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(errors.InputError, match=r"pip install 'iclr22\[data\]'"):
        files.pillow()
