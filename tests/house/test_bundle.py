"""Saved models: what comes back, and what is said about any other file."""

import io
import pickle
import zipfile

import jax.numpy as jnp
import numpy as np
import pytest
from flax.core import FrozenDict
from helpers import assert_trees_close

from iclr22 import bundle, errors

KIND, VERSION = "toy model", 3
TREES = {
    "params": {
        "dense": {"kernel": np.arange(6.0).reshape(2, 3), "bias": np.zeros(3)},
        "none": {},
        "nested": {"none": {}, "x": {"y": {"z": np.int32(7)}}},
    },
    "empty": {},
    "json": np.array(["ä", "b c"]),  # names of the file's own
    "file": np.array([True, False]),
    "path": np.zeros((0, 4), np.float16),
}
ABOUT = {"config": {"rate": 0.1, "names": ["a", None]}, "n": 3, "text": "ä", "on": True}


def save(path, **changes):
    given = {
        "about": ABOUT,
        "trees": TREES,
        "inputs": ("width", "length, cm"),
    } | changes
    kind, version = given.pop("kind", KIND), given.pop("version", VERSION)
    bundle.save(path, kind, version, **given)
    return path


def load(path, build=lambda found: found):
    return bundle.load(path, KIND, VERSION, build)


def test_what_was_saved_comes_back(tmp_path):
    found = load(save(tmp_path / "new" / "model.npz"))
    assert found.inputs == ("width", "length, cm")
    assert found.about == ABOUT
    assert list(found.trees) == list(TREES)
    assert found.trees["params"]["none"] == found.trees["empty"] == {}
    assert found.trees["params"]["nested"]["none"] == {}
    for name in ("params", "path", "file"):
        assert_trees_close(found.trees[name], TREES[name], rtol=0)
    assert found.trees["json"].tolist() == ["ä", "b c"]
    assert found.trees["path"].dtype == np.float16
    assert found.trees["params"]["nested"]["x"]["y"]["z"].dtype == np.int32


def test_trees_of_jax_and_flax_come_back_as_numpy(tmp_path):
    given = FrozenDict({"dense": {"kernel": jnp.ones(2)}})
    found = load(save(tmp_path / "model.npz", trees={"params": given})).trees["params"]
    assert type(found) is dict and type(found["dense"]["kernel"]) is np.ndarray
    assert found["dense"]["kernel"].tolist() == [1, 1]


def test_model_without_inputs_or_trees(tmp_path):
    save(tmp_path / "model.npz", inputs=(), trees={}, about={})
    assert load(tmp_path / "model.npz") == bundle.Bundle((), {}, {})


def test_model_is_what_build_makes(tmp_path):
    path = save(tmp_path / "model.npz")
    assert load(path, lambda found: found.about["n"] + len(found.inputs)) == 5


@pytest.mark.parametrize(
    ("tree", "kind"),
    [
        ([np.ones(2), np.ones(2)], TypeError),
        ({"a": None}, TypeError),
        ({"a": 0.5}, TypeError),
        ({1: np.ones(2)}, TypeError),
        ({"a": np.array([{}])}, TypeError),
        ({"a": jnp.ones(2, jnp.bfloat16)}, TypeError),
        ({"a/b": np.ones(2)}, ValueError),
    ],
)
def test_what_would_not_come_back_is_not_saved(tmp_path, tree, kind):
    with pytest.raises(kind):
        save(tmp_path / "model.npz", trees={"params": tree})
    assert list(tmp_path.iterdir()) == []


def message(path, build=lambda found: found):
    with pytest.raises(errors.InputError) as caught:
        load(path, build)
    text = str(caught.value)
    assert str(path) in text and len(text.splitlines()) == 1
    return text


def test_other_kind_or_version_is_named(tmp_path):
    path = save(tmp_path / "model.npz", kind="other model")
    wanted = "expected a toy model, format 3; found 'other model', format 3"
    assert wanted in message(path)
    save(path, version=2)
    text = message(path)
    assert "expected a toy model, format 3; found 'toy model', format 2" in text
    assert "Make it again" in text


