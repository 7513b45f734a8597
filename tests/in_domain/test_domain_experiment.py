"""The tasks of the experiment on images of a user: what is written, what is refused before
anything is trained."""

import csv
import json

import helpers
import numpy as np
import pytest
import readme_commands

from experiments.in_domain import compare, outputs
from experiments.in_domain.experiment import EXPERIMENT
from iclr22 import errors, record
from iclr22.in_domain import artifact, certificate_files

SHORT = ("--quick", "--seeds=1", "--steps=2", "--vae.steps=2", "--readout.steps=2")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("own")
    readme_commands.write_own_files("in_domain", path)
    lines = (path / "factors.csv").read_text().splitlines()
    changed = {
        "twice": [*lines, lines[1]],
        "short": lines[:-1],
        "constant": [lines[0] + ",light", *(f"{x},1" for x in lines[1:])],
        "mixed": [lines[0], lines[1].rsplit(",", 1)[0] + ",high", *lines[2:]],
        "more": [*lines, "nowhere.png" + lines[1][lines[1].index(",") :]],
    }
    for name, text in changed.items():
        (path / f"{name}.csv").write_text("\n".join(text) + "\n")
    return path


@pytest.fixture(scope="module")
def compared(folder):
    """A run on the user's images."""
    run = folder / "run"
    words = (f"--images={folder / 'folder'}", f"--factors={folder / 'factors.csv'}")
    more = ("--model=cnn,pca", "--split=random,extrapolation")
    brief = [x for x in SHORT if not x.startswith("--vae")]
    helpers.launch(EXPERIMENT, f"--workdir={run}", *words, *more, *brief)
    return run


def test_a_comparison_leaves_scores_models_certificates_and_a_page(compared):
    rows = record.read_results(compared / "results.csv")
    assert {x.setting for x in rows} == {"random", "extrapolation"}
    assert {"cnn", "pca", "clamp_oracle", "train_mean"} == {x.variant for x in rows}
    assert all(np.isfinite(x.value) for x in rows)
    metrics = {x.metric for x in rows}
    assert {
        "test/r_squared",
        "test/r_squared_x",
        "bands/trusted",
        "ood/auroc",
    } <= metrics
    for name in ("cnn-random-0", "pca-extrapolation-0"):
        assert artifact.load(compared / "models" / f"{name}.npz").grid.names
        assert certificate_files.read(compared / "certificates" / f"{name}.json").bands
    assert (compared / "generalisation" / "generalisation.html").exists()
    ranks = list(csv.DictReader(open(compared / "ranks.csv")))
    assert [x["rank"] for x in ranks if x["split"] == "random"] == ["1", "2", "3", "4"]
    names = {x.stem for x in (compared / "figures").glob("*.png")}
    assert {"headline", "splits", "ranks", "curves", "certificate"} <= names


def test_the_oracle_is_perfect_where_nothing_is_held_out(compared):
    rows = record.read_results(compared / "results.csv")
    found = {
        x.setting: x.value
        for x in rows
        if (x.variant, x.metric) == ("clamp_oracle", "test/r_squared")
    }
    assert found["random"] == 1 and found["extrapolation"] < 0.95


def test_a_later_process_predicts_as_the_model_did(compared, folder, tmp_path):
    place = compared / "models" / "cnn-random-0.npz"
    words = ("--task=predict", f"--saved={place}", f"--images={folder / 'folder'}")
    more = f"--certificate={compared / 'certificates' / 'cnn-random-0.json'}"
    helpers.launch(EXPERIMENT, f"--workdir={tmp_path}", *words, more)
    found = list(csv.DictReader(open(tmp_path / "predictions.csv")))
    truth = list(csv.DictReader(open(folder / "factors.csv")))
    assert [x["image"] for x in found] == [x["image"] for x in truth]
    model = artifact.load(place)
    from iclr22.data.factors import own_images

    _, x = own_images.unlabelled(folder / "folder", model.side, 1)
    whole = model.fitted.predict(x[:3] / np.float32(255))
    step = model.grid.factors[2].values
    expected = np.interp(whole[:, 2], np.linspace(0, 1, len(step)), step)
    inside = (whole[:, 2] > 0) & (whole[:, 2] < 1)
    told = np.array([float(row["x"]) for row in found[:3]])
    np.testing.assert_allclose(told[inside], expected[inside], atol=1e-5)
    assert all(float(r["x_low"]) < float(r["x"]) < float(r["x_high"]) for r in found)
    assert {row["shape"] for row in found} <= {"square", "ellipse", "heart"}


