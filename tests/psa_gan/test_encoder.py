"""The encoder: counts, causality, windows in arrays of any size, the loss."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import assert_trees_close

from iclr22.psa_gan import encoder
from iclr22.psa_gan.encoder import Config

CONFIG, BATCH = encoder.example(8)


@functools.cache
def params(config=CONFIG):
    return jax.jit(functools.partial(encoder.init, config, batch=None))(
        jax.random.key(0)
    ).params


@pytest.mark.parametrize(("blocks", "count"), [(10, 209_080), (3, 140_760)])
def test_parameter_counts_are_those_of_the_released_code(blocks, count):
    start = functools.partial(encoder.init, Config(blocks=blocks), batch=None)
    shapes = jax.eval_shape(start, jax.random.key(0)).params
    assert sum(int(np.prod(x.shape)) for x in jax.tree.leaves(shapes)) == count


def steps_of(x):
    network = encoder.network(CONFIG)
    lengths = jnp.full(len(x), x.shape[1])
    return np.asarray(
        network.apply({"params": params()}, jnp.asarray(x), lengths, pooled=False)
    )


def test_the_past_does_not_see_the_future():
    x = np.random.default_rng(0).normal(size=(2, 20)).astype(np.float32)
    changed = x.copy()
    changed[:, 12:] += 1
    np.testing.assert_array_equal(steps_of(x)[:, :12], steps_of(changed)[:, :12])
    assert not np.allclose(steps_of(x)[:, 12:], steps_of(changed)[:, 12:])


def test_a_window_has_one_vector_in_arrays_of_any_size():
    x = np.random.default_rng(0).normal(size=(3, 10)).astype(np.float32)
    lengths = np.full(3, 10)
    found = []
    for size in (10, 17, 24):
        padded = np.pad(x, ((0, 0), (size - 10, 0)), constant_values=9)
        found.append(
            encoder.apply(CONFIG, params(), {"windows": padded, "lengths": lengths})
        )
    np.testing.assert_allclose(found[1], found[0], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found[2], found[0], rtol=1e-5, atol=1e-6)


def test_buckets_change_nothing(monkeypatch):
    assert encoder.buckets(64) == (8, 16, 32, 64)
    assert encoder.buckets(24) == (8, 16, 24) and encoder.buckets(6) == (6,)
    value = jax.value_and_grad(lambda p, x: encoder.loss(CONFIG, p, x)[0])
    batches = [encoder.batches(sines(), CONFIG, 1)(step) for step in range(8, 16)]
    assert len({bool(x["lengths"].max() > 8) for x in batches}) == 2
    cut = [value(params(), x) for x in batches]
    monkeypatch.setattr(encoder, "buckets", lambda longest: (longest,))
    whole = [value(params(), x) for x in batches]
    assert_trees_close(cut, whole, rtol=1e-4, atol=1e-5)


def sines(count=3):
    time = np.arange(100, dtype=np.float32)
    return tuple(np.sin(time / (2 + 3 * i)) for i in range(count))


def test_triplets_are_windows_parts_of_them_and_others():
    series = sines()
    for step in range(5):
        batch = encoder.batches(series, CONFIG)(step)
        for windows, lengths in zip(batch["windows"], batch["lengths"], strict=True):
            cut = [x[-n:] for x, n in zip(windows, lengths, strict=True)]
            assert all(not x[:-n].any() for x, n in zip(windows, lengths, strict=True))
            own = [place(x, cut[0]) for x in series]
            assert sum(own) == 1 and place(cut[0], cut[1])
            for other in cut[2:]:
                if len(other) > 3:
                    assert not place(series[own.index(True)], other)


def place(values, part):
    """Whether a part is in the values."""
    views = np.lib.stride_tricks.sliding_window_view(values, len(part))
    return bool((views == part).all(axis=1).any())


def test_the_loss_of_zeros_and_by_brute_force():
    zeros = jax.tree.map(jnp.zeros_like, params())
    total, sums = encoder.loss(CONFIG, zeros, BATCH)
    assert total / sums["weight"] == pytest.approx(3 * np.log(2), rel=1e-5)
    two = CONFIG._replace(terms="two")
    total, _ = encoder.loss(two, zeros, BATCH)
    assert total / sums["weight"] == pytest.approx(2 * np.log(2), rel=1e-5)
    expected = 0.0
    for windows, lengths in zip(BATCH["windows"], BATCH["lengths"], strict=True):
        given = {"windows": windows, "lengths": lengths}
        e = np.asarray(encoder.apply(CONFIG, params(), given), float)
        far = np.mean([np.log1p(np.exp(e[0] @ x)) for x in e[2:]])
        far += np.mean([np.log1p(np.exp(e[1] @ x)) for x in e[2:]])
        expected += np.log1p(np.exp(-e[0] @ e[1])) + far
    total, _ = encoder.loss(CONFIG, params(), BATCH)
    assert float(total) == pytest.approx(expected, rel=1e-4)


def test_training_tells_series_apart():
    config = CONFIG._replace(channels=8, reduced=16, out=8, batch=16, lengths="uniform")
    state = encoder.init(config, jax.random.key(0), None)
    batches = [encoder.batches(sines(), config)(step) for step in range(200)]
    batches = jax.tree.map(lambda *x: np.stack(x), *batches)
    step = functools.partial(encoder.train_step, config)
    _, metrics = jax.jit(lambda s, b: jax.lax.scan(step, s, b))(state, batches)
    assert metrics["loss"][-50:].mean() < 1.8  # 3 ln 2 where nothing is learned
