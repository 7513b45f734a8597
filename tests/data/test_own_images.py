"""The user's own labelled data: arrays and folders of images, and what is wrong."""

import os

import numpy as np
import pytest
from data_helpers import Trap

from iclr22 import data, errors


def saved(tmp_path, **arrays):
    np.savez(tmp_path / "own.npz", **arrays)
    return tmp_path / "own.npz"


X, Y = np.arange(12.0).reshape(4, 3), np.array([0, 1, 1, 2])


def test_own_arrays_come_back(tmp_path):
    path = saved(tmp_path, x=X, y=Y, x_test=X[:2], y_test=Y[:2], names=[*"abcd"])
    splits, class_names = data.from_file(path)
    np.testing.assert_array_equal(splits["train"]["x"], X)
    assert splits["train"]["y"].dtype == np.int32
    assert splits["train"]["names"].tolist() == [*"abcd"]
    assert splits["test"]["names"].tolist() == ["0", "1"]
    assert class_names == ("0", "1", "2")


@pytest.mark.parametrize("kind", [float, np.uint8, bool])
def test_own_labels_may_be_any_whole_numbers(tmp_path, kind):
    splits, class_names = data.from_file(saved(tmp_path, x=X, y=(Y > 0).astype(kind)))
    assert splits["train"]["y"].tolist() == [0, 1, 1, 1] and class_names == ("0", "1")


@pytest.mark.parametrize("kind", ["U", "S"])
def test_own_labels_may_be_strings(tmp_path, kind):
    y = np.array(["dog", "cat", "dog", "ant"]).astype(kind)
    splits, class_names = data.from_file(saved(tmp_path, z=X, y=y, z_test=X, y_test=y))
    assert class_names == ("ant", "cat", "dog")
    assert splits["train"]["y"].tolist() == splits["test"]["y"].tolist() == [2, 1, 2, 0]
    splits, class_names = data.from_file(
        saved(tmp_path, z=X, y=y, class_names=["dog", "cat", "ant"], flipped=Y > 0)
    )
    assert splits["train"]["y"].tolist() == [0, 1, 0, 2]
    assert splits["train"]["flipped"].tolist() == [False, True, True, True]
    assert "x" not in splits["train"] and class_names == ("dog", "cat", "ant")


WRONG = [
    ({"x": X}, "expected the array y and x .* found x"),
    ({"y": Y}, "expected the array y and x .* found y"),
    ({"x": X, "y": Y[:3]}, r"same n; found x \(4, 3\), y \(3,\)"),
    ({"x": X, "y": Y[:, None]}, r"y \(4, 1\)"),
    ({"x": X, "y": np.array(1)}, r"y \(\)"),
    ({"z": X[:, 0], "y": Y}, r"z \[n, features\] .* found z \(4,\)"),
    ({"x": X, "y": Y, "names": ["a"]}, r"found names \(1,\)"),
    ({"x": X, "y": Y, "flipped": Y}, "flipped of type bool; found int64"),
    (
        {"x": np.where(X % 3 == 2, np.inf, X), "y": Y},
        "infinity in 4 examples, first in number 0",
    ),
    ({"x": X, "z": np.where(X == 5, np.nan, X), "y": Y}, "z of train.*NaN.* number 1"),
    ({"x": X.astype(str), "y": Y}, "real numbers; found <U"),
    ({"x": X, "y": Y - 2}, "whole numbers from 0 to at most 3, .* found -2 in place 0"),
    ({"x": X, "y": Y / 2}, "whole numbers .* found 0.5 in place 1"),
    ({"x": X, "y": Y * np.nan}, "two classes in y, to train; found 0"),
    ({"x": X, "y": Y + 100}, "found 100 in place 0. Number the classes from 0"),
    ({"x": X, "y": Y * 1j}, "whole numbers .* found type complex128"),
    ({"x": X, "y": Y, "class_names": ["a", "b"]}, "at most 1, .* found 2 in place 3"),
    ({"x": X, "y": [*"abca"], "class_names": [*"ab"]}, "among class_names.* also c"),
    ({"x": X, "y": Y * 0}, "at least two classes in y, to train; found 1"),
    ({"x": X[:0], "y": Y[:0]}, "at least two classes in y, to train; found 0"),
    ({"x": X, "y": Y, "x_test": X}, "expected the array y_test and x_test"),
    ({"x": X, "y": Y, "x_test": X[:, 1:], "y_test": Y}, "same shapes per example"),
    ({"x": X, "y": Y, "z_test": X, "y_test": Y}, "same shapes per example"),
    ({"x": X, "y": Y, "x_test": X, "y_test": [*"abca"]}, "both as numbers or both"),
]


@pytest.mark.parametrize("arrays, message", WRONG)
def test_own_arrays_with_an_error_are_refused(tmp_path, arrays, message):
    with pytest.raises(errors.InputError, match=message):
        data.from_file(saved(tmp_path, **arrays))


