"""Windows to trained models: configurations, slots, files, errors."""

import jax
import numpy as np
import pytest
from track_helpers import random_params

from iclr22 import data, errors
from iclr22.trajectory_shapley import (
    artifact,
    evaluation,
    pecnet,
    pipeline,
    trajectron,
)
from iclr22.trajectory_shapley.windows import (
    build_windows,
    fit_slots,
    sample_windows,
    select,
    to_batch,
)

pytestmark = pytest.mark.eight_devices

TINY = trajectron.Config(
    modes=2, decoder=8, hidden=8, attention=4, samples=3, horizon=3, batch=32, steps=4
)


def parts_of(dial=1.0, scenes=12):
    """What is trained on, and test windows, of generated agents."""
    tracks, _ = data.simulate_tracks(dial, scenes=scenes, frames=14, seed=1)
    train, valid, test = (
        fit_slots(build_windows(x, history=4, horizon=3, neighbours=3), 3)
        for x in data.split_tracks(tracks)
    )
    return pipeline.Data(train, valid, tracks.kinds, tracks.dt), test


@pytest.fixture(scope="module")
def fitted():
    """A model of a few updates, and the windows it is tested on."""
    given, test = parts_of()
    return pipeline.train(given, pipeline.Options(trajectron=TINY)), test


def test_trainings_differ_in_dropout_and_variants_in_interaction():
    given, _ = parts_of(scenes=6)
    paper = pipeline.Options(
        trajectron=trajectron.Config()._replace(**trajectron.PAPER),
        pecnet=pecnet.Config()._replace(**pecnet.PAPER),
    )
    for options in (pipeline.Options(), paper):
        for variant in ("edge", "sum", "past_only", "pecnet"):
            plain, other = (
                pipeline.config_of(
                    options._replace(variant=variant, training=training), given
                )
                for training in pipeline.TRAININGS
            )
            assert plain.coalition_dropout == plain.past_dropout == 0
            assert (other.coalition_dropout, other.past_dropout) == (0.5, 0.1)
    past_only = pipeline.Options(variant="past_only")
    assert pipeline.config_of(past_only, given).interaction == "none"
    still = pipeline.Options(variant="constant_velocity")
    assert pipeline.config_of(still, given) is None
    with pytest.raises(errors.InputError, match="Did you mean 'edge'"):
        pipeline.config_of(pipeline.Options(variant="edges"), given)


def test_data_decide_kinds_time_step_and_what_is_to_be_measured():
    given, _ = parts_of(scenes=6)
    given = given._replace(kinds=("walker", "rider"), dt=0.5)
    unknown = trajectron.Config(position_scale=0.0, acceleration_scale=0.0, horizon=3)
    found = pipeline.config_of(pipeline.Options(trajectron=unknown), given)
    measured = pipeline.scales(given.train)
    assert (found.kinds, found.dt, found.velocity_scale) == (2, 0.5, 2.0)
    assert found.position_scale == measured["position_scale"] > 0
    assert found.acceleration_scale == measured["acceleration_scale"] > 0
    shared = trajectron.Config(horizon=3, rotate=False)
    options = pipeline.Options(variant="pecnet", trajectron=shared)
    found = pipeline.config_of(options, given)
    assert (found.horizon, found.rotate) == (3, False)
    pixels = given.train._replace(future=given.train.future * 100)
    scale = pipeline.config_of(options, given._replace(train=pixels)).scale
    assert scale == pecnet.scale_for(pixels.future) < found.scale
    with pytest.raises(errors.InputError, match="horizon of 12 frames.*found 3"):
        pipeline.train(given)


def test_slots_are_cut_and_filled_without_a_change():
    found = parts_of()[0].train
    wide = fit_slots(found, 7)
    assert wide.neighbours.shape[1] == wide.mask.shape[1] == 7
    assert not wide.mask[:, 3:].any() and (wide.neighbour_agent[:, 3:] == -1).all()
    again = fit_slots(wide, 3)
    for a, b in zip(found, again, strict=True):
        np.testing.assert_array_equal(a, b)


def test_sampled_windows_have_neighbours_and_are_spread_evenly():
    found = parts_of()[0].train
    few = sample_windows(found, 9)
    assert len(few.mask) == 9 and few.mask.any(1).all()
    keys = np.stack([few.recording, few.frame, few.agent])
    assert (np.lexsort(keys[::-1]) == np.arange(9)).all()
    assert len(set(few.recording.tolist())) > 4
    alone = found._replace(mask=np.zeros_like(found.mask))
    with pytest.raises(errors.InputError, match="windows with a neighbour"):
        sample_windows(alone, 9)


@pytest.mark.parametrize("variant", pipeline.VARIANTS)
def test_a_saved_model_is_the_model(variant, fitted, tmp_path):
    given, test = parts_of()
    small = pecnet.Config(shrink=32, samples=2, rounds=1)
    options = pipeline.Options(variant, "plain", trajectron=TINY, pecnet=small)
    if variant == "constant_velocity":
        model = pipeline.train(given, options).model
    else:
        config = pipeline.config_of(options, given)
        stage = pecnet if variant == "pecnet" else trajectron
        params = random_params(stage, config, to_batch(test))
        model = fitted[0].model._replace(
            variant=variant, training="plain", config=config, params=params
        )
    artifact.save(tmp_path / "model.npz", model)
    found = artifact.load(tmp_path / "model.npz")
    assert found._replace(params={}) == model._replace(params={})
    jax.tree.map(np.testing.assert_array_equal, found.params, model.params)
    few = select(test, slice(3))
    said = artifact.predict(model, few), artifact.predict(found, few)
    jax.tree.map(np.testing.assert_array_equal, *said)
    paths = said[0]["samples"] if variant == "pecnet" else said[0].mean
    assert paths.shape[0] == 3 and paths.shape[2:] == (3, 2)


def test_other_files_and_other_windows_are_refused(fitted, tmp_path):
    (tmp_path / "other.npz").write_text("no archive")
    with pytest.raises(errors.InputError, match="expected a trajectory predictor"):
        artifact.load(tmp_path / "other.npz")
    found, test = fitted
    short = test._replace(history=test.history[:, 1:])
    with pytest.raises(errors.InputError, match="history of 4 frames.*found 3"):
        artifact.predict(found.model, short)


def test_errors_with_and_without_neighbours(fitted):
    found, test = fitted
    measured = evaluation.evaluate(found.model, test)
    views, metrics = evaluation.VIEWS, ("min_ade", "min_fde", "nll")
    assert {f"{m}{v}" for m in metrics for v in views} <= set(measured)
    assert np.isfinite(list(measured.values())).all()
    alone = test._replace(mask=np.zeros_like(test.mask))
    found_alone = evaluation.evaluate(found.model, alone)
    assert found_alone["nll"] == pytest.approx(measured["nll_without"], rel=1e-5)
    assert found_alone["nll_zeroed"] == pytest.approx(measured["nll_zeroed"], rel=1e-5)
    assert measured["nll"] != measured["nll_without"] != measured["nll_zeroed"]


def test_training_of_another_kind_makes_no_other_program(fitted):
    model = fitted[0].model
    config = model.config._replace(coalition_dropout=0.0, steps=9)
    other = model._replace(config=config, training="plain")
    first, second = artifact.predictor_of(model), artifact.predictor_of(other)
    assert first[:3] == second[:3]
    config = model.config._replace(horizon=2)
    changed = artifact.predictor_of(model._replace(config=config))
    assert first[:3] != changed[:3]
