"""The loop: bad losses, resumption after anything, evaluation, scans."""

import json
import pathlib
import types

import helpers
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from toy_method import (
    BATCHES,
    CONFIG,
    COUNT,
    TOY,
    Config,
    apply,
    data,
    evaluate,
    fit,
    init,
    train_step,
)

from iclr22 import errors, loop, parallel, record, states
from iclr22.data import batching

pytestmark = pytest.mark.eight_devices


def poisoned(step):
    """Batches whose number 12, the thirteenth update, is broken."""
    batch = BATCHES(step)
    return batch | {"y": batch["y"] * np.float32(np.nan if step == 12 else 1)}


def metrics_of(directory):
    return record.read_metrics(directory / "metrics.jsonl")


@pytest.mark.parametrize(("scan", "save_every"), [(1, 5), (4, 5), (20, 5), (1, 100)])
def test_nan_loss_names_its_step_and_keeps_the_good_state(tmp_path, scan, save_every):
    options = {"scan": scan, "save_every": save_every}
    with pytest.raises(loop.NonFiniteLoss, match="loss is nan at step 13[.]"):
        fit(tmp_path / "a", poisoned, **options)
    saved = states.Checkpoints(tmp_path / "a" / "checkpoints")
    good = {(1, 5): 10, (4, 5): 12}.get((scan, save_every))
    assert (saved.steps() or [None])[0] == good
    if good:
        like = init(CONFIG, jax.random.key(0), BATCHES(0))
        kept = saved.restore(good, like)
        expected = fit(None, steps=good, **options)
        helpers.assert_trees_close(kept, expected, rtol=1e-6)
    saved.close()
    assert all(np.isfinite(x["train/loss"]) for x in metrics_of(tmp_path / "a"))
    seen = []

    def repaired(step):
        seen.append(step)
        return BATCHES(step)

    resumed = fit(tmp_path / "a", repaired, **options)
    whole = fit(tmp_path / "b", **options)
    assert min(seen[1:]) == (good or 0)
    helpers.assert_trees_close(resumed, whole, rtol=0)
    assert metrics_of(tmp_path / "a") == metrics_of(tmp_path / "b")


def test_lines_of_a_cut_run_are_dropped_at_resume(tmp_path):
    def cut(step):
        if step == 14:
            raise KeyboardInterrupt
        return BATCHES(step)

    with pytest.raises(KeyboardInterrupt):
        fit(tmp_path, cut)
    assert [x["step"] for x in metrics_of(tmp_path)] == [4, 5, 8, 10, 12]
    with open(tmp_path / "metrics.jsonl", "a") as file:
        file.write('{"step": 14, "train/lo')
    with pytest.raises(KeyboardInterrupt):
        fit(tmp_path, lambda step: cut(14 if step == 11 else step))
    assert [x["step"] for x in metrics_of(tmp_path)] == [4, 5, 8, 10]
    fit(tmp_path)
    steps = [x["step"] for x in metrics_of(tmp_path)]
    assert steps == [4, 5, 8, 10, 12, 15, 16, 20]


def test_finished_run_computes_nothing_again(tmp_path):
    first = fit(tmp_path)
    lines = (tmp_path / "metrics.jsonl").read_text()
    again = fit(tmp_path, lambda step: BATCHES(step) if step == 0 else 1 / 0)
    helpers.assert_trees_close(first, again, rtol=0)
    assert (tmp_path / "metrics.jsonl").read_text() == lines


def test_longer_schedule_continues_from_the_end_of_a_shorter(tmp_path):
    fit(tmp_path, steps=10)
    helpers.assert_trees_close(fit(tmp_path, steps=20), fit(None, steps=20), rtol=1e-6)


