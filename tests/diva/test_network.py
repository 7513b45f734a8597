"""The network of DIVA, linearized, and kernels and sketches of its Jacobian."""

import functools

import jax
import numpy as np
import pytest

from iclr22 import diva, parallel
from iclr22.diva import linear


@functools.cache
def network(shape=(6, 4, 4, 1)):
    config = diva.Config(classes=3, width=4)
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    init = jax.jit(diva.init, static_argnums=0)
    state = jax.device_get(init(config, jax.random.key(0), {"x": x}).params)
    stats = jax.tree.map(lambda s: s + np.float32(0.3), state["stats"])
    return config, jax.device_put(state | {"stats": stats}), x


def function_of(config):
    """`diva.apply` of a configuration, one program instead of one for each of its lines."""
    return jax.jit(functools.partial(diva.apply, config))


def test_fused_network_is_the_same_function():
    config, params, x = network()
    fused_config, fused = diva.fuse(config, params)
    np.testing.assert_allclose(
        function_of(fused_config)(fused, x), function_of(config)(params, x), atol=2e-5
    )
    assert not fused["stats"] and not fused_config.batch_norm


@pytest.mark.parametrize("subtree", [(), ("head",)])
def test_linearized_network_matches_its_jacobian(subtree):
    config, params = diva.fuse(*network()[:2])
    x = network()[2]
    apply = function_of(config)
    predict, features = diva.linearize(apply, params, subtree=subtree)
    predict = jax.jit(predict)
    np.testing.assert_allclose(predict(params, x), apply(params, x), atol=1e-6)
    rows = features(x)
    other = jax.tree.map(lambda p: p + 0.01 * np.sign(p), jax.device_get(params))
    free, _ = linear.select(params, subtree)
    moved, _ = linear.select(other, subtree)
    change = np.concatenate(
        [np.ravel(b - np.asarray(a)) for a, b in zip(free, moved, strict=True)]
    )
    assert rows.shape == (6, 3, len(change))
    np.testing.assert_allclose(
        predict(other, x) - apply(params, x), rows @ change, rtol=1e-4, atol=1e-5
    )
    if subtree:
        penultimate = diva.features(config, params, x)
        expected = np.einsum("nf,kl->nkfl", penultimate, np.eye(3)).reshape(6, 3, -1)
        np.testing.assert_allclose(
            rows[:, :, -expected.shape[2] :], expected, atol=1e-5
        )


@pytest.mark.parametrize("kind", ["trace", "coupled", "sum"])
def test_gram_blocks_equal_the_full_jacobian(kind):
    config, params = diva.fuse(*network()[:2])
    x = network()[2]
    apply = function_of(config)
    _, features = diva.linearize(apply, params)
    rows = np.asarray(features(x))
    expected = {
        "trace": np.einsum("ikp,jkp->ij", rows, rows) / 3,
        "coupled": np.einsum("ikp,jlp->ikjl", rows, rows),
        "sum": np.einsum("ikp,jlp->ij", rows, rows) / 3,
    }[kind]
    block = diva.gram(apply, params, kind=kind)
    np.testing.assert_allclose(block(x, x), expected, rtol=1e-4, atol=1e-4)
    if kind == "trace":
        place = parallel.shard_rows(parallel.devices())
        rows = diva.gram_rows(block, x, chunk=8, place=place)
        np.testing.assert_allclose(rows(0, 6), expected, rtol=1e-4, atol=1e-4)
        rows = diva.gram_rows(block, x, chunk=4)
        np.testing.assert_allclose(rows(4, 6), expected[4:], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("sketch", [diva.sketch, diva.count_sketch])
def test_sketches_are_unbiased_for_the_trace_kernel(sketch):
    config, params = diva.fuse(*network()[:2])
    x = network()[2]
    apply = function_of(config)
    exact = np.asarray(diva.gram(apply, params)(x, x))
    errors_ = []
    for size in (64, 1024):
        z = np.asarray(sketch(apply, params, jax.random.key(1), size)(x))
        assert z.shape == (6, 3 * size)
        errors_.append(np.linalg.norm(z @ z.T - exact) / np.linalg.norm(exact))
    assert errors_[1] < 0.06 and errors_[1] < errors_[0]
