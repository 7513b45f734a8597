"""Options are resolved once: who wins, what is refused, what config.json says."""

import json

import pytest
from absl import flags
from toy import EXPERIMENT, Config, Models, Options, Side, Toy

from experiments import options as option_lib
from experiments import workdir
from experiments.options import Use
from iclr22 import errors

LAYERS = EXPERIMENT._replace(
    presets={
        "mnist": {
            "size": 1,
            "rate": 1.0,
            "side.rate": 1.0,
            "snapshots": 1,
            "label": "d",
        },
        "own": {"size": 7},
    },
    choices={
        "task=deep": {"rate": 2.0, "side.rate": 2.0, "snapshots": 2, "size": 2},
        "task=draw": {"names": ("drawn",)},
    },
    quick={
        "": {"side.rate": 3.0, "snapshots": 3, "size": 3},
        "task=deep": {"snapshots": 4, "size": 4},
    },
)
READERS = (
    Use(("side.*",), {"task": ("deep",)}),
    Use(("snapshots",), {"task": ("deep",), "names": ("b", "c")}),
    Use(("snapshots",), {"dataset": ("mnist",)}),
    Use(("label",), {"own": ("yes",)}),
)


@pytest.fixture
def toy():
    yield Toy()
    flags.FLAGS.unparse_flags()


def resolve(experiment=LAYERS, *, dataset="mnist", own=False, quick=False, **given):
    given = {name.replace("__", "."): value for name, value in given.items()}
    return option_lib.resolve(experiment, given, dataset=dataset, own=own, quick=quick)


def numbers(options):
    """Rates, snapshots, size: what every layer sets one of alone."""
    models = options.models
    return models.main.rate, models.side.rate, models.snapshots, options.size


def test_later_ones_win():
    assert resolve(dataset="digits") == Options(names=("drawn",))
    assert numbers(resolve()) == (1.0, 1.0, 1, 1)
    assert numbers(resolve(task="deep")) == (2.0, 2.0, 2, 2)
    assert numbers(resolve(quick=True)) == (1.0, 3.0, 3, 3)
    assert numbers(resolve(task="deep", quick=True)) == (2.0, 3.0, 4, 4)
    given = {"rate": 5.0, "side__rate": 5.0, "size": 5}
    assert numbers(resolve(task="deep", quick=True, **given)) == (5.0, 5.0, 4, 5)
    assert resolve().label == "d" and resolve(dataset="digits").label == ""


def test_flag_wins_also_where_it_says_the_default():
    default = Config().rate
    assert resolve(task="deep", quick=True, rate=default).models.main.rate == default


def test_own_data_have_a_preset_of_their_own():
    assert resolve(dataset="mine.npz", own=True).size == 7
    assert resolve(dataset="mnist", own=True).size == 7  # a folder of that name


def test_nothing_but_the_options_is_changed():
    before = Options()
    resolve(task="deep", quick=True, rate=9.0)
    assert EXPERIMENT.options == LAYERS.options == before == Options()


@pytest.mark.parametrize(
    "wrong",
    [
        {"presets": {"mnist": {"rat": 1.0}}},
        {"choices": {"task=draw": {"main.rate": 1.0}}},
        {"choices": {"tusk=draw": {"rate": 1.0}}},
        {"quick": {"": {"side.outputs": 3}}},
    ],
)
def test_preset_that_names_no_flag_fails(wrong):
    with pytest.raises(KeyError):
        resolve(LAYERS._replace(**wrong), quick=True)


SIDE = (
    "--side.rate is read by --task=deep; this run has --task=draw. Leave it out, or "
    "change those."
)
SNAPSHOTS = (
    "--snapshots is read by --task=deep with --names=b|c or --dataset=mnist; this run "
    "has --task=deep, --names=a, --dataset=digits. Leave it out, or change those."
)
LABEL = (
    "--label is read by your own data; this run has a registered data set. Leave it out, "
    "or change those."
)


@pytest.mark.parametrize(
    ("dataset", "given", "message"),
    [
        ("digits", {"side__rate": 9.0}, SIDE),
        ("digits", {"task": "deep", "names": ("a",), "snapshots": 9}, SNAPSHOTS),
        ("digits", {"label": "x"}, LABEL),
    ],
)
def test_flag_that_the_run_does_not_read_is_refused(dataset, given, message):
    experiment = EXPERIMENT._replace(uses=READERS)
    with pytest.raises(errors.InputError) as caught:
        resolve(experiment, dataset=dataset, **given)
    assert str(caught.value) == message


def test_flag_is_read_if_one_of_its_readers_runs():
    experiment = EXPERIMENT._replace(uses=READERS)
    given = {"task": "deep", "names": ("a", "c"), "side__rate": 9.0, "snapshots": 9}
    found = resolve(experiment, dataset="digits", **given)
    assert numbers(found) == (0.5, 9.0, 9, 4)
    assert resolve(experiment, snapshots=9).models.snapshots == 9
    assert resolve(experiment, own=True, label="x").label == "x"
    unread = {"dataset": "digits", "rate": 9.0}  # no `Use`: by every run
    assert resolve(experiment, **unread).models.main.rate == 9.0


def test_flags_that_are_no_options_may_have_readers_too():
    uses = (Use(("dataset", "seeds"), {"task": ("draw",)}),)
    experiment = EXPERIMENT._replace(uses=uses)
    words = {"dataset": "digits", "also": ["seeds"]}
    assert option_lib.resolve(experiment, {}, **words) == Options()
    message = "--seeds is read by --task=draw; this run has --task=deep"
    with pytest.raises(errors.InputError, match=message):
        option_lib.resolve(experiment, {"task": "deep"}, **words)


