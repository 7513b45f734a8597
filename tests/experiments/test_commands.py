"""Every experiment from the command line, as a user calls it."""

import csv
import importlib
import inspect
import pkgutil
import types

import helpers
import jax
import numpy as np
import pytest
from absl import flags
from absl.testing import flagsaver

import experiments
import iclr22
from experiments import flags as config_flags
from experiments import run as runner
from experiments.diva import experiment as diva_experiment
from experiments.diva import tasks as diva_tasks
from iclr22 import diva
from iclr22.nn import efficientnet

MODULES = {
    module.name: importlib.import_module(f"experiments.{module.name}")
    for module in pkgutil.iter_modules(experiments.__path__)
}
MISSPELT = {
    "diva": ("digitz", "digits"),
    "cold_brew": ("corra", "cora"),
    "grda": ("dg51", "dg15"),
    "recurrent_intensity": ("ml10k", "ml100k"),
    "trajectory_shapley": ("zarra1", "zara1"),
}
STUDIES = [name for name, module in MODULES.items() if hasattr(module, "study")]


def command(name, *arguments):
    """Start an experiment as a user does."""
    cache = f"--compile_cache={jax.config.jax_compilation_cache_dir}"
    return helpers.start("-m", f"experiments.{name}", cache, *arguments)


# test_cold_brew_experiment.py looks at that one more closely.
@pytest.mark.parametrize("name", [name for name in STUDIES if name != "cold_brew"])
def test_quick_run_works_and_repeats(name, tmp_path):
    options = ["--quick", f"--workdir={tmp_path}"]
    config = getattr(iclr22.get(name), "Config", lambda: ())()
    options += ["--steps=2"] if "steps" in getattr(config, "_fields", ()) else []
    out, err = helpers.finish(command(name, *options), timeout=240)
    helpers.check_outputs(tmp_path, out, name)
    first = (tmp_path / "results.csv").read_bytes()
    cells = {x: x.stat().st_mtime_ns for x in (tmp_path / "cells").iterdir()}
    out, again = helpers.finish(command(name, *options))
    helpers.check_outputs(tmp_path, out, name)
    assert (tmp_path / "results.csv").read_bytes() == first
    assert {x: x.stat().st_mtime_ns for x in (tmp_path / "cells").iterdir()} == cells
    assert "Traceback" not in err + again and "Warning" not in err + again


@pytest.mark.parametrize("name", STUDIES)
def test_wrong_command_lines_and_help_are_answered_clearly(name, tmp_path):
    bad = tmp_path / "bad.npz"
    bad.write_text("this is no archive")
    workdir = f"--workdir={tmp_path / 'run'}"
    cases = {
        "--sedes=3": "Unknown command line flag 'sedes'. Did you mean: seeds",
        f"--dataset={MISSPELT[name][0]}": f"Did you mean {MISSPELT[name][1]!r}",
        "seeds=3": "unexpected arguments",
    }
    if 'own_data="dataset"' in inspect.getsource(MODULES[name]):
        cases[f"--dataset={bad}"] = "bad.npz"
    processes = {case: command(name, workdir, case) for case in (*cases, "--help")}
    texts = {k: "".join(helpers.finish(x, expect=1)) for k, x in processes.items()}
    assert not [case for case, text in texts.items() if "Traceback" in text]
    for case, message in cases.items():
        assert message in texts[case]
    assert not (tmp_path / "run" / "results.csv").exists()
    flags_of_all = ("dataset", "data_dir", "workdir", "seeds", "[no]quick", "mode")
    for text in (*(f"--{x}:" for x in flags_of_all), f"python -m experiments.{name}"):
        assert text in texts["--help"]
    config = getattr(iclr22.get(name), "Config", None)
    for field, text in config_flags.field_comments(config).items() if config else ():
        assert f"{field}:" in texts["--help"]
        assert text.split()[0] in texts["--help"]


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
