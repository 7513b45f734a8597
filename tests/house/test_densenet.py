"""Densely connected networks: numbers of parameters, a layer written out."""

import jax
import numpy as np

from iclr22.nn.densenet import DenseNet, Layer


def test_number_of_parameters_is_that_of_torchvision():
    x = np.zeros((1, 64, 64, 3), np.float32)
    shapes = jax.eval_shape(DenseNet(1000).init, jax.random.key(0), x)
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes["params"])) == 7_978_856


def test_blocks_grow_and_transitions_halve():
    network = DenseNet(10, (2, 3), 4)
    x = np.zeros((1, 32, 32, 1), np.float32)

    def run():
        variables = network.init(jax.random.key(0), x)
        return variables, network.apply(variables, x, with_features=True)

    variables, (logits, features) = jax.eval_shape(run)
    params = variables["params"]
    assert params["transition1_conv"]["kernel"].shape == (1, 1, 8 + 2 * 4, 8)
    assert params["block1_layer2"]["conv0"]["kernel"].shape == (1, 1, 8 + 2 * 4, 16)
    assert logits.shape == (1, 10) and features.shape == (1, 8 + 3 * 4)


def test_layer_is_two_normalised_convolutions():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 4, 5, 3)).astype(np.float32)
    layer = Layer(2, None)
    shapes = jax.eval_shape(layer.init, jax.random.key(0), x)
    variables = jax.tree.map(
        lambda s: rng.uniform(0.5, 1.5, s.shape).astype(np.float32), shapes
    )
    params, stats = variables["params"], variables["stats"]

    def active(x, name):
        p, s = params[name], stats[name]
        x = (x - s["mean"]) / np.sqrt(s["var"] + 1e-5) * p["scale"] + p["bias"]
        return np.maximum(x, 0)

    y = active(active(x, "norm0") @ params["conv0"]["kernel"][0, 0], "norm1")
    kernel = params["conv1"]["kernel"]
    around = np.pad(y, ((0, 0), (1, 1), (1, 1), (0, 0)))
    expected = sum(
        around[:, i : i + 4, j : j + 5] @ kernel[i, j]
        for i in range(3)
        for j in range(3)
    )
    found = jax.jit(layer.apply)(variables, x)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
