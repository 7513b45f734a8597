"""GRDA on data of one's own: trained, kept, asked again with other files."""

import csv
import json

import helpers
import jax
import numpy as np
import pytest
from absl import flags

from experiments.grda import paper, predict
from experiments.grda.experiment import EXPERIMENT
from iclr22 import data, errors
from iclr22.grda import artifact

QUICK = ("--quick", "--seeds=1", "--method=grda_plus")


@pytest.fixture(autouse=True)
def fresh_flags():
    yield
    flags.FLAGS.unparse_flags()


def test_published_numbers_are_those_of_the_paper():
    assert paper.published("dg15", "grda", "target/accuracy") == 84.44
    assert paper.published("dg60", "adda", "target/accuracy") == 32.17
    assert paper.published("tpt48_east_west", "mdd", "level2/mse") == 1.383
    assert paper.published("dg15", "grda_plus", "target/accuracy") == ""
    assert len(paper.HEADLINES) == len({line.key for line in paper.HEADLINES})


def drawn():
    """Seven domains, four of them labelled."""
    rng = np.random.default_rng(0)
    return data.generate_domains(rng, domains=7, points=30, sources=4, angles=1.6)


def write(path, header, rows):
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])


def write_own(folder, found, new, *, regression=False):
    """samples.csv and edges.csv without one domain; new.csv and all.csv with it, its
    samples apart and their columns in another order."""
    labels = ("label_x", "label_y") if regression else ("label",)

    def label(row):
        if not found.sources[found.domain[row]]:
            return [""] * len(labels)
        x, y = found.x[row].tolist()
        return [x + y, x - y] if regression else [f"class{found.y[row]}"]

    mine = np.flatnonzero(found.domain != new)
    write(
        folder / "samples.csv",
        ["domain", *labels, "a", "b"],
        [[f"site{found.domain[i]}", *label(i), *found.x[i].tolist()] for i in mine],
    )
    theirs = np.flatnonzero(found.domain == new)
    write(
        folder / "new.csv",
        ["b", "domain", "a", *labels],
        [[found.x[i, 1], f"site{new}", found.x[i, 0], *label(i)] for i in theirs],
    )
    ends = np.stack([found.graph.senders, found.graph.receivers], axis=1)
    for name, kept in (
        ("edges.csv", ends[(ends != new).all(axis=1)]),
        ("all.csv", ends),
    ):
        rows = [[f"site{a}", f"site{b}"] for a, b in kept]
        write(folder / name, ["source", "target"], rows)


