"""States of training: the newest comes back, keys too; damage is told, not used."""

import shutil

import helpers
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from iclr22 import errors, states

pytestmark = pytest.mark.eight_devices


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_checkpoints_keep_the_newest_and_bring_back_keys(tmp_path):
    state = {"w": jnp.arange(4.0), "n": jnp.int32(7), "key": jax.random.key(5)}
    saved = states.Checkpoints(tmp_path / "a", keep=2)
    assert saved.steps() == []
    for step in (1, 2, 3):
        saved.save(step, state | {"n": jnp.int32(step)})
    saved.close()
    saved = states.Checkpoints(tmp_path / "a")
    assert saved.steps() == [3, 2]
    like = jax.tree.map(jnp.zeros_like, state | {"key": None}) | {
        "key": jax.random.key(0)
    }
    helpers.assert_trees_close(saved.restore(3, like), state | {"n": 3}, rtol=0)
    assert saved.restore(2, like)["n"] == 2
    saved.close()
    assert [x for x in names(tmp_path / "a") if x.isdigit()] == ["2", "3"]


def test_relative_folder_works(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    saved = states.Checkpoints("runs/a")
    saved.save(1, {"w": jnp.ones(2)})
    saved.close()
    assert (tmp_path / "runs" / "a" / "1").exists()


STATE = {"w": jnp.arange(300.0), "n": jnp.int32(0), "key": jax.random.key(5)}


def write(folder, *steps):
    saved = states.Checkpoints(folder)
    for step in steps:
        saved.save(step, STATE | {"n": jnp.int32(step)})
    saved.close()


def newest(folder, like=STATE):
    saved = states.Checkpoints(folder)
    try:
        return saved.newest(like), saved.steps()
    finally:
        saved.close()


def flip(path, place, bit=3):
    data = bytearray(path.read_bytes())
    data[place % len(data)] ^= 1 << bit
    path.write_bytes(data)


def files_of(folder):
    """All with numbers, or with what tells where they are."""
    return sorted(x for x in folder.rglob("*") if x.is_file() and x.stat().st_size)


def array_file(folder):
    return max(files_of(folder), key=lambda path: path.stat().st_size)


def test_a_flipped_bit_is_told_and_the_older_state_used(tmp_path, caplog):
    write(tmp_path, 10, 20)
    flip(array_file(tmp_path / "20"), 600)
    with caplog.at_level("WARNING", logger="absl"):
        (step, state), left = newest(tmp_path)
    assert (step, left) == (10, [10])
    helpers.assert_trees_close(state, STATE | {"n": 10}, rtol=0)
    assert "step 20" in caplog.text and "damaged" in caplog.text
    write(tmp_path, 20)  # trained again, it can be saved again
    assert newest(tmp_path)[0][0] == 20


@pytest.mark.parametrize("how", ["cut", "emptied", "gone"])
def test_without_a_good_one_training_starts_anew(tmp_path, how):
    write(tmp_path, 10)
    path = array_file(tmp_path / "10")
    if how == "gone":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[: 50 if how == "cut" else 0])
    assert newest(tmp_path) == (None, [])


@pytest.mark.slow
def test_no_bit_of_any_file_gives_other_numbers(tmp_path):
    """Wherever a bit flips: the same numbers, the older ones, or none."""
    write(tmp_path / "good", 10, 20)
    random = np.random.default_rng(0)
    for number in range(60):
        folder = tmp_path / str(number)
        shutil.copytree(tmp_path / "good", folder)
        found = files_of(folder / "20")
        flip(random.choice(found), int(random.integers(10**6)), random.integers(8))
        (step, state), _ = newest(folder)
        assert step in (10, 20)
        helpers.assert_trees_close(state, STATE | {"n": step}, rtol=0)


def test_another_configuration_is_no_damage(tmp_path):
    write(tmp_path, 10, 20)
    with pytest.raises(errors.InputError, match=r"w: \[300\] there, \[4\] now"):
        newest(tmp_path, STATE | {"w": jnp.zeros(4)})
    assert newest(tmp_path)[1] == [20, 10]
