"""Two predictors that see no image: what R2 of a model is to be compared with.

The clamp oracle knows the true value, but never leaves the range of the training values;
the train-mean predictor always says the mean of the training targets.
"""

import numpy as np

from iclr22.data.factors import Grid
from iclr22.in_domain import analyses


def clamp(numbers, grid: Grid, held) -> np.ndarray:
    """Targets `[n, f]`, float32, of true values clipped to the range of training values.

    Args:
      numbers: of values, `[n, f]`, whole or between.
      held: of each factor which values never occur in training (`splits.held_out`).

    Raises:
      errors.InputError: as of `analyses.checked`.
    """
    numbers, held = analyses.checked(numbers, grid, held)
    low, high = analyses.training_range(held)
    return grid.targets(np.clip(numbers, low, high))


def train_mean(count: int, train_numbers, grid: Grid) -> np.ndarray:
    """The mean of the training targets, `[count, f]` float32.

    Args:
      train_numbers: numbers of values of the training images, `[n, f]`.
    """
    top = np.array(grid.sizes, np.float64) - 1
    mean = np.mean(train_numbers, axis=0, dtype=np.float64) / top
    return np.tile(mean.astype(np.float32), (count, 1))
