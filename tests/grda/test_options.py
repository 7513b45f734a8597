"""What GRDA trains is what its flags say and config.json tells."""

import helpers
import pytest
from absl import flags

from experiments import options as option_lib
from experiments.grda import compare, noise, outputs
from experiments.grda.experiment import EXPERIMENT, Options
from iclr22 import errors
from iclr22.grda import METHODS, adversarial, pipeline, propagate

QUICK = ("--quick", "--seeds=1")
ALL = ",".join(METHODS)
PLAYED = ("--hidden=6", "--batch=4", "--steps=3")
PLUS = (
    "--plus.features=7",
    "--plus.warm=2",
    "--plus.imitate=1",
    "--plus.settle=1",
    "--plus.finish=1",
)
PROPAGATE = ("--propagate.members=1", "--propagate.warm=2", "--propagate.turn=1")


@pytest.fixture(autouse=True)
def fresh_flags():
    yield
    flags.FLAGS.unparse_flags()


@pytest.fixture
def trains(tmp_path, monkeypatch):
    """`helpers.what_trains`, what `propagate` gets among what is found; nothing is drawn."""

    def run(*arguments):
        found, original = [], propagate.propagate

        def noted(config, scaled, graph, plan, seed):
            found.extend([config, plan])
            return original(config, scaled, graph, plan, seed)

        monkeypatch.setattr(propagate, "propagate", noted)
        for module, name in ((outputs, "draw"), (noise.plots, "dots")):
            monkeypatch.setattr(module, name, lambda *given: None)
        about, others = helpers.what_trains(
            EXPERIMENT, tmp_path, monkeypatch, *QUICK, *arguments, steps=0
        )
        return about, found + others

    return run


@pytest.mark.parametrize(
    ("dataset", "words", "classes"),
    [
        ("dg15", (*PLAYED, *PLUS, *PROPAGATE, f"--method={ALL}"), 2),
        ("dg60", (*PLAYED, "--method=mdd"), 2),
        ("tpt48_east_west_classes", (*PLUS, "--method=grda_plus"), 3),
        ("tpt48_east_west", (*PLAYED, *PLUS, "--method=cdann,propagate,grda_plus"), 0),
    ],
)
def test_what_is_recorded_is_trained(dataset, words, classes, trains):
    about, found = trains(f"--dataset={dataset}", *words)
    helpers.assert_trains_as_recorded(about, found)
    configs = {name: x["config"] for name, x in about["trained"].items()}
    methods = [
        name
        for name in about["options"]["method"]
        if classes or name != "propagate"  # which needs some
    ]
    expected = {f"{name}-independent" for name in methods}
    if "grda" in methods:
        expected.add("grda-shared_index")
    if "propagate" in methods:
        expected.add("propagate-independent-plan")
        assert configs.pop("propagate-independent-plan")["members"] == 1
        assert configs.pop("propagate-independent")["steps"] == 2 + 9
    assert about["trained"].keys() == expected
    for name, config in configs.items():
        assert (config["outputs"], config["regression"]) == (classes or 6, not classes)
        if name.startswith("grda_plus"):
            assert config["features"] == 7
        else:
            assert (config["hidden"], config["batch"], config["steps"]) == (6, 4, 3)
            assert config["adversary"] == METHODS[name.partition("-")[0]]
            assert config["pairing"] == name.partition("-")[2]


def test_what_is_recorded_is_trained_where_data_are_drawn(trains):
    about, found = trains(
        "--task=noise",
        "--method=source_only,grda_plus",
        "--noises=0.5",
        *PLAYED,
        *PLUS,
    )
    helpers.assert_trains_as_recorded(about, found)
    assert about["dataset"] == "drawn"
    assert set(about["trained"]) == {
        "source_only-independent",
        "grda_plus-independent",
    }
    assert len(found) == 2 * 2  # without features that mean nothing, and with them


def test_named_flags_reach_what_is_trained(trains):
    given = {
        "adversary_weight": 0.25,
        "learning_rate": 0.125,
        "discriminator_outputs": 3,
        "sample_vertices": 5,
        "start": "normal",
        "plus.noise": 0.75,
        "plus.learning_rate": 0.5,
        "plus.refine": 0,
    }
    words = [f"--{name}={value}" for name, value in given.items()]
    words += ["--pairing=pseudo_label", "--noreproduce", "--method=dann,grda,grda_plus"]
    about, found = trains(*words, *PLAYED, *PLUS)
    helpers.assert_trains_as_recorded(about, found)
    configs = {name: x["config"] for name, x in about["trained"].items()}
    # slots are matched for GRDA alone, whose loss compares what they hold
    assert set(configs) == {
        "dann-independent",
        "grda-pseudo_label",
        "grda_plus-independent",
    }
    for name, value in given.items():
        stage, _, field = name.rpartition(".")
        trained = "grda_plus-independent" if stage else "grda-pseudo_label"
        assert configs[trained][field] == value
    assert configs["dann-independent"]["adversary_weight"] == 0.25


def resolved(*, dataset="dg15", quick=False, own=False, also=(), **given) -> Options:
    """Options of a run, flags with two underscores for a dot."""
    given = {name.replace("__", "."): value for name, value in given.items()}
    return option_lib.resolve(
        EXPERIMENT, given, dataset=dataset, quick=quick, own=own, also=also
    )