@pytest.mark.parametrize("mode", parallel.MODES)
def test_evaluation_weighs_padded_batches(mode, tmp_path):
    held = data(21, seed=5)

    def valid():
        return batching.in_order(held, 8, devices=COUNT)

    state = fit(tmp_path, mode=mode, valid=valid, evaluate_every=10)
    residuals = np.asarray(apply(CONFIG, state.params, held["x"])) - held["y"]
    found = loop.score(TOY, CONFIG, state.params, valid(), mode=mode)
    assert found == pytest.approx({"loss": np.mean(residuals**2)}, rel=1e-4)
    lines = [x for x in metrics_of(tmp_path) if "valid/loss" in x]
    assert [x["step"] for x in lines] == [10, 20]
    assert lines[-1]["valid/loss"] == pytest.approx(found["loss"], rel=1e-4)


@pytest.mark.parametrize("mode", parallel.MODES)
def test_scan_equals_single_steps(mode, tmp_path):
    states, losses = [], []
    for scan in (1, 4, 7):
        directory = tmp_path / str(scan)
        options = {"log_every": 1, "save_every": 100, "scan": scan}
        states.append(fit(directory, mode=mode, **options))
        lines = metrics_of(directory)
        ends = [x["step"] for x in lines]
        assert ends == sorted({*range(scan, 20, scan), 20})
        counts = np.diff([0, *ends])
        losses.append(counts @ [x["train/loss"] for x in lines] / 20)
    for state in states[1:]:
        helpers.assert_trees_close(states[0], state, rtol=1e-5)
    np.testing.assert_allclose(losses, losses[0], rtol=1e-5)


@pytest.mark.parametrize(
    ("config", "found"),
    [
        (Config(width=2), "width: 1 there, 2 now"),
        (Config(keep_best=True), "keep_best: False there, True now"),
    ],
)
def test_other_config_cannot_resume_and_says_what_to_do(tmp_path, config, found):
    fit(tmp_path, steps=5)
    with pytest.raises(errors.InputError) as caught:
        fit(tmp_path, config=config)
    text = str(caught.value)
    assert f"({found})" in text and str(tmp_path) in text and "--workdir" in text
    assert len(text.splitlines()) == 1 and len(text) < 1000


def test_other_data_or_another_seed_cannot_resume(tmp_path):
    fit(tmp_path, steps=5)
    changed = {name: x.copy() for name, x in data().items()}
    changed["y"][-1] += 1
    other = batching.make(changed, BATCHES.size, devices=COUNT)
    with pytest.raises(errors.InputError, match="other data"):
        fit(tmp_path, other)
    plan = loop.Schedule(20)
    with pytest.raises(errors.InputError, match="seed: 2 there, 1 now"):
        loop.fit(TOY, CONFIG, BATCHES, plan, seed=1, directory=tmp_path)
    assert int(fit(tmp_path, steps=6).step) == 6


def test_everything_fits_without_a_directory():
    state = fit(None, valid=lambda: 1 / 0)
    assert int(state.step) == 20


WORKER = """
import sys, time
import jax, numpy as np

directory, pause, tests = sys.argv[1], float(sys.argv[2]), sys.argv[3]
sys.path.insert(0, tests)
import toy_method

seen = []

def batches(step):
    seen.append(step)
    time.sleep(pause)
    return toy_method.BATCHES(step)

config = toy_method.Config(keep_best=True)
options = {"log_every": 7, "save_every": 10, "config": config}
state = toy_method.fit(directory, batches, 60, **options)
leaves = jax.tree.leaves(state._replace(key=jax.random.key_data(state.key)))
np.savez(f"{directory}/final.npz", *leaves)
print(min(seen[1:]))
"""


