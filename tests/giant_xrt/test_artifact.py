"""Models as files: read as they were written, or refused."""

import giant_helpers
import numpy as np
import pytest
from helpers import assert_trees_close

from iclr22 import errors
from iclr22.giant_xrt import artifact, encoding
from iclr22.giant_xrt.tree import Tree
from iclr22.nn import encoders

TEXTS = giant_helpers.texts(12)
TREE = Tree((np.zeros(2, int), np.arange(12) % 2))


def model(encoder):
    width = encoder.config.features
    head = {"kernel": np.ones((3, width), np.float32), "bias": np.zeros(3, np.float32)}
    return artifact.Model(encoder, TREE, (head,))


ENCODERS = {
    "bag": lambda: encoding.of_bag(TEXTS, width=4, hidden=3, tokens=9),
    "pooler": lambda: giant_helpers.of_bert("pooler"),
    "mean": lambda: giant_helpers.of_bert("mean", tokens=7),
}


@pytest.mark.parametrize("kind", ENCODERS)
def test_a_model_is_read_as_it_was_written(kind, tmp_path):
    given = model(ENCODERS[kind]())
    artifact.save(tmp_path / "model.npz", given)
    found = artifact.load(tmp_path / "model.npz")
    assert found.encoder.config == given.encoder.config
    assert found.encoder.vocabulary == given.encoder.vocabulary
    assert_trees_close(found.encoder.params, given.encoder.params, rtol=0)
    assert_trees_close(found.heads, given.heads, rtol=0)
    assert found.tree.sizes == (2, 12)
    np.testing.assert_array_equal(found.tree.parents[1], TREE.parents[1])


@pytest.mark.parametrize(
    "parts",
    [
        {"tree": Tree((np.zeros(2, int), np.arange(12)))},
        {"heads": ({"kernel": np.ones((3, 5)), "bias": np.zeros(3)},)},
        {"heads": ({"kernel": np.ones((5, 4)), "bias": np.zeros(5)},)},
        {"encoder": encoding.of_bag(TEXTS, width=4)._replace(vocabulary=("a",) * 999)},
        {"encoder": encoding.of_bag(TEXTS, width=4)._replace(params={"table": {}})},
    ],
)
def test_parts_that_do_not_fit_are_refused(parts, tmp_path):
    given = model(encoding.of_bag(TEXTS, width=4))
    artifact.save(tmp_path / "model.npz", given._replace(**parts))
    with pytest.raises(errors.InputError, match="model.npz"):
        artifact.load(tmp_path / "model.npz")


def test_other_files_are_refused(tmp_path):
    with pytest.raises(errors.InputError, match="no such file"):
        artifact.load(tmp_path / "none.npz")
    np.savez(tmp_path / "other.npz", x=np.ones(3))
    with pytest.raises(errors.InputError, match="giant_xrt model"):
        artifact.load(tmp_path / "other.npz")


@pytest.mark.parametrize("pooling", encoding.POOLINGS)
def test_an_exported_encoder_gives_the_same_features(pooling, tmp_path):
    given = giant_helpers.of_bert(pooling)
    folder = artifact.export(tmp_path / "bert", given)
    again = encoding.of_bert(encoders.load(folder), pooling=pooling, tokens=8)
    found = encoding.embed(again, TEXTS)
    np.testing.assert_allclose(found, encoding.embed(given, TEXTS), atol=1e-5)


def test_a_bag_is_not_exported(tmp_path):
    with pytest.raises(errors.InputError, match="bag"):
        artifact.export(tmp_path / "bag", encoding.of_bag(TEXTS, width=4))
