"""What Cold Brew trains is what its flags say and config.json tells."""

import json

import helpers
import pytest
from absl import flags

from experiments import flags as config_flags
from experiments import options as option_lib
from experiments.cold_brew.experiment import EXPERIMENT, PRESETS
from experiments.cold_brew.variants import TRAINS
from iclr22 import errors
from iclr22.cold_brew import perceptron, pipeline, teacher

LAST = ("--quick", "--seeds=1", "--selection=last")
SMALL = {
    "classify": (*LAST, f"--variants={','.join(TRAINS)}", "--hidden=8"),
    "link": (*LAST, "--link_pairs=40", "--hidden=8"),
    "deep": (*LAST, "--deep_layers=3", "--hidden=8"),
    "screen": (
        "--quick",
        "--seeds=1",
        "--screen_norms=none",
        "--screen_residuals=none",
        "--screen_mlp_widths=8",
        "--screen_rates=5e-3,1e-2",
    ),
}


@pytest.fixture(autouse=True)
def fresh_flags():
    yield
    flags.FLAGS.unparse_flags()


@pytest.mark.parametrize(
    ("task", "dataset"),
    [
        *((task, "cora") for task in SMALL),
        *((task, "pubmed") for task in ("classify", "deep")),  # has a preset
    ],
)
def test_what_is_recorded_is_trained(task, dataset, tmp_path, monkeypatch):
    words = f"--task={task}", f"--dataset={dataset}", *SMALL[task]
    steps = 1 if task == "screen" else 0  # validation chooses there
    about, found = helpers.what_trains(
        EXPERIMENT, tmp_path, monkeypatch, *words, steps=steps
    )
    helpers.assert_trains_as_recorded(about, found)
    names = about["trained"]
    counts = {"classify": 13, "link": 5, "deep": 2, "screen": 4}
    assert len(names) == counts[task]


def test_flags_win_over_the_training_of_the_deep_task(tmp_path, monkeypatch):
    words = "--quick", "--task=deep", "--epochs=10", "--deep_layers=3", "--dropout=0.5"
    about, found = helpers.what_trains(
        EXPERIMENT, tmp_path, monkeypatch, *words, "--seeds=1", steps=1000
    )
    helpers.assert_trains_as_recorded(about, found)
    trained = {name: x["config"] for name, x in about["trained"].items()}
    for name, embeddings in (("deep_gcn", "000"), ("deep_teacher", "111")):
        config = trained[name]
        assert (config["epochs"], config["dropout"], config["layers"]) == (10, 0.5, 3)
        assert config["embeddings"] == embeddings
        assert config["embedding_penalty"] == 1e-3  # of the task, as no flag says it
        for round_ in ("choose", "final"):
            folder = tmp_path / "training" / f"{name}-{round_}-0"
            *_, last = (folder / "metrics.jsonl").read_text().splitlines()
            assert json.loads(last)["step"] <= 10
    choose = tmp_path / "training" / "deep_gcn-choose-0" / "metrics.jsonl"
    assert json.loads(choose.read_text().splitlines()[-1])["step"] == 10


def resolved(*, dataset="cora", quick=False, own=False, **given):
    """Options of a run, flags with two underscores for a dot."""
    given = {name.replace("__", "."): value for name, value in given.items()}
    return option_lib.resolve(EXPERIMENT, given, dataset=dataset, own=own, quick=quick)


def test_later_ones_win():
    assert resolved(task="deep").models.teacher.epochs == 150
    assert resolved(task="deep", dataset="pubmed").models.teacher.dropout == 0.1
    assert resolved(task="deep", quick=True).models.teacher.epochs == 40
    assert resolved(task="deep", quick=True, epochs=7).models.teacher.epochs == 7
    assert resolved(task="deep").deep_layers == 64
    pubmed = resolved(dataset="pubmed").models
    steps = [x.steps for x in (pubmed.student, pubmed.mlp, pubmed.graph_mlp)]
    assert steps == [200, 200, 200] and pubmed.teacher.epochs == 200
    assert resolved(dataset="pubmed", student__steps=9).models.student.steps == 9
    own = resolved(dataset="pubmed", own=True, nodes="mine.csv")
    assert own.models == pipeline.Options()


@pytest.mark.parametrize("dataset", PRESETS)
def test_presets_of_data_sets_are_in_the_options(dataset):
    found = resolved(dataset=dataset).models.teacher
    for name, value in PRESETS[dataset].items():
        if "." not in name:
            assert getattr(found, name) == value


