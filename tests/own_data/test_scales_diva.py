"""DIVA finds wrong labels of vectors of any scale, of grades, of rare classes, of images."""

import csv
import types
from typing import Any

import numpy as np
import pytest

from experiments.diva import curation
from iclr22 import data, diva, errors, metrics
from iclr22.diva import artifact, maps, pipeline


def quality(x, y, wrong):
    """AUC of the default ranking of vectors."""
    targets = diva.one_hot(y)
    return metrics.auc(diva.rank_vectors(x, targets).detection.score, wrong)


def grades(n=400):
    """Five grades by a sum of scores; a tenth off by one: `(x, points, y, wrong)`."""
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 1, (n, 4))
    points = x.sum(axis=1)
    y = np.digitize(points, np.quantile(points, [0.2, 0.4, 0.6, 0.8]))
    wrong = np.arange(n) < n // 10
    given = np.where(wrong, np.where(y == 4, 3, y + 1), y)
    return x, points, given, wrong


@pytest.mark.parametrize("scale", [1, [1, 1, 1, 1000], [1e-3, 1, 1e4, 1]])
@pytest.mark.parametrize("origin", [0, 1e6])
def test_grades_between_others_are_learnt_at_any_scale(scale, origin):
    x, _, y, wrong = grades()
    assert quality(x * scale + origin, y, wrong) > 0.96  # of the raw inputs: about 0.8


def test_numbers_are_ranked_by_how_far_they_are_off():
    x, points, _, wrong = grades()
    z = np.append(x, np.ones((len(x), 1)), axis=1)
    targets = (points + 2.0 * wrong)[:, None]
    found = diva.detect(z, targets)
    assert metrics.auc(found.score, wrong) == 1 and found.suggested is None
    np.testing.assert_array_equal(found.flagged, wrong)
    for score in ("path", "trusted", "derivative"):
        assert np.isfinite(diva.detect(z, targets, score=score).score).all()
    for score in ("relabel", "consensus"):
        with pytest.raises(errors.InputError, match=r"one-hot.*found \(400, 1\)"):
            diva.detect(z, targets, score=score)
    exact = diva.detect(z, points[:, None], l2=1e-9)
    assert np.isfinite(exact.score).all()


def test_public_student_grades_as_letters_and_as_numbers(shared):
    path = shared / "cases" / "student_grades.csv"
    if not path.exists():
        pytest.skip("the table of student grades is not here")
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    notes = sorted({row["notes"] for row in rows})
    x = np.array(
        [
            [float(row[f"exam_{i}"]) for i in (1, 2, 3)]
            + [float(row["notes"] == note) for note in notes]
            for row in rows
        ]
    )
    given, true = (
        np.array([float(r[k]) for r in rows]) for k in ("grade", "true_grade")
    )
    letters, right = (np.digitize(g, [60, 70, 80, 90]) for g in (given, true))
    assert quality(x, letters, letters != right) > 0.998
    numbers = given[:, None]
    for found in (diva.detect(x, numbers), diva.rank_vectors(x, numbers).detection):
        assert metrics.auc(found.score, given != true) > 0.9995


def rare(seed=0):
    """950 against 50 in ten columns, 20 wrong: `(x, y, wrong)`."""
    rng = np.random.default_rng(seed)
    true = np.arange(1000) % 20 == 0
    x = rng.normal(size=(1000, 10))
    x[:, 0] += 3 * true
    wrong = np.zeros(1000, bool)
    wrong[rng.choice(1000, 20, replace=False)] = True
    return x, (true ^ wrong).astype(int), wrong


@pytest.mark.parametrize("seed", range(3))
def test_a_rare_class_is_not_taken_for_wrong(seed):
    x, y, wrong = rare(seed)
    targets = diva.one_hot(y)
    found = diva.rank_vectors(x, targets).detection
    correct = (y == 1) & ~wrong
    assert found.flagged[correct].mean() < 0.3  # 0.98 without thresholds per class
    assert found.flagged[wrong].mean() > 0.75
    assert metrics.auc(found.score, wrong) > 0.99


def test_a_class_that_would_vanish_is_named():
    pool: Any = types.SimpleNamespace(names=("few", "many", "none"))
    task: Any = types.SimpleNamespace(y=np.array([0, 0, 1, 1, 1, 1]))
    flagged = np.array([True, True, True, False, False, False])
    line = curation.vanishing(pool, task, {"flagged": flagged})
    assert line.startswith("Of class few 2 of 2 examples") and "many" not in line
    assert curation.vanishing(pool, task, {"flagged": ~flagged}).count("Of class") == 1


def test_own_images_are_ranked_by_what_no_label_has_touched():
    digits = data.get("digits").load(None)["train"]
    rng = np.random.default_rng(0)
    rows = rng.permutation(len(digits["y"]))[:200]
    wrong = np.arange(200) < 20
    y = (digits["y"][rows] + wrong * rng.integers(1, 10, 200)) % 10
    x = digits["x"][rows]
    inputs = maps.scaling_of(x)(x)
    found = pipeline.curate_inputs(inputs, diva.one_hot(y))
    assert metrics.auc(found.detection.score, wrong) > 0.98  # 0.28 of a trained network


def test_examples_of_any_type_are_scaled_alike():
    x = np.random.default_rng(0).integers(0, 200, (20, 3)).astype(float)
    x[:, 1] = 7
    expected = (x - x.mean(axis=0)) / np.where(x.std(axis=0) > 0, x.std(axis=0), 1)
    for given in (x, x.astype(np.uint8), x.astype(np.int16), x.tolist()):
        found = maps.scaling_of(given)(given)
        np.testing.assert_allclose(found, expected, atol=1e-6)
    plain = maps.scaling_of(x, standardise=False)
    np.testing.assert_array_equal(plain(x), x.astype(np.float32))
    images = x.reshape(20, 3, 1)
    for kind in (np.uint8, np.int64, np.uint16):
        found = maps.scaling_of(images.astype(kind))(images.astype(kind))
        np.testing.assert_allclose(found, images / images.max(), rtol=1e-6)
    assert maps.scaling_of(images).scale == 1  # floating-point images stay as they are
    far = x + 1e9
    np.testing.assert_allclose(maps.scaling_of(far)(far), expected, atol=1e-5)


def test_a_model_of_vectors_remembers_their_scale(tmp_path):
    x, _, y, _ = grades(60)
    small = diva.Options(diva.Config(width=2, steps=3, batch_size=20))
    model = diva.train(
        diva.Examples((100 * x).astype(np.int16), y.tolist()), small, directory=tmp_path
    ).model
    artifact.save(tmp_path / "model.npz", model)
    back = artifact.load(tmp_path / "model.npz")
    rows = (100 * x).astype(np.int16)
    expected = artifact.predict(model, rows)
    np.testing.assert_array_equal(artifact.predict(back, rows.tolist()), expected)
    with pytest.raises(errors.InputError, match="x: expected real numbers"):
        artifact.predict(back, [["a", "b", "c", "d"]])