@pytest.mark.parametrize(
    ("asked", "said"), [({"label": ("",)}, "label"), ({"names": ((),)}, "names")]
)
def test_reader_may_ask_for_nothing(asked, said):
    experiment = EXPERIMENT._replace(uses=(Use(("size",), asked),))
    nothing = {"names": (), "label": ""}
    assert resolve(experiment, dataset="digits", size=9, **nothing).size == 9
    something = {"names": ("a",), "label": "x"}
    with pytest.raises(
        errors.InputError, match=f"is read by no --{said}; this run has"
    ):
        resolve(experiment, dataset="digits", size=9, **something)


def test_data_that_a_run_draws_have_a_name_of_their_own(toy, tmp_path):
    drawn = {"drawn": {"task=deep": "drawn_numbers"}}
    toy.launch(f"--workdir={tmp_path / 'a'}", "--task=deep", **drawn)
    assert toy.run.dataset == "drawn_numbers" and not toy.run.own
    assert about(tmp_path / "a")["dataset"] == "drawn_numbers"
    toy.launch(f"--workdir={tmp_path / 'b'}", **drawn)
    assert toy.run.dataset == "digits"


def test_presets_may_set_what_a_run_does_not_read():
    found = resolve(LAYERS._replace(uses=READERS), quick=True)
    assert found.models.side.rate == 3.0


def test_check_sees_what_is_resolved():
    def check(options):
        seen.append(options)
        raise errors.InputError("too deep")

    seen = []
    with pytest.raises(errors.InputError, match="too deep"):
        resolve(LAYERS._replace(check=check), quick=True, rate=8.0)
    assert [numbers(x) for x in seen] == [(8.0, 3.0, 3, 3)]


def test_plain_is_json_with_or_without_what_data_decide():
    options = Options(Models(Config(classes=3), Side(outputs=2), "ours"), names=())
    whole = option_lib.plain({"x": options, "list": [(1, 2.5), None]})
    assert json.loads(json.dumps(whole)) == whole
    assert whole["list"] == [[1, 2.5], None]
    assert whole["x"]["models"]["main"] == {"rate": 0.5, "classes": 3}
    assert whole["x"]["models"]["variant"] == "ours" and whole["x"]["names"] == []
    without = option_lib.plain(options, resolved=False)
    expected = {"main": {"rate": 0.5}, "side": {"rate": 0.1}, "snapshots": 3}
    assert without["models"] == expected
    assert set(without) == set(Options._fields)


def about(folder):
    return json.loads((folder / "config.json").read_text())


def test_config_json_tells_options_and_what_is_trained(toy, tmp_path):
    def study(run):
        toy.run = run
        seen.append(about(tmp_path).get("trained", {}))
        config = run.options.models.main._replace(classes=3)
        run.trains({"main-0": config, "main-1": config._replace(rate=9.0)})
        seen.append(about(tmp_path)["trained"])
        assert run.trained["main-0"] is config

    seen = []
    words = (f"--workdir={tmp_path}", "--task=deep", "--quick", "--rate=6")
    changes = {name: getattr(LAYERS, name) for name in ("choices", "quick")}
    toy.study = study
    toy.launch(*words, **changes)
    found = about(tmp_path)
    assert (found["method"], found["dataset"], found["quick"]) == (
        "toy",
        "digits",
        True,
    )
    assert found["seeds"] == [0, 1] and found["mode"] == "jit"
    assert found["options"] == option_lib.plain(toy.run.options, resolved=False)
    assert found["options"]["models"]["main"] == {"rate": 6.0}
    assert found["options"]["size"] == 4 and found["options"]["task"] == "deep"
    expected = {
        name: {"stage": "toy", "config": {"rate": rate, "classes": 3}}
        for name, rate in (("main-0", 6.0), ("main-1", 9.0))
    }
    assert seen == [{}, expected]
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "main-1" in page and "classes" in page
    toy.launch(*words, **changes)  # it goes on, and the truth is told before it does
    assert seen[2:] == [expected, expected]
    toy.launch(*words, "--noresume", **changes)
    assert seen[4:] == [{}, expected]


def test_folder_in_which_something_else_was_trained_is_refused(toy, tmp_path):
    def study(run):
        run.trains({"main": Config(rate=rate)})

    toy.study, rate = study, 1.0
    toy.launch(f"--workdir={tmp_path}")
    before, rate = about(tmp_path), 2.0
    with pytest.raises(SystemExit) as caught:
        toy.launch(f"--workdir={tmp_path}")
    assert "main.config.rate: 1.0 there, 2.0 now" in caught.value.code
    assert "--workdir" in caught.value.code and "--noresume" in caught.value.code
    assert about(tmp_path) == before


def test_names_of_what_is_trained_accumulate(tmp_path):
    workdir.claim(tmp_path, dict.fromkeys(workdir.IDENTITY, "toy"), resume=True)
    workdir.record_trained(tmp_path, {"a": Config()})
    workdir.record_trained(tmp_path, {"a": Config(), "b": Side()})
    assert set(about(tmp_path)["trained"]) == {"a", "b"}
    with pytest.raises(errors.InputError, match="a.config"):
        workdir.record_trained(tmp_path, {"a": Config(classes=2)})


def test_unread_flag_ends_the_command_before_anything_is_written(toy, tmp_path):
    with pytest.raises(SystemExit) as caught:
        toy.launch(f"--workdir={tmp_path / 'run'}", "--side.rate=2", uses=READERS)
    assert caught.value.code == f"error: {SIDE}"
    assert not (tmp_path / "run").exists() and toy.run is None
