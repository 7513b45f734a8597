"""EfficientNet-Lite0: arithmetic of its parts, the loader, and reference outputs."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from iclr22.errors import InputError
from iclr22.nn import efficientnet

LAYOUT = ("NHWC", "HWIO", "NHWC")


@pytest.fixture(scope="module")
def params():
    """Random `params`, of the scale of `init`, which takes longer to compile."""
    network, rng = efficientnet.EfficientNetLite0(), np.random.default_rng(7)
    x = jax.ShapeDtypeStruct((1, 32, 32, 3), jnp.float32)
    shapes = jax.eval_shape(network.init, jax.random.key(0), x)["params"]

    def draw(leaf):
        inputs = np.prod(leaf.shape[:2] if leaf.ndim == 3 else leaf.shape[:-1])
        values = rng.normal(size=leaf.shape) * np.sqrt(2 / inputs)
        return jnp.asarray(values, jnp.float32)

    return jax.tree.map(draw, shapes)


@pytest.fixture(scope="module")
def arrays():
    """Random arrays with the names and shapes of a weight file."""
    rng = np.random.default_rng(0)
    return {
        name: rng.uniform(0.5, 1.5, shape).astype(np.float32)
        for name, shape in efficientnet.file_shapes().items()
    }


def save(path, arrays):
    np.savez(path, **arrays)
    return path


def test_pretrained_outputs_match_the_reference(shared):
    weights = shared / "data" / "weights"
    params = efficientnet.load_weights(weights / "efficientnet_lite0.npz")
    network = efficientnet.EfficientNetLite0()
    with np.load(weights / "efficientnet_lite0_reference.npz") as reference:
        x = reference["images_nchw"].transpose(0, 2, 3, 1)
        logits = jax.jit(network.apply)({"params": params}, x)
        features = jax.jit(
            lambda params, x: network.apply({"params": params}, x, features_only=True)
        )(params, x)
        for found, name in ((logits, "logits"), (features, "features")):
            expected = reference[name]
            assert np.abs(found - expected).max() < 1e-4 * np.abs(expected).max()


def test_reference_images_can_be_preprocessed(shared):
    """The second reference image has only the values 0 and 255, here -1 and 1."""
    path = shared / "data" / "weights" / "efficientnet_lite0_reference.npz"
    with np.load(path) as reference:
        x = reference["images_nchw"][1:].transpose(0, 2, 3, 1)
    images = np.where(x > 0, 255, 0).astype(np.uint8)
    np.testing.assert_allclose(efficientnet.preprocess(images, 224), x, atol=1 / 127)


def test_parameter_count_is_that_of_lite0_with_offsets_fused(params):
    shapes = efficientnet.file_shapes()
    affine = sum(np.prod(s) for name, s in shapes.items() if "running" not in name)
    scales = sum(s[0] for name, s in shapes.items() if "running_mean" in name)
    found = sum(x.size for x in jax.tree.leaves(params))
    assert affine == 4_652_008  # the published number of trainable parameters
    assert found == affine - scales == 4_631_000


@pytest.mark.parametrize("kernel_size", [3, 5])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [(7, 8), (1, 2)])
def test_convolve_equals_lax_convolution(kernel_size, stride, size):
    kernels = (kernel_size, kernel_size, 3), (kernel_size, kernel_size, 3, 4)
    rng = np.random.default_rng(1)
    x, depthwise, dense = (
        jnp.float32(rng.normal(size=shape)) for shape in ((2, *size, 3), *kernels)
    )

    def expected(kernel, groups):
        return lax.conv_general_dilated(
            x,
            kernel,
            (stride, stride),
            "SAME",
            dimension_numbers=LAYOUT,
            feature_group_count=groups,
        )

    convolve = jax.jit(efficientnet.convolve, static_argnums=2)
    found = convolve(x, depthwise, stride)
    np.testing.assert_allclose(found, expected(depthwise[:, :, None], 3), atol=1e-5)
    found = convolve(x, dense, stride)
    np.testing.assert_allclose(found, expected(dense, 1), atol=1e-5)


def test_convolve_pointwise_equals_lax_convolution():
    x = jax.random.normal(jax.random.key(2), (2, 4, 5, 6))
    kernel = jax.random.normal(jax.random.key(3), (6, 7))
    expected = lax.conv_general_dilated(
        x, kernel[None, None], (1, 1), "SAME", dimension_numbers=LAYOUT
    )
    np.testing.assert_allclose(efficientnet.convolve(x, kernel), expected, atol=1e-5)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kernel_size", [3, 5])
def test_same_padding_equals_lax(kernel_size, stride):
    for size in range(1, 20):
        before, after, length = efficientnet.same_padding(size, kernel_size, stride)
        (expected,) = lax.padtype_to_pads((size,), (kernel_size,), (stride,), "SAME")
        assert (before, after) == expected
        assert length == (size + before + after - kernel_size) // stride + 1


def test_same_padding_of_even_sizes_pads_one_side_more():
    assert efficientnet.same_padding(224, 3, 2) == (0, 1, 112)
    assert efficientnet.same_padding(225, 3, 2) == (1, 1, 113)
    assert efficientnet.same_padding(56, 5, 2) == (1, 2, 28)


def test_fuse_equals_convolution_then_batch_norm():
    rng = np.random.default_rng(4)
    x = rng.normal(size=(2, 6, 6, 3)).astype(np.float32)
    kernel = rng.normal(size=(5, 3, 3, 3)).astype(np.float32)  # [out, in, h, w]
    scale, offset, mean = rng.normal(size=(3, 5)).astype(np.float32)
    variance = rng.uniform(0.01, 2.0, 5).astype(np.float32)

    def convolve(kernel):
        kernel = jnp.asarray(kernel.transpose(2, 3, 1, 0))
        return efficientnet.convolve(jnp.asarray(x), kernel, 1)

    expected = (convolve(kernel) - mean) / np.sqrt(variance + 1e-3) * scale + offset
    fused, bias = efficientnet.fuse(kernel, scale, offset, mean, variance)
    np.testing.assert_allclose(convolve(fused) + bias, expected, rtol=1e-4, atol=1e-4)


def test_fuse_hand_worked_value():
    one = np.ones(1, np.float32)
    variance = 4 * one - efficientnet.EPSILON
    kernel, bias = efficientnet.fuse(one[:, None], 3 * one, 5 * one, 7 * one, variance)
    np.testing.assert_allclose((kernel.item(), bias.item()), (1.5, 5 - 10.5), rtol=1e-6)


def test_call_shapes_and_activations(params):
    x = jax.random.normal(jax.random.key(5), (2, 33, 40, 3))
    outputs = {}
    for activation in ("relu6", "leaky_relu"):
        network = efficientnet.EfficientNetLite0(activation=activation)
        outputs[activation] = jax.jit(network.apply)({"params": params}, x)
        assert outputs[activation].shape == (2, 1000)
    assert not np.allclose(outputs["relu6"], outputs["leaky_relu"])


def test_leaky_relu6_slopes():
    leaky = efficientnet.ACTIVATIONS["leaky_relu6"]
    x = jnp.array([-100.0, 0.0, 3.0, 6.0, 106.0])
    np.testing.assert_allclose(leaky(x), [-1.0, 0.0, 3.0, 6.0, 7.0], atol=1e-6)


def test_num_classes_sets_the_head():
    network = efficientnet.EfficientNetLite0(num_classes=7)
    x = jax.ShapeDtypeStruct((2, 32, 32, 3), jnp.float32)
    logits, variables = jax.eval_shape(network.init_with_output, jax.random.key(0), x)
    assert logits.shape == (2, 7)
    assert variables["params"]["classifier"]["kernel"].shape == (1280, 7)


def test_unknown_activation_is_an_error_with_a_hint(params):
    with pytest.raises(InputError, match="Did you mean 'relu6'"):
        efficientnet.features(
            params, np.zeros((1, 8, 8, 3), np.uint8), activation="relu7"
        )


def test_preprocess_values_and_grey_images():
    images = np.array([0, 127, 255], np.uint8).reshape(3, 1, 1, 1)
    found = efficientnet.preprocess(np.tile(images, (1, 4, 4, 1)), 8)
    assert found.shape == (3, 8, 8, 3) and found.dtype == jnp.float32
    expected = np.array([-127 / 128, 0, 1])
    np.testing.assert_allclose(found, np.tile(expected[:, None, None, None], (8, 8, 3)))


@pytest.mark.parametrize(
    "images",
    [np.zeros((1, 8, 8, 3), np.float32), np.zeros((8, 8, 3), np.uint8)],
    ids=["float", "no batch"],
)
def test_preprocess_rejects_other_arrays(images):
    with pytest.raises(InputError, match="Expected uint8 images"):
        efficientnet.preprocess(images)


def test_extract_pads_the_last_batch_and_compiles_once(params):
    rng = np.random.default_rng(6)
    images = rng.integers(0, 256, (5, 16, 16, 3), dtype=np.uint8)
    compiled = efficientnet._compiled_features._cache_size()
    whole = efficientnet.extract(params, images, size=32, batch_size=2)
    assert efficientnet._compiled_features._cache_size() == compiled + 1
    low = efficientnet.extract(params, images[:3], size=32, batch_size=2)
    high = efficientnet.extract(params, images[3:], size=32, batch_size=2)
    assert efficientnet._compiled_features._cache_size() == compiled + 1
    assert whole.shape == (5, 1280) and whole.dtype == np.float32
    np.testing.assert_allclose(np.concatenate([low, high]), whole, rtol=1e-5, atol=1e-5)
    pair = efficientnet.extract(params, images[[4, 4]], size=32, batch_size=2)
    np.testing.assert_allclose(pair, whole[[4, 4]], rtol=1e-5, atol=1e-5)
    assert efficientnet.extract(params, images[:0], size=32).shape == (0, 1280)


def test_load_weights_gives_params_of_the_network(params, arrays, tmp_path):
    loaded = efficientnet.load_weights(save(tmp_path / "weights.npz", arrays))
    assert jax.tree.structure(loaded) == jax.tree.structure(params)
    assert jax.tree.map(jnp.shape, loaded) == jax.tree.map(jnp.shape, params)
    name = "_blocks.3._depthwise_conv.weight"
    scale, offset, mean, variance = (
        arrays[f"_blocks.3._bn1.{field}"] for field in efficientnet.NORM
    )
    factor = scale / np.sqrt(variance + 1e-3)
    expected = arrays[name][:, 0].transpose(1, 2, 0) * factor
    depthwise = loaded["block_3"]["depthwise"]
    np.testing.assert_allclose(depthwise["kernel"], expected, rtol=1e-5)
    np.testing.assert_allclose(
        depthwise["bias"], offset - mean * factor, rtol=1e-4, atol=1e-5
    )


def test_load_weights_lists_what_differs(arrays, tmp_path):
    changed = dict(arrays, extra=np.zeros(1), _bn0=np.zeros(2))
    del changed["_conv_stem.weight"], changed["_bn1.bias"]
    changed["_fc.bias"] = np.zeros(10, np.float32)
    with pytest.raises(InputError, match="found 5 differences") as error:
        efficientnet.load_weights(save(tmp_path / "weights.npz", changed))
    for part in (
        "missing _conv_stem.weight",
        "missing _bn1.bias",
        "unexpected extra",
        "unexpected _bn0",
        "_fc.bias has shape (10,), expected (1000,)",
    ):
        assert part in str(error.value)


def test_load_weights_missing_or_unreadable_file(tmp_path):
    text, array, pickled = (tmp_path / name for name in ("a.npz", "b.npy", "c.npz"))
    text.write_text("no archive")
    np.save(array, np.zeros(3))
    np.savez(pickled, weights=np.array([{}], dtype=object))
    for path in (tmp_path / "absent.npz", text, array, pickled):
        with pytest.raises(InputError, match=f"Expected an npz file.*{path.name}"):
            efficientnet.load_weights(path)
