"""One call from labelled examples to a model; the model on disk."""

import helpers
import numpy as np
import pytest

from iclr22 import diva, errors
from iclr22.diva import artifact, maps, pipeline

pytestmark = pytest.mark.eight_devices

SMALL = diva.Options(diva.Config(width=4, steps=30, batch_size=20))


def examples(n=60, kind=np.uint8, seed=0):
    """Images of three classes, three labels wrong: `(Examples, wrong)`."""
    rng = np.random.default_rng(seed)
    clean = np.arange(n) % 3
    x = 40 * np.random.default_rng(0).random((3, 6, 6, 1))[clean]
    x = (x + 10 * rng.random(x.shape)).astype(kind)
    wrong, y = [4, 20, 33], clean.copy()
    y[wrong] = (y[wrong] + 1) % 3
    return diva.Examples(x, y, ("ape", "bee", "cow")), wrong


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    return diva.train(examples()[0], SMALL, directory=tmp_path_factory.mktemp("run"))


def test_examples_are_ranked_weighted_and_predicted(fitted):
    data, wrong = examples()
    detection = fitted.curation.detection
    assert set(detection.order[:3].tolist()) == set(wrong)
    weights = fitted.curation.reweighting.weights
    assert weights[wrong].mean() < np.delete(weights, wrong).mean()
    new, unseen_wrong = examples(seed=1)
    right = np.delete(np.arange(60), unseen_wrong)
    said = diva.predict(fitted.model, new.x).argmax(axis=1)
    assert np.mean(said[right] == new.y[right]) > 0.95
    assert fitted.model.class_names == data.class_names


def test_head_is_the_weighted_ridge_solution(fitted):
    data, _ = examples()
    model, found = fitted.model, fitted.curation
    z = model.extractor(model.scaling(data.x))
    assert z.shape == (60, 17) and model.scaling.scale == data.x.max()
    np.testing.assert_allclose(np.mean(np.sum(z**2, axis=1)), 1, rtol=1e-5)
    targets, weights = np.eye(3)[data.y], found.reweighting.weights
    l2 = diva.choose_l2(z, targets).l2
    expected = helpers.ridge(z.astype(float), targets, weights, l2)
    np.testing.assert_allclose(model.coefficients, expected, rtol=1e-5, atol=1e-8)
    np.testing.assert_allclose(diva.predict(model, data.x), z @ expected, atol=1e-6)


def test_models_come_back_and_say_what_is_wrong(fitted, tmp_path, monkeypatch):
    data, _ = examples()
    diva.save(tmp_path / "model.npz", fitted.model)
    back = diva.load(tmp_path / "model.npz")
    expected = diva.predict(fitted.model, data.x)
    np.testing.assert_array_equal(diva.predict(back, data.x), expected)
    assert back.extractor.config == fitted.model.extractor.config
    assert back.class_names == fitted.model.class_names
    monkeypatch.setattr(artifact, "CHUNK", 7)  # the last has another length
    np.testing.assert_allclose(diva.predict(back, data.x), expected, atol=1e-6)
    assert diva.predict(back, data.x[:0]).shape == (0, 3)
    with pytest.raises(errors.InputError, match=r"shape \(6, 6, 1\).*found \(60, 5"):
        diva.predict(back, data.x[:, :5])
    with pytest.raises(errors.InputError, match="non-finite"):
        diva.predict(back, np.full((1, 6, 6, 1), np.nan))
    np.savez(tmp_path / "other.npz", x=data.x)
    with pytest.raises(errors.InputError, match="expected a diva model"):
        diva.load(tmp_path / "other.npz")
    with pytest.raises(errors.InputError, match="no such file"):
        diva.load(tmp_path / "none.npz")


def test_vectors_names_and_bad_examples(tmp_path):
    data, _ = examples()
    vectors = data.x.reshape(60, -1) / 50.0
    found = diva.train(diva.Examples(vectors, data.y), SMALL, directory=tmp_path)
    assert found.model.class_names == ("0", "1", "2")
    np.testing.assert_allclose(found.model.scaling.scale, vectors.std(axis=0))
    assert diva.predict(found.model, vectors).shape == (60, 3)
    bad = vectors.copy()
    bad[3, 2] = np.inf
    cases = [
        (diva.Examples(vectors[1:], data.y), "found .59, 36. and .60,."),
        (diva.Examples(vectors, np.zeros(60, int)), "with 1 classes"),
        (diva.Examples(bad, data.y), r"x holds 1 non-finite values, first at .3, 2."),
        (diva.Examples(vectors, data.y, ("ape", "bee")), "0 .. 1"),
        (diva.Examples(vectors, data.y - 0.5), "whole numbers"),
    ]
    for given, message in cases:
        with pytest.raises(errors.InputError, match=message):
            diva.train(given, SMALL, directory=tmp_path / "bad")


def test_config_has_what_the_data_decide():
    options = SMALL._replace(classifier=SMALL.classifier._replace(classes=99))
    config = pipeline.config_of(options, 3)
    assert config == SMALL.classifier._replace(classes=3)


def test_last_step_of_a_map_is_kept_as_numbers():
    rows = np.random.default_rng(0).normal(size=(20, 5)).astype(np.float32)
    last = maps.finish_of(rows)
    expected = maps.finish(lambda x: x, rows)(rows[:3])
    np.testing.assert_array_equal(maps.Finish(*last)(rows[:3]), expected)
    norms = np.sum(last(rows) ** 2, axis=1)
    np.testing.assert_allclose(norms.mean(), 1, rtol=1e-6)
