"""What DIVA does with a derivative, and what it is compared with."""

import itertools
import math

import numpy as np
import pytest

from iclr22 import diva


def clusters(n=120, flips=0.2, seed=0):
    """Three Gaussian classes with flipped labels: `(features, targets, flipped)`."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, n)
    x = np.append(3 * np.eye(3)[y] + rng.normal(size=(n, 3)), np.ones((n, 1)), axis=1)
    wrong = rng.random(n) < flips
    return x, np.eye(3)[(y + wrong * rng.integers(1, 3, n)) % 3], wrong


@pytest.mark.parametrize("score", diva.SCORES)
def test_detect_finds_flipped_labels(score):
    features, targets, wrong = clusters()
    found = diva.detect(features, targets, score=score)
    worst = found.order[: wrong.sum()]
    assert np.mean(wrong[worst]) > 0.8
    assert np.all(np.diff(found.score[found.order]) <= 0)
    top = diva.detect(features, targets, score=score, top_fraction=0.1)
    assert top.flagged.sum() == 12 and top.flagged[found.order[:12]].all()


def test_reweight_lowers_the_loss_and_respects_its_options():
    features, targets, wrong = clusters()
    new = diva.reweight(features, targets, l2=1.0, step_size=0.1)
    assert new.losses[1] < new.losses[0]
    assert new.weights[wrong].mean() < new.weights[~wrong].mean()
    raw = diva.reweight(features, targets, l2=1.0, rule="raw", step_size=1e-3)
    g = diva.derivative(features, targets, np.ones(len(features)), 1.0)
    np.testing.assert_allclose(raw.weights, np.clip(1 - 1e-3 * g, 0, 3), atol=1e-9)
    many = diva.reweight(features, targets, l2=1.0, steps=4, renormalise=True)
    np.testing.assert_allclose(many.trail.sum(axis=1), len(features), rtol=1e-9)
    assert (
        many.losses[1:].min()
        == many.losses[[np.array_equal(w, many.weights) for w in many.trail]][0]
    )


@pytest.mark.parametrize("quota", [True, False])
def test_extend_follows_the_derivative_round_by_round(quota):
    features, targets, wrong = clusters(60)
    core = np.arange(60) < 12
    labels = np.argmax(targets, axis=1) if quota else None
    grown = diva.extend(features, targets, core, l2=1.0, batch=6, labels=labels)
    inside = core.astype(float)
    for number, expected in enumerate(grown.weights[1:]):
        g = diva.derivative(features, targets, inside, 1.0, validation_weights=inside)
        pool = inside == 0
        best = g[pool].min() if pool.any() else np.inf
        np.testing.assert_allclose(grown.best_derivative[number], best, rtol=1e-6)
        added = np.flatnonzero(expected > inside)
        if not quota:
            candidates = np.flatnonzero(pool)[np.argsort(g[pool])][:6]
            assert set(added) == {i for i in candidates if g[i] < 0}
        elif len(added) == 6 and number == 0:
            assert np.bincount(labels[added], minlength=3).tolist() == [2, 2, 2]
        assert np.all(g[added] < 0)
        inside = expected
    full = diva.extend(features, targets, core, l2=1.0, batch=6, stop=False)
    assert sorted(full.order) == list(range(12, 60))


def test_aggregate_turns_down_the_noisy_source():
    clean = clusters(90, 0.0, 1)
    noisy = clusters(90, 0.7, 2)
    features = np.concatenate([clean[0], noisy[0]])
    targets = np.concatenate([clean[1], noisy[1]])
    sources = np.repeat(["clean", "noisy"], 90)
    valid = (sources == "clean") * 1.0
    ids, weights, derivatives = diva.aggregate(
        features, targets, sources, l2=1.0, validation_weights=valid
    )
    assert ids.tolist() == ["clean", "noisy"]
    assert weights[1] < 0.5 < weights[0] and derivatives[1] > 0
    ids, shares = diva.augmentation_probabilities([1, 3, 0, 4], [0, 0, 1, 1])
    np.testing.assert_allclose(shares, [0.5, 0.5])


def test_knn_shapley_equals_enumeration():
    rng = np.random.default_rng(0)
    n, k = 7, 2
    x, y = rng.normal(size=(n, 2)), rng.integers(0, 2, n)

    def vote(members, v):
        near = sorted(members, key=lambda i: np.sum((x[i] - x[v]) ** 2))[:k]
        return sum(y[i] == y[v] for i in near) / k

    expected = np.zeros(n)
    for v in range(n):
        others = [i for i in range(n) if i != v]
        for i in others:
            rest = [j for j in others if j != i]
            for size in range(len(rest) + 1):
                share = 1 / (len(others) * math.comb(len(rest), size))
                for subset in itertools.combinations(rest, size):
                    gain = vote([*subset, i], v) - vote(subset, v)
                    expected[i] += share * gain
    found = diva.knn_shapley(x, y, neighbors=k, chunk=3)
    np.testing.assert_allclose(found, expected / (n - 1), atol=1e-6)


def test_weight_baselines_prefer_what_they_should():
    features, targets, wrong = clusters(200)
    clean = clusters(100, 0.0, 5)
    meta = diva.meta_weights(features, targets, clean[0], clean[1])
    assert meta[wrong].mean() < 0.3 * meta[~wrong].mean()
    uncertain = diva.uncertainty_weights(features, targets)
    np.testing.assert_allclose([meta.mean(), uncertain.mean()], 1, rtol=1e-5)


def test_single_example_of_a_class_and_duplicates_have_documented_answers():
    features, targets, _ = clusters(30, 0.0)
    targets = np.append(targets, np.zeros((30, 1)), axis=1)
    targets[4] = np.eye(4)[3]
    found = diva.detect(features, targets)
    assert found.order[0] == 4 and found.predictions[4, 3] <= 0.3
    # A wrong label vouched for by its copies shows once copies are left out together.
    copies = np.append(np.arange(30), [7, 7])
    wrong = targets.copy()
    wrong[7] = np.roll(targets[7], 1)
    groups = copies
    alone = diva.derivative(features, wrong, np.ones(30), 1.0)
    doubled = (features[copies], wrong[copies], np.ones(32), 1.0)
    together = diva.derivative(*doubled, groups=groups)
    assert alone[7] > 0
    assert together[7] > diva.derivative(*doubled)[7]
