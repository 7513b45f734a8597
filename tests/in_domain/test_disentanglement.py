"""Scores of how far codes separate factors, against closed forms and loops."""

import sys

import numpy as np
import pytest

from iclr22 import errors
from iclr22.in_domain import disentanglement

FACTORS = np.stack(np.unravel_index(np.arange(4 * 5 * 3 * 20), (4, 5, 3, 20)), 1)[:, :3]
SCORES = {
    "mig": disentanglement.mig,
    "mir": disentanglement.mir,
    "sap": disentanglement.sap,
    "factor_vae": disentanglement.factor_vae,
}


def mixed():
    """Codes that each know something of every factor."""
    turn = np.array([[2, -1, 2], [2, 2, -1], [-1, 2, 2]]) / 3  # orthogonal
    return (FACTORS / FACTORS.std(axis=0)) @ turn


@pytest.mark.parametrize("name", SCORES)
def test_codes_of_one_factor_each_score_one_and_mixed_ones_less(name):
    score = SCORES[name]
    perfect = np.array([3.0, -2.0, 0.5]) * FACTORS[:, [2, 0, 1]] + 7
    assert score(perfect, FACTORS) == pytest.approx(1)
    assert score(mixed(), FACTORS) < 0.75


@pytest.mark.parametrize("name", SCORES)
def test_constant_codes_and_factors_change_nothing(name):
    score = SCORES[name]
    codes = mixed()
    constant = np.full((len(codes), 1), 4.0)
    expected = score(codes, FACTORS)
    found = score(np.hstack([codes, constant]), np.hstack([FACTORS, constant]))
    assert found == pytest.approx(expected)


def test_information_is_that_of_the_definition():
    random = np.random.default_rng(1)
    codes, factors = random.normal(size=(300, 2)), random.integers(0, 3, (300, 2))
    found = disentanglement.information(codes, factors, bins=4)
    for i in range(2):
        edges = np.linspace(codes[:, i].min(), codes[:, i].max(), 5)
        place = np.clip(np.searchsorted(edges, codes[:, i], side="right") - 1, 0, 3)
        for j in range(2):
            expected = 0.0
            for a in range(4):
                for b in range(3):
                    p = np.mean((place == a) & (factors[:, j] == b))
                    q = np.mean(place == a) * np.mean(factors[:, j] == b)
                    expected += p * np.log(p / q) if p else 0
            assert found[i, j] == pytest.approx(expected)


def test_gaps_and_ratios_of_duplicated_and_shared_codes():
    twice = FACTORS[:, [0, 0, 1, 2]].astype(float)
    assert disentanglement.mig(twice, FACTORS) == pytest.approx(2 / 3)
    assert disentanglement.sap(twice, FACTORS) == pytest.approx(2 / 3)
    assert disentanglement.mir(twice, FACTORS) == pytest.approx(1)
    both = (FACTORS[:, :1] * 5 + FACTORS[:, 1:2]).astype(float)  # ln 4 and ln 5
    share = np.log(5) / np.log(20)
    found = disentanglement.mir(both, FACTORS[:, :2], bins=20)
    assert found == pytest.approx((share - 0.5) / 0.5)
    assert np.isnan(disentanglement.mir(np.ones((len(FACTORS), 2)), FACTORS))


def test_names_are_compared_by_the_variance_between_them():
    code = np.array([5.0, 0.0, 1.0, 3.0])[FACTORS[:, :1]]  # no order
    assert disentanglement.sap(code, FACTORS[:, :1]) < 0.5
    found = disentanglement.sap(code, FACTORS[:, :1], categorical=(0,))
    assert found == pytest.approx(1)


def test_votes_of_a_code_without_information_are_chance():
    random = np.random.default_rng(0)
    codes = random.normal(size=(len(FACTORS), 1))
    found = disentanglement.factor_vae(codes, FACTORS)
    assert found == pytest.approx(1 / 3, abs=0.06)


def test_dci_of_an_importance_is_the_closed_form():
    perfect = disentanglement.dci_of(np.eye(3)[[1, 0, 2]], 0.9)
    assert perfect == pytest.approx((1, 1, 0.9))
    flat = disentanglement.dci_of(np.ones((4, 3)))
    assert flat[:2] == pytest.approx((0, 0))
    table = np.array([[3.0, 1.0], [0.0, 4.0], [0.0, 0.0]])
    entropy = -(0.75 * np.log2(0.75) + 0.25 * np.log2(0.25))
    found = disentanglement.dci_of(table)
    assert found.disentanglement == pytest.approx(0.5 * (1 - entropy) + 0.5)
    second = -(0.2 * np.log(0.2) + 0.8 * np.log(0.8)) / np.log(3)
    assert found.completeness == pytest.approx(3 / 8 + 5 / 8 * (1 - second))
    assert np.isnan(disentanglement.dci_of(np.zeros((2, 2))).completeness)


def test_dci_asks_for_scikit_learn(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(errors.InputError, match="scikit-learn"):
        disentanglement.dci(mixed(), FACTORS)


def test_dci_by_trees_tells_codes_apart():
    pytest.importorskip("sklearn")
    perfect = disentanglement.dci(FACTORS.astype(float), FACTORS, categorical=(0,))
    assert min(perfect) > 0.99
    assert disentanglement.dci(mixed(), FACTORS).disentanglement < 0.7


def test_relation_is_a_rank_correlation():
    assert disentanglement.relation([1, 2, 3], [0.1, 0.4, 9]) == pytest.approx(1)


def test_codes_that_do_not_fit_are_told():
    with pytest.raises(errors.InputError, match="same images"):
        disentanglement.mig(np.zeros((3, 2)), FACTORS)
    with pytest.raises(errors.InputError, match="one that varies"):
        disentanglement.mig(np.zeros((3, 2)), np.ones((3, 2)))
    with pytest.raises(errors.InputError, match="whole numbers"):
        disentanglement.sap(np.zeros((3, 2)), np.full((3, 2), 0.5))