def test_killed_process_resumes_to_the_same_bits(tmp_path):
    script = tmp_path / "worker.py"
    script.write_text(WORKER)
    cut, whole = tmp_path / "cut", tmp_path / "whole"
    tests = pathlib.Path(__file__).parents[1]
    victim = helpers.start(script, cut, 0.05, tests)
    reference = helpers.start(script, whole, 0, tests)

    def committed():
        lines = metrics_of(cut)
        steps = [p.name for p in (cut / "checkpoints").glob("*") if p.name.isdigit()]
        return len(steps) >= 2 and lines and lines[-1]["step"] > max(map(int, steps))

    helpers.kill_when(victim, committed)
    assert not (cut / "final.npz").exists()
    begun, _ = helpers.finish(helpers.start(script, cut, 0, tests))
    assert 10 <= int(begun) < 60
    assert int(helpers.finish(reference)[0]) == 0
    with np.load(cut / "final.npz") as a, np.load(whole / "final.npz") as b:
        assert a.files == b.files and len(a.files) > 8
        for name in a.files:
            assert a[name].tobytes() == b[name].tobytes()
    lines = [(x / "metrics.jsonl").read_text() for x in (cut, whole)]
    assert lines[0] == lines[1]
    assert json.loads(lines[0].splitlines()[-1])["step"] == 60


def whole_data(n=16):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, 2)).astype(np.float32)
    return {"x": x, "y": x.sum(1), "weight": np.ones(n, np.float32)}


@pytest.mark.parametrize("mode", parallel.MODES)
@pytest.mark.parametrize("axes", [0, None])
def test_whole_batch_is_a_batch_in_every_step(mode, axes):
    batch = whole_data()
    plan = loop.Schedule(steps=7, scan=3)
    stacked = loop.fit(TOY, Config(), lambda step: batch, plan, mode=mode)
    whole = loop.fit(TOY, Config(), batching.Whole(batch, axes), plan, mode=mode)
    helpers.assert_trees_close(stacked, whole, rtol=1e-5, atol=1e-6)


def test_several_validation_sets_are_logged_by_name(tmp_path):
    batch = whole_data()
    half = batch | {"weight": (np.arange(16) < 8).astype(np.float32)}
    valid = {"valid": batching.Whole(half, 0), "other": lambda: [batch]}
    plan = loop.Schedule(steps=6, scan=2, evaluate_every=2)
    source = batching.Whole(batch, 0)
    state = loop.fit(TOY, Config(), source, plan, directory=tmp_path, valid=valid)
    lines = record.read_metrics(tmp_path / "metrics.jsonl")
    found = {k: [x["step"] for x in lines if k in x] for k in lines[0] | lines[-1]}
    assert found["valid/loss"] == found["other/loss"] == [2, 4, 6]
    for name, given in (("valid", half), ("other", batch)):
        sums = evaluate(Config(), state.params, given)
        last = [x[f"{name}/loss"] for x in lines if f"{name}/loss" in x][-1]
        np.testing.assert_allclose(last, sums["loss"] / sums["weight"], rtol=1e-5)


def test_second_run_does_not_trace_again():
    traces = []

    def counted(config, state, batch, *, axis_name=None):
        traces.append(axis_name)
        return train_step(config, state, batch, axis_name=axis_name)

    method = types.SimpleNamespace(**vars(TOY) | {"train_step": counted})
    for seed in range(3):
        source, plan = batching.Whole(whole_data(), 0), loop.Schedule(steps=4, scan=2)
        loop.fit(method, Config(), source, plan, seed=seed)
    assert len(traces) == 1


def test_review_sees_means_and_changes_the_state_before_it_is_saved(tmp_path):
    seen = []

    def review(state, means):
        seen.append((int(state.step), sorted(means)))
        return state._replace(params=jax.tree.map(jnp.zeros_like, state.params))

    plan = loop.Schedule(steps=6, evaluate_every=3, save_every=3)
    given = {"valid": lambda: [BATCHES(0)], "review": review}
    state = loop.fit(TOY, CONFIG, BATCHES, plan, directory=tmp_path, **given)
    assert seen == [(3, ["valid/loss"]), (6, ["valid/loss"])]
    assert not np.any(state.params["weights"])
    saved = states.Checkpoints(tmp_path / "checkpoints")
    assert not np.any(saved.restore(6, state).params["weights"])
    saved.close()
    seen.clear()
    loop.fit(TOY, CONFIG, BATCHES, plan, **given)  # also without a directory
    assert len(seen) == 2
