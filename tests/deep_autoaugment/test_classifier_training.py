"""Training a classifier from images and labels as users have them."""

import functools

import numpy as np
import pytest
from helpers import assert_trees_close

from iclr22 import errors
from iclr22.deep_autoaugment import classifier, training

pytestmark = pytest.mark.eight_devices


def test_what_the_data_decide_is_filled_in_where_it_is_open():
    rng = np.random.default_rng(0)
    x = rng.integers(0, 200, (50, 5, 4, 3)).astype(np.uint8)
    x[..., 2] = 7
    config = training.fitted_to(classifier.Config(), x, np.array([0, 4, 1]))
    assert config.classes == 5
    np.testing.assert_allclose(config.mean, (x / 255).mean((0, 1, 2)), atol=1e-4)
    np.testing.assert_allclose(config.std[:2], (x / 255).std((0, 1, 2))[:2], atol=1e-4)
    assert config.std[2] == 1 / 255  # a channel that never varies
    assert training.fitted_to(config, x // 2, np.array([8])) == config


def test_training_learns_resumes_and_counts(tmp_path):
    config, batch = classifier.example(30)
    config = config._replace(classes=0, mean=(), std=(), batch=8, steps=30)
    x, y = batch["x"], batch["y"]
    fit = functools.partial(training.fit, config, x, y, valid=(x, y))
    resolved, params = fit(directory=tmp_path)
    assert (resolved.classes, len(resolved.mean)) == (3, 3)
    found = training.accuracy(resolved, params, x, y)
    logits = classifier.apply(resolved, params, x)
    assert found == np.mean(np.argmax(logits, 1) == y) * 100 > 90
    written = (tmp_path / "metrics.jsonl").read_text()
    assert f'"valid/accuracy": {found:.1f}'.rstrip(".0") in written
    again = fit(directory=tmp_path)
    assert_trees_close(again[1], params, rtol=0)
    begun = training.fit(
        resolved._replace(learning_rate=0.0, steps=1), x, y, begin=params
    )
    assert_trees_close(begun[1]["weights"], params["weights"], rtol=0)


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.zeros((4, 8, 8, 2), np.uint8), [0, 1, 0, 1], r"c 1 or 3.*\[4, 8, 8, 2\]"),
        (np.full((4, 8, 8), 7.0), [0, 1, 0, 1], "from 0 to 1; found 7"),
        (np.zeros((4, 8, 8), np.uint8), [0, 1, 0], "found 4 images, 3 labels"),
        (np.zeros((4, 8, 8), np.uint8), [1, 1, 1, 1], "1 classes"),
        (np.zeros((4, 8, 8), np.uint8), [0, 1, -1, 1], "y: expected"),
        (np.zeros((4, 8, 8), np.uint8), [0, 1, 0.5, 1], "y: expected"),
    ],
)
def test_other_images_and_classes_are_refused(x, y, message):
    with pytest.raises(errors.InputError, match=message):
        classifier.checked(x, np.asarray(y))


def test_real_numbers_and_grey_images_become_bytes_with_a_channel():
    x, y = classifier.checked(np.full((2, 4, 5), 0.5), np.array([0.0, 1.0]))
    assert (x.dtype, x.shape, y.dtype) == (np.uint8, (2, 4, 5, 1), np.int32)
    assert np.all(x == 128)
