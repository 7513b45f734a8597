"""Tasks of the DIVA experiment: own data, pretrained features, networks of other labels."""

import csv
import types

import helpers
import jax
import numpy as np
from absl import flags
from absl.testing import flagsaver

from experiments import run as runner
from experiments.diva import experiment as diva_experiment
from experiments.diva import tasks as diva_tasks
from iclr22 import diva
from iclr22.nn import efficientnet


def test_own_data_gives_a_ranking_with_the_wrong_labels_on_top(tmp_path, capsys):
    rng = np.random.default_rng(0)
    clean = np.arange(60) % 3
    z = 8 * np.eye(3, 8)[clean] + rng.normal(size=(60, 8))
    wrong = [3, 17, 31, 44]
    y = clean.copy()
    y[wrong] = (y[wrong] + 1) % 3
    names = np.array([f"größe-{i}" for i in range(60)])
    np.savez(tmp_path / "mine.npz", z=z.astype(np.float32), y=y, names=names)
    with flagsaver.flagsaver():
        options = (diva.Config(), diva_experiment.Settings(), ["digits"])
        runner.define_flags(*options, "dataset")
        arguments = {"compile_cache": "", "dataset": tmp_path / "mine.npz"}
        arguments["workdir"] = tmp_path / "run"
        flags.FLAGS(["diva", *(f"--{k}={v}" for k, v in arguments.items())])
        presets = diva_experiment.PRESETS
        runner.launch(diva_experiment.study, "diva", *options, presets, "dataset")
    flags.FLAGS.unparse_flags()
    helpers.check_outputs(tmp_path / "run", capsys.readouterr().out, "diva")
    with open(tmp_path / "run" / "examples.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
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


def task_of(x, seed=0):
    """A DIVA problem of these images, the last four for testing."""
    y = np.arange(len(x)) % 2
    wrong = np.zeros(len(x) - 4, bool)
    return diva_tasks.Task(x[:-4], y[:-4], y[:-4], wrong, x[-4:], y[-4:], 2, seed)


def test_pretrained_features_are_those_of_the_images(tmp_path, monkeypatch):
    calls = []

    def extract(params, images, *, size):
        calls.append(size)
        means = images.mean((1, 2, 3)) + size
        return np.repeat(means[:, None], efficientnet.FEATURES, 1).astype("f")

    monkeypatch.setattr(efficientnet, "load_weights", lambda path: None)
    monkeypatch.setattr(efficientnet, "extract", extract)
    first = np.random.default_rng(0).random((9, 4, 4, 3)).astype("f")
    for images, size in ((first, 8), (first[::-1], 8), (first, 16), (first, 8)):
        settings = diva_experiment.Settings(weights="some.npz", image_size=size)
        run = types.SimpleNamespace(settings=settings, workdir=tmp_path)
        found = diva_tasks.pretrained(run, images)
        expected = np.round(images * 255).mean((1, 2, 3)) + size
        np.testing.assert_allclose(found[:, 0], expected, rtol=1e-6)
    assert calls == [8, 8, 16, 8]  # the name tells images apart, the key sizes too
    diva_tasks.pretrained(run, first[::-1])
    assert len(calls) == 4


def test_networks_of_other_labels_are_not_shared(tmp_path, monkeypatch):
    trained = []

    def fit(method, config, batches, plan, *, seed, directory, name, **_):
        trained.append((name, directory.name))
        return method.init(config, jax.random.key(seed), batches(0))

    monkeypatch.setattr(diva_tasks.loop, "fit", fit)
    settings = diva_experiment.Settings(model=("cnn",), extend_batch=20)
    run = types.SimpleNamespace(settings=settings, config=diva.Config(), mode="jit")
    run.workdir = tmp_path
    task = task_of(np.random.default_rng(0).random((44, 8, 8, 1)).astype("f"), seed=3)
    diva_tasks.featurise(run, "cnn", task)
    for kind in ("noisy", "clean"):
        diva_experiment.extend_once(run, "cnn", task, kind)
    names = ["network-3", "network-3-extend-noisy", "network-3-extend-clean"]
    assert trained == [(name, name) for name in names]
