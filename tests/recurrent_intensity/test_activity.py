"""Activity models: features and moments against plain loops, exact fits."""

import jax
import numpy as np
import pytest
import scipy.sparse

from iclr22 import data, errors
from iclr22.data import events as events_of
from iclr22.data.events.simulated import true_activity
from iclr22.recurrent_intensity import activity, hawkes, moments, requests, splits

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
    m = moments.hawkes_moments(TIMES, INDPTR, END, 1.0, SCALES)
    value = THETA @ m.gram @ THETA - 2 * m.linear @ THETA
    assert m.count == 8
    np.testing.assert_allclose(value, -1.5337327853, atol=5e-11)
    np.testing.assert_allclose(value / 8, -0.1917165982, atol=5e-11)


def test_minimiser_of_the_worked_case_is_exact():
    m = moments.hawkes_moments(TIMES, INDPTR, END, 1.0, SCALES)
    theta, violation = hawkes.minimise(m)
    np.testing.assert_allclose(theta, [0, 0, 2.52419009, 0, 0], atol=5e-9)
    value = hawkes.hawkes_objective(theta, m)
    np.testing.assert_allclose(value, -0.3878467806, atol=5e-11)
    assert violation < 1e-12


def test_gradient_of_the_objective_is_that_of_a_quadratic():
    m = moments.hawkes_moments(TIMES, INDPTR, END, 1.0, SCALES)
    with jax.enable_x64(True):
        given = moments.Moments(*map(jax.numpy.asarray, m))
        theta = jax.numpy.asarray(THETA)
        found = jax.grad(lambda x: hawkes.hawkes_objective(x, given))(theta)
    expected = 2 * (m.gram @ THETA - m.linear) / 8 + THETA / 1e3
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("ties", [False, True])
def test_moments_equal_quadrature(ties):
    times, indptr, end = drawn(3, ties=ties)
    scales = np.array([0.7, 0.2, 3.0])
    theta = np.random.default_rng(1).uniform(0, 1, 7)
    m = moments.hawkes_moments(times, indptr, end, 1.5, scales)
    total, at_events = plain_contrast(times, indptr, end, 1.5, scales, theta)
    np.testing.assert_allclose(theta @ m.gram @ theta, total, rtol=1e-7)
    np.testing.assert_allclose(m.linear @ theta, at_events, rtol=1e-9)


def test_features_equal_a_plain_loop_and_rows_do_not_mix(monkeypatch):
    times, indptr, end = drawn(4, users=9)
    monkeypatch.setattr(moments, "USERS", 4)
    found = moments.hawkes_features(times, indptr, end, 2.0, SCALES)
    for i, row in enumerate(found):
        own = times[indptr[i] : indptr[i + 1]]
        np.testing.assert_allclose(
            row, plain_features(own, end[i], 2.0, SCALES), rtol=1e-12
        )


def pair_gram(tau, end, scales):
    """The Gram matrix of one history, pair by pair in extended precision."""
    tau, b = np.asarray(tau, np.longdouble), 1 / np.asarray(scales, np.longdouble)
    p, total = len(b), np.add.outer(b, b)
    later = np.maximum.outer(tau, tau)
    ages = np.exp(-b[:, None, None] * (later - tau[:, None]))  # of the row's event
    tail = -np.expm1(-total[..., None, None] * (end - later))
    pairs = np.einsum("uij,vji,uvij->ijuv", ages, ages, tail)
    pairs *= np.outer(b, b) / total
    single = -np.expm1(-b * (end - tau)[:, None])
    gram = np.zeros((2 * p + 1, 2 * p + 1), np.longdouble)
    gram[:p, :p] = pairs[1:, 1:].sum((0, 1))
    gram[:p, p:-1] = pairs[1:, 0].sum(0)
    gram[p:-1, :p] = gram[:p, p:-1].T
    gram[p:-1, p:-1] = pairs[0, 0]
    gram[-1, :-1] = gram[:-1, -1] = np.append(single[1:].sum(0), single[0])
    gram[-1, -1] = end
    return gram


@pytest.mark.parametrize(
    ("times", "end", "tolerance"),
    [
        (np.linspace(0, 5, 12) ** 1.5, 12.0, 1e-14),
        (1e-7 * np.arange(12), 9.0, 1e-14),  # a burst, then a long wait
        (np.repeat([0, 1e-5, 2.0], 4), 2.5, 1e-14),  # simultaneous events
        # Decays of a ten-millionth between events: digits cancel, seven are left.
        (1e-7 * np.arange(12), 1.3e-6, 1e-7),
    ],
)
def test_seven_decades_of_scales_stay_accurate(times, end, tolerance):
    found = moments.hawkes_moments(times, [0, len(times)], [end], 1.0)
    expected = pair_gram(times, end, moments.SCALES)
    size = np.sqrt(np.diag(expected))
    error = np.abs(found.gram - expected) / np.outer(size, size)
    assert error.max() < tolerance


