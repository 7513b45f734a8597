"""Batches made ahead, and data that stay on disk."""

import itertools
import threading
import time

import helpers
import jax
import numpy as np
import pytest
import toy_method

from iclr22 import errors, loop, parallel
from iclr22.data import batching, streaming

pytestmark = pytest.mark.eight_devices


def threads():
    return [x for x in threading.enumerate() if x.name == "batches"]


def saved(folder, lengths=(13, 7, 10)):
    """Files of rows that know their number."""
    start = 0
    for i, n in enumerate(lengths):
        y = np.arange(start, start + n)
        np.save(folder / f"x-{i}.npy", np.stack([y, 2 * y], 1).astype(np.float32))
        np.save(folder / f"y-{i}.npy", y)
        start += n
    return streaming.open_folder(folder)


def epoch_of(source, number):
    first = number * source.per_epoch
    return [source(step) for step in range(first, first + source.per_epoch)]


def real(batch):
    return batch["y"][batch["weight"] > 0].tolist()


@pytest.mark.parametrize(("block", "buffer"), [(4, 2), (1, 1), (100, 100), (5, 3)])
def test_stream_visits_every_row_once_an_epoch(tmp_path, block, buffer):
    arrays = saved(tmp_path)
    source = streaming.make(arrays, 8, block=block, buffer=buffer, seed=3)
    orders = []
    for number in range(3):
        batches = epoch_of(source, number)
        orders.append(list(itertools.chain(*map(real, batches))))
        assert sorted(orders[-1]) == list(range(30))
        assert all(np.all(b["x"][:, 1] == 2 * b["y"]) for b in batches)
        assert {len(x) for b in batches for x in b.values()} == {8}
    assert len({tuple(order) for order in orders}) == 3
    again = streaming.make(arrays, 8, block=block, buffer=buffer, seed=3)
    for step in (9, 2, 5):  # of the step alone, in any order
        np.testing.assert_array_equal(again(step)["y"], source(step)["y"])


