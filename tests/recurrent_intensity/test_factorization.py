"""Factorisation: counts, normal equations, logistic gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from count_helpers import blocks, counts_of, held_out_auc

from iclr22 import errors
from iclr22.data.events import sort_events
from iclr22.recurrent_intensity import factorization, ragged, requests, scores
from iclr22.recurrent_intensity.counts import history_counts

ALS = factorization.ALS(factors=4, iterations=3, ridge=0.1, confidence=2.0)


# Counts


def test_history_counts_add_up_repeats():
    log = sort_events([0, 0, 0, 1], [5, 6, 5, 6], [1.0, 2.0, 3.0, 1.0])
    given = requests.make_requests(log, [1, 0], [9.0, 9.0], 1.0)
    found = history_counts(log, given)
    np.testing.assert_array_equal(found.toarray(), [[0, 1], [2, 1]])
    found = history_counts(log, given, given.user)
    np.testing.assert_array_equal(found.toarray(), [[2, 1], [0, 1]])


@pytest.mark.parametrize(
    "counts, text",
    [
        (np.zeros((2, 3)), "none in 2 users x 3 items"),
        (np.array([[1, 0], [0, np.nan]]), "nan for user 1, item 1"),
        (np.array([[0, 1], [-2, 1]]), "-2.0 for user 1, item 0"),
        (np.array([[np.inf, 1]]), "inf for user 0, item 0"),
        (np.ones(3), r"shape \[3\]"),
        (None, "NoneType"),
    ],
)
def test_counts_that_are_wrong_name_the_entry(counts, text):
    with pytest.raises(errors.InputError, match=text):
        factorization.fit_als(counts, ALS)


@pytest.mark.parametrize(
    "fields, text",
    [({"factors": 0}, "factors"), ({"iterations": 0}, "iter"), ({"ridge": 0}, "ridge")],
)
def test_hyper_parameters_out_of_range_are_named(fields, text):
    for fit, config in (
        (factorization.fit_als, ALS),
        (factorization.fit_logistic, factorization.Logistic()),
    ):
        with pytest.raises(errors.InputError, match=text):
            fit(counts_of(), config._replace(**fields))


def test_score_of_unknown_number_is_an_error():
    factors = factorization.fit_als(counts_of(), ALS)
    for users, items, text in (([9], [0], "user"), ([0], [0, 7], "item")):
        with pytest.raises(errors.InputError, match=text):
            factorization.score(factors, users, items)


# Least squares


def als_objective(users, items, counts, config):
    n = counts.toarray().astype(np.float64)
    error = (n > 0) - users @ items.T
    ridge = config.ridge * (np.sum(users**2) + np.sum(items**2))
    return np.sum((1 + config.confidence * n) * error**2) + ridge


def test_half_step_solves_the_normal_equations_in_double_precision():
    counts = counts_of()
    items = np.random.default_rng(1).normal(size=(7, 4))
    with jax.enable_x64(True):
        table = ragged.tabulate(counts)
        table = table._replace(value=table.value.astype(np.float64))
        users = np.asarray(factorization.solve_rows(table, jnp.asarray(items), ALS))
    assert users.dtype == np.float64
    n = counts.toarray()
    weight = 1 + ALS.confidence * n
    residual = (weight * ((n > 0) - users @ items.T)) @ items - ALS.ridge * users
    np.testing.assert_allclose(residual, 0, atol=1e-12)
    np.testing.assert_array_equal(users[2], 0)


def test_als_returns_users_that_solve_their_equations():
    counts = counts_of()
    factors = factorization.fit_als(counts, ALS)
    n, weight = counts.toarray(), 1 + ALS.confidence * counts.toarray()
    error = weight * ((n > 0) - factors.users @ factors.items.T)
    residual = error @ factors.items - ALS.ridge * factors.users
    np.testing.assert_allclose(residual, 0, atol=2e-5)
    table = ragged.tabulate(counts)
    again = factorization.solve_rows(table, factors.items, ALS)
    np.testing.assert_allclose(again, factors.users, atol=1e-5)


def test_als_objective_never_rises():
    counts = counts_of((30, 20))
    values = []
    for iterations in (1, 2, 4):
        factors = factorization.fit_als(counts, ALS._replace(iterations=iterations))
        values.append(als_objective(factors.users, factors.items, counts, ALS))
    assert np.all(np.diff(values) < 1e-4 * values[0]) and values[-1] < values[0]


def test_pieces_and_chunks_change_nothing():
    counts = counts_of((50, 20))
    other = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)
    tables = [ragged.tabulate(counts, *x) for x in ((16, 2048), (3, 8), (1, 1))]
    assert [len(table.index) for table in tables] != [1, 1, 1]
    found = [factorization.solve_rows(table, other, ALS) for table in tables]
    for x in found[1:]:
        np.testing.assert_allclose(x, found[0], rtol=2e-4, atol=1e-5)


def test_items_without_events_score_zero():
    factors = factorization.fit_als(counts_of(), ALS)
    s = scores.dense(factorization.score(factors, np.arange(9), np.arange(7)))
    np.testing.assert_array_equal(s[:, 3], 0)
    assert (np.delete(s, 3, axis=1) > 0).all()


# Logistic


def test_logistic_gradient_equals_its_formula():
    config = factorization.Logistic(factors=2, confidence=1.5, negatives=2)
    counts = counts_of((20, 7))
    rng = np.random.default_rng(0)
    x, other = (jnp.float32(rng.normal(size=(n, 4))) for n in (20, 7))
    table = ragged.tabulate(counts, 3, 8)
    found = factorization._gradient(table, x, other, jax.random.key(0), config)
    n, p = counts.toarray(), 1 / (1 + np.exp(-x @ other.T))
    drawn = np.minimum(7, 2 * (n > 0).sum(axis=1, keepdims=True)) / 7
    expected = (config.confidence * n * (1 - p) - drawn * p) @ other
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_pool_of_negatives_is_right_on_average():
    config = factorization.Logistic(factors=2, pool=5)
    table = ragged.tabulate(counts_of())
    rng = np.random.default_rng(0)
    x, other = (jnp.float32(rng.normal(size=(n, 4))) for n in (9, 7))

    def gradient(key, config):
        return factorization._gradient(table, x, other, key, config)

    keys = jax.random.split(jax.random.key(1), 1000)
    found = np.asarray(jax.vmap(lambda key: gradient(key, config))(keys))
    exact = gradient(keys[0], config._replace(pool=7))
    error = np.abs(found.mean(0) - exact)
    assert (error <= 5 * found.std(0) / np.sqrt(len(keys)) + 1e-4).all()


def test_factors_separate_blocks():
    counts, _ = blocks()
    als = factorization.fit_als(counts, ALS._replace(ridge=5.0))
    logistic = factorization.fit_logistic(counts, factorization.Logistic(factors=4))
    assert held_out_auc(als) > 0.97
    assert held_out_auc(logistic) > 0.97