def test_long_histories_in_pieces_are_as_a_whole(monkeypatch):
    times, indptr, end = drawn(6, users=12)
    times = np.concatenate([times, np.linspace(3, 9, 40) ** 1.2])  # a long one
    indptr, end = np.append(indptr, len(times)), np.append(end, 15.0)
    whole = moments.hawkes_moments(times, indptr, end, 2.0, SCALES)
    features = moments.hawkes_features(times, indptr, end, 2.0, SCALES)
    for longest in (1, 3, 7):
        monkeypatch.setattr(moments, "LONGEST", longest)
        monkeypatch.setattr(moments, "USERS", 5)
        found = moments.hawkes_moments(times, indptr, end, 2.0, SCALES)
        for ours, theirs in zip(found, whole, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-11)
        again = moments.hawkes_features(times, indptr, end, 2.0, SCALES)
        np.testing.assert_allclose(again, features, rtol=1e-12)


def test_order_of_users_does_not_matter():
    times, indptr, end = drawn(8, users=9)
    order = np.random.default_rng(0).permutation(9)
    own = np.split(times, indptr[1:-1])
    mixed = np.concatenate([own[i] for i in order])
    ends = np.append(0, np.cumsum(np.diff(indptr)[order]))
    found = moments.hawkes_moments(mixed, ends, end[order], 2.0, SCALES)
    expected = moments.hawkes_moments(times, indptr, end, 2.0, SCALES)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)
    np.testing.assert_allclose(
        moments.hawkes_features(mixed, ends, end[order], 2.0),
        moments.hawkes_features(times, indptr, end, 2.0)[order],
        rtol=1e-12,
    )


def test_fit_meets_the_conditions_of_optimality():
    times, indptr, end = drawn(9, users=60)
    m = moments.hawkes_moments(times, indptr, end, 2.0)
    theta, violation = hawkes.minimise(m)
    slope = 2 * (m.gram @ theta - m.linear) / m.count + theta / 1e3
    size = np.sqrt(np.diag(m.gram) / m.count + 5e-4)
    assert (theta >= 0).all() and violation < 1e-12
    assert np.abs(slope / size)[theta > 0].max() < 1e-9
    assert (slope / size)[theta == 0].min() > -1e-9


def test_users_with_one_event_teach_the_start_only():
    m = moments.hawkes_moments([0, 0.0], [0, 1, 2], [4.0, 3.0], 1.0, SCALES)
    np.testing.assert_array_equal(m.linear, np.zeros(5))
    theta, _ = hawkes.minimise(m)
    np.testing.assert_array_equal(theta, np.zeros(5))


def test_no_history_leaves_the_base():
    found = moments.hawkes_features([], [0, 0], [np.inf], 1.0)
    np.testing.assert_array_equal(found, [[0] * 100 + [1]])


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
    split = splits.temporal_split(events, horizon=14 * 86400.0)
    counts = np.asarray(split.valid_targets.sum(1))
    fitted = hawkes.fit_hawkes_poisson(split.valid, events, split.horizon, counts)
    truth = true_activity(events, split.test, split.horizon)
    said = activity.intensity(fitted, split.test, events)
    y = np.asarray(split.test_targets.sum(1))

    def loss(mean):
        return np.mean(mean - y * np.log(mean))

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
        moments.hawkes_features(times, [0, 3], end, 1.0)


def test_bad_horizons_and_offsets_are_explained():
    with pytest.raises(errors.InputError, match="horizon and scales above 0; found 0"):
        moments.hawkes_features([0, 1], [0, 2], [5.0], 0.0)
    with pytest.raises(errors.InputError, match="an end per history"):
        moments.hawkes_features([0, 1], [0, 3, 2], [5.0, 5.0], 1.0)
    given, events = asked([0, 5, 9], 10)
    with pytest.raises(errors.InputError, match="horizon above 0; found -1"):
        activity.ema(given, events, -1.0)


def test_movielens_kernel_is_exact_and_below_criticality(shared):
    """Bursts of ratings: seconds, and about a fifth of the horizon."""
    log = events_of.second_half(data.get("ml100k").load(shared / "data"))
    split = splits.user_split(log)
    model = hawkes.fit_hawkes(split.train, log, split.horizon)
    rows = hawkes.kernel_table(model)
    strong = {
        round(r["scale"], 3): r["excitation"] for r in rows if r["excitation"] > 0.01
    }
    assert list(strong) == [0.001, 0.193] and model.violation < 1e-12
    np.testing.assert_allclose(list(strong.values()), [0.018, 0.708], atol=2e-3)
    np.testing.assert_allclose(model.objective, -46.73957, atol=1e-4)


def test_fits_without_data_are_explained():
    given, events = asked([0.0], np.inf)
    with pytest.raises(errors.InputError, match="at least one user"):
        hawkes.fit_hawkes(given, events, 1.0)
    with pytest.raises(errors.InputError, match="a count of at least 0"):
        hawkes.minimise_poisson(np.ones((2, 1)), [1, -1])
