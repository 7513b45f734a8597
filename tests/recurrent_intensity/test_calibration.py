"""Lines of a report about expected and realised events, and when they warn."""

import types

import numpy as np
import pytest

from experiments.recurrent_intensity import calibration
from iclr22 import data
from iclr22 import recurrent_intensity as rim
from iclr22.recurrent_intensity import metrics, pipeline

DAY = 86400.0


@pytest.fixture(scope="module")
def models():
    log = data.simulate_events(np.random.default_rng(2), users=150, items=9)
    return rim.train(rim.split_now(log._replace(truth=None), 14 * DAY))


def run():
    return types.SimpleNamespace(facts={}, summary="Done.")


def told(models, variant, factor=1.0):
    """What a task tells of a model whose weights are scaled."""
    found, split, model = run(), models.split, models.model(variant)
    if isinstance(model.activity, rim.Hawkes):
        scaled = factor * model.activity.weights
        model = model._replace(activity=model.activity._replace(weights=scaled))
    counts = np.asarray(split.valid_targets.sum(axis=1))
    calibration.of_now(found, model, split.events, split.valid, counts, split.test)
    calibration.summarise(found)
    return found.summary, counts.sum()


@pytest.mark.parametrize("variant", ["hp", "hawkes"])
def test_a_calibrated_model_tells_and_does_not_warn(models, variant):
    text, realised = told(models, variant)
    assert "Calibration: in the last 14 d, " in text and "in the coming 14 d " in text
    assert f"and {realised:.4g} realised; of the " in text
    assert "off by more than a quarter" not in text


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_a_model_that_is_off_warns(models, factor, caplog):
    text, _ = told(models, "hp", factor)
    assert "Expected events are off by more than a quarter: in the last 14 d" in text
    assert "off by more than a quarter" in caplog.text


def test_scores_are_called_scores(models):
    text, _ = told(models, "ema")
    assert "only variants with hawkes or hp expect events" in text
    counts = {v for v in pipeline.VARIANTS if calibration.is_count(v)}
    assert {"hp", "hawkes", "rnn_hp", "transformer_hawkes", "true"} <= counts
    assert not counts & {"pop", "ema", "rnn", "rnn_ema", "als"}


def test_a_comparison_has_a_line_for_each_activity():
    found = run()
    good, bad = (metrics.totals(x * np.ones(400), np.ones(400)) for x in (1.0, 2.0))
    cells = {"rnn_hp": bad, "hp": good, "hawkes": good}
    cells = {name: {"totals": x._asdict()} for name, x in cells.items()}
    calibration.of_test(found, cells | {"pop": {}})
    calibration.summarise(found)
    assert "Calibration of hp: in the horizon of the test, 800 events" in found.summary
    assert "Calibration of hawkes: in the horizon of the test, 400 events" in (
        found.summary
    )
    assert found.facts["warning"].count("off by more than a quarter: hp") == 1
