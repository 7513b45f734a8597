"""Expected events of a horizon: mean of a Hawkes process, exact regression, totals."""

import numpy as np
import pytest
from scipy import optimize

from iclr22 import data, errors
from iclr22 import recurrent_intensity as rim
from iclr22.data import events as event_data
from iclr22.data.events import simulated
from iclr22.recurrent_intensity import hawkes, metrics, moments, requests, splits

DAY = 86400.0


def test_mean_of_one_kernel_is_its_closed_form():
    a, base, scale = 0.6, 0.3, 0.25
    rate = (1 - a) / scale
    faded = (1 - np.exp(-rate)) / rate
    found = hawkes.horizon_weights([a, 0.0, base], np.array([scale]))
    expected = base + base * a / (1 - a) * (1 - faded)  # no event yet
    np.testing.assert_allclose(found, [a * faded, 0, expected], rtol=1e-12)


def test_a_start_effect_alone_is_its_integral():
    scale = np.array([0.25])
    found = hawkes.horizon_weights([0.0, 0.8, 0.1], scale)
    np.testing.assert_allclose(found, [0, 0.8 * 0.25 * -np.expm1(-4), 0.1], rtol=1e-12)


def test_mean_equals_that_of_the_simulator():
    """Both kernels of the generated log, in days and in horizons."""
    log = data.simulate_events(np.random.default_rng(3), users=20, items=5)
    horizon = 14 * DAY
    truth = log.truth
    assert truth is not None
    base = np.full_like(truth.base, 0.1 / DAY)
    log = log._replace(truth=truth._replace(base=base))
    given = requests.make_requests(log, range(len(base)), 100 * DAY, horizon)
    scales = 1 / (truth.decay * horizon)
    times, indptr = moments.user_times(given, log)
    features = moments.hawkes_features(times, indptr, given.time, horizon, scales)
    features[:, :2] += features[:, 2:4]  # there the first event excites, too
    theta = np.array([*truth.weight, 0, 0, 0.1 * 14])
    found = features @ hawkes.horizon_weights(theta, scales)
    expected = simulated.true_activity(log, given, horizon)
    np.testing.assert_allclose(found, expected, rtol=1e-9)


@pytest.mark.parametrize("excitation", [1.0, 1.3, 4.0])
def test_kernels_that_explode_are_tamed(excitation):
    theta = np.array([excitation, 0.2, 0.0, 0.0, 0.5])
    found = hawkes.horizon_weights(theta, np.array([1e-6, 0.3]))
    assert np.isfinite(found).all() and (found >= 0).all() and found[-1] < 1e3


def features_and_counts(seed):
    rng = np.random.default_rng(seed)
    h = rng.gamma(0.3, 1.0, (200, 7)) * np.geomspace(1e-3, 1e3, 7)
    h[:, 3] = 0  # nothing is known of it
    return h, rng.poisson(h @ [0.1, 0, 2, 0, 0.05, 0, 0] + 0.2)


@pytest.mark.parametrize("seed", range(4))
def test_poisson_fit_is_the_exact_minimum(seed):
    h, y = features_and_counts(seed)
    w, value, violation = hawkes.minimise_poisson(h, y, 1e-3)
    slope = h.T @ (1 - y / (1e-10 + h @ w)) / len(y) + 1e-3 * w
    assert violation < 1e-9 and (w >= 0).all() and w[3] == 0
    assert np.abs(slope[w > 0]).max() < 1e-9 and slope[w == 0].min() > -1e-9

    def loss(w):
        mean = h @ w
        return np.mean(mean - y * np.log(1e-10 + mean)) + 1e-3 / 2 * (w @ w)

    other = optimize.minimize(loss, w + 0.01, bounds=[(0, None)] * 7, tol=1e-12)
    assert value == pytest.approx(loss(w), abs=1e-12) and value <= other.fun + 1e-9


def test_numbers_of_any_type_fit_the_same():
    h, y = features_and_counts(0)
    h = np.round(10 * h)
    expected, _, _ = hawkes.minimise_poisson(h, y)
    for other in (h.tolist(), h.astype(np.int64), h.astype(np.float32)):
        found, _, _ = hawkes.minimise_poisson(other, y.astype(np.uint8))
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-9)


