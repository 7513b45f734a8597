"""A convolution that is fast inside loops, and its layer, against XLA's own."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import assert_trees_close

from iclr22.nn.conv import Conv, convolve


def theirs(x, kernel, stride):
    half = kernel.shape[0] // 2
    axes = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(
        x, kernel, (stride, stride), [(half, half)] * 2, dimension_numbers=axes
    )


def problem(size=3, seed=0, shape=(2, 7, 6, 4), features=5):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=shape).astype(np.float32)
    kernel = rng.normal(size=(size, size, shape[-1], features)).astype(np.float32)
    return x, kernel


def summed(conv, stride):
    return lambda x, kernel: jnp.sum(jnp.sin(conv(x, kernel, stride)))


@pytest.mark.parametrize("size", [1, 3, 7])
@pytest.mark.parametrize("stride", [1, 2])
def test_value_slope_and_gradients_equal_lax(stride, size):
    x, kernel = problem(size)
    moved = problem(size, seed=1)

    def all_of(conv):
        def values(*given):
            function = summed(conv, stride)
            slope = jax.jvp(function, given, moved)
            return conv(*given, stride), jax.grad(function, (0, 1))(*given), slope

        return jax.jit(values)(x, kernel)

    assert_trees_close(all_of(convolve), all_of(theirs), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("size", "stride", "padding"),
    [(4, 2, 1), (2, 1, 0), (4, 1, 3), (3, 2, 0), (4, 3, 2)],
)
@pytest.mark.parametrize("shape", [(2, 7, 6, 4), (2, 3, 3, 4)])  # and a small image
def test_other_paddings_and_even_kernels(size, stride, padding, shape):
    x, kernel = problem(size, shape=shape)
    axes = ("NHWC", "HWIO", "NHWC")
    around, strides = [(padding, padding)] * 2, (stride, stride)

    def theirs(x, kernel):
        return jax.lax.conv_general_dilated(
            x, kernel, strides, around, dimension_numbers=axes
        )

    def ours(x, kernel):
        return convolve(x, kernel, stride, padding)

    def both(conv):
        def total(x, kernel):
            return jnp.sum(jnp.sin(conv(x, kernel)))

        run = jax.jit(lambda *given: (conv(*given), jax.grad(total, (0, 1))(*given)))
        return run(x, kernel)

    assert_trees_close(both(ours), both(theirs), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("places", [(0, None), (None, 0), (0, 0), (2, 3)])
def test_many_images_or_many_kernels_under_vmap(places):
    x, kernel = problem()
    many = np.stack([x, x + 1, 3 * x]), np.stack([kernel, 2 * kernel, -kernel])
    images, kernels = (
        one if place is None else np.moveaxis(several, 0, place)
        for one, several, place in zip((x, kernel), many, places, strict=True)
    )

    def both(conv):
        def values(x, kernel):
            return conv(x, kernel, 2), jax.grad(summed(conv, 2), (0, 1))(x, kernel)

        return jax.jit(jax.vmap(values, places))(images, kernels)

    assert_trees_close(both(convolve), both(theirs), rtol=1e-4, atol=1e-4)


def test_second_derivatives_equal_lax():
    x, kernel = problem(shape=(1, 4, 3, 2), features=2)

    def twice(conv):
        slope = jax.grad(summed(conv, 2), 1)
        return jax.grad(lambda x: jnp.sum(slope(x, kernel) ** 2))(x)

    found, expected = (jax.jit(twice, static_argnums=0)(c) for c in (convolve, theirs))
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)


def test_gradients_in_a_loop_keep_the_layout_of_the_fast_library():
    x, kernel = problem()

    def loop(conv):
        def gradients(x):
            return jax.grad(summed(conv, 2), (0, 1))(x, kernel)

        many = jax.jit(lambda x: jax.lax.map(gradients, x))
        program = many.lower(np.stack([x] * 3)).compile().as_text()
        return set(re.findall(r"convolution\(.*dim_labels=(\S+?)[, \n]", program))

    assert loop(convolve) == {"b01f_01io->b01f"}
    assert len(loop(theirs)) > 1  # or XLA has learned it, and `convolve` may go


def test_layer_is_he_normal_with_a_bias():
    layer = Conv(400, stride=2)
    x = np.ones((1, 5, 4, 50), np.float32)
    params = layer.init(jax.random.key(0), x)["params"]
    shapes = {name: value.shape for name, value in params.items()}
    assert shapes == {"kernel": (3, 3, 50, 400), "bias": (400,)}
    np.testing.assert_allclose(np.std(params["kernel"]), (2 / 450) ** 0.5, rtol=0.01)
    params = params | {"bias": np.arange(400, dtype=np.float32)}
    expected = theirs(x, params["kernel"], 2) + params["bias"]
    found = layer.apply({"params": params}, x)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
