"""Whatever must survive a kill does, and nobody sees half of it."""

import errno
import json
import os

import helpers
import jax.numpy as jnp
import numpy as np
import pytest

from iclr22 import checkpoint

pytestmark = pytest.mark.eight_devices


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_atomic_replaces_the_content(tmp_path):
    path = tmp_path / "new" / "a.txt"
    for text in ("old", "new"):
        with checkpoint.atomic(path) as temporary:
            assert temporary.parent == path.parent  # a rename must not cross disks
            temporary.write_text(text)
            assert not path.exists() or path.read_text() == "old"
        assert path.read_text() == text
    assert names(path.parent) == ["a.txt"]


def test_a_full_disk_is_told_with_the_path(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OSError, match=str(tmp_path / "a.npz")):
        checkpoint.write_npz(tmp_path / "a.npz", a=np.ones(3))
    assert names(tmp_path) == []
    said = f"RESOURCE_EXHAUSTED: No space left on device: {'x' * 500}"
    with pytest.raises(OSError, match="cannot write here") as caught:
        with checkpoint.writing("here"):
            raise ValueError(said)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_atomic_keeps_the_old_content_on_an_exception(tmp_path, error):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(error), checkpoint.atomic(path) as temporary:
        temporary.write_text("half of")
        raise error
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_atomic_keeps_the_old_content_if_the_rename_fails(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError("no space left")

    path = tmp_path / "a.txt"
    path.write_text("old")
    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(OSError, match="no space"), checkpoint.atomic(path) as temporary:
        temporary.write_text("new")
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


CELL = {
    "rows": [("größe", "a/b=1", 0, "test/error", 1 / 3, "")],
    "text": "naïve — 数 \n '",
    "none": None,
    "nested": {"list": [1, 2.5, True]},
    "count": 3,
    "floats": np.linspace(0, 1, 5),
    "flags": np.array([True, False]),
    "names": np.array(["ä", "bc"]),
    "empty": np.zeros((0, 4), np.float32),
    "scalar": np.float64(0.1),
    "device": jnp.arange(3),
    "path": np.ones(2),
}


def test_cell_is_computed_once_and_read_back_equal(tmp_path):
    calls = []

    def compute():
        calls.append(1)
        return dict(CELL)

    first, second = (checkpoint.cell(tmp_path, "größe-1", compute) for _ in range(2))
    assert len(calls) == 1
    assert set(first) == set(second) == set(CELL)
    for name, value in CELL.items():
        if hasattr(value, "shape"):
            for found in (first[name], second[name]):
                assert isinstance(found, np.ndarray)
                assert found.dtype == value.dtype
                np.testing.assert_array_equal(found, value)
        else:
            assert first[name] == second[name]
            assert type(first[name]) is type(second[name])
            assert json.dumps(first[name]) == json.dumps(value)
    assert names(tmp_path) == ["größe-1.npz"]


def test_cells_do_not_mix(tmp_path):
    for name in ("a", "b"):
        found = checkpoint.cell(tmp_path, name, lambda name=name: {"name": name})
        assert found["name"] == name
    other = checkpoint.cell(tmp_path / "other", "a", lambda: {"name": "c"})
    assert other["name"] == "c"


@pytest.mark.parametrize("where", ["compute", "write"])
def test_cell_that_failed_is_computed_again(tmp_path, monkeypatch, where):
    def fail(*_, **__):
        raise OSError("cut")

    def tear(file, **_):
        file.write(b"PK half an archive")
        fail()

    with monkeypatch.context() as patch:
        if where == "write":
            patch.setattr(np, "savez", tear)
        compute = fail if where == "compute" else lambda: {"a": 1}
        with pytest.raises(OSError, match="cut"):
            checkpoint.cell(tmp_path / "cells", "x", compute)
    assert not (tmp_path / "cells").exists() or names(tmp_path / "cells") == []
    assert checkpoint.cell(tmp_path / "cells", "x", lambda: {"a": 2})["a"] == 2


@pytest.mark.parametrize("kind", [object, jnp.bfloat16])
def test_cell_refuses_what_it_could_not_read_back(tmp_path, kind):
    value = np.array([1, 2]).astype(kind)
    with pytest.raises(TypeError, match="odd cannot be stored"):
        checkpoint.cell(tmp_path, "x", lambda: {"odd": value})
    assert names(tmp_path) == []


def squares(low, high):
    """Rows that depend on their number only."""
    return np.arange(low, high)[:, None] ** 2 + np.arange(3.0)


def fill(folder, rows=squares, n=10, **key):
    """`(array, first rows of the chunks that were computed)`."""
    calls = []

    def counted(low, high):
        calls.append(low)
        return rows(low, high)

    store = checkpoint.ChunkStore(folder, "table", key=key)
    return store.fill((n, 3), np.float32, counted, chunk=4), calls


def cut_at(low):
    """Rows until a chunk, where the run ends."""

    def rows(first, last):
        if first >= low:
            raise KeyboardInterrupt
        return squares(first, last)

    return rows


def test_chunks_left_by_an_exception_are_not_computed_again(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        fill(tmp_path, cut_at(8))
    table, calls = fill(tmp_path)
    assert calls == [8]
    np.testing.assert_array_equal(table, squares(0, 10))
    assert table.dtype == np.float32 and not table.flags.writeable
    table, calls = fill(tmp_path)
    assert calls == []
    np.testing.assert_array_equal(table, squares(0, 10))


@pytest.mark.parametrize(("n", "key"), [(10, {"seed": 1}), (11, {}), (9, {"seed": 2})])
def test_chunks_of_another_key_or_shape_start_over(tmp_path, n, key):
    fill(tmp_path, lambda low, high: -squares(low, high))
    table, calls = fill(tmp_path, n=n, **key)
    assert calls == list(range(0, n, 4))
    np.testing.assert_array_equal(table, squares(0, n))


def test_chunks_of_an_old_key_are_not_trusted_after_a_cut(tmp_path):
    fill(tmp_path, seed=1)
    with pytest.raises(KeyboardInterrupt):
        fill(tmp_path, cut_at(0), seed=2)
    table, calls = fill(tmp_path, seed=1)
    assert calls == [0, 4, 8]
    np.testing.assert_array_equal(table, squares(0, 10))


WORKER = """
import sys, time
import numpy as np
from iclr22 import checkpoint

def rows(low, high):
    print(low, flush=True)
    time.sleep(float(sys.argv[2]))
    return np.random.default_rng(low).normal(size=(high - low, 100))

store = checkpoint.ChunkStore(sys.argv[1], "table", key={"size": 100})
table = store.fill((64, 100), np.float64, rows, chunk=2)
np.save(sys.argv[1] + "/final.npy", table)
"""


def test_chunks_of_a_killed_process_are_kept(tmp_path):
    script = tmp_path / "worker.py"
    script.write_text(WORKER)
    progress = tmp_path / "a" / "table.json"

    def done():
        return json.loads(progress.read_text())["done"]

    victim = helpers.start(script, tmp_path / "a", 0.05)
    helpers.kill_when(victim, lambda: progress.exists() and done() >= 6)
    kept = done()
    assert 6 <= kept < 64
    out, _ = helpers.finish(helpers.start(script, tmp_path / "a", 0))
    assert list(map(int, out.split())) == list(range(kept, 64, 2))
    draws = [np.random.default_rng(i).normal(size=(2, 100)) for i in range(0, 64, 2)]
    final = np.load(tmp_path / "a" / "final.npy")
    assert final.tobytes() == np.concatenate(draws).tobytes()
