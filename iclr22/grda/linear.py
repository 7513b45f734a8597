"""Linear models and constants: what a method for related domains has to beat."""

import numpy as np
from scipy import optimize, special

PENALTY = 1e-3  # of logistic regression, per sample


def least_squares(x, y, new) -> np.ndarray:
    """Predictions `[m, outputs]` for `new [m, features]` of a linear map with intercept
    fitted to `x [n, features]`, `y [n, outputs]`."""
    one = np.ones((len(x), 1))
    coefficients = np.linalg.lstsq(np.hstack([one, x]), y, rcond=None)[0]
    return np.hstack([np.ones((len(new), 1)), new]) @ coefficients


def logistic_regression(
    x, y, new, classes: int, penalty: float = PENALTY
) -> np.ndarray:
    """Probabilities `[m, classes]` for `new [m, features]` of a linear classifier.

    The mean cross-entropy of `x [n, features]`, `y [n]` int plus `penalty / 2` times the
    squared weights (not the intercepts) is minimised; features should be on one scale.
    """
    x, new = (np.asarray(values, np.float64) for values in (x, new))
    wanted = np.eye(classes)[y]
    shape = (x.shape[1] + 1, classes)

    def objective(flat):
        weights = flat.reshape(shape)
        logits = x @ weights[1:] + weights[0]
        total = -np.sum(wanted * special.log_softmax(logits, axis=1)) / len(x)
        gap = (special.softmax(logits, axis=1) - wanted) / len(x)
        gradient = np.vstack([gap.sum(axis=0), x.T @ gap + penalty * weights[1:]])
        return total + penalty / 2 * np.sum(weights[1:] ** 2), gradient.ravel()

    start = np.zeros(shape).ravel()
    found = optimize.minimize(objective, start, jac=True, method="L-BFGS-B")
    weights = found.x.reshape(shape)
    return special.softmax(new @ weights[1:] + weights[0], axis=1)


def constant(y, count: int) -> np.ndarray:
    """The mean of `y [n, outputs]` for everyone, `[count, outputs]`."""
    return np.broadcast_to(np.mean(y, axis=0), (count, y.shape[1]))
