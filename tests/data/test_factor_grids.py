"""Grids of factors: numbers of points, targets, and images that are stored or drawn."""

import itertools

import factor_helpers
import numpy as np

from iclr22.data.factors import Factor, FactorImages, Grid, renderers


def test_points_are_numbered_with_the_last_factor_fastest():
    grid = factor_helpers.small_grid(a=2, b=3, c=4)
    assert (grid.names, grid.sizes, grid.count) == (("a", "b", "c"), (2, 3, 4), 24)
    numbers = grid.numbers(np.arange(24))
    assert numbers.tolist() == [
        list(x) for x in itertools.product(*map(range, (2, 3, 4)))
    ]
    assert numbers.dtype == np.int32
    np.testing.assert_array_equal(grid.flat(numbers), np.arange(24))


def test_targets_go_from_0_to_1():
    grid = factor_helpers.small_grid(a=2, b=5)
    targets = grid.targets([[0, 0], [1, 4], [0, 1], [1, 2.5]])
    assert targets.tolist() == [[0, 0], [1, 1], [0, 0.25], [1, 0.625]]
    assert targets.dtype == np.float32
    single = Grid((Factor("only", (7,)),))
    assert single.targets([[0]]).tolist() == [[0]]


def test_images_are_drawn_as_they_would_be_stored():
    grid = renderers.RENDERERS["mini_dsprites"].grid
    index = np.array([5000, 17, 18431])
    drawn = FactorImages(grid, index, None, "mini_dsprites", 64, 1, ("x",))
    x = np.uint8(255 * drawn.images(np.arange(3)))
    stored = drawn._replace(x=x, renderer="")
    for rows in ([2, 0], np.array([1])):
        np.testing.assert_array_equal(stored.images(rows), drawn.images(rows))
        np.testing.assert_array_equal(
            drawn.targets(rows), grid.targets(grid.numbers(index[rows]))
        )


def test_smaller_images_are_means_of_blocks():
    x = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), np.uint8)
    wanted = [
        [
            [
                x[i, 2 * r : 2 * r + 2, 2 * c : 2 * c + 2].mean(axis=(0, 1))
                for c in range(4)
            ]
            for r in range(4)
        ]
        for i in range(3)
    ]
    np.testing.assert_array_equal(renderers.blocks(x, 4), np.array(wanted))
    np.testing.assert_array_equal(renderers.blocks(x, 8), x)
