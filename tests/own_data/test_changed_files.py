"""Results of a file are never those of what was in it before (all experiments)."""

import helpers
import numpy as np
import pytest

from experiments import paper, workdir
from experiments.diva.experiment import EXPERIMENT
from iclr22 import errors, record

RANDOM = np.random.default_rng(0)
Y = np.arange(60) % 2
Z = RANDOM.normal(size=(60, 4)) + 3 * Y[:, None]


def write(path, flipped, rows=60):
    y = Y.copy()
    y[:flipped] = 1 - y[:flipped]
    np.savez(path, z=Z[:rows], y=np.array(["cat", "dog"])[y[:rows]])


def look(*words):
    """Order of the examples after a run as the command line asks for it."""
    words = ("--dataset=m.npz", *words)
    folder = helpers.parsed(EXPERIMENT, *words).workdir
    helpers.launch(EXPERIMENT, *words)
    rows = (folder / "examples.csv").read_text().splitlines()[1:]
    return folder, [int(row.split(",")[1]) for row in rows]


def test_corrected_labels_and_removed_rows_are_looked_at(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write("m.npz", 6)
    first, order = look()
    assert len({*order[:6]} & {*range(6)}) >= 5
    write("m.npz", 0)
    second, corrected = look()
    assert second != first and len({*corrected[:6]} & {*range(6)}) <= 2
    write("m.npz", 0, rows=50)
    third, fewer = look()
    assert third not in (first, second) and len(fewer) == 50
    write("m.npz", 6)
    again, before = look()
    assert (again, before) == (first, order)
    assert record.read_results(first / "results.csv")


@pytest.mark.parametrize("method", paper.there())
def test_a_changed_file_in_a_folder_of_its_own_is_an_error(method, tmp_path):
    folder = tmp_path / "run"
    names = {"inputs.dataset": "content of --dataset=m.npz"}
    about = dict.fromkeys(workdir.IDENTITY, "") | {"method": method, "options": {}}
    workdir.claim(
        folder, about | {"inputs": {"dataset": "a"}}, resume=True, names=names
    )
    with pytest.raises(
        errors.InputError, match="content of --dataset=m.npz: a there, b now"
    ):
        changed = about | {"inputs": {"dataset": "b"}}
        workdir.claim(folder, changed, resume=True, names=names)