def test_named_flags_reach_what_is_trained(tmp_path, monkeypatch):
    words = {
        "hidden": 8,
        "student.width": 6,
        "student.learning_rate": 0.25,
        "soft_temperature": 3.0,
        "scale_extra": True,
        "mlp.layers": 1,
        "mlp.activation": "gelu",
        "graph_mlp.hops": 2,
        "handover": "layers",
    }
    given = [f"--{name}={value}" for name, value in words.items()]
    about, found = helpers.what_trains(
        EXPERIMENT,
        tmp_path,
        monkeypatch,
        *LAST,
        "--variants=graphmlp,student_released",
        *given,
        steps=0,
    )
    helpers.assert_trains_as_recorded(about, found)
    trained = {name: x["config"] for name, x in about["trained"].items()}
    one, two = trained["student_mlp1"], trained["student_mlp2"]
    for config in (one, two):
        assert (config["width"], config["learning_rate"]) == (6, 0.25)
        assert config["temperature"] == 3
    assert (one["outputs"], two["outputs"]) == (8 + 4, 4)
    assert (one["scale_extra"], two["scale_extra"]) == (False, True)
    assert (trained["mlp"]["layers"], trained["mlp"]["activation"]) == (1, "gelu")
    assert trained["graphmlp"]["hops"] == 2
    released = trained["student_released_mlp1"]
    assert (released["width"], released["objective"]) == (256, "mse")
    assert released["temperature"] == 1


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"task": "deep", "layers": 3}, "read by --task=classify|link"),
        ({"task": "deep", "student.width": 3}, "this run has --task=deep"),
        ({"task": "screen", "norm": "batch"}, "--task=classify|link|deep"),
        ({"task": "screen", "mlp.width": 3}, "read by --task=classify"),
        ({"task": "screen", "selection": "last"}, "--task=classify|link|deep"),
        ({"task": "link", "student.learning_rate": 1.0}, "read by --task=classify"),
        ({"task": "link", "handover": "layers"}, "read by --task=classify"),
        ({"task": "predict", "epochs": 3}, "this run has --task=predict"),
        ({"link_pairs": 3}, "read by --task=link"),
        ({"deep_layers": 3}, "read by --task=deep"),
        ({"screen_rates": (1.0,)}, "read by --task=screen"),
        ({"student": "student.npz"}, "read by --task=predict"),
        ({"directed": True}, "your own data"),
        ({"alpha": 0.5}, "--residual=residual|initial"),
        ({"groups": 3}, "--norm=group"),
        ({"soft": 0.5, "handover": "layers"}, "--handover=logits"),
        ({"graph_mlp.hops": 2, "variants": ("gcn",)}, "--variants=graphmlp"),
    ],
)
def test_flags_that_nothing_reads_are_refused(given, message):
    with pytest.raises(errors.InputError, match="is read by") as caught:
        option_lib.resolve(EXPERIMENT, given, dataset="cora")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "given",
    [
        {"task": "screen", "alpha": 0.5, "mlp.dropout": 0.1},
        {"task": "link", "student.width": 3, "alpha": 0.5, "residual": "initial"},
        {"task": "deep", "selection": "last", "norm": "group", "groups": 2},
        {"graph_mlp.hops": 2, "soft_temperature": 2.0},
    ],
)
def test_flags_that_are_read_are_taken(given):
    option_lib.resolve(EXPERIMENT, given, dataset="cora")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"screen_norms": ("bach",), "task": "screen"}, "Did you mean 'batch'"),
        ({"norm": "pair"}, "add --nobare"),
        ({"variants": ()}, "--variants expects a value at least"),
        ({"task": "screen", "screen_rates": ()}, "--screen_rates expects a value"),
        ({"student.steps": 0}, "--student.steps expects 1 or more; found 0"),
        ({"task": "deep", "selection": "test_max"}, "test_max is read by"),
    ],
)
def test_what_would_fail_later_is_refused(given, message):
    with pytest.raises(errors.InputError, match=message):
        option_lib.resolve(EXPERIMENT, given, dataset="cora")


def test_unread_flags_end_the_program_before_it_writes(tmp_path):
    folder = tmp_path / "run"
    with pytest.raises(errors.InputError, match="--task=deep"):
        helpers.launch(EXPERIMENT, "--deep_layers=3", f"--workdir={folder}")
    assert not folder.exists()


def test_what_data_and_variants_decide_has_no_flag():
    names = {field.name for field in config_flags.fields(EXPERIMENT.options)}
    assert {"epochs", "student.steps", "mlp.steps", "lookup.temperature"} <= names
    assert set(teacher.Config._fields) - names == set(teacher.Config.RESOLVED)
    for stage, config in (("student", perceptron.Config), ("mlp", perceptron.Config)):
        own = {name.removeprefix(f"{stage}.") for name in names if stage in name}
        assert set(config._fields) - own == set(config.RESOLVED)
