"""Options of recurrent intensity: what a run records is what it trains."""

import helpers
import pytest

from experiments import flags as config_flags
from experiments import options as option_lib
from experiments.recurrent_intensity.experiment import EXPERIMENT, Options
from iclr22 import data, errors
from iclr22.recurrent_intensity import pipeline, splits

ALL = "rnn,transformer_hp,bpr,bpr_item,bpr_user,graph_conv,graph_conv_extra"
SMALL = ("--quick", "--seeds=1", "--sweep=")
NAMES = [field.name for field in config_flags.fields(Options())]


def resolve(*, dataset="simulated", own=False, quick=False, **given):
    named = {name.replace("__", "."): value for name, value in given.items()}
    return option_lib.resolve(EXPERIMENT, named, dataset=dataset, own=own, quick=quick)


@pytest.mark.parametrize("dataset", EXPERIMENT.datasets)
def test_every_preset_trains_as_recorded(dataset, tmp_path, monkeypatch):
    arguments = (*SMALL, "--variant=rnn", f"--dataset={dataset}")
    about, found = helpers.what_trains(EXPERIMENT, tmp_path, monkeypatch, *arguments)
    helpers.assert_trains_as_recorded(about, found)
    (config,) = found
    assert (config.network, config.width, config.epochs) == ("gru", 16, 2)
    assert config.learning_rate == (0.1 if dataset == "simulated" else 0.03)


def test_every_item_model_trains_as_recorded(tmp_path, monkeypatch):
    arguments = (*SMALL, f"--variant={ALL}")
    about, found = helpers.what_trains(EXPERIMENT, tmp_path, monkeypatch, *arguments)
    helpers.assert_trains_as_recorded(about, found)
    assert len(found) == 7
    trained = {name: x["config"] for name, x in about["trained"].items()}
    assert trained["bpr_item-0"]["side"] == "item" and trained["bpr-0"]["users"] > 0
    assert {x["width"] for x in trained.values() if "width" in x} == {16}
    assert trained["rnn-0"]["tokens"] == trained["transformer-0"]["tokens"] > 1
    assert trained["transformer-0"]["network"] == "transformer"


@pytest.mark.parametrize(
    ("task", "model"),
    [("audience", "transformer_hp"), ("recommend", "bpr_user"), ("campaign", "rnn")],
)
def test_tasks_train_as_recorded(task, model, tmp_path, monkeypatch):
    budgets = tmp_path / "budgets.csv"
    budgets.write_text("item,users\ni01,3\n")
    more = (f"--budgets={budgets}",) if task == "campaign" else ("--top=3",)
    arguments = ("--quick", f"--task={task}", f"--model={model}", *more)
    folder = tmp_path / "run"
    about, found = helpers.what_trains(EXPERIMENT, folder, monkeypatch, *arguments)
    helpers.assert_trains_as_recorded(about, found)
    assert [x.partition("-")[0] for x in about["trained"]] == [
        pipeline.VARIANTS[model][0]
    ]


def test_flags_reach_what_is_trained(tmp_path, monkeypatch):
    wanted = {
        "rnn-0": {"width": 8, "learning_rate": 0.2, "batch": 7},
        "transformer-0": {"heads": 1, "learning_rate": 0.3, "width": 4, "batch": 32},
        "bpr-0": {"factors": 3, "epochs": 2},
        "graph_conv-0": {"side": "item", "length": 9},
    }
    prefixes = {"rnn-0": ""}
    given = [
        f"--{prefixes.get(name, name.replace('-0', '.'))}{field}={value}"
        for name, fields in wanted.items()
        for field, value in fields.items()
        if (name, field) != ("transformer-0", "batch")  # of the preset
    ]
    variants = "--variant=rnn,transformer,bpr,graph_conv"
    arguments = (*SMALL, variants, *given)
    about, found = helpers.what_trains(EXPERIMENT, tmp_path, monkeypatch, *arguments)
    helpers.assert_trains_as_recorded(about, found)
    for name, fields in wanted.items():
        config = about["trained"][name]["config"]
        assert {field: config[field] for field in fields} == fields


