"""Wide residual networks: numbers of parameters, and one written out with XLA's operations."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from iclr22 import errors
from iclr22.nn.wide_resnet import WideResNet


def count(depth, widen, classes=10):
    shapes = jax.eval_shape(
        WideResNet(classes, depth, widen).init,
        jax.random.key(0),
        np.zeros((1, 32, 32, 3), np.float32),
    )
    return sum(x.size for x in jax.tree.leaves(shapes["params"]))


def by_hand(depth, widen, classes):
    """Kernels, biases, scales and shifts, added up."""

    def conv(size, before, after):
        return size**2 * before * after + after

    total, before = conv(3, 3, 16), 16
    for group in range(3):
        width = 16 * widen * 2**group
        for index in range((depth - 4) // 6):
            total += 2 * before + conv(3, before, width)
            total += 2 * width + conv(3, width, width)
            if index == 0 and (group or before != width):
                total += conv(1, before, width)
            before = width
    return total + 2 * before + before * classes + classes


def test_number_of_parameters():
    assert count(40, 2) == 2_246_474
    assert count(10, 1) == 78_186
    for depth, widen, classes in ((16, 1, 7), (28, 10, 100), (4, 1, 3)):
        assert count(depth, widen, classes) == by_hand(depth, widen, classes)


def test_logits_equal_the_network_written_out():
    """WRN-10-2 with random parameters and moments."""
    network = WideResNet(5, 10, 2)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 8, 6, 3)).astype(np.float32)
    shapes = jax.eval_shape(network.init, jax.random.key(0), x)
    variables = jax.tree.map(
        lambda s: rng.uniform(0.1, 0.6, s.shape).astype(np.float32) / s.shape[0], shapes
    )
    params, stats = variables["params"], variables["stats"]

    def conv(x, p, stride):
        half = len(p["kernel"]) // 2
        axes = ("NHWC", "HWIO", "NHWC")
        y = jax.lax.conv_general_dilated(
            x, p["kernel"], (stride, stride), [(half, half)] * 2, dimension_numbers=axes
        )
        return y + p["bias"]

    def rectified(x, p, moments):
        x = (x - moments["mean"]) / jnp.sqrt(moments["var"] + 1e-5)
        return jnp.maximum(x * p["scale"] + p["bias"], 0)

    conv, rectified = jax.jit(conv, static_argnums=2), jax.jit(rectified)
    y = conv(x, params["stem"], 1)
    for group, stride in enumerate((1, 2, 2)):
        p, s = (tree[f"group{group}_block0"] for tree in (params, stats))
        z = conv(rectified(y, p["norm0"], s["norm0"]), p["conv0"], 1)
        z = conv(rectified(z, p["norm1"], s["norm1"]), p["conv1"], stride)
        y = z + conv(y, p["shortcut"], stride)
    y = rectified(y, params["norm"], stats["norm"]).mean((1, 2))
    expected = y @ params["head"]["kernel"] + params["head"]["bias"]
    found = jax.jit(network.apply)(variables, x)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    assert np.ptp(np.asarray(expected), axis=0).min() > 1e-4  # the images differ


def test_a_depth_that_has_no_blocks_is_refused():
    for depth in (12, 3, -2):
        with pytest.raises(errors.InputError, match=rf"4 \+ 6 n.*found {depth}"):
            count(depth, 1)
