"""Shared layers against NumPy and XLA's own convolution."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import assert_trees_close

from iclr22 import parallel
from iclr22.nn.conv import Conv3x3
from iclr22.nn.norm import BatchNorm

pytestmark = pytest.mark.eight_devices

COUNT = len(jax.devices())


def norm_problem(seed=0):
    """`(x [3 devices, 2, 2, 5], uneven 0-1 weight, variables)`; padding is wild."""
    rng = np.random.default_rng(seed)
    n = 3 * COUNT
    weight = (np.arange(n) % 5 < 3).astype(np.float32)
    weight[:3] = 0  # nothing real on the first device
    x = 2 + 3 * rng.normal(size=(n, 2, 2, 5)).astype(np.float32)
    x = np.where(weight[:, None, None, None] > 0, x, 1e3 * x)
    variables = {
        "params": {"scale": rng.uniform(0.5, 2, 5), "bias": rng.normal(size=5)},
        "stats": {"mean": rng.normal(size=5), "var": rng.uniform(0.5, 2, 5)},
    }
    return x, weight, jax.tree.map(np.float32, variables)


def test_batch_norm_with_padding_equals_numpy_on_real_rows():
    x, weight, variables = norm_problem()
    y, changed = BatchNorm().apply(variables, x, weight, mutable=["stats"])
    real = weight > 0
    mean, var = x[real].mean((0, 1, 2)), x[real].var((0, 1, 2))
    params, stats = variables["params"], variables["stats"]
    expected = (x - mean) / np.sqrt(var + 1e-5) * params["scale"] + params["bias"]
    np.testing.assert_allclose(y[real], expected[real], rtol=1e-4, atol=1e-4)
    remembered = {
        "mean": 0.9 * stats["mean"] + 0.1 * mean,
        "var": 0.9 * stats["var"] + 0.1 * var,
    }
    assert_trees_close(dict(changed["stats"]), remembered, rtol=1e-5)


def test_batch_norm_takes_shares_of_any_size():
    x, weight, variables = norm_problem()
    whole, small = (
        BatchNorm().apply(variables, x, share * weight, mutable=["stats"])
        for share in (1.0, 1e-4)
    )
    assert_trees_close(whole, small, rtol=1e-3, atol=1e-4)


def test_batch_norm_without_weight_uses_what_it_remembers():
    x, _, variables = norm_problem()
    y, changed = BatchNorm().apply(variables, x, mutable=["stats"])
    params, stats = variables["params"], variables["stats"]
    expected = (x - stats["mean"]) / np.sqrt(stats["var"] + 1e-5)
    expected = expected * params["scale"] + params["bias"]
    np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-4)
    assert_trees_close(dict(changed["stats"]), stats, rtol=0)


def test_batch_norm_of_padding_alone_stays_finite():
    x, weight, variables = norm_problem()
    y, _ = BatchNorm().apply(variables, x, 0 * weight, mutable=["stats"])
    assert np.isfinite(y).all()


def test_batch_norm_initialises_without_touching_moments():
    x, weight, _ = norm_problem()
    variables = BatchNorm().init(jax.random.key(0), x, weight)
    np.testing.assert_array_equal(variables["stats"]["mean"], np.zeros(5))
    np.testing.assert_array_equal(variables["stats"]["var"], np.ones(5))


def test_batch_norm_on_uneven_devices_equals_one_device():
    x, weight, variables = norm_problem()
    aim = np.random.default_rng(1).normal(size=x.shape).astype(np.float32)

    def sums(variables, batch, *, axis_name=None):
        """Output, moments and gradients by parameters and by input."""
        norm = BatchNorm(axis_name)

        def objective(params, x):
            given = variables | {"params": params}
            y, changed = norm.apply(given, x, batch["weight"], mutable=["stats"])
            weight = batch["weight"][:, None, None, None]
            return jnp.sum(weight * batch["aim"] * jnp.tanh(y)), (y, changed["stats"])

        by_both = jax.value_and_grad(objective, (0, 1), has_aux=True)
        (total, (y, stats)), grads = by_both(variables["params"], batch["x"])
        return {
            "total": parallel.reduce(total, axis_name),
            "y": parallel.gather(y, axis_name),
            "stats": stats,
            "params": parallel.reduce(grads[0], axis_name),
            "x": parallel.gather(grads[1], axis_name),
        }

    batch = {"x": x, "weight": weight, "aim": aim}
    one = jax.jit(sums)(variables, batch)
    on = parallel.devices("pmap")
    many = parallel.compile_evaluate(on, sums)(
        parallel.replicate(on, variables), parallel.shard(on, batch)
    )
    assert np.abs(one["params"]["scale"]).min() > 1e-3
    real = weight > 0
    for name in ("y", "x"):
        pair = (np.asarray(tree[name])[real] for tree in (one, many))
        np.testing.assert_allclose(*pair, rtol=1e-3, atol=1e-5)
    for name in ("total", "stats", "params"):
        assert_trees_close(one[name], many[name], rtol=1e-4, atol=1e-5)


def test_batch_norm_gradient_ignores_padding():
    x, weight, variables = norm_problem()

    def objective(x):
        y, _ = BatchNorm().apply(variables, x, weight, mutable=["stats"])
        return jnp.sum(weight[:, None, None, None] * jnp.sin(y))

    gradient = np.asarray(jax.grad(objective)(x))
    assert np.all(gradient[weight == 0] == 0)
    assert np.all(np.abs(gradient[weight > 0]).max((1, 2, 3)) > 0)


@pytest.mark.parametrize("size", [(8, 8), (7, 5), (1, 2)])
@pytest.mark.parametrize("stride", [1, 2])
def test_conv_equals_lax(stride, size):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3, *size, 4)).astype(np.float32)
    layer = Conv3x3(6, stride)
    params = layer.init(jax.random.key(0), x)["params"]
    params = params | {"bias": rng.normal(size=6).astype(np.float32)}
    aim = rng.normal(size=6).astype(np.float32)

    def ours(params):
        y = layer.apply({"params": params}, x)
        return jnp.sum(aim * jnp.sin(y)), y

    def theirs(params):
        y = jax.lax.conv_general_dilated(
            x,
            params["kernel"],
            (stride, stride),
            [(1, 1), (1, 1)],
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )
        y = y + params["bias"]
        return jnp.sum(aim * jnp.sin(y)), y

    found, expected = (jax.grad(f, has_aux=True)(params) for f in (ours, theirs))
    assert found[1].shape == expected[1].shape
    assert_trees_close(found, expected, rtol=1e-4, atol=1e-4)


def test_conv_without_bias_has_only_a_kernel():
    layer = Conv3x3(2, use_bias=False)
    x = np.ones((1, 4, 4, 1), np.float32)
    params = layer.init(jax.random.key(0), x)["params"]
    assert {k: v.shape for k, v in params.items()} == {"kernel": (3, 3, 1, 2)}
