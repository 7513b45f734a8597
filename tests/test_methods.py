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
TRAINED = [name for name, stage in STAGES.items() if "train_step" in types.parts(stage)]


def replicated(stage):
    """Axes of the batch, and a batch placed for one mode."""
    return getattr(stage, "BATCH_AXES", 0)


def compiled(stage, config, mode):
    """`(devices, compiled step, placed initial state)` for a stage."""
    config_, batch = stage.example()
    on = parallel.devices(mode, replicated(stage))
    init = functools.partial(stage.init, config)
    state = parallel.place(on, init, jax.random.key(0), batch)
    step = parallel.compile_step(on, functools.partial(stage.train_step, config))
    return on, step, state, batch


def evaluated(stage, config, params, batch):
    """Sums of a stage, compiled: one program is faster than one for every operation."""
    return jax.jit(functools.partial(stage.evaluate, config))(params, batch)


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
    stage = STAGES[name]
    config, batch = stage.example()
    on, step, state, _ = compiled(stage, config, "jit")
    assert all(isinstance(x, jax.Array) for x in jax.tree.leaves(state))
    shapes = jax.tree.map(lambda x: (x.shape, x.dtype), state)
    state, metrics = step(state, parallel.shard(on, batch))
    assert jax.tree.map(lambda x: (x.shape, x.dtype), state) == shapes
    assert all(value.shape == () for value in metrics.values())
    assert "loss" in metrics and int(state.step) == 1
    sums = evaluated(stage, config, state.params, batch)
    np.testing.assert_allclose(sums["weight"], np.sum(batch["weight"]), rtol=1e-6)


@pytest.mark.parametrize("name", TRAINED)
def test_steps_learn(name):
    stage = STAGES[name]
    config, _ = stage.example()
    on, step, state, batch = compiled(stage, config, "jit")
    batch = parallel.shard(on, batch)
    losses = []
    for _ in range(40):
        state, metrics = step(state, batch)
        losses.append(metrics["loss"])
    assert float(np.mean(losses[-5:])) < 0.8 * float(losses[0])


@pytest.mark.parametrize("mode", parallel.MODES)
@pytest.mark.parametrize("name", TRAINED)
def test_step_compiles_once(name, mode):
    stage = STAGES[name]
    config, _ = stage.example()
    traces = []

    def counted(config, state, batch, *, axis_name=None):
        traces.append(axis_name)
        return stage.train_step(config, state, batch, axis_name=axis_name)

    on = parallel.devices(mode, replicated(stage))
    _, batch = stage.example()
    init = functools.partial(stage.init, config)
    state = parallel.place(on, init, jax.random.key(0), batch)
    step = parallel.compile_step(on, functools.partial(counted, config))
    compiles = []
    listener = lambda event, *_, **__: compiles.append(event)  # noqa: E731
    for index in range(4):
        state, _ = step(state, parallel.shard(on, batch))
        if index == 0:
            jax.monitoring.register_event_duration_secs_listener(listener)
    jax.monitoring.unregister_event_duration_listener(listener)
    assert len(traces) == 1
    assert not [event for event in compiles if "backend_compile" in event]


@pytest.mark.parametrize("name", TRAINED)
def test_pmap_on_eight_devices_equals_jit(name):
    stage = STAGES[name]
    config, _ = stage.example()
    results = []
    for mode in parallel.MODES:
        on, step, state, batch = compiled(stage, config, mode)
        assert on.mesh.size == len(jax.devices())
        history = []
        for index in range(3):
            uneven = dict(batch)
            uneven["weight"] = batch["weight"] * (
                np.random.default_rng(index).random(len(batch["weight"])) > 0.3
            )
            state, metrics = step(state, parallel.shard(on, uneven))
            history.append(metrics)
        results.append(jax.device_get((history, state.params)))
    assert_trees_close(*results, rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("name", TRAINED)
def test_padding_changes_nothing(name):
    stage = STAGES[name]
    config, batch = stage.example(size=16)
    pad = getattr(stage, "pad", None) or pad_rows
    results = []
    for given in (batch, pad(batch, 8)):
        on = parallel.devices("jit", replicated(stage))
        init = functools.partial(stage.init, config)
        state = parallel.place(on, init, jax.random.key(0), batch)
        step = parallel.compile_step(on, functools.partial(stage.train_step, config))
        sums = evaluated(stage, config, state.params, given)
        state, metrics = step(state, parallel.shard(on, given))
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


def source_of(stage, batch):
    """Shuffled batches of 16, or the whole batch where a stage cannot divide it."""
    divides = jax.tree.leaves(replicated(stage), is_leaf=lambda x: x is None) == [0]
    if not divides or hasattr(stage, "pad"):
        return batching.Whole(batch, replicated(stage))
    arrays = {k: v for k, v in batch.items() if k != "weight"}
    return batching.make(arrays, 16, seed=1, devices=8)


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
    config, batch = stage.example(size=40)
    plan = loop.Schedule(steps=12, log_every=2, save_every=4, scan=2)
    batches = source_of(stage, batch)
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
