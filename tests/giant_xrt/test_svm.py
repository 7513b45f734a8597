"""Solutions against optimisers of others, and the bound that they promise."""

import numpy as np
import pytest
import scipy.sparse as sp
from scipy import optimize

from iclr22.giant_xrt import rows, svm


def problem(count=60, features=25, columns=4, seed=0):
    random = np.random.default_rng(seed)
    x = random.normal(size=(count, features)) * (random.random((count, features)) < 0.3)
    x = rows.with_ones(rows.unit(sp.csr_matrix(x)))
    signs = np.where(random.random((count, columns)) < 0.2, 1.0, -1.0)
    costs = random.choice([0.0, 0.5, 1, 10], (count, columns))
    return x, signs, costs


def best(x, signs, costs):
    """The smallest objective of one column, by L-BFGS on the primal."""
    x = x.toarray()

    def value(w):
        slack = np.maximum(1 - signs * (x @ w), 0)
        return w @ w / 2 + costs @ slack**2, w - 2 * x.T @ (costs * signs * slack)

    options = {"maxiter": 5000, "ftol": 1e-15, "gtol": 1e-10}
    start = np.zeros(x.shape[1])
    return optimize.minimize(
        value, start, jac=True, method="L-BFGS-B", options=options
    ).fun


@pytest.mark.parametrize("kernel", [True, False])
@pytest.mark.parametrize("tolerance", [1e-3, 1e-10])
def test_objectives_are_within_the_tolerance_of_the_smallest(kernel, tolerance):
    x, signs, costs = problem()
    if kernel:
        found = svm.solve(svm.Kernel(svm.gram(x)), signs, costs, tolerance)
        weights = x.T @ found
    else:
        weights = svm.solve(svm.Primal(x, x.T.tocsr()), signs, costs, tolerance)
    reached = svm.objective(x, signs, costs, weights)
    for column, value in enumerate(reached):
        smallest = best(x, signs[:, column], costs[:, column])
        assert smallest * (1 - 1e-9) <= value <= smallest * (1 + tolerance + 1e-9)


def test_separate_problems_do_not_touch_each_other():
    first, second = problem(count=30), problem(count=21, seed=1)
    products = np.zeros((2, 30, 30))
    signs, costs = np.full((2, 30, 4), -1.0), np.zeros((2, 30, 4))
    for place, (x, y, c) in enumerate((first, second)):
        part = slice(x.shape[0])
        products[place, part, part] = svm.gram(x)
        signs[place, part], costs[place, part] = y, c
    both = svm.solve(svm.Kernel(products), signs, costs, 1e-10)
    assert not both[1, 21:].any()  # what was added to make sizes equal
    for place, (x, y, c) in enumerate((first, second)):
        alone = svm.solve(svm.Kernel(svm.gram(x)), y, c, 1e-10)
        margins = svm.gram(x) @ both[place, : x.shape[0]]
        np.testing.assert_allclose(margins, svm.gram(x) @ alone, atol=1e-4)


def test_inner_products_of_dense_and_of_rare_columns():
    x, _, _ = problem(count=200)
    np.testing.assert_allclose(svm.gram(x), (x @ x.T).toarray(), atol=1e-12)
    assert np.diff(x.tocsc().indptr).max() > 25  # columns of both kinds
    assert np.diff(x.tocsc().indptr).max() > 200 / 8


def test_nothing_to_learn_gives_no_weights():
    x, signs, _ = problem()
    assert not svm.solve(svm.Kernel(svm.gram(x)), signs, np.zeros_like(signs)).any()


def test_objectives_are_those_of_liblinear():
    classes = pytest.importorskip("sklearn.svm")
    x, signs, _ = problem(count=120, columns=3)
    weights = svm.solve(svm.Primal(x, x.T.tocsr()), signs, np.ones_like(signs), 1e-3)
    reached = svm.objective(x, signs, np.ones_like(signs), weights)
    for column, value in enumerate(reached):
        machine = classes.LinearSVC(
            C=1.0, loss="squared_hinge", fit_intercept=False, tol=1e-10, max_iter=100000
        ).fit(x, signs[:, column])
        other = svm.objective(x, signs[:, [column]], 1.0, machine.coef_.T)[0]
        assert abs(value / other - 1) < 1e-3
