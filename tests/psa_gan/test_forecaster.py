"""The forecaster's network and loss, and forecasts from trained ones."""

import functools

import jax
import numpy as np
import pytest
from flax import linen as nn

from iclr22 import errors
from iclr22.data.series import Panel, simulated
from iclr22.data.series.calendar import Step
from iclr22.psa_gan import forecaster, forecasting, naive
from iclr22.psa_gan.forecaster import Config

CONFIG, BATCH = forecaster.example(16)


@functools.cache
def fresh():
    start = jax.jit(functools.partial(forecaster.init, CONFIG))
    return start(jax.random.key(0), BATCH).params


told = jax.jit(functools.partial(forecaster.apply, CONFIG))


@functools.cache
def params():
    made = fresh()
    random = np.random.default_rng(0)
    return jax.tree.map(lambda x: x + 0.1 * random.normal(size=x.shape), made)


def test_recurrence_is_that_of_a_gru():
    """Flax's own cell with the same weights, step by step."""
    layer, width = forecaster._Last(3), 3
    x = np.random.default_rng(1).normal(size=(2, 6, 4)).astype(np.float32)
    tree = layer.init(jax.random.key(1), x)
    given, own = tree["params"]["given"], tree["params"]["kernel"]
    cell, state = nn.GRUCell(width), np.zeros((2, width), np.float32)
    names = {}
    for i, letter in enumerate("rzn"):
        part = slice(i * width, (i + 1) * width)
        names[f"i{letter}"] = {
            "kernel": given["kernel"][:, part],
            "bias": np.zeros(width),
        }
        names[f"h{letter}"] = {"kernel": own[:, part]}
    names["hn"]["bias"] = np.zeros(width)
    for t in range(6):
        state, _ = cell.apply({"params": names}, state, x[:, t])
    np.testing.assert_allclose(layer.apply(tree, x), state, rtol=1e-5, atol=1e-6)


def test_begins_with_the_value_one_season_before():
    mean, deviation = told(fresh(), BATCH)
    seen = BATCH["known"][:, 4:8] > 0
    np.testing.assert_allclose(mean[seen], BATCH["values"][:, 4:8][seen], atol=1e-5)
    assert (deviation > 0).all()


def test_missing_and_future_values_are_not_looked_at():
    first = told(params(), BATCH)
    other = dict(BATCH, values=BATCH["values"].copy())
    other["values"][BATCH["known"] == 0] = 77
    other["values"][:, CONFIG.context :] = -5
    for x, y in zip(first, told(params(), other), strict=True):
        np.testing.assert_array_equal(x, y)
    one = forecaster.loss(CONFIG, params(), BATCH)[0]
    other = dict(BATCH, values=BATCH["values"] + 9 * (BATCH["known"] == 0))
    assert forecaster.loss(CONFIG, params(), other)[0] == pytest.approx(float(one))


def test_forecasts_move_and_stretch_with_their_context():
    batch = dict(BATCH, known=np.ones_like(BATCH["known"]))
    rows = np.random.default_rng(2).normal(size=(16, 40)).astype(np.float32)
    level, spread = forecaster.standard(rows, np.ones_like(rows))
    np.testing.assert_allclose(level[:, 0], (rows.sum(1) + 0.5) / 41, rtol=1e-4)
    apart = ((rows - level) ** 2).sum(1) + 0.25**2
    np.testing.assert_allclose(spread[:, 0], np.sqrt(apart / 41) + 0.01, rtol=1e-4)
    mean, _ = told(params(), batch)
    unknown = dict(batch, known=np.zeros_like(batch["known"]))
    blind, _ = told(params(), unknown)
    assert np.isfinite(blind).all() and not np.allclose(mean, blind)


def test_loss_is_that_of_a_gaussian():
    mean, deviation = told(params(), BATCH)
    _, spread = forecaster.standard(*(BATCH[k][:, :8] for k in ("values", "known")))
    total = squares = 0.0
    for i in range(16):
        known = BATCH["known"][i, 8:] > 0
        apart = (BATCH["values"][i, 8:] - mean[i])[known]
        size = deviation[i][known]
        each = 0.5 * (apart / size) ** 2 + np.log(size * np.sqrt(2 * np.pi) / spread[i])
        total += each.mean()
        squares += (apart**2).mean()
    sums = forecaster.evaluate(CONFIG, params(), BATCH)
    np.testing.assert_allclose(sums["loss"], total, rtol=1e-4)
    np.testing.assert_allclose(sums["squared"], squares, rtol=1e-3)


