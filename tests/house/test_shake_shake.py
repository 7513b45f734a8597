"""Shake-Shake: random mixtures of branches and their gradients, shifted shortcuts."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from iclr22 import errors
from iclr22.nn.shake_shake import Block, ShakeShake, mixed

SHAPE = 4, 3, 2, 2


def branches(n=4):
    rng = np.random.default_rng(0)
    shape = (n, *SHAPE[1:])
    return [rng.normal(size=shape).astype(np.float32) for _ in range(2)]


def keys(n=4, seed=0):
    return jax.random.split(jax.random.key(seed), n)


def shares(first, second, y):
    """By image: the share of `first` in y; y is on the line between them everywhere."""
    share = (y - second) / (first - second)
    flat = np.asarray(share).reshape(len(share), -1)
    np.testing.assert_allclose(flat, flat[:, :1] + 0 * flat, rtol=1e-3, atol=1e-3)
    return flat[:, 0]


def test_forward_and_backward_shares_are_uniform_and_independent():
    n = 500
    first, second = branches(n)
    aim = jnp.ones_like(first)
    y, pull = jax.vjp(lambda a, b: mixed(a, b, keys(n)), first, second)
    to_first, to_second = pull(aim)
    forward = shares(first, second, y)
    backward = np.asarray(to_first)[:, 0, 0, 0]
    np.testing.assert_allclose(to_first + to_second, aim, rtol=1e-5)
    assert np.all(np.asarray(to_first) == backward[:, None, None, None])
    for share in (forward, backward):
        error = 1 / np.sqrt(12 * n)  # of the mean of uniform numbers
        assert abs(share.mean() - 0.5) < 4 * error
        assert 0 <= share.min() < 0.05 and 0.95 < share.max() <= 1
    assert abs(np.corrcoef(forward, backward)[0, 1]) < 4 / np.sqrt(n)


def test_without_keys_both_shares_are_a_half():
    first, second = branches()
    y, pull = jax.vjp(mixed, first, second)
    np.testing.assert_allclose(y, (first + second) / 2, rtol=1e-6)
    for gradient in pull(jnp.ones_like(y)):
        np.testing.assert_array_equal(gradient, np.full_like(first, 0.5))


def test_an_image_has_its_own_key_wherever_it_is():
    network = ShakeShake(3, 8, 4)
    x = np.random.default_rng(0).normal(size=(4, 4, 4, 3)).astype(np.float32)
    variables = jax.jit(network.init)(jax.random.key(0), x)
    run = jax.jit(lambda x, keys: network.apply(variables, x, None, keys))
    y, order = run(x, keys()), np.array([2, 0, 3, 1])
    np.testing.assert_allclose(run(x[order], keys()[order]), y[order], rtol=1e-5)
    assert np.abs(run(x, keys(seed=1)) - y).min(axis=1).max() > 1e-4
    same = run(np.stack([x[0]] * 4), keys())
    assert np.abs(same[1:] - same[0]).max(axis=1).min() > 1e-4


def test_block_equals_numpy_with_a_shifted_shortcut():
    rng = np.random.default_rng(0)
    block = Block(4, 2, None)
    x = rng.normal(size=(2, 5, 4, 3)).astype(np.float32)
    shapes = jax.eval_shape(block.init, jax.random.key(0), x)
    variables = jax.tree.map(
        lambda s: rng.uniform(0.5, 1.5, s.shape).astype(np.float32), shapes
    )
    params, stats = variables["params"], variables["stats"]

    def norm(x, name):
        p, s = params[f"norm_{name}"], stats[f"norm_{name}"]
        return (x - s["mean"]) / np.sqrt(s["var"] + 1e-5) * p["scale"] + p["bias"]

    def conv(x, kernel, stride):
        n, h, w, _ = x.shape
        x = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
        y = np.zeros((n, -(-h // stride), -(-w // stride), kernel.shape[-1]))
        for i in range(y.shape[1]):
            for j in range(y.shape[2]):
                a, b = stride * i, stride * j
                y[:, i, j] = np.tensordot(x[:, a : a + 3, b : b + 3], kernel, 3)
        return y

    total = 0.0
    for index in range(2):
        y = x
        for place, stride in enumerate((2, 1)):
            kernel = params[f"branch{index}_conv{place}"]["kernel"]
            y = norm(conv(np.maximum(y, 0), kernel, stride), f"branch{index}_{place}")
        total += y / 2
    halves = np.zeros((2, 3, 2, 4), np.float32)
    for i in range(3):
        for j in range(2):
            seen = np.maximum(x[:, 2 * i, 2 * j], 0)
            halves[:, i, j, :2] = seen @ params["shortcut0"]["kernel"][0, 0]
            if 2 * i + 1 < 5 and 2 * j + 1 < 4:
                seen = np.maximum(x[:, 2 * i + 1, 2 * j + 1], 0)
                halves[:, i, j, 2:] = seen @ params["shortcut1"]["kernel"][0, 0]
    found = jax.jit(block.apply)(variables, x)
    expected = total + norm(halves, "shortcut")
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def count(network):
    x = np.zeros((1, 32, 32, 3), np.float32)
    shapes = jax.eval_shape(network.init, jax.random.key(0), x)
    return sum(x.size for x in jax.tree.leaves(shapes["params"]))


def by_hand(depth, width, classes):
    total, before = 27 * 16 + 16, 16
    for stage in range(3):
        after = width * 2**stage
        for index in range((depth - 2) // 6):
            total += 2 * (9 * before * after + 9 * after**2 + 4 * after)
            total += before * after + 2 * after if index == 0 else 0
            before = after
    return total + before * classes + classes


def test_number_of_parameters():
    assert count(ShakeShake(10)) == by_hand(26, 96, 10) == 26_192_906  # "26.2 M"
    assert count(ShakeShake(100, 14, 32)) == by_hand(14, 32, 100)


def test_other_depths_and_odd_widths_are_refused():
    for depth, width in ((27, 96), (2, 96), (8, 5)):
        with pytest.raises(errors.InputError, match=f"found {depth} and {width}"):
            count(ShakeShake(3, depth, width))
