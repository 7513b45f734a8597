"""Convolutions: of small images as one matrix product, and of any as XLA has it fast.

XLA's CPU compiler brings a convolution into the layout of its fast library only outside of
loops. In the body of `lax.scan` or `lax.map` the two convolutions of a gradient, whose axes
JAX leaves swapped, run as plain loops: 13 and 40 times slower. `convolve` therefore has a
gradient that writes the transpositions out.
"""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.extend import core
from jax.interpreters import ad, batching, mlir


class Conv3x3(nn.Module):
    """3 x 3 convolution, padding 1: shifted copies side by side, then a product.

    On CPU this is as fast as `flax.linen.Conv` alone and ten times as fast inside
    `lax.scan`, where XLA's convolution runs on one thread; products are what every
    accelerator does best.
    """

    features: int
    stride: int = 1
    use_bias: bool = True

    @nn.compact
    def __call__(self, x):
        """`[batch, height, width, channels]` to `[batch, .. / stride, features]`."""
        shape = (3, 3, x.shape[-1], self.features)
        kernel = self.param("kernel", nn.initializers.lecun_normal(), shape)
        _, h, w, _ = x.shape
        x, s = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0))), self.stride
        taps = [x[:, i : i + h : s, j : j + w : s] for i in range(3) for j in range(3)]
        y = jnp.concatenate(taps, axis=-1) @ kernel.reshape(-1, self.features)
        if self.use_bias:
            y += self.param("bias", nn.initializers.zeros, (self.features,))
        return y


class Conv(nn.Module):
    """k x k convolution, zeros around the image, He-normal kernel; see `convolve`."""

    features: int
    kernel_size: int = 3
    stride: int = 1
    use_bias: bool = True

    @nn.compact
    def __call__(self, x):
        """`[batch, height, width, channels]` to `[batch, .. / stride, features]`."""
        shape = (self.kernel_size, self.kernel_size, x.shape[-1], self.features)
        kernel = self.param("kernel", nn.initializers.he_normal(), shape)
        y = convolve(x, kernel.astype(x.dtype), self.stride)
        if self.use_bias:
            bias = self.param("bias", nn.initializers.zeros, (self.features,))
            y += bias.astype(x.dtype)
        return y


def convolve(
    x: jax.Array, kernel: jax.Array, stride: int = 1, padding: int | None = None
) -> jax.Array:
    """Convolution as networks have it: without flipping, zeros around the image.

    Args:
      x: `[n, h, w, c]`.
      kernel: `[k, k, c, f]`.
      padding: zeros on each side, fewer than k; `k // 2` if None.

    Returns:
      `[n, (h + 2 padding - k) // stride + 1, likewise of w, f]`; for an odd k and its own
      padding that is `ceil(h / stride)`.
    """
    padding = kernel.shape[0] // 2 if padding is None else padding
    if x.shape[1] * x.shape[2] < kernel.shape[0] ** 2:
        return _product(x, kernel, stride, padding)
    if jax.default_backend() == "cpu":
        return _convolve.bind(x, kernel, stride=stride, padding=padding)
    return _forward(x, kernel, stride=stride, padding=padding)


def _product(x, kernel, stride, padding):
    """Of images smaller than the kernel: shifted copies side by side, then a product, a
    fifth of the time of a convolution on a CPU."""
    size = len(kernel)
    h, w = ((length + 2 * padding - size) // stride + 1 for length in x.shape[1:3])
    x = jnp.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    rows, columns = (slice(0, (m - 1) * stride + 1, stride) for m in (h, w))
    taps = [x[:, i:, j:][:, rows, columns] for i in range(size) for j in range(size)]
    return jnp.concatenate(taps, axis=-1) @ kernel.reshape(-1, kernel.shape[-1])


def _lax(x, kernel, strides, padding, **dilations):
    axes = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(
        x, kernel, strides, padding, dimension_numbers=axes, **dilations
    )


def _forward(x, kernel, *, stride, padding):
    return _lax(x, kernel, (stride, stride), [(padding, padding)] * 2)


def _by_images(cotangent, x, kernel, *, stride, padding):
    """Gradient by the images: a convolution with the kernel turned round."""
    size = kernel.shape[0]
    before, around = size - 1 - padding, []
    for length, out in zip(x.aval.shape[1:3], cotangent.shape[1:3], strict=True):
        after = length - (out - 1) * stride - 1 - before + size - 1
        around.append((before, after))
    turned = jnp.flip(kernel, (0, 1)).swapaxes(2, 3)
    return _lax(cotangent, turned, (1, 1), around, lhs_dilation=(stride, stride))


def _by_kernel(cotangent, x, kernel, *, stride, padding):
    """Gradient by the kernel: channels convolved with gradients, summed over images."""
    size = kernel.aval.shape[0]
    found = _lax(
        x.transpose(3, 1, 2, 0),
        cotangent.transpose(1, 2, 0, 3),
        (1, 1),
        [(padding, padding)] * 2,
        rhs_dilation=(stride, stride),
    )
    return found[:, :size, :size].transpose(1, 2, 0, 3)


def _shape(x, kernel, *, stride, padding):
    n, size = x.shape[0], kernel.shape[0]
    h, w = ((length + 2 * padding - size) // stride + 1 for length in x.shape[1:3])
    return x.update(shape=(n, h, w, kernel.shape[-1]))


def _batched(operands, places, *, stride, padding):
    """Of many arrays of images, all are images; many kernels are XLA's business."""
    x, kernel = operands
    options = {"stride": stride, "padding": padding}
    if places[1] is None:
        x = jnp.moveaxis(x, places[0], 0)
        y = _convolve.bind(x.reshape(-1, *x.shape[2:]), kernel, **options)
        return y.reshape(*x.shape[:2], *y.shape[1:]), 0
    forward = functools.partial(_forward, **options)
    return jax.vmap(forward, places)(x, kernel), 0


_convolve = core.Primitive("convolve")
_convolve.def_impl(jax.jit(_forward, static_argnames=("stride", "padding")))
_convolve.def_abstract_eval(_shape)
ad.defbilinear(_convolve, _by_images, _by_kernel)
batching.primitive_batchers[_convolve] = _batched
mlir.register_lowering(_convolve, mlir.lower_fun(_forward, multiple_results=False))