@pytest.mark.parametrize("dataset", ["dg60", "dg60_drawn"])
def test_sixty_domains_have_a_preset(dataset):
    expected = pipeline.Options(
        adversarial=adversarial.Config(
            hidden=128,
            learning_rate=1e-4,
            discriminator_rate=1e-4,
            adversary_weight=0.5,
            sample_vertices=30,
            steps=3000,
        ),
        embedding_size=4,
    )
    assert resolved(dataset=dataset).models == expected
    changed = expected.adversarial._replace(hidden=32)
    found = resolved(dataset=dataset, hidden=32).models
    assert found == expected._replace(adversarial=changed)
    assert resolved().models == pipeline.Options()


def test_quick_is_quick_whatever_the_preset():
    for dataset in EXPERIMENT.datasets:
        found = resolved(dataset=dataset, quick=True)
        assert found.models.adversarial.steps == 60
        assert found.models.plus.warm == found.models.propagate.warm == 30
        assert found.method == ("grda", "grda_plus")
    assert resolved(quick=True, task="noise").noises == (0.0, 1.0)
    assert resolved(quick=True, steps=70).models.adversarial.steps == 70


ONLY_SOURCES = {"method": ("source_only",)}
ONLY_GRDA = {"method": ("grda",)}
OF_PLUS = (
    "--plus.features is read by --task=compare|noise with --method=grda_plus; this run has "
    "--task=compare, --method=source_only. Leave it out, or change those."
)
OF_NOISE = (
    "--noises is read by --task=noise; this run has --task=compare. Leave it out, or "
    "change those."
)
OF_OWN = (
    "--regression is read by --task=compare with your own data; this run has "
    "--task=compare, a registered data set. Leave it out, or change those."
)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (ONLY_SOURCES | {"plus__features": 7}, OF_PLUS),
        ({"noises": (1.0,)}, OF_NOISE),
        ({"regression": True}, OF_OWN),
        (ONLY_SOURCES | {"ramp": True}, "--method=dann|cdann|adda|mdd|grda;"),
        (ONLY_SOURCES | {"reproduce": True}, "--task=compare with --method=grda;"),
        ({"quick": True, "snapshots": 2}, "with --selection=unlabelled;"),
        ({"method": ("dann",), "sample_vertices": 5}, "with --method=grda;"),
        (ONLY_GRDA | {"agree_weight": 1.0}, "with --method=mdd;"),
        (ONLY_GRDA | {"propagate__turn": 1}, "with --method=propagate;"),
        ({"method": ("grda_plus",), "steps": 5}, "--method=source_only|dann|"),
        ({"model": "model.npz"}, "--model is read by --task=predict;"),
        ({"task": "noise", "samples": "a.csv"}, "--task=compare|predict;"),
        ({"task": "noise", "export": "grda"}, "--export is read by --task=compare;"),
        ({"task": "noise", "also": ["dataset"]}, "--dataset is read by --task=compare"),
    ],
)
def test_flag_that_the_run_does_not_read_is_refused(given, message):
    with pytest.raises(errors.InputError, match="^--[a-z_.]+ is read by") as caught:
        resolved(**given)
    assert message in str(caught.value)


def test_predict_reads_no_flags_of_training():
    task = {"task": "predict", "model": "m.npz", "samples": "a.csv", "own": True}
    assert resolved(**task).model == "m.npz"
    for name, value in {"steps": 5, "method": ("grda",), "sources": ("a",)}.items():
        with pytest.raises(errors.InputError, match=f"^--{name} is read by"):
            resolved(**task, **{name: value})
    with pytest.raises(errors.InputError, match="^--seeds is read by"):
        resolved(**task, also=["seeds"])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"method": ("gdra",)}, "Unknown method 'gdra'. Did you mean 'grda"),
        ({"method": ()}, "--method expects some of source_only"),
        ({"method": ("grda",), "export": "dann"}, "--method to export 'dann'"),
        ({"own": True, "samples": "a.csv"}, "--samples and --domains go together"),
        ({"task": "predict", "own": True, "samples": "a.csv"}, "needs --model="),
        ({"task": "noise", "noises": ()}, "--noises and --nuisances expect"),
        ({"snapshots": 0}, "--snapshots expects 1 or more; found 0"),
        ({"steps": -1}, "--steps expects 1 or more; found -1"),
    ],
)
def test_what_would_fail_after_long_work_is_refused_at_once(given, message):
    with pytest.raises(errors.InputError, match=message):
        resolved(**given)


def test_numbers_are_no_task_for_propagate_alone(trains):
    with pytest.raises(errors.InputError, match="propagate needs classes.*--method"):
        trains("--dataset=tpt48_east_west", "--method=propagate")


def test_two_flags_that_say_which_data_are_one_too_many(tmp_path):
    words = ("--samples=a.csv", "--domains=b.csv", f"--workdir={tmp_path / 'run'}")
    with pytest.raises(errors.InputError, match="--dataset and --samples both say"):
        helpers.launch(EXPERIMENT, "--dataset=dg15", *words)
    assert not (tmp_path / "run").exists()


def test_summary_names_the_best_line_and_what_leaks(tmp_path, monkeypatch):
    runs = []
    study = EXPERIMENT.study
    monkeypatch.setattr(outputs, "draw", lambda *given: None)

    def kept(run):
        runs.append(run)
        study(run)

    helpers.launch(
        EXPERIMENT._replace(study=kept),
        *("--quick", "--seeds=1", "--method=grda", *PLAYED, f"--workdir={tmp_path}"),
    )
    (run,) = runs
    assert run.summary.startswith(
        "Exported: grda, chosen without target labels. On targ"
    )
    assert "they leak target labels" in run.summary
    assert compare.LEAKS in {row.setting for row in run.rows}
