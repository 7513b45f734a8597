"""Closed forms in double precision, whatever the program around them uses."""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import core


def is_traced(*values) -> bool:
    """True if any array in `values` is being traced (inside jit, grad or vmap)."""
    return any(isinstance(x, core.Tracer) for x in jax.tree.leaves(values))


def double(function: Callable) -> Callable:
    """Run `function` in float64 on concrete input; leave traced input alone.

    A leave-one-out residual divides by one minus the leverage, so rounding in float32
    is amplified without bound. On CPU and GPU every floating array is therefore
    converted to float64 for the call. On TPU, which has no float64 units, the products
    run at the highest available precision instead. The result comes back as float64
    NumPy arrays: a float64 `jax.Array` would silently be cut to float32 by the next
    operation, unless `jax_enable_x64` is on, in which case `jax.Array`s are returned.
    """

    @functools.wraps(function)
    def wrapped(*args, **kwargs):
        if is_traced(args, kwargs):
            with jax.default_matmul_precision("highest"):
                return function(*args, **kwargs)
        wide = jnp.result_type(float) == jnp.float64  # jax_enable_x64
        if jax.default_backend() == "tpu":
            with jax.default_matmul_precision("highest"):
                return jax.tree.map(np.asarray, function(*args, **kwargs))
        with jax.enable_x64(True), jax.default_matmul_precision("highest"):
            args, kwargs = jax.tree.map(_widen, (args, kwargs))
            result = function(*args, **kwargs)
        return result if wide else jax.tree.map(_to_numpy, result)

    return wrapped


def _widen(x):
    if isinstance(x, np.ndarray | jax.Array) and jnp.issubdtype(x.dtype, jnp.floating):
        return jnp.asarray(x, jnp.float64)
    return x


def _to_numpy(x):
    return np.asarray(x) if isinstance(x, jax.Array) else x
