"""Linearization of a network around pretrained weights, its features and Gram matrix.

`f_lin(x; w) = f(x; w0) + J(x) (w - w0)`, arXiv:2111.09785, equations 2 to 4, after
Achille et al. (LQF, CVPR 2021). Any pure `apply(params, inputs) -> [n, k]` will do. Take
it in evaluation mode (batch statistics frozen or fused) and prefer a leaky ReLU, whose
linearization is informative on both sides of zero.
"""

import functools
from collections.abc import Callable

import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np

from iclr22 import errors


def linearize(apply: Callable, params, *, subtree: tuple[str, ...] = ()):
    """Linear model and per-example features of a network at `params`.

    Args:
      apply: `(params, inputs [n, ...]) -> outputs [n, k]`, pure.
      params: the weights w0 to linearize around.
      subtree: names of the sub-trees that are free (a leaf is free if any key on its
        path is listed), for example `("head",)` for the last layer. Empty: all.

    Returns:
      predict: `(new_params, inputs) -> [n, k]`, linear in `new_params`, equal to `apply`
        at `params`; changes outside the sub-tree are ignored. One `jax.jvp`.
      features: `inputs -> [n, k, p]`, the Jacobian rows of every example over the free
        parameters in `jax.flatten_util.ravel_pytree` order. One `vmap` of `jacrev`.

    Raises:
      errors.InputError: if the sub-tree names no leaf.
    """
    free, merge = select(params, subtree)

    def outputs(chosen, inputs):
        return apply(merge(chosen), inputs)

    def predict(new_params, inputs):
        tangent = jax.tree.map(jnp.subtract, select(new_params, subtree)[0], free)
        value, change = jax.jvp(lambda p: outputs(p, inputs), (free,), (tangent,))
        return value + change

    flat, unravel = jax.flatten_util.ravel_pytree(free)

    def features(inputs):
        def one(x):
            return jax.jacrev(lambda p: outputs(unravel(p), x[None])[0])(flat)

        return jax.vmap(one)(inputs)

    return predict, features


def select(params, subtree: tuple[str, ...]):
    """`(free leaves, merge)`: `merge(leaves)` puts them back into the tree."""
    paths, treedef = jax.tree_util.tree_flatten_with_path(params)

    def chosen(path):
        keys = {str(getattr(k, "key", getattr(k, "name", k))) for k in path}
        return not subtree or bool(keys & set(subtree))

    where = [i for i, (path, _) in enumerate(paths) if chosen(path)]
    if not where:
        names = {str(getattr(k, "key", k)) for path, _ in paths for k in path}
        raise errors.nearest(subtree[0], names, "parameter sub-tree")
    leaves = [leaf for _, leaf in paths]

    def merge(free):
        merged = list(leaves)
        for i, leaf in zip(where, free, strict=True):
            merged[i] = leaf
        return treedef.unflatten(merged)

    return [leaves[i] for i in where], merge


def gram(
    apply: Callable, params, *, subtree: tuple[str, ...] = (), kind: str = "trace"
) -> Callable:
    """Neural tangent kernel in blocks, without ever holding an `[n, p]` array.

    Args:
      kind: `trace` gives `(1/k) tr J_i J_j'`, `[a, b]`, one scalar kernel for all
        outputs; `coupled` gives the exact kernel `[a, k, b, k]`; `sum` gives the kernel
        of the summed outputs over k, `[a, b]`, at the cost of one output.

    Returns:
      `(x [a, ...], y [b, ...]) -> block`, jit-able; memory is one Jacobian leaf of each
      side at a time. `gram_matrix` assembles blocks.
    """
    if kind not in ("trace", "coupled", "sum"):
        raise errors.nearest(kind, ("trace", "coupled", "sum"), "kernel")
    free, merge = select(params, subtree)

    def outputs(chosen, x):
        values = apply(merge(chosen), x[None])[0]
        return (
            jnp.sum(values)[None] / jnp.sqrt(values.size) if kind == "sum" else values
        )

    def jacobian(inputs):
        rows = jax.vmap(jax.jacrev(outputs), (None, 0))(free, inputs)
        return [leaf.reshape(*leaf.shape[:2], -1) for leaf in rows]

    def block(x, y):
        pattern = "ikp,jlp->ikjl" if kind == "coupled" else "ikp,jkp->ij"
        total = sum(
            jnp.einsum(pattern, a, b, precision="highest")
            for a, b in zip(jacobian(x), jacobian(y), strict=True)
        )
        if kind == "trace":
            total /= jax.eval_shape(outputs, free, x[0]).shape[0]
        return total

    return block


