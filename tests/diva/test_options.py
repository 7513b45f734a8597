"""What DIVA trains is what its flags say and config.json tells."""

import helpers
import pytest

from experiments import options as option_lib
from experiments.diva import compare, outputs, removal
from experiments.diva.experiment import EXPERIMENT, Options
from iclr22 import diva, errors

SMALL = (
    "--quick",
    "--seeds=1",
    "--train_size=40",
    "--test_size=20",
    "--batch_size=20",
    "--width=2",
    "--steps=3",
)


@pytest.fixture
def trains(tmp_path, monkeypatch):
    """`helpers.what_trains`, the networks of the removal curve among what is found; what
    is measured besides is left out."""

    def ranked(run, model, task, features):
        scores = {f"score_{name}": features.train[:, 0] for name in removal.REMOVERS}
        return {"rows": []} | scores

    def run(*arguments):
        retrained = []

        def fit_subsets(config, *given, **options):
            retrained.append(config)
            return diva.fit_subsets(config, *given, **options)

        monkeypatch.setattr(removal, "fit_subsets", fit_subsets)
        monkeypatch.setattr(compare, "detection", ranked)
        monkeypatch.setattr(compare, "reweighting", ranked)
        for name in ("draw_detection", "draw_overview", "write_examples"):
            monkeypatch.setattr(outputs, name, lambda *given: None)
        monkeypatch.setattr(outputs, "conclusions", lambda *given: "")
        about, found = helpers.what_trains(
            EXPERIMENT, tmp_path, monkeypatch, *arguments
        )
        return about, found + retrained

    return run


@pytest.mark.parametrize("dataset", EXPERIMENT.datasets)
def test_what_is_recorded_is_trained(dataset, trains):
    words = f"--dataset={dataset}", "--model=cnn", "--parts=removal", *SMALL
    about, found = trains(*words)
    helpers.assert_trains_as_recorded(about, found)
    assert set(about["trained"]) == {"cnn", "removal"} and len(found) == 2
    for name in ("cnn", "removal"):
        config = about["trained"][name]["config"]
        assert (config["width"], config["steps"], config["classes"]) == (2, 3, 10)
        assert about["trained"][name]["stage"] == "iclr22.diva.classifier"


def test_where_nothing_is_trained_nothing_is_recorded(trains):
    words = "--parts=", "--model=pixels", "--quick", "--seeds=1", "--train_size=40"
    about, found = trains(*words)
    assert about["trained"] == {} and found == []


def resolved(*, dataset="digits", quick=False, own=False, **given):
    """Options of a run."""
    return option_lib.resolve(EXPERIMENT, given, dataset=dataset, own=own, quick=quick)


def test_later_ones_win():
    default = Options()
    assert resolved() == default
    assert resolved(quick=True) == default  # its rows are those of 200 updates
    mnist = resolved(dataset="mnist")
    assert (mnist.train_size, mnist.extend_batch, mnist.parts) == (2000, 20, ())
    assert resolved(dataset="mnist", train_size=300).train_size == 300
    assert resolved(dataset="mnist", parts=("removal",), steps=9).parts == ("removal",)
    images = resolved(dataset="cifar10", weights="some.npz")
    assert images.model == ("efficientnet_lite0",) and images.train_size == 5000
    assert resolved(dataset="cifar10", quick=True).model == default.model
    own = resolved(own=True)
    assert own.model == () and own.noise == 0.0 and own.train_size == 1000
    assert own.models.score == "consensus" and default.models.score == "path"


def test_named_flags_reach_what_is_trained(trains):
    words = {
        "width": 3,
        "activation": "relu",
        "nobatch_norm": "",
        "objective": "cross_entropy",
        "target_scale": 2.0,
        "learning_rate": 0.25,
        "weight_decay": 0.5,
        "batch_size": 10,
        "steps": 2,
    }
    given = [f"--{k}={v}" if v != "" else f"--{k}" for k, v in words.items()]
    about, found = trains("--model=cnn", "--parts=", *SMALL[:4], *given)
    helpers.assert_trains_as_recorded(about, found)
    config = about["trained"]["cnn"]["config"]
    expected = words | {"batch_norm": False, "classes": 10}
    del expected["nobatch_norm"]
    assert config == expected


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"width": 3, "dataset": "mnist"},
            "--width is read by --model=cnn or --parts=removal with a "
            "registered data set; this run has --model=random_relu,random_fourier",
        ),
        ({"linearize": "full"}, "--linearize is read by --model=cnn; this run"),
        ({"weights": "a.npz"}, "--weights is read by --model=efficientnet_lite0"),
        (
            {"weights": "a.npz", "dataset": "cifar10", "quick": True},
            "--weights is read by --model=efficientnet_lite0; this run has "
            "--model=random_relu,random_fourier",
        ),
        ({"random_features": 9, "model": ("pixels",)}, "--model=random_relu|random_"),
        ({"removal_seeds": 2, "parts": ("extend",)}, "--parts=removal with a reg"),
        ({"extend_batch": 2, "parts": ("removal",)}, "--parts=extend with a regis"),
        ({"parts": (), "own": True}, "--parts is read by a registered data set; this"),
        ({"standardise": False}, "--standardise is read by your own data; this run"),
        ({"neighbors": 5, "own": True}, "--neighbors is read by a registered data"),
        ({"train_size": 5, "own": True}, "this run has your own data"),
        ({"width": 3, "model": ("pixels",), "own": True}, "--width is read by --model"),
    ],
)
def test_unread_flags_are_refused_with_who_reads_them(options, message):
    with pytest.raises(errors.InputError) as error:
        resolved(**options)
    assert message in str(error.value)


def test_own_data_read_what_they_may_need():
    network = resolved(own=True, model=("cnn",), width=3)
    assert network.models.classifier.width == 3
    assert resolved(own=True, random_features=9).random_features == 9
    assert not resolved(own=True, standardise=False).models.standardise
    assert resolved(own=True, model=("cnn",), linearize="full").linearize == "full"
    with pytest.raises(errors.InputError, match="--seeds is read by a registered"):
        option_lib.resolve(
            EXPERIMENT, {}, dataset="mine.npz", own=True, also=("seeds",)
        )
    for score in diva.SCORES:
        assert resolved(own=True, score=score).models.score == score
