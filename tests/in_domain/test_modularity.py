"""Factors out of distribution: counts, oracles, modularity and where predictions go."""

import numpy as np
import pytest

from iclr22 import errors
from iclr22.data.factors import Factor, Grid, renderers
from iclr22.in_domain import analyses, metrics, oracles, splits

SMALL = Grid(
    (
        Factor("shape", ("a", "b"), "categorical"),
        Factor("size", (1, 2, 4, 8)),
        Factor("x", tuple(range(5))),
    )
)
HELD = (np.zeros(2, bool), np.arange(4) > 2, np.arange(5) > 2)


@pytest.fixture(scope="module")
def sprites():
    grid = renderers.RENDERERS["dsprites"].grid
    train, test = splits.make_split("dsprites", "extrapolation")
    return grid, train, test, splits.held_out(grid, train)


def test_extrapolation_of_dsprites_has_the_published_counts(sprites):
    grid, _, test, held = sprites
    out = analyses.outside(grid.numbers(test), grid, held)
    assert analyses.histogram(out).tolist() == [0, 327_360, 153_600, 24_000, 0, 0]


def test_oracles_reach_the_numbers_of_the_sheet(sprites):
    grid, train, test, held = sprites
    numbers = grid.numbers(test)
    targets = grid.targets(numbers)
    clamp = oracles.clamp(numbers, grid, held)
    found = metrics.r_squared(clamp, targets, grid.sizes)
    np.testing.assert_allclose(found, [1, 0.5828, 1, 0.7939, 0.7939], atol=5e-5)
    assert found.mean() == pytest.approx(0.8341, abs=5e-5)
    alone = analyses.modularity(clamp, numbers, grid, held)
    np.testing.assert_allclose(
        alone.ood[[1, 3, 4]], [0.1429, 0.5484, 0.5484], atol=5e-5
    )
    assert np.isnan(alone.ood[[0, 2]]).all()
    np.testing.assert_allclose(alone.id, 1, atol=1e-6)
    mean = oracles.train_mean(len(test), grid.numbers(train), grid)
    found = metrics.r_squared(mean, targets, grid.sizes)
    np.testing.assert_allclose(found, [0, -0.7635, 0, -0.6710, -0.6710], atol=5e-5)
    assert found.mean() == pytest.approx(-0.4211, abs=5e-5)


def test_modularity_and_curves_are_those_of_loops():
    random = np.random.default_rng(0)
    numbers = SMALL.numbers(np.arange(SMALL.count))
    predictions = random.normal(size=(SMALL.count, 3))
    targets = SMALL.targets(numbers).astype(np.float64)
    variance = metrics.variances(SMALL.sizes)
    found = analyses.modularity(predictions, numbers, SMALL, HELD)
    curves = analyses.curves(predictions, numbers, SMALL, HELD)
    out = [[bool(HELD[j][row[j]]) for j in range(3)] for row in numbers]
    for j in range(3):
        for kind, wanted in (("ood", True), ("id", False)):
            rows = [i for i, x in enumerate(out) if sum(x) == 1 and x[j] == wanted]
            assert getattr(found, f"{kind}_count")[j] == len(rows)
            if rows:
                loss = np.mean((predictions[rows, j] - targets[rows, j]) ** 2)
                expected = 1 - loss / variance[j]
                assert getattr(found, kind)[j] == pytest.approx(expected, abs=1e-5)
        for value in range(SMALL.sizes[j]):
            y = predictions[numbers[:, j] == value, j]
            assert curves[j].mean[value] == pytest.approx(y.mean())
            assert curves[j].deviation[value] == pytest.approx(y.std())
        rows = [i for i, x in enumerate(out) if x[j]]
        if rows:
            error = predictions[rows, j] - targets[rows, j]
            assert curves[j].bias == pytest.approx(error.mean(), abs=1e-6)
            y = predictions[rows, j]
            inside = np.mean((y >= 0) & (y <= 2 / (SMALL.sizes[j] - 1)))
            assert curves[j].inside == pytest.approx(inside)
        else:
            assert np.isnan(curves[j].bias)


def test_curves_alone_leave_images_out_whose_other_factors_are_outside():
    numbers = SMALL.numbers(np.arange(SMALL.count))
    found = analyses.curves(SMALL.targets(numbers), numbers, SMALL, HELD, alone=True)
    assert found[1].count.tolist() == [6, 6, 6, 6]  # 2 shapes, x of 3 known values
    assert found[0].count.sum() == 2 * 3 * 3
    np.testing.assert_allclose(found[1].mean, found[1].truth, atol=1e-6)


def test_values_between_count_as_outside_beside_a_held_out_one():
    held = (HELD[0], HELD[1], np.arange(5) == 2)
    numbers = [[0, 0, 1.0], [0, 0, 1.5], [0, 0, 2], [0, 2.5, 3.2], [1, 3, 4]]
    out = analyses.outside(numbers, SMALL, held)
    assert out[:, 2].tolist() == [False, True, True, False, False]
    assert out[:, 1].tolist() == [False, False, False, True, True]
    clamp = oracles.clamp(numbers, SMALL, held)
    np.testing.assert_allclose(clamp[:, 1] * 3, [0, 0, 0, 2, 2], atol=1e-6)
    np.testing.assert_allclose(clamp[:, 2] * 4, [1, 1.5, 2, 3.2, 4], atol=1e-6)


def test_images_between_are_judged_by_the_variance_of_the_grid():
    numbers = splits.between("mini_dsprites", "interpolation", 12)
    seen = []

    def predict(images):
        seen.append(images.shape)
        return np.full((len(images), 4), 0.5)

    found = analyses.between_r_squared(predict, "mini_dsprites", 32, numbers)
    assert seen == [(12, 32, 32, 1)]
    grid = renderers.RENDERERS["mini_dsprites"].grid
    loss = np.mean((0.5 - grid.targets(numbers).astype(np.float64)) ** 2, axis=0)
    np.testing.assert_allclose(found, 1 - loss / metrics.variances(grid.sizes))


@pytest.mark.parametrize(
    "change, message",
    [
        ({"numbers": np.zeros((3, 2))}, "expected 3 columns"),
        ({"numbers": np.full((3, 3), 4)}, "expected from 0 to"),
        ({"held": HELD[:2]}, "expected flags of"),
        ({"held": (*HELD[:2], np.ones(5, bool))}, "a value of x in training"),
        ({"predictions": np.zeros((3, 2))}, "a column for every factor"),
        ({"predictions": np.full((3, 3), np.nan)}, "non-finite"),
    ],
)
def test_what_does_not_fit_is_told(change, message):
    given = {
        "predictions": np.zeros((3, 3)),
        "numbers": np.zeros((3, 3)),
        "grid": SMALL,
        "held": HELD,
    }
    with pytest.raises(errors.InputError, match=message):
        analyses.modularity(**(given | change))