def read(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def files(folder, samples, domains):
    return f"--samples={folder / samples}", f"--domains={folder / domains}"


def test_own_data_are_trained_on_and_predicted_for(tmp_path):
    """As a user does, in two processes."""
    found = drawn()
    new = int(np.flatnonzero(~found.sources)[-1])
    write_own(tmp_path, found, new)
    cache = f"--compile_cache={jax.config.jax_compilation_cache_dir}"
    base = ("-m", "experiments.grda", cache, "--quick")
    run, later = tmp_path / "run", tmp_path / "later"
    words = (*base, "--method=grda_plus", "--seeds=1", f"--workdir={run}")
    mine = files(tmp_path, "samples.csv", "edges.csv")
    out, _ = helpers.finish(helpers.start(*words, *mine), timeout=240)
    helpers.check_outputs(run, out, "grda")
    assert str(run / "predictions.csv") in out
    rows = read(run / "predictions.csv")
    assert len(rows) == 6 * 30
    assert {row["predicted"] for row in rows} <= {"class0", "class1"}
    words = (*base, "--task=predict", f"--model={run}/model.npz", f"--workdir={later}")
    theirs = files(tmp_path, "new.csv", "all.csv")
    helpers.finish(helpers.start(*words, *theirs), timeout=240)
    rows = read(later / "predictions.csv")
    assert {row["domain"] for row in rows} == {f"site{new}"} and len(rows) == 30
    assert json.loads((later / "config.json").read_text())["trained"] == {}
    model = artifact.load(run / "model.npz")
    assert model.stage == "plus" and model.feature_names == ("a", "b")
    with pytest.raises(errors.InputError, match="name its neighbours"):
        predict.insert(model, [f"site{new}"], "")


@pytest.mark.parametrize("regression", [False, True])
def test_a_kept_model_is_asked_by_names_of_columns(regression, tmp_path):
    """Classes and numbers: what the run said is said again, whatever the order of
    columns and without labels, also through edges for a new domain; missing ones are
    refused."""
    found = drawn()
    new = int(np.flatnonzero(~found.sources)[-1])
    write_own(tmp_path, found, new, regression=regression)
    mine = files(tmp_path, "samples.csv", "edges.csv")
    words = ("--regression",) if regression else ()
    run = tmp_path / "run"
    helpers.launch(EXPERIMENT, *QUICK, *mine, *words, f"--workdir={run}")
    about = json.loads((run / "config.json").read_text())
    config = about["trained"]["grda_plus-independent"]["config"]
    assert (config["outputs"], config["regression"]) == (2, regression)
    model = artifact.load(run / "model.npz")
    assert model.feature_names == ("a", "b")
    assert model.class_names == (() if regression else ("class0", "class1"))
    plain = {"constant", "least_squares" if regression else "logistic_regression"}
    results = read(run / "results.csv")
    assert {row["variant"] for row in results} == {"grda_plus", *plain}
    assert "Exported: grda_plus, chosen without" in (run / "report.html").read_text()
    said = read(run / "predictions.csv")
    swapped = read(tmp_path / "samples.csv")
    header = ["b", "domain", "a"]
    rows = [[row[name] for name in header] for row in swapped]
    write(tmp_path / "swapped.csv", header, rows)
    ask = ("--task=predict", f"--model={run / 'model.npz'}")
    again = tmp_path / "again"
    theirs = files(tmp_path, "swapped.csv", "edges.csv")
    helpers.launch(EXPERIMENT, *ask, *theirs, f"--workdir={again}")
    assert read(again / "predictions.csv") == said
    later = tmp_path / "later"
    theirs = files(tmp_path, "new.csv", "all.csv")
    helpers.launch(EXPERIMENT, *ask, *theirs, f"--workdir={later}")
    assert {row["domain"] for row in read(later / "predictions.csv")} == {f"site{new}"}
    assert len(artifact.load(later / "model.npz").domain_names) == 7
    header[0] = "c"
    write(tmp_path / "other.csv", header, rows)
    theirs = files(tmp_path, "other.csv", "edges.csv")
    with pytest.raises(errors.InputError, match="2 features .*; found no b"):
        helpers.launch(EXPERIMENT, *ask, *theirs, f"--workdir={tmp_path / 'other'}")


def test_changed_data_are_another_run(tmp_path, monkeypatch):
    """What was computed of a file's old content is not shown for its new one."""
    monkeypatch.chdir(tmp_path)
    write_own(tmp_path, drawn(), 6)
    seen = []
    experiment = EXPERIMENT._replace(study=lambda run: seen.append(run.workdir))
    words = ("--samples=samples.csv", "--domains=edges.csv")
    helpers.launch(experiment, *words)
    helpers.launch(experiment, *words)
    kept = tmp_path / "kept"
    helpers.launch(experiment, *words, f"--workdir={kept}")
    with open(tmp_path / "samples.csv", "a", encoding="utf-8") as file:
        file.write("site0,class0,1,1\n")
    helpers.launch(experiment, *words)
    assert seen[0] == seen[1] != seen[3]
    with pytest.raises(
        errors.InputError, match="content of --samples.*: .* there, .* now"
    ):
        helpers.launch(experiment, *words, f"--workdir={kept}")
    helpers.launch(experiment, *words, f"--workdir={kept}", "--noresume")
    inputs = json.loads((kept / "config.json").read_text())["inputs"]
    assert set(inputs) == {"samples", "domains"}
