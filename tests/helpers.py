"""Helpers of the tests: tree comparison, central differences, retraining by brute force."""

import jax
import numpy as np


def assert_trees_close(a, b, **tolerance):
    """Leaves of two pytrees of arrays are close; typed keys are compared by their data."""
    a, b = map(_plain, (a, b))
    assert jax.tree.structure(a) == jax.tree.structure(b)
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_allclose(x, y, **tolerance)


def _plain(tree):
    def convert(x):
        if isinstance(x, jax.Array) and jax.dtypes.issubdtype(
            x.dtype, jax.dtypes.prng_key
        ):
            return np.asarray(jax.random.key_data(x))
        return np.asarray(x)

    return jax.tree.map(convert, tree)


def central_differences(function, x, step=1e-6):
    """Gradient of a scalar function of `[n]` by central differences."""
    gradient = np.zeros_like(x)
    for i in range(len(x)):
        shift = np.zeros_like(x)
        shift[i] = step
        gradient[i] = (function(x + shift) - function(x - shift)) / (2 * step)
    return gradient


def ridge(features, targets, weights, l2):
    """Weighted ridge coefficients by NumPy, an independent reference."""
    covariance = features.T @ (weights[:, None] * features)
    moment = features.T @ (weights[:, None] * targets)
    return np.linalg.solve(covariance + l2 * np.eye(features.shape[1]), moment)


def retrained_predictions(features, targets, weights, l2, groups=None):
    """Leave-one-out (or leave-group-out) predictions by retraining n times."""
    groups = np.arange(len(features)) if groups is None else groups
    predictions = np.zeros_like(targets)
    for group in np.unique(groups):
        out = groups == group
        w = ridge(features, targets, np.where(out, 0.0, weights), l2)
        predictions[out] = features[out] @ w
    return predictions
