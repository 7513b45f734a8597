"""Evaluation of a predictor of any framework: NumPy in and out, images a chunk at a time.

    report = evaluate(predict, "shapes3d_like", "extrapolation", limit=20_000)
    report.scores["rsquared"]

`predict` gets float32 images `[n, h, w, c]` from 0 to 1 and gives the factors `[n, f]` of them,
on the scale 0 to 1 (`number / (size - 1)`), also of such as have names for values.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from iclr22 import errors, numeric
from iclr22.data.factors import FactorImages, Grid
from iclr22.in_domain import analyses, metrics, oracles, splits

CHUNK = 1000


class Report(NamedTuple):
    """How well factors of test images are predicted.

    Attributes:
      split: its name, or "given".
      grid: of the factors.
      index: flat grid indices `[n]` of the test images that were looked at.
      predictions: `[n, f]` float32.
      scores: by the keys of the authors' benchmark: `rsquared`, `mse`, and with
        `_<factor>` those of each factor.
      held: of each factor which values never occur in training, bool `[size]`.
      histogram: images with 0, 1, ..., f factors out of distribution.
      modularity: R2 where exactly one factor is.
      curves: of each factor where predictions go.
      clamp, train_mean: R2 `[f]` of the two oracles on the same images.
    """

    split: str
    grid: Grid
    index: np.ndarray
    predictions: np.ndarray
    scores: dict[str, float]
    held: tuple[np.ndarray, ...]
    histogram: np.ndarray
    modularity: analyses.Modularity
    curves: tuple[analyses.Curve, ...]
    clamp: np.ndarray
    train_mean: np.ndarray

    @property
    def r_squared(self) -> np.ndarray:
        """Of each factor, `[f]`."""
        return np.array([self.scores[f"rsquared_{x}"] for x in self.grid.names])


def evaluate(
    predict: Callable[[np.ndarray], Any],
    dataset: str | FactorImages,
    split,
    *,
    chunk: int = CHUNK,
    limit: int | None = None,
    seed: int = 0,
) -> Report:
    """Predict the test images of a split, and analyse what comes out.

    Args:
      predict: images float32 `[n, h, w, c]` from 0 to 1, NumPy, to factors `[n, f]`.
      dataset: images, or the name of a data set.
      split: its kind (`splits.KINDS`), or `(train, test)`, flat grid indices each.
      chunk: images at a time, which bounds the memory.
      limit: at most so many test images, drawn without replacement; None: all.
      seed: of the random split and of that draw.

    Raises:
      errors.InputError: an unknown name; a split that does not fit; points without an
        image; predictions of another shape, that are no numbers or not finite.
    """
    dataset = loaded(dataset)
    name, train, test = _points(dataset, split, seed)
    if limit is not None and numeric.whole(limit, "limit", ndim=0, low=1) < len(test):
        random = np.random.default_rng([seed, 0])
        test = np.sort(random.choice(test, int(limit), replace=False))
    rows = rows_of(dataset, test)
    count = len(dataset.grid.sizes)
    predictions = predictions_of(predict, dataset.images, rows, count, chunk=chunk)
    return analysed(predictions, dataset.grid, train, test, split=name)


def analysed(predictions, grid: Grid, train, test, *, split: str = "given") -> Report:
    """The report of predictions that are there.

    Args:
      predictions: `[n, f]`, of the test points in their order.
      train, test: flat grid indices.

    Raises:
      errors.InputError: predictions of another shape, NaN.
    """
    predictions = checked(predictions, len(test), len(grid.sizes))
    held = splits.held_out(grid, train)
    numbers = grid.numbers(test)
    targets = grid.targets(numbers)
    mean = oracles.train_mean(len(test), grid.numbers(train), grid)
    clamped = oracles.clamp(numbers, grid, held)
    return Report(
        split=split,
        grid=grid,
        index=np.asarray(test),
        predictions=predictions,
        scores=metrics.report(predictions, targets, grid.sizes, grid.names),
        held=held,
        histogram=analyses.histogram(analyses.outside(numbers, grid, held)),
        modularity=analyses.modularity(predictions, numbers, grid, held),
        curves=analyses.curves(predictions, numbers, grid, held),
        clamp=metrics.r_squared(clamped, targets, grid.sizes),
        train_mean=metrics.r_squared(mean, targets, grid.sizes),
    )


def predictions_of(
    predict, images: Callable, rows, factors: int, *, chunk: int = CHUNK
) -> np.ndarray:
    """Predictions `[n, f]` float32 of images of these rows, a chunk at a time.

    Args:
      images: rows `[n]` to float32 images.
      factors: how many are expected.

    Raises:
      errors.InputError: predictions of another shape, no numbers, or not finite.
    """
    chunk = int(numeric.whole(chunk, "chunk", ndim=0, low=1))
    found = np.empty((len(rows), factors), np.float32)
    for start in range(0, len(rows), chunk):
        part = rows[start : start + chunk]
        x = np.asarray(images(part), np.float32)
        found[start : start + len(part)] = checked(predict(x), len(part), factors)
    return found


def checked(predictions, count: int, factors: int) -> np.ndarray:
    """Predictions float32 `[count, factors]`.

    Raises:
      errors.InputError: another shape, no numbers, or not finite.
    """
    found = numeric.real(predictions, "predictions", dtype=np.float32)
    if found.shape != (count, factors):
        raise errors.InputError(
            f"predictions: expected shape [{count}, {factors}], a row for every image and "
            f"a column for every factor; found {list(found.shape)}"
        )
    return found


def loaded(dataset: str | FactorImages) -> FactorImages:
    """Images of a data set by its name, or those that are given."""
    if isinstance(dataset, FactorImages):
        return dataset
    from iclr22.data.factors import published

    if dataset not in published.DATASETS:
        raise errors.nearest(dataset, published.DATASETS, "data set")
    return published.DATASETS[dataset].load(None)


def rows_of(dataset: FactorImages, index) -> np.ndarray:
    """Rows `[n]` of the images of these flat grid indices.

    Raises:
      errors.InputError: a point has no image.
    """
    index = np.asarray(index)
    order = np.argsort(dataset.index, kind="stable")
    known = dataset.index[order]
    place = np.minimum(np.searchsorted(known, index), len(known) - 1)
    missing = known[place] != index
    if missing.any():
        numbers = dataset.grid.numbers(index[missing][:1])[0].tolist()
        raise errors.InputError(
            f"expected an image of every point of the split; found none of "
            f"{missing.sum()}, first that of the numbers {numbers}"
        )
    return order[place]


def _points(dataset, split, seed):
    """Name, training and test points, of a kind or of points that are given."""
    if isinstance(split, str):
        train, test = splits.make_split(dataset, split, seed=seed)
        return splits.checked_kind(split), train, test
    if len(split) != 2:
        raise errors.InputError(
            f"split: expected its kind, or (train, test); found {len(split)} parts"
        )
    high = dataset.grid.count - 1
    names = "training points", "test points"
    train, test = (
        numeric.whole(x, name, low=0, high=high)
        for x, name in zip(split, names, strict=True)
    )
    if not len(train) or not len(test):
        raise errors.InputError("split: expected points of both parts; found none")
    shared = np.intersect1d(train, test)
    if len(shared):
        raise errors.InputError(
            f"split: expected test points that are not trained on; found {len(shared)} "
            f"that are, first {shared[0]}"
        )
    return "given", train, test
