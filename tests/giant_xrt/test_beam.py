"""Beam search against a search of everything, and scores in closed form."""

import numpy as np
import pytest
import scipy.sparse as sp

from iclr22 import errors
from iclr22.giant_xrt import beam, linear, tree


def model_of(seed=0, labels=90, features=12):
    """A model of random weights, many of them 0; scores of labels tie."""
    random = np.random.default_rng(seed)
    label_tree = tree.random_tree(labels, leaf=6, splits=2, seed=seed)
    weights = []
    for size in label_tree.sizes:
        values = random.normal(size=(size, features + 1)).round(1)
        weights.append(sp.csr_matrix((values * (values > 0.3)).astype(np.float32)))
    x = sp.csr_matrix(
        random.random((17, features)).round(1) * (random.random(12) < 0.7)
    )
    return label_tree, weights, x.astype(np.float32)


def exhaustive(label_tree, weights, x, processor):
    """`[n, L]` logarithms of scores."""
    dense = np.c_[x.toarray(), np.ones(x.shape[0])]
    score = np.zeros((x.shape[0], 1))
    for parent, values in zip(label_tree.parents, weights, strict=True):
        margins = dense @ values.toarray().T
        score = score[:, parent] + beam.log_score(margins, processor)
    return score


@pytest.mark.parametrize("processor", ["l3-hinge", "sigmoid"])
def test_a_beam_of_all_finds_what_an_exhaustive_search_finds(processor, monkeypatch):
    monkeypatch.setattr(beam, "PAIRS", 90 * 6 * 5)  # several blocks
    label_tree, weights, x = model_of()
    every = exhaustive(label_tree, weights, x, processor)
    options = dict(beam=90, k=90, processor=processor)
    found, scores = beam.search(label_tree, weights, x, **options)
    np.testing.assert_allclose(scores, -np.sort(-every, 1), atol=1e-4)
    assert (np.sort(found, 1) == np.arange(90)).all()
    np.testing.assert_allclose(np.take_along_axis(every, found, 1), scores, atol=1e-4)


def test_a_narrow_beam_follows_the_best_of_each_level():
    label_tree, weights, x = model_of(seed=2)
    found, scores = beam.search(label_tree, weights, x, beam=2, k=3)
    dense = np.c_[x.toarray(), np.ones(x.shape[0])]
    for row in range(x.shape[0]):
        kept = {0: 0.0}
        for level, values in enumerate(weights):
            parents = label_tree.parents[level]
            below = {
                child: kept[parents[child]]
                + beam.log_score(values[[child]].toarray()[0] @ dense[row], "l3-hinge")
                for child in range(len(parents))
                if parents[child] in kept
            }
            many = 3 if level == len(weights) - 1 else 2
            ranked = sorted(below.items(), key=lambda x: (-round(x[1], 5), x[0]))
            kept = dict(ranked[:many])
        np.testing.assert_allclose(
            sorted(kept.values()), np.sort(scores[row]), atol=1e-4
        )


def test_equal_scores_go_by_number():
    label_tree = tree.random_tree(40, leaf=5)
    certain = [
        sp.csr_matrix(np.c_[np.zeros((size, 3)), np.ones(size)].astype(np.float32))
        for size in label_tree.sizes
    ]
    features = sp.csr_matrix(np.ones((2, 3), np.float32))
    found, scores = beam.search(label_tree, certain, features, beam=100, k=5)
    np.testing.assert_array_equal(found, [[0, 1, 2, 3, 4]] * 2)
    np.testing.assert_array_equal(scores, 0)


def test_scores_have_their_closed_form():
    z = np.array([-1, 0, 0.5, 1, 3.0])
    known = [0.000335463, 0.367879, 0.882497, 1, 1]
    np.testing.assert_allclose(np.exp(beam.log_score(z, "l3-hinge")), known, atol=1e-6)
    linear_one = np.exp(-np.maximum(1 - z, 0))
    np.testing.assert_allclose(np.exp(beam.log_score(z, "l1-hinge")), linear_one)
    logistic = 1 / (1 + np.exp(-z))
    np.testing.assert_allclose(np.exp(beam.log_score(z, "sigmoid")), logistic)
    with pytest.raises(errors.InputError, match="Unknown processor 'l5-hinge'"):
        beam.log_score(z, "l5-hinge")


def test_labels_may_rank_by_their_margin_alone():
    label_tree, weights, x = model_of(seed=3)
    model = linear.Model(label_tree, tuple(weights), last="noop")
    found, scores = linear.predict(model, x, beam=90, k=90)
    margins = np.c_[x.toarray(), np.ones(x.shape[0])] @ weights[-1].toarray().T
    np.testing.assert_allclose(scores, -np.sort(-margins, 1), atol=1e-4)
    np.testing.assert_allclose(np.take_along_axis(margins, found, 1), scores, atol=1e-4)


def test_long_paths_do_not_underflow():
    label_tree = tree.random_tree(64, leaf=2, splits=2)
    weights = [
        sp.csr_matrix(np.c_[np.arange(size) / size, np.full(size, -12.0)]).astype("f4")
        for size in label_tree.sizes
    ]
    features = sp.csr_matrix(np.ones((1, 1), np.float32))
    found, scores = beam.search(label_tree, weights, features, beam=64, k=64)
    assert np.isfinite(scores).all() and scores.max() < -5000
    assert len(np.unique(scores)) > 32
