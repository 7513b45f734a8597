"""Label vectors against the sum that defines them."""

import numpy as np
import pytest
import scipy.sparse as sp

from iclr22 import errors
from iclr22.giant_xrt.pifa import pifa

LABELS = np.array([[1, 1, 0], [0, 1, 0], [0, 0, 1], [1, 0, 1.0]])
FEATURES = np.array([[1, 0], [0, 1], [0.6, 0.8], [0.8, 0.6]])
KNOWN = [[0.948683, 0.316228], [0.577350, 0.816497], [0.689568, 0.724221]]


@pytest.mark.parametrize("sparse", [False, True])
def test_small_case_has_the_known_vectors(sparse):
    features = sp.csr_matrix(FEATURES) if sparse else FEATURES
    found = pifa(sp.csr_matrix(LABELS), features)
    assert sp.issparse(found) == sparse
    found = found.toarray() if sparse else found
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, KNOWN, atol=1e-6)


def test_relevance_counts_and_a_label_without_instances_is_zero():
    random = np.random.default_rng(0)
    labels = random.poisson(0.4, (30, 9)) * 1.5
    labels[:, 4] = 0
    labels[7] = 0
    features = random.normal(size=(30, 5))
    expected = np.zeros((9, 5))
    for row, values in enumerate(labels):
        for label, value in enumerate(values):
            if value:
                expected[label] += value / np.linalg.norm(values) * features[row]
    lengths = np.linalg.norm(expected, axis=1, keepdims=True)
    expected = expected / np.where(lengths > 0, lengths, 1)
    dense = pifa(labels, features)
    np.testing.assert_allclose(dense, expected, atol=1e-6)
    sparse = pifa(labels, sp.csr_matrix(features)).toarray()
    np.testing.assert_allclose(sparse, expected, atol=1e-6)
    assert not dense[4].any() and not sparse[4].any()


def test_features_of_other_instances_are_refused():
    with pytest.raises(errors.InputError, match="3 rows of features and 4 of labels"):
        pifa(LABELS, FEATURES[:3])
