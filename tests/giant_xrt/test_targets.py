"""Neighbourhoods as labels, and their counts in clusters."""

import logging

import numpy as np
import pytest
import scipy.sparse as sp

from iclr22 import errors
from iclr22.giant_xrt import targets, tree

EDGES = np.array([[0, 1, 1, 3, 0], [1, 0, 2, 3, 1]])
WEIGHTS = np.array([2.0, 5.0, 3.0, 7.0, 4.0])


def dense(edges, **options):
    found = targets.neighbours(5, edges, **options)
    return found.labels.toarray(), found.rows.tolist()


def test_edges_go_both_ways_without_loops_and_duplicates():
    labels, rows = dense(EDGES)
    assert rows == [0, 1, 2]  # 3 has but a loop, 4 nothing
    assert labels.dtype == np.float32
    expected = [[0, 1, 0, 0, 0], [1, 0, 1, 0, 0], [0, 1, 0, 0, 0]]
    np.testing.assert_array_equal(labels, expected)


def test_largest_weight_of_duplicates_and_direction_are_kept():
    labels, _ = dense(EDGES, weights=WEIGHTS)
    expected = [[0, 5, 0, 0, 0], [5, 0, 3, 0, 0], [0, 3, 0, 0, 0]]
    np.testing.assert_array_equal(labels, expected)
    labels, rows = dense(EDGES, weights=WEIGHTS, directed=True)
    assert rows == [0, 1]
    np.testing.assert_array_equal(labels, [[0, 4, 0, 0, 0], [5, 0, 3, 0, 0]])


def test_hubs_lose_their_row_and_keep_their_column(caplog):
    star = np.array([[0] * 6 + [1], [1, 2, 3, 4, 5, 6, 2]])
    with caplog.at_level(logging.INFO, "absl"):
        found = targets.neighbours(7, star, most=6)
    assert "1 nodes with 6 neighbours or more (largest: 6)" in caplog.text
    assert found.rows.tolist() == [1, 2, 3, 4, 5, 6]
    assert found.labels.shape == (6, 7)
    assert found.labels[:, 0].sum() == 6
    assert targets.neighbours(7, star, most=7).rows.tolist() == list(range(7))


def test_counts_per_cluster_add_up_to_the_degree():
    random = np.random.default_rng(1)
    labels = sp.csr_matrix(random.poisson(0.3, (12, 40)).astype(np.float32))
    label_tree = tree.random_tree(40, leaf=5, splits=2, seed=3)
    levels = targets.up(labels, label_tree)
    assert [x.shape[1] for x in levels] == list(label_tree.sizes) == [2, 4, 8, 40]
    for level, found in enumerate(levels):
        sums = found.sum(1)
        np.testing.assert_array_equal(sums, labels.sum(1))
        owner = label_tree.clusters(level)
        expected = [
            labels.toarray()[:, owner == k].sum(1) for k in range(max(owner) + 1)
        ]
        np.testing.assert_array_equal(found.toarray().T, expected)


@pytest.mark.parametrize(
    ("edges", "weights", "said"),
    [
        (np.zeros((2, 0), int), None, "expected edges between nodes; found none"),
        (np.array([[1, 2], [1, 2]]), None, "of 2 rows all are self loops"),
        (np.array([[0], [5]]), None, "whole numbers to 4; found 5"),
        (np.array([[0, 1, 2]]), None, r"expected \[2, e\]; found \(1, 3\)"),
        (EDGES, WEIGHTS[:2], "a weight for each of 5 edges; found 2"),
        (EDGES, WEIGHTS - 3, "numbers above 0; found -1 at edge 0"),
    ],
)
def test_bad_edges_are_one_clear_error(edges, weights, said):
    with pytest.raises(errors.InputError, match=said):
        targets.neighbours(5, edges, weights)


def test_nothing_but_hubs_and_trees_of_others_are_refused():
    with pytest.raises(errors.InputError, match="nodes with 1 to 0 neighbours"):
        targets.neighbours(5, EDGES, most=1)
    with pytest.raises(errors.InputError, match="over 5 labels; found one over 6"):
        targets.up(np.eye(5), tree.random_tree(6))
