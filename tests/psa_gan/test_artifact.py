"""A kept generator makes the windows that it made; a damaged file is one error."""

import functools

import jax
import numpy as np
import pytest
from helpers import damaged, say

from iclr22 import errors
from iclr22.data.series import Panel, layouts
from iclr22.data.series.calendar import Step
from iclr22.psa_gan import artifact, gan, generation, timegan
from iclr22.psa_gan.artifact import Model

LENGTH = 8


def layout():
    random = np.random.default_rng(1)
    return layouts.layout(
        Panel(
            values=(random.random(30), 5 + random.random(20)),
            start=np.array(["2024-03-01", "2024-05-01"], "M8[s]"),
            step=Step(1, "D"),
            ids=("a", "ä 2"),
            static=np.array([[1.0], [3.0]], np.float32),
            static_names=("size",),
        )
    )


@functools.cache
def model(kind="gan") -> Model:
    """An untrained generator."""
    where = layout()
    batch = {"features": layouts.features(where, [0], [0], LENGTH)}
    if kind == "timegan":
        config = timegan.Config(series=2, length=LENGTH, width=3, layers=1, embedding=2)
        params = timegan.init(config, jax.random.key(0), batch).params
        kept = {name: params[name] for name in timegan.GENERATING}
        return Model("timegan", config, jax.device_get(kept), where)
    config = gan.Config(series=2, length=LENGTH, context=3, width=4, embedding=2)
    init = jax.jit(functools.partial(gan.init, config))
    params = init(jax.random.key(0), batch).params
    return Model(
        "gan", config, {"generator": jax.device_get(params["generator"])}, where
    )


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """By kind, a file of its model."""
    folder = tmp_path_factory.mktemp("models")
    for kind in artifact.STAGES:
        artifact.save(folder / f"{kind}.npz", model(kind))
    return {kind: folder / f"{kind}.npz" for kind in artifact.STAGES}


@pytest.mark.parametrize("kind", artifact.STAGES)
def test_a_kept_generator_makes_the_same_windows(kind, files):
    found = artifact.load(files[kind])
    assert found.stage == kind and found.config == model(kind).config
    for name, x in model(kind).layout._asdict().items():
        np.testing.assert_array_equal(getattr(found.layout, name), x)
    context = np.full((2, 3), 0.5) if kind == "gan" else None
    drawn = [
        generation.draw(x, [0, 1], [3, -2], 13, seed=1, context=context)
        for x in (found, model(kind))
    ]
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert np.ptp(drawn[0]) > 1e-3


def put(name, value):
    return lambda about, arrays: arrays.update({name: value(arrays[name])})


TABLE = "trees/params/generator/params/embedding/embedding"
CHANGES = {
    "a range of 0": put("trees/layout/range", lambda a: 0 * a),
    "fewer ranges": put("trees/layout/range", lambda a: a[:1]),
    "a low that is no number": put("trees/layout/low", lambda a: np.nan * a),
    "texts for numbers": put("trees/layout/low", lambda a: a.astype(str)),
    "fewer starts": put("trees/layout/start", lambda a: a[:1]),
    "another number of the series": put("trees/layout/static", lambda a: a[:, :0]),
    "numbers of one series": put("trees/layout/static", lambda a: a[:1]),
    "another name": say("about", "layout", "ids", value=["a"]),
    "no step": say("about", "layout", "step", value=[]),
    "another length": say("about", "config", "length", value=16),
    "another depth": say("about", "config", "depth", value=1),
    "another number of series": say("about", "config", "series", value=3),
    "a width that is a word": say("about", "config", "width", value="wide"),
    "another width": say("about", "config", "width", value=8),
    "an unknown field": say("about", "config", "colour", value=8),
    "no such activation": say("about", "config", "output", value="loud"),
    "an unknown stage": say("about", "stage", value="vae"),
    "no configuration": say("about", "config", value=None),
    "nothing said": say("about", value=None),
    "no parameters": say("bundle", "trees", value={}),
}


@pytest.mark.parametrize("name", CHANGES)
def test_parts_that_make_no_model_are_explained(name, files, tmp_path):
    path = damaged(files["gan"], tmp_path / "m.npz", CHANGES[name])
    with pytest.raises(
        errors.InputError, match=r"m\.npz: expected a psa_gan model"
    ) as told:
        artifact.load(path)
    assert len(str(told.value)) < 500


@pytest.mark.parametrize("value", [np.nan, "x"])
def test_parameters_that_are_no_numbers_are_explained(value, files, tmp_path):
    def change(_, arrays):
        name = next(x for x in arrays if x.startswith("trees/params"))
        arrays[name] = np.full(arrays[name].shape, value)

    path = damaged(files["timegan"], tmp_path / "m.npz", change)
    with pytest.raises(errors.InputError, match="arrays of finite numbers only"):
        artifact.load(path)


def test_files_of_others_are_told(files, tmp_path):
    np.savez(tmp_path / "other.npz", x=np.ones(2))
    with pytest.raises(errors.InputError, match="other.npz: expected a psa_gan model"):
        artifact.load(tmp_path / "other.npz")
    with pytest.raises(errors.InputError, match="no such file"):
        artifact.load(tmp_path / "none.npz")
    path = damaged(files["gan"], tmp_path / "m.npz", say("bundle", "version", value=99))
    with pytest.raises(errors.InputError, match="format 1; found 'psa_gan model', f"):
        artifact.load(path)


def test_bits_and_ends_that_are_lost_are_explained(files, tmp_path):
    whole, random = files["gan"].read_bytes(), np.random.default_rng(0)
    refused = 0
    for turn in range(30):
        text = bytearray(whole)
        if turn % 3:
            text[random.integers(len(text))] ^= 1 << random.integers(8)
        else:
            text = text[: random.integers(len(text))]
        path = tmp_path / "m.npz"
        path.write_bytes(text)
        try:
            found = artifact.load(path)
        except errors.InputError as error:
            assert str(path) in str(error)
            refused += 1
        else:  # a byte that means nothing, as a date in the archive
            leaves = zip(
                *map(jax.tree.leaves, (found.params, model().params)), strict=True
            )
            assert all(np.array_equal(a, b) for a, b in leaves)
    assert refused >= 20
