"""Expected events of own logs are those that a horizon has, whatever its clock."""

import numpy as np
import pytest

from iclr22 import data
from iclr22 import recurrent_intensity as rim
from iclr22.recurrent_intensity import requests, scores

DAY, HOUR = 86400.0, 3600.0


def drawn(step=0.0, users=300, mean=20.0, **fields):
    """A generated log whose clock has this step."""
    rng = np.random.default_rng(4)
    log = data.simulate_events(
        rng, users=users, items=12, mean_events=mean, spread=10.0, **fields
    )
    times = np.floor(log.time / step) * step if step else log.time
    return data.sort_events(log.user_names[log.user], log.item, times)


def cohort():
    """Users who begin within a quarter and fade, by whole days, as in CDNOW."""
    rng = np.random.default_rng(0)
    user, time = [], []
    for number in range(800):
        rate = rng.gamma(0.6, 1 / 60)
        count = 1 + rng.poisson(rate * min(rng.exponential(300), 540))
        times = rng.integers(0, 85) + np.append(0, rng.integers(1, 460, count - 1))
        user += [number] * count
        time += (DAY * times).tolist()
    return data.sort_events(user, np.asarray(user) % 7, 8.5e8 + np.array(time))


def bursts():
    """Visits of many events within minutes, most users come once; seconds."""
    rng = np.random.default_rng(1)
    user, time = [], []
    for number in range(300):
        for visit in rng.uniform(0, 200 * DAY, 1 + rng.poisson(1.0)):
            n = 3 + rng.poisson(12)
            user += [number] * n
            time += np.round(visit + np.cumsum(rng.exponential(40, n))).tolist()
    return data.sort_events(user, np.asarray(user) % 9, time)


def assert_sane(log, horizon=None, *, ranked=True):
    split = rim.split_now(log, horizon)
    models = rim.train(split)
    realised = float(split.valid_targets.sum())
    assert realised > 20
    end, h = split.test.time[0], split.horizon
    largest = 0
    for k in range(int((end - log.time.min()) / h) + 1):
        within = (log.time >= end - (k + 1) * h) & (log.time < end - k * h)
        largest = max(largest, np.bincount(log.user[within], minlength=1).max())
    recent = requests.make_requests(log, split.test.user, end - h, h).targets.sum(1) > 0
    for variant in ("hawkes", "hp"):
        found = models.scores(variant, split.test, split.test_items)
        by_user, _ = scores.expected(found)
        assert 0.75 < by_user.sum() / realised < 1.25, variant
        assert by_user.max() <= 3 * largest
        assert by_user[recent].mean() > by_user[~recent].mean() >= 0
        # What came is found among the first by what was expected a horizon earlier.
        then = models.rate(variant, split.valid)
        came = np.asarray(split.valid_targets.sum(axis=1))
        best = np.argsort(-then, kind="stable")[: len(then) // 4]
        assert not ranked or came[best].mean() > came.mean()


@pytest.mark.parametrize(
    ("make", "horizon"),
    [
        pytest.param(lambda: drawn(), 14 * DAY, id="continuous"),
        pytest.param(lambda: drawn(), None, id="continuous, default horizon"),
        pytest.param(lambda: drawn(DAY), None, id="days, default horizon"),
        pytest.param(lambda: drawn(DAY), 10 * DAY, id="days"),
        pytest.param(lambda: drawn(DAY), 10.5 * DAY, id="days, horizon in half days"),
        pytest.param(lambda: drawn(HOUR), 7 * DAY, id="hours"),
        pytest.param(lambda: drawn(7 * DAY), 28 * DAY, id="weeks"),
        pytest.param(lambda: drawn(DAY, users=900, mean=5.0), None, id="few a user"),
        pytest.param(cohort, None, id="a cohort that fades"),
        pytest.param(bursts, 14 * DAY, id="bursts in seconds"),
    ],
)
def test_expected_events_are_those_of_a_horizon(make, horizon):
    assert_sane(make(), horizon, ranked=make is not bursts)  # whose visits are random


def test_whole_days_of_the_report(shared):
    log = data.load_own_events(shared / "cases" / "whole_days.csv")
    assert_sane(log)


@pytest.mark.slow
@pytest.mark.parametrize("days", [7, 14])
def test_the_generated_log_of_the_package(days):
    log = data.get("simulated").load(None)._replace(truth=None)
    assert_sane(log, days * DAY)


@pytest.mark.slow
@pytest.mark.parametrize("days", [7, None])
def test_movielens(shared, days):
    assert_sane(data.get("ml100k").load(shared / "data"), days and days * DAY)


@pytest.mark.parametrize("variant", ["hawkes", "hp"])
def test_smallest_log(tmp_path, variant, caplog):
    path = tmp_path / "e.csv"
    path.write_text("user,item,timestamp\na,x,1700000000\nb,y,1700086400\n")
    split = rim.split_now(data.load_own_events(path))
    found = rim.train(split).scores(variant, split.test, split.test_items)
    by_user, _ = scores.expected(found)
    assert by_user.sum() <= 1.0 + 1e-6 and by_user[1] >= by_user[0]
    assert "can only be guessed" in caplog.text


def test_scores_of_popularity_sum_to_the_activity():
    split = rim.split_now(drawn(DAY, users=60), 14 * DAY)
    models = rim.train(split)
    for variant, rate in (("hp", "hp"), ("hawkes", "hawkes")):
        by_user, _ = scores.expected(
            models.scores(variant, split.test, split.test_items)
        )
        np.testing.assert_allclose(by_user, models.rate(rate, split.test), rtol=1e-4)


def test_an_event_of_the_last_moment_does_not_move_the_total():
    """The newest event, a moment before the end, changes its user alone, and a little."""
    log = drawn(users=200)
    split = rim.split_now(log, 14 * DAY)
    model = rim.train(split).activity_model("hp")
    last = split.test.time[0]
    for wait in (0.0, 1.0, 60.0, HOUR):
        given = requests.make_requests(log, split.test.user, last + wait, 14 * DAY)
        total = rim.intensity(model, given, log).sum()
        whole = rim.intensity(model, split.test, log).sum()
        assert total == pytest.approx(whole, rel=0.02)
