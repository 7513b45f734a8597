"""Losses of Cold Brew's stages, by name.

A batch describes nodes (or rows of features): `y` `[n]` labels, `target` `[n, t]` what a
teacher says, and three weights `[n]`: `weight` counts the node, `hard` and `soft` multiply
its loss on the label and on the target. With `pairs` `[p, 2]`, `linked` `[p]` and
`pair_weight` `[p]` the loss is on links instead.
"""

import jax
import jax.numpy as jnp
import optax

from iclr22 import gradients
from iclr22.cold_brew import link


def summed(objective: str, outputs, batch, temperature: float = 1.0):
    """`(total, sums)` of outputs `[n, t]` against a batch (see the module).

    Args:
      objective: `cross_entropy` (labels, plus `soft` times the divergence from the
        target's softmax at `temperature`), `mse` (target only) or `link`.
    """
    if objective == "link":
        return _link(outputs, batch)
    weight = batch["weight"]
    labels = jnp.maximum(batch["y"], 0)
    if objective == "mse":
        values = jnp.mean((outputs - batch["target"]) ** 2, axis=1)
    else:
        hard = optax.softmax_cross_entropy_with_integer_labels(outputs, labels)
        values = batch["hard"] * hard
        if batch["target"].shape[1]:
            values += batch["soft"] * divergence(outputs, batch["target"], temperature)
    total = jnp.sum(weight * values)
    sums = {"loss": total, "weight": jnp.sum(weight)}
    if objective != "mse":
        counted = weight * (batch["hard"] > 0)  # whose label is used
        share = sums["weight"] / jnp.maximum(jnp.sum(counted), gradients.SMALLEST)
        correct = jnp.argmax(outputs, axis=1) == batch["y"]
        sums["accuracy"] = 100 * jnp.sum(counted * correct) * share
    return total, sums


def divergence(outputs, target, temperature: float):
    """Cross-entropy from the softmax of `target / T` to that of `outputs / T`, times T^2."""
    wanted = jax.nn.softmax(target / temperature, axis=1)
    found = jax.nn.log_softmax(outputs / temperature, axis=1)
    return -(temperature**2) * jnp.sum(wanted * found, axis=1)


def _link(outputs, batch):
    """Binary cross-entropy on dot products of the two ends' embeddings."""
    logits = link.score(outputs, batch["pairs"])
    values = link.bce(logits, batch["linked"])
    weight = batch["pair_weight"]
    total = jnp.sum(weight * values)
    correct = (logits > 0) == (batch["linked"] > 0)
    accuracy = 100 * jnp.sum(weight * correct)
    return total, {"loss": total, "accuracy": accuracy, "weight": jnp.sum(weight)}
