"""Splits of grids: exact counts, what is held out, and grids that are not complete."""

import itertools

import factor_helpers
import numpy as np
import pytest

from iclr22 import errors
from iclr22.data.factors import Factor, FactorImages, Grid, published, renderers
from iclr22.in_domain import kept_values, splits

COUNTS = {  # images for training
    "dsprites": (221184, 232320, 232320, 218880, 232680),
    "mini_dsprites": (5530, 5808, 5808, 5472, 5817),
    "shapes3d": (144000, 147456, 147456, 148000, 153408),
    "mpi3d": (311040, 313632, 313632, 307800, 331128),
    "celeb_glow": (64800, 64000, 64000, 72000, 66000),
}
HELD = {  # values that interpolation and extrapolation hold out
    "dsprites": {
        "scale": ((1, 4), (4, 5)),
        "x": (range(2, 30, 3), range(22, 32)),
        "y": (range(2, 30, 3), range(22, 32)),
    },
    "shapes3d": {
        "floor": ((3, 6), (8, 9)),
        "wall": ((3, 6), (8, 9)),
        "object": ((3, 6), (8, 9)),
        "size": ((2, 5), (6, 7)),
        "azimuth": ((3, 7, 11), (12, 13, 14)),
    },
    "mpi3d": {a: (range(2, 37, 2), range(22, 40)) for a in ("x", "y")},
    "celeb_glow": {a: ((1, 4), (4, 5)) for a in ("smile", "blond", "age")},
}


def grid_of(name):
    known = kept_values.REFERENCE[name]
    return factor_helpers.small_grid(**dict(zip(known.names, known.sizes, strict=True)))


@pytest.mark.parametrize("name", COUNTS)
def test_known_grids_have_the_counts_of_the_sheet_and_are_complete(name):
    total = grid_of(name).count
    for kind, count in zip(splits.KINDS, COUNTS[name], strict=True):
        train, test = splits.make_split(name, kind)
        assert (len(train), len(test)) == (count, total - count), kind
        assert train.dtype == test.dtype == np.int64
        np.testing.assert_array_equal(
            np.bincount(np.concatenate([train, test]), minlength=total), 1
        )


@pytest.mark.parametrize("name", HELD)
def test_values_that_are_held_out(name):
    grid = grid_of(name)
    for place, kind in enumerate(("interpolation", "extrapolation")):
        train, _ = splits.make_split(name, kind)
        for factor, held in zip(grid.names, splits.held_out(grid, train), strict=True):
            wanted = HELD[name].get(factor, ((), ()))[place]
            assert np.flatnonzero(held).tolist() == list(wanted), (kind, factor)
            assert kind != "interpolation" or not held[[0, -1]].any()


@pytest.mark.parametrize("kind", ["composition", "any_low"])
@pytest.mark.parametrize("name", COUNTS)
def test_compositions_hold_out_combinations_and_no_values(name, kind):
    grid = grid_of(name)
    train, test = splits.make_split(name, kind)
    assert not any(held.any() for held in splits.held_out(grid, train))
    axes = [grid.names.index(x) for x in splits.kept_values(name, kind)]
    sizes = [grid.sizes[axis] for axis in axes]

    def combinations(index):
        numbers = np.array(np.unravel_index(index, grid.sizes))[axes]
        flat = np.ravel_multi_index(numbers, sizes)
        return np.bincount(flat, minlength=np.prod(sizes)) > 0

    assert not (combinations(train) & combinations(test)).any()


def by_hand(kind, low, numbers):
    """Whether a point is for training, of the low counts of the split factors."""
    high = [n >= k for n, k in zip(numbers, low, strict=True)]
    if kind == "composition":
        return sum(high) <= 1
    return not all(high) if kind == "any_low" else not any(high)


@pytest.mark.parametrize("kind", ["extrapolation", "composition", "any_low"])
def test_points_are_those_of_the_rule(kind):
    grid = factor_helpers.small_grid(a=5, b=4, c=6)
    kept = splits.kept_values(grid, kind)
    low = [int(kept[x].sum()) if x in kept else 0 for x in grid.names]
    train, _ = splits.make_split(grid, kind)
    points = itertools.product(*map(range, grid.sizes))
    wanted = [i for i, x in enumerate(points) if by_hand(kind, low, x)]
    assert train.tolist() == wanted


def test_another_name_of_composition_and_images_of_known_grids():
    one, other = (
        splits.make_split("dsprites", x)[0] for x in ("composition", "at_most_one_high")
    )
    np.testing.assert_array_equal(one, other)
    grid = renderers.RENDERERS["mini_dsprites"].grid
    np.testing.assert_array_equal(
        splits.make_split(grid, "interpolation")[0],
        splits.make_split("mini_dsprites", "interpolation")[0],
    )
    train, _ = splits.make_split(grid, "interpolation", fraction=0.5)
    assert len(train) / grid.count == pytest.approx(0.5, abs=0.02)


def test_images_of_a_known_grid_may_have_other_split_factors():
    images = published.rendered("mini_dsprites")
    assert splits.kept_values(images, "extrapolation").keys() == {"scale", "x", "y"}
    other = images._replace(split=("x",))
    assert splits.kept_values(other, "extrapolation").keys() == {"x"}
    train, test = splits.make_split(other, "extrapolation")
    held = splits.held_out(other, train)
    assert [x.any() for x in held] == [False, False, True, False]
    assert len(train) + len(test) == 18432


