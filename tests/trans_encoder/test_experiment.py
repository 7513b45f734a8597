"""The tasks of the experiment on files of a user: what is written, and what it says.

Networks stay as they begin; `tests/experiments` runs the commands as they are."""

import csv
import json

import helpers
import numpy as np
import pair_helpers
import pytest
import readme_commands

from experiments.trans_encoder.experiment import EXPERIMENT
from iclr22 import data, record, trans_encoder
from iclr22.trans_encoder import artifact

SHORT = ("--cycles=1", "--epochs=1", "--cross.epochs=1", "--looks=1", "--batch=32")


@pytest.fixture(scope="module", autouse=True)
def untrained():
    with pytest.MonkeyPatch.context() as found:
        yield pair_helpers.untrained(found)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("own")
    readme_commands.write_own_files("trans_encoder", path)
    return path


def launch(run, *words):
    helpers.launch(EXPERIMENT, f"--workdir={run}", *words)
    return run


@pytest.fixture(scope="module")
def trained(folder):
    """A run on pairs.csv with an encoder, both students and folders of them."""
    words = (f"--pairs={folder / 'pairs.csv'}", f"--encoder={folder / 'bert'}")
    return launch(folder / "run", *words, *SHORT, "--seeds=1", "--export")


def read(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def rows(run):
    return {
        (x.variant, x.metric): x.value for x in record.read_results(run / "results.csv")
    }


def test_a_run_leaves_models_scores_and_a_table(folder, trained):
    found = rows(trained)
    names = ("start", "bi", "cross", "static", "ensemble")
    assert set(found) == {(x, "test/spearman") for x in names}  # nothing to select by
    assert all(-100 <= x <= 100 for x in found.values())
    model = artifact.load(trained / "model.npz")
    assert len(model.bi) == len(model.cross) == 1 and model.static is not None
    pairs = data.load_own_pairs(folder / "pairs.csv")
    table = read(trained / "scores.csv")
    assert [x["sentence1"] for x in table] == pairs.sentence1.tolist()
    for way in ("bi", "cross"):
        both = pairs.sentence1.tolist(), pairs.sentence2.tolist()
        expected = trans_encoder.score(model, *both, by=way)
        np.testing.assert_allclose([float(x[way]) for x in table], expected, atol=1e-5)
    names = {x.name for x in (trained / "export").iterdir()}
    assert names == {"bi_0", "cross_0"}
    page = (trained / "report.html").read_text()
    assert "its teacher in" in page and "have seen more than unlabelled" in page


def test_what_is_recorded_is_trained(folder, tmp_path, monkeypatch):
    words = (
        *("--quick", "--seeds=1", "--variant=self,mutual,self_bi,tsdae,shuffled"),
        *("--looks=1", "--learning_rate=0.125", "--cross.learning_rate=0.25"),
        *("--contrast.masked=1", "--tokens=24"),
    )
    about, found = helpers.what_trains(EXPERIMENT, tmp_path, monkeypatch, *words)
    helpers.assert_trains_as_recorded(about, found)
    names = (
        "contrast-0",
        "contrast-1",
        "tsdae-0",
        "bi-0",
        "bi-1",
        "cross-0",
        "cross-1",
    )
    assert set(about["trained"]) == set(names)
    configs = {name: x["config"] for name, x in about["trained"].items()}
    assert configs["bi-0"]["learning_rate"] == 0.125
    assert configs["cross-1"]["learning_rate"] == 0.25
    assert {configs[x]["tokens"] for x in ("bi-0", "tsdae-0", "contrast-1")} == {24}
    variants = {name for name, _ in rows(tmp_path)}
    assert variants == {
        *("start", "bi", "cross", "static", "ensemble", "mutual_bi", "mutual_cross"),
        *("self_bi", "tsdae", "shuffled", "mutual"),
    }
    settings = {x.setting for x in record.read_results(tmp_path / "results.csv")}
    noisy = {f"contrast, noise 0.4, 1x16{x}" for x in ("", " (2)")}
    both = {"contrast, noise 0.4, 1x16 and 1x16 (2)"}  # of how far they agree
    own = {f"contrast itself, 1x16{x}" for x in ("", " (2)")}
    assert settings == noisy | own | both


def test_single_sentences_become_pairs(folder, tmp_path, monkeypatch):
    words = (f"--pairs={folder / 'lines.txt'}", f"--encoder={folder / 'bert'}")
    more = (f"--dev={folder / 'dev.csv'}", "--near=2", "--far=1", "--start=sif")
    helpers.what_trains(
        EXPERIMENT, tmp_path, monkeypatch, *words, *more, *SHORT, "--seeds=1"
    )
    found = rows(tmp_path)
    assert {metric for _, metric in found} == {"dev/spearman"}
    lines = set(data.load_own_sentences(folder / "lines.txt").tolist())
    table = read(tmp_path / "scores.csv")
    assert {x["sentence1"] for x in table} | {x["sentence2"] for x in table} == lines
    assert len(lines) < len(table) <= 3 * len(lines)


def test_a_kept_model_scores_embeds_mines_and_becomes_static(folder, trained, tmp_path):
    model = artifact.load(trained / "model.npz")
    kept, lines = f"--model={trained / 'model.npz'}", f"--sentences={folder}/lines.txt"
    pairs = f"--pairs={folder / 'pairs.csv'}"
    run = launch(tmp_path / "score", "--task=score", kept, pairs, "--with=ensemble")
    table = read(run / "scores.csv")
    both = [x["sentence1"] for x in table], [x["sentence2"] for x in table]
    expected = trans_encoder.score(model, *both, by="ensemble")
    np.testing.assert_allclose([float(x["score"]) for x in table], expected, atol=1e-5)
    assert rows(run)["ensemble", "score/pairs"] == 40
    run = launch(tmp_path / "embed", "--task=embed", kept, lines)
    vectors = np.load(run / "embeddings.npy")
    known = data.load_own_sentences(folder / "lines.txt").tolist()
    np.testing.assert_allclose(vectors, trans_encoder.embed(model, known), atol=1e-5)
    assert [x["sentence"] for x in read(run / "sentences.csv")] == known
    folder_of_run = f"--model={trained}"
    run = launch(tmp_path / "mine", "--task=mine", folder_of_run, lines, "--top=3")
    table = read(run / "mined.csv")
    assert len(table) == 3 * len(known)
    scores = np.array([float(x["score"]) for x in table]).reshape(-1, 3)
    assert (np.diff(scores) <= 0).all()
    assert all(x["sentence"] != x["near"] for x in table)
    run = launch(tmp_path / "static", "--task=static", kept, lines, "--static_width=8")
    assert artifact.load(run / "model.npz").static.table.shape[1] == 8
    run = launch(tmp_path / "measure", "--task=measure", kept, "--quick")
    found = rows(run)
    assert {name for name, _ in found} == {"bi", "cross", "static", "ensemble"}
    about = json.loads((run / "config.json").read_text())
    assert about["trained"] == {}
