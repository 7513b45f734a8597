"""Batches of GRDA: every domain in each, no label of a target, who shares a slot."""

import numpy as np
import pytest
from helpers import assert_trees_close

from iclr22 import errors
from iclr22.data.domains import climate, published
from iclr22.grda import batches

pytestmark = pytest.mark.eight_devices

DG15 = published.load_dg15()
TPT48 = climate.load_tpt48("tpt48_east_west")


def make(data, slots=10, **options):
    return batches.make(data, data.graph, slots, **options)


def rows_of(data, steps, **options):
    """Numbers of the data's rows in these batches `[slots, N]`."""
    numbers = np.arange(len(data.x), dtype=np.float32)[:, None]
    source = make(data._replace(x=numbers), **options)
    return np.concatenate([source(s)["x"][..., 0] for s in steps]).astype(int)


def select(data, rows):
    return data._replace(x=data.x[rows], y=data.y[rows], domain=data.domain[rows])


@pytest.mark.parametrize("shared, orders", [(False, 15), (True, 1)])
def test_every_sample_comes_once_per_epoch(shared, orders):
    data = select(DG15, np.arange(1500).reshape(15, 100).T.ravel())  # domains mixed
    options = {"shared": shared, "seed": 5}
    steps = rows_of(data, range(20), **options).reshape(20, 10, 15)
    epochs = steps.reshape(2, 100, 15)
    for rows in epochs:
        assert len(np.unique(rows)) == 1500
        assert (data.domain[rows] == np.arange(15)).all()
        assert np.unique(rows // 15, axis=1).shape[1] == orders
    assert np.any(epochs[0] != epochs[1])
    np.testing.assert_array_equal(rows_of(data, [17], **options), steps[17])
    assert np.any(rows_of(data, [17], shared=shared, seed=6) != steps[17])


def test_shares_of_two_processes_make_the_batch():
    source = make(DG15, 10, devices=8)
    for step in (0, 6, 12):  # the last two go across the end of an epoch
        parts = [source._replace(part=(i, 2))(step) for i in range(2)]
        whole = source(step)
        for name in ("x", "y", "labelled", "weight"):
            joined = np.concatenate([part[name] for part in parts])
            np.testing.assert_array_equal(joined, whole[name])
        assert len(parts[0]["x"]) == 8 and whole["weight"].tolist() == [1] * 16


@pytest.mark.parametrize("data", [DG15, TPT48], ids=["dg15", "tpt48"])
def test_labels_of_targets_are_never_in_a_batch(data):
    target = ~data.sources[data.domain]
    labels = [data.y, data.y.copy(), data.y.copy()]
    labels[1][target] = 1 - data.y[target]
    labels[2][target] = np.nan if data.regression else -1
    sources = [make(data._replace(y=y)) for y in labels]
    for step in (0, 11):
        first, *others = (source(step) for source in sources)
        assert_trees_close([first] * 2, others, rtol=0, atol=0)
        np.testing.assert_array_equal(first["labelled"], np.tile(data.sources, (10, 1)))
        assert first["y"].dtype == data.y.dtype and first["y"][:, data.sources].any()
        assert not first["y"][:, ~data.sources].any()


def test_domains_may_differ_in_size_unless_they_share_an_order():
    data = select(DG15, np.delete(np.arange(1500), np.arange(1400, 1470)))
    times = np.bincount(rows_of(data, range(30)).ravel())  # the last domain has 30
    assert times.tolist() == [3] * 1400 + [10] * 30
    with pytest.raises(errors.InputError, match="30 to 100.*independent"):
        make(data, shared=True)
    with pytest.raises(errors.InputError, match="domain 3: expected samples"):
        make(select(DG15, np.flatnonzero(DG15.domain != 3)))


def test_shared_index_leaks_classes_and_shuffled_files_cure_it():
    """Share of pairs of samples in one slot that have the same class, over an epoch."""
    rng, found = np.random.default_rng(0), []
    order = np.concatenate([100 * u + rng.permutation(100) for u in range(15)])
    i, j = np.triu_indices(15, 1)
    for data in (DG15, select(DG15, order)):
        for shared in (True, False):
            labels = data.y[rows_of(data, range(10), shared=shared)]
            found.append(np.mean(labels[:, i] == labels[:, j]))
    assert found[0] == 1 and np.abs(np.array(found[1:]) - 0.5).max() < 0.05