def test_random_splits_repeat_by_seed():
    grid = factor_helpers.small_grid(a=10, b=10)
    first, again, other = (
        splits.make_split(grid, "random", seed=s)[0] for s in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert len(first) == 30 and set(first) != set(other)


@pytest.mark.parametrize("fraction", [0.2, 0.3, 0.6])
@pytest.mark.parametrize("kind", splits.KINDS[1:])
@pytest.mark.parametrize("sizes", [(9, 8), (5, 5, 5), (32, 32, 6, 10)])
def test_sets_of_any_grid_come_close_to_the_fraction(sizes, kind, fraction):
    names = "abcd"[: len(sizes)]
    kept = kept_values.closest(kind, dict(zip(names, sizes, strict=True)), fraction)
    shares = [x.mean() for x in kept.values()]
    found = kept_values.trained_share(kind, shares)
    assert found == pytest.approx(fraction, abs=0.17)
    grid = factor_helpers.small_grid(**dict(zip(names, sizes, strict=True)))
    train, test = splits.make_split(grid, kind, fraction=fraction)
    assert len(train) / grid.count == pytest.approx(found)
    assert len(train) + len(test) == grid.count
    if kind == "interpolation":
        assert all(x[0] and x[-1] and x.sum() < len(x) for x in kept.values())


def test_no_other_number_of_values_comes_closer():
    sizes, fraction = {"a": 7, "b": 5}, 0.3
    kept = kept_values.closest("extrapolation", sizes, fraction)
    found = abs(np.prod([x.mean() for x in kept.values()]) - fraction)
    near = [(i / 7) * (j / 5) for i in (3, 4) for j in (2, 3)]
    assert found == pytest.approx(min(abs(x - fraction) for x in near))


@pytest.mark.parametrize("kind", splits.KINDS)
def test_points_between_the_grid_lie_where_test_points_do(kind):
    grid = renderers.RENDERERS["mini_dsprites"].grid
    numbers = splits.between(grid, kind, 400, seed=3)
    assert numbers.shape == (400, 4) and numbers.dtype == np.float32
    assert (numbers >= 0).all() and (numbers <= np.array(grid.sizes) - 1).all()
    np.testing.assert_array_equal(numbers[:, 0], np.rint(numbers[:, 0]))
    assert (numbers[:, 1:] != np.rint(numbers[:, 1:])).mean() > 0.99
    if kind == "extrapolation":
        assert (numbers[:, 1:] > [3, 21, 21]).any(axis=1).all()
    if kind == "interpolation":
        gaps = [
            ((n % 3 > 1) | (n > 30)) if n.max() > 6 else n for n in numbers[:, 2:].T
        ]
        scale = numbers[:, 1]
        inside = ((scale > 0) & (scale < 2)) | (scale > 3)
        assert (inside | gaps[0] | gaps[1]).all()
    if kind == "any_low":
        assert (numbers[:, 1:] > [0, 2, 2]).all()
    np.testing.assert_array_equal(numbers, splits.between(grid, kind, 400, seed=3))
    assert len(splits.between("dsprites", kind, 0)) == 0


def images_of(grid, index, split):
    index = np.asarray(index, np.int64)
    x = np.zeros((len(index), 2, 2, 1), np.uint8)
    return FactorImages(grid, index, x, "", 2, 1, split)


def test_points_that_are_missing_are_in_neither_part():
    grid = factor_helpers.small_grid(a=5, b=6)
    present = np.random.default_rng(0).permutation(30)[:25]
    images = images_of(grid, present, ("a", "b"))
    whole = splits.make_split(grid, "extrapolation")
    for part, of_all in zip(
        splits.make_split(images, "extrapolation"), whole, strict=True
    ):
        assert part.tolist() == sorted(set(of_all.tolist()) & set(present.tolist()))
    train, test = splits.make_split(images, "random")
    assert len(train) == 8 and sorted([*train, *test]) == sorted(present.tolist())


def test_missing_points_that_a_split_needs_are_told():
    grid = factor_helpers.small_grid(a=4, b=4)
    index = np.arange(16)
    without = index[~((index // 4 == 3) & (index % 4 < 3))]  # the last a, once only
    with pytest.raises(errors.InputError, match="every value of a .* value number 3"):
        splits.make_split(images_of(grid, without, ("a", "b")), "composition")
    with pytest.raises(
        errors.InputError, match="found 0 and 1 in this incomplete grid"
    ):
        splits.make_split(images_of(grid, [15], ("a", "b")), "extrapolation")


@pytest.mark.parametrize(
    ("dataset", "kind", "message"),
    [
        ("dsprite", "random", "Did you mean 'dsprites'"),
        ("dsprites", "interpolate", "Did you mean 'interpolation'"),
        (factor_helpers.small_grid(a=2, b=2), "interpolation", "found 0"),
        (factor_helpers.small_grid(a=5), "any_low", "expected 2 to 12 factors"),
        (Grid((Factor("c", ("r", "g"), "categorical"),)), "extrapolation", "found 0"),
    ],
)
def test_grids_that_cannot_be_split_so_are_refused(dataset, kind, message):
    with pytest.raises(errors.InputError, match=message):
        splits.make_split(dataset, kind)


@pytest.mark.parametrize("fraction", [0, 1, -0.5, float("nan")])
@pytest.mark.parametrize("kind", ["random", "extrapolation"])
def test_fractions_are_shares(kind, fraction):
    with pytest.raises(errors.InputError, match="share between 0 and 1"):
        splits.make_split("mini_dsprites", kind, fraction=fraction)