def test_calibration_makes_the_total_right_and_keeps_the_order():
    log = data.simulate_events(np.random.default_rng(1), users=60, items=8)
    split = splits.split_now(log, 14 * DAY)
    counts = np.asarray(split.valid_targets.sum(axis=1))
    plain = hawkes.fit_hawkes(split.train, log, split.horizon)
    model = hawkes.calibrate(plain, split.valid, log, counts)
    found = rim.intensity(model, split.valid, log)
    assert found.sum() == pytest.approx(counts.sum())
    before = rim.intensity(plain, split.valid, log)
    assert np.corrcoef(found, before)[0, 1] == pytest.approx(1)
    nothing = hawkes.calibrate(plain, split.valid, log, 0 * counts)
    assert rim.intensity(nothing, split.valid, log).sum() == pytest.approx(0.5)
    nobody = requests.select(split.valid, [])
    assert hawkes.calibrate(plain, nobody, log, []) is plain


def test_a_few_with_most_events_do_not_make_the_others_expect_nothing():
    """A machine with 3,000 events in 3 s, and 20 users with one every minute."""
    bot = np.arange(3000) / 1000
    steady = 3.0 * np.arange(300)
    users = np.concatenate([np.full(3000, 20), np.arange(300) % 20])
    times = np.concatenate([bot, steady])
    log = data.sort_events(users, np.zeros(len(users), int), times)
    split = splits.split_now(log)
    models = rim.train(split)
    for name in ("hawkes", "hp"):
        found = models.rate(name, split.test)
        assert found.sum() == pytest.approx(30, rel=0.25) and found.max() < 9
        assert found[-1] < 3  # the machine is long gone


def test_a_fit_without_requests_says_why():
    log = data.sort_events(["a", "b"], ["x", "y"], [0, DAY])
    nobody = requests.select(requests.make_requests(log, [0], DAY, DAY), [])
    with pytest.raises(errors.InputError, match="choose a shorter one"):
        rim.fit_hawkes_poisson(nobody, log, DAY, [])


@pytest.mark.parametrize(
    ("times", "step"),
    [
        ([0, 2, 5], 1),
        ([1e9, 1e9 + 3 * DAY, 1e9 + 5 * DAY], DAY),
        ([1.7e9, 1.7e9 + 7 * DAY, 1.7e9 + 70 * DAY], 7 * DAY),
        ([1.7e9, 1.7e9 + 3600, 1.7e9 + DAY], 3600),
        ([1.7e9, 1.7e9 + 0.25], 0.25),
        ([0, 1 / 3, 0.7], 0),
        ([4, 4], 0),
    ],
)
def test_clock_of_a_log(times, step):
    log = data.sort_events(np.arange(len(times)), np.zeros(len(times), int), times)
    assert event_data.tick(log) == step


def test_horizons_are_whole_steps_of_a_coarse_clock(caplog):
    log = data.sort_events(np.zeros(31, int), np.zeros(31, int), DAY * np.arange(31))
    assert splits.split_now(log).horizon == 3 * DAY and not caplog.text
    for split in (splits.split_now, lambda e, h: splits.temporal_split(e, horizon=h)):
        assert split(log, 3.4 * DAY).horizon == 3 * DAY
        assert split(log, 60.0).horizon == DAY
    assert "whole steps of 86400 s" in caplog.text
    ages = splits.split_now(log, 3.4 * DAY).valid.time - log.time.max()
    np.testing.assert_allclose(ages, -3 * DAY, atol=1e-6)


def test_totals_by_hand():
    found = metrics.totals(
        [5, 1, 1, 1, 1, 1, 1, 1, 1, 2], [4, 0, 0, 1, 0, 0, 0, 0, 0, 3]
    )
    assert found[:6] == (10, 15.0, 8.0, 1, 5.0, 4.0)
    assert found.spread == pytest.approx(1.96 / 0.8) and not found.is_off()
    assert metrics.totals([300, *[1] * 99], [1] * 100).is_off()
    tied = metrics.totals([2, 2, 2, 2], [4, 0, 0, 0])
    assert (tied.top, tied.top_expected, tied.top_realised) == (1, 2.0, 1.0)
    assert not metrics.is_off(120, 100) and metrics.is_off(126, 100)
    assert not metrics.is_off(5, 3) and metrics.is_off(0, 100)
    assert not metrics.is_off(126, 100, 4.0)
    with pytest.raises(errors.InputError, match="as many predictions as counts"):
        metrics.totals([1, 2], [1])