def test_stream_shuffles_within_its_buffer_and_processes_share_it(tmp_path):
    source = streaming.Stream(saved(tmp_path, (10, 20)), 8, block=5, buffer=2)
    order = list(itertools.chain(*map(real, epoch_of(source, 0))))
    for pool in np.split(np.array(order), 3):
        assert len(set(pool // 5)) == 2  # two whole blocks, mixed
        assert pool.tolist() != sorted(pool)
    parts = [source._replace(part=(index, 2)) for index in range(2)]
    for step in (0, 3, 7):
        for name, value in source(step).items():
            joined = np.concatenate([part(step)[name] for part in parts])
            np.testing.assert_array_equal(joined, value)


def test_bad_files_are_refused(tmp_path):
    with pytest.raises(errors.InputError, match="found none"):
        streaming.open_folder(tmp_path)
    (tmp_path / "z.npy").write_text("no array")
    with pytest.raises(errors.InputError, match="z.npy: expected a .npy array"):
        streaming.open_folder(tmp_path)
    np.save(tmp_path / "a.npy", np.ones((2, 3)))
    np.save(tmp_path / "b.npy", np.ones((2, 4)))
    with pytest.raises(errors.InputError, match="one type and shape"):
        streaming.Shards([tmp_path / "a.npy", tmp_path / "b.npy"])
    with pytest.raises(errors.InputError, match="at least 1"):
        streaming.make({"a": np.ones(3)}, 2, block=0)


@pytest.mark.parametrize("mode", parallel.MODES)
@pytest.mark.parametrize("scan", [1, 3])
def test_prefetch_changes_no_number_also_when_resumed(tmp_path, mode, scan):
    options = {"mode": mode, "scan": scan}
    plain = toy_method.fit(tmp_path / "a", prefetch=0, **options)
    ahead = toy_method.fit(tmp_path / "b", prefetch=4, **options)
    helpers.assert_trees_close(plain, ahead, rtol=0)
    seen = []

    def cut(step):
        seen.append(step)
        if step == 13:
            raise KeyboardInterrupt
        return toy_method.BATCHES(step)

    with pytest.raises(KeyboardInterrupt):
        toy_method.fit(tmp_path / "c", cut, prefetch=4, **options)
    assert not threads()
    resumed = toy_method.fit(tmp_path / "c", prefetch=4, **options)  # in an epoch
    helpers.assert_trees_close(plain, resumed, rtol=0)
    lines = [(tmp_path / x / "metrics.jsonl").read_bytes() for x in "abc"]
    assert lines[0] == lines[1] == lines[2]


def test_thread_makes_batches_in_order_and_not_too_many():
    seen, plan = [], loop.Schedule(12, prefetch=2, log_every=1)
    most = []

    def source(step):
        seen.append((step, threading.current_thread().name))
        return toy_method.BATCHES(step)

    def review(state, _):
        most.append(len(seen) - int(state.step))
        return state

    plan = plan._replace(evaluate_every=1)
    loop.fit(toy_method.TOY, toy_method.CONFIG, source, plan, review=review)
    assert seen[1:] == [(step, "batches") for step in range(12)]
    assert max(most) <= 1 + 2 + 1  # the first for the shapes, two that wait, one made
    assert not threads()


@pytest.mark.parametrize("where", ["source", "loop"])
def test_thread_ends_with_the_loop_whoever_fails(where):
    def source(step):
        if where == "source" and step == 5:
            raise ValueError("the disk is gone")
        return toy_method.BATCHES(step)

    def review(state, _):
        if where == "loop" and int(state.step) == 5:
            raise ValueError("the disk is gone")
        return state

    plan = loop.Schedule(20, evaluate_every=1)
    with pytest.raises(ValueError, match="the disk is gone"):
        loop.fit(toy_method.TOY, toy_method.CONFIG, source, plan, review=review)
    assert not threads()


def test_interrupt_while_waiting_ends_the_thread():
    made = threading.Event()

    def slow(place):
        made.set()
        time.sleep(0.05)
        return place

    with pytest.raises(KeyboardInterrupt):
        with streaming.Prefetch(slow, range(100)) as ahead:
            assert [ahead.next() for _ in range(3)] == [0, 1, 2] and made.is_set()
            raise KeyboardInterrupt
    assert not threads() and ahead.waited > 0.05


def test_waiting_is_told_and_a_thread_takes_it_away():
    """A batch takes 10 ms and the loop 20 ms: with a thread nothing is left to wait."""

    def source(step):
        time.sleep(0.01)
        return toy_method.BATCHES(step)

    def review(state, _):
        time.sleep(0.02)
        return state

    shares = {}
    for ahead in (0, 2):
        plan = loop.Schedule(15, evaluate_every=1, prefetch=ahead)
        for _ in range(2):  # the first compiles
            loop.fit(
                toy_method.TOY,
                toy_method.CONFIG,
                source,
                plan,
                review=review,
                watch=lambda times, ahead=ahead: shares.update({ahead: times}),
            )
    assert shares[0].calls == shares[2].calls == 15
    assert shares[0].idle > 0.2 and shares[2].idle < 0.5 * shares[0].idle


def test_thread_sees_wide_numbers_where_the_caller_does():
    make = lambda x: jax.numpy.asarray(np.float64(x)).dtype.name  # noqa: E731
    with jax.enable_x64(True), streaming.Prefetch(make, range(1)) as ahead:
        assert ahead.next() == "float64"
    with streaming.Prefetch(make, range(1)) as ahead:
        assert ahead.next() == "float32"


def test_files_can_be_trained_on_like_arrays(tmp_path):
    data = toy_method.data(40)
    for name, x in data.items():
        for i, part in enumerate(np.split(x, [15])):
            np.save(tmp_path / f"{name}-{i}.npy", part)
    files = streaming.open_folder(tmp_path)
    assert len(files["x"]) == 40 and files["x"].shape == (40, 3)
    stream = streaming.make(files, 16, block=4, seed=1, devices=toy_method.COUNT)
    assert np.all(np.isfinite(toy_method.fit(None, stream).params["weights"]))
    held, mapped = (
        batching.make(x, 16, seed=1, devices=toy_method.COUNT) for x in (data, files)
    )
    for step in (0, 2, 4):  # files stand for arrays wherever rows are asked for
        helpers.assert_trees_close(held(step), mapped(step), rtol=0)
