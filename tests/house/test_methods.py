"""Every registered method, and every stage of it, keeps the shape of `types.Method`."""

import functools
import typing

import jax
import numpy as np
import pytest
from helpers import assert_trees_close

import iclr22
from iclr22 import loop, parallel, types
from iclr22.data import batching

STAGES = {
    name: stage
    for method in iclr22.available()
    for name, stage in iclr22.stages(method).items()
}
TRAINED = list(iclr22.trained())


SIZE = 32  # of every batch here: one size is compiled once


class Compiled(typing.NamedTuple):
    """A stage's functions for one mode, shared by the tests: compiling is their cost."""

    on: parallel.Devices
    init: typing.Callable  # key, batch
    step: typing.Callable  # state, placed batch
    evaluate: typing.Callable  # params, batch; on one device
    traces: list  # axis name of every trace of the step

    def start(self, batch):
        """A placed initial state, and the placed batch."""
        return self.init(jax.random.key(0), batch), parallel.shard(self.on, batch)


@functools.cache
def compiled(name, mode="jit"):
    stage = STAGES[name]
    config, _ = stage.example(size=SIZE)
    traces = []

    def counted(state, batch, *, axis_name=None):
        traces.append(axis_name)
        return stage.train_step(config, state, batch, axis_name=axis_name)

    on = parallel.devices(mode, types.batch_axes(stage))
    init = parallel.compile_init(on, functools.partial(stage.init, config))
    evaluate = jax.jit(functools.partial(stage.evaluate, config))
    return Compiled(on, init, parallel.compile_step(on, counted), evaluate, traces)


@pytest.mark.parametrize("name", STAGES)
def test_parts_are_public(name):
    stage = STAGES[name]
    missing = [part for part in types.parts(stage) if not hasattr(stage, part)]
    assert not missing
    assert set(types.parts(stage)) <= set(types.NAMES)


@pytest.mark.parametrize("name", STAGES)
def test_config_is_hashable_and_every_field_is_explained(name):
    from experiments import flags as config_flags

    config = STAGES[name].Config()
    assert hash(config) == hash(STAGES[name].Config())
    hints = typing.get_type_hints(type(config))
    helps = config_flags.field_comments(type(config))
    assert set(hints) == set(helps) == set(config._fields)
    assert all(len(text) > 5 for text in helps.values())


@pytest.mark.parametrize("name", TRAINED)
def test_state_is_arrays_and_metrics_are_scalars(name):
    config, batch = STAGES[name].example(size=SIZE)
    state, placed = compiled(name).start(batch)
    assert all(isinstance(x, jax.Array) for x in jax.tree.leaves(state))
    shapes = jax.tree.map(lambda x: (x.shape, x.dtype), state)
    state, metrics = compiled(name).step(state, placed)
    assert jax.tree.map(lambda x: (x.shape, x.dtype), state) == shapes
    assert all(value.shape == () for value in metrics.values())
    assert "loss" in metrics and int(state.step) == 1
    sums = compiled(name).evaluate(state.params, batch)
    np.testing.assert_allclose(sums["weight"], np.sum(batch["weight"]), rtol=1e-6)


@pytest.mark.parametrize("name", TRAINED)
def test_steps_learn(name):
    _, batch = STAGES[name].example(size=SIZE)
    state, batch = compiled(name).start(batch)
    losses = []
    for _ in range(40):
        state, metrics = compiled(name).step(state, batch)
        losses.append(float(metrics["loss"]))  # eight devices, one step at a time
    assert float(np.mean(losses[-5:])) < 0.8 * float(losses[0])


@functools.cache
def three_steps(name, mode):
    """`(metrics and parameters, compilations after the first step)` with uneven weights."""
    _, batch = STAGES[name].example(size=SIZE)
    state, _ = compiled(name, mode).start(batch)
    history, compiles = [], []
    listener = lambda event, *_, **__: compiles.append(event)  # noqa: E731
    for index in range(3):
        keep = np.random.default_rng(index).random(len(batch["weight"])) > 0.3
        uneven = dict(batch) | {"weight": batch["weight"] * keep}
        uneven = parallel.shard(compiled(name, mode).on, uneven)
        state, metrics = compiled(name, mode).step(state, uneven)
        history.append(jax.device_get(metrics))
        if index == 0:
            jax.monitoring.register_event_duration_secs_listener(listener)
    jax.monitoring.unregister_event_duration_listener(listener)
    return (history, jax.device_get(state.params)), compiles


