"""Optimiser and update of all stages of Cold Brew."""

from collections.abc import Callable

import jax
import optax

from iclr22 import gradients
from iclr22.gradients import State


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


def start(config, key: jax.Array, variables) -> State:
    """A fresh state from what a network's `init` returned.

    Its `params` are `weights` and `stats`, the moments of batch normalization.
    """
    params = {"weights": variables["params"], "stats": variables.get("stats", {})}
    return gradients.start(optimizer(config), key, params, trained="weights")


def update(
    config, state: State, objective: Callable, batch, key, *, axis_name: str | None
):
    """`(State, metrics)` after one update of the weights.

    Args:
      objective: `(weights, batch, key) -> (total, (sums, new stats))`, summed over nodes
        weighted by `sums["weight"]`.
    """
    weights = state.params["weights"]
    grads, metrics, stats = gradients.mean_gradient(
        objective, weights, batch, key, axis_name=axis_name
    )
    rule = optimizer(config)
    return gradients.apply(rule, state, grads, trained="weights", stats=stats), metrics