SMALL = Config(context=48, horizon=12, width=8, batch=16, steps=60)


@functools.cache
def loads():
    return simulated.loads(series=3, days=40)


@functools.cache
def trained():
    return forecasting.train(loads(), SMALL._replace(learning_rate=1e-2))


def test_trained_forecasts_beat_naive_ones():
    panel, model = loads(), trained()
    assert model.config.season == 24 and model.config.series == 3
    series = np.repeat(np.arange(3), 20)
    first = np.tile(np.arange(100, 900, 40), 3)
    mean, deviation = forecasting.forecast(model, panel.values, series, first)
    pairs = list(zip(series, first, strict=True))
    truth = np.stack([panel.values[i][t : t + 12] for i, t in pairs])
    error = naive.nrmse(truth, mean)
    for way in ("last", "mean"):
        simple = np.stack([_continued(panel.values[i][:t], way) for i, t in pairs])
        assert error < naive.nrmse(truth, simple)
    inside = np.abs(truth - mean) < 1.645 * deviation
    assert 0.6 < inside.mean() < 0.99


def _continued(past, way):
    values = np.concatenate([past, np.zeros(12)])
    return naive.fill(values, np.arange(len(values)) < len(past), way, 24)[-12:]


def test_bands_of_forecasts_are_calibrated():
    panel, model = loads(), trained()
    wide = forecasting.width(model, panel.values, 0.9, count=1000)
    random = np.random.default_rng(9)
    series, first = random.integers(0, 3, 1000), random.integers(48, 948, 1000)
    mean, deviation = forecasting.forecast(model, panel.values, series, first)
    pairs = list(zip(series, first, strict=True))
    truth = np.stack([panel.values[i][t : t + 12] for i, t in pairs])
    inside = np.abs(truth - mean) <= wide * deviation
    assert inside.mean() == pytest.approx(0.9, abs=0.03)
    with pytest.raises(errors.InputError, match="windows of 60"):
        forecasting.width(model, [np.zeros(20)] * 3)


def test_forecasts_from_anywhere_and_of_any_number():
    panel, model = loads(), trained()
    ends = panel.lengths
    mean, deviation = forecasting.forecast(model, panel.values, np.arange(3), ends)
    assert mean.shape == deviation.shape == (3, 12) and np.isfinite(mean).all()
    alone, _ = forecasting.forecast(model, panel.values, [1], ends[1:2])
    np.testing.assert_allclose(alone[0], mean[1], rtol=1e-5)
    cold, _ = forecasting.forecast(model, [np.full(5, np.nan)] * 3, [0, 2], [0, 9])
    assert np.isfinite(cold).all()
    assert forecasting.forecast(model, panel.values, [], [])[0].shape == (0, 12)


def test_parts_of_contexts_are_hidden_in_training():
    from iclr22.data.series import windows

    data = windows.scale(loads())
    for hidden in (0.0, 1.0):
        config = SMALL._replace(hidden=hidden)
        places = windows.make(data, 60, size=300)
        batch = forecasting.Contexts(places, config, 5)(3)
        again = forecasting.Contexts(places, config, 5)(3)
        np.testing.assert_array_equal(batch["known"], again["known"])
        assert batch["known"][:, 48:].all()
        left = batch["known"][:, :48].sum(axis=1)
        assert (np.diff(batch["known"][:, :48], axis=1) <= 0).all()  # the last ones
        assert not batch["values"][batch["known"] == 0].any()
        nothing = np.mean(left == 0)
        assert (
            (left == 48).all()
            if not hidden
            else nothing == pytest.approx(1 / 3, abs=0.08)
        )


def test_bad_input_is_told():
    with pytest.raises(errors.InputError, match="steps of 1 at least"):
        forecasting.train(loads(), SMALL._replace(steps=0))
    short = Panel(
        (np.arange(30.0),), loads().start[:1], Step(1, "h"), ("a",), np.zeros((1, 0))
    )
    with pytest.raises(errors.InputError, match="60 values"):
        forecasting.train(short, SMALL)
