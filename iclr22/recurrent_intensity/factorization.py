"""Matrix factorisation of counts [users, items]: least squares and logistic.

Baselines of Ma, Liu and Deoras, ICLR 2022 (OpenReview TZeArecH2Nf). Both alternate between
users and items with the other side held; a whole fit is one compiled call.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from iclr22 import errors
from iclr22.recurrent_intensity import ragged
from iclr22.recurrent_intensity.counts import check_counts, known_bias
from iclr22.recurrent_intensity.scores import Scores

PIECES = 64, 128  # entries of a piece, pieces of a chunk: products stay in the cache


class Factors(NamedTuple):
    """S(u, y) = link(users[u] . items[y] + user_bias[u] + item_bias[y]); host arrays."""

    users: np.ndarray  # float32 [u, d]
    items: np.ndarray  # float32 [y, d]
    user_bias: np.ndarray  # float32 [u]
    item_bias: np.ndarray  # float32 [y]; -inf without any event: the score is 0
    link: str  # as in `scores.Scores`


class ALS(NamedTuple):
    """Hyper-parameters of alternating least squares, as released."""

    factors: int = 32  # d
    iterations: int = 50  # solutions of both sides
    ridge: float = 0.01  # of all factors
    confidence: float = 1.0  # an entry of count n weighs 1 + confidence n, others 1


class Logistic(NamedTuple):
    """Hyper-parameters of logistic matrix factorisation, as released."""

    factors: int = 30  # d, without the biases
    iterations: int = 30  # gradient steps of both sides
    learning_rate: float = 1.0  # Adagrad
    ridge: float = 0.6  # of factors and biases
    confidence: float = 1.0  # an entry of count n weighs confidence n
    negatives: int = 30  # per entry, at most as many as there are columns
    pool: int = 2048  # columns drawn in a step, from which all rows take negatives


def check_factors(config: ALS | Logistic) -> None:
    """Raises `errors.InputError` where a hyper-parameter is out of range."""
    for name in ("factors", "iterations"):
        if getattr(config, name) < 1:
            raise errors.InputError(
                f"expected {name} of at least 1; found {getattr(config, name)}"
            )
    if not config.ridge > 0:
        raise errors.InputError(
            f"expected a ridge above 0; found {config.ridge}. Without it rows with few "
            "entries have no unique solution."
        )


def score(factors: Factors, users, items) -> Scores:
    """Scores of users `[x]` and items `[y]`, by their numbers in the counts.

    Raises:
      errors.InputError: a number that the counts do not have.
    """
    users, items = np.asarray(users), np.asarray(items)
    for name, index, size in (
        ("user", users, len(factors.users)),
        ("item", items, len(factors.items)),
    ):
        bad = (index < 0) | (index >= size)
        if bad.any():
            raise errors.InputError(
                f"expected numbers of {name}s, 0 to {size - 1}; found "
                f"{index[bad.argmax()]}. Fit the model on a log that holds this {name}."
            )
    return Scores(
        factors.users[users],
        factors.items[items],
        factors.user_bias[users],
        factors.item_bias[items],
        np.ones(len(users), np.float32),
        factors.link,
    )


# Alternating least squares


def fit_als(counts, config: ALS, *, seed: int = 0) -> Factors:
    """Implicit feedback by alternating least squares (Hu, Koren and Volinsky, 2008).

    Minimises sum_{u,y} w (p - users[u] . items[y])^2 + ridge (|users|^2 + |items|^2), with
    p = 1 where a count is above 0 and w = 1 + confidence count. Ends with the users, so
    that they solve their equations for the items that are returned.

    Args:
      counts: csr `[users, items]`; users and items without entries get zeros.
    """
    counts = check_counts(counts)
    check_factors(config)
    users, items = _als(
        ragged.tabulate(counts, *PIECES),
        ragged.tabulate(counts.T.tocsr(), *PIECES),
        jax.random.key(seed),
        config,
    )
    users, items = np.asarray(users), np.asarray(items)
    bias = known_bias(0.0, counts)
    return Factors(users, items, np.zeros(len(users), "f4"), bias, "softplus")


@functools.partial(jax.jit, static_argnames="config")
def _als(by_user, by_item, key, config):
    shape = len(by_user.place), config.factors
    users = 0.1 * jax.random.normal(key, shape)

    def iterate(held, _):
        items = solve_rows(by_item, held[0], config)
        return (solve_rows(by_user, items, config), items), None

    items = jnp.zeros((len(by_item.place), config.factors))
    return jax.lax.scan(iterate, (users, items), length=config.iterations)[0]


def solve_rows(table: ragged.Table, other, config: ALS):
    """Factors `[rows, d]` that minimise the objective for the other side's `[columns, d]`:
    (other' other + ridge I + sum confidence n y y') x = sum (1 + confidence n) y."""
    with jax.default_matmul_precision("highest"):
        other, height = jnp.asarray(other), table.member.shape[1]
        gram = other.T @ other + config.ridge * jnp.eye(other.shape[1])

        def solve(part):
            index, value, row = part
            y = other[index]
            more = config.confidence * value[..., None] * y
            a = jnp.einsum("pwd,pwe->pde", more, y)
            b = jnp.sum(jnp.where(value[..., None] > 0, y, 0) + more, axis=1)
            factor = jax.scipy.linalg.cho_factor(ragged.by_row(a, row, height) + gram)
            return jax.scipy.linalg.cho_solve(
                factor, ragged.by_row(b, row, height)[..., None]
            )[..., 0]

        found = jax.lax.map(solve, (table.index, table.value, table.row))
        return found.reshape(-1, other.shape[1])[table.place]


# Logistic


def fit_logistic(counts, config: Logistic, *, seed: int = 0) -> Factors:
    """Logistic matrix factorisation (Johnson, 2014): p(u chooses y) = sigmoid(logit).

    Gradient ascent, with Adagrad, on sum w log p over entries, w = confidence count, plus
    log(1 - p) over negatives, minus the ridge. Differs: a row has min(columns, negatives
    x its entries) negatives in expectation; they are one pool of columns for all rows of a
    step, weighted, so that products of matrices replace gathers. A pool as large as the
    columns is all of them, and the expectation is exact.
    """
    counts = check_counts(counts)
    check_factors(config)
    users, items = _logistic(
        ragged.tabulate(counts),
        ragged.tabulate(counts.T.tocsr()),
        jax.random.key(seed),
        config,
    )
    used = np.diff(counts.indptr) > 0
    users = np.where(used[:, None], users, 0).astype(np.float32)
    items, d = np.asarray(items), config.factors
    bias = known_bias(items[:, d + 1], counts)
    return Factors(users[:, :d], items[:, :d], users[:, d], bias, "sigmoid")


@functools.partial(jax.jit, static_argnames="config")
def _logistic(by_user, by_item, key, config):
    """Both sides have two more columns: own bias times 1, and 1 times the other's."""
    d = config.factors
    keys = jax.random.split(key, 3)
    start = [
        jax.random.normal(k, (len(table.place), d + 2)) / np.sqrt(d)
        for k, table in zip(keys, (by_user, by_item), strict=False)
    ]
    users, items = start[0].at[:, d + 1].set(1), start[1].at[:, d].set(1)
    free_user, free_item = (jnp.arange(d + 2) != fixed for fixed in (d + 1, d))

    def iterate(held, key):
        users, items, user_squares, item_squares = held
        user_key, item_key = jax.random.split(key)
        users, user_squares = _ascend(
            by_user, users, items, user_squares, free_user, user_key, config
        )
        items, item_squares = _ascend(
            by_item, items, users, item_squares, free_item, item_key, config
        )
        return (users, items, user_squares, item_squares), None

    held = users, items, jnp.zeros_like(users), jnp.zeros_like(items)
    held, _ = jax.lax.scan(iterate, held, jax.random.split(keys[2], config.iterations))
    return held[0], held[1]


