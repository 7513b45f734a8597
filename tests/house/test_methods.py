"""Every registered method, and every stage of it, keeps the shape of `types.Method`."""

import functools
import types as python_types
import typing

import jax
import numpy as np
import programs
import pytest
from helpers import assert_trees_close

import iclr22
from experiments import flags as config_flags
from iclr22 import gradients, loop, parallel, types
from iclr22.data import batching

pytestmark = pytest.mark.eight_devices

STAGES = {
    name: stage
    for method in iclr22.available()
    for name, stage in iclr22.stages(method).items()
}
TRAINED = list(iclr22.trained())
SIZE = 32  # of every batch here: one size is compiled once
SCAN = 2  # updates of a call, as in the loop


class Stage:
    """A stage and its example. Compiling is what these tests cost, so they share with
    each other, and with the loop, one program for each mode: a call is two updates."""

    def __init__(self, name):
        self.module = STAGES[name]
        self.config, self.batch = self.module.example(size=SIZE)
        self.axes = types.batch_axes(self.module)
        self.rows = types.has_rows(self.module)
        self.traces = []  # axis name of every trace of the step
        names = vars(self.module) | {"train_step": self._counted}
        self.method = python_types.SimpleNamespace(**names)
        self.evaluate = jax.jit(functools.partial(self.module.evaluate, self.config))
        self._uneven = {}

    def _counted(self, config, state, batch, *, axis_name=None):
        self.traces.append(axis_name)
        return self.module.train_step(config, state, batch, axis_name=axis_name)

    def start(self):
        """A fresh state on all devices."""
        on = parallel.devices("jit", self.axes)
        init = loop._compiled(parallel.compile_init, on, self.method.init, self.config)
        return init(jax.random.key(0), self.batch)

    def call(self, state, batch, mode="jit"):
        """Two updates on a batch."""
        on = parallel.devices(mode, self.axes)
        options = {"steps": SCAN, "stacked": self.rows}
        step = loop._compiled(
            parallel.compile_step, on, self.method.train_step, self.config, **options
        )
        given = loop._stack([batch] * SCAN) if self.rows else batch
        done = step(state, parallel.shard(on, given, stacked=self.rows))
        return jax.block_until_ready(done)  # eight devices, one call at a time

    def uneven_calls(self, mode):
        """`(metrics and parameters, compilations after the first call)` of three calls
        with uneven weights."""
        if mode not in self._uneven:
            self._uneven[mode] = self._call_uneven(mode)
        return self._uneven[mode]

    def _call_uneven(self, mode):
        state, history, compiles = self.start(), [], []

        def listener(event, *_, **__):
            compiles.append(event)

        for index in range(3):
            keep = np.random.default_rng(index).random(SIZE) > 0.3
            uneven = dict(self.batch) | {"weight": self.batch["weight"] * keep}
            state, metrics = self.call(state, uneven, mode)
            history.append(jax.tree.map(_of_one_device, metrics))
            if index == 0:
                jax.monitoring.register_event_duration_secs_listener(listener)
        jax.monitoring.unregister_event_duration_listener(listener)
        return (history, jax.device_get(state.params)), compiles


def _of_one_device(x):
    return np.asarray(x)


@pytest.fixture(scope="module", params=TRAINED)
def stage(request):
    """One after the other: each leaves before the next is compiled."""
    yield Stage(request.param)
    loop._kept.cache_clear()
    programs.forget()


@pytest.mark.parametrize("name", STAGES)
def test_parts_are_public(name):
    stage = STAGES[name]
    missing = [part for part in types.parts(stage) if not hasattr(stage, part)]
    assert not missing
    assert set(types.parts(stage)) <= set(types.NAMES)


@pytest.mark.parametrize("name", STAGES)
def test_config_is_hashable_and_every_field_is_explained(name):
    config = STAGES[name].Config()
    assert hash(config) == hash(STAGES[name].Config())
    hints = typing.get_type_hints(type(config))
    helps = config_flags.field_comments(type(config))
    assert set(hints) == set(helps) == set(config._fields)
    assert all(len(text) > 5 for text in helps.values())
    assert set(getattr(config, "RESOLVED", ())) <= set(config._fields)


