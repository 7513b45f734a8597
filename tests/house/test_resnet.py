"""Bottleneck networks of ImageNet: numbers of parameters, a block written out."""

import jax
import numpy as np
import pytest

from iclr22 import errors
from iclr22.nn.resnet import Bottleneck, ResNet

IMAGE = np.zeros((1, 64, 64, 3), np.float32)


def shapes_of(depth, classes=1000):
    return jax.eval_shape(ResNet(classes, depth).init, jax.random.key(0), IMAGE)


@pytest.mark.parametrize(
    ("depth", "expected"),
    [(18, 11_689_512), (34, 21_797_672), (50, 25_557_032), (200, 64_673_832)],
)
def test_number_of_parameters(depth, expected):
    """Of torchvision's networks; of 200 layers as timm has it."""
    leaves = jax.tree.leaves(shapes_of(depth)["params"])
    assert sum(x.size for x in leaves) == expected


def test_sizes_halve_as_published():
    """224 pixels become 7, 2,048 channels wide."""
    network = ResNet(10, 50)
    _, seen = jax.eval_shape(
        lambda x: network.init_with_output(
            jax.random.key(0), x, capture_intermediates=True
        ),
        np.zeros((1, 224, 224, 3), np.float32),
    )
    blocks = seen["intermediates"]
    shapes = [blocks[f"group{g}_block2"]["__call__"][0].shape for g in range(4)]
    assert shapes == [(1, 56 >> g, 56 >> g, 256 << g) for g in range(4)]


def filled(module, x, seed=0):
    rng = np.random.default_rng(seed)
    shapes = jax.eval_shape(module.init, jax.random.key(0), x)
    return jax.tree.map(
        lambda s: rng.uniform(0.5, 1.5, s.shape).astype(np.float32), shapes
    )


def test_block_equals_xla_written_out():
    x = np.random.default_rng(0).normal(size=(2, 5, 6, 4)).astype(np.float32)
    block = Bottleneck(3, 2, None)
    variables = filled(block, x)
    params, stats = variables["params"], variables["stats"]

    def normed(x, name, stride=1):
        kernel = params[f"conv{name}"]["kernel"]
        half = len(kernel) // 2
        axes = ("NHWC", "HWIO", "NHWC")
        y = jax.lax.conv_general_dilated(
            x, kernel, (stride, stride), [(half, half)] * 2, dimension_numbers=axes
        )
        p, s = params[f"norm{name}"], stats[f"norm{name}"]
        return (y - s["mean"]) / np.sqrt(s["var"] + 1e-5) * p["scale"] + p["bias"]

    y = np.maximum(normed(x, "0"), 0)
    y = normed(np.maximum(normed(y, "1", 2), 0), "2")
    expected = np.maximum(y + normed(x, "_shortcut", 2), 0)
    found = jax.jit(block.apply)(variables, x)
    assert found.shape == (2, 3, 3, 12)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_a_fresh_block_is_its_shortcut():
    x = np.random.default_rng(0).normal(size=(2, 4, 4, 12)).astype(np.float32)
    block = Bottleneck(3, 1, None)
    found, variables = jax.jit(block.init_with_output)(jax.random.key(0), x)
    np.testing.assert_array_equal(found, np.maximum(x, 0))
    scales = {k: v["scale"] for k, v in variables["params"].items() if "norm" in k}
    assert {k: float(np.max(v)) for k, v in scales.items()} == {
        "norm0": 1,
        "norm1": 1,
        "norm2": 0,
    }


def test_another_depth_is_refused():
    with pytest.raises(errors.InputError, match="18, 34, 50, 101, 152, 200; found 35"):
        shapes_of(35)