def _ascend(table, x, other, squares, free, key, config):
    """A step of one side `[rows, d + 2]` for the other's, and the sums of squares."""
    with jax.default_matmul_precision("highest"):
        gradient = _gradient(table, x, other, key, config) - config.ridge * x
        gradient = jnp.where(free, gradient, 0)
        squares = squares + gradient**2
        rate = config.learning_rate / jnp.sqrt(1e-6 + squares)
        return x + rate * gradient, squares


def _gradient(table, x, other, key, config):
    """Gradient `[rows, d + 2]` of the log-likelihood."""
    columns, height = len(other), table.member.shape[1]
    pool, share = other, 1 / columns
    if config.pool < columns:
        pool = other[jax.random.randint(key, (config.pool,), 0, columns)]
        share = 1 / config.pool

    def chunk(part):
        index, value, row, member = part
        own, y = x[member], other[index]
        z = value * jax.nn.sigmoid(-jnp.einsum("pd,pwd->pw", own[row], y))
        found = ragged.by_row(jnp.einsum("pw,pwd->pd", z, y), row, height)
        entries = ragged.by_row(jnp.sum(value > 0, axis=1), row, height)
        drawn = share * jnp.minimum(columns, config.negatives * entries)
        negative = jax.nn.sigmoid(own @ pool.T) @ pool
        return config.confidence * found - drawn[:, None] * negative

    parts = table.index, table.value, table.row, table.member
    return jax.lax.map(chunk, parts).reshape(-1, x.shape[1])[table.place]
