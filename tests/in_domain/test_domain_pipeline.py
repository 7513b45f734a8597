"""Models are trained on a split's points alone, kept, and predict as before."""

import jax
import numpy as np
import pytest

from iclr22 import errors
from iclr22.data.factors import published, simulated
from iclr22.in_domain import artifact, drawing, models, pipeline, regressor, splits

pytestmark = pytest.mark.eight_devices


def options(**stages):
    """Few updates of everything."""
    found = pipeline.Options()
    for name in ("regressor", "vae", "pcl", "readout"):
        config = getattr(found, name)._replace(steps=2, batch=8, **stages.get(name, {}))
        found = found._replace(**{name: config})
    return found


@pytest.fixture(scope="module")
def stored():
    return simulated.small("mini_dsprites", 100)


def test_every_model_is_planned_with_what_the_data_decide():
    data = published.rendered("mini_dsprites", 16)
    for name, model in models.MODELS.items():
        configs = pipeline.planned(name, data, pipeline.Options(positions=("x", "y")))
        stages = (
            {"regressor"} if model.stage == "regressor" else {model.stage, "readout"}
        )
        assert set(configs) == stages - {"pca"}
        last = list(configs.values())[-1]
        assert last.outputs == 4
        if model.stage == "regressor":
            assert (last.network, last.positions) == (name, (2, 3))
        drawn = [x for key, x in configs.items() if key != "readout"]
        assert all((x.renderer, x.side) == ("mini_dsprites", 16) for x in drawn)
    assert len(models.TRAINABLE) == 13 and len(models.MODELS) == 19


def test_unknown_models_and_factors_are_told(stored):
    with pytest.raises(errors.InputError, match="Did you mean 'cnn'"):
        pipeline.planned("cn", stored, pipeline.Options())
    with pytest.raises(errors.InputError, match="factor 'z'"):
        pipeline.planned("cnn", stored, pipeline.Options(hues=("z",)))


@pytest.mark.parametrize("name", ["cnn", "pca", "pcl"])
def test_a_model_is_trained_kept_and_read_again(name, stored, tmp_path):
    train, test = splits.make_split(stored, "random")
    fitted = pipeline.train(name, stored, train, options())
    images = stored.images(np.arange(5))
    found = fitted.predict(images)
    assert found.shape == (5, 4) and np.isfinite(found).all()
    assert len(fitted.features(images)) == len(fitted.codes(images)) == 5
    artifact.save(tmp_path / "model.npz", artifact.of(fitted, stored))
    model = artifact.load(tmp_path / "model.npz")
    assert model.grid == stored.grid and model.fitted.config == fitted.config
    np.testing.assert_array_equal(model.fitted.predict(images), found)


def test_images_of_other_points_have_no_part_in_training(stored):
    """Neither in the network nor in a representation: they are noise in one of two runs."""
    train, test = splits.make_split(stored, "extrapolation")
    at = np.isin(stored.index, test)
    noise = np.random.default_rng(0).integers(0, 256, stored.x.shape).astype(np.uint8)
    other = stored._replace(x=np.where(at[:, None, None, None], noise, stored.x))
    for name in ("mlp", "pca", "slow_vae"):
        one, two = (pipeline.train(name, x, train, options()) for x in (stored, other))
        for a, b in zip(*map(jax.tree.leaves, (one.params, two.params)), strict=True):
            np.testing.assert_array_equal(a, b)


def test_drawn_and_stored_images_are_the_same_to_a_network():
    drawn = published.rendered("mini_dsprites", 16)
    rows = np.arange(0, drawn.grid.count, 997)
    x = np.rint(255 * drawn.images(rows)).astype(np.uint8)
    kept = drawn._replace(index=drawn.index[rows], x=x, renderer="")
    config = regressor.Config(renderer="mini_dsprites", side=16)
    one = drawing.images_of(config, drawing.stored(drawn, rows))
    two = drawing.images_of(
        config._replace(renderer=""), drawing.stored(kept, np.arange(len(rows)))
    )
    np.testing.assert_allclose(one, two, atol=0.5 / 255 + 1e-6)
    np.testing.assert_array_equal(
        drawn.targets(rows), kept.targets(np.arange(len(rows)))
    )


def test_a_model_of_another_kind_is_refused(tmp_path, stored):
    fitted = pipeline.train("pca", stored, stored.index[:40], options())
    path = tmp_path / "model.npz"
    broken = fitted._replace(config=fitted.config._replace(outputs=3))
    artifact.save(path, artifact.of(broken, stored))
    with pytest.raises(errors.InputError, match="cannot read it"):
        artifact.load(path)
