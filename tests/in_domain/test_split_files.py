"""Proposed splits, leaks, and files of splits."""

import factor_helpers
import numpy as np
import pytest

from iclr22 import data, errors
from iclr22.data.factors import Factor, FactorImages, Grid, published
from iclr22.in_domain import evaluating, split_files, splits


def some_images(index=None, seed=0):
    """Images of noise of a grid of 30 points."""
    grid = factor_helpers.small_grid(a=5, b=6)
    index = np.random.default_rng(seed).permutation(30) if index is None else index
    random = np.random.default_rng(1)
    x = random.integers(0, 256, (len(index), 4, 4, 1), np.uint8)
    return FactorImages(grid, np.asarray(index, np.int64), x, "", 4, 1, ("a", "b"))


def test_proposals_have_the_counts_of_the_splits():
    images = some_images()
    found = split_files.proposals(images)
    assert [x.kind for x in found] == list(splits.KINDS)
    for proposal in found:
        train, test = splits.make_split(images, proposal.kind)
        assert (proposal.train, proposal.test) == (len(train), len(test))
        assert proposal.share == len(train) / 30 and not proposal.problem
    by_kind = {x.kind: x for x in found}
    kept = by_kind["extrapolation"].kept
    train, _ = splits.make_split(images, "extrapolation")
    for factor, numbers in zip(("a", "b"), images.grid.numbers(train).T, strict=True):
        assert kept[factor] == tuple(np.unique(numbers).tolist())
    assert by_kind["random"].kept == {}


def test_proposals_tell_what_cannot_be_made():
    grid = Grid((Factor("a", (1, 2, 3)), Factor("c", ("x", "y"), "categorical")))
    x = np.zeros((6, 2, 2, 1), np.uint8)
    images = FactorImages(grid, np.arange(6), x, "", 2, 1, ("a",))
    problems = {x.kind: x.problem for x in split_files.proposals(images)}
    assert "expected 2 to 12 factors" in problems["composition"]
    assert not problems["extrapolation"] and not problems["random"]


def test_clean_splits_pass_and_rows_hold_their_points():
    images = some_images()
    train, test = splits.make_split(images, "extrapolation")
    found = split_files.check_split(images, train, test[:-2])
    assert found[:3] == (len(train), len(test) - 2, 2) and found.twins.shape == (0, 2)
    np.testing.assert_array_equal(images.index[evaluating.rows_of(images, test)], test)


def test_images_that_are_in_both_parts_are_found():
    images = some_images()
    assert images.x is not None
    rows = evaluating.rows_of(images, [3, 20, 21])
    images.x[rows[1]] = images.x[rows[2]] = images.x[rows[0]]
    train, test = np.array([1, 2, 3]), np.array([20, 21, 22])
    found = split_files.check_split(images, train, test)
    assert found.twins.tolist() == [[20, 3], [21, 3]]
    assert not len(split_files.check_split(images, train, test, content=False).twins)


def test_first_and_last_orientation_of_sprites_are_twins():
    images = published.rendered("dsprites", 64)
    numbers = np.array([[2, 5, 0, 3, 4], [2, 5, 39, 3, 4], [2, 5, 20, 3, 4]])
    points = images.grid.flat(numbers)
    images = images._replace(index=points)
    found = split_files.check_split(images, points[:1], points[1:2])
    assert found.twins.tolist() == [[points[1], points[0]]] and found.unused == 1
    assert not len(split_files.check_split(images, points[:1], points[2:]).twins)


@pytest.mark.parametrize(
    ("train", "test", "message"),
    [
        ([0, 1, 2], [2, 3], r"found 1 in both, the first 2 \(a 0, b 2\)"),
        (
            [0, 1, 1],
            [2],
            r"train: expected every point once; found 1 \(a 0, b 1\) 2 times",
        ),
        ([0], [30], "test: expected whole numbers to 29; found 30"),
        ([-1], [3], "train: expected whole numbers from 0; found -1"),
        ([0], [29], r"test: .* found 1 that have none, the first 29 \(a 4, b 5\)"),
        ([], [1], "train: expected points; found none"),
        ([0.5], [1], "train: expected whole numbers; found 0.5"),
    ],
)
def test_leaks_are_refused(train, test, message):
    images = some_images(np.arange(29))
    with pytest.raises(errors.InputError, match=message):
        split_files.check_split(images, train, test)


def test_splits_are_kept_and_read(tmp_path):
    images = some_images()
    train, test = splits.make_split(images, "interpolation")
    split_files.write_split(tmp_path / "split.npz", images, train, test)
    found = split_files.read_split(tmp_path / "split.npz", images)
    np.testing.assert_array_equal(found[0], train)
    np.testing.assert_array_equal(found[1], test)
    assert found[0].dtype == found[1].dtype == np.int64
    other = data.get("mini_dsprites").load(None)
    with pytest.raises(errors.InputError, match="found a 5, b 6"):
        split_files.read_split(tmp_path / "split.npz", other)
    with pytest.raises(errors.InputError, match="split.npz: train: .* have none"):
        split_files.read_split(tmp_path / "split.npz", some_images([0, 1, 2]))
    np.savez(tmp_path / "half.npz", train=train)
    with pytest.raises(errors.InputError, match="half.npz: .* found no test"):
        split_files.read_split(tmp_path / "half.npz", images)
    with pytest.raises(errors.InputError, match="ends in .npz or .csv"):
        split_files.write_split(tmp_path / "split.txt", images, train, test)


def test_splits_as_tables_of_images(tmp_path):
    images = some_images()
    names = [f"{i}.png" for i in images.index]
    split_files.write_split(tmp_path / "s.csv", images, [7, 2], [29], names=names)
    assert (tmp_path / "s.csv").read_text().splitlines() == [
        "part,image,a,b",
        "train,7.png,1,1",
        "train,2.png,0,2",
        "test,29.png,4,5",
    ]
    split_files.write_split(tmp_path / "s.csv", images, [7], [29])
    assert (tmp_path / "s.csv").read_text() == "part,a,b\ntrain,1,1\ntest,4,5\n"
