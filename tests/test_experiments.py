"""Every experiment from the command line, as a user calls it."""

import csv
import importlib
import inspect
import pkgutil

import helpers
import jax
import numpy as np
import pytest
from absl import flags
from absl.testing import flagsaver

import experiments
import iclr22
from experiments import diva as diva_experiment
from experiments import flags as config_flags
from experiments import run as runner
from iclr22 import diva

MODULES = {
    module.name: importlib.import_module(f"experiments.{module.name}")
    for module in pkgutil.iter_modules(experiments.__path__)
}
STUDIES = [name for name, module in MODULES.items() if hasattr(module, "study")]


def command(name, *arguments):
    """Start an experiment as a user does."""
    cache = f"--compile_cache={jax.config.jax_compilation_cache_dir}"
    return helpers.start("-m", f"experiments.{name}", cache, *arguments)


@pytest.mark.parametrize("name", STUDIES)
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
        "--dataset=digitz": "Did you mean 'digits'",
        "seeds=3": "unexpected arguments",
    }
    if "own_data=True" in inspect.getsource(MODULES[name]):
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
        runner.define_flags(*options, True)
        arguments = {"compile_cache": "", "dataset": tmp_path / "mine.npz"}
        arguments["workdir"] = tmp_path / "run"
        flags.FLAGS(["diva", *(f"--{k}={v}" for k, v in arguments.items())])
        presets = diva_experiment.PRESETS
        runner.launch(diva_experiment.study, "diva", *options, presets, True)
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
