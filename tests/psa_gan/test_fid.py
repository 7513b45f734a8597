"""Context-FID: of equal windows 0, of others more, and no number from a blind encoder."""

import functools

import jax
import numpy as np
import pytest

from iclr22 import errors
from iclr22.psa_gan import encoder, fid, frechet

RANDOM = np.random.default_rng(0)
CONFIG = encoder.example(8)[0]
SERIES = [np.sin(np.arange(90) / (2 + i)) for i in range(3)]
WINDOWS = RANDOM.random((40, 16)).astype(np.float32)


@functools.cache
def fitted(seed=0):
    return fid.fit_encoder(SERIES, CONFIG._replace(steps=20), seed=seed)


def test_vectors_do_not_depend_on_the_chunk(monkeypatch):
    whole = fid.embed(fitted(), WINDOWS)
    assert whole.shape == (40, CONFIG.out) and whole.dtype == np.float64
    for values in (256, 1):  # 16 windows, one window
        monkeypatch.setattr(fid, "CHUNK", values)
        found = fid.embed(fitted(), WINDOWS)
        np.testing.assert_allclose(found, whole, rtol=1e-5, atol=1e-6)


def test_the_score_is_the_distance_of_the_vectors():
    assert fid.context_fid(fitted(), WINDOWS, WINDOWS) < 1e-6
    other = 3 * WINDOWS[:30]
    vectors = [fid.embed(fitted(), x) for x in (WINDOWS, other)]
    found = fid.context_fid(fitted(), WINDOWS, other)
    assert found == pytest.approx(frechet.frechet_distance(*vectors))


def test_a_seed_gives_the_same_encoder_and_a_run_continues(tmp_path):
    one = fid.fit_encoder(SERIES, CONFIG._replace(steps=20), directory=tmp_path)
    again = fid.fit_encoder(SERIES, CONFIG._replace(steps=20), directory=tmp_path)
    jax.tree.map(np.testing.assert_array_equal, one.params, fitted().params)
    jax.tree.map(np.testing.assert_array_equal, one.params, again.params)
    other = jax.tree.leaves(fitted(1).params)
    same = [
        np.array_equal(*x) for x in zip(other, jax.tree.leaves(one.params), strict=True)
    ]
    assert not all(same)


def test_a_collapsed_encoder_gives_no_score():
    flat = jax.tree.map(np.zeros_like, fitted().params)
    flat["linear"]["bias"] = np.ones_like(flat["linear"]["bias"])
    blind = fitted()._replace(params=flat)
    with pytest.raises(errors.InputError, match="tells real windows apart"):
        fid.context_fid(blind, WINDOWS, WINDOWS + 1)
    with pytest.raises(errors.InputError, match="not constant"):
        fid.context_fid(fitted(), np.ones((9, 16)), WINDOWS)


@pytest.mark.parametrize(
    ("real", "synthetic", "said"),
    [
        (WINDOWS[0], WINDOWS, r"real windows: expected windows \[n, length\]"),
        (WINDOWS, WINDOWS[:, :8], "one length; found 16 and 8"),
        (WINDOWS, np.where(WINDOWS > 0.5, np.nan, 1), "synthetic: expected finite"),
    ],
)
def test_windows_that_do_not_fit_are_refused(real, synthetic, said):
    with pytest.raises(errors.InputError, match=said):
        fid.context_fid(fitted(), real, synthetic)
