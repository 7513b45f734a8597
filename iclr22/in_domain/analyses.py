"""What happens out of distribution: how often, which factors suffer, where answers go.

A factor of an image is out of distribution if its value never occurs in training (Schott et
al., ICLR 2022, section 4); between two values of a grid, if one of the two never does.
Predictions are of targets, from 0 to 1 on the grid; NumPy arrays all over.
"""

from typing import NamedTuple

import numpy as np

from iclr22 import errors, numeric
from iclr22.data.factors import Grid
from iclr22.in_domain import metrics


def checked(numbers, grid: Grid, held):
    """`(numbers [n, f], held)` of a grid.

    Args:
      numbers: of values, whole or between.
      held: of each factor which values never occur in training, bool `[size]` each.

    Raises:
      errors.InputError: other shapes, numbers outside the grid, or a factor without any
        value in training.
    """
    numbers = numeric.real(numbers, "numbers", ndim=2)
    sizes = np.array(grid.sizes)
    if numbers.shape[1] != len(sizes):
        raise errors.InputError(
            f"numbers: expected {len(sizes)} columns, {', '.join(grid.names)}; found "
            f"{numbers.shape[1]}"
        )
    if len(numbers) and (numbers.min() < 0 or (numbers > sizes - 1).any()):
        raise errors.InputError(
            f"numbers: expected from 0 to {(sizes - 1).tolist()}; found others. Number "
            "the values of each factor 0, 1, 2, ..."
        )
    held = tuple(np.asarray(x, bool) for x in held)
    if tuple(len(x) for x in held) != grid.sizes:
        raise errors.InputError(
            f"held: expected flags of {list(grid.sizes)} values; found "
            f"{[len(x) for x in held]}. They are what splits.held_out gives"
        )
    for name, missing in zip(grid.names, held, strict=True):
        if missing.all():
            raise errors.InputError(
                f"held: expected a value of {name} in training; found none"
            )
    return numbers, held