def test_what_is_recorded_is_trained(tmp_path, monkeypatch):
    words = (
        *("--quick", "--seeds=1", "--model=soft_argmax,slow_vae", "--split=random"),
        *("--learning_rate=0.01", "--vae.gamma=3", "--readout.batch=16"),
    )
    about, found = helpers.what_trains(EXPERIMENT, tmp_path, monkeypatch, *words)
    helpers.assert_trains_as_recorded(about, found)
    configs = {name: x["config"] for name, x in about["trained"].items()}
    assert (
        configs["soft_argmax.regressor"]["learning_rate"] == 0.02
    )  # twice the others'
    assert configs["soft_argmax.regressor"]["positions"] == [2, 3]
    assert configs["slow_vae.vae"]["gamma"] == 3
    assert configs["slow_vae.readout"]["batch"] == 16


def test_a_range_that_is_required_is_a_gate(folder, tmp_path):
    words = (f"--images={folder / 'folder'}", f"--factors={folder / 'factors.csv'}")
    more = ("--model=pca", "--split=random", "--hold=0.4", "--require=x=0:1")
    with pytest.raises(errors.InputError, match="not certified: .*x"):
        helpers.launch(
            EXPERIMENT,
            f"--workdir={tmp_path}",
            *words,
            *more,
            *("--quick", "--seeds=1", "--readout.steps=1"),
        )
    assert json.loads((tmp_path / "certificate.json").read_text())["factors"]


def test_required_ranges_are_numbers_or_names():
    found = outputs.required(("x=0:0.6", "shape=square:heart"))
    assert found == {"x": (0.0, 0.6), "shape": ("square", "heart")}


OWN = "--images=folder --factors=factors.csv"
CASES = {
    "--images=folder --factors=twice.csv": "line 1298",
    "--images=folder --factors=short.csv": "expected a row in short.csv for every image",
    "--images=folder --factors=constant.csv": "light",
    "--images=folder --factors=mixed.csv --categorical=shape": "y",
    "--images=folder --factors=more.csv": "nowhere.png",
    "--images=folder --factors=nowhere.csv": "nowhere.csv",
    "--images=nowhere --factors=factors.csv": "nowhere",
    f"{OWN} --model=cn": "Did you mean 'cnn'",
    f"{OWN} --split=extrapolate": "Did you mean 'extrapolation'",
    f"{OWN} --model=soft_argmax --positions=z": "factor 'z'",
    f"{OWN} --model=cnn --positions=x": "--positions is read by",
    f"{OWN} --hold=1": "--hold between 0 and 1",
    f"{OWN} --steps=0": "--steps of 1 or more",
    f"{OWN} --require=x": "factor=low:high",
    f"{OWN} --require=z=0:1": "factor 'z'",
    "--model=resnet50_in1k": "--weights",
    "--image_size=24": "divisor",
    "--task=predict --images=folder": "--saved",
    "--task=predict --images=folder --saved=factors.csv": "in_domain model",
    "--task=predict --images=folder --saved=model.npz --steps=2": "--steps is read by",
}


@pytest.mark.parametrize("words", CASES)
def test_bad_input_is_told_before_anything_is_trained(
    words, folder, tmp_path, monkeypatch
):
    monkeypatch.chdir(folder)
    given = ("--quick", *words.split(), f"--workdir={tmp_path}")
    assert CASES[words] in helpers.refused(EXPERIMENT, monkeypatch, *given)


def test_enough_is_held_out_for_bands_or_the_split_is_refused():
    assert [compare._held(0.2, n, "random") for n in (1000, 499, 200)] == [
        200,
        100,
        100,
    ]
    with pytest.raises(
        errors.InputError, match="--split=random: expected 200.*found 199"
    ):
        compare._held(0.2, 199, "random")


def test_an_audit_too_small_for_a_split_is_refused_before_training(
    tmp_path, monkeypatch
):
    words = ("--quick", "--model=cnn", "--split=interpolation", "--audit=1000")
    error = helpers.refused(EXPERIMENT, monkeypatch, *words, f"--workdir={tmp_path}")
    assert "--audit=1000: expected 100 images" in error and "interpolation" in error
