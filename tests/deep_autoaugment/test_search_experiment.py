"""The tasks of the experiment on images of a user: what is written, what is refused before
anything is trained."""

import json

import helpers
import numpy as np
import pytest
import readme_commands

from experiments import options
from experiments.deep_autoaugment import kept
from experiments.deep_autoaugment.experiment import EXPERIMENT
from iclr22 import deep_autoaugment, record

SHORT = ("--quick", "--seeds=1", "--validation=6")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("own")
    readme_commands.write_own_files("deep_autoaugment", path)
    random = np.random.default_rng(0)
    x = random.integers(0, 256, (60, 8, 8, 3)).astype(np.uint8)
    y = np.arange(60) % 2
    np.savez(path / "small.npz", x=x[:4, :2, :2], y=y[:4])
    np.savez(path / "vectors.npz", x=x.reshape(60, -1), y=y)
    np.savez(path / "few.npz", x=x[:20], y=y[:20])
    np.savez(path / "scaled.npz", x=x.astype(np.float32), y=y)
    text = (path / "policy.json").read_text()
    (path / "unknown.json").write_text(text.replace('"flip"', '"flop"'))
    (path / "broken.json").write_text(text[:40])
    return path


@pytest.fixture(scope="module")
def searched(folder):
    """A run on mine.npz."""
    run = folder / "run"
    words = (f"--dataset={folder / 'mine.npz'}", "--variant=deep_autoaugment,none")
    helpers.launch(EXPERIMENT, f"--workdir={run}", *words, *SHORT)
    return run


def test_a_search_leaves_a_policy_figures_and_a_verdict(searched):
    policy = deep_autoaugment.load_policy(searched / "policy.json")
    assert 1 <= len(policy.layers) <= 2
    about = json.loads((searched / "policy.json").read_text())
    assert about["image_size"] == [8, 8] and about["meta"]["images"] == 54
    rows = record.read_results(searched / "results.csv")
    assert {x.variant for x in rows if x.metric == "test/accuracy"} == {
        "deep_autoaugment",
        "none",
    }
    assert all(np.isfinite(x.value) for x in rows)
    names = {x.stem for x in (searched / "figures").glob("*.png")}
    assert {"policy", "search", "health", "contact_sheet", "headline"} <= names
    assert "use it" in (searched / "report.html").read_text()


def test_a_policy_of_a_file_trains_without_a_search(folder, searched, tmp_path):
    words = (
        *("--task=train", f"--dataset={folder / 'mine.npz'}", "--nomirror"),
        *("--variant=deep_autoaugment", f"--policy={searched / 'policy.json'}"),
    )
    helpers.launch(EXPERIMENT, f"--workdir={tmp_path}", *words, *SHORT[:2])
    about = json.loads((tmp_path / "config.json").read_text())
    policy = deep_autoaugment.load_policy(searched / "policy.json")
    (trained,) = about["trained"].values()
    assert trained["config"]["policy"] == options.plain(policy)
    rows = record.read_results(tmp_path / "results.csv")
    assert [x.metric for x in rows] == ["test/accuracy"]


def test_what_is_recorded_is_trained(folder, tmp_path, monkeypatch):
    words = (
        *("--quick", "--seeds=1", f"--dataset={folder / 'mine.npz'}"),
        *("--variant=deep_autoaugment,flip_crop", "--validation=6"),
        *("--learning_rate=0.125", "--train.learning_rate=0.03", "--deny=flip"),
        *("--pretrain.batch=20", "--layers=3"),
    )
    about, found = helpers.what_trains(EXPERIMENT, tmp_path, monkeypatch, *words)
    helpers.assert_trains_as_recorded(about, found)
    configs = {name: x["config"] for name, x in about["trained"].items()}
    assert configs["layer-1-0"]["learning_rate"] == 0.125
    assert configs["pretrain-0"]["batch"] == 20
    assert configs["flip_crop-0"]["learning_rate"] == 0.03
    operations = {x["op"] for x in configs["layer-1-0"]["transformations"]}
    assert "flip" not in operations and "noise" in operations


CASES = {
    "--dataset=few.npz": "at least 9 images of each class",
    "--dataset=vectors.npz": "expected images",
    "--dataset=scaled.npz": "0 to 1",
    "--dataset=nowhere.npz": "nowhere.npz",
    "--dataset=mine.npz --variant=deep_autoaugmnt": "Did you mean 'deep_autoaugment'",
    "--dataset=mine.npz --deny=flop": "flop",
    "--dataset=mine.npz --allow=flip --deny=flip": "no operation but identity",
    "--dataset=mine.npz --levels=6": "levels",
    "--dataset=mine.npz --steps=0": "--steps of 1 or more",
    "--dataset=mine.npz --cutout=9": "cutout",
    "--dataset=mine.npz --task=train": "--policy=policy.json",
    "--dataset=mine.npz --task=train --policy=unknown.json": "Did you mean 'flip'",
    "--dataset=mine.npz --task=train --policy=broken.json": "expected JSON",
    "--dataset=mine.npz --policy=policy.json": "--policy is read by",
    "--task=augment --images=folder": "policy",
    "--task=augment --policy=policy.json": "images",
    "--task=augment --images=folder --policy=policy.json --steps=3": "--steps is read by",
}


@pytest.mark.parametrize("words", CASES)
def test_bad_input_is_told_before_anything_is_trained(
    words, folder, tmp_path, monkeypatch
):
    monkeypatch.chdir(folder)
    given = ("--quick", *words.split(), f"--workdir={tmp_path}")
    assert CASES[words] in helpers.refused(EXPERIMENT, monkeypatch, *given)


def test_policies_that_were_found_have_names(tmp_path):
    for name in ("cifar10", "digits"):
        assert deep_autoaugment.load_policy(kept.path_of(name)).layers
    assert kept.path_of("my/cifar10") == "my/cifar10" and kept.path_of("") == ""
