"""R2 of factors with the variance of the whole grid."""

import numpy as np
import pytest

from iclr22 import errors
from iclr22.data.factors import renderers
from iclr22.in_domain import metrics, splits

VARIANCES = {
    2: 0.25,
    3: 0.166667,
    4: 0.138889,
    6: 0.116667,
    8: 0.107143,
    10: 0.101852,
    15: 0.095238,
    32: 0.0887097,
    40: 0.0876068,
    1000: 0.0835002,
}


def test_variances_are_those_of_the_grid():
    found = metrics.variances(list(VARIANCES))
    np.testing.assert_allclose(found, list(VARIANCES.values()), rtol=4e-6)
    counted = [np.var(np.arange(s) / (s - 1)) for s in VARIANCES]
    np.testing.assert_allclose(found, counted, rtol=1e-12)


def test_closed_forms():
    grid = renderers.RENDERERS["mini_dsprites"].grid
    targets = grid.targets(grid.numbers(np.arange(grid.count)))
    np.testing.assert_allclose(metrics.r_squared(targets, targets, grid.sizes), 1)
    half = np.full_like(targets, 0.5)
    np.testing.assert_allclose(
        metrics.r_squared(half, targets, grid.sizes), 0, atol=1e-6
    )
    rising = np.arange(10)[:, None] / 9
    score = metrics.r_squared(np.zeros((10, 1)), rising, [10])
    assert score == pytest.approx(1 - 0.285 / 0.0825)  # -2.4545, on any scale


def test_clamped_and_constant_answers_on_the_extrapolation_split():
    grid = renderers.RENDERERS["dsprites"].grid
    train, test = splits.make_split("dsprites", "extrapolation")
    held = splits.held_out(grid, train)
    top = np.array([s - 1 - h.sum() for s, h in zip(grid.sizes, held, strict=True)])
    numbers = grid.numbers(test)
    targets = grid.targets(numbers)
    clamped = grid.targets(np.minimum(numbers, top))
    scores = metrics.r_squared(clamped, targets, grid.sizes)
    np.testing.assert_allclose(scores, [1, 0.5828, 1, 0.7939, 0.7939], atol=5e-5)
    assert scores.mean() == pytest.approx(0.8341, abs=5e-5)
    mean = np.broadcast_to(
        grid.targets(grid.numbers(train)).mean(axis=0, dtype=float), targets.shape
    )
    scores = metrics.r_squared(mean, targets, grid.sizes)
    np.testing.assert_allclose(scores, [0, -0.7635, 0, -0.671, -0.671], atol=5e-5)
    outside = np.stack([h[n] for h, n in zip(held, numbers.T, strict=True)], axis=1)
    count = np.bincount(outside.sum(axis=1))
    assert count.tolist() == [0, 327360, 153600, 24000]
    alone = [
        metrics.r_squared(clamped[rows], targets[rows], grid.sizes)[j]
        for j in (1, 3, 4)
        for rows in [outside[:, j] & (outside.sum(axis=1) == 1)]
    ]
    np.testing.assert_allclose(alone, [0.1429, 0.5484, 0.5484], atol=5e-5)


def test_report_has_the_official_keys():
    targets = np.array([[0, 0.5], [1, 1]])
    found = metrics.report(targets + [[0.1, 0], [0.1, 0]], targets, [2, 3], ["a", "b"])
    assert found == pytest.approx(
        {
            "rsquared": 0.98,
            "mse": 0.005,
            "rsquared_a": 0.96,
            "mse_a": 0.01,
            "rsquared_b": 1.0,
            "mse_b": 0.0,
        }
    )


@pytest.mark.parametrize(
    ("predictions", "sizes", "message"),
    [
        (np.zeros((2, 3)), [3, 3], r"found shape \[2, 3\]"),
        (np.zeros(2), [3, 3], r"expected \[n, d\]"),
        (np.full((2, 2), np.nan), [3, 3], "predictions holds 4 non-finite values"),
        (np.zeros((2, 2)), [3, 1], "at least 2 values of every factor; found 1"),
        (np.zeros((2, 2)), [3], "one for each of 2 factors; found 1"),
    ],
)
def test_predictions_of_wrong_shape_are_refused(predictions, sizes, message):
    with pytest.raises(errors.InputError, match=message):
        metrics.r_squared(predictions, np.zeros((2, 2)), sizes)
