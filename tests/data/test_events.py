"""Logs of events: readers, order, the user's own, the simulator and what it knows."""

import zipfile

import numpy as np
import pytest

from iclr22 import data, errors
from iclr22.data import checks, events
from iclr22.data.events import published, times
from iclr22.data.events import simulated as simulated_events
from iclr22.recurrent_intensity import requests

DAY = simulated_events.DAY
RATINGS = [(2, 10, 3, 50), (1, 30, 4, 70), (1, 10, 5, 60), (12, 7, 1, 5)]
TEXTS = {
    "u.data": "".join("\t".join(map(str, row)) + "\n" for row in RATINGS),
    "ratings.dat": "".join("::".join(map(str, row)) + "\n" for row in RATINGS),
    "ratings.csv": "userId,movieId,rating,timestamp\n"
    + "".join(",".join(map(str, row)) + "\n" for row in RATINGS),
}


def write(folder, name, text):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def simulated():
    return simulated_events.simulate_events(np.random.default_rng(5), 400, 50)


# Order


def test_events_are_sorted_by_user_and_time_with_names_in_order():
    found = events.sort_events(["b", "a", "b"], ["y", "y", "x"], [5, 9, 4])
    np.testing.assert_array_equal(found.user, [0, 1, 1])
    np.testing.assert_array_equal(found.item, [1, 0, 1])
    np.testing.assert_array_equal(found.time, [9, 4, 5])
    assert found.user_names.tolist() == ["a", "b"]
    assert found.user.dtype == found.item.dtype == np.int32
    names = events.sort_events(["10", "9", "2"], [10, 9, 2], [0, 0, 0])
    assert names.user_names.tolist() == names.item_names.tolist() == (["2", "9", "10"])


def test_simultaneous_events_are_shuffled_by_the_seed_or_keep_their_order():
    n = 50
    users, items, times = np.zeros(n, int), np.arange(n), np.zeros(n)
    kept = events.sort_events(users, items, times, seed=None)
    np.testing.assert_array_equal(kept.item, items)
    # pandas' sample(frac=1, random_state=3) draws without replacement like this
    drawn = np.random.RandomState(3).choice(n, size=n, replace=False)
    shuffled = events.sort_events(users, items, times, seed=3)
    np.testing.assert_array_equal(shuffled.item, drawn)


def test_second_half_keeps_ranks_from_half_the_count_on():
    users = [1] * 5 + [2] * 4 + [3]
    times = [*range(5), *range(4), 8]
    log = events.sort_events(users, np.arange(10), times)
    found = events.second_half(log)
    np.testing.assert_array_equal(found.time, [2, 3, 4, 1, 2, 3, 8])
    assert found.item_names.tolist() == list("2346789")


def test_describe_counts_ties_repeats_and_duplicates():
    log = events.sort_events([1, 1, 1, 1, 2], [5, 5, 6, 5, 5], [0, 0, 0, 9, 9])
    assert events.describe(log) == {
        "users": 2,
        "items": 2,
        "events": 5,
        "tie_rate": 0.6,
        "repeat_rate": pytest.approx(0.4),
        "duplicates": 1,
        "span": 9.0,
    }


def test_ranges_and_chunks_by_hand():
    row, place = events.ranges(np.array([3, 9, 0]), np.array([5, 9, 1]))
    np.testing.assert_array_equal(row, [0, 0, 2])
    np.testing.assert_array_equal(place, [3, 4, 0])
    assert events.chunks([2, 2, 9, 1, 0], 4) == [slice(0, 2), slice(2, 3), slice(3, 5)]
    assert events.chunks([]) == []


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (([], [], []), "at least one; found 0"),
        (([1, 2], [1, 2], [0.0]), "as many users, items and times"),
        (([1, 2], [1, 2], [0.0, np.nan]), "event 1: expected a finite time; found nan"),
    ],
)
def test_columns_that_are_no_log_are_refused(columns, message):
    with pytest.raises(errors.InputError, match=message):
        events.sort_events(*columns)


# MovieLens and Yoochoose


@pytest.mark.parametrize("name", TEXTS)
def test_movielens_tables_are_read_from_file_folder_and_archive(tmp_path, name):
    path = write(tmp_path, name, TEXTS[name])
    with zipfile.ZipFile(tmp_path / "any.zip", "w") as archive:
        archive.write(path, f"ml/{name}")
    for source in (path, tmp_path, tmp_path / "any.zip"):
        found = data.read_ratings(source)
        np.testing.assert_array_equal(found.user, [0, 0, 1, 2])
        np.testing.assert_array_equal(found.item, [1, 2, 1, 0])
        np.testing.assert_array_equal(found.time, [60, 70, 50, 5])
        assert found.user_names.tolist() == ["1", "2", "12"]
        assert found.item_names.tolist() == ["7", "10", "30"]