def gram_rows(block: Callable, inputs, *, chunk: int, place=None) -> Callable:
    """`(low, high) -> rows [high - low, n]` of a Gram matrix, in blocks of `chunk`.

    Args:
      block: from `gram` (or any kernel `(x, y) -> [a, b]`).
      inputs: `[n, ...]` NumPy array.
      chunk: examples per block and side.
      place: puts the row side of a block on the devices, for example
        `parallel.shard_rows(parallel.devices())`, which divides rows over the devices
        of this process; identity by default.

    The result fits `checkpoint.ChunkStore`, which makes a long computation resumable.
    """
    compiled = jax.jit(block)
    place = place or (lambda x: x)

    def rows(low, high):
        row = place(_padded(inputs[low:high], chunk))
        parts = []
        for start in range(0, len(inputs), chunk):
            column = inputs[start : start + chunk]
            part = np.asarray(compiled(row, _padded(column, chunk)))
            parts.append(part[: high - low, : len(column)])
        return np.concatenate(parts, axis=1)

    return rows


def _padded(x, size):
    """`x` with its last example repeated up to `size`, so that one compile serves."""
    missing = size - len(x)
    return np.concatenate([x, np.repeat(x[-1:], missing, axis=0)]) if missing else x


def sketch(
    apply: Callable, params, key, size: int, *, subtree: tuple[str, ...] = ()
) -> Callable:
    """Random features of the trace kernel by forward-mode derivatives.

    Returns a function `inputs [n, ...] -> [n, k size]`. Every column is one `jax.jvp`
    along a Gaussian tangent that is drawn again from the key, so memory does not grow
    with the number of parameters. Inner products are unbiased for the trace kernel with
    a relative Frobenius error of about 0.6 / sqrt(size).
    """
    free, merge = select(params, subtree)
    flat, unravel = jax.flatten_util.ravel_pytree(free)

    def features(inputs):
        def along(index):
            tangent = jax.random.normal(jax.random.fold_in(key, index), flat.shape)
            return jax.jvp(
                lambda p: apply(merge(unravel(p)), inputs),
                (flat,),
                (tangent.astype(flat.dtype),),
            )[1]

        columns = jax.lax.map(along, jnp.arange(size))
        n, k = columns.shape[1:]
        rows = jnp.moveaxis(columns, 0, 2).reshape(n, k * size)
        return rows / jnp.sqrt(size * k)

    return features


def count_sketch(
    apply: Callable, params, key, size: int, *, subtree: tuple[str, ...] = ()
) -> Callable:
    """Random features of the trace kernel by reverse-mode derivatives, hashed.

    Returns a function `inputs [n, ...] -> [n, k size]`: one reverse pass per output, then
    each of the p parameters is added with a random sign to one of `size` buckets
    (a sparse Johnson-Lindenstrauss map). Cheaper than `sketch` when `size` is far above
    the number of outputs and p fits one example at a time.
    """
    free, merge = select(params, subtree)
    flat, unravel = jax.flatten_util.ravel_pytree(free)
    bucket_key, sign_key = jax.random.split(key)
    buckets = jax.random.randint(bucket_key, flat.shape, 0, size)
    signs = jax.random.rademacher(sign_key, flat.shape, flat.dtype)

    def one(x):
        rows = jax.jacrev(lambda p: apply(merge(unravel(p)), x[None])[0])(flat)
        add = functools.partial(
            jax.ops.segment_sum, segment_ids=buckets, num_segments=size
        )
        hashed = jax.vmap(add)(rows * signs)
        return hashed.reshape(-1) / jnp.sqrt(rows.shape[0])

    return lambda inputs: jax.lax.map(one, inputs, batch_size=16)
