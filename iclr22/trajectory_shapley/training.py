"""What the predictors that learn have in common: their state and an update."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from iclr22 import parallel, plateau


class State(NamedTuple):
    """Training state; arrays only."""

    step: jax.Array  # int32
    params: dict
    opt_state: optax.OptState
    key: jax.Array  # of the run; never changes
    best: plateau.Best


def start(optimizer, key: jax.Array, params) -> State:
    """Fresh state around parameters."""
    opt_state = optimizer.init(params)
    return State(jnp.int32(0), params, opt_state, key, plateau.fresh(params))


def update(optimizer, state: State, objective: Callable, axis_name: str | None):
    """`(State, metrics)` after one update on the mean of a loss.

    Args:
      objective: `(params, key) -> (total, sums)`, summed over this device's examples;
        its key is of this step and, under pmap, of this device.
    """
    key = parallel.fold_axis(jax.random.fold_in(state.key, state.step), axis_name)
    grads, sums = jax.grad(objective, has_aux=True)(state.params, key)
    grads, sums = parallel.reduce((grads, sums), axis_name)
    count = jnp.maximum(sums["weight"], 1e-9)
    grads = jax.tree.map(lambda g: g / count, grads)
    updates, opt_state = optimizer.update(grads, state.opt_state)
    params = optax.apply_updates(state.params, updates)
    state = state._replace(step=state.step + 1, params=params, opt_state=opt_state)
    return state, {k: v / count for k, v in sums.items() if k != "weight"}
