"""Every experiment from the command line, as a user calls it."""

import fnmatch
import importlib
import typing

import helpers
import jax
import pytest
import readme_commands

from experiments import flags as config_flags
from experiments import options as option_lib
from experiments import paper
from iclr22 import errors

METHODS = paper.there()


def experiment_of(name) -> option_lib.Experiment:
    """What its `__main__` runs."""
    return importlib.import_module(f"experiments.{name}.experiment").EXPERIMENT


def command(name, *arguments):
    """Start an experiment as a user does."""
    cache = f"--compile_cache={jax.config.jax_compilation_cache_dir}"
    return helpers.start("-m", f"experiments.{name}", cache, *arguments)


def shorter(name) -> list[str]:
    """Two updates, or epochs, of everything that a quick run trains."""
    experiment = experiment_of(name)
    dataset, found = experiment.datasets[0], {}
    for flag in config_flags.values(experiment.options):
        if flag.rpartition(".")[2] in ("steps", "epochs"):
            try:
                option_lib.resolve(experiment, {flag: 2}, dataset=dataset, quick=True)
            except errors.InputError:
                continue  # not read by this run
            found[flag] = 2
    return [f"--{flag}={value}" for flag, value in found.items()]


@pytest.mark.parametrize("name", METHODS)
def test_quick_run_works_and_repeats(name, tmp_path):
    words = ["--quick", "--seeds=1", f"--workdir={tmp_path}", *shorter(name)]
    out, err = helpers.finish(command(name, *words), timeout=240)
    helpers.check_outputs(tmp_path, out, name)
    first = (tmp_path / "results.csv").read_bytes()
    cells = {x: x.stat().st_mtime_ns for x in (tmp_path / "cells").iterdir()}
    out, again = helpers.finish(command(name, *words))
    helpers.check_outputs(tmp_path, out, name)
    assert (tmp_path / "results.csv").read_bytes() == first
    assert {x: x.stat().st_mtime_ns for x in (tmp_path / "cells").iterdir()} == cells
    assert "Traceback" not in err + again and "Warning" not in err + again


@pytest.mark.parametrize("name", METHODS)
def test_wrong_command_lines_and_help_are_answered_clearly(name, tmp_path):
    experiment, bad = experiment_of(name), tmp_path / "bad.npz"
    bad.write_text("this is no archive")
    known = experiment.datasets[0]
    cases = {
        "--sedes=3": "Unknown command line flag 'sedes'. Did you mean: seeds",
        f"--dataset={known[0]}{known}": f"Did you mean {known!r}",
        "seeds=3": "unexpected arguments",
    }
    if experiment.own_data == "dataset":
        cases[f"--dataset={bad}"] = "bad.npz"
    elif experiment.own_data:
        missing = "no such file or folder: none.csv"
        cases[f"--{experiment.own_data}=none.csv"] = missing
    workdir = f"--workdir={tmp_path / 'run'}"
    texts = helpers.answers(
        f"experiments.{name}", {case: (workdir, case) for case in (*cases, "--help")}
    )
    assert not [case for case, text in texts.items() if "Traceback" in text]
    for case, message in cases.items():
        assert message in texts[case]
    assert not (tmp_path / "run" / "results.csv").exists()
    flags_of_all = ("dataset", "data_dir", "workdir", "seeds", "[no]quick", "mode")
    for text in (*(f"--{x}:" for x in flags_of_all), f"python -m experiments.{name}"):
        assert text in texts["--help"]
    for field in config_flags.fields(experiment.options):
        shown = f"[no]{field.name}" if field.hint is bool else field.name
        assert f"--{shown}:" in texts["--help"]
        assert field.help.split()[0] in texts["--help"]


def names_of(experiment) -> dict:
    """Types of the flags by name, and of what else conditions may ask for."""
    dataset = typing.Literal[(*experiment.datasets, "own")]
    facts = {"dataset": dataset, "own": typing.Literal["yes", "no"]}
    fields = config_flags.fields(experiment.options)
    return facts | {field.name: field.hint for field in fields}


def accepts(hint, value) -> bool:
    """Whether a flag of this type can have this value."""
    if typing.get_origin(hint) is typing.Literal:
        return value in typing.get_args(hint)
    if typing.get_origin(hint) is tuple:
        kind = typing.get_args(hint)[0]
        return isinstance(value, tuple) and all(accepts(kind, x) for x in value)
    return type(value) is hint


@pytest.mark.parametrize("name", METHODS)
def test_presets_speak_of_flags_and_their_values(name):
    experiment = experiment_of(name)
    known = names_of(experiment)
    assert set(experiment.presets) <= set(typing.get_args(known["dataset"]))
    for condition in (*experiment.choices, *experiment.quick, *experiment.drawn):
        flag, _, value = condition.partition("=")
        if condition:
            found = value == "True" if known[flag] is bool else value
            assert accepts(known[flag], found), condition
    presets = (experiment.presets, experiment.choices, experiment.quick)
    for preset in (x for several in presets for x in several.values()):
        for flag, value in preset.items():
            assert accepts(known[flag], value), f"--{flag}={value}"


@pytest.mark.parametrize("name", METHODS)
def test_uses_speak_of_flags_and_their_values(name):
    experiment = experiment_of(name)
    known = names_of(experiment)
    flags = [field.name for field in config_flags.fields(experiment.options)]
    flags += ["dataset", "seeds"]  # of every run
    for use in experiment.uses:
        for pattern in use.flags:
            assert fnmatch.filter(flags, pattern), f"{pattern} is no flag"
        for flag, values in use.where.items():
            several = typing.get_origin(known[flag]) is tuple
            hint = typing.get_args(known[flag])[0] if several else known[flag]
            one_of_them = (x for x in values if not (several and x == ()))
            assert values and all(accepts(hint, x) for x in one_of_them), flag


@pytest.mark.parametrize("name", METHODS)
def test_commands_of_the_paper_are_read_by_its_experiment(name, tmp_path, monkeypatch):
    readme_commands.write_own_files(name, tmp_path)
    monkeypatch.chdir(tmp_path)
    here = paper.of(name)
    jobs = [job.arguments for several in here.JOBS.values() for job in several]
    for arguments in dict.fromkeys([*jobs, *(x.arguments for x in here.HEADLINES)]):
        words = paper.words(name, arguments)[2:]
        helpers.parsed(experiment_of(name), *words)
    quick = [job.arguments for job in here.JOBS["quick"]]
    assert all("--quick" in arguments for arguments in quick)


@pytest.mark.parametrize("name", METHODS)
def test_every_data_set_and_every_choice_has_options(name):
    """Presets fit together, and --quick asks for nothing more."""
    experiment = experiment_of(name)
    conditions = [
        x.split("=", 1) for x in (*experiment.choices, *experiment.quick) if x
    ]
    flags = config_flags.values(experiment.options)
    unchecked = experiment._replace(check=None)
    for dataset in experiment.datasets:
        option_lib.resolve(experiment, {}, dataset=dataset, quick=True)
        for flag, value in (x for x in conditions if x[0] in flags):
            for quick in (False, True):
                option_lib.resolve(
                    unchecked, {flag: value}, dataset=dataset, quick=quick
                )
