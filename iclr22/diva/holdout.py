"""The dataset derivative of the loss on a trusted held-out set."""

import jax

from iclr22 import precision
from iclr22.diva import checks, ridge


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
    given = checks.problem("features", features, targets, weights, l2)
    held = checks.examples(validation_features, "validation_features")
    valid = checks.row_weights(validation_weights, len(held), "validation_weights")
    trusted = checks.problem("features", held, validation_targets, valid, 1.0)
    loss = checks.loss_for(loss, given.targets)
    return _holdout(*given[:4], held, trusted.targets, valid, loss=loss)


_holdout = precision.double(jax.jit(ridge.holdout_derivative, static_argnames="loss"))
