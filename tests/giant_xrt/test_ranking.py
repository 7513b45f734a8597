"""Metrics of ranked labels, counted by hand."""

import numpy as np
import pytest
import scipy.sparse as sp

from iclr22 import errors
from iclr22.giant_xrt import ranking

TRUE = sp.csr_matrix(np.array([[0, 2, 0, 1, 0], [0, 0, 0, 0, 0], [1, 1, 1, 1, 0.5]]))
FOUND = np.array([[3, 0, 1], [4, 2, 0], [2, -1, -1]])


def test_precision_and_recall():
    hits = [[True, False, True], [False] * 3, [True, False, False]]
    np.testing.assert_array_equal(ranking.hits(TRUE, FOUND), hits)
    expected = [2 / 3, 1 / 3, (2 / 3 + 1 / 3) / 3]
    np.testing.assert_allclose(ranking.precision(TRUE, FOUND), expected)
    expected = [(1 / 2 + 1 / 5) / 3, (1 / 2 + 1 / 5) / 3, (1 + 1 / 5) / 3]
    np.testing.assert_allclose(ranking.recall(TRUE, FOUND), expected)


def test_stored_zeros_are_no_labels():
    stored = sp.csr_matrix((np.zeros(1), ([0], [3])), shape=(1, 5))
    assert not ranking.hits(stored, [[3]]).any()
    assert ranking.recall(stored, [[3]])[0] == 0


def test_labels_that_cannot_be_are_refused():
    with pytest.raises(errors.InputError, match=r"of 3 instances; found \(2, 3\)"):
        ranking.precision(TRUE, FOUND[:2])
    with pytest.raises(
        errors.InputError, match="from 0 to 4, or -1 for none; found -1"
    ):
        ranking.recall(TRUE, FOUND + np.array([0, 0, 5]))
