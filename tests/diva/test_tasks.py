"""Tasks of the DIVA experiment: own data, pretrained features, networks of other labels."""

import csv
import types

import helpers
import jax
import numpy as np
import pytest

from experiments.diva import extension, features, tasks
from experiments.diva.experiment import EXPERIMENT, Options
from iclr22 import diva, errors, loop
from iclr22.nn import efficientnet


def rows_of(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_own_data_gives_a_ranking_with_the_wrong_labels_on_top(tmp_path, capsys):
    rng = np.random.default_rng(0)
    clean = np.arange(60) % 3
    z = 8 * np.eye(3, 8)[clean] + rng.normal(size=(60, 8))
    wrong = [3, 17, 31, 44]
    y = clean.copy()
    y[wrong] = (y[wrong] + 1) % 3
    names = np.array([f"größe-{i}" for i in range(60)])
    np.savez(tmp_path / "mine.npz", z=z.astype(np.float32), y=y, names=names)
    paths = f"--dataset={tmp_path / 'mine.npz'}", f"--workdir={tmp_path / 'run'}"
    helpers.launch(EXPERIMENT, *paths)
    helpers.check_outputs(tmp_path / "run", capsys.readouterr().out, "diva")
    rows = rows_of(tmp_path / "run" / "examples.csv")
    assert {int(row["index"]) for row in rows[:4]} == set(wrong)
    assert sorted(int(row["index"]) for row in rows) == list(range(60))
    assert all(row["name"] == f"größe-{row['index']}" for row in rows)
    for row in rows[:4]:
        assert int(row["suggested"]) == clean[int(row["index"])]
        assert row["action"] == f"relabel to {row['suggested']}?"
    with np.load(tmp_path / "run" / "weights.npz") as found:
        weights = found["weights"]
    assert weights.shape == (60,)
    assert weights[wrong].mean() < 0.8 * np.delete(weights, wrong).mean()
    assert not (tmp_path / "run" / "model.npz").exists()
    with pytest.raises(errors.InputError, match="--width is read by --model=cnn"):
        helpers.launch(EXPERIMENT, *paths, "--noresume", "--width=4")


def own_images(path, n=48, kind=np.uint8):
    """A file of images of three classes, the last third for testing."""
    rng = np.random.default_rng(0)
    y = np.arange(n) % 3
    x = 40 * rng.random((3, 6, 6, 1))[y] + 10 * rng.random((n, 6, 6, 1))
    x, cut = x.astype(kind), 2 * n // 3
    classes = np.array(["ape", "bee", "cow"])
    np.savez(
        path,
        x=x[:cut],
        y=classes[y[:cut]],
        x_test=x[cut:],
        y_test=classes[y[cut:]],
    )
    return x[cut:], classes[y[cut:]]


def test_own_images_leave_a_model_that_predicts_as_was_measured(tmp_path, capsys):
    x, y = own_images(tmp_path / "mine.npz")
    words = "--model=cnn", "--steps=20", "--batch_size=16", "--width=4", "--noise=0.1"
    paths = f"--dataset={tmp_path / 'mine.npz'}", f"--workdir={tmp_path / 'run'}"
    helpers.launch(EXPERIMENT, *paths, *words)
    helpers.check_outputs(tmp_path / "run", capsys.readouterr().out, "diva")
    model = diva.load(tmp_path / "run" / "model.npz")
    outputs = diva.predict(model, x)
    assert model.class_names == ("ape", "bee", "cow") and outputs.shape == (16, 3)
    said = np.array(model.class_names)[outputs.argmax(axis=1)]
    (measured,) = (
        float(row["value"])
        for row in rows_of(tmp_path / "run" / "results.csv")
        if (row["variant"], row["metric"]) == ("reweight", "test/error")
    )
    assert 100 * np.mean(said != y) == pytest.approx(measured)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--model=features",), "needs z in .*mine.npz; found x, y"),
        (("--model=vectors",), "needs z or vectors x"),
        (("--model=cnn,pixels",), "one kind of features; found --model=cnn,pixels"),
        (("--model=cn",), "Did you mean 'cnn'"),
        (("--model=efficientnet_lite0",), "needs --weights"),
        (("--noise=1",), "share of labels; found 1.0"),
    ],
)
def test_what_own_data_cannot_do_is_said_at_once(words, message, tmp_path):
    own_images(tmp_path / "mine.npz")
    paths = f"--dataset={tmp_path / 'mine.npz'}", f"--workdir={tmp_path / 'run'}"
    with pytest.raises(errors.InputError, match=message):
        helpers.launch(EXPERIMENT, *paths, *words)
    assert not (tmp_path / "run" / "cells").exists()


def task_of(x, seed=0):
    """A DIVA problem of these images, the last four for testing."""
    y = np.arange(len(x)) % 2
    wrong = np.zeros(len(x) - 4, bool)
    return tasks.Task(x[:-4], y[:-4], y[:-4], wrong, x[-4:], y[-4:], 2, seed)


def test_pretrained_features_are_those_of_the_images(tmp_path, monkeypatch):
    calls = []

    def extract(params, images, *, size):
        calls.append(size)
        means = images.mean((1, 2, 3)) + size
        return np.repeat(means[:, None], efficientnet.FEATURES, 1).astype("f")

    monkeypatch.setattr(efficientnet, "load_weights", lambda path: None)
    monkeypatch.setattr(efficientnet, "extract", extract)
    first = np.random.default_rng(0).random((9, 4, 4, 3)).astype("f")
    run = types.SimpleNamespace(path=tmp_path.joinpath)
    for images, size in ((first, 8), (first[::-1], 8), (first, 16), (first, 8)):
        run.options = Options(weights="some.npz", image_size=size)
        found = features.pretrained(run, images)
        expected = np.round(images * 255).mean((1, 2, 3)) + size
        np.testing.assert_allclose(found[:, 0], expected, rtol=1e-6)
    assert calls == [8, 8, 16, 8]  # the name tells images apart, the key sizes too
    features.pretrained(run, first[::-1])
    assert len(calls) == 4


def test_networks_of_other_labels_are_not_shared(tmp_path, monkeypatch):
    trained = []

    def fit(method, config, batches, plan, *, seed, directory, name, **_):
        trained.append((name, directory.name))
        return method.init(config, jax.random.key(seed), batches(0))

    monkeypatch.setattr(loop, "fit", fit)
    run = types.SimpleNamespace(path=tmp_path.joinpath, mode="jit")
    run.options = Options(model=("cnn",), extend_batch=20)
    run.trained = {"cnn": diva.Config()}
    task = task_of(np.random.default_rng(0).random((44, 8, 8, 1)).astype("f"), seed=3)
    features.featurise(run, "cnn", task)
    for kind in ("noisy", "clean"):
        extension.extend_once(run, "cnn", task, kind)
    names = ["network-3", "network-3-extend-noisy", "network-3-extend-clean"]
    assert trained == [(name, name) for name in names]
