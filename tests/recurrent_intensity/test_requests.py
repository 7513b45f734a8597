"""Requests and splits: the worked example, the recipes of the paper, brute force."""

import numpy as np
import pytest

from iclr22 import data, errors
from iclr22.data import events
from iclr22.recurrent_intensity import requests, splits

INF = float("inf")


@pytest.fixture
def tiny():
    users, items = ["u1", "u2", "u3", "u3"], ["i1", "i2", "i3", "i4"]
    return events.sort_events(users, items, [3, 5, 7, 9])


@pytest.fixture
def log():
    rng = np.random.default_rng(0)
    times = rng.integers(0, 30, 200)  # many ties
    return events.sort_events(rng.integers(0, 9, 200), rng.integers(0, 12, 200), times)


def test_worked_example_of_requests(tiny):
    asked = [2, 1, 0, 1], [9, 0, INF, 6]
    split = splits.make_split(tiny, 100, asked, ([2], [7.5]))
    assert split.test.user.tolist() == [2, 1] and split.test.time.tolist() == [9, 6]
    assert tiny.item_names[split.test_items].tolist() == ["i1", "i3"]
    assert split.train.user.tolist() == [2, 1, 0]
    assert split.train.time.tolist() == [9, 0, INF]
    np.testing.assert_array_equal(split.train.stop - split.train.start, [1, 0, 1])
    # i4 at 9 is a target of u3, but nobody trains on it
    np.testing.assert_array_equal(split.test.targets.toarray()[0], [0, 0, 0, 1])
    assert split.test_targets.shape == (2, 2) and split.test_targets.nnz == 0
    assert split.valid.user.tolist() == [2] and split.valid_items.tolist() == [2]


def test_users_train_on_what_is_before_their_earliest_request(tiny):
    split = splits.make_split(tiny, 1, ([2, 2], [9.5, 8]), ([2], [8]))
    assert split.train.time.tolist() == [8]
    assert split.test.time.tolist() == [9.5, 8]


@pytest.mark.parametrize(
    ("name", "test", "counts", "horizon", "valid", "valid_events"),
    [
        ("ml100k", (471, 1556), (2751, 40393), 1130, (472, 1301), 3554),
        ("ml_latest_small", (305, 7118), (1401, 35781), 1757.5, (305, 3570), 897),
    ],
)
def test_movielens_recipe_gives_the_known_counts(
    shared, name, test, counts, horizon, valid, valid_events
):
    found = events.second_half(data.get(name).load(shared / "data"))
    split = splits.user_split(found)
    trained = int((split.train.stop - split.train.start).sum())
    assert split.test_targets.shape == test
    assert (split.test_targets.sum(), trained) == counts
    assert split.horizon == horizon
    assert split.valid_targets.shape == valid
    assert split.valid_targets.sum() == valid_events
    assert len(split.extra) == 1 and not set(split.test.user) & set(split.valid.user)


def test_requests_equal_brute_force(log):
    rng = np.random.default_rng(1)
    users, times = rng.integers(0, 9, 40), rng.integers(-1, 32, 40).astype(float)
    times[:3] = INF
    found = requests.make_requests(log, users, times, 4.0)
    for x, (user, time) in enumerate(zip(users, times, strict=True)):
        mine = log.user == user
        before = np.flatnonzero(mine & (log.time < time))
        within = mine & (log.time >= time) & (log.time < time + 4)
        np.testing.assert_array_equal(np.arange(found.start[x], found.stop[x]), before)
        expected = np.bincount(log.item[within], minlength=12)
        np.testing.assert_array_equal(found.targets.toarray()[x], expected)
    assert found.targets.dtype == np.float32 and found.targets.has_sorted_indices
    assert found.user.dtype == np.int32 and found.start.dtype == np.int64


def test_user_split_by_brute_force(log):
    split = splits.user_split(log, seed=2)
    first = np.array([log.time[log.user == u].min() for u in range(9)])
    last = np.array([log.time[log.user == u].max() for u in range(9)])
    span = np.median(last - first)
    train = np.random.RandomState(890).choice(9, 4, replace=False)
    assert split.horizon == span
    expected = np.where(np.isin(np.arange(9), train), INF, first + span)
    np.testing.assert_array_equal(split.train.time, expected)
    assert sorted(split.valid.user) == sorted(train)
    (extra,) = split.extra
    np.testing.assert_array_equal(extra.time, (first + span / 2)[extra.user])
    within = log.time >= (first + span / 2)[log.user]
    within &= log.time < (first + span)[log.user]
    assert extra.targets.sum() == within[np.isin(log.user, extra.user)].sum()
    assert splits.user_split(log, extra=0).extra == ()


def test_temporal_split_tests_the_last_horizon(log):
    split = splits.temporal_split(log, horizon=5.0, extra=2)
    assert set(split.test.time) == {24.0 + np.spacing(29.0)}
    assert split.test.targets.sum() == (log.time > 24).sum()
    assert set(split.valid.time) == {split.test.time[0] - 5}
    assert [x.time[0] for x in split.extra] == [
        split.test.time[0] - k for k in (10, 15)
    ]
    given = splits.temporal_split(log, 20.0, 5.0)
    assert given.test.targets.sum() == ((log.time >= 20) & (log.time < 25)).sum()
    assert splits.temporal_split(log).horizon == pytest.approx(2.9)


