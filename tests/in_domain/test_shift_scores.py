"""Scores of images out of range, against dense references."""

import numpy as np
import pytest

from iclr22 import errors
from iclr22.in_domain import shift_scores


def drawn(count, d=5, seed=0, shift=0.0):
    random = np.random.default_rng(seed)
    return random.normal(size=(count, d)) * np.arange(1, d + 1) + shift


def test_mahalanobis_distance_is_the_quadratic_form():
    reference, features = drawn(200), drawn(30, seed=1)
    mean, inverse = reference.mean(0), np.linalg.inv(np.cov(reference.T))
    expected = [np.sqrt((x - mean) @ inverse @ (x - mean)) for x in features]
    found = shift_scores.mahalanobis(features, reference)
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    flat = np.hstack([reference, np.ones((200, 1))])  # a constant feature
    assert np.isfinite(shift_scores.mahalanobis(flat, flat)).all()


def test_nearest_images_are_those_of_all_distances(monkeypatch):
    reference, features = drawn(50), drawn(23, seed=1)
    features[3] = 0
    unit = [x / max(np.linalg.norm(x), 1e-30) for x in reference]
    expected = []
    for x in features:
        x = x / max(np.linalg.norm(x), 1e-30)
        expected.append(sorted(np.linalg.norm(x - y) for y in unit)[3])
    expected[3] = np.sqrt(2)  # no direction
    monkeypatch.setattr(shift_scores, "ENTRIES", 200)  # four rows at a time
    found = shift_scores.nearest(features, reference, k=4)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_predictions_near_the_ends_of_training_are_far_out():
    train = np.array([[0.0, 0.0], [1.0, 0.6]])  # only the second factor ends early
    found = shift_scores.from_predictions([[0.5, 0.3], [1.2, 0.55], [0, 0.7]], train)
    np.testing.assert_allclose(found, [-0.3, -0.05, 0.1])
    everywhere = shift_scores.from_predictions([[0.5], [1.2]], [[0.0], [1.0]])
    np.testing.assert_allclose(everywhere, [-0.5, 0.2])


def test_scores_find_what_is_shifted():
    reference = drawn(300)
    features = np.vstack([drawn(60, seed=1), drawn(40, seed=2, shift=9.0)])
    outside = np.arange(100) >= 60
    found = shift_scores.auroc(shift_scores.mahalanobis(features, reference), outside)
    assert found > 0.95
    pairs = [(a, b) for a in (1.0, 2, 2) for b in (2.0, 0)]
    expected = np.mean([(a > b) + 0.5 * (a == b) for a, b in pairs])
    score = [1, 2, 2, 2, 0]
    found = shift_scores.auroc(score, [True, True, True, False, False])
    assert found == pytest.approx(expected)


def test_what_cannot_be_scored_is_told():
    with pytest.raises(errors.InputError, match="as many columns"):
        shift_scores.mahalanobis(drawn(3), drawn(3, 4))
    with pytest.raises(errors.InputError, match="10 training images"):
        shift_scores.nearest(drawn(3), drawn(9))
    with pytest.raises(errors.InputError, match="2 images out of range and 0 others"):
        shift_scores.auroc([1, 2], [True, True])