def test_later_choices_win():
    models = resolve().models
    assert (models.gru.learning_rate, models.transformer.learning_rate) == (0.1, 0.05)
    assert models.gru.width == models.transformer.width == 32
    quick = resolve(quick=True, width=24)
    assert quick.models.gru.width == 24 and quick.models.transformer.width == 16
    assert quick.models.als.iterations == 5 and quick.sweep == ("rnn_hp",)
    assert resolve().horizon == "14d" and resolve(split="user").horizon == ""
    assert resolve(dataset="ml100k").models.exclude_train
    assert resolve(own=True).models == pipeline.Options()


def test_only_what_a_network_reads_has_a_flag():
    for name in ("heads", "feed_forward", "network", "tokens", "transformer.chunk"):
        assert name not in NAMES
    for name in ("bpr.side", "bpr.users", "graph_conv.items", "transformer.tokens"):
        assert name not in NAMES
    for name in ("chunk", "transformer.heads", "graph_conv.side", "lda.factors"):
        assert name in NAMES


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (
            {"bpr__factors": 3, "variant": ("rnn",)},
            r"bpr.factors is read by .*bpr_item",
        ),
        ({"width": 3, "variant": ("als",), "sweep": ()}, "with --variant=rnn|rnn_pop"),
        ({"transformer__width": 3, "task": "audience"}, "--model=transformer"),
        ({"top": 3}, "--top is read by --task=audience.recommend; this run"),
        ({"bound": "lower", "task": "audience"}, "read by --task=campaign"),
        ({"split_seed": 0}, "with --split=user; this run has .*--split=temporal"),
        ({"unit": "d"}, "read by your own data; this run has a registered data set"),
        ({"model": "rnn"}, "--model is read by --task=audience"),
        ({"variant": ("rnn_pp",)}, "Did you mean 'rnn_pop'"),
        ({"task": "audience", "model": "rnn_h"}, "Did you mean 'rnn_hp'"),
        ({"task": "audience", "model": "RUN/model.npz"}, "no such file: RUN/model"),
        ({"split": "user", "horizon": "7d"}, "--horizon is for --split=temporal"),
        ({"task": "campaign"}, "--budgets=budgets.csv .* or --prices=.*found neither"),
        ({"task": "campaign", "budgets": "b", "prices": "p"}, "found both"),
        ({"task": "campaign", "prices": "p"}, "expected --model=RUN/model.npz"),
        ({"task": "campaign", "budgets": "b.csv"}, "b.csv: expected a table"),
        ({"own": True, "unit": "sec"}, "Unknown unit of timestamps 'sec'"),
    ],
)
def test_flags_that_nothing_reads_are_refused(given, words):
    with pytest.raises(errors.InputError, match=words):
        resolve(**given)


def test_a_model_of_an_earlier_run_reads_no_flag_of_training(tmp_path):
    path = tmp_path / "model.npz"
    path.touch()
    asked = {"task": "audience", "model": str(path)}
    assert resolve(**asked).model == str(path)
    for name in ("width", "horizon", "least_events", "exclude_train"):
        with pytest.raises(errors.InputError, match=f"--{name} is read by .*--model="):
            resolve(**asked, **{name: EXPERIMENT.options.least_events})


def test_configurations_are_those_of_the_variants():
    events = data.get("simulated").synthetic(helpers.np.random.default_rng(0), 400)
    split = splits.temporal_split(events)
    names = ("pop", "rnn", "rnn_hp", "als", "bpr_item", "true")
    found = pipeline.configurations(pipeline.Options(), split, names)
    assert list(found) == ["rnn", "bpr_item"]
    for name, config in found.items():
        assert config == pipeline.config_of(pipeline.Options(), split, name)
    assert pipeline.config_of(pipeline.Options(), split, "popularity") is None