@pytest.mark.parametrize(
    ("name", "line", "number"),
    [
        ("u.data", "1\t2\t3\n", 5),
        ("ratings.dat", "1::two::3::4\n", 5),
        ("ratings.csv", "1,2,3,nan\n", 6),
    ],
)
def test_ratings_that_cannot_be_read_are_named_by_line(tmp_path, name, line, number):
    path = write(tmp_path, name, TEXTS[name] + line + TEXTS[name])
    with pytest.raises(errors.InputError, match=f"{name}, line {number}: expected"):
        data.read_ratings(path)


def test_missing_or_empty_ratings_are_refused(tmp_path):
    with pytest.raises(errors.InputError, match=r"one of u\.data, ratings\.dat"):
        data.read_ratings(tmp_path)
    write(tmp_path, "u.data", "\n")
    with pytest.raises(errors.InputError, match="a line for every event; found none"):
        data.read_ratings(tmp_path)


def test_unpacked_movielens_serves_and_a_wrong_count_is_said(tmp_path, caplog):
    (tmp_path / "ml-1m").mkdir()
    write(tmp_path / "ml-1m", "ratings.dat", TEXTS["ratings.dat"])
    with caplog.at_level("WARNING"):
        found = data.get("ml1m").load(tmp_path)
    assert len(found.user) == 4 and "4 events; the published one 1000209" in caplog.text


CLICKS = """1,2014-04-07T10:51:09.277Z,11,0
1,2014-04-07T10:54:09.868Z,12,0
2,2014-04-07T13:56:37.614Z,11,S
2,2014-04-07T13:57:00.000Z,11,0
2,2014-04-07T13:58:00.000Z,12,0
3,2014-04-08T00:00:00.000Z,13,0
"""


def test_yoochoose_keeps_first_events_of_frequent_sessions_and_items(tmp_path):
    write(tmp_path, "yoochoose-clicks.dat", CLICKS)
    write(tmp_path, "yoochoose-buys.dat", "1,2014-04-07T11:00:00.000Z,13,9,1\n")
    found = data.read_yoochoose(tmp_path, share=1, least_user=2, least_item=2)
    assert found.user_names.tolist() == ["1", "2"]
    assert found.item_names.tolist() == ["11", "12", "13"]
    np.testing.assert_array_equal(found.item, [0, 1, 2, 0, 1])
    assert found.time[0] == 1396867869.277
    assert found.time[3] == np.datetime64("2014-04-07T13:56:37.614").astype(int) / 1000
    (tmp_path / "yoochoose").mkdir()
    with pytest.raises(errors.InputError, match="expected this file; found none"):
        data.read_yoochoose(tmp_path / "yoochoose")


def test_yoochoose_draws_a_share_of_sessions(tmp_path):
    lines = [f"{i},2014-04-07T10:51:09.277Z,1,0\n" for i in range(100)]
    write(tmp_path, "yoochoose-clicks.dat", "".join(lines))
    found = data.read_yoochoose(tmp_path, least_user=1, least_item=1)
    drawn = np.random.RandomState(10).choice(100, 10, replace=False)
    assert found.user_names.tolist() == [str(i) for i in np.sort(drawn)]


@pytest.mark.parametrize("date", ["2014-04-99T10:51:09.277Z", "soon", ""])
def test_yoochoose_dates_that_are_none_are_named_by_line(tmp_path, date):
    write(tmp_path, "yoochoose-clicks.dat", CLICKS + f"4,{date},13,0\n")
    with pytest.raises(errors.InputError, match=r"line 7: .* a date such as"):
        data.read_yoochoose(tmp_path, share=1)


def test_yoochoose_that_is_not_here_says_where_to_put_it(tmp_path):
    with pytest.raises(errors.InputError, match="there or in its folder yoochoose"):
        data.get("yoochoose").load(tmp_path)


@pytest.mark.parametrize(
    ("name", "users", "items"), [("ml100k", 943, 1682), ("ml_latest_small", 610, 9724)]
)
def test_movielens_copies_are_the_published_logs(shared, name, users, items):
    found = data.get(name).load(shared / "data")
    told = events.describe(found)
    assert (told["users"], told["items"]) == (users, items)
    assert told["events"] == published.PUBLISHED[name].count
    assert told["repeat_rate"] == told["duplicates"] == 0