@pytest.mark.parametrize("mode", parallel.MODES)
@pytest.mark.parametrize("name", TRAINED)
def test_step_compiles_once(name, mode):
    _, compiles = three_steps(name, mode)
    assert len(compiled(name, mode).traces) == 1
    assert not [event for event in compiles if "backend_compile" in event]


@pytest.mark.parametrize("name", TRAINED)
def test_pmap_on_eight_devices_equals_jit(name):
    for mode in parallel.MODES:
        assert compiled(name, mode).on.mesh.size == len(jax.devices())
    found = [three_steps(name, mode)[0] for mode in parallel.MODES]
    assert_trees_close(*found, rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("name", TRAINED)
def test_padding_changes_nothing(name):
    stage = STAGES[name]
    _, batch = stage.example(size=SIZE)
    pad = getattr(stage, "pad", None) or pad_rows
    results = []
    fresh = compiled.__wrapped__(name)  # another size is another trace
    for use, given in ((compiled(name), batch), (fresh, pad(batch, 8))):
        state, _ = compiled(name).start(batch)
        sums = use.evaluate(state.params, given)
        state, metrics = use.step(state, parallel.shard(use.on, given))
        results.append((sums, metrics, state.params))
    assert_trees_close(*results, rtol=2e-4, atol=2e-5)


def pad_rows(batch, extra):
    """Append rows of noise with weight 0 to every array of a batch."""
    rng = np.random.default_rng(0)

    def grow(x):
        rows = x[rng.integers(0, len(x), extra)]
        noise = 100 * rng.normal(size=rows.shape) if rows.dtype.kind == "f" else 0
        return np.concatenate([x, (rows + noise).astype(x.dtype)])

    padded = {name: grow(x) for name, x in batch.items()}
    padded["weight"][-extra:] = 0
    return padded


def source_of(stage):
    """Shuffled batches, or the whole of one where a stage cannot divide it."""
    if not types.has_rows(stage):
        return batching.Whole(stage.example(size=SIZE)[1], types.batch_axes(stage))
    _, batch = stage.example(size=5 * SIZE // 2)
    arrays = {k: v for k, v in batch.items() if k != "weight"}
    return batching.make(arrays, SIZE, seed=1, devices=8)


def stopping(crossed, cut):
    """The loop's own question, with a chance to interrupt it."""

    def ask(step, count, every):
        cut(step)
        return crossed(step, count, every)

    return ask


@pytest.mark.parametrize("mode", ["jit", pytest.param("pmap", marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", TRAINED)
def test_resume_equals_no_interruption(name, mode, tmp_path, monkeypatch):
    stage = STAGES[name]
    config, _ = stage.example(size=SIZE)
    plan = loop.Schedule(steps=12, log_every=2, save_every=4, scan=2)
    batches = source_of(stage)
    options = {"seed": 3, "mode": mode}

    def train(directory, schedule=plan, source=batches):
        return loop.fit(stage, config, source, schedule, directory=directory, **options)

    whole = train(tmp_path / "whole")

    def cut(step):
        if step >= 10:
            raise KeyboardInterrupt

    monkeypatch.setattr(loop, "_crossed", stopping(loop._crossed, cut))
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "cut")
    monkeypatch.undo()
    assert int(train(tmp_path / "cut").step) == 12
    resumed = train(tmp_path / "cut")
    assert_trees_close(whole, resumed, rtol=0, atol=0)
    lines = [(tmp_path / x / "metrics.jsonl").read_text() for x in ("whole", "cut")]
    assert lines[0] == lines[1] and len(lines[0].splitlines()) == 6
