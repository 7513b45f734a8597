"""Devices: what lies where, and the same numbers in every mode."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import assert_trees_close

from iclr22 import errors, parallel

pytestmark = pytest.mark.eight_devices

COUNT = len(jax.devices())
AXES = {
    "all divided": 0,
    "all replicated": None,
    "prefix": {"x": 0, "graph": None},
    "leaves": {"x": None, "graph": {"edges": 0, "nodes": None}},
}


def make_batch(steps=None):
    """Nested batch; with `steps` each leaf has that leading axis."""
    rng = np.random.default_rng(0)
    lead = () if steps is None else (steps,)
    return {
        "x": rng.normal(size=(*lead, 2 * COUNT, 3)).astype(np.float32),
        "graph": {
            "edges": rng.integers(0, 9, (*lead, 3 * COUNT)).astype(np.int32),
            "nodes": rng.normal(size=(*lead, COUNT, 2)).astype(np.float32),
        },
    }


def on_device(on, leaf, index):
    """What device number `index` sees of an array that was sharded."""
    if isinstance(leaf, jax.Array):
        device = on.mesh.devices[index]
        return next(s.data for s in leaf.addressable_shards if s.device == device)
    return leaf[index]


@pytest.mark.parametrize("steps", [None, 2])
@pytest.mark.parametrize("axes", AXES)
@pytest.mark.parametrize("mode", parallel.MODES)
def test_shard_gives_each_device_its_part(mode, axes, steps):
    on = parallel.devices(mode, AXES[axes])
    batch = make_batch(steps)
    divided = {
        "all divided": {"x", "edges", "nodes"},
        "all replicated": set(),
        "prefix": {"x"},
        "leaves": {"edges"},
    }[axes]
    placed = parallel.shard(on, batch, stacked=steps is not None)
    assert jax.tree.structure(placed) == jax.tree.structure(batch)
    flat = {"x": (batch["x"], placed["x"])}
    flat |= {k: (v, placed["graph"][k]) for k, v in batch["graph"].items()}
    for name, (given, leaf) in flat.items():
        parts = np.split(given, COUNT, axis=0 if steps is None else 1)
        for index in range(COUNT):
            if name in divided:
                np.testing.assert_array_equal(on_device(on, leaf, index), parts[index])
            elif mode == "jit":
                np.testing.assert_array_equal(on_device(on, leaf, index), given)
            else:  # pmap itself copies what has no device axis
                np.testing.assert_array_equal(leaf, given)


def test_shard_leaves_missing_entries_alone():
    for mode in parallel.MODES:
        on = parallel.devices(mode)
        placed = parallel.shard(on, {"x": np.ones((COUNT, 2)), "globals": None})
        assert placed["globals"] is None


def graph_step(state, batch, *, axis_name=None):
    """Messages along divided edges into replicated nodes."""
    edges, nodes = batch["graph"]["edges"], batch["graph"]["nodes"]
    total = parallel.reduce(jnp.sum(nodes[edges % len(nodes)], 0), axis_name)
    return state + total, {"loss": jnp.sum(total)}


@pytest.mark.parametrize("steps", [1, 2])
@pytest.mark.parametrize("mode", parallel.MODES)
def test_step_on_mixed_batch_equals_numpy(mode, steps):
    on = parallel.devices(mode, AXES["leaves"])
    batch = make_batch(None if steps == 1 else steps)
    state = parallel.place(on, lambda: jnp.zeros(2))
    compiled = parallel.compile_step(on, graph_step, steps=steps)
    state, metrics = compiled(state, parallel.shard(on, batch, stacked=steps > 1))
    edges, nodes = (
        np.reshape(batch["graph"][k], (steps, -1, *tail))
        for k, tail in (("edges", ()), ("nodes", (2,)))
    )
    totals = [n[e % len(n)].sum(0) for e, n in zip(edges, nodes, strict=True)]
    np.testing.assert_allclose(state, np.sum(totals, 0), rtol=1e-5)
    np.testing.assert_allclose(np.ravel(metrics["loss"]), np.sum(totals, 1), rtol=1e-5)


@pytest.mark.parametrize("mode", parallel.MODES)
def test_step_on_replicated_batch_works(mode):
    on = parallel.devices(mode, None)
    batch = make_batch()

    def step(state, batch, *, axis_name=None):
        total = jnp.sum(batch["x"])
        return state + total, {"loss": total}

    state = parallel.place(on, lambda: jnp.zeros(()))
    compiled = parallel.compile_step(on, step)
    for _ in range(2):
        state, _ = compiled(state, parallel.shard(on, batch))
    np.testing.assert_allclose(state, 2 * batch["x"].sum(), rtol=1e-5)


def test_reduce_gather_fold_equal_the_global_computation():
    on = parallel.devices("pmap")
    batch = make_batch()
    key = jax.random.key(1)

    def sums(params, batch, *, axis_name=None):
        own = jax.random.uniform(parallel.fold_axis(key, axis_name), (1,))
        return {
            "total": parallel.reduce(jnp.sum(params * batch["x"], 0), axis_name),
            "all": parallel.gather(batch["x"], axis_name),
            "random": parallel.gather(own, axis_name),
        }

    params = parallel.place(on, lambda: jnp.full((), 2.0))
    found = parallel.compile_evaluate(on, sums)(params, parallel.shard(on, batch))
    np.testing.assert_allclose(found["total"], 2 * batch["x"].sum(0), rtol=1e-5)
    np.testing.assert_array_equal(found["all"], batch["x"])
    keys = [jax.random.fold_in(key, i) for i in range(COUNT)]
    expected = np.concatenate([jax.random.uniform(k, (1,)) for k in keys])
    np.testing.assert_allclose(found["random"], expected, rtol=1e-6)
    assert len(set(expected.tolist())) == COUNT
    direct = sums(2.0, batch, axis_name=None)
    np.testing.assert_allclose(direct["total"], found["total"], rtol=1e-5)


def test_reduce_gather_fold_without_axis_are_identities():
    tree, key = {"a": np.ones(3)}, jax.random.key(0)
    assert parallel.reduce(tree, None) is tree
    assert parallel.gather(tree["a"], None) is tree["a"]
    assert parallel.fold_axis(key, None) is key


def decay_step(state, batch, *, axis_name=None):
    """Depends on the order of the batches and on the number of the step."""
    step, value = state
    total = parallel.reduce(jnp.sum(batch["x"]), axis_name)
    value = jnp.tanh(0.5 * value + 0.1 * total + step)
    return (step + 1, value), {"loss": value, "step": step}


def decay_start():
    return jnp.zeros((), jnp.int32), jnp.zeros(())


def test_scan_equals_single_steps_in_both_modes():
    batches = make_batch(steps=4)
    histories = []
    for mode in parallel.MODES:
        on = parallel.devices(mode)
        whole = parallel.compile_step(on, decay_step, steps=4)
        state = parallel.place(on, decay_start)
        state, metrics = whole(state, parallel.shard(on, batches, stacked=True))
        assert metrics["loss"].shape == (4,)
        histories.append((state, metrics))
        single = parallel.compile_step(on, decay_step)
        state, rows = parallel.place(on, decay_start), []
        for i in range(4):
            one = jax.tree.map(lambda x, i=i: x[i], batches)
            state, metrics = single(state, parallel.shard(on, one))
            rows.append(metrics)
        histories.append((state, jax.tree.map(lambda *x: jnp.stack(x), *rows)))
    for other in histories[1:]:
        assert_trees_close(histories[0], other, rtol=1e-5)


@pytest.mark.parametrize("mode", parallel.MODES)
def test_place_and_replicate_reach_every_device(mode):
    on = parallel.devices(mode)
    placed = parallel.place(on, lambda n: {"a": jnp.ones(3) * n}, 2.0)
    copied = parallel.replicate(on, {"a": np.full(3, 2.0)})
    for tree in (placed, copied):
        assert tree["a"].sharding.is_fully_replicated
        assert len(tree["a"].addressable_shards) == COUNT
        np.testing.assert_array_equal(tree["a"], [2, 2, 2])


@pytest.mark.parametrize("mode", parallel.MODES)
def test_checkpoint_of_one_process_gets_what_one_device_has(mode):
    on = parallel.devices(mode)
    state = {"key": jax.random.key(3), "x": jnp.arange(3.0)}
    placed = parallel.place(on, lambda: state)

    def step(state, batch, *, axis_name=None):
        return state | {"x": state["x"] + 1}, {}

    batch = parallel.shard(on, np.zeros(COUNT))
    placed, _ = parallel.compile_step(on, step)(placed, batch)
    found = parallel.for_checkpoint(on, placed)
    assert all(len(x.addressable_shards) == 1 for x in jax.tree.leaves(found))
    assert_trees_close(found, state | {"x": jnp.arange(1.0, 4)})


def test_axis_name_belongs_to_pmap_only():
    assert parallel.devices("jit").axis_name is None
    assert parallel.devices("pmap").axis_name == parallel.AXIS


def test_unknown_mode_lists_the_known():
    with pytest.raises(errors.InputError, match="'pmpa'.*'pmap'.*Known: jit, pmap"):
        parallel.devices("pmpa")


def test_shard_rows_divides_whatever_the_mode():
    on = parallel.devices("pmap", batch_axes=None)
    rows = parallel.shard_rows(on)(np.arange(2 * COUNT))
    assert [len(s.data) for s in rows.addressable_shards] == [2] * COUNT


@pytest.mark.parametrize(
    ("address", "bound"),
    [
        ("127.0.0.1:8123", "127.0.0.1:8123"),
        ("localhost:1", "localhost:1"),
        ("a:1", None),
    ],
)
def test_who_coordinates_processes_of_one_machine_listens_there_only(
    monkeypatch, address, bound
):
    seen = []
    for name, value in (
        ("COORDINATOR_ADDRESS", address),
        ("NUM_PROCESSES", "2"),
        ("PROCESS_ID", "1"),
    ):
        monkeypatch.setenv(name, value)

    def initialize(*given, coordinator_bind_address):
        seen.append((*given, coordinator_bind_address))

    monkeypatch.setattr(jax.distributed, "initialize", initialize)
    parallel.initialize()
    assert seen == [(address, 2, 1, bound)]
