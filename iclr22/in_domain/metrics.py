"""How well factors are predicted, as the benchmark counts it (Schott et al., section 3).

Targets are a factor's numbers on the scale 0 to 1. Errors are compared with the variance of
the whole grid, whatever the test set is: 1 is perfect, 0 as bad as to answer 0.5 always, and
there is no lower bound. `sklearn.metrics.r2_score` compares with the test set's variance.
"""

from collections.abc import Sequence

import numpy as np

from iclr22 import errors, numeric


def variances(sizes) -> np.ndarray:
    """Variance of each factor's targets over the whole grid, `[f]`.

    That of `0, 1 / (s - 1), ..., 1`, each as often: `(s + 1) / (12 (s - 1))`.

    Args:
      sizes: numbers of values of the factors, `[f]`, each at least 2.

    Raises:
      errors.InputError: a factor of a single value, whose targets do not vary.
    """
    sizes = numeric.whole(sizes, "sizes")
    if (sizes < 2).any():
        raise errors.InputError(
            f"sizes: expected at least 2 values of every factor; found {sizes.min()} in "
            f"place {sizes.argmin()}. Leave constant factors out"
        )
    return (sizes + 1) / (12 * (sizes - 1.0))


def squared_errors(predictions, targets) -> np.ndarray:
    """Mean squared error of each factor, `[f]`.

    Args:
      predictions: of the targets, `[n, f]`.
      targets: from 0 to 1, `[n, f]`.

    Raises:
      errors.InputError: other shapes, no rows, NaN.
    """
    predictions = numeric.real(predictions, "predictions", ndim=2, dtype=np.float64)
    targets = numeric.real(targets, "targets", ndim=2, dtype=np.float64)
    if predictions.shape != targets.shape or not len(targets):
        raise errors.InputError(
            f"predictions: expected a row for each of {len(targets)} images and a column "
            f"for each of {targets.shape[1]} factors; found shape "
            f"{list(predictions.shape)}. Predict all factors of every image"
        )
    return ((predictions - targets) ** 2).mean(axis=0)


def r_squared(predictions, targets, sizes) -> np.ndarray:
    """R2 of each factor, `[f]`: 1 - mean squared error / variance over the grid.

    Args:
      predictions: of the targets, `[n, f]`.
      targets: from 0 to 1, `[n, f]`.
      sizes: numbers of values of the factors, `[f]`.

    Raises:
      errors.InputError: other shapes, no rows, NaN, a factor of a single value.
    """
    found = squared_errors(predictions, targets)
    scale = variances(sizes)
    if found.shape != scale.shape:
        raise errors.InputError(
            f"sizes: expected one for each of {len(found)} factors; found {len(scale)}"
        )
    return 1 - found / scale


def report(
    predictions, targets, sizes, names: Sequence[str] | None = None
) -> dict[str, float]:
    """Scores by the keys of the authors' benchmark.

    Args:
      predictions, targets, sizes: as of `r_squared`.
      names: of the factors, by default their places.

    Returns:
      `rsquared` and `mse`, means over factors, and for each `rsquared_<name>`,
      `mse_<name>`.
    """
    scores = r_squared(predictions, targets, sizes)
    losses = squared_errors(predictions, targets)
    found = {"rsquared": float(scores.mean()), "mse": float(losses.mean())}
    names = [str(i) for i in range(len(scores))] if names is None else names
    for name, score, loss in zip(names, scores, losses, strict=True):
        found[f"rsquared_{name}"] = float(score)
        found[f"mse_{name}"] = float(loss)
    return found
