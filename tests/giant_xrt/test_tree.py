"""Shapes, balance and purity of label trees."""

import numpy as np
import pytest
import scipy.sparse as sp

from iclr22 import errors
from iclr22.giant_xrt import tree


def blobs(seed: int, clusters: int = 8, size: int = 8):
    random = np.random.default_rng(seed)
    centres = np.linalg.qr(random.normal(size=(16, 16)))[0][:clusters]
    points = np.repeat(centres, size, 0) + 0.05 * random.normal(
        size=(clusters * size, 16)
    )
    order = random.permutation(len(points))
    owner = np.repeat(np.arange(clusters), size)[order]
    points = points[order]
    return points / np.linalg.norm(points, axis=1, keepdims=True), owner


@pytest.mark.parametrize(
    ("count", "options", "shape", "leaves"),
    [
        (169343, (100, 4, 32), (32, 128, 512, 2048, 169343), (82, 83)),
        (2449029, (100, 4, 128), (128, 512, 2048, 8192, 32768, 2449029), (74, 75)),
        (3186, (16, 4, 16), (16, 64, 256, 3186), (12, 13)),
        (2277, (16, 4, 16), (16, 64, 256, 2277), (8, 9)),
        (64, (8, 2, None), (2, 4, 8, 64), (8, 8)),
        (90, (100, 4, None), (90,), (90, 90)),
    ],
)
def test_shapes_are_those_of_the_authors(count, options, shape, leaves):
    assert tree.sizes_of(count, *options) == shape
    if count < 5000:
        leaf, splits, least = options
        made = tree.random_tree(count, leaf=leaf, splits=splits, least=least)
        assert made.sizes == shape
        counts = np.bincount(made.parents[-1])
        assert (counts.min(), counts.max()) == leaves


def check_whole(made, count):
    """Every label in one leaf, sizes within 1, every row of a matrix sums to 1."""
    counts = np.bincount(made.parents[-1], minlength=made.above(len(made.sizes) - 1))
    assert counts.sum() == count and np.ptp(counts) <= 1
    for level, clusters in enumerate(made.sizes):
        matrix = made.matrix(level)
        assert matrix.shape == (clusters, made.above(level))
        np.testing.assert_array_equal(matrix.sum(1), 1)
        order, offsets = made.children(level)
        for parent in range(made.above(level)):
            found = order[offsets[parent] : offsets[parent + 1]]
            expected = np.flatnonzero(made.parents[level] == parent)
            np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("spherical", [True, False])
def test_dense_and_sparse_vectors_give_the_same_balanced_tree(spherical):
    random = np.random.default_rng(0)
    vectors = random.normal(size=(203, 12)) * (random.random((203, 12)) < 0.4)
    options = dict(leaf=10, splits=3, least=5, spherical=spherical)
    first = tree.build_tree(vectors, **options)
    check_whole(first, 203)
    assert first.sizes == (4, 11, 32, 203)
    for again in (vectors.astype(np.float32), sp.csr_matrix(vectors)):
        other = tree.build_tree(again, **options)
        for a, b in zip(first.parents, other.parents, strict=True):
            np.testing.assert_array_equal(a, b)
    moved = tree.build_tree(vectors, **options, seed=1)
    assert (moved.parents[-1] != first.parents[-1]).any()


def test_blobs_become_leaves():
    purities = []
    for seed in range(4):
        points, owner = blobs(seed)
        found = tree.build_tree(points, leaf=8, splits=2, seed=seed)
        assert found.sizes == (2, 4, 8, 64)
        codes = found.parents[-1]
        pure = [np.bincount(owner[codes == leaf]).max() for leaf in range(8)]
        purities.append(sum(pure) / 64)
    assert min(purities) >= 0.8 and np.mean(purities) >= 0.9


def test_one_cut_is_the_best_of_a_line():
    """On a line the balanced halves are the lower and the upper; zeros have a place, too."""
    values = np.r_[np.random.default_rng(3).permutation(np.arange(1, 31)), 0]
    found = tree.build_tree(values[:, None], leaf=16, spherical=False)
    left = found.parents[-1] == 0
    assert left.sum() == 15  # the left half gets the floor
    lower, upper = sorted((values[left], values[~left]), key=np.mean)
    assert lower.max() < upper.min()


def test_vectors_that_are_all_the_same_are_cut_by_number():
    found = tree.build_tree(np.ones((8, 3)), leaf=2, splits=2)
    np.testing.assert_array_equal(found.parents[-1], np.repeat([0, 1, 2, 3], 2))


def test_clusters_follow_parents():
    made = tree.random_tree(50, leaf=4, splits=2, seed=5)
    for label in (0, 17, 49):
        place = label
        for level in range(len(made.sizes) - 1, -1, -1):
            assert made.clusters(level)[label] == place
            place = made.parents[level][place]
        assert place == 0


def test_words_of_a_cluster_are_those_of_the_largest_mean():
    made = tree.Tree((np.array([0, 0]), np.array([0, 1, 1])))
    features = np.array([[0, 2, 1.0, 0], [4, 0, 2, 0], [0, 0, 2, 0]])
    found = tree.describe(made, 0, sp.csr_matrix(features), list("abcd"), 2)
    assert found == [[("b", 2.0), ("c", 1.0)], [("a", 2.0), ("c", 2.0)]]
    assert tree.describe(made, -1, sp.csr_matrix(features), list("abcd"))[2] == [
        ("c", 2.0)
    ]


@pytest.mark.parametrize(
    ("count", "options", "said"),
    [
        (0, {}, "labels to cluster; found none"),
        (5, {"leaf": 1}, "found 8 leaves of at most 1 for 5 labels"),
        (5, {"leaf": 0}, "leaf from 1; found 0"),
        (5, {"splits": 1}, "splits from 2; found 1"),
        (5, {"least": 0}, "least from 1; found 0"),
    ],
)
def test_bad_settings_are_one_clear_error(count, options, said):
    with pytest.raises(errors.InputError, match=said):
        tree.build_tree(np.ones((count, 2)), **options)
    with pytest.raises(errors.InputError, match=said):
        tree.random_tree(count, **options)
