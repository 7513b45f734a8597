"""What all experiments share, on a toy study in this process."""

import socket

import helpers
import numpy as np
import pytest
from absl import flags
from helpers import check_outputs
from toy import Toy

from experiments import paper
from iclr22 import checkpoint, loop, parallel, record


@pytest.fixture
def toy():
    yield Toy()
    flags.FLAGS.unparse_flags()


def refused(toy, *arguments, **options) -> str:
    """Message with which the program ends."""
    with pytest.raises(SystemExit) as caught:
        toy.launch(*arguments, **options)
    assert caught.value.code.startswith("error: ")
    return caught.value.code


def test_run_writes_everything_and_continues(toy, tmp_path, capsys):
    toy.launch("--seeds=3", f"--workdir={tmp_path}", "--rate=2")
    check_outputs(tmp_path, capsys.readouterr().out, "toy")
    assert toy.computed == [0, 1, 2]
    first = (tmp_path / "results.csv").read_bytes()
    rows = record.read_results(tmp_path / "results.csv")
    expected = [2 * np.mean(np.random.default_rng(s).normal(size=4)) for s in range(3)]
    assert [row.value for row in rows] == expected
    assert {(row.dataset, row.published) for row in rows} == {("digits", "12.5")}
    toy.launch("--seeds=3", f"--workdir={tmp_path}", "--rate=2")
    assert toy.computed == [0, 1, 2]
    assert (tmp_path / "results.csv").read_bytes() == first
    check_outputs(tmp_path, capsys.readouterr().out, "toy")
    assert "It works." in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_rows_of_a_cell_read_twice_count_once(toy, tmp_path):
    once = toy.study

    def twice(run):
        once(run)
        once(run)

    toy.study = twice
    toy.launch(f"--workdir={tmp_path}")
    rows = record.read_results(tmp_path / "results.csv")
    assert [row.seed for row in rows] == [0, 1, 2, 3, 4] == toy.computed


def test_interrupted_run_computes_only_what_is_missing(toy, tmp_path):
    toy.error = {2: KeyboardInterrupt()}
    with pytest.raises(KeyboardInterrupt):
        toy.launch(f"--workdir={tmp_path}")
    assert not (tmp_path / "results.csv").exists()
    toy.error = {}
    toy.launch(f"--workdir={tmp_path}")
    assert toy.computed == [0, 1, 2, 3, 4]


def test_folder_of_another_run_is_refused_unless_replaced(toy, tmp_path):
    toy.launch("--quick", f"--workdir={tmp_path}")
    (tmp_path / "left.txt").write_text("of the first run")
    for changed in ("--size=5", "--dataset=mnist", "--noquick", "--names=a"):
        text = refused(toy, "--quick", f"--workdir={tmp_path}", changed)
        assert str(tmp_path) in text and "--workdir" in text and "--noresume" in text
    text = refused(toy, "--quick", f"--workdir={tmp_path}", "--rate=2")
    assert "--rate: 0.5 there, 2.0 now" in text
    assert toy.computed == [0, 1] and (tmp_path / "left.txt").exists()
    figure = tmp_path / "figures" / "old.png"
    figure.write_bytes(b"of the first run")
    toy.launch("--quick", f"--workdir={tmp_path}", "--rate=2", "--noresume")
    assert toy.computed == [0, 1, 0, 1]
    assert not figure.exists()
    assert (tmp_path / "left.txt").exists()  # no run wrote it


def test_results_without_their_config_are_of_nobody_knows_what(toy, tmp_path):
    toy.launch("--quick", f"--workdir={tmp_path}")
    (tmp_path / "config.json").unlink()
    for resume in ("--resume", "--noresume"):
        text = refused(toy, "--quick", f"--workdir={tmp_path}", "--rate=2", resume)
        assert "no config.json" in text and str(tmp_path) in text
    assert toy.computed == [0, 1]


@pytest.mark.parametrize(
    "damage", [lambda x: x[:-30], lambda x: b"", lambda x: x[::-1]]
)
def test_a_damaged_cell_is_named_and_computed_again(toy, tmp_path, damage, caplog):
    toy.launch("--quick", f"--workdir={tmp_path}")
    first = record.read_results(tmp_path / "results.csv")
    cell = min((tmp_path / "cells").iterdir())
    cell.write_bytes(damage(cell.read_bytes()))
    with caplog.at_level("WARNING", logger="absl"):
        toy.launch("--quick", f"--workdir={tmp_path}")
    assert str(cell) in caplog.text and "computed again" in caplog.text
    assert toy.computed == [0, 1, 0]
    again = record.read_results(tmp_path / "results.csv")
    assert [x.value for x in again] == [x.value for x in first]


def test_folder_that_another_run_is_writing_to_is_refused(toy, tmp_path):
    with checkpoint.held(tmp_path):
        for options in ([], ["--noresume"]):
            text = refused(toy, "--quick", f"--workdir={tmp_path}", *options)
            assert str(tmp_path) in text and "another run is writing" in text
    assert toy.computed == [] and not list(tmp_path.iterdir())
    toy.launch("--quick", f"--workdir={tmp_path}")
    assert toy.computed == [0, 1]


