"""What all stages of Cold Brew share: state, optimiser, one update, losses by name.

A batch describes nodes (or rows of features): `y` `[n]` labels, `target` `[n, t]` what a
teacher says, and three weights `[n]`: `weight` counts the node, `hard` and `soft` multiply
its loss on the label and on the target. With `pairs` `[p, 2]`, `linked` `[p]` and
`pair_weight` `[p]` the loss is on links instead.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from iclr22 import parallel
from iclr22.cold_brew import link


class State(NamedTuple):
    """Training state; arrays only."""

    step: jax.Array  # int32, updates done
    params: dict  # {"weights": ..., "stats": moments of batch norm}
    opt_state: optax.OptState
    key: jax.Array  # of the run; never changes


def optimizer(config) -> optax.GradientTransformation:
    """Adam or SGD with an L2 penalty inside the gradient, as the paper's code has it.

    Structural embeddings are left out: they have a penalty of their own.
    """

    def penalised(weights):
        return jax.tree_util.tree_map_with_path(
            lambda path, _: path[-1].key != "embedding", weights
        )

    rule = {"adam": optax.scale_by_adam, "sgd": optax.identity}[config.optimizer]
    return optax.chain(
        optax.add_decayed_weights(config.weight_decay, penalised),
        rule(),
        optax.scale_by_learning_rate(config.learning_rate),
    )


def start(config, key, variables) -> State:
    """A fresh state from what `Network.init` returned."""
    params = {"weights": variables["params"], "stats": variables.get("stats", {})}
    opt_state = optimizer(config).init(params["weights"])
    return State(jnp.zeros((), jnp.int32), params, opt_state, key)


def update(config, state: State, objective, axis_name):
    """One step along the gradient of `objective(weights, key) -> (total, (sums, stats))`.

    `total` is a sum over nodes weighted by `sums["weight"]`; division happens here.
    """
    key = jax.random.fold_in(state.key, state.step)
    weights = state.params["weights"]
    grads, (sums, stats) = jax.grad(objective, has_aux=True)(weights, key)
    grads, sums = parallel.reduce((grads, sums), axis_name)
    count = jnp.maximum(sums["weight"], 1e-9)
    grads = jax.tree.map(lambda g: g / count, grads)
    updates, opt_state = optimizer(config).update(grads, state.opt_state, weights)
    params = {"weights": optax.apply_updates(weights, updates), "stats": stats}
    metrics = {k: v / count for k, v in sums.items() if k != "weight"}
    return State(state.step + 1, params, opt_state, state.key), metrics


def losses(objective: str, outputs, batch, temperature: float = 1.0):
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
        counted = weight * (
            batch["hard"] > 0
        )  # whose label is used; reported per weight
        share = sums["weight"] / jnp.maximum(jnp.sum(counted), 1e-9)
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
