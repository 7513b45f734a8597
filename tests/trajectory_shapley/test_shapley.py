"""Shapley values of games: exact numbers, axioms, and what sampled estimators converge to."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from iclr22 import errors
from iclr22.trajectory_shapley import designs
from iclr22.trajectory_shapley.shapley import interaction_values, shapley_values

WEIGHTS = np.arange(1, 5)
TABLE = {"": 0, "1": 1, "2": 2, "3": 3, "12": 4, "13": 5, "23": 7, "123": 10}
SAMPLED = ("permutation", "stratified", "banzhaf")


def table(coalitions):
    names = ["".join(str(i + 1) for i in np.flatnonzero(c)) for c in coalitions]
    return np.array([TABLE[name] for name in names])


def majority(coalitions):
    return np.asarray(coalitions.sum(1) >= 3, float)


GAMES = {  # players, worth, Shapley, Banzhaf
    "majority": (5, majority, [0.2] * 5, [0.375] * 5),
    "cube": (4, lambda s: s.sum(1) ** 3, [16] * 4, [14.5] * 4),
    "square": (4, lambda s: (s @ WEIGHTS) ** 2, [10, 20, 30, 40], [10, 20, 30, 40]),
    "max": (
        4,
        lambda s: (s * WEIGHTS).max(1),
        [1 / 4, 7 / 12, 13 / 12, 25 / 12],
        [0.125, 0.375, 0.875, 1.875],
    ),
    "unanimity": (4, lambda s: s[:, 0] & s[:, 2], [0.5, 0, 0.5, 0], None),
    "table": (3, table, [2, 3.5, 4.5], None),
}


@pytest.mark.parametrize("name", GAMES)
def test_exact_values_of_known_games(name):
    players, worth, values, banzhaf = GAMES[name]
    found = shapley_values(worth, players)
    np.testing.assert_allclose(found.values, values, atol=1e-12)
    assert found.evaluations == 2**players and not found.standard_error.any()
    if banzhaf is not None:
        found = shapley_values(worth, players, estimator="banzhaf_exact")
        np.testing.assert_allclose(found.values, banzhaf, atol=1e-12)


def test_banzhaf_values_do_not_add_up():
    found = shapley_values(majority, 5, estimator="banzhaf_exact")
    assert found.values.sum() == pytest.approx(1.875)
    assert found.full - found.empty == 1


def random_game(players, seed=0, outputs=()):
    rng = np.random.default_rng(seed)
    worth = rng.normal(size=(2**players, *outputs))
    return worth, lambda s: worth[s @ (1 << np.arange(players))]


@pytest.mark.parametrize("players", [1, 2, 7, 10])
def test_axioms_on_random_games(players):
    worth, game = random_game(players, outputs=(2,))
    _, another = random_game(players, seed=1, outputs=(2,))
    found = shapley_values(game, players, chunk=100)
    np.testing.assert_allclose(
        found.values.sum(0), worth[-1] - worth[0], atol=1e-10, rtol=0
    )
    both = shapley_values(lambda s: 2 * game(s) - another(s), players)
    second = shapley_values(another, players)
    np.testing.assert_allclose(
        both.values, 2 * found.values - second.values, atol=1e-10
    )
    null = shapley_values(lambda s: game(s[:, :-1]), players + 1)
    assert not null.values[-1].any()
    np.testing.assert_allclose(null.values[:-1], found.values, atol=1e-10)


def test_symmetric_players_get_equal_values():
    _, game = random_game(5)
    symmetric = lambda s: game(s) + game(s[:, [3, 1, 2, 0, 4]])  # noqa: E731
    values = shapley_values(symmetric, 5).values
    assert values[0] == pytest.approx(values[3], abs=1e-10)


def test_worth_may_come_from_jax():
    game = jax.jit(lambda s: jnp.stack([s.sum(1) ** 3, s.sum(1)], 1))
    found = shapley_values(game, 4, chunk=5)
    np.testing.assert_allclose(found.values, [[16, 1]] * 4)


def errors_of(estimator, samples, games, *, antithetic=True, seed=0):
    """Errors and standard errors `[games, players]` on games of normal numbers."""
    rng, n = np.random.default_rng(seed), 8
    worth = rng.normal(size=(games, 2**n))
    target = designs.combine(designs.enumerated(n, games), worth.reshape(-1, 1))[0]
    drawn = designs.sampled(estimator, n, games, rng, samples, antithetic=antithetic)
    code = drawn.coalitions @ (1 << np.arange(n))
    values, spread = designs.combine(drawn, worth[drawn.game, code][:, None])
    return (values - target)[..., 0], spread[..., 0]


@pytest.mark.parametrize(
    ("antithetic", "samples", "games", "expected"),
    [
        (False, 10, 150, 0.434),
        (False, 100, 100, 0.138),
        (False, 1000, 15, 0.041),
        (True, 10, 150, 0.412),
        (True, 100, 100, 0.132),
        (True, 1000, 15, 0.041),
    ],
)
def test_permutations_err_as_much_as_published(antithetic, samples, games, expected):
    error, _ = errors_of("permutation", samples, games, antithetic=antithetic)
    assert np.sqrt((error**2).mean()) == pytest.approx(expected, rel=0.15)


def test_released_estimator_has_a_bias_that_stays():
    error, _ = errors_of("banzhaf", 10, 150)
    assert np.sqrt((error**2).mean()) == pytest.approx(0.52, rel=0.1)
    _, game = random_game(6)
    found = shapley_values(game, 6, estimator="banzhaf", samples=4000, key=0)
    banzhaf = shapley_values(game, 6, estimator="banzhaf_exact").values
    exact = shapley_values(game, 6).values
    np.testing.assert_allclose(found.values, banzhaf, atol=5 * 0.03)
    off = np.abs(found.values - exact) / found.standard_error
    assert off.max() > 10
    assert np.abs((found.values - banzhaf) / found.standard_error).max() < 4


@pytest.mark.parametrize("estimator", ["permutation", "stratified"])
def test_estimators_agree_within_their_standard_errors(estimator):
    error, spread = errors_of(estimator, 100, 100)
    squares = (error / spread) ** 2
    assert 0.8 < squares.mean() < 1.3
    assert (np.abs(error) < 1.96 * spread).mean() > 0.9


def test_permutations_add_up_exactly():
    worth, game = random_game(9)
    found = shapley_values(game, 9, estimator="permutation", samples=8, key=3)
    assert found.values.sum() == pytest.approx(worth[-1] - worth[0], abs=1e-10)
    assert found.evaluations <= designs.cost(9, "permutation", 8) == 66
    assert (found.standard_error > 0).all()


@pytest.mark.parametrize("estimator", SAMPLED)
def test_equal_keys_give_equal_values(estimator):
    _, game = random_game(5)
    of = lambda key: shapley_values(game, 5, estimator=estimator, key=key).values  # noqa: E731
    assert (of(jax.random.key(1)) == of(jax.random.key(1))).all()
    assert (of(1) != of(2)).any()


def test_coalitions_are_evaluated_once():
    drawn = designs.sampled("stratified", 5, 3, np.random.default_rng(0), 40)
    codes = drawn.game * 32 + drawn.coalitions @ (1 << np.arange(5))
    assert len(np.unique(codes)) == len(codes) <= 96
    own = drawn.coalitions[drawn.included]
    assert own[..., np.arange(5), np.arange(5)].all()
    assert (drawn.game[drawn.included] == np.arange(3)[:, None, None]).all()


def test_interaction_values_of_known_games():
    found = interaction_values(lambda s: (s @ WEIGHTS) ** 2, 4)
    expected = 2 * np.outer(WEIGHTS, WEIGHTS) * (1 - np.eye(4))
    np.testing.assert_allclose(found, expected, atol=1e-10)
    pair = interaction_values(lambda s: s[:, 0] & s[:, 1] & s[:, 2], 3)
    np.testing.assert_allclose(pair, 0.5 * (1 - np.eye(3)), atol=1e-10)
    assert interaction_values(lambda s: s.sum(1), 1).shape == (1, 1)


@pytest.mark.parametrize(
    ("players", "options", "message"),
    [
        (21, {}, "2,097,152 coalitions.*permutation.*1,282 coalitions"),
        (3, {"estimator": "permutations"}, "Did you mean 'permutation'"),
        (3, {"estimator": "permutation"}, "needs key"),
        (3, {"estimator": "stratified", "samples": 1, "key": 0}, "samples >= 2"),
        (0, {}, "one player or more"),
    ],
)
def test_bad_games_are_one_clear_error(players, options, message):
    with pytest.raises(errors.InputError, match=message.replace("^", r"\^")):
        shapley_values(lambda s: s.sum(1), players, **options)


def test_worth_of_a_wrong_form_is_one_clear_error():
    with pytest.raises(errors.InputError, match=r"\[8, ...\] .* found shape \(\)"):
        shapley_values(lambda s: 1.0, 3)
    with pytest.raises(errors.InputError, match=r"finite, found nan .* \[0, 2\]"):
        shapley_values(lambda s: np.where(s[:, 0] & s[:, 2], np.nan, 0), 3)