def test_pickles_are_never_executed(tmp_path, monkeypatch):
    monkeypatch.setenv("TRAP", str(tmp_path / "sprung"))
    trap = np.array([Trap()], dtype=object)
    with pytest.raises(errors.InputError, match="'x': .* without Python objects"):
        data.from_file(saved(tmp_path, x=trap, y=Y))
    np.save(tmp_path / "a.npy", trap, allow_pickle=True)
    os.replace(tmp_path / "a.npy", tmp_path / "own.npz")
    with pytest.raises(errors.InputError, match="without Python objects"):
        data.from_file(tmp_path / "own.npz")
    (tmp_path / "own.npz").write_bytes(trap.dumps())
    with pytest.raises(errors.InputError, match="without Python objects"):
        data.from_file(tmp_path / "own.npz")
    assert not (tmp_path / "sprung").exists()


def test_own_file_that_is_missing_damaged_or_of_another_kind(tmp_path):
    with pytest.raises(errors.InputError, match="found nothing there"):
        data.from_file(tmp_path / "no.npz")
    (tmp_path / "own.csv").write_text("1,2")
    with pytest.raises(errors.InputError, match="found another kind of file"):
        data.from_file(tmp_path / "own.csv")
    whole = saved(tmp_path, x=X, y=Y).read_bytes()
    for broken in (b"", b"text", whole[:100], whole[:200] + b"????" + whole[204:]):
        (tmp_path / "own.npz").write_bytes(broken)
        with pytest.raises(errors.InputError, match="expected an .npz file"):
            data.from_file(tmp_path / "own.npz")
    np.save(tmp_path / "own.npy", X)
    os.replace(tmp_path / "own.npy", tmp_path / "own.npz")
    with pytest.raises(errors.InputError, match="expected an .npz file"):
        data.from_file(tmp_path / "own.npz")


def picture(path, colour, mode="RGB", size=(40, 20)):
    image = pytest.importorskip("PIL.Image")
    path.parent.mkdir(parents=True, exist_ok=True)
    image.new("RGB", size, colour).convert(mode).save(path)


def test_image_folder_with_train_and_test(tmp_path):
    for split, n in (("train", 2), ("test", 1)):
        for name, colour in (("red", (200, 0, 0)), ("blue", (0, 0, 200))):
            for i, suffix in enumerate((".png", ".JPG")[:n]):
                picture(tmp_path / split / name / f"{i}{suffix}", colour)
    (tmp_path / ".cache").mkdir()
    splits, class_names = data.from_file(tmp_path, image_size=16)
    assert class_names == ("blue", "red")
    assert splits["train"]["x"].shape == (4, 16, 16, 3)
    assert splits["train"]["x"].dtype == np.uint8
    assert splits["train"]["y"].tolist() == [0, 0, 1, 1]
    assert splits["test"]["names"].tolist() == ["test/blue/0.png", "test/red/0.png"]
    np.testing.assert_array_equal(splits["test"]["x"][1, 3, 5], [200, 0, 0])


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "1", "CMYK"])
def test_image_folder_without_splits_gives_rgb(tmp_path, mode):
    for name in ("a", "train"):  # a class may be called train
        picture(
            tmp_path / name / ("x.jpg" if mode == "CMYK" else "x.png"), "white", mode
        )
    splits, class_names = data.from_file(tmp_path)
    assert splits.keys() == {"train"} and class_names == ("a", "train")
    assert splits["train"]["x"].shape == (2, 32, 32, 3)
    assert splits["train"]["x"].min() > 250


def test_image_folder_errors(tmp_path):
    with pytest.raises(errors.InputError, match="at least two folders .* found none"):
        data.from_file(tmp_path)
    picture(tmp_path / "a" / "1.png", "red")
    with pytest.raises(errors.InputError, match="at least two folders .* found a"):
        data.from_file(tmp_path)
    (tmp_path / "b").mkdir()
    with pytest.raises(errors.InputError, match="of the class b; found none"):
        data.from_file(tmp_path)
    (tmp_path / "b" / "2.png").write_bytes(b"not an image")
    whole = (tmp_path / "a" / "1.png").read_bytes()
    (tmp_path / "b" / "3.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(errors.InputError, match=r"2 that are not: .*2\.png.*3\.png"):
        data.from_file(tmp_path)
    with pytest.raises(errors.InputError, match="image_size of 1 or more, found 0"):
        data.from_file(tmp_path, image_size=0)


def test_image_folder_with_a_class_in_test_only(tmp_path):
    for place in ("train/a", "train/b", "test/a", "test/c"):
        picture(tmp_path / place / "1.png", "red")
    with pytest.raises(errors.InputError, match="only classes of train.* only c"):
        data.from_file(tmp_path)
