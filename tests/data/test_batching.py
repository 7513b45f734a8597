"""Batches are a function of the step and lose, repeat and misweigh nothing."""

import itertools

import numpy as np
import pytest

from iclr22 import errors
from iclr22.data import batching

pytestmark = pytest.mark.eight_devices


def arrays(n):
    """Examples that know their own number."""
    return {"x": np.arange(2 * n).reshape(n, 2), "y": np.arange(n)}


def epoch_of(batches, number):
    """All batches of one epoch."""
    first = number * batches.per_epoch
    return [batches(step) for step in range(first, first + batches.per_epoch)]


def real(batch):
    """Numbers of the examples that count."""
    return batch["y"][batch["weight"] > 0].tolist()


@pytest.mark.parametrize(("n", "size"), [(13, 4), (12, 4), (3, 8), (1, 1)])
def test_epoch_holds_every_example_once(n, size):
    batches = batching.make(arrays(n), size)
    orders = []
    for number in range(3):
        steps = epoch_of(batches, number)
        orders.append(list(itertools.chain(*map(real, steps))))
        assert sorted(orders[-1]) == list(range(n))
        assert sum(batch["weight"].sum() for batch in steps) == n
        assert {len(x) for batch in steps for x in batch.values()} == {batches.size}
        assert all(np.all(b["x"][:, 0] == 2 * b["y"]) for b in steps)
    assert n < 10 or len({tuple(order) for order in orders}) == 3


def test_batch_depends_on_nothing_but_the_step():
    batches, again = (batching.make(arrays(13), 4, seed=5) for _ in range(2))
    late = {step: batches(step) for step in (17, 3, 200, 3)}
    for step in sorted(late):
        for name, value in again(step).items():
            np.testing.assert_array_equal(value, late[step][name])


def test_batch_can_be_changed_without_harm():
    batches = batching.make(arrays(13), 4)
    before = batches(1)["y"].copy()
    for value in batches(1).values():
        value[:] = 0
    np.testing.assert_array_equal(batches(1)["y"], before)


def test_seed_changes_the_order():
    a, b = (batching.make(arrays(50), 50, seed=seed)(0)["y"] for seed in (0, 1))
    assert not np.array_equal(a, b)


def test_padding_repeats_an_example_with_weight_zero():
    last = epoch_of(batching.make(arrays(13), 4), 0)[-1]
    assert last["weight"].tolist() == [1, 0, 0, 0]
    assert last["weight"].dtype == np.float32
    assert len(set(last["y"].tolist())) == 1


def test_given_weights_are_kept_and_padding_stays_zero():
    weight = np.linspace(1, 2, 13).astype(np.float32)
    batches = batching.make(arrays(13) | {"weight": weight}, 4)
    found = {}
    for batch in epoch_of(batches, 0):
        pairs = zip(batch["y"].tolist(), batch["weight"].tolist(), strict=True)
        found |= {y: w for y, w in pairs if w}
    assert found == dict(enumerate(weight.tolist()))
    total = sum(batch["weight"].sum() for batch in epoch_of(batches, 0))
    np.testing.assert_allclose(total, weight.sum(), rtol=1e-6)


@pytest.mark.parametrize("count", [2, 4])
def test_slices_of_processes_partition_the_batch(count):
    whole = batching.Batches(arrays(13), 8, seed=3)
    parts = [whole._replace(part=(index, count)) for index in range(count)]
    for step in range(5):
        slices = [part(step) for part in parts]
        for name, value in whole(step).items():
            joined = np.concatenate([piece[name] for piece in slices])
            np.testing.assert_array_equal(joined, value)
        assert {len(piece["y"]) for piece in slices} == {8 // count}


@pytest.mark.parametrize(
    ("n", "size", "devices", "expected"),
    [(100, 10, 8, 16), (100, 16, 8, 16), (5, 100, 8, 8), (5, 100, 1, 5), (9, 0, 4, 4)],
)
def test_size_fits_devices_and_data(n, size, devices, expected):
    assert batching.make(arrays(n), size, devices=devices).size == expected


def test_evaluation_goes_in_order_and_pads_the_end():
    batches = list(batching.in_order(arrays(13), 6, devices=4))
    assert [len(batch["y"]) for batch in batches] == [8, 8]
    assert list(itertools.chain(*map(real, batches))) == list(range(13))


@pytest.mark.parametrize(
    "given",
    [{"x": np.ones(3), "y": np.ones(4)}, {"x": np.ones((0, 2))}, {}],
)
def test_unequal_or_empty_arrays_are_refused(given):
    with pytest.raises(errors.InputError, match="one length above 0; found"):
        batching.make(given, 4)
