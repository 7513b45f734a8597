"""Scores in blocks, and the best of them."""

import jax
import numpy as np
import pytest
from score_helpers import from_matrix

from iclr22 import errors
from iclr22.recurrent_intensity import ranking
from iclr22.recurrent_intensity import scores as score
from iclr22.recurrent_intensity.scores import Scores


def make(x=23, y=11, d=3, link="exp", seed=0, seen=None):
    rng = np.random.default_rng(seed)

    def draw(*shape):
        return rng.normal(size=shape).astype(np.float32)

    rate = rng.exponential(size=x).astype(np.float32)
    return Scores(draw(x, d), draw(y, d), draw(x), draw(y), rate, link, seen)


def formula(scores):
    """All scores in NumPy, float64."""
    links = {
        "exp": np.exp,
        "softplus": lambda z: np.logaddexp(0, z),
        "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
        "identity": lambda z: z,
    }
    rows, columns, row_bias, column_bias, rate = (
        np.asarray(part, np.float64) for part in scores[:5]
    )
    z = rows @ columns.T + row_bias[:, None] + column_bias
    return rate[:, None] * links[scores.link](z)


@pytest.fixture
def blocks_of_four(monkeypatch):
    monkeypatch.setattr(score, "BLOCK", 44)


@pytest.mark.parametrize("link", score.LINKS)
def test_dense_is_the_formula(link, blocks_of_four):
    scores = make(link=link)
    np.testing.assert_allclose(
        score.dense(scores), formula(scores), rtol=2e-5, atol=1e-6
    )


@pytest.mark.parametrize("link", score.LINKS)
def test_unknown_item_scores_zero(link):
    scores = make(link=link)
    bias = np.where(np.arange(11) == 4, -np.inf, scores.column_bias)
    found = score.dense(scores._replace(column_bias=bias.astype(np.float32)))
    assert (found[:, 4] == 0).all() and (found[:, 3] != 0).all()


def test_block_past_the_end_is_excluded():
    scores = make()
    found = np.asarray(jax.jit(score.block, static_argnums=2)(scores, 20, 5))
    np.testing.assert_allclose(found[:3], formula(scores)[20:], rtol=2e-5)
    assert (found[3:] == score.EXCLUDED).all()


def test_dense_of_many_pairs_is_refused():
    with pytest.raises(
        errors.InputError, match="at most 100 pairs.*23 x 11.*top_items"
    ):
        score.dense(make(), limit=100)


def test_tops_are_those_of_a_sort(blocks_of_four):
    scores = make()
    s = formula(scores)
    values, columns = ranking.top_items(scores, 4)
    np.testing.assert_array_equal(columns, np.argsort(-s, axis=1)[:, :4])
    np.testing.assert_allclose(values, -np.sort(-s, axis=1)[:, :4], rtol=2e-5)
    values, rows = ranking.top_users(scores, 6)
    np.testing.assert_array_equal(rows, np.argsort(-s, axis=0)[:6].T)
    np.testing.assert_allclose(values, -np.sort(-s, axis=0)[:6].T, rtol=2e-5)


def test_noise_leaves_distinct_scores_and_splits_ties(blocks_of_four):
    scores = make()
    key = jax.random.key(3)
    for top in (ranking.top_items, ranking.top_users):
        np.testing.assert_array_equal(top(scores, 5)[1], top(scores, 5, key=key)[1])
    same = from_matrix(np.full((40, 40), 7.0))
    assert (ranking.top_items(same, 1)[1] == 0).all()
    _, columns = ranking.top_items(same, 1, key=key)
    assert len(np.unique(columns)) > 15  # 25 expected of 40 draws
    _, rows = ranking.top_users(same, 1, key=key)
    assert len(np.unique(rows)) > 15
    np.testing.assert_array_equal(columns, ranking.top_items(same, 1, key=key)[1])


def test_rate_leaves_rows_as_they_rank():
    scores = make()
    rate = np.random.default_rng(1).exponential(size=23)
    product = score.with_rate(scores, rate)
    np.testing.assert_array_equal(
        ranking.top_items(scores, 11)[1], ranking.top_items(product, 11)[1]
    )
    np.testing.assert_allclose(
        score.dense(product), rate[:, None] * score.dense(scores), rtol=1e-5
    )


def test_users_of_equal_taste_rank_by_rate():
    rate = np.random.default_rng(1).exponential(size=23)
    plain = make()
    equal = plain._replace(
        rows=np.zeros_like(plain.rows),
        row_bias=np.zeros_like(plain.row_bias),
        rate=np.ones_like(plain.rate),
    )
    _, rows = ranking.top_users(score.with_rate(equal, rate), 23)
    assert (rows == np.argsort(-rate)).all()


def test_excluded_pairs_are_never_chosen(blocks_of_four):
    seen = np.array([[0, 1, 0], [2, -1, -1], *[[-1, -1, -1]] * 21])
    scores = score.exclude(make(), seen)
    scores = score.exclude(scores, np.where(np.arange(23)[:, None] == 0, 5, -1))
    s = score.dense(scores)
    off = np.argwhere(s == score.EXCLUDED).tolist()
    assert off == [[0, 0], [0, 1], [0, 5], [1, 2]]
    _, columns = ranking.top_items(scores, 11)
    assert (columns[0] == -1).sum() == 3 and (columns[0, 8:] == -1).all()
    assert set(columns[0, :8]) == {2, 3, 4, 6, 7, 8, 9, 10}
    _, rows = ranking.top_users(scores, 23)
    assert rows[5, -1] == -1 and 0 not in rows[5]
    use = s > score.EXCLUDED / 2
    assert score.maximum(scores) == s[use].max()
    by_user, by_item = score.expected(scores)
    np.testing.assert_allclose(by_user, np.where(use, s, 0).sum(1), rtol=1e-5)
    np.testing.assert_allclose(by_item, np.where(use, s, 0).sum(0), rtol=1e-5)


def test_taking_columns_keeps_exclusions():
    seen = np.full((23, 2), -1)
    seen[3], seen[4, 0] = (0, 7), 10
    scores = score.exclude(make(), seen)
    s = score.dense(scores)
    taken = score.dense(score.take_columns(scores, [7, -1, 10, 2]))
    np.testing.assert_array_equal(taken[:, [0, 2, 3]], s[:, [7, 10, 2]])
    assert (taken[:, 1] == 0).all()


def test_wrong_scores_name_what_is_wrong():
    scores = make()
    row = np.where(np.arange(23) == 5, np.nan, scores.rate)
    with pytest.raises(errors.InputError, match="scores.rate.*found nan in row 5"):
        score.check(scores._replace(rate=row))
    with pytest.raises(errors.InputError, match="at least 0; found -1.0 in row 0"):
        score.with_rate(scores, np.full(23, -1.0))
    with pytest.raises(errors.InputError, match=r"rate of shape \[23\]"):
        score.with_rate(scores, np.ones(22))
    with pytest.raises(errors.InputError, match="Did you mean 'softplus'"):
        score.check(scores._replace(link="softplsu"))
    with pytest.raises(
        errors.InputError, match="-1 .padding. to 10; found 11 in row 2"
    ):
        score.exclude(scores, np.where(np.arange(23)[:, None] == 2, 11, -1))
    with pytest.raises(errors.InputError, match="k of 1 to 11.*found 12"):
        ranking.top_items(scores, 12)
    with pytest.raises(errors.InputError, match="c of 1 to 23.*found 0"):
        ranking.top_users(scores, 0)