# The user's own


def test_own_events_of_numbers_in_any_order_with_duplicates(tmp_path, caplog):
    text = "note,user, item,timestamp\n,b,10,3\n,a,9,2.5\n,b,10,1\n,b,10,3\n"
    path = write(tmp_path, "events.csv", text)
    with caplog.at_level("INFO", logger="absl"):
        found = data.load_own_events(path)
    np.testing.assert_array_equal(found.time, [2.5, 1, 3, 3])
    assert found.user_names.tolist() == ["a", "b"]
    assert found.item_names.tolist() == ["9", "10"]
    assert "1 were not in order of time" in caplog.text
    assert "1 are duplicates" in caplog.text
    np.testing.assert_array_equal(
        data.load_own_events(path, unit="d").time, DAY * found.time
    )


def test_own_events_of_dates_are_seconds_in_utc(tmp_path):
    dates = ["1970-01-02", "1970-01-02T01:00:00Z", "1970-01-02 02:00:00.5+02:00"]
    rows = "".join(f"u,i,{date}\n" for date in dates)
    found = data.load_own_events(
        write(tmp_path, "e.csv", f"user,item,timestamp\n{rows}")
    )
    np.testing.assert_array_equal(found.time, [DAY, DAY + 0.5, DAY + 3600])


def test_own_events_are_the_same_for_any_size_of_block(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    rows = "".join(f"u{a},i{b},{b}\n" for a, b in rng.integers(0, 9, (50, 2)))
    path = write(tmp_path, "e.csv", "user,item,timestamp\n" + rows)
    whole = data.load_own_events(path)
    monkeypatch.setattr(checks, "ROWS", 7)
    for one, other in zip(whole[:5], data.load_own_events(path)[:5], strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "user,item,time\na,b,1\n",
            "line 1: expected a header with the column timestamp",
        ),
        ("user,item,timestamp\n", "expected a row for every event"),
        ("user,item,timestamp\na,b,1\n ,b,1\n", "line 3, column user: .* empty cell"),
        ("user,item,timestamp\na,b,1\na,,1\n", "line 3, column item: .* empty cell"),
        (
            "user,item,timestamp\na,b,1\n\na,b,nan\n",
            "line 4, column timestamp: .* 'nan'",
        ),
        ("user,item,timestamp\na,b,1\na,b,\n", "line 3, column timestamp: .* found ''"),
        ("user,item,timestamp\na,b,1\na,b,2024-05-01\n", "line 3, .* a finite number"),
        ("user,item,timestamp\na,b,2024-05-01\na,b,17\n", "line 3, .* a date such as"),
        ("user,item,timestamp\na,b,1\na,b\n", "line 3: expected 3 cells"),
    ],
)
def test_own_events_that_cannot_be_read_are_refused(tmp_path, text, message):
    with pytest.raises(errors.InputError, match=message):
        data.load_own_events(write(tmp_path, "e.csv", text))


def test_own_events_missing_or_in_an_unknown_unit_are_refused(tmp_path, caplog):
    with pytest.raises(
        errors.InputError, match="columns user, item, timestamp; found none there"
    ):
        data.load_own_events(tmp_path / "none.csv")
    path = write(tmp_path, "e.csv", "user,item,timestamp\na,b,1700000000000\n")
    with pytest.raises(errors.InputError, match="Unknown unit of timestamps 'sec'"):
        data.load_own_events(path, unit="sec")
    data.load_own_events(path)
    assert "look like milliseconds" in caplog.text
    assert data.load_own_events(path, unit="ms").time[0] == 1.7e9


# The simulator


def at(log, time):
    users = np.arange(len(log.user_names))
    return requests.make_requests(log, users, time, 1.0)


def test_simulated_log_repeats_and_is_sorted(simulated):
    again = simulated_events.simulate_events(np.random.default_rng(5), 400, 50)
    np.testing.assert_array_equal(simulated.time, again.time)
    assert (np.diff(simulated.user) >= 0).all()
    inside = np.diff(simulated.user) == 0
    assert (np.diff(simulated.time)[inside] >= 0).all()
    assert len(simulated.truth.base) == len(simulated.user_names)
    assert simulated.item.max() < len(simulated.item_names) == 50
    assert (np.bincount(simulated.user) > 0).all()


