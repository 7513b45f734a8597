"""Principal components against the singular value decomposition of NumPy."""

import numpy as np
import pytest

from iclr22 import errors
from iclr22.in_domain import pca


def images(n=1500, shape=(6, 5, 1), seed=0):
    """With five directions that matter, of different strength."""
    rng = np.random.default_rng(seed)
    strong = rng.normal(size=(n, 5)) * [5, 4, 3, 2, 1]
    x = strong @ rng.normal(size=(5, np.prod(shape))) + 0.05 * rng.normal(
        size=(n, np.prod(shape))
    )
    return (0.5 + x / 40).reshape(n, *shape).astype(np.float32)


@pytest.mark.parametrize("largest", [4096, 10])
def test_components_are_those_of_a_decomposition(largest, monkeypatch):
    """In closed form, and by iteration; 1,500 rows of 1,700 in two chunks."""
    monkeypatch.setattr(pca, "LARGEST", largest)
    x, config = images(1700), pca.Config(latents=4)
    rows = np.random.default_rng(1).permutation(1700)[:1500]
    params = pca.fit(config, x.__getitem__, rows)
    flat = x[rows].reshape(1500, -1).astype(np.float64)
    _, values, directions = np.linalg.svd(flat - flat.mean(0), full_matrices=False)
    np.testing.assert_allclose(params["mean"], flat.mean(0), rtol=1e-5)
    deviations = values[:4] / np.sqrt(1500)
    np.testing.assert_allclose(params["deviations"], deviations, rtol=1e-3)
    agree = np.abs((params["components"] * directions[:4].T).sum(0))
    np.testing.assert_allclose(agree, 1, atol=1e-4)
    codes = pca.encode(config, params, x[rows])
    np.testing.assert_allclose(codes.mean(0), 0, atol=1e-3)
    np.testing.assert_allclose(np.cov(codes.T, bias=True), np.eye(4), atol=2e-3)


def test_sign_is_that_of_the_largest_entry():
    x = images()
    found = pca.fit(pca.Config(latents=3), x.__getitem__, np.arange(1500))["components"]
    assert (found[np.abs(found).argmax(0), range(3)] > 0).all()


def test_too_few_images_are_refused():
    with pytest.raises(
        errors.InputError, match="at least 10 images.*found 4 images of 30"
    ):
        pca.fit(pca.Config(), images().__getitem__, np.arange(4))