def test_least_numbers_of_events_filter_requests_and_items(log):
    split = splits.temporal_split(log, 6.0, 5.0, least_history=4, least_events=3)
    before = log.time < 6
    history = np.bincount(log.user[before], minlength=9)
    np.testing.assert_array_equal(split.test.user, np.flatnonzero(history >= 4))
    count = np.bincount(log.item[before], minlength=12)
    np.testing.assert_array_equal(split.test_items, np.flatnonzero(count >= 3))
    assert 0 < len(split.test.user) < 9 and 0 < len(split.test_items) < 12


def test_histories_hold_the_last_items_padded_on_the_right(log, monkeypatch):
    monkeypatch.setattr(requests, "ROWS", 2)
    given = requests.make_requests(log, [3, 0, 3, 5], [-1, INF, 10, 4], 1.0)
    tokens, lengths = requests.histories(log, given, 6)
    assert tokens.dtype == lengths.dtype == np.int32
    for x in range(4):
        items = log.item[given.start[x] : given.stop[x]][-6:] + 1
        assert lengths[x] == len(items)
        np.testing.assert_array_equal(tokens[x], np.pad(items, (0, 6 - len(items))))
    split = splits.temporal_split(log, 20.0, 5.0)
    assert requests.histories(log, split.test)[0].shape == (9, 256)


def test_seen_lists_columns_of_candidates_once(log, monkeypatch):
    monkeypatch.setattr(requests, "chunks", lambda s: events.chunks(s, 5))
    given = requests.make_requests(log, [3, 0, 3, 5], [-1, INF, 10, 4], 1.0)
    items = np.array([11, 2, 5, 3])
    table = requests.seen(given, log, items)
    sets = []
    for x in range(4):
        history = log.item[given.start[x] : given.stop[x]]
        sets.append([c for c, item in enumerate(items) if item in history])
    width = max(map(len, sets))
    assert table.dtype == np.int32 and table.shape == (4, width)
    assert table.tolist() == [s + [-1] * (width - len(s)) for s in sets]
    nothing = requests.seen(requests.select(given, [0]), log, items)
    assert nothing.tolist() == [[-1]]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7d", 604800),
        ("12h", 43200),
        (" 1.5 H ", 5400),
        ("90min", 5400),
        ("2w", 1209600),
        ("30s", 30),
        ("1e3", 1000),
        (86400.0, 86400),
    ],
)
def test_horizons_are_read_with_units(text, seconds):
    assert requests.parse_horizon(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "d", "7 days", "-1h", "0", "inf", "nan", "1.2.3s"]
)
def test_horizons_that_are_none_are_refused(text):
    with pytest.raises(errors.InputError, match="expected a horizon above 0"):
        requests.parse_horizon(text)


@pytest.mark.parametrize(
    ("users", "times", "horizon", "message"),
    [
        ([0], [1.0], 0.0, "expected a horizon above 0; found 0"),
        ([0], [1.0], np.nan, "expected a horizon above 0; found nan"),
        ([0, 1], [1.0, np.nan], 1.0, "request 1: expected a time; found NaN"),
        ([0, 3], [1.0, 1.0], 1.0, "request 1: expected the number of a user, 0 to 2"),
    ],
)
def test_wrong_requests_are_refused(tiny, users, times, horizon, message):
    with pytest.raises(errors.InputError, match=message):
        requests.make_requests(tiny, users, times, horizon)


def test_names_are_found_and_unknown_ones_refused(tiny):
    np.testing.assert_array_equal(requests.find_users(tiny, ["u3", "u1"]), [2, 0])
    np.testing.assert_array_equal(requests.find_items(tiny, ["i2"]), [1])
    with pytest.raises(errors.InputError, match="unknown user 'u9'"):
        requests.find_users(tiny, ["u9"])
    with pytest.raises(errors.InputError, match="unknown item 'i9'"):
        requests.find_items(tiny, ["i9"])


def test_splits_without_anything_to_test_are_refused(tiny):
    with pytest.raises(errors.InputError, match="events before and after the start"):
        splits.temporal_split(tiny, 3.0, 1.0)
    with pytest.raises(errors.InputError, match="events before and after the start"):
        splits.temporal_split(tiny, horizon=10.0)
    with pytest.raises(errors.InputError, match="a median span of 0"):
        splits.user_split(tiny)
    with pytest.raises(errors.InputError, match="found 0 requests, 1 items"):
        splits.make_split(tiny, 1, ([2, 0], [6, INF]), ([0], [4]), least_history=2)
    with pytest.raises(errors.InputError, match="extra of 0 or 1; found 2"):
        splits.user_split(tiny, extra=2)


def test_split_without_targets_says_so(tiny, caplog):
    splits.make_split(tiny, 0.5, ([1], [6.0]), ([1], [6.0]))
    assert "no test request has a target" in caplog.text


def test_joined_requests_keep_their_order(log):
    parts = [
        requests.make_requests(log, u, t, 9.0) for u, t in (([2, 0], 2.5), ([1], 0))
    ]
    found = requests.join(parts)
    np.testing.assert_array_equal(found.user, [2, 0, 1])
    np.testing.assert_array_equal(
        found.targets.toarray(), np.concatenate([x.targets.toarray() for x in parts])
    )