def test_items_do_not_depend_on_how_many_users_are_drawn_at_once(
    simulated, monkeypatch
):
    monkeypatch.setattr(simulated_events, "CELLS", 7 * 50)
    again = simulated_events.simulate_events(np.random.default_rng(5), 400, 50)
    np.testing.assert_array_equal(simulated.item, again.item)


def test_activity_of_one_kernel_equals_its_formula(simulated):
    weight, decay, horizon = 0.6, 2 / DAY, 3 * DAY
    truth = simulated.truth._replace(weight=np.array([weight]), decay=np.array([decay]))
    log = simulated._replace(truth=truth)
    given = at(log, 100 * DAY)
    age = 100 * DAY - log.time
    force = np.where(age > 0, weight * decay * np.exp(-decay * age.clip(0)), 0)
    z = np.bincount(log.user, force, len(truth.base))
    rate = decay * (1 - weight)
    faded = (1 - np.exp(-rate * horizon)) / rate
    base = truth.base
    expected = (
        base * horizon + z * faded + base * weight / (1 - weight) * (horizon - faded)
    )
    found = simulated_events.true_activity(log, given, horizon)
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_activity_is_the_mean_of_what_happens(simulated):
    """Counts of many continuations: the sum over users and times within 4 deviations."""
    horizon, excess, total = 7 * DAY, 0.0, 0.0
    for day in range(30, 170, 7):
        given = requests.make_requests(
            simulated, np.arange(len(simulated.user_names)), day * DAY, horizon
        )
        mean = simulated_events.true_activity(simulated, given, horizon)
        count = given.targets.sum(axis=1)
        excess += (count - mean).sum()
        total += ((count - mean) ** 2).sum()
        if day == 30:
            assert np.corrcoef(mean, count)[0, 1] > 0.5
    assert abs(excess) < 4 * np.sqrt(total)


def test_bursts_excite_and_base_rates_spread(simulated):
    base = simulated.truth.base
    assert 50 < base.max() / base.min() < 100
    gaps = np.diff(simulated.time)[np.diff(simulated.user) == 0]
    assert gaps.std() > 1.5 * gaps.mean()  # 1 in a Poisson process of one rate


def test_items_follow_the_true_taste(simulated):
    given = at(simulated, np.inf)
    rows, columns, bias = simulated_events.true_taste(simulated, given)
    logits = rows @ columns.T + bias
    log_p = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    mean = (np.exp(log_p) * log_p).sum(1)
    deviation = np.sqrt((np.exp(log_p) * log_p**2).sum(1) - mean**2)
    drawn = log_p[simulated.user, simulated.item]
    error = (drawn - mean[simulated.user]).sum()
    assert abs(error) < 4 * np.sqrt((deviation[simulated.user] ** 2).sum())
    count = np.bincount(simulated.item, minlength=50)
    popular = (np.log(count / count.sum() + 1e-9))[simulated.item]
    assert drawn.mean() > popular.mean() + 0.3  # taste tells more than popularity


def test_bundled_log_has_the_size_it_is_said_to_have():
    told = events.describe(data.get("simulated").load(None))
    assert 900 <= told["users"] <= 1100 and told["items"] <= 300
    assert 40_000 <= told["events"] <= 60_000
    assert told["span"] < 182 * DAY and told["repeat_rate"] > 0.1


def test_truth_is_only_known_of_whole_simulated_logs(simulated):
    thinned = events.select_events(simulated, simulated.time > DAY)
    with pytest.raises(errors.InputError, match="expected a simulated log"):
        simulated_events.true_activity(thinned, at(thinned, DAY), DAY)
    with pytest.raises(errors.InputError, match="events to keep; found none"):
        events.select_events(simulated, simulated.time < 0)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"kernels": ((1.0, 1.0),)}, "below 1 in sum"),
        ({"kernels": ((0.5, 0.0),)}, "decays above 0"),
        ({"users": 0}, "1 user and 2 items or more"),
        ({"span": 0.0}, "a span and a mean number"),
        ({"mean_events": 1e-9}, "none were drawn"),
    ],
)
def test_numbers_that_give_no_process_are_refused(fields, message):
    with pytest.raises(errors.InputError, match=message):
        simulated_events.simulate_events(np.random.default_rng(0), **fields)


def test_own_unit_names_are_those_of_horizons():
    finer = {"ms": 1e-3, "us": 1e-6, "ns": 1e-9}
    assert times.UNITS.items() - requests.UNITS.items() == finer.items()
