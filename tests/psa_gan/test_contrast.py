"""The second encoder: what steps see, parts that overlap, the contrast by brute force."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from iclr22 import errors
from iclr22.psa_gan import contrast, fid

CONFIG, BATCH = contrast.example(6)
SERIES = [np.arange(40.0), np.arange(100.0, 130.0)]


@functools.cache
def params():
    start = functools.partial(contrast.init, CONFIG, batch=None)
    return jax.jit(start)(jax.random.key(0)).params


def test_a_window_has_one_vector_in_arrays_of_any_size():
    x = np.random.default_rng(0).normal(size=(3, 10)).astype(np.float32)
    found = []
    for size in (10, 17):
        padded = np.pad(x, ((0, 0), (size - 10, 0)), constant_values=9)
        given = {"windows": padded, "lengths": np.full(3, 10)}
        found.append(np.asarray(contrast.apply(CONFIG, params(), given)))
    np.testing.assert_allclose(found[1], found[0], rtol=1e-5, atol=1e-6)


def test_parts_overlap_in_half_of_the_longest():
    config = CONFIG._replace(batch=40, longest=16)
    first, second = set(), set()
    for step in range(20):
        batch = contrast.batches(SERIES, config)(step)
        for (a, b), (n, m) in zip(batch["windows"], batch["lengths"], strict=True):
            np.testing.assert_array_equal(a[8:], b[:8])
            assert not a[:-n].any() and not b[m:].any()
            whole = np.concatenate([a[-n:], b[8:m]])
            assert (np.diff(whole) == 1).all() and len(whole) <= 16
            first.add(int(n))
            second.add(int(m))
        assert 0.8 < batch["seen"].mean() < 1  # a tenth is hidden
    assert first == second == set(range(8, 17))


def test_what_is_hidden_is_not_seen():
    changed = BATCH["windows"] + 5 * (BATCH["seen"] == 0)
    shown = dict(BATCH, seen=np.ones_like(BATCH["seen"]))
    batches = BATCH, dict(BATCH, windows=changed), shown
    one, two, three = (float(contrast.loss(CONFIG, params(), x)[0]) for x in batches)
    assert one == pytest.approx(two, rel=1e-6)
    assert one != pytest.approx(three, rel=1e-3)


def steps_of_parts():
    """Vectors `[n, 2, t, c]` where parts overlap, one part after the other."""
    found, time, half = [], CONFIG.longest, CONFIG.longest // 2
    network = contrast.Network(CONFIG)
    for i, cut in ((0, slice(time - half, None)), (1, slice(0, half))):
        place = np.arange(time)
        length = BATCH["lengths"][:, i, None]
        there = place >= time - length if i == 0 else place < length
        x = BATCH["windows"][:, i], there.astype(np.float32), BATCH["seen"][:, i]
        y = network.apply({"params": params()}, *map(jnp.asarray, x))
        found.append(np.asarray(y)[:, cut])
    return np.stack(found, axis=1).astype(float)


def brute_force(both):
    """The loss of every window: contrasts averaged over scales, pooled in between."""
    n, total, scales = len(both), np.zeros(len(both)), 0
    while True:
        t = both.shape[2]
        for b in range(n):
            for i in (0, 1):
                for s in range(t):
                    me = both[b, i, s]
                    near = me @ both[b, 1 - i, s]
                    far = [
                        me @ both[c, j, s]
                        for c in range(n)
                        for j in (0, 1)
                        if (c, j) != (b, i)
                    ]
                    total[b] += 0.5 * (np.log(np.exp(far).sum()) - near) / (2 * t)
                    if t == 1:
                        continue
                    far = [
                        me @ both[b, j, r]
                        for r in range(t)
                        for j in (0, 1)
                        if (r, j) != (s, i)
                    ]
                    total[b] += 0.5 * (np.log(np.exp(far).sum()) - near) / (2 * t)
        scales += 1
        if t == 1:
            return total / scales
        both = both.reshape(n, 2, t // 2, 2, -1).max(axis=3)


def test_the_loss_by_brute_force():
    expected = brute_force(steps_of_parts())
    for weight in (np.ones(6), np.array([1, 0.5, 2, 1, 1, 3])):
        found = contrast.loss(CONFIG, params(), dict(BATCH, weight=weight))[0]
        assert float(found) == pytest.approx(weight @ expected, rel=1e-4)


def test_training_tells_series_apart():
    config = CONFIG._replace(batch=16, steps=100)
    series = [np.sin(np.arange(200) / n) for n in (1, 3, 9)]
    fitted = fid.fit_encoder(series, config)
    kinds = [[x[i : i + 8] for i in range(0, 190, 5)] for x in series]
    vectors = [fid.embed(fitted, x) for x in kinds]
    assert vectors[0].shape == (38, config.out)
    mean = np.array([x.mean(axis=0) for x in vectors])
    nearest = [
        np.argmin([np.sum((x - m) ** 2) for m in mean]) == i
        for i, rows in enumerate(vectors)
        for x in rows
    ]
    assert np.mean(nearest) > 0.7  # a third by chance


def test_series_shorter_than_the_overlap_are_refused():
    with pytest.raises(errors.InputError, match="4 known values in a row"):
        contrast.batches([np.arange(3.0)], CONFIG)