def training_range(held) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest number `[f]` that training has, of each factor."""
    known = [np.flatnonzero(~np.asarray(x)) for x in held]
    return np.array([x[0] for x in known]), np.array([x[-1] for x in known])


def outside(numbers, grid: Grid, held) -> np.ndarray:
    """Which factors are out of distribution, bool `[n, f]`; arguments as of `checked`."""
    numbers, held = checked(numbers, grid, held)
    low, high = np.floor(numbers).astype(int), np.ceil(numbers).astype(int)
    columns = [x[low[:, j]] | x[high[:, j]] for j, x in enumerate(held)]
    return np.stack(columns, axis=1)


def histogram(out) -> np.ndarray:
    """Numbers of images with 0, 1, ..., f factors out of distribution, `[f + 1]`.

    Args:
      out: bool `[n, f]`, from `outside`.
    """
    out = np.asarray(out, bool)
    return np.bincount(out.sum(axis=1), minlength=out.shape[1] + 1)


class Modularity(NamedTuple):
    """R2 on images with exactly one factor out of distribution; nan without any.

    Attributes:
      ood: of each factor where it is that one, `[f]`.
      id: of each factor where it is another, `[f]`.
      ood_count, id_count: images of both, `[f]`.
    """

    ood: np.ndarray
    id: np.ndarray
    ood_count: np.ndarray
    id_count: np.ndarray


def modularity(predictions, numbers, grid: Grid, held) -> Modularity:
    """Whether a factor out of distribution spoils the others (section 4 of the paper).

    Args:
      predictions: of the targets, `[n, f]`.
      numbers, grid, held: as of `checked`.

    Raises:
      errors.InputError: as of `checked`, predictions of another shape, NaN.
    """
    out = outside(numbers, grid, held)
    single = out.sum(axis=1) == 1
    squares = _squares(predictions, numbers, grid)
    variance = metrics.variances(grid.sizes)
    found = []
    for chosen in (single[:, None] & out, single[:, None] & ~out):
        count = chosen.sum(axis=0)
        total = np.sum(squares, axis=0, where=chosen)
        with np.errstate(invalid="ignore"):
            mean = np.where(count > 0, total / np.maximum(count, 1), np.nan)
        found.append((1 - mean / variance, count))
    (ood, ood_count), (same, same_count) = found
    return Modularity(ood, same, ood_count, same_count)


def _squares(predictions, numbers, grid):
    targets = np.asarray(numbers) / (np.array(grid.sizes, np.float64) - 1)
    predictions = numeric.real(predictions, "predictions", ndim=2, dtype=np.float64)
    if predictions.shape != targets.shape:
        raise errors.InputError(
            f"predictions: expected {list(targets.shape)}, a row for every image and a "
            f"column for every factor; found {list(predictions.shape)}"
        )
    return (predictions - targets) ** 2


class Curve(NamedTuple):
    """Where predictions of one factor go, by its true value; nan without images.

    Attributes:
      truth: targets of the values, `[s]`.
      mean, deviation: of predictions, `[s]`.
      count: images of each value, `[s]`.
      known: which values training has, bool `[s]`.
      low, high: targets of the lowest and the highest value of training.
      bias: mean of prediction - target over images out of distribution.
      inside: share of their predictions that lie inside the training range.
    """

    truth: np.ndarray
    mean: np.ndarray
    deviation: np.ndarray
    count: np.ndarray
    known: np.ndarray
    low: float
    high: float
    bias: float
    inside: float


def curves(predictions, numbers, grid: Grid, held, *, alone: bool = False):
    """Where predictions go, a `Curve` for each factor.

    Numbers between two values count with the nearer one.

    Args:
      predictions, numbers, grid, held: as of `modularity`.
      alone: look at images only where no other factor is out of distribution.

    Raises:
      errors.InputError: as of `modularity`.
    """
    numbers, held = checked(numbers, grid, held)
    out = outside(numbers, grid, held)
    _squares(predictions, numbers, grid)  # checks them
    predictions = np.asarray(predictions, np.float64)
    low, high = training_range(held)
    found = []
    for j, size in enumerate(grid.sizes):
        chosen = out.sum(axis=1) - out[:, j] == 0 if alone else np.ones(len(out), bool)
        y, number, apart = predictions[chosen, j], numbers[chosen, j], out[chosen, j]
        place = np.rint(number).astype(int)
        count = np.bincount(place, minlength=size)
        share = np.where(count > 0, count, np.nan)
        mean = np.bincount(place, y, minlength=size) / share
        rest = np.bincount(place, (y - mean[place]) ** 2, minlength=size) / share
        ends = low[j] / (size - 1), high[j] / (size - 1)
        error, within = y - number / (size - 1), (y >= ends[0]) & (y <= ends[1])
        found.append(
            Curve(
                truth=np.arange(size) / (size - 1),
                mean=mean,
                deviation=np.sqrt(rest),
                count=count,
                known=~held[j],
                low=float(ends[0]),
                high=float(ends[1]),
                bias=float(error[apart].mean()) if apart.any() else float("nan"),
                inside=float(within[apart].mean()) if apart.any() else float("nan"),
            )
        )
    return tuple(found)


def between_r_squared(predict, renderer: str, side: int, numbers) -> np.ndarray:
    """R2 of each factor, `[f]`, on images that are drawn between the points of the grid.

    Args:
      predict: images float32 `[n, side, side, c]` from 0 to 1 to predictions `[n, f]`.
      renderer, side: as of `renderers.draw`.
      numbers: `[n, f]`, whole or between, as `splits.between` draws them.

    Raises:
      errors.InputError: as of `renderers.draw` and `evaluating.predictions_of`.
    """
    from iclr22.data.factors import renderers
    from iclr22.in_domain import evaluating

    grid = renderers.RENDERERS[renderers.checked(renderer, side)].grid
    numbers = renderers.checked_numbers(grid, numbers)
    found = evaluating.predictions_of(
        predict,
        lambda rows: renderers.draw(renderer, side, numbers[rows]),
        np.arange(len(numbers)),
        len(grid.sizes),
    )
    return metrics.r_squared(found, grid.targets(numbers), grid.sizes)
