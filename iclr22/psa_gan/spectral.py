"""Spectral normalisation: weights whose largest singular value is one.

Flax's own iterates in evaluation as well and keeps no right vector; here one step of the
power iteration belongs to one update, and evaluation only reads (Miyato et al., "Spectral
Normalization for Generative Adversarial Networks", ICLR 2018, algorithm 1).
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

SETTLED = 100  # iterations after which vectors are those of a weight
INITIAL = 15  # iterations at initialisation: without them untrained outputs explode
SMALLEST = 1e-12  # length of a vector that is divided by
COLLECTION = "spectral"


def iterate(weight, u, v, steps: int = 1):
    """Power iteration for a weight `[out, in]`: the vectors `u [out]`, `v [in]` after it."""
    weight = jax.lax.stop_gradient(weight)

    def once(_, vectors):
        v = _unit(weight.T @ vectors[0])
        return _unit(weight @ v), v

    if steps == 1:
        return once(0, (u, v))
    return jax.lax.fori_loop(0, steps, once, (u, v))


def normalised(weight, u, v):
    """The weight `[out, in]` over its largest singular value `u' W v`, in which only the
    weight has a gradient."""
    u, v = jax.lax.stop_gradient((u, v))
    return weight / (u @ weight @ v)


def _unit(x):
    return x / jnp.maximum(jnp.linalg.norm(x), SMALLEST)


def settled(variables):
    """Variables `{params, spectral}` of a network whose vectors are those of its weights:
    of averaged weights nobody has made steps of the iteration."""

    def follow(vectors, params):
        if "vectors" in vectors:
            weight = params["weight"]
            flat = weight.reshape(-1, weight.shape[-1]).T
            found = iterate(flat, **vectors["vectors"], steps=SETTLED)
            return {"vectors": _named(found)}
        return {name: follow(x, params[name]) for name, x in vectors.items()}

    spectral = follow(variables[COLLECTION], variables["params"])
    return variables | {COLLECTION: spectral}


class Spectral(nn.Module):
    """A convolution over time `[batch, time, inputs]` to `[batch, time, width]`, zeros
    around, whose weight is normalised; with kernel 1 a dense layer.

    Its vectors are in the collection `spectral`; where that may be written, a call makes
    one step of the iteration.
    """

    width: int
    kernel: int = 1

    @nn.compact
    def __call__(self, x):
        inputs = x.shape[-1]
        weight, bias = weight_and_bias(self, inputs, self.kernel, self.width)
        flat = weight.reshape(-1, self.width).T

        def begin():
            key = self.make_rng("params")
            u = _unit(jax.random.normal(key, (self.width,), jnp.float32))
            v = jnp.zeros(flat.shape[1], jnp.float32)
            return _named(iterate(flat, u, v, INITIAL))

        kept = self.variable(COLLECTION, "vectors", begin)
        if self.is_mutable_collection(COLLECTION) and not self.is_initializing():
            kept.value = _named(iterate(flat, **kept.value))
        return convolve(x, normalised(flat, **kept.value).T, self.kernel) + bias


def _named(vectors):
    return dict(zip("uv", vectors, strict=True))


class Plain(nn.Module):
    """`Spectral` without the normalisation."""

    width: int
    kernel: int = 1

    @nn.compact
    def __call__(self, x):
        weight, bias = weight_and_bias(self, x.shape[-1], self.kernel, self.width)
        return convolve(x, weight.reshape(-1, self.width), self.kernel) + bias


def weight_and_bias(module, inputs: int, kernel: int, width: int):
    """Parameters `[kernel, inputs, width]` and `[width]`, uniform within
    `1 / sqrt(kernel inputs)` at first."""
    bound = (kernel * inputs) ** -0.5

    def uniform(key, shape, dtype):
        return jax.random.uniform(key, shape, dtype, -bound, bound)

    shape = kernel, inputs, width
    weight = module.param("weight", uniform, shape, jnp.float32)
    return weight, module.param("bias", uniform, (width,), jnp.float32)


def convolve(x, weight, kernel: int):
    """Convolution of `[batch, time, inputs]` with a flat weight `[kernel inputs, width]`.

    Shifted copies and one product: on CPUs and for so few channels quicker than a
    convolution, forward and back.
    """
    if kernel > 1:
        before, after = (kernel - 1) // 2, kernel // 2
        time = x.shape[1]
        padded = jnp.pad(x, ((0, 0), (before, after), (0, 0)))
        x = jnp.concatenate([padded[:, i : i + time] for i in range(kernel)], axis=-1)
    return x @ weight
