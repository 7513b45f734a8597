"""What all trainers of GRDA share: the prediction loss and its mean over labelled samples."""

import jax
import jax.numpy as jnp

from iclr22 import gradients, parallel


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


def over_labelled(values, outputs, batch, *, regression: bool, axis_name=None):
    """Loss and score of each slot, `[slots]` both, whose means over the slots of all
    devices are those over labelled samples.

    The score is the accuracy in percent, or in a regression the mean squared error again.

    Args:
      values: `[slots, N]` from `prediction_loss`; outputs: what it was made from.
    """
    labelled, weight = batch["labelled"], batch["weight"]
    known, slots = parallel.reduce(
        (jnp.sum(weight @ labelled), weight.sum()), axis_name
    )
    share = labelled * slots / jnp.maximum(known, gradients.SMALLEST)
    right = values
    if not regression:
        right = 100.0 * (jnp.argmax(outputs, axis=-1) == batch["y"])
    return (share * jnp.where(labelled > 0, values, 0)).sum(1), (share * right).sum(1)


def labelled_sums(outputs, batch, *, regression, floor=1e-4, axis_name=None) -> dict:
    """Sums over slots of loss and score of labelled samples, and of weight."""
    values = prediction_loss(outputs, batch["y"], regression=regression, floor=floor)
    values, right = over_labelled(
        values, outputs, batch, regression=regression, axis_name=axis_name
    )
    weight = batch["weight"]
    return {"loss": weight @ values, "score": weight @ right, "weight": weight.sum()}
