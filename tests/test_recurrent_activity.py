"""Activity models: features and moments against plain loops, exact fits, streams."""

import jax
import numpy as np
import pytest
import scipy.sparse

from iclr22 import data, errors
from iclr22.data.simulated_events import true_activity
from iclr22.recurrent_intensity import activity, hawkes, requests

SCALES = np.array([2.0, 0.5])  # decays 0.5 and 2, of the worked case
TIMES = np.array([0, 0.3, 1, 2.5, 0, 0.7])
INDPTR, END = np.array([0, 4, 6]), np.array([4.0, 3.0])
THETA = np.array([0.1, 0.2, 0.3, 0.05, 0.4])  # a, s, mu


def drawn(seed=0, users=6, ties=True):
    """Histories of 1 to 7 events, some of them simultaneous."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, 8, users)
    times = [np.sort(rng.uniform(0, 5, n)) for n in lengths]
    if ties:
        times = [np.sort(np.round(t, 0)) for t in times]
    end = np.array([t[-1] + rng.uniform(0.1, 2) for t in times])
    return np.concatenate(times), np.append(0, np.cumsum(lengths)), end


def plain_features(times, end, horizon, scales):
    tau, stop = (times - times[0]) / horizon, (end - times[0]) / horizon
    rate = 1 / scales
    a = sum(rate * np.exp(-rate * (stop - t)) for t in tau[1:]) + 0 * rate
    return np.concatenate([a, rate * np.exp(-rate * stop), [1]])


def plain_contrast(times, indptr, end, horizon, scales, theta):
    """Integral of lambda^2 by quadrature, and the sum of lambda at events."""
    p, total, at_events = len(scales), 0.0, 0.0
    nodes, weights = np.polynomial.legendre.leggauss(40)
    for i, stop in enumerate(end):
        t = times[indptr[i] : indptr[i + 1]]
        tau, stop = (t - t[0]) / horizon, (stop - t[0]) / horizon
        own = np.append(tau[1:][tau[1:] == 0], tau[tau > 0])

        def rate(x, own=own):
            past = own[own < x]
            a = np.exp(-(x - past)[:, None] / scales).sum(0) / scales
            h = np.concatenate([a, np.exp(-x / scales) / scales * (x > 0), [1]])
            return h @ theta

        assert p * 2 + 1 == len(theta)
        grid = np.unique(np.append(tau, stop))
        for low, high in zip(grid[:-1], grid[1:], strict=True):
            x = (low + high) / 2 + (high - low) / 2 * nodes
            total += (high - low) / 2 * weights @ [rate(v) ** 2 for v in x]
        at_events += sum(rate(v) for v in own)
    return total, at_events


def test_contrast_of_the_worked_case():
    moments = hawkes.hawkes_moments(TIMES, INDPTR, END, 1.0, SCALES)
    value = THETA @ moments.gram @ THETA - 2 * moments.linear @ THETA
    assert moments.count == 8
    np.testing.assert_allclose(value, -1.5337327853, atol=5e-11)
    np.testing.assert_allclose(value / 8, -0.1917165982, atol=5e-11)


def test_minimiser_of_the_worked_case_is_exact():
    moments = hawkes.hawkes_moments(TIMES, INDPTR, END, 1.0, SCALES)
    theta, violation = hawkes.minimise(moments)
    np.testing.assert_allclose(theta, [0, 0, 2.52419009, 0, 0], atol=5e-9)
    value = hawkes.hawkes_objective(theta, moments)
    np.testing.assert_allclose(value, -0.3878467806, atol=5e-11)
    assert violation < 1e-12


def test_gradient_of_the_objective_is_that_of_a_quadratic():
    moments = hawkes.hawkes_moments(TIMES, INDPTR, END, 1.0, SCALES)
    with jax.enable_x64(True):
        given = hawkes.Moments(*map(jax.numpy.asarray, moments))
        theta = jax.numpy.asarray(THETA)
        found = jax.grad(lambda x: hawkes.hawkes_objective(x, given))(theta)
    expected = 2 * (moments.gram @ THETA - moments.linear) / 8 + THETA / 1e3
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("ties", [False, True])
def test_moments_equal_quadrature(ties):
    times, indptr, end = drawn(3, ties=ties)
    scales = np.array([0.7, 0.2, 3.0])
    theta = np.random.default_rng(1).uniform(0, 1, 7)
    moments = hawkes.hawkes_moments(times, indptr, end, 1.5, scales)
    total, at_events = plain_contrast(times, indptr, end, 1.5, scales, theta)
    np.testing.assert_allclose(theta @ moments.gram @ theta, total, rtol=1e-7)
    np.testing.assert_allclose(moments.linear @ theta, at_events, rtol=1e-9)


def test_features_equal_a_plain_loop_and_rows_do_not_mix(monkeypatch):
    times, indptr, end = drawn(4, users=9)
    monkeypatch.setattr(hawkes, "USERS", 4)
    found = hawkes.hawkes_features(times, indptr, end, 2.0, SCALES)
    for i, row in enumerate(found):
        own = times[indptr[i] : indptr[i + 1]]
        np.testing.assert_allclose(
            row, plain_features(own, end[i], 2.0, SCALES), rtol=1e-12
        )


def test_seven_decades_of_scales_stay_accurate():
    times, indptr, end = np.array([0, 1e-5, 2e-5, 3.0]), np.array([0, 4]), [9.0]
    scales = np.array([1e-6, 10.0])
    moments = hawkes.hawkes_moments(times, indptr, end, 1.0, scales)
    # Self-excitation at scale 10: pairs of exponentials, integrated by hand.
    own, b = times[1:], 0.1
    later = np.maximum.outer(own, own)
    pair = b * np.exp(-b * (2 * later - np.add.outer(own, own)))
    pair = pair * -np.expm1(-2 * b * (9 - later)) / 2
    np.testing.assert_allclose(moments.gram[1, 1], pair.sum(), rtol=1e-9)
    np.testing.assert_allclose(moments.gram[0, 0], 3 * 1e6 / 2, rtol=1e-3)


def test_no_history_leaves_the_base():
    found = hawkes.hawkes_features([], [0, 0], [np.inf], 1.0)
    np.testing.assert_array_equal(found, [[0] * 100 + [1]])


def test_stream_equals_the_features_of_the_whole_history():
    times, indptr, end = drawn(5, ties=False)
    state = hawkes.start_state(7, SCALES)
    for place in range(8):
        users = np.flatnonzero(np.diff(indptr) > place)
        new = times[indptr[users] + place]
        state = hawkes.update_state(state, users, new, 2.0, SCALES)
    stop = np.append(end, 9.0)
    whole = hawkes.hawkes_features(
        times, np.append(indptr, len(times)), stop, 2.0, SCALES
    )
    np.testing.assert_allclose(
        hawkes.state_features(state, stop, 2.0, SCALES), whole, rtol=1e-10
    )
    with pytest.raises(errors.InputError, match="user 0 before"):
        hawkes.update_state(state, [0], [-1.0], 2.0, SCALES)


def test_poisson_recovers_rates_and_its_slope_is_zero():
    rng = np.random.default_rng(0)
    h = rng.gamma(1.0, 1.0, (4000, 3))
    w = np.array([0.5, 0.0, 2.0])
    y = rng.poisson(h @ w)
    found, value, slope = hawkes.minimise_poisson(h, y, 1e-6)
    np.testing.assert_allclose(found, w, atol=0.08)
    oracle = np.mean(h @ w - y * np.log(h @ w))
    assert value < oracle + 1e-4 and slope < 1e-4


def test_expected_counts_of_a_simulated_log_are_recovered():
    """Sheet 8.10: HP is close to the true intensity in Poisson deviance."""
    rng = np.random.default_rng(7)
    events = data.simulate_events(rng, users=400, items=20)
    split = requests.temporal_split(events, horizon=14 * 86400.0)
    counts = np.asarray(split.valid_targets.sum(1))
    fitted = hawkes.fit_hawkes_poisson(split.valid, events, split.horizon, counts)
    truth = true_activity(events, split.test, split.horizon)
    said = activity.intensity(fitted, split.test, events)
    y = np.asarray(split.test_targets.sum(1))
    loss = lambda m: np.mean(m - y * np.log(m))  # noqa: E731
    assert loss(said) < loss(truth) + 0.35 * (
        loss(np.full(len(y), y.mean())) - loss(truth)
    )
    assert abs(said.sum() / truth.sum() - 1) < 0.25
    plain = hawkes.fit_hawkes(split.train, events, split.horizon)
    assert plain.violation < 1e-10 and (plain.theta >= 0).all()
    ours = activity.intensity(plain, split.test, events)
    assert np.corrcoef(ours, truth)[0, 1] > 0.8
    table = hawkes.kernel_table(plain)
    # 0.7 of a single user; users of different activity look like more, pooled.
    assert 0.6 < sum(row["excitation"] for row in table) < 1.2


def asked(times, at):
    """One user's history as a request."""
    n = len(times)
    targets = scipy.sparse.csr_array((1, 1), dtype=np.float32)
    place = np.array([0]), np.array([n])
    given = requests.Requests(np.array([0]), np.array([float(at)]), *place, targets)
    events = data.Events(
        np.zeros(n, np.int32),
        np.zeros(n, np.int32),
        np.asarray(times, float),
        ["u"],
        ["i"],
    )
    return given, events


