"""State and update that stages share: one step along the mean of a sum over devices.

An objective returns sums over this device's examples, weighted by `sums["weight"]`. Here,
and nowhere else, they are added over devices and divided, so that a step is the same under
jit and pmap, whatever padding or masks the devices hold.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from iclr22 import errors, parallel, plateau

SMALLEST = 1e-9  # weight that a sum is divided by at least; a batch of padding gives 0


class State(NamedTuple):
    """Training state of a stage; arrays only."""

    step: jax.Array  # int32, updates done
    params: Any  # pytree of arrays
    opt_state: optax.OptState
    key: jax.Array  # of the run; never changes
    best: plateau.Best | None = None  # the best parameters so far, where they are kept


def start(
    optimizer: optax.GradientTransformation,
    key: jax.Array,
    params,
    *,
    trained: str = "",
    keep_best: bool = False,
) -> State:
    """A fresh state around parameters.

    Args:
      trained: entry of `params` that the optimiser has; all of them if empty.
      keep_best: for a `plateau.review`.
    """
    opt_state = optimizer.init(params[trained] if trained else params)
    best = plateau.fresh(params) if keep_best else None
    return State(jnp.zeros((), jnp.int32), params, opt_state, key, best)


def step_key(state: State, axis_name: str | None = None) -> jax.Array:
    """The key of this step and, under pmap, of this device."""
    return parallel.fold_axis(jax.random.fold_in(state.key, state.step), axis_name)


def mean(tree, sums, axis_name: str | None):
    """`(tree, metrics)`: both added over devices and divided by the summed weight."""
    tree, sums = parallel.reduce((tree, sums), axis_name)
    count = jnp.maximum(sums["weight"], SMALLEST)
    metrics = {name: x / count for name, x in sums.items() if name != "weight"}
    return jax.tree.map(lambda g: g / count, tree), metrics


def mean_gradient(
    objective: Callable,
    params,
    batch,
    key: jax.Array | None,
    *,
    axis_name: str | None = None,
    parts: int = 1,
    dtype: str = "float32",
):
    """`(gradient, metrics, aux)` of a mean over the examples of all devices.

    Args:
      objective: `(params, batch, key) -> (total, (sums, aux))`, summed over examples.
      parts: the rows of `batch` are taken in so many parts, one after the other, so that
        only one is in memory (gradient accumulation). Every array of it has its examples
        in its rows. Each part has a key of its own; `aux` is that of the last.
      dtype: what the objective computes in (`compute_dtype`): it gets parameters cast to
        it, and casts what it feeds to a network itself; losses are summed in float32,
        as they are where `weight` is. All that is returned is float32.

    Raises:
      errors.InputError: rows that do not divide into parts, or a type that is refused.
    """
    kind = compute_dtype(dtype)

    def cast_objective(params, batch, key):
        total, rest = objective(cast(params, kind), batch, key)
        return jnp.float32(total), cast(rest, jnp.float32)

    differentiate = jax.grad(
        objective if dtype == "float32" else cast_objective, has_aux=True
    )
    if parts == 1:
        grads, (sums, aux) = differentiate(params, batch, key)
    else:
        grads, sums, aux = _accumulated(differentiate, params, batch, key, parts)
    grads, metrics = mean(grads, sums, axis_name)
    return grads, metrics, aux


def _accumulated(differentiate, params, batch, key, parts: int):
    """Sums over the parts of a batch, in a scan."""
    split = jax.tree.map(lambda x: _dealt(x, parts), batch)

    def one(total, given):
        part, index = given
        own = None if key is None else jax.random.fold_in(key, index)
        grads, (sums, aux) = differentiate(params, part, own)
        return jax.tree.map(jnp.add, total, (grads, sums)), aux

    first = jax.tree.map(lambda x: x[0], split)
    grads, (sums, _) = jax.eval_shape(differentiate, params, first, key)
    zero = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), (grads, sums))
    (grads, sums), aux = jax.lax.scan(one, zero, (split, jnp.arange(parts)))
    return grads, sums, jax.tree.map(lambda x: x[-1], aux)


def _dealt(x, parts: int):
    """Rows `[n, ...]` as `[parts, n / parts, ...]`, dealt out like cards: where rows are
    divided over devices, each part is, too."""
    if parts < 1 or jnp.ndim(x) == 0 or len(x) % parts:
        raise errors.InputError(
            f"expected a batch whose rows divide into {parts} parts; found an array of "
            f"shape {list(jnp.shape(x))}"
        )
    return jnp.swapaxes(x.reshape(-1, parts, *x.shape[1:]), 0, 1)


def update(
    optimizer: optax.GradientTransformation,
    state: State,
    objective: Callable,
    batch,
    *,
    axis_name: str | None = None,
    parts: int = 1,
    dtype: str = "float32",
):
    """`(State, metrics)` after one update of all parameters; see `mean_gradient`.

    Args:
      objective: `(params, batch, key) -> (total, sums)`; its key is of this step and
        device.
    """

    def with_nothing(params, batch, key):
        total, sums = objective(params, batch, key)
        return total, (sums, None)

    grads, metrics, _ = mean_gradient(
        with_nothing,
        state.params,
        batch,
        step_key(state, axis_name),
        axis_name=axis_name,
        parts=parts,
        dtype=dtype,
    )
    return apply(optimizer, state, grads), metrics


def apply(
    optimizer: optax.GradientTransformation,
    state: State,
    grads,
    *,
    trained="",
    **others,
) -> State:
    """The state after an optimiser's step along a gradient of all parameters.

    Args:
      trained: entry of `params` that the gradient is of; all of them if empty.
      others: new values of other entries, such as moments of batch norm.
    """
    given = state.params[trained] if trained else state.params
    updates, opt_state = optimizer.update(grads, state.opt_state, given)
    params = optax.apply_updates(given, updates)
    params = state.params | {trained: params} | others if trained else params
    return state._replace(step=state.step + 1, params=params, opt_state=opt_state)


def begun(on: parallel.Devices, state, begin):
    """A fresh state with other parameters, which are also the best where it keeps those.

    The optimiser's state stays as it is. What is given is copied: a step overwrites its
    own arrays.

    Args:
      on: devices that the state lies on.
      begin: a pytree like `state.params`, or a function that makes it from them.

    Raises:
      errors.InputError: another structure, or another shape of an array.
    """
    given = _leaves(begin(state.params) if callable(begin) else begin)
    wanted = _leaves(state.params)
    _check_alike(wanted, given)
    host = [np.asarray(given[name]).astype(x.dtype) for name, x in wanted.items()]
    host = jax.tree.unflatten(jax.tree.structure(state.params), host)
    params = parallel.place(on, lambda tree: jax.tree.map(jnp.array, tree), host)
    if getattr(state, "best", None) is not None:
        state = state._replace(best=parallel.place(on, plateau.fresh, host))
    return state._replace(params=params)


def _leaves(tree) -> dict[str, Any]:
    """Arrays by their path in a pytree."""
    found = jax.tree_util.tree_flatten_with_path(tree)[0]
    return {jax.tree_util.keystr(path): x for path, x in found}


def _check_alike(wanted, given):
    """Arrays by path have the same paths and shapes."""
    for name in wanted | given:
        what = name or "an array"
        if name not in wanted:
            raise errors.InputError(
                f"begin: the model has no parameter {what}; it has {', '.join(wanted)}"
            )
        shape = list(np.shape(wanted[name]))
        found = list(np.shape(given[name])) if name in given else "none"
        if shape != found:
            raise errors.InputError(
                f"begin: expected {what} of shape {shape}, as in the model; found {found}"
            )


def compute_dtype(name: str) -> jnp.dtype:
    """The type that networks compute in: `float32`, or `bfloat16` on accelerators.

    Raises:
      errors.InputError: another type, or bfloat16 on a CPU, where it is a hundred times
        slower than float32.
    """
    if name not in ("float32", "bfloat16"):
        raise errors.nearest(name, ("float32", "bfloat16"), "compute type")
    if name == "bfloat16" and jax.default_backend() == "cpu":
        raise errors.InputError(
            "expected an accelerator for bfloat16; found a CPU, where it is a hundred "
            "times slower than float32. Use float32."
        )
    return jnp.dtype(name)


def cast(tree, dtype):
    """Floating leaves of a pytree in another type."""

    def convert(x):
        floating = jnp.issubdtype(jnp.result_type(x), jnp.floating)
        return x.astype(dtype) if floating else x

    return jax.tree.map(convert, tree)
