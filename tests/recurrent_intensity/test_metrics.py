"""Precision, recall, perplexity, calibration and gains of what is chosen."""

import jax
import numpy as np
import pytest
from scipy import sparse
from score_helpers import from_matrix

from iclr22 import errors
from iclr22.recurrent_intensity import metrics, ranking


def test_perplexity_of_known_counts():
    assert metrics.perplexity([1, 1, 1, 1]) == pytest.approx(4)
    assert metrics.perplexity([1, 3]) == pytest.approx(1.7547654, abs=1e-7)
    assert metrics.perplexity([0, 5, 0]) == 1
    assert metrics.perplexity([0, 0]) == 0


def test_metrics_of_a_worked_case():
    targets = sparse.csr_array([[2, 0, 1, 0], [0, 0, 0, 0], [0, 0, 0, 3.0]])
    found = metrics.item_metrics([[0, 1], [0, 1], [0, -1]], targets)
    assert found["precision"] == pytest.approx(2 / 5)
    assert found["pair_precision"] == pytest.approx(1 / 5)
    assert found["recall"] == pytest.approx((2 / 3 + 0 + 0) / 3)
    assert found["item_coverage"] == 0.5 and found["user_coverage"] == 1
    assert found["item_perplexity"] == pytest.approx(metrics.perplexity([3, 2]))
    assert found["user_perplexity"] == pytest.approx(metrics.perplexity([2, 2, 1]))
    found = metrics.user_metrics([[0], [0], [0], [2]], targets)
    assert found["precision"] == pytest.approx(6 / 4)  # events: may pass 1
    assert found["pair_precision"] == pytest.approx(3 / 4)
    assert found["recall"] == pytest.approx((2 / 2 + 0 + 1 + 1) / 4)
    assert found["user_coverage"] == pytest.approx(2 / 3)
    plan = sparse.csr_array([[1, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0.5]])
    assert metrics.plan_metrics(plan, targets)["precision"] == pytest.approx(3.5 / 1.5)
    assert metrics.plan_metrics(plan, targets)["pair_precision"] == 1
    found = metrics.plan_metrics(plan, targets, minimum=7)
    assert found["precision"] == 0.5 and found["pair_precision"] == 1.5 / 7


def test_precision_of_pairs_is_that_of_events_that_never_repeat():
    rng = np.random.default_rng(0)
    counts, plan = rng.poisson(1, (20, 30)), rng.random((20, 30)) < 0.2
    found = metrics.plan_metrics(plan, counts)
    assert found["precision"] == pytest.approx(counts[plan].mean())
    assert found["pair_precision"] == pytest.approx((counts[plan] > 0).mean())
    once = metrics.plan_metrics(plan, np.minimum(counts, 1))
    assert once["precision"] == once["pair_precision"] == found["pair_precision"]


def test_random_choice_is_as_precise_as_chance():
    rng = np.random.default_rng(0)
    targets = sparse.csr_array((rng.random((300, 200)) < 0.02).astype(np.float32))
    flat = from_matrix(np.ones((300, 200)))
    _, columns = ranking.top_items(flat, 10, key=jax.random.key(0))
    found = metrics.item_metrics(columns, targets)["precision"]
    chance = targets.sum() / (300 * 200)
    assert abs(found - chance) < 3 * np.sqrt(chance * (1 - chance) / 3000)


def test_metrics_refuse_other_shapes():
    with pytest.raises(errors.InputError, match=r"one shape; found \(2, 2\)"):
        metrics.plan_metrics(np.ones((2, 2)), np.ones((2, 3)))
    with pytest.raises(errors.InputError, match="Unknown task"):
        metrics.plan_metrics(np.ones((2, 2)), np.ones((2, 2)), task="users")


def test_calibration_of_a_worked_case():
    found = metrics.calibration([1, 2, 3, 4], [0, 2, 5, 7], bins=2)
    np.testing.assert_array_equal(found.count, [2, 2])
    np.testing.assert_allclose(found.predicted, [1.5, 3.5])
    np.testing.assert_allclose(found.realised, [1, 6])
    np.testing.assert_allclose(found.error, [1, 1])  # deviation sqrt(2) / sqrt(2)
    tied = metrics.calibration(np.ones(9), np.arange(9), bins=3)
    assert tied.count == [9] and tied.realised == [4]


def test_calibration_of_counts_drawn_from_predictions():
    rng = np.random.default_rng(0)
    expected = rng.exponential(size=20_000)
    found = metrics.calibration(expected, rng.poisson(expected))
    assert len(found.count) == 10 and found.count.sum() == 20_000
    assert np.all(np.abs(found.realised - found.predicted) < 4 * found.error)


def test_calibration_refuses_what_does_not_fit():
    with pytest.raises(errors.InputError, match="as many predictions"):
        metrics.calibration([1, 2], [1])
    with pytest.raises(errors.InputError, match="nan in place 1"):
        metrics.calibration([1, np.nan], [1, 2])


def test_gains_of_a_worked_case():
    found = metrics.gains([4, 3, 2, 1], [3, 0, 1, 0], points=4)
    np.testing.assert_allclose(found.share, [0.25, 0.5, 0.75, 1])
    np.testing.assert_allclose(found.gained, [0.75, 0.75, 1, 1])
    np.testing.assert_allclose(found.lift, [3, 1.5, 4 / 3, 1])
    tied = metrics.gains([1, 1, 1, 1], [3, 0, 1, 0], points=4)
    np.testing.assert_allclose(tied.lift, 1)
    with pytest.raises(errors.InputError, match="at least one hit"):
        metrics.gains([1, 2], [0, 0])
    with pytest.raises(errors.InputError, match="1 scores of them nan"):
        metrics.gains([1, np.nan], [0, 0])