def test_moving_average_and_count_of_the_worked_case():
    given, events = asked([0, 5, 9], 10)
    model = activity.Activity("ema", 5.0)
    found = activity.intensity(model, given, events)
    np.testing.assert_allclose(found, [1.3219455], atol=5e-8)
    given, events = asked(range(7), 10)
    found = activity.intensity(activity.Activity("pop"), given, events)
    np.testing.assert_allclose(found, [7.01])
    with pytest.raises(errors.InputError, match="Unknown activity 'emma'"):
        activity.intensity(activity.Activity("emma"), given, events)


@pytest.mark.parametrize(
    ("times", "end", "words"),
    [
        ([0, 2, 1], [5.0], "found time 1 in history 0 after 2"),
        ([0, 2, 6], [5.0], "found time 6 in history 0 after its end"),
        ([0, np.nan, 1], [5.0], "NaN"),
        ([0, 1], [5.0], "2 times"),
    ],
)
def test_bad_histories_are_explained(times, end, words):
    with pytest.raises(errors.InputError, match=words):
        hawkes.hawkes_features(times, [0, 3], end, 1.0)


def test_fits_without_data_are_explained():
    given, events = asked([0.0], np.inf)
    with pytest.raises(errors.InputError, match="at least one user"):
        hawkes.fit_hawkes(given, events, 1.0)
    with pytest.raises(errors.InputError, match="a count of at least 0"):
        hawkes.minimise_poisson(np.ones((2, 1)), [1, -1])
