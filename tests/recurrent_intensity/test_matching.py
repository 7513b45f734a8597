"""Plans under budgets: greedy, by prices offline and online, against an LP solver."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import optimize, sparse
from score_helpers import from_matrix

from iclr22 import errors
from iclr22.recurrent_intensity import dual, matching, plans
from iclr22.recurrent_intensity import scores as score

KEY = jax.random.key(0)
RANK_ONE = np.array([[1, 2, 3], [2, 4, 6], [3, 6, 9.0]])


def random_matrix(seed, x=20, y=15):
    return np.random.default_rng(seed).random((x, y)).astype(np.float32)


def optimum(s, k, low, high):
    """Best objective of the linear programme, by SciPy."""
    x, y = s.shape
    users = np.kron(np.eye(x), np.ones(y))
    items = np.kron(np.ones(x), np.eye(y))
    found = optimize.linprog(
        -s.ravel().astype(float),
        A_ub=np.vstack([users, items, -items]),
        b_ub=np.concatenate([np.full(x, k), np.full(y, high), np.full(y, -low)]),
        bounds=(0, 1),
    )
    return -found.fun


def loop(pairs, k, c):
    """Pairs taken one after the other."""
    k, c = k.copy(), c.copy()
    taken = []
    for row, column in zip(*np.divmod(pairs, len(c)), strict=True):
        taken.append(k[row] > 0 and c[column] > 0)
        k[row] -= taken[-1]
        c[column] -= taken[-1]
    return np.array(taken)


@pytest.mark.parametrize("seed", range(10))
def test_budgets_are_taken_as_in_a_loop(seed, monkeypatch):
    rng = np.random.default_rng(seed)
    monkeypatch.setattr(matching, "CHUNK", int(rng.integers(5, 400)))
    pairs = rng.permutation(300)
    k, c = rng.integers(0, 5, 20), rng.integers(0, 7, 15)
    np.testing.assert_array_equal(matching.take(pairs, k, c), loop(pairs, k, c))


@pytest.mark.parametrize("eps", [1, 1e-3, 1e-6, 1e-10])
def test_price_of_two_items_is_between_them(eps):
    price = functools.partial(dual.shadow_price, jnp.array([[0.0, 1.0]]), eps=eps)
    assert price(jnp.array([0.5]))[0] == 0.5
    assert price(jnp.array([1.0]))[0] == 0
    assert price(jnp.array([0.0]), sign=-1)[0] == 0


def test_price_solves_its_equation_beside_excluded_pairs():
    z = np.random.default_rng(0).normal(size=(6, 50)).astype(np.float32)
    z[2, :20], z[3] = -np.inf, -np.inf
    share = np.array([0.1, 0.02, 0.3, 0.1, 0.04, 0.2], np.float32)
    u = np.asarray(dual.shadow_price(jnp.array(z), share, 0.1, 1, 1e-5), np.float64)
    mean = 1 / (1 + np.exp((u[:, None] - z) / 0.1))
    good = [0, 1, 2, 4, 5]
    np.testing.assert_allclose(mean.mean(1)[good], share[good], atol=2e-5)
    assert u[3] == 0


def test_matching_of_rank_one():
    plan = plans.match(from_matrix(RANK_ONE), k=1, c=1, method="dual", key=KEY)
    np.testing.assert_array_equal(plan.toarray(), np.eye(3))
    assert plan.multiply(RANK_ONE).sum() == 14


def test_matching_by_prices_beats_greedy():
    matrix = 10 - RANK_ONE
    scores = from_matrix(matrix)
    plan = plans.match(scores, k=1, c=1, method="dual", key=KEY)
    np.testing.assert_array_equal(plan.toarray(), np.eye(3)[::-1])
    assert plan.multiply(matrix).sum() == 20
    assert plan.multiply(RANK_ONE).sum() == 10
    plan = plans.match(scores, k=1, c=1, method="greedy")
    assert plan.multiply(matrix).sum() == 16


@pytest.mark.parametrize("bound,c", [("upper", 3), ("lower", 2), ("both", (2, 6))])
@pytest.mark.parametrize("seed", range(4))
def test_matching_is_as_good_as_the_linear_programme(bound, c, seed):
    s = random_matrix(seed)
    low, high = {"upper": (0, 3), "lower": (2, 20), "both": (2, 6)}[bound]
    plan = plans.match(from_matrix(s), k=3, c=c, bound=bound, method="dual", key=KEY)
    best = optimum(s, 3, low, high)
    assert plan.multiply(s).sum() == pytest.approx(best, rel=1e-3)
    exposure = plan.sum(0)
    over = np.maximum(exposure - high, 0) + np.maximum(low - exposure, 0)
    assert over.mean() / 20 < 1 / 20
    assert plan.sum(1).max() <= 3


@pytest.mark.parametrize("method", ["greedy", "dual"])
def test_vectors_of_budgets_are_kept(method):
    s = random_matrix(1)
    rng = np.random.default_rng(0)
    k, c = rng.integers(0, 5, 20), rng.integers(0, 4, 15)
    plan = plans.match(from_matrix(s), k=k, c=c, method=method, key=KEY)
    assert (plan.sum(1) <= k).all() and (plan.sum(0) <= c).all()
    assert plan.sum() > 0.9 * min(k.sum(), c.sum())


def test_greedy_serves_at_least_what_is_asked():
    scores = from_matrix(random_matrix(2))
    plan = matching.greedy(scores, k=3, c=2, bound="lower")
    assert plan.sum(0).min() >= 2 and plan.sum(1).max() == 3
    assert plan.sum() == 60  # users are topped up
    plan = matching.greedy(scores, k=1, c=4, bound="lower")
    assert (plan.sum(0) == 4).all()  # items are topped up, beyond k of a user


def test_repair_meets_lower_bounds_by_exchanges():
    z = np.array([[3, 2, 0.5], [3, 1, 0.9], [3, 0, -1e10]])
    plan = matching.as_plan([[0], [0], [0]], 3)
    found = matching.repair(plan, z, np.array([1, 1, 1]))
    np.testing.assert_array_equal(found.toarray(), [[0, 1, 0], [0, 0, 1], [1, 0, 0]])
    scores = sample(1)
    options = {"k": 3, "c": 8, "bound": "lower", "method": "dual", "key": KEY}
    loose = plans.match(scores, **options)
    firm = plans.match(scores, **options, repair=True)
    assert firm.sum(0).min() >= 8 and (firm.sum(1) == 3).all()
    s = score.dense(scores)
    assert firm.multiply(s).sum() > 0.98 * loose.multiply(s).sum()


def test_top_k_is_the_best_of_every_user():
    s = random_matrix(3)
    k = np.arange(20) % 4
    plan = plans.match(from_matrix(s), k=k, c=1, method="topk").toarray()
    for row, scores, count in zip(plan, s, k, strict=True):
        assert set(np.flatnonzero(row)) == set(np.argsort(-scores)[:count])


@pytest.mark.parametrize("method", plans.METHODS)
def test_excluded_pairs_are_never_matched(method):
    seen = np.argsort(-random_matrix(4))[:, :6]  # the best ones
    scores = from_matrix(random_matrix(4), seen)
    prices = dual.online_prices(scores, k=4, c=6, key=KEY)
    plan = plans.match(scores, k=4, c=6, method=method, prices=prices, key=KEY)
    assert plan.sum() > 70
    assert np.take_along_axis(plan.toarray(), seen, axis=1).sum() == 0


def sample(seed, x=60, y=20):
    """User states of one population: same items."""
    items = np.random.default_rng(0).normal(size=(y, 3)).astype(np.float32)
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(x, 3)).astype(np.float32)
    rate = rng.exponential(size=x).astype(np.float32)
    zero = np.zeros(x, np.float32), np.zeros(y, np.float32)
    return score.check(score.Scores(rows, items, *zero, rate, "sigmoid"))


def test_prices_learned_from_others_serve_nearly_as_well():
    scores, valid = sample(1), sample(2, x=240)
    s = score.dense(scores)
    prices = dual.online_prices(valid, k=3, c=9, users=60, key=KEY)
    assert (prices.v >= 0).all() and prices.beta[0] == 0.15
    online = plans.match(scores, k=3, c=9, method="online", prices=prices)
    offline = plans.match(scores, k=3, c=9, method="dual", key=KEY)
    assert offline.sum(0).max() <= 9
    over = np.maximum(online.sum(0) - 9, 0).sum() / online.sum()
    assert over < 0.15
    assert online.multiply(s).sum() == pytest.approx(offline.multiply(s).sum(), rel=0.1)


def test_users_are_served_one_by_one():
    scores = sample(1)
    prices = dual.online_prices(scores, k=3, c=9, key=KEY)
    together = dual.serve(scores, prices, 3).toarray()
    alone = []
    for i in (0, 7, 9):
        rows, bias, rate = (x[[i]] for x in (scores.rows, scores.row_bias, scores.rate))
        one = scores._replace(rows=rows, row_bias=bias, rate=rate)
        alone.append(dual.serve(one, prices, 3).toarray())
    np.testing.assert_array_equal(np.concatenate(alone), together[[0, 7, 9]])
    # s - v - u > 0, u by bisection at the last eps
    z = (score.dense(scores) - prices.v) / prices.scale
    share = jnp.full(60, 3 / 20)
    u = dual.shadow_price(jnp.array(z), share, prices.eps / prices.scale, 1, 1e-4)
    np.testing.assert_array_equal(together, z > np.asarray(u)[:, None])


def test_mini_batches_lead_to_similar_prices():
    scores = sample(1, x=200)
    whole = dual.online_prices(scores, k=3, c=30, key=KEY)
    parts = dual.online_prices(scores, k=3, c=30, key=KEY, batch=64)
    s = score.dense(scores)
    a, b = (dual.serve(scores, p, 3).multiply(s).sum() for p in (whole, parts))
    assert b == pytest.approx(a, rel=0.05)


def test_prices_follow_their_items():
    prices = dual.Prices(
        np.array([1, 2, 3.0]), 1e-10, 1.0, 0.1, np.full(3, 0.2), "upper"
    )
    moved = dual.align(prices, ["a", "b", "c"], ["c", "new", "a"])
    np.testing.assert_array_equal(moved.v, [3, 0, 1])
    np.testing.assert_array_equal(moved.beta, [0.2, 0, 0.2])
    with pytest.raises(errors.InputError, match="3 different items.*2 different"):
        dual.align(prices, ["a", "b", "b"], ["c"])
    with pytest.raises(
        errors.InputError, match="prices of the 15 items scored; found 3"
    ):
        dual.serve(from_matrix(random_matrix(0)), prices, 2)


@pytest.mark.parametrize("method", ["greedy", "dual", "online"])
def test_tradeoff_moves_exposure(method):
    scores, valid = sample(1), sample(2)
    counts = np.random.default_rng(0).poisson(score.dense(scores))
    found = plans.tradeoff(
        scores,
        sparse.csr_array(counts),
        (0, 0.9, 1, 6.7),
        k=2,
        c=6,
        method=method,
        valid=valid,
        key=KEY,
    )
    assert [row["multiplier"] for row in found] == [0, 0.9, 1, 6.7]
    spread = [row["item_perplexity"] for row in found]
    assert spread[0] < spread[1] <= spread[2] + 1
    users = [row["user_perplexity"] for row in found]
    assert users[3] < users[2]
    assert found[3]["precision"] > found[2]["precision"]


def test_closed_items_and_users_get_nothing():
    scores = sample(1)
    k, c = np.full(60, 3), np.full(20, 20)
    k[5], c[7] = 0, 0
    prices = dual.online_prices(scores, k=k, c=c, key=KEY)
    plan = dual.serve(scores, prices, k)
    assert prices.v[7] == np.inf and plan[:, [7]].sum() == 0 and plan[[5]].sum() == 0


@pytest.mark.parametrize(
    "change,message",
    [
        ({"k": 0}, "k above 0 and at most 15, the number of items; found 0"),
        ({"c": -1}, "c above 0 and at most 20, the number of users; found -1"),
        ({"c": 21}, "c above 0.*found 21"),
        ({"k": 16}, "k above 0.*found 16"),
        ({"k": np.full(20, np.nan)}, "found nan in place 0"),
        ({"c": np.ones(14)}, r"c as one number or 15 of them; found shape \[14\]"),
        ({"bound": "uper"}, "Unknown bound.*Did you mean 'upper'"),
        ({"method": "greddy"}, "Unknown method of matching.*'greedy'"),
        ({"method": "online"}, "needs prices"),
        ({"bound": "lower", "c": 5}, "budgets cannot be met.*75 assign.* 60. Lower c"),
        ({"bound": "both", "method": "dual"}, r"pair \(least, most\)"),
        ({"bound": "both", "c": (3, 2), "method": "dual"}, "at most the most; found 3"),
        ({"bound": "both", "c": (1, 2)}, "Unknown bound of greedy"),
    ],
)
def test_wrong_requests_are_refused(change, message):
    scores = from_matrix(random_matrix(0))
    with pytest.raises(errors.InputError, match=message):
        plans.match(scores, **({"k": 3, "c": 3} | change))


def test_wrong_scores_are_refused():
    scores = from_matrix(random_matrix(0))
    wrong = scores._replace(row_bias=np.where(np.arange(20) == 3, np.nan, 0))
    with pytest.raises(errors.InputError, match="row_bias.*nan in row 3"):
        plans.match(wrong, k=3, c=3)
    with pytest.raises(errors.InputError, match="row_bias.*nan in row 3"):
        dual.online_prices(wrong, k=3, c=3, key=KEY)
    everything = score.exclude(scores, np.tile(np.arange(15), (20, 1)))
    with pytest.raises(errors.InputError, match="all of them excluded"):
        dual.online_prices(everything, k=3, c=3, key=KEY)
    with pytest.raises(errors.InputError, match="needs the scores of a sample"):
        plans.tradeoff(scores, random_matrix(0), (0, 1), k=2, c=2, key=KEY)
    with pytest.raises(errors.InputError, match="multipliers of 0 or more; found -1"):
        plans.tradeoff(
            scores, random_matrix(0), (-1,), k=2, c=2, method="dual", key=KEY
        )
