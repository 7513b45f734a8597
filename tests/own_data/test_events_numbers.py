"""Public functions of recurrent intensity compute in floating point, whatever they get."""

import jax
import numpy as np
import pytest

from iclr22 import data, errors
from iclr22 import recurrent_intensity as rim
from iclr22.recurrent_intensity import metrics, scores
from iclr22.recurrent_intensity.counts import check_counts

RNG = np.random.default_rng(0)
ROWS, COLUMNS = RNG.integers(1, 90, (12, 3)), RNG.integers(1, 90, (7, 3))
RATE = RNG.integers(1, 200, 12)
KINDS = [
    pytest.param(lambda x: x.astype(np.uint8), id="uint8"),
    pytest.param(lambda x: x.astype(np.int16), id="int16"),
    pytest.param(lambda x: x.astype(np.float16), id="float16"),
    pytest.param(lambda x: x.tolist(), id="list"),
    pytest.param(lambda x: jax.numpy.asarray(x, "bfloat16").astype("uint8"), id="jax"),
]


def made(kind=lambda x: x.astype(np.float32)):
    zero = np.zeros(12), np.zeros(7)
    parts = (ROWS, COLUMNS, *zero, RATE)
    return scores.Scores(*map(kind, parts), link="identity")


def plan_of(found):
    return rim.match(found, k=2, c=4, method="greedy").toarray()


@pytest.mark.parametrize("kind", KINDS)
def test_scores_are_computed_in_floating_point(kind):
    expected, found = made(), made(kind)
    np.testing.assert_allclose(scores.dense(found), scores.dense(expected), rtol=1e-2)
    for best in (rim.top_items, rim.top_users):
        values, places = best(found, 3)
        np.testing.assert_allclose(values, best(expected, 3)[0], rtol=1e-2)
        assert np.asarray(places).min() >= 0
    for ours, theirs in zip(
        scores.expected(found), scores.expected(expected), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, rtol=1e-2)
    twice = scores.with_rate(found, kind(RATE))
    theirs = scores.dense(scores.with_rate(expected, RATE))
    np.testing.assert_allclose(scores.dense(twice), theirs, rtol=2e-2)


@pytest.mark.parametrize("kind", KINDS[:2] + KINDS[3:])
def test_plans_and_prices_are_those_of_floating_point(kind):
    np.testing.assert_array_equal(plan_of(made(kind)), plan_of(made()))
    key = jax.random.key(0)
    ours, theirs = (
        rim.online_prices(x, k=1, c=np.full(7, 2, np.uint8), key=key)
        for x in (made(kind), made())
    )
    np.testing.assert_allclose(ours.v, theirs.v, rtol=1e-5)


def test_counts_and_times_of_any_type():
    counts = RNG.integers(0, 200, (9, 5)).astype(np.uint8)
    plan = np.ones_like(counts)
    ours, theirs = (
        metrics.plan_metrics(plan.astype(t), counts.astype(t)) for t in ("u1", "f8")
    )
    assert ours == theirs
    assert metrics.perplexity([1, 3]) == metrics.perplexity(np.array([1, 3], np.uint8))
    times = np.array([0, 5, 9, 200], np.uint8)
    ours, theirs = (
        rim.hawkes_features(x, [0, 4], [250], 5) for x in (times, times.astype(float))
    )
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("kind", KINDS)
def test_counts_of_factorisations_may_be_of_any_type(kind):
    dense = RNG.integers(0, 3, (9, 5)) * 60
    found, expected = (check_counts(x) for x in (kind(dense), dense.astype(float)))
    np.testing.assert_allclose(found.toarray(), expected.toarray())
    assert found.dtype == np.float32


def test_logs_from_columns_of_any_type():
    plain = data.sort_events([2, 1, 1], [1, 0, 3], [86400.0, 0.0, 9.5])
    dates = np.array(["1970-01-02", "1970-01-01", "1970-01-01T00:00:09.5"], "M8[ns]")
    for users, times in (
        ([2.0, 1.0, 1.0], dates),
        (np.array(["2", "1", "1"], object), [86400, 0, 9.5]),
        (np.array([2, 1, 1], np.uint8), np.array([86400, 0, 9.5], np.float32)),
    ):
        found = data.sort_events(users, [1, 0, 3], times)
        np.testing.assert_array_equal(found.time, plain.time)
        assert found.user_names.tolist() == ["1", "2"]


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        (([1.5, 2], [0, 0], [0, 1]), "expected whole numbers; found 1.5"),
        (([np.nan, 2], [0, 0], [0, 1]), "users and items holds 1 non-finite"),
        ((["a", None], [0, 0], [0, 1]), "event 1: expected a user and an item"),
        ((["a", "b"], [0, 0], ["x", "y"]), "times: expected real numbers; found text"),
        ((["a"], [0], np.array(["NaT"], "M8[s]")), "event 0: expected a finite time"),
    ],
)
def test_columns_that_are_no_log_are_explained(columns, words):
    with pytest.raises(errors.InputError, match=words):
        data.sort_events(*columns)


def test_users_of_requests_are_whole_numbers():
    log = data.sort_events([0, 1], [0, 1], [0.0, 1.0])
    assert rim.make_requests(log, [1.0], 5, 1).user.tolist() == [1]
    with pytest.raises(errors.InputError, match="users: expected whole numbers"):
        rim.make_requests(log, [0.5], 5.0, 1.0)
    with pytest.raises(errors.InputError, match="times: expected real numbers"):
        rim.make_requests(log, [0], "now", 1.0)