def test_missing_file_is_said_to_be_missing(tmp_path):
    assert message(tmp_path / "none.npz") == f"no such file: {tmp_path / 'none.npz'}"


class Trap:
    """Runs code where it is unpickled."""

    def __reduce__(self):
        return pytest.fail, ("a file was executed",)


def truncated(path):
    save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def damaged(path):
    np.savez_compressed(
        path, json=np.asarray("{}"), x=np.random.default_rng(0).random(99)
    )
    found = bytearray(path.read_bytes())
    found[len(found) // 2] ^= 255
    path.write_bytes(found)


def without(*names):
    """A file that lacks some of its members."""

    def make(path):
        whole = path.with_name("whole.npz")
        save(whole)
        with zipfile.ZipFile(whole) as old, zipfile.ZipFile(path, "w") as new:
            for name in old.namelist():
                if name not in names:
                    new.writestr(name, old.read(name))

    return make


def with_json(text):
    return lambda path: np.savez(path, json=np.asarray(text))


def array_of(kind):
    """A zip with one array whose header says more than there is."""

    def make(path):
        head = io.BytesIO()
        about = {"descr": kind, "fortran_order": False, "shape": (10**15,)}
        np.lib.format.write_array_header_1_0(head, about)
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("json.npy", head.getvalue())

    return make


FILES = {
    "folder": lambda path: path.mkdir(),
    "empty": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_text("a,b\n1,2\n"),
    "pickle": lambda path: path.write_bytes(pickle.dumps(Trap())),
    "pickled array": lambda path: np.savez(path, json=np.array([Trap()], object)),
    "single array": lambda path: np.save(path.open("wb"), np.ones(3)),
    "truncated": truncated,
    "damaged": damaged,
    "no description": without("json.npy"),
    "no array": without("trees/params/dense/bias.npy"),
    "huge array": array_of("<f8"),
    "no json": with_json("{"),
    "a list": with_json("[1, 2]"),
    "a cell": with_json('{"rows": []}'),
    "half a head": with_json('{"bundle": {"kind": "toy model", "version": 3}}'),
    "text for trees": with_json(
        '{"about": {}, "bundle": {"kind": "toy model", "version": 3, "inputs": [],'
        ' "trees": "text"}}'
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_any_other_file_is_one_error_that_names_it(tmp_path, name):
    path = tmp_path / "model.npz"
    FILES[name](path)
    assert "expected a toy model that this project wrote; cannot read it" in message(
        path
    )


@pytest.mark.parametrize(
    "build",
    [
        lambda found: found.about["missing"],
        lambda found: found.trees["params"]["dense"]["kernel"].reshape(5),
        lambda found: {}.get(*found.inputs, **found.about),
    ],
)
def test_what_build_does_not_find_is_a_fault_of_the_file(tmp_path, build):
    assert "cannot read it" in message(save(tmp_path / "model.npz"), build)


def test_what_build_refuses_names_the_file(tmp_path):
    def build(found):
        raise errors.nearest(found.about["text"], ["b"], "stage")

    text = message(save(tmp_path / "model.npz"), build)
    assert "Unknown stage 'ä'" in text


def test_fault_of_build_itself_is_not_hidden(tmp_path):
    with pytest.raises(ZeroDivisionError):
        load(save(tmp_path / "model.npz"), lambda found: 1 / 0)


def test_interrupted_save_leaves_the_old_file(tmp_path, monkeypatch):
    path = save(tmp_path / "model.npz")

    def cut(file, **arrays):
        file.write(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez", cut)
    with pytest.raises(KeyboardInterrupt):
        save(path, about={})
    monkeypatch.undo()
    assert load(path).about == ABOUT and list(tmp_path.iterdir()) == [path]
