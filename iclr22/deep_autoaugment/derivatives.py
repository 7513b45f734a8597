"""Gradients of a network's losses, and their derivatives along a tangent, in chunks of images.

`config` is a `matching.Config`, `network` the parameters of its classifier. Batch norm is as
it was learned.
"""

import jax
import jax.numpy as jnp

from iclr22.deep_autoaugment import classifier

SMALLEST = 1e-12  # that norms are divided by at least


def orthogonal(wanted, got):
    """`(tangent, cosine)` of two gradients: the part of `wanted` that is orthogonal to `got`,
    over the product of their norms."""
    length = jnp.maximum(_dot(got, got), SMALLEST)
    product = _dot(wanted, got)
    scale = jnp.sqrt(length * jnp.maximum(_dot(wanted, wanted), SMALLEST))
    tangent = jax.tree.map(lambda v, g: (v - g * product / length) / scale, wanted, got)
    return tangent, product / scale


def _dot(a, b):
    parts = jax.tree.map(lambda x, y: jnp.vdot(x, y), a, b)
    return sum(jax.tree.leaves(parts))


def gradient(config, network, images, label, shares):
    """Gradient of images `[m, h, w, c]` of one class, weighted by `shares [m]`."""

    def total(weights, images, shares):
        return shares @ _losses(config, weights, network, images, label)

    chunks = _chunks(config, (images, shares))
    if len(chunks[-1]) == 1:
        return jax.grad(total)(network["weights"], *(x[0] for x in chunks))

    def add(found, chunk):
        more = jax.grad(total)(network["weights"], *chunk)
        return jax.tree.map(jnp.add, found, more), None

    zero = jax.tree.map(jnp.zeros_like, network["weights"])
    return jax.lax.scan(add, zero, chunks)[0]


def directional(config, network, images, label, tangent):
    """Derivative `[m]` of the loss of each image along a tangent."""

    def one(chunk):
        def losses(weights):
            return _losses(config, weights, network, chunk, label)

        return jax.jvp(losses, (network["weights"],), (tangent,))[1]

    (chunks,) = _chunks(config, (images,))
    return jax.lax.map(one, chunks).reshape(-1)[: len(images)]


def _chunks(config, rows):
    """Arrays `[m, ...]` as `[chunks, size, ...]`, of about the same size each; the last is
    filled up with zeros."""
    count = len(rows[-1])
    parts = -(-count // config.chunk)
    size = -(-count // parts)

    def cut(x):
        x = jnp.pad(x, [(0, size * parts - count), *[(0, 0)] * (x.ndim - 1)])
        return x.reshape(parts, size, *x.shape[1:])

    return tuple(cut(x) for x in rows)


def _losses(config, weights, network, x, label):
    """Loss `[m]` of images of one class, batch norm as it was learned."""
    labels = jnp.broadcast_to(label, len(x))
    return classifier.per_example_loss(
        config.network, weights, network["stats"], x, labels
    )
