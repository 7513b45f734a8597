"""First weights of a network, drawn in one piece.

A random array costs a quarter of a second of compiling on a CPU, whatever its size, and a
network has one for each layer: all kernels are parts of one.
"""

import jax
import jax.numpy as jnp
import numpy as np

CUT = 0.87962566103423978  # deviation of a normal that is cut off at two


def kernels(weights, key: jax.Array):
    """A pytree of weights whose kernels are drawn anew: convolutions `[.., c, f]` He-normal,
    dense layers `[c, f]` LeCun-normal, both cut at two deviations, other arrays as they are.
    """
    leaves, structure = jax.tree_util.tree_flatten_with_path(weights)
    random = [path[-1].key == "kernel" for path, _ in leaves]
    sizes = [
        x.size if drawn else 0 for drawn, (_, x) in zip(random, leaves, strict=True)
    ]
    numbers = jax.random.truncated_normal(key, -2, 2, (sum(sizes),)) / CUT
    parts = jnp.split(numbers, np.cumsum(sizes)[:-1])
    found = []
    for drawn, part, (_, x) in zip(random, parts, leaves, strict=True):
        gain = 2 if x.ndim > 2 else 1
        scale = np.sqrt(gain / max(1, np.prod(x.shape[:-1])))
        found.append(scale * part.reshape(x.shape) if drawn else x)
    return jax.tree.unflatten(structure, found)


def uniform(weights, key: jax.Array):
    """A pytree of weights whose kernels `[.., c, f]`, and the biases beside them, are drawn
    anew: uniform between -1 and 1 over the root of the number of inputs, as PyTorch begins
    its layers. Other arrays stay as they are."""
    leaves, structure = jax.tree_util.tree_flatten_with_path(weights)
    places = [tuple(x.key for x in path) for path, _ in leaves]
    shapes = dict(zip(places, (x.shape for _, x in leaves), strict=True))
    inputs = []  # of the layer of each array; 0: it is not drawn
    for *layer, name in places:
        shape = shapes.get((*layer, "kernel"), ())
        drawn = bool(shape) and name in ("kernel", "bias")
        inputs.append(max(1, np.prod(shape[:-1])) if drawn else 0)
    sizes = [
        x.size if count else 0 for count, (_, x) in zip(inputs, leaves, strict=True)
    ]
    numbers = jax.random.uniform(key, (sum(sizes),), minval=-1, maxval=1)
    parts = jnp.split(numbers, np.cumsum(sizes)[:-1])
    found = [
        part.reshape(x.shape) / np.sqrt(count) if count else x
        for count, part, (_, x) in zip(inputs, parts, leaves, strict=True)
    ]
    return jax.tree.unflatten(structure, found)
