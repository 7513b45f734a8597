"""Evaluation of predictors of any framework."""

import numpy as np
import pytest

from iclr22 import errors
from iclr22.data.factors import Factor, FactorImages, Grid
from iclr22.in_domain import evaluating, metrics, splits

GRID = Grid(
    (
        Factor("shape", ("a", "b"), "categorical"),
        Factor("size", tuple(range(4))),
        Factor("x", tuple(range(6))),
    )
)


def images(index=None):
    """Images whose three pixels are the targets, in bytes; rows in any order."""
    index = np.arange(GRID.count) if index is None else index
    x = np.rint(255 * GRID.targets(GRID.numbers(index))).astype(np.uint8)
    return FactorImages(GRID, index, x[:, None, :, None], "", 3, 1, ("size", "x"))


def read(x):
    return x[:, 0, :, 0]


def test_a_perfect_predictor_scores_one_with_the_official_keys():
    report = evaluating.evaluate(read, images(), "extrapolation", chunk=7)
    train, test = splits.make_split(images(), "extrapolation")
    np.testing.assert_array_equal(report.index, test)
    names = {
        f"{a}{b}" for a in ("rsquared", "mse") for b in ("", "_shape", "_size", "_x")
    }
    assert set(report.scores) == names
    assert report.scores["rsquared"] == pytest.approx(1, abs=1e-4)
    targets = GRID.targets(GRID.numbers(test))
    scores = metrics.report(report.predictions, targets, GRID.sizes, GRID.names)
    assert report.scores == scores
    assert report.histogram.sum() == len(test) and report.histogram[0] == 0
    assert report.clamp.max() == 1 and (report.clamp[1:] < 1).all()
    assert (report.train_mean[1:] < 0).all()
    assert report.curves[2].bias == pytest.approx(0, abs=2e-3)


def test_chunks_bound_what_is_asked_and_change_nothing():
    asked = []

    def predict(x):
        assert x.dtype == np.float32 and x.min() >= 0 and x.max() <= 1
        asked.append(len(x))
        return read(x).tolist()

    one = evaluating.evaluate(predict, images(), "random", chunk=10, limit=23, seed=3)
    assert asked == [10, 10, 3]
    other = evaluating.evaluate(read, images(), "random", limit=23, seed=3)
    np.testing.assert_array_equal(one.predictions, other.predictions)
    assert len(one.index) == 23 == len(np.unique(one.index))
    fewer = evaluating.evaluate(read, images(), "random", limit=23, seed=4)
    assert not np.array_equal(one.index, fewer.index)


def test_rows_follow_the_points_in_any_order():
    order = np.random.default_rng(0).permutation(GRID.count)
    report = evaluating.evaluate(read, images(order), (np.arange(40), [47, 41]))
    assert report.split == "given"
    assert report.scores["rsquared"] == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize(
    "predict, message",
    [
        (lambda x: read(x)[:, :2], r"expected shape \[33, 3\].*found \[33, 2\]"),
        (lambda x: read(x)[:-1], "a row for every image"),
        (lambda x: read(x) * np.nan, "non-finite"),
        (lambda x: np.full((len(x), 3), "one"), "expected real numbers"),
        (lambda x: None, "predictions"),
    ],
)
def test_predictions_that_are_none_are_told(predict, message):
    test = np.arange(15, 48)
    with pytest.raises(errors.InputError, match=message):
        evaluating.evaluate(predict, images(), (np.arange(15), test))


@pytest.mark.parametrize(
    "dataset, split, options, message",
    [
        ("dsprite", "random", {}, "dsprites"),
        (images(), "randm", {}, "random"),
        (images(), "random", {"chunk": 0}, "chunk"),
        (images(), "random", {"limit": 0}, "limit"),
        (images(), ([0, 1], [1, 2]), {}, "not trained on"),
        (images(), ([0, 1], [48]), {}, "to 47"),
        (images(), ([0, 1], []), {}, "points of both parts"),
        (images(np.arange(40)), ([0, 1], [39, 44]), {}, r"numbers \[1, 3, 2\]"),
    ],
)
def test_what_cannot_be_evaluated_is_told(dataset, split, options, message):
    with pytest.raises(errors.InputError, match=message):
        evaluating.evaluate(read, dataset, split, **options)
