"""The stochastic block model with features: measured numbers against the formulas."""

import numpy as np
import pytest

from iclr22.giant_xrt import theory

P, Q = 0.02, 0.005


@pytest.fixture(scope="module")
def drawn():
    return theory.draw(2000, 32, P, Q, seed=0)


def centres(vectors, classes):
    return np.stack([vectors[classes == x].mean(axis=0) for x in (0, 1)])


def test_the_graph_is_that_of_the_model(drawn):
    adjacency = drawn.adjacency
    assert (adjacency != adjacency.T).nnz == 0 and not adjacency.diagonal().any()
    assert adjacency.sum() / 2000 == pytest.approx(25, abs=1)
    same = drawn.classes[:, None] == drawn.classes
    dense = adjacency.toarray()
    assert dense[same].mean() == pytest.approx(P, rel=0.05)
    assert dense[~same].mean() == pytest.approx(Q, rel=0.05)
    gap = np.diff(centres(drawn.features, drawn.classes), axis=0)
    assert np.linalg.norm(gap) == pytest.approx(2, abs=0.2)


def test_neighbours_are_nearer_together_and_much_less_noisy(drawn):
    means = theory.means_of_neighbours(drawn)
    dense = drawn.adjacency.toarray()
    first = dense[0] @ drawn.features / dense[0].sum()
    np.testing.assert_allclose(means[0], first, atol=1e-12)
    gaps = [np.diff(centres(x, drawn.classes), axis=0) for x in (drawn.features, means)]
    ratio = np.linalg.norm(gaps[1]) / np.linalg.norm(gaps[0])
    assert ratio == pytest.approx(theory.gap_ratio(P, Q), abs=0.02)
    deviation = means[drawn.classes == 0].std(axis=0).mean()
    assert 0.19 < deviation < 0.21


def test_clusters_of_neighbours_are_the_classes(drawn):
    """Numbers of the sheet: .82 to .84 of features, .986 to .993 of neighbours' means."""
    raw = theory.accuracy_of_halves(drawn.features, drawn.classes)
    means = theory.means_of_neighbours(drawn)
    found = theory.accuracy_of_halves(means, drawn.classes)
    assert raw == pytest.approx(theory.accuracy_of_features(), abs=0.03)
    expected = theory.accuracy_of_neighbours(25, theory.gap_ratio(P, Q))
    assert found == pytest.approx(expected, abs=0.005) and 0.98 < found < 0.995


def test_the_formula_of_neighbours_is_what_drawing_gives():
    random = np.random.default_rng(0)
    ratio, noise, degree, n = 0.4, 0.8, 5, 200_000
    k = random.poisson(degree, n)
    share = (1 + ratio) / 2
    ones = random.binomial(k, share)
    sums = 2 * ones - k + noise * np.sqrt(k) * random.standard_normal(n)
    drawn = np.mean(sums > 0) + 0.5 * np.mean(sums == 0)
    found = theory.accuracy_of_neighbours(degree, ratio, noise)
    assert found == pytest.approx(drawn, abs=0.01)
    assert theory.accuracy_of_neighbours(1e-9, ratio) == pytest.approx(0.5)
