"""The registry of data sets."""

import importlib
import pathlib
import pkgutil
import subprocess
import sys
import types

import jax
import numpy as np
import pytest

from iclr22 import data, errors
from iclr22.data import registry
from iclr22.data.domains.published import DG60_FILE
from iclr22.data.tracks.published import CONTENT, FILES

ROOT = pathlib.Path(__file__).parents[2]


def test_synthetic_of_every_data_set_repeats_and_matches_its_split_names():
    for name in data.names():
        dataset = data.get(name)
        first, second = (
            dataset.synthetic(np.random.default_rng(3), 40) for _ in range(2)
        )
        if isinstance(first, data.DomainData):
            assert len(first.x) == len(first.y) == len(first.domain) == 40, name
        elif isinstance(first, data.Fold):
            assert all(len(part.frame) for part in first), name
        elif isinstance(first, data.Panel):
            assert min(first.lengths) >= 40, name
        elif isinstance(first, data.Pairs):
            assert len(first.score) == 40 and {"train", "test"} <= set(first.split), (
                name
            )
        elif isinstance(first, data.TextGraph):
            assert len(first.texts) == len(first.nodes.labels) == 40, name
            assert "train" in first.nodes.masks, name
        elif isinstance(first, data.FactorImages):
            assert len(first.index) == first.grid.count >= 40, name
        elif not isinstance(first, data.Events):
            assert "train" in getattr(first, "masks", first), name  # a graph, or splits
        assert jax.tree.structure(first) == jax.tree.structure(second), name
        pairs = zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True)
        for one, other in pairs:
            np.testing.assert_array_equal(one, other, name)
        assert dataset.info.licence and dataset.info.citation, name
        for file in dataset.info.files:
            assert file.url.startswith("http"), name
            checked = file.sha256 or file.git_blob
            read = {DG60_FILE, *map(FILES.get, CONTENT)}
            assert checked or file in read, name  # what was read from it is checked


def test_unknown_name_lists_the_nearest():
    with pytest.raises(errors.InputError, match="'cifar10'"):
        data.get("cifar_10")


def test_name_defined_twice_is_an_error():
    one = types.SimpleNamespace(__name__="one", DATASETS={"a": None})
    two = types.SimpleNamespace(__name__="two", DATASETS={"a": None})
    with pytest.raises(ValueError, match="'a' is defined in one and again in two"):
        registry.merge([one, two])


KINDS = [x.name for x in pkgutil.iter_modules(data.__path__) if x.ispkg]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_data_has_the_same_files(kind):
    name = f"iclr22.data.{kind}"
    published, files, own, simulated = (
        importlib.import_module(f"{name}.{part}")
        for part in ("published", "files", "own", "simulated")
    )
    assert callable(own.load_own) and callable(simulated.synthetic)
    assert published.DATASETS.keys() <= set(data.names())
    assert any(name.startswith("read") for name in vars(files))


def test_import_does_not_load_parsers():
    code = (
        "from iclr22 import data; import sys; data.names(); print('PIL' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True
    )
    assert done.stdout.split() == ["False"], done.stderr
