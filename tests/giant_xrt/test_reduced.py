"""Fewer features than terms, against a dense decomposition."""

import numpy as np
import scipy.sparse

from iclr22.giant_xrt import reduced, tfidf


def test_reduced_features_are_singular_directions():
    random = np.random.default_rng(0)
    x = random.standard_normal((30, 9)) @ np.diag(0.7 ** np.arange(9))
    matrix = scipy.sparse.csr_matrix(x.astype(np.float32))
    found = reduced.directions(matrix, 4)
    left, values, _ = np.linalg.svd(x, full_matrices=False)
    expected = left[:, :4] * values[:4]
    np.testing.assert_allclose(np.abs(found), np.abs(expected), rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(found, reduced.directions(matrix, 4))
    assert found.dtype == np.float32
    assert reduced.directions(matrix, 100).shape == (30, 8)


def test_few_texts_have_few_features():
    texts = ("a red house", "a house", "red red dawn", "dawn")
    weights = tfidf.fit_transform(texts)[1].toarray()
    found = reduced.components(texts)
    assert found.shape == (4, 3)
    kept = np.linalg.svd(weights, compute_uv=False)[:3]
    np.testing.assert_allclose(np.linalg.norm(found, axis=0), kept, rtol=1e-5)
