"""What all trainers of GRDA share: the prediction loss and its mean over labelled samples."""

import jax
import jax.numpy as jnp


def prediction_loss(outputs, y, *, regression: bool, floor: float = 1e-4):
    """L_f per sample `[...]`: -log(softmax + floor), or squared error.

    Args:
      outputs: `[..., classes]` logits, or `[..., outputs]` numbers.
      y: `[...]` classes, below 0 where unknown, or `[..., outputs]`.
    """
    if regression:
        return jnp.mean((outputs - y) ** 2, axis=-1)
    chosen = jnp.maximum(y, 0)[..., None]
    share = jnp.take_along_axis(jax.nn.softmax(outputs), chosen, axis=-1)[..., 0]
    return -jnp.log(share + floor)


def over_labelled(values, outputs, batch, *, regression: bool):
    """Mean loss and score of each slot over its labelled samples, `[slots]` both.

    The score is the accuracy in percent, or in a regression the mean squared error again.

    Args:
      values: `[slots, N]` from `prediction_loss`; outputs: what it was made from.
    """
    labelled = batch["labelled"]
    share = labelled / jnp.maximum(labelled.sum(axis=1, keepdims=True), 1e-9)
    right = values
    if not regression:
        right = 100.0 * (jnp.argmax(outputs, axis=-1) == batch["y"])
    return (share * jnp.where(labelled > 0, values, 0)).sum(1), (share * right).sum(1)
