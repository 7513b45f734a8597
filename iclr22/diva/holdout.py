"""The dataset derivative of the loss on a trusted held-out set."""

import jax
import numpy as np

from iclr22 import precision
from iclr22.diva import checks, ridge
from iclr22.diva.losses import get_loss


def holdout_derivative(
    features,
    targets,
    weights,
    l2,
    validation_features,
    validation_targets,
    *,
    loss="mse",
    validation_weights=None,
):
    """Derivative `[n]` of the loss on a trusted held-out set in the training weights.

    Args:
      validation_features: `[v, p]`; validation_targets: `[v, k]`;
      validation_weights: `[v]`, ones by default; the rest as in `derivative`.

    Source: arXiv:2111.09785, proposition 2 (transposes corrected).
    """
    checks.check("features", features, targets, weights, l2, None)
    ones = np.ones(np.shape(validation_features)[0])
    checks.check("features", validation_features, validation_targets, ones, 1.0, None)
    if validation_weights is None:
        validation_weights = ones
    return _holdout(
        features,
        targets,
        weights,
        l2,
        validation_features,
        validation_targets,
        validation_weights,
        loss=get_loss(loss),
    )


_holdout = precision.double(jax.jit(ridge.holdout_derivative, static_argnames="loss"))