@pytest.mark.parametrize("name", TRAINED)
def test_state_is_the_one_of_all_stages_or_says_why_not(name):
    state = STAGES[name].State
    assert state is gradients.State or "Differs:" in (state.__doc__ or "")


def test_state_is_arrays_and_metrics_are_scalars(stage):
    state = stage.start()
    assert all(isinstance(x, jax.Array) for x in jax.tree.leaves(state))
    shapes = jax.tree.map(lambda x: (x.shape, x.dtype), state)
    state, metrics = stage.call(state, stage.batch)
    assert jax.tree.map(lambda x: (x.shape, x.dtype), state) == shapes
    assert all(value.shape == (SCAN,) for value in metrics.values())
    assert "loss" in metrics and int(state.step) == SCAN
    sums = stage.evaluate(state.params, stage.batch)
    np.testing.assert_allclose(sums["weight"], np.sum(stage.batch["weight"]), rtol=1e-6)


def test_steps_learn(stage):
    state, losses = stage.start(), []
    for _ in range(40 // SCAN):
        state, metrics = stage.call(state, stage.batch)
        losses += metrics["loss"].tolist()
    assert np.mean(losses[-5:]) < 0.8 * losses[0]


@pytest.mark.parametrize("mode", parallel.MODES)
def test_step_compiles_once(stage, mode):
    _, compiles = stage.uneven_calls(mode)
    assert stage.traces.count(parallel.devices(mode).axis_name) == 1
    assert not [event for event in compiles if "backend_compile" in event]


def test_pmap_on_eight_devices_equals_jit(stage):
    for mode in parallel.MODES:
        assert parallel.devices(mode).mesh.size == len(jax.devices())
    found = [stage.uneven_calls(mode)[0] for mode in parallel.MODES]
    assert_trees_close(*found, rtol=2e-4, atol=2e-5)


def test_padding_changes_nothing(stage):
    """On one device, step by step, against all devices and two steps at once."""
    pad = getattr(stage.module, "pad", None) or pad_rows
    padded = pad(stage.batch, 8)
    state = stage.start()
    sums = [stage.evaluate(state.params, x) for x in (stage.batch, padded)]
    assert_trees_close(*sums, rtol=2e-4, atol=2e-5)
    alone = jax.device_put(state, jax.devices()[0])
    step = jax.jit(functools.partial(stage.module.train_step, stage.config))
    history = []
    for _ in range(SCAN):
        alone, metrics = step(alone, padded)
        history.append(metrics)
    state, metrics = stage.call(state, stage.batch)
    found = loop._stack(history), alone.params
    assert_trees_close(found, (metrics, state.params), rtol=2e-4, atol=2e-5)


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
    if not stage.rows:
        return batching.Whole(stage.batch, stage.axes)
    _, batch = stage.module.example(size=5 * SIZE // 2)
    arrays = {k: v for k, v in batch.items() if k != "weight"}
    return batching.make(arrays, SIZE, seed=1, devices=8)


def stopping(crossed, cut):
    """The loop's own question, with a chance to interrupt it."""

    def ask(step, count, every):
        cut(step)
        return crossed(step, count, every)

    return ask


@pytest.mark.parametrize("mode", ["jit", pytest.param("pmap", marks=pytest.mark.slow)])
def test_resume_equals_no_interruption(stage, mode, tmp_path, monkeypatch):
    plan = loop.Schedule(steps=12, log_every=2, save_every=4, scan=SCAN)
    train = functools.partial(
        loop.fit, stage.method, stage.config, source_of(stage), plan, seed=3, mode=mode
    )
    whole = train(directory=tmp_path / "whole")

    def cut(step):
        if step >= 10:
            raise KeyboardInterrupt

    monkeypatch.setattr(loop, "_crossed", stopping(loop._crossed, cut))
    with pytest.raises(KeyboardInterrupt):
        train(directory=tmp_path / "cut")
    monkeypatch.undo()
    resumed = train(directory=tmp_path / "cut")
    assert int(resumed.step) == 12
    assert_trees_close(whole, resumed, rtol=0, atol=0)
    assert_trees_close(whole, train(directory=tmp_path / "cut"), rtol=0, atol=0)
    lines = [(tmp_path / x / "metrics.jsonl").read_text() for x in ("whole", "cut")]
    assert lines[0] == lines[1] and len(lines[0].splitlines()) == 6