@pytest.mark.parametrize("text", ['{"name": "my project"}', "[1]", "not JSON"])
def test_folder_of_another_program_is_never_removed(toy, tmp_path, text):
    (tmp_path / "config.json").write_text(text)
    for resume in ("--resume", "--noresume"):
        message = refused(toy, f"--workdir={tmp_path}", resume)
        assert "not written by an experiment" in message
    assert (tmp_path / "config.json").read_text() == text


def test_folder_is_claimed_by_the_main_process_before_others_go_on(
    toy, tmp_path, monkeypatch
):
    toy.launch("--quick", f"--workdir={tmp_path}")
    before = {x: x.stat().st_mtime_ns for x in tmp_path.rglob("*") if x.is_file()}
    events = []
    monkeypatch.setattr(parallel, "barrier", events.append)
    monkeypatch.setattr(parallel, "is_main", lambda: False)
    monkeypatch.setattr(Toy, "study", lambda self, run: events.append("study"))
    for options in (["--rate=2"], ["--noresume"]):
        toy.launch("--quick", f"--workdir={tmp_path}", *options)
    assert events == 2 * ["work directory", "study"]
    after = {x: x.stat().st_mtime_ns for x in tmp_path.rglob("*") if x.is_file()}
    assert before == after


@pytest.mark.slow
def test_refusal_by_one_process_ends_the_others(tmp_path, monkeypatch):
    (tmp_path / "config.json").write_text("not JSON")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    monkeypatch.setenv("COORDINATOR_ADDRESS", address)
    monkeypatch.setenv("NUM_PROCESSES", "2")
    command = ("-m", f"experiments.{paper.there()[0]}", "--quick", "--distributed")
    processes = []
    for i in range(2):  # on hosts of their own there is no launcher that ends them
        monkeypatch.setenv("PROCESS_ID", str(i))
        processes.append(helpers.start(*command, f"--workdir={tmp_path}"))
    _, err = helpers.finish(processes[0], expect=1, timeout=25)
    assert "not written by an experiment" in err
    helpers.finish(processes[1], expect=None, timeout=30)


def test_presets_of_the_data_set_yield_to_flags(toy, tmp_path):
    own = tmp_path / "mine.npz"
    own.write_bytes(b"")
    for dataset, more, size, rate in (
        ("digits", (), 4, 0.5),
        ("mnist", (), 9, 0.25),
        ("mnist", ("--size=2",), 2, 0.25),
        (own, (), 7, 0.5),
    ):
        workdir = tmp_path / f"{size}"
        run = toy.launch(f"--dataset={dataset}", f"--workdir={workdir}", *more).run
        assert (run.options.size, run.options.models.main.rate) == (size, rate)
        assert run.own == (dataset is own)
    assert run.dataset_name == "mine"


def test_numbers_of_no_published_data_have_no_published_number_beside(toy, tmp_path):
    own = tmp_path / "mine.npz"
    own.write_bytes(b"")
    for number, (words, name, published) in enumerate(
        (
            ((), "digits", "12.5"),
            (("--quick",), "digits-synthetic", ""),
            ((f"--dataset={own}",), "mine", ""),
            ((f"--dataset={own}", "--quick"), "mine", ""),
        )
    ):
        folder = tmp_path / str(number)
        toy.launch(f"--workdir={folder}", *words)
        rows = record.read_results(folder / "results.csv")
        assert {(row.dataset, row.published) for row in rows} == {(name, published)}


def test_default_folder_tells_runs_apart(toy, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = ((), ("--rate=2",), ("--dataset=mnist",), ("--quick",), ("--seeds=2",))
    folders = [toy.launch(*option).run.workdir for option in options]
    assert len(set(folders)) == len(options)
    assert all(x.parent.as_posix() == "runs/toy" for x in folders)
    assert toy.launch().run.workdir == folders[0]


def test_unknown_data_set_lists_the_nearest(toy, tmp_path):
    workdir = f"--workdir={tmp_path / 'run'}"
    text = refused(toy, "--dataset=digit", workdir)
    assert "Unknown data set 'digit'. Did you mean 'digits'" in text
    text = refused(toy, "--dataset=none/at/all.npz", workdir)
    assert "no such file or folder: none/at/all.npz" in text
    text = refused(toy, "--dataset=none.npz", workdir, own_data="")
    assert "Unknown data set" in text
    assert not (tmp_path / "run").exists()


def test_own_data_may_have_a_flag_of_its_own(toy, tmp_path):
    own = {"own_data": "label"}
    (tmp_path / "mine.csv").write_text("id")
    toy.launch(
        f"--label={tmp_path / 'mine.csv'}", f"--workdir={tmp_path / 'run'}", **own
    )
    assert toy.run.own and toy.run.dataset_name == "mine"
    text = refused(toy, "--label=none.csv", f"--workdir={tmp_path / 'run'}", **own)
    assert "no such file or folder: none.csv" in text
    toy.launch("--label=", f"--workdir={tmp_path / 'plain'}", **own)
    assert not toy.run.own and toy.run.dataset == "digits"


@pytest.mark.parametrize("error", [loop.NonFiniteLoss("step 3"), OSError("disk full")])
def test_expected_errors_end_with_their_message(toy, tmp_path, error):
    toy.error = {0: error}
    assert refused(toy, f"--workdir={tmp_path}") == f"error: {error}"


def test_mistakes_of_ours_keep_their_trace(toy, tmp_path):
    toy.error = {0: KeyError("ours")}
    with pytest.raises(KeyError, match="ours"):
        toy.launch(f"--workdir={tmp_path}")
